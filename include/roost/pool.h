// include/roost/pool.h - START HERE: a bounded pool of database connections.
//
// Code uses a Pool; a program makes a PoolFor<Profile>, which adds the storage that the profile
// fixes. A caller acquires a Lease, works through it, and the end of the lease gives the connection
// back. A caller that finds no free connection enters the wait queue, in order of arrival, and
// waits until its deadline at the most. From the first acquire to close the pool allocates nothing,
// besides the error of a failed open, and in Tune the texts of refusals.
//
// A pool divides its slots into lanes as the backend says (Backend::lanes): SQLite has one writer
// lane of one slot and one reader lane, PostgreSQL has one lane. A slot holds one connection or
// none. The pool opens a connection when a caller needs it, or ahead with Fill.
//
// Threads:  every function may be called from every thread, unless it says otherwise
// Blocks:   Acquire, Close and Fill up to their deadline, and while they close a connection; Tick
//           while it maintains or closes connections, and while it opens a local database;
//           InvalidateAll, Tune, TryAcquire and the destructor while they close; the others only for
//           a lock that is never held across I/O
// Memory:   sizeof(PoolFor<P>), fixed; the node of a waiting caller is on that caller's stack
// Errors:   the table in lease.h
// Time:     Acquire by a deadline, and the return, of an idle connection that is due for nothing
//           before the deadline: two compare-and-swaps, no lock, no clock, no system call, in a lane
//           of up to seven slots, where the profile has PrePing::kNever and kPingAfter above 0, the
//           pool has no observer, and the lease is not one that is timed (kHoldTimes). Else each takes
//           a short critical section and reads clocks, some 100 ns for both, and Acquire also pays
//           what the profile's ping costs.
// Example:
//   roost::SqliteBackend backend({.path = "/var/lib/node/readings.db"});
//   roost::PoolFor<roost::profiles::RaspberryPi> pool(backend);
//   absl::StatusOr<roost::Lease> lease = pool.Acquire(roost::kWrite, pool.In(50ms));
#ifndef ROOST_POOL_H_
#define ROOST_POOL_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "roost/backend.h"
#include "roost/deadline.h"
#include "roost/internal/idle_stack.h"
#include "roost/internal/mutex.h"
#include "roost/internal/storage.h"
#include "roost/lease.h"
#include "roost/observer.h"
#include "roost/platform.h"
#include "roost/profile.h"
#include "roost/stats.h"
#include "roost/version.h"

#pragma GCC visibility push(default)
namespace roost {

namespace internal {
class Acquisition;
}  // namespace internal

// Lets one thread end the wait of another one. A token may be given to several Acquires at once and
// in turn, of one pool or of several that share a Platform. A cancelled token stays cancelled: every
// later Acquire that is given it is refused.
// Memory: some 56 bytes; the caller owns it, and it outlives every Acquire that was given it.
class CancelToken {
 public:
  CancelToken() = default;
  CancelToken(const CancelToken&) = delete;
  CancelToken& operator=(const CancelToken&) = delete;
  // True once Pool::Cancel was called with this token.
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

 private:
  friend class internal::Acquisition;
  friend class internal::PoolState;
  friend class PoolTestPeer;
  std::atomic<bool> cancelled_{false};
  // Taken before the lock of a pool.
  internal::Mutex mu_;
  // The acquires that were given it and have not ended. A list through Acquisition.
  internal::Acquisition* first_ ABSL_GUARDED_BY(mu_) = nullptr;
};

// What one Acquire asks for.
struct AcquireOptions {
  // What the caller is going to do with the connection; chooses the lane.
  Intent intent = kWrite;
  // Bounds the wait and the lease's statements. Left out: pool_timeout from now.
  std::optional<Deadline> deadline{};
  // The source line that acquires, for leak reports and Pool::Report. The compiler fills it in.
  SourceLine where = SourceLine::Here();
  // Ends the wait when Pool::Cancel is called with it. Null: the wait cannot be cancelled.
  // REQUIRES: outlives the call.
  CancelToken* cancel = nullptr;
  // For PoolOptions::acquire_observer: a span's number, or a pointer. The pool hands it on.
  uint64_t context = 0;
};

// How a pool, or an AcquireQueue, tells its owner's loop that there is work: the function may write
// to an eventfd or notify a condition. Any thread may call it. REQUIRES: the function does not
// block and does not call the pool.
struct WakeCallback {
  // Null: nothing is called.
  void (*function)(void* context) = nullptr;
  // Passed to the function.
  void* context = nullptr;
};

// What a pool is made with, besides its profile and its backend.
struct PoolOptions {
  // Names the pool in events and messages. REQUIRES: outlives the pool (a literal).
  const char* name = "pool";
  // Receives the pool's events. REQUIRES: outlives the pool. With an observer, and with the
  // profile's kEchoPool, every lease takes the lock and reads the clock. Without one, and with one that
  // wants no leases (Observer::wants_leases), a lease in a lane of up to seven slots, of a profile with
  // PrePing::kNever, does neither, unless it is one that is timed (kHoldTimes). Of one that is not, the
  // pool learns from its next Tick, stats() or waiter that it is held, and reports it as held "for at
  // least" the time since.
  Observer* observer = nullptr;
  // Receives the statements that ran on the pool's connections. REQUIRES: outlives the pool; the
  // profile has kWatchStatements, else the constructor aborts with a sentence.
  StatementObserver* statement_observer = nullptr;
  // Receives begin and end of acquires, for tracing. With one every acquire takes the lock and reads the
  // clock, as with an observer of leases. REQUIRES: outlives the pool.
  AcquireObserver* acquire_observer = nullptr;
  // Clock, waits and random numbers. REQUIRES: outlives the pool. Null: NativePlatform().
  Platform* platform = nullptr;
  // For a program that calls Tick in its own loop: called when Tick has work before the moment that
  // it returned last, because a caller needs a connection (OpenBy::kHousekeeper) or has opened one
  // that may linger (kLinger). While a Housekeeper has the pool, that Housekeeper is called instead.
  WakeCallback on_work{};
};

// A pool of database connections. A program makes a PoolFor, which adds the storage.
class Pool {
 public:
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // ---- Acquiring ----

  // Lends a connection for `intent`, or returns an error by `deadline`. The lease's statements are
  // bounded by the same deadline (Connection::set_deadline moves it). A deadline that has passed
  // takes a connection only if that needs no wait for another holder. `where` names the caller in
  // reports.
  //
  // Blocks until a connection is free or the deadline passes. Errors: kDeadlineExceeded when it
  // passed, kUnavailable or the database's own error while the database is away,
  // kResourceExhausted when the wait queue is full, kFailedPrecondition from a closed pool, in a
  // child of fork(), and for a wait that could only deadlock.
  ROOST_HOT absl::StatusOr<Lease> Acquire(Intent intent, Deadline deadline,
                                          SourceLine where = SourceLine::Here()) {
    internal::SlotHead* taken = nullptr;
    // A thread's first acquire gives it its number.
    const uintptr_t thread = internal::thread_number;
    if (thread != 0 && !head_.Forked()) {
      internal::LaneHead& lane = *head_.lane_for[static_cast<size_t>(intent)];
      taken = lane.idle.TryPop();
      if (taken != nullptr) {
        const uint32_t before = taken->LeasesSoFar();
        if (!taken->IsTimedNext(before) && lane.idle.MayLendWithoutCheck(*taken, deadline)) {
          internal::RecordOwner(*taken, thread, where, before);
          return Lease(lane, *taken, deadline);
        }
      }
    }
    // Copied from a second object, so that the compiler may keep the result above in registers:
    // tests/bench/counts.py shows it.
    absl::StatusOr<Lease> lease = AcquireSlowly(taken, intent, deadline, where);
    return absl::StatusOr<Lease>(std::move(lease));
  }
  // The same with pool_timeout from now. Where the idle stack has a connection, the
  // coarse clock says what now is, so that the lease's deadline may be up to 10 ms early.
  absl::StatusOr<Lease> Acquire(Intent intent = kWrite, SourceLine where = SourceLine::Here());
  // `pool.In(50ms)` is the deadline that is 50 ms away: a span alone stops the build with a sentence.
  template <class Rep, class Period>
  absl::StatusOr<Lease> Acquire(Intent, std::chrono::duration<Rep, Period>) {
    static_assert(internal::kNever<Rep>, "Pool::Acquire takes a deadline: pool.In(50ms)");
    return absl::StatusOr<Lease>();
  }
  template <class Rep, class Period>
  absl::StatusOr<Lease> Acquire(std::chrono::duration<Rep, Period>) {
    static_assert(
        internal::kNever<Rep>,
        "Pool::Acquire takes an intent and a deadline: Acquire(roost::kWrite, pool.In(50ms))");
    return absl::StatusOr<Lease>();
  }
  // The same with every option. kCancelled: the token was cancelled.
  absl::StatusOr<Lease> Acquire(const AcquireOptions& options);
  // Lends an idle connection without waiting, opening or pinging: the one used last, if it needs
  // neither a round trip nor to be replaced. (With PrePing::kAlways each needs a round trip.) Else
  // kDeadlineExceeded, also while callers wait and the first of them must not be barged past. A
  // connection that a check finds dead is closed in this thread. `deadline` bounds the lease's
  // statements alone. kFailedPrecondition: as for Acquire.
  absl::StatusOr<Lease> TryAcquire(Intent intent = kWrite, Deadline deadline = Deadline::Never(),
                                   SourceLine where = SourceLine::Here());
  // Ends every Acquire that waits with `token`, in this pool and in any other, and every later one,
  // with kCancelled. One that waits for an open or a ping of its own ends within 0.1 s, if the
  // backend opens in steps (PostgreSQL). An Acquire that was granted a connection already keeps
  // it, also while it checks it.
  void Cancel(CancelToken& token);

  // The deadline `span` from now, on the pool's exact clock. Saturates at Deadline::Never().
  Deadline In(Duration span) const;

  // ---- Housekeeping ----

  // Opens connections, the writer's first, until `connections` are open, counting those that
  // another thread is opening, or until the deadline passes. Optional: a pool opens connections
  // when callers need them. The calling thread opens and waits, whatever OpenBy says. OK, or why a
  // connection could not be opened. kFailedPrecondition: the pool is paused or closed. Opens no more
  // than pool_size in force. REQUIRES: connections <= capacity().
  absl::Status Fill(int connections, Deadline deadline);

  // Does what is due at `now`: opens, pings, maintains and recycles connections, closes those that
  // were idle or lingered for too long, reports leaks. Returns the moment by which it must be
  // called again; TimePoint::max(): no moment. REQUIRES: `now` comes from the platform's Now().
  //
  // A firmware calls it from its own loop; other programs use a Housekeeper (housekeeper.h).
  // Several threads may call it at once; they share the work. With OpenBy::kHousekeeper only Tick
  // opens connections for callers, in steps that do not wait for the server. The loop then calls
  // Tick when a descriptor of Descriptors() is ready, after PoolOptions::on_work was called, and at
  // the moment that Tick returned.
  TimePoint Tick(TimePoint now);
  // Writes the sockets that the next Tick waits for into `out`: those of connections that are being
  // opened or pinged in steps. Returns how many there are, 0 to capacity; those beyond out.size()
  // are left out. The answer changes with every Tick.
  int Descriptors(std::span<DescriptorWait> out) const;

  // ---- The whole pool ----

  // Replaces every connection. Closes idle ones now, in this thread. A lent one is closed when it
  // comes back, one that is being opened or pinged when that ends.
  void InvalidateAll();
  // Lends and opens nothing until Resume. Callers wait in the queue until their deadlines; leases
  // that are out stay valid. A second Pause changes nothing.
  void Pause();
  // Ends a Pause, whatever the number of calls of Pause, and serves the waiters.
  void Resume();
  // Closes the pool for ever: refuses newcomers and waiters with kFailedPrecondition, closes idle
  // connections, and waits until `deadline` for lent ones to come back. OK: every connection is
  // closed. kDeadlineExceeded: some leases are still out, or a thread is inside an open, which the
  // message says. Leases stay valid, are closed when they come back, and Close may be called again.
  absl::Status Close(Deadline deadline);
  // Changes settings while the pool works. The limit is the memory that its profile has compiled in
  // (capacity()). All of `wish` counts when this returns, or, with an error, nothing of it. A wish
  // that changes nothing does nothing. The observer hears of a change (EventKind::kTuned).
  //
  // With smaller sizes nothing is opened above them from here on. Surplus connections that are idle
  // are closed now, in this thread, the one used longest ago first. Those that are lent or under way
  // are closed when they come back, even while callers wait; until then they count. With larger sizes
  // connections are opened for callers that wait. Leases that are out, and waits, go on as they
  // began. The Housekeeper, or else PoolOptions::on_work, is called, because Tick may have something
  // to do earlier than it said.
  //
  // Any thread may call it, and so may an observer. Errors: kInvalidArgument names the setting, its
  // value and the limit; kFailedPrecondition from a closed pool and in a child of fork(). Allocates.
  absl::Status Tune(const Tuning& wish);

  // ---- What the pool does ----

  // One consistent snapshot of all counts, taken under the lock. Some 1600 bytes, returned by value.
  // In a child of fork() it has the pool's shape and `closed`.
  Stats stats() const;
  // Tells what each lane, slot and waiter does now, with the statistics of the same moment. Fills in as
  // many records of `slots` and `waiters` as there is room for: slots by their number, waiters by their
  // arrival, the longest first. Takes the lock as stats() does, and the caller's memory alone.
  void Inspect(PoolDetails& out, std::span<SlotDetails> slots,
               std::span<WaiterDetails> waiters) const;
  // Writes a report for people into `out` and returns it: counts, each holder with its line of code
  // and since when it holds, up to 64 waiters, the last error, the next attempt to open. Several
  // lines, cut to fit. Allocates nothing; takes at most 14 KB of stack.
  std::string_view Report(std::span<char> out) const;
  // Writes why `refusal` was returned into `out` and returns it, in one line with the numbers of
  // now, cut to fit. A time-out while every connection is lent gives SQLAlchemy's sentence,
  // "QueuePool limit of size 2 overflow 1 reached, connection timed out, timeout 0.05", and then the
  // holders. Where the one writer, or all readers, are lent and others are not, it says that instead.
  // `asked` is the time-out that the sentence names. The status itself has no such numbers,
  // because a refusal allocates nothing. Takes at most 14 KB of stack.
  std::string_view Explain(const absl::Status& refusal, Duration asked, std::span<char> out) const;

  // ---- What the pool was made of; constant, but for what Tune changes ----

  // The settings in force: the profile's, as Tune has changed them. Some 170 bytes, by value.
  PoolSettings settings() const;
  // Slots: pool_size + max_overflow of the profile, and the most of both that Tune takes. Constant.
  int capacity() const;
  std::string_view name() const;
  Backend& backend() const;
  Platform& platform() const;

 protected:
  // PoolFor calls it. REQUIRES: `backend` outlives the pool, and needs no more memory for a
  // connection than a slot has (else it aborts).
  Pool(Backend& backend, const PoolSettings& settings, const PoolOptions& options,
       const internal::PoolStorageView& storage);
  // Closes what is open. REQUIRES: no lease is out, else it aborts and names the holders' lines; no
  // thread is inside a call. The end of a lease is a call: join the thread whose lease was the
  // last, even after Close was OK.
  ~Pool();

 private:
  friend class Housekeeper;
  friend class PendingAcquire;
  friend class PoolTestPeer;
  // `taken`: a slot from the idle stack that needs a check. Null: the stack was empty or closed.
  absl::StatusOr<Lease> AcquireSlowly(internal::SlotHead* taken, Intent intent, Deadline deadline,
                                      SourceLine where);

  internal::PoolState* const state_;
  // A copy of the one in state_, so that an acquire follows one pointer less.
  const internal::PoolHead head_;
};

// A pool with the storage of profile P. It can be neither copied nor moved, because leases point
// into it. Place it where it lives as long as the program: in main, or as a static.
//
// Memory:  sizeof(PoolFor<P>); `roostctl profiles` prints it for each profile. No heap, but for a
//          few refusals that the constructor formats.
// Errors:  a profile whose numbers cannot work stops the build with a sentence (CheckProfile)
//
// B is the backend, if its connections are larger than those of SQLite and PostgreSQL: a driver
// with B::kConnectionSize names itself here, and enlarges no other pool. A backend with B::kLanes has
// the sizes checked, too.
template <class P, class B = internal::AnyBackend>
class PoolFor : private internal::PoolStorage<P::kPoolSize + P::kMaxOverflow, P::kStatements,
                                              B::kConnectionSize>,
                private internal::WatchStorage<P::kWatchStatements, P::kPoolSize + P::kMaxOverflow,
                                               P::kStatements>,
                public Pool {
  using Storage =
      internal::PoolStorage<P::kPoolSize + P::kMaxOverflow, P::kStatements, B::kConnectionSize>;
  using Watch =
      internal::WatchStorage<P::kWatchStatements, P::kPoolSize + P::kMaxOverflow, P::kStatements>;
  static_assert(
      internal::KeepsAReader<B>(P::kPoolSize, P::kMaxOverflow),
      "roost profile: kPoolSize 1 with overflow keeps a writer and no reader, so that each "
      "read opens a connection; make kPoolSize 2, or kMaxOverflow 0");

 public:
  // REQUIRES: `backend` outlives the pool. Opens nothing.
  explicit PoolFor(Backend& backend, const PoolOptions& options = {})
      : Pool(backend, SettingsOf<P>(), options, Storage::View(Watch::View())) {
    internal::CheckVersion();
  }
  ~PoolFor() = default;
};

}  // namespace roost
#pragma GCC visibility pop

#endif  // ROOST_POOL_H_
