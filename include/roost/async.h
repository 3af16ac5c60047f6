// include/roost/async.h - acquire from an event loop or a coroutine, in the pool's own wait queue, and
// statements in steps.
//
// A PendingAcquire waits in the same queue as the threads that call Pool::Acquire, in order of
// arrival. It does not sleep: the pool calls its loop, and the loop calls AcquireQueue::Run, which
// calls the done function of each acquire that was served, refused, or timed out. Make one
// AcquireQueue for each loop. A loop that uses a pool with OpenBy::kHousekeeper also calls
// Pool::Tick, or leaves that to a Housekeeper.
//
// What blocks a loop:
//
//   call on the loop               waits for
//   Start, Run, Take, Cancel       a lock that is held for some 100 ns
//   Tick, the end of a lease       the same, and for the end of a connection that it closes; a lease
//                                  that left something behind also for its reset (kResetTimeout)
//   the same with OpenBy::kCaller  a local file that is opened, pinged or maintained, too
//   a statement, Begin, Commit     the database. A local file: its card, and a writer of another
//                                  process. A server: a round trip or more
//
// So statements on a server belong into a thread of their own, to which the lease is moved, or become a
// PendingQuery, for which the loop waits by its own means. In each turn call Tick, then Run, then
// Descriptors, and sleep until the earlier of the two moments. After a Start outside of Run call Run
// again: the moment that it returned does not count this acquire.
//
// Threads:  an AcquireQueue and its acquires belong to the thread of its loop; any thread may call
//           the WakeCallback, with no lock held unless more than eight callers are told at once
// Blocks:   never for another holder; with OpenBy::kHousekeeper never for a server. With
//           OpenBy::kCaller, meant for a local database, opens and pings on the loop's thread
// Memory:   the caller owns each PendingAcquire and PendingQuery, 400 and 512 bytes at most; neither the
//           AcquireQueue nor the pool allocates for one
// Errors:   the table in lease.h
// Time:     Run visits each pending acquire of the AcquireQueue
// Example:
//   roost::AcquireQueue queue({.function = RingTheLoop, .context = &loop});
//   roost::PendingAcquire pending;
//   if (pending.Start(queue, pool, {.deadline = pool.In(100ms)}, OnDone, this)) OnDone(this);
//   next = queue.Run(platform.Now());  // in the loop, when rung or due
#ifndef ROOST_ASYNC_H_
#define ROOST_ASYNC_H_

#if __cplusplus < 202002L
#include "roost/version.h"  // says so before <coroutine> says something else
#endif

#include <array>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "absl/status/statusor.h"
#include "roost/lease.h"
#include "roost/pool.h"
#include "roost/statement.h"

#pragma GCC visibility push(default)
namespace roost {

class PendingAcquire;

namespace internal {
class AsyncCaller;
// A node in a ring of nodes. A node by itself is a ring of one.
struct RingNode {
  RingNode* prev = this;
  RingNode* next = this;
  // Enters the ring of `other`. REQUIRES: is in no ring.
  void InsertBefore(RingNode& other);
  // Leaves its ring.
  void Unlink();
};
}  // namespace internal

// The pending acquires of one loop, on any number of pools. Neither copied nor moved, because pools
// keep its address.
class AcquireQueue {
 public:
  // `wake` is called when Run has something to do, maybe from another thread and several times for
  // one Run. `platform`: null: NativePlatform(). REQUIRES: `platform` outlives this.
  explicit AcquireQueue(WakeCallback wake, Platform* platform = nullptr);
  // Waits for a WakeCallback that is under way. REQUIRES: no acquire of this queue is pending, else
  // the program aborts.
  ~AcquireQueue();
  AcquireQueue(const AcquireQueue&) = delete;
  AcquireQueue& operator=(const AcquireQueue&) = delete;

  // Continues every pending acquire that can be continued, and calls the done functions of those
  // that ended, in order of their Start. A done function may start, cancel and destroy any acquire
  // of this queue. Returns the moment by which Run must be called again, besides after each
  // WakeCallback; TimePoint::max(): no moment. REQUIRES: `now` comes from the platform's Now().
  TimePoint Run(TimePoint now);

 private:
  friend class PendingAcquire;
  friend class internal::AsyncCaller;
  static constexpr size_t kWakerBytes = 32;

  Platform& platform_;
  internal::RingNode pending_;
  // Those that ended in this Run and whose done functions were not called yet.
  internal::RingNode ended_;
  // An internal::Waker.
  alignas(void*) std::byte waker_[kWakerBytes];
};

// One acquire that does not block its thread. Can be used again once its result was taken. Neither
// copied nor moved, because the pool's wait queue leads to it.
class PendingAcquire {
 public:
  // Called once when the result is there, by AcquireQueue::Run, with no lock held.
  using Done = void (*)(void* context);

  PendingAcquire() = default;
  // Cancels.
  ~PendingAcquire() { Cancel(); }
  PendingAcquire(const PendingAcquire&) = delete;
  PendingAcquire& operator=(const PendingAcquire&) = delete;

  // Asks for a lease, as Pool::Acquire does. True: the result is there, and `done` will not be
  // called. False: AcquireQueue::Run will call `done(context)`. REQUIRES: not pending, and no
  // result left untaken, else the program aborts; `queue`, `pool` and `options.cancel` live until
  // the result is taken or Cancel has returned.
  bool Start(AcquireQueue& queue, Pool& pool, const AcquireOptions& options, Done done,
             void* context);
  // Takes the result: a lease, or an error as of Pool::Acquire. The lease is not counted as one of
  // this thread's, so that it may be given away. REQUIRES: Start returned true or `done` was
  // called, and the result was not taken yet, else the program aborts.
  absl::StatusOr<Lease> Take();
  // Gives up: `done` is not called after this, and a connection that was granted goes back to the
  // pool. Does nothing when nothing is pending and no result is left.
  void Cancel();
  // True from a Start that returned false until `done` is called or Cancel returns.
  bool pending() const { return state_ == State::kPending; }

 private:
  friend class AcquireQueue;
  friend class internal::AsyncCaller;
  // kReady: there is a result, which was not taken.
  enum class State : uint8_t { kNone, kPending, kReady };
  static constexpr size_t kCallerBytes = 336;

  State state_ = State::kNone;
  // An internal::AsyncCaller, unless kNone.
  alignas(int64_t) std::byte caller_[kCallerBytes];
};

// For co_await:
//   absl::StatusOr<Lease> lease = co_await roost::AcquireOn(queue, pool, options);
// The coroutine resumes inside AcquireQueue::Run, on the loop's thread; where the result is there
// at once, it does not suspend. Destroying a coroutine that waits cancels.
// Memory: in the coroutine's frame.
class AcquireAwaiter {
 public:
  // What AcquireOn was given.
  AcquireAwaiter(AcquireQueue& queue, Pool& pool, const AcquireOptions& options)
      : queue_(queue), pool_(pool), options_(options) {}

  // What co_await calls.
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

// Makes the awaiter. Reports name the line that builds `options`. REQUIRES: `queue` and `pool`
// outlive the wait.
inline AcquireAwaiter AcquireOn(AcquireQueue& queue, Pool& pool, const AcquireOptions& options) {
  return AcquireAwaiter(queue, pool, options);
}

// One statement that does not block its thread. It begins, the loop waits for the descriptor and the moment
// of each Step, and at the end the whole answer is there:
//
//   absl::StatusOr<roost::Step> step = query.Start(*lease, kAdd, node, level);
//   while (step.ok() && !step->done) {  // in a loop of one's own: one turn each
//     platform.WaitForDescriptors({&step->wait, 1}, step->at);
//     step = query.Advance(platform.Now());
//   }
//   if (!step.ok()) return step.status();
//   roost::Rows rows = query.Take();  // reads from memory
//
// PostgreSQL sends, prepares and answers in steps, in the round trips of the blocking form; only a session
// that was reset waits in Start, for PostgresOptions::on_connect. The other backends have no steps: there
// Start is done at once and waits as Statement::Query does, and so do the Rows.
//
// The lease's deadline holds as for the blocking form: one that passes in the middle is an error of
// Advance, and the pool closes the connection. On PostgreSQL what the statement wrote outside of a
// transaction is committed when it is done, and the rows lie in memory of libpq's all together, up to
// PostgresOptions::max_result_bytes. While it is pending, the connection runs no other statement.
//
// Neither copied nor moved. REQUIRES: ends, by Take, Cancel or its destructor, before its lease does.
class PendingQuery {
 public:
  // The most values that Start keeps.
  static constexpr size_t kMostValues = 24;

  PendingQuery() = default;
  // Cancels.
  ~PendingQuery() { Cancel(); }
  PendingQuery(const PendingQuery&) = delete;
  PendingQuery& operator=(const PendingQuery&) = delete;

  // Binds `args` to $1, $2, ... and begins. An error ends it, as one of Advance. REQUIRES: not pending,
  // else the program aborts; what text, bytes and arrays in `args` point to stays valid until it has
  // ended.
  template <class... Args>
  absl::StatusOr<Step> Start(Connection& connection, const Sql& sql, const Args&... args) {
    static_assert(sizeof...(Args) <= kMostValues,
                  "PendingQuery::Start takes 24 values at most: StartWith takes any number");
    values_ = {Value(args)...};
    return StartWith(connection, sql, {values_.data(), sizeof...(Args)});
  }
  // The same with values that are counted at run time. REQUIRES: also that `values` itself stays valid
  // until it has ended.
  absl::StatusOr<Step> StartWith(Connection& connection, const Sql& sql,
                                 std::span<const Value> values);
  // Goes on, as far as the descriptor allows without waiting. done: Take has the rows. An error is one of
  // Statement::Query, and ends it. May be called at any time while it is pending; `now` comes from
  // the platform's Now().
  absl::StatusOr<Step> Advance(TimePoint now);
  // The rows, to be read from memory. REQUIRES: the last Step was
  // done, else the program aborts.
  Rows Take();
  // Gives up, without waiting: if it is pending, the server is told to end the statement and the pool
  // closes the connection when the lease ends. Whether the statement was done is then unknown. Does
  // nothing when nothing is pending and no result is left.
  void Cancel();
  // True from a Start that was not done until done, an error or Cancel.
  bool pending() const { return state_ == State::kPending; }

 private:
  enum class State : uint8_t { kNone, kPending, kReady };
  absl::StatusOr<Step> Note(absl::StatusOr<Step> step);

  State state_ = State::kNone;
  // Ends the reading, and finds a lease that has ended.
  std::optional<Rows> rows_;
  std::array<Value, kMostValues> values_;
};

}  // namespace roost
#pragma GCC visibility pop

#endif  // ROOST_ASYNC_H_
