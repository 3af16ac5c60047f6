// tests/pool/pool_test_support.h - what the tests of the pool share: profiles, a recorder of
// events, callers on threads of their own, counts.
#ifndef ROOST_TESTS_POOL_POOL_TEST_SUPPORT_H_
#define ROOST_TESTS_POOL_POOL_TEST_SUPPORT_H_

#include <array>
#include <chrono>
#include <mutex>
#include <optional>
#include <ostream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "roost/pool.h"
#include "tests/fakes/fake_platform.h"
#include "tests/fakes/scripted_backend.h"

namespace roost {

using namespace std::chrono_literals;  // NOLINT(build/namespaces): tests only
using fakes::Actor;
using fakes::Call;
using fakes::CallInfo;
using fakes::FakePlatform;
using fakes::Gate;
using fakes::Scripted;
using fakes::ScriptedBackend;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// A pool that does nothing by itself: no ping, no recycling, no linger; strictly in order of arrival.
// Idle connections are lent by the idle stack wherever the pool has no observer. Tests shadow what
// they are about.
template <int kSize, int kOverflow = 0>
struct Plain : profiles::Default {
  static constexpr const char* kName = "plain";
  static constexpr int kPoolSize = kSize;
  static constexpr int kMaxOverflow = kOverflow;
  static constexpr Duration kPoolRecycle = 0s;
  static constexpr PrePing kPrePing = PrePing::kNever;
  static constexpr Duration kLeakAfter = 0s;
  static constexpr int kMaxOvertakes = 0;
  static constexpr bool kHoldTimes = false;
  static constexpr bool kNestedCheck = false;  // one thread plays many callers
  static constexpr int kStatements = 2;
};

inline absl::Status Gone() { return absl::UnavailableError("connection refused"); }

// Keeps what happened. Allocates nothing while it records.
class Recorder : public Observer {
 public:
  struct Seen {
    EventKind kind{};
    CloseReason reason{};
    int slot = -1;
    std::string_view pool;
    TimePoint at;
    Duration span{};
    Duration age{};
    Duration idle{};
    SourceLine where;
    absl::Status status;
  };

  Recorder() { seen_.reserve(4096); }
  void OnEvent(const Event& event) override {
    std::lock_guard lock(mu_);
    if (seen_.size() == seen_.capacity()) return;
    seen_.push_back({event.kind, event.reason, event.slot, event.pool, event.at, event.span,
                     event.age, event.idle, event.where,
                     event.status != nullptr ? *event.status : absl::OkStatus()});
  }

  // The names in order; a close with its reason: "close(overflow)".
  std::vector<std::string> names() const {
    std::lock_guard lock(mu_);
    std::vector<std::string> names;
    for (const Seen& one : seen_) {
      std::string name(Name(one.kind));
      if (one.kind == EventKind::kClose) name += "(" + std::string(Name(one.reason)) + ")";
      names.push_back(name);
    }
    return names;
  }
  int count(EventKind kind) const {
    std::lock_guard lock(mu_);
    int count = 0;
    for (const Seen& one : seen_) count += one.kind == kind;
    return count;
  }
  int closes(CloseReason reason) const {
    std::lock_guard lock(mu_);
    int count = 0;
    for (const Seen& one : seen_) count += one.kind == EventKind::kClose && one.reason == reason;
    return count;
  }
  // The last event of this kind. Fails the test when there is none.
  Seen last(EventKind kind) const {
    std::lock_guard lock(mu_);
    for (auto it = seen_.rbegin(); it != seen_.rend(); ++it) {
      if (it->kind == kind) return *it;
    }
    ADD_FAILURE() << "no event " << Name(kind);
    return {};
  }
  void Clear() {
    std::lock_guard lock(mu_);
    seen_.clear();
  }

 private:
  mutable std::mutex mu_;
  std::vector<Seen> seen_;
};

// Times in messages as seconds.
inline void PrintTo(TimePoint at, std::ostream* out) {
  *out << std::chrono::duration<double>(at.time_since_epoch()).count() << " s";
}

struct Counts {
  int open = 0;
  int idle = 0;
  int in_use = 0;
  int busy = 0;
  int waiting = 0;
  friend bool operator==(const Counts&, const Counts&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Counts& c) {
    return out << "{open " << c.open << ", idle " << c.idle << ", in use " << c.in_use << ", busy "
               << c.busy << ", waiting " << c.waiting << "}";
  }
};

inline Counts CountsOf(const Pool& pool) {
  const Stats stats = pool.stats();
  return {stats.open, stats.idle, stats.in_use, stats.busy, stats.waiting};
}

inline uint64_t ClosesOf(const Pool& pool, CloseReason reason) {
  return pool.stats().closes[static_cast<size_t>(reason)];
}

inline std::string StatusText(const Pool& pool) {
  std::array<char, 200> buffer;
  return std::string(WriteSqlAlchemyStatus(pool.stats(), buffer));
}

inline std::string ReportText(const Pool& pool) {
  std::array<char, 4096> buffer;
  return std::string(pool.Report(buffer));
}

// A lease, which has to be had: without it the test ends.
inline Lease Must(absl::StatusOr<Lease> result) {
  if (!result.ok()) throw std::runtime_error("no lease: " + result.status().ToString());
  return *std::move(result);
}

inline int SerialOf(Lease& lease) { return Scripted(lease).serial(); }

// A caller of Acquire on a thread of its own, which runs until it waits or is served.
class Caller {
 public:
  Caller(FakePlatform& platform, Pool& pool, AcquireOptions options)
      : actor_(platform, [this, &pool, options] { result_.emplace(pool.Acquire(options)); }) {}
  Caller(FakePlatform& platform, Pool& pool, Deadline deadline = Deadline::Never(),
         Intent intent = kWrite)
      : Caller(platform, pool, AcquireOptions{.intent = intent, .deadline = deadline}) {}
  // With the profile's pool_timeout.
  struct ByProfile {};
  Caller(FakePlatform& platform, Pool& pool, ByProfile)
      : actor_(platform, [this, &pool] { result_.emplace(pool.Acquire()); }) {}

  bool waiting() const { return actor_.waiting(); }
  bool served() const { return actor_.ended() && result_->ok(); }
  absl::Status status() const {
    if (waiting()) return absl::Status(absl::StatusCode::kInternal, "still waiting");
    return result_->status();
  }
  // REQUIRES: served.
  Lease Take() {
    if (!served()) throw std::runtime_error("not served: " + status().ToString());
    return *std::move(*result_);
  }
  void Return() { Take().Return(); }
  Actor& actor() { return actor_; }

 private:
  std::optional<absl::StatusOr<Lease>> result_;
  Actor actor_;
};

// The machine, the database and the events of one test. Pools are made in the tests, after these.
class PoolTest : public ::testing::Test {
 protected:
  PoolOptions Options() { return {.name = "main", .observer = &events, .platform = &platform}; }
  TimePoint Now() { return platform.Now(); }
  // Runs Tick, as a firmware's loop does.
  TimePoint Tick(Pool& pool) { return pool.Tick(platform.Now()); }
  Lease Take(Pool& pool, Intent intent = kWrite) { return Must(pool.Acquire(intent, pool.In(1s))); }
  // Lets every caller go on, as far as it can.
  virtual void RunCallers() { platform.Run(); }
  // Callers that wait for one connection, which is free now, have it one after the other: each is
  // served when the one before has returned it, and not before. The last one keeps it.
  template <class First, class... Others>
  void ServeInOrder(First& first, Others&... others) {
    RunCallers();
    EXPECT_TRUE(first.served());
    EXPECT_TRUE((others.waiting() && ...)) << sizeof...(others) << " callers have to wait";
    if constexpr (sizeof...(others) > 0) {
      first.Return();
      ServeInOrder(others...);
    }
  }

  FakePlatform platform;
  ScriptedBackend backend{&platform};
  Recorder events;
};

}  // namespace roost

#endif  // ROOST_TESTS_POOL_POOL_TEST_SUPPORT_H_
