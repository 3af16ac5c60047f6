// A loop of poll(2) that never waits for a connection. Two sensors take turns on one.
#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "roost/async.h"
#include "roost/sqlite.h"

using namespace std::chrono_literals;
constexpr roost::Sql kInsert{"INSERT INTO reading VALUES ($1)"};

struct Sensor {
  roost::PendingAcquire pending{};
  roost::Lease lease{};
  int stored = 0;
  static void Store(void* self) {
    auto& sensor = *static_cast<Sensor*>(self);
    sensor.lease = sensor.pending.Take().value_or(roost::Lease());
    if (sensor.lease && sensor.lease->Run(kInsert, 20.5).ok()) ++sensor.stored;
  }
};

void Ring(void* event) { eventfd_write(*static_cast<int*>(event), 1); }
void Sleep(int event, roost::Pool& pool, roost::TimePoint next) {
  std::array<roost::DescriptorWait, 8> waits;
  std::array<pollfd, 9> fds{pollfd{event, POLLIN, 0}};
  const auto count = static_cast<size_t>(std::min(pool.Descriptors(waits), 8));
  for (size_t i = 0; i < count; ++i) {
    const roost::IoEvents on = waits[i].wanted;
    const int events = (on.readable ? POLLIN : 0) | (on.writable ? POLLOUT : 0);
    fds[i + 1] = {waits[i].fd, static_cast<short>(events), 0};
  }
  const roost::Duration left = roost::Deadline::At(next).Left(pool.platform().Now());
  poll(fds.data(), count + 1, static_cast<int>(std::min<int64_t>(left / 1ms, 60'000)) + 1);
  eventfd_t rings = 0;
  eventfd_read(event, &rings);
}

int main() {
  int event = eventfd(0, EFD_NONBLOCK);
  const roost::WakeCallback ring{Ring, &event};
  roost::SqliteBackend backend({.path = ":memory:", .schema = "CREATE TABLE reading(level)"});
  roost::PoolFor<roost::profiles::Testing> pool(backend, {.on_work = ring});
  roost::AcquireQueue queue(ring);
  std::array<Sensor, 2> sensors;
  while (sensors[0].stored < 3 || sensors[1].stored < 3) {
    for (Sensor& s : sensors) {
      if (s.pending.pending()) continue;
      if (s.pending.Start(queue, pool, {}, Sensor::Store, &s)) Sensor::Store(&s);
    }
    const roost::TimePoint now = pool.platform().Now();
    const roost::TimePoint next = std::min(pool.Tick(now), queue.Run(now));
    for (Sensor& s : sensors) s.lease.Return();  // rings the loop: the other one is next
    Sleep(event, pool, next);
  }
  std::printf("roof %d, cellar %d\n", sensors[0].stored, sensors[1].stored);
}
