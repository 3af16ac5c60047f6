// include/roost/pool.h - START HERE: a bounded pool of database connections.
//
// Pool is what code uses; PoolFor<Profile> is what a program makes: it adds the storage that the
// profile fixes. A caller acquires a Lease, works through it, and the lease gives the connection
// back. Callers that find none free stand in line in order of arrival until their deadline. From
// the first acquire to close the pool allocates nothing.
//
// Threads:  every function may be called from every thread, unless it says otherwise
// Blocks:   Acquire, Close and Fill up to their deadline; Tick while it tends or closes, and opens
//           a local database; InvalidateAll while it closes; the others only for a lock that is never held across I/O
// Memory:   sizeof(PoolFor<P>), fixed; a waiting caller's node is on its own stack
// Errors:   the table in lease.h
// Time:     Acquire and return of an idle connection: two compare-and-swaps, no lock, no clock, no
//           system call, where the profile has PrePing::kNever, no hold times, and nobody observes;
//           else two short critical sections, clocks, and what the profile's ping costs
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
#include "roost/internal/storage.h"
#include "roost/lease.h"
#include "roost/observer.h"
#include "roost/platform.h"
#include "roost/profile.h"
#include "roost/stats.h"

namespace roost {

// Lets one thread take back another's wait. May be used for one Acquire after the other, and given
// to several at once.
class CancelToken {
 public:
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

 private:
  friend class internal::PoolState;
  std::atomic<bool> cancelled_{false};
};

struct AcquireOptions {
  Intent intent = kWrite;
  // Bounds the wait and the lease's statements. Left out: the profile's pool_timeout from now.
  std::optional<Deadline> deadline{};
  // Who asks: shown in leak reports and in Pool::Report. Filled in by the compiler.
  SourceLine where = SourceLine::Here();
  // Optional. REQUIRES: outlives the call.
  CancelToken* cancel = nullptr;
};

// How a pool, or an AcquireQueue, has its owner's loop look: write to an eventfd, notify a
// condition. Called from any thread. REQUIRES: does not block and does not call the pool.
struct WakeCallback {
  void (*function)(void* context) = nullptr;  // null: nobody is called
  void* context = nullptr;
};

struct PoolOptions {
  // Names the pool in events and messages. REQUIRES: outlives the pool (a literal).
  const char* name = "pool";
  // Watches the pool. REQUIRES: outlives the pool. With one, every lease goes by the lock and reads
  // the clock; without, a lease of a profile with PrePing::kNever and without hold times does
  // neither, and since when it is held is told from the first look on (Tick, stats, a waiter).
  Observer* observer = nullptr;
  // REQUIRES: outlives the pool. Null: NativePlatform().
  Platform* platform = nullptr;
  // For a program that calls Tick in a loop of its own: called when Tick has something to do before
  // the moment that it returned last, because a caller came (OpenBy::kHousekeeper). A Housekeeper
  // takes its place while it has the pool.
  WakeCallback on_work{};
};

class Pool {
 public:
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // A connection for `intent`, lent by `deadline`. A deadline that has passed takes what can be had
  // without waiting for another holder. The lease's statements are bounded by the same deadline
  // (Connection::set_deadline moves it).
  ROOST_HOT absl::StatusOr<Lease> Acquire(Intent intent, Deadline deadline,
                                          SourceLine where = SourceLine::Here()) {
    internal::SlotHead* taken = nullptr;
    if (!head_.Forked()) {
      internal::LaneHead& lane = *head_.lane_for[static_cast<size_t>(intent)];
      taken = lane.idle.TryPop();
      if (taken != nullptr && lane.idle.MayLendWithoutCheck(*taken, deadline)) {
        internal::RecordOwner(*taken, where);
        return Lease(lane, *taken, deadline);
      }
    }
    // Copied from an object of its own, so that the compiler may keep the result above in registers:
    // tests/bench/counts.py shows it.
    absl::StatusOr<Lease> lease = AcquireSlowly(taken, intent, deadline, where);
    return absl::StatusOr<Lease>(std::move(lease));
  }
  // The same with the profile's pool_timeout from now, by the coarse clock where the idle stack has a
  // connection: up to 10 ms early.
  absl::StatusOr<Lease> Acquire(Intent intent = kWrite, SourceLine where = SourceLine::Here());
  absl::StatusOr<Lease> Acquire(const AcquireOptions& options);
  // What is free now, never waiting and never opening: the idle connection used last, if it needs
  // neither a round trip nor to be replaced (with PrePing::kAlways only a fresh one does not), else
  // kDeadlineExceeded. Its statements are bounded by `deadline`.
  absl::StatusOr<Lease> TryAcquire(Intent intent = kWrite, Deadline deadline = Deadline::Never(),
                                   SourceLine where = SourceLine::Here());
  // Ends every Acquire that was given this token, now and later, with kCancelled.
  void Cancel(CancelToken& token);

  // `span` from now on the pool's clock.
  Deadline In(Duration span) const;

  // Opens connections until `connections` are open or the deadline passes; one that somebody else
  // is opening counts. Optional: a pool opens them when they are needed. OK, or why one could not
  // be opened. REQUIRES: connections <= pool_size.
  absl::Status Fill(int connections, Deadline deadline);

  // Housekeeping: opens, pings, recycles, closes what has rested or lingered too long, reports
  // leaks. Returns when it wants to be called again. `now` comes from the platform's Now(). A
  // firmware calls it from its own loop; else see housekeeper.h. May be called by several threads;
  // they share the work. With OpenBy::kHousekeeper nothing but this opens for callers, in steps
  // that do not wait for the server: the loop calls it again when one of Descriptors() is ready,
  // when PoolOptions::on_work was called, and at the moment it returned.
  TimePoint Tick(TimePoint now);
  // What Tick waits for at this moment, into `out`: the sockets of connections that are being
  // opened or asked. Returns how many there are, at most capacity; those beyond out.size() are left
  // out. Changes with every Tick.
  int Descriptors(std::span<DescriptorWait> out) const;

  // Replaces every connection: idle ones are closed now, lent ones when they come back.
  void InvalidateAll();
  // Nobody is lent anything until Resume; callers stand in line. Leases that are out are not
  // touched.
  void Pause();
  void Resume();
  // Refuses callers from now on, sends those in line away with kFailedPrecondition, closes idle
  // connections, and waits for the lent ones until `deadline`. OK: all closed. kDeadlineExceeded:
  // some leases are still out; they stay valid and are closed at their return, and Close may be
  // called again.
  absl::Status Close(Deadline deadline);

  Stats stats() const;
  // What is going on, for people: counts, who holds a connection since when, who waits, what went
  // wrong last, when the next try is due. Several lines into `out`, cut to fit. No allocation.
  std::string_view Report(std::span<char> out) const;
  // Why `refusal` was returned, in one line with the numbers of now: for a time-out the guide's
  // sentence "QueuePool limit of size 2 overflow 1 reached, connection timed out, timeout 0.05",
  // then the holders. The status itself has no numbers, because a refusal allocates nothing.
  // `asked` is the time-out that the sentence names.
  std::string_view Explain(const absl::Status& refusal, Duration asked, std::span<char> out) const;

  const PoolSettings& settings() const;
  std::string_view name() const;
  Backend& backend() const;
  Platform& platform() const;

 protected:
  Pool(Backend& backend, const PoolSettings& settings, const PoolOptions& options,
       const internal::PoolStorageView& storage);
  // REQUIRES: no lease is out and nobody is inside a call. Closes what is open. The end of a lease
  // is a call: join the thread whose lease was the last, even after Close was OK.
  ~Pool();

 private:
  friend class Housekeeper;
  friend class PendingAcquire;
  friend class PoolTestPeer;
  // `taken`: a slot from the idle stack that needs a check; null: the stack had none.
  absl::StatusOr<Lease> AcquireSlowly(internal::SlotHead* taken, Intent intent, Deadline deadline,
                                      SourceLine where);

  internal::PoolState* const state_;
  const internal::PoolHead head_;  // as in state_
};

// A pool with the storage of profile P. Not movable: leases point into it.
template <class P>
class PoolFor : private internal::PoolStorage<P::kPoolSize + P::kMaxOverflow, P::kStatements>,
                public Pool {
  using Storage = internal::PoolStorage<P::kPoolSize + P::kMaxOverflow, P::kStatements>;

 public:
  explicit PoolFor(Backend& backend, const PoolOptions& options = {})
      : Pool(backend, SettingsOf<P>(), options, Storage::View()) {}
  ~PoolFor() = default;
};

}  // namespace roost

#endif  // ROOST_POOL_H_
