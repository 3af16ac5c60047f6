// A loop of poll(2) that borrows connections without ever waiting for one. readme_test.py runs it.
//
// Two sensors share a pool of one connection. Each asks, is told when it has it, stores a reading,
// and gives it back a turn later. The loop sleeps in poll until the pool rings, a socket of the
// pool's is ready, or the next moment has come.
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>

#include "roost/async.h"
#include "roost/pool.h"
#include "roost/sqlite.h"

using namespace std::chrono_literals;

namespace {

constexpr roost::Sql kInsert{"INSERT INTO reading VALUES ($1, $2)"};

// [loop]
class Loop {
 public:
  Loop() : event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~Loop() { close(event_); }

  // Has poll return. From any thread.
  void Ring() { eventfd_write(event_, 1); }

  // Sleeps until rung, until `pool` has something to do, or until `next`.
  void Sleep(roost::Pool& pool, roost::TimePoint next) {
    std::array<roost::DescriptorWait, 8> waits;
    const int count = std::min(pool.Descriptors(waits), 8);
    std::array<pollfd, 9> fds{pollfd{event_, POLLIN, 0}};
    for (int i = 0; i < count; ++i) {
      const roost::DescriptorWait& wait = waits[i];
      const int events = (wait.wanted.readable ? POLLIN : 0) | (wait.wanted.writable ? POLLOUT : 0);
      fds[1 + i] = {wait.fd, static_cast<short>(events), 0};
    }
    const roost::Duration left = roost::Deadline::At(next).Left(pool.platform().Now());
    const auto ms =
        std::chrono::ceil<std::chrono::milliseconds>(std::min<roost::Duration>(left, 1h));
    poll(fds.data(), 1 + count, static_cast<int>(ms.count()));
    eventfd_t rings = 0;
    eventfd_read(event_, &rings);
  }

 private:
  const int event_;
};
// [loop]

class Sensor {
 public:
  Sensor(const char* name, roost::AcquireQueue& queue, roost::Pool& pool)
      : name_(name), queue_(queue), pool_(pool) {}

  void Ask() {
    const auto done = [](void* self) { static_cast<Sensor*>(self)->Store(); };
    if (pending_.Start(queue_, pool_, {.deadline = pool_.In(5s)}, done, this)) Store();
  }
  void GiveBack() { lease_.reset(); }
  bool has_stored() const { return stored_; }

 private:
  void Store() {
    absl::StatusOr<roost::Lease> lease = pending_.Take();
    if (!lease.ok()) {
      std::printf("%s: %s\n", name_, std::string(lease.status().message()).c_str());
      return;
    }
    stored_ = lease->Run(kInsert, name_, 20.5).ok();
    std::printf("%s stored\n", name_);
    lease_ = *std::move(lease);
  }

  const char* const name_;
  roost::AcquireQueue& queue_;
  roost::Pool& pool_;
  roost::PendingAcquire pending_;
  std::optional<roost::Lease> lease_;
  bool stored_ = false;
};

struct One : roost::profiles::RaspberryPi {
  static constexpr int kPoolSize = 1;
  static constexpr int kMaxOverflow = 0;
};

}  // namespace

int main() {
  Loop loop;
  const roost::WakeCallback ring{.function = [](void* l) { static_cast<Loop*>(l)->Ring(); },
                                 .context = &loop};
  roost::SqliteBackend backend({.path = ":memory:", .schema = "CREATE TABLE reading(name, value)"});
  roost::PoolFor<One> pool(backend, {.on_work = ring});
  roost::AcquireQueue queue(ring);
  Sensor roof("roof", queue, pool);
  Sensor cellar("cellar", queue, pool);

  roof.Ask();
  cellar.Ask();  // stands in line: the roof has the connection
  for (int turn = 0; turn < 1000 && !cellar.has_stored(); ++turn) {
    const roost::TimePoint now = pool.platform().Now();
    const roost::TimePoint next = std::min(pool.Tick(now), queue.Run(now));
    roof.GiveBack();  // rings the loop: the cellar is next
    loop.Sleep(pool, next);
  }
  cellar.GiveBack();
  return roof.has_stored() && cellar.has_stored() ? 0 : 1;
}
