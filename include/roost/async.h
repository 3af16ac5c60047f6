// include/roost/async.h - acquire from an event loop or a coroutine, on the pool's own line.
//
// A PendingAcquire stands in the same line as the threads that call Pool::Acquire, in order of
// arrival. Instead of sleeping it has its loop called; the loop then calls AcquireQueue::Run, which
// tells those that were served, refused, or timed out. Take one queue for each loop. A loop that
// uses a pool with OpenBy::kHousekeeper also calls Pool::Tick, or has a Housekeeper do so.
//
// Threads:  a queue and its acquires belong to the thread of its loop; the WakeCallback comes from any
//           thread, with no lock held unless more than eight callers are told at once
// Blocks:   never for another holder; with OpenBy::kHousekeeper never for a server. With
//           OpenBy::kCaller, meant for a local database, opens and pings on the loop's thread
// Memory:   a PendingAcquire is its caller's, 400 bytes at most; neither the queue nor the pool
//           allocates for one
// Errors:   the table in lease.h
// Time:     Run looks at each pending acquire of the queue
// Example:
//   roost::AcquireQueue queue({.function = RingTheLoop, .context = &loop});
//   roost::PendingAcquire pending;
//   if (pending.Start(queue, pool, {.deadline = pool.In(100ms)}, OnDone, this)) OnDone(this);
//   next = queue.Run(platform.Now());  // in the loop, when rung or due
#ifndef ROOST_ASYNC_H_
#define ROOST_ASYNC_H_

#include <coroutine>
#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "roost/lease.h"
#include "roost/pool.h"

namespace roost {

class PendingAcquire;

namespace internal {
class AsyncCaller;
// A node in a ring of nodes; alone it is a ring of one.
struct RingNode {
  RingNode* prev = this;
  RingNode* next = this;
  void InsertBefore(RingNode& other);
  void Unlink();
};
}  // namespace internal

class AcquireQueue {
 public:
  // `wake` is called when Run has something to do. REQUIRES: `platform` outlives this; null:
  // NativePlatform().
  explicit AcquireQueue(WakeCallback wake, Platform* platform = nullptr);
  // REQUIRES: no acquire of it is pending. Waits for a WakeCallback that is under way.
  ~AcquireQueue();
  AcquireQueue(const AcquireQueue&) = delete;
  AcquireQueue& operator=(const AcquireQueue&) = delete;

  // Goes on with every pending acquire that can, and calls the done functions of those that ended.
  // A done function may start, cancel and destroy any acquire of this queue. Returns when it wants
  // to be called again at the latest; TimePoint::max(): when rung.
  TimePoint Run(TimePoint now);

 private:
  friend class PendingAcquire;
  friend class internal::AsyncCaller;
  static constexpr size_t kWakerBytes = 32;

  Platform& platform_;
  internal::RingNode pending_;
  internal::RingNode ended_;  // ended in this Run; their done functions were not called yet
  alignas(void*) std::byte waker_[kWakerBytes];  // internal::Waker
};

class PendingAcquire {
 public:
  using Done = void (*)(void* context);

  PendingAcquire() = default;
  // Cancels.
  ~PendingAcquire() { Cancel(); }
  PendingAcquire(const PendingAcquire&) = delete;
  PendingAcquire& operator=(const PendingAcquire&) = delete;

  // Asks for a lease, as Pool::Acquire does. True: the result is here already, and `done` will not
  // be called. False: `done` is called from AcquireQueue::Run when it is. REQUIRES: not pending; no
  // result left untaken; `queue` and `pool` live until the result is taken or Cancel has returned.
  bool Start(AcquireQueue& queue, Pool& pool, const AcquireOptions& options, Done done,
             void* context);
  // The result. REQUIRES: Start said true, or `done` was called; not taken yet.
  absl::StatusOr<Lease> Take();
  // Gives up: `done` is not called any more, and what was granted goes back to the pool.
  void Cancel();
  bool pending() const { return state_ == State::kPending; }

 private:
  friend class AcquireQueue;
  friend class internal::AsyncCaller;
  enum class State : uint8_t { kNone, kPending, kReady };
  static constexpr size_t kCallerBytes = 320;

  State state_ = State::kNone;
  alignas(int64_t) std::byte caller_[kCallerBytes];  // internal::AsyncCaller, when not kNone
};

// For co_await: absl::StatusOr<Lease> lease = co_await roost::AcquireOn(queue, pool, options);
// The coroutine goes on inside AcquireQueue::Run, on the loop's thread. Destroying a coroutine that
// waits cancels. Memory: in the coroutine's frame.
class AcquireAwaiter {
 public:
  AcquireAwaiter(AcquireQueue& queue, Pool& pool, const AcquireOptions& options)
      : queue_(queue), pool_(pool), options_(options) {}

  bool await_ready() const { return false; }
  bool await_suspend(std::coroutine_handle<> waiting) {
    waiting_ = waiting;
    return !pending_.Start(
        queue_, pool_, options_,
        [](void* self) { static_cast<AcquireAwaiter*>(self)->waiting_.resume(); }, this);
  }
  absl::StatusOr<Lease> await_resume() { return pending_.Take(); }

 private:
  AcquireQueue& queue_;
  Pool& pool_;
  const AcquireOptions options_;
  std::coroutine_handle<> waiting_;
  PendingAcquire pending_;
};

// Who asks is the line that awaits, unless `options.where` says otherwise.
inline AcquireAwaiter AcquireOn(AcquireQueue& queue, Pool& pool, const AcquireOptions& options) {
  return AcquireAwaiter(queue, pool, options);
}

}  // namespace roost

#endif  // ROOST_ASYNC_H_
