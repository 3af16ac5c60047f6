// Coroutines that co_await a connection, on one thread, with poll(2).
#include <poll.h>
#include <sys/eventfd.h>

#include <coroutine>
#include <cstdio>
#include <exception>
#include <optional>

#include "roost/async.h"
#include "roost/sqlite.h"

using namespace std::chrono_literals;
constexpr roost::Sql kInsert{"INSERT INTO reading VALUES ($1, $2)"};

// A coroutine that runs until its first wait and destroys itself at its end.
struct Job {
  struct promise_type {
    Job get_return_object() { return {}; }
    std::suspend_never initial_suspend() { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    [[noreturn]] void unhandled_exception() { std::terminate(); }
  };
};

Job Store(roost::AcquireQueue& queue, roost::Pool& pool, const char* sensor, int& stored) {
  for (int i = 0; i < 3; ++i) {
    absl::StatusOr<roost::Lease> lease =
        co_await roost::AcquireOn(queue, pool, {.deadline = pool.In(5s)});
    if (!lease.ok()) co_return;
    if (lease->Run(kInsert, sensor, i).ok()) ++stored;
    std::printf("%s %d\n", sensor, i);
  }  // the lease ends: whoever stands in line is next
}

int main() {
  int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  roost::SqliteBackend backend({.path = ":memory:", .schema = "CREATE TABLE reading(name, value)"});
  roost::PoolFor<roost::profiles::Testing> pool(backend);
  roost::AcquireQueue queue({[](void* fd) { eventfd_write(*static_cast<int*>(fd), 1); }, &event});
  int stored = 0;
  // While this holds the only connection, both coroutines wait for it.
  std::optional<roost::Lease> first = *pool.Acquire();
  Store(queue, pool, "roof", stored);
  Store(queue, pool, "cellar", stored);
  first.reset();
  pollfd rung{event, POLLIN, 0};
  while (stored < 6 && poll(&rung, 1, 5000) > 0) {
    eventfd_t rings = 0;
    eventfd_read(event, &rings);
    queue.Run(pool.platform().Now());
  }
  return stored == 6 ? 0 : 1;
}
