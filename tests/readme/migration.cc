// The code of deploy/MIGRATION.md: what it shows is cut from here. migration_test.py runs it.
#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "roost/housekeeper.h"
#include "roost/pool.h"
#include "roost/sqlite.h"
#include "roost/transaction.h"

using namespace std::chrono_literals;

namespace {

// clang-format off
// [before]
struct Before : roost::profiles::Default {
  static constexpr const char* kName = "before";
  static constexpr int kPoolSize = 10;
  static constexpr int kMaxOverflow = 10;  // SQLAlchemy's default
  static constexpr roost::Duration kPoolTimeout = 30s;
  static constexpr roost::Duration kPoolRecycle = 3600s;
  static constexpr roost::PrePing kPrePing = roost::PrePing::kNever;  // SQLAlchemy's default
};
// [before]

// [after]
struct After : roost::profiles::Default {
  static constexpr const char* kName = "after";
  static constexpr int kPoolSize = 30;
  static constexpr int kMaxOverflow = 15;
  static constexpr roost::Duration kPoolTimeout = 30s;
  static constexpr roost::Duration kPoolRecycle = 1800s;
  static constexpr roost::PrePing kPrePing = roost::PrePing::kAlways;
};
// [after]

// [after a rest]
struct AfterIdle : After {
  static constexpr roost::PrePing kPrePing = roost::PrePing::kAfterIdle;
  static constexpr roost::Duration kPingAfter = 30s;
};
// [after a rest]
// clang-format on

static_assert(roost::CheckProfile<Before>() && roost::CheckProfile<After>() &&
              roost::CheckProfile<AfterIdle>());

// [adjust]
void PrintUse(const roost::Pool& pool) {
  const roost::Stats stats = pool.stats();
  std::printf("%d of %d were lent at once; %llu of %llu callers waited; %llu timed out\n",
              stats.peak_in_use, stats.capacity, static_cast<unsigned long long>(stats.waited),
              static_cast<unsigned long long>(stats.checkouts),
              static_cast<unsigned long long>(stats.timeouts));
}
// [adjust]

// A driver of somebody's own, so that the pool below compiles.
struct Handle {
  bool Insert(const char* name, double level) { return name != nullptr && level > 0; }
};

// [mutex and vector]
class HandPool {
 public:
  explicit HandPool(int size) {
    for (int i = 0; i < size; ++i) free_.push_back(std::make_unique<Handle>());
  }
  std::unique_ptr<Handle> Take() {
    std::unique_lock<std::mutex> lock(mu_);
    freed_.wait(lock, [this] { return !free_.empty(); });  // for ever, when a handle is lost
    std::unique_ptr<Handle> handle = std::move(free_.back());
    free_.pop_back();
    return handle;
  }
  void GiveBack(std::unique_ptr<Handle> handle) {
    {
      const std::lock_guard<std::mutex> lock(mu_);
      free_.push_back(std::move(handle));  // as it was left: dead, or in a transaction
    }
    freed_.notify_one();
  }

 private:
  std::mutex mu_;
  std::condition_variable freed_;
  std::vector<std::unique_ptr<Handle>> free_;
};

bool Store(HandPool& pool, const char* name, double level) {
  std::unique_ptr<Handle> handle = pool.Take();
  const bool stored = handle->Insert(name, level);
  pool.GiveBack(std::move(handle));  // what returns before this line loses a handle
  return stored;
}
// [mutex and vector]

// [the same with roostpool]
constexpr roost::Sql kInsert{"INSERT INTO reading VALUES ($1, $2)"};

absl::Status Store(roost::Pool& pool, const char* name, double level) {
  absl::StatusOr<roost::Lease> lease = pool.Acquire(roost::kWrite, pool.In(2s));
  if (!lease.ok()) return lease.status();
  return lease->Run(kInsert, name, level);
}
// [the same with roostpool]

// [retry]
constexpr roost::Sql kTake{"UPDATE stock SET count = count - 1 WHERE item = $1"};
constexpr roost::Sql kNote{"INSERT INTO sale VALUES ($1)"};

absl::Status Sell(roost::Pool& pool, const char* item) {
  return roost::RunInTransaction(pool, roost::kWrite, pool.In(2s),
                                 [&](roost::Connection& connection) -> absl::Status {
                                   absl::Status taken = connection.Run(kTake, item);
                                   if (!taken.ok()) return taken;
                                   return connection.Run(kNote, item);
                                 });
}
// [retry]

}  // namespace

int main() {
  HandPool hand(2);
  roost::SqliteBackend backend({.path = ":memory:",
                                .schema =
                                    "CREATE TABLE reading(name, level); "
                                    "CREATE TABLE stock(item, count); CREATE TABLE sale(item);"
                                    "INSERT INTO stock VALUES ('lamp', 3)"});
  roost::PoolFor<roost::profiles::RaspberryPi> pool(backend);
  const bool stored = Store(hand, "roof", 41.5) && Store(pool, "roof", 41.5).ok();
  const bool sold = Sell(pool, "lamp").ok();
  PrintUse(pool);
  return stored && sold ? 0 : 1;
}
