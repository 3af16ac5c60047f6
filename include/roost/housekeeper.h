// include/roost/housekeeper.h - one optional thread that calls Pool::Tick of several pools.
//
// It sleeps until a pool's next maintenance is due, a socket of a connection that is being opened
// is ready, or a pool calls it. A firmware with a loop of its own calls Pool::Tick there and needs
// no Housekeeper.
//
// How a program ends:
//
//   1. Tell the threads that acquire, and join them. Cancel ends their waits.
//   2. Close each pool, with a deadline. Where that is not OK a lease is out: Report names it.
//   3. Stop the housekeeper. Up to here it ends what was given up at a server.
//   4. Leave the scope: the housekeeper and AcquireQueues go first, then pools, then backends, and
//      the SqliteMemory last. That is the order of construction, from its end.
//
// Threads:  Add, Start and Stop from one thread; Wake from any; Run from threads of the program's
//           own; the housekeeper's thread calls Tick
// Blocks:   Stop, until the Tick that is under way has ended and the thread, and Run, have left;
//           Run, until Stop; Add, while a call of the pool's own on_work is under way; the others
//           never
// Memory:   fixed; Start makes one thread; one descriptor from the first Add of a pool with
//           OpenBy::kHousekeeper, or of a task, to Stop
// Errors:   aborts with a sentence when more than kMaxPools pools are added, and when Add or Start
//           is called after Start
// Time:     sleeps while no pool has work, at most the shortest of the pools' kKeepAlive, kIdleLimit,
//           kLeakAfter and kPoolRecycle that are set, and kLinger of one with overflow; else for ever
// Example:
//   roost::Housekeeper keeper;
//   keeper.Add(local); keeper.Add(remote);
//   keeper.Start();
#ifndef ROOST_HOUSEKEEPER_H_
#define ROOST_HOUSEKEEPER_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "roost/platform.h"
#include "roost/pool.h"

#pragma GCC visibility push(default)
namespace roost {

// What a Housekeeper's thread does beside the pools: a StatusServer (status.h).
class HousekeeperTask {
 public:
  virtual ~HousekeeperTask() = default;
  // Does what is due. Returns the moment by which it is called again; TimePoint::max(): no moment.
  virtual TimePoint Turn(TimePoint now) = 0;
  // Writes the descriptors that the next Turn waits for into `out`. Returns how many there are.
  virtual int Descriptors(std::span<DescriptorWait> out) const = 0;
};

// One thread for the pools that it was given.
class Housekeeper {
 public:
  // The most pools that one housekeeper takes.
  static constexpr int kMaxPools = 8;

  // `platform`: the clock and the waits; null: NativePlatform(). REQUIRES: outlives this.
  explicit Housekeeper(Platform* platform = nullptr);
  // Stops.
  ~Housekeeper();
  Housekeeper(const Housekeeper&) = delete;
  Housekeeper& operator=(const Housekeeper&) = delete;

  // Takes `pool` into care: its PoolOptions::on_work is not called until Stop. REQUIRES: not
  // started; `pool` outlives this or the call of Stop.
  void Add(Pool& pool);
  // Takes `task` into care, too: one task. REQUIRES: not started; `task` outlives this or the call of
  // Stop.
  void Add(HousekeeperTask& task);
  // Starts the thread. It inherits the caller's signal mask: block signals before the call, if
  // another thread handles them. REQUIRES: not started.
  void Start();
  // Ends and joins the thread, waits until every Run has returned, and lets go of the pools, which
  // may then be destroyed. May be called twice. In a child of fork() it only forgets the thread and
  // the pools, because they are the parent's.
  void Stop();

  // Does in the calling thread what the housekeeper's thread does, for a program that has a thread
  // to spare. Returns when another thread calls Stop.
  void Run();
  // Makes the thread call Tick of every pool now. Pools call it when there is work. Never blocks.
  void Wake();

 private:
  // Descriptors that one sleep waits for. Those beyond are polled each kGlance.
  static constexpr int kMaxDescriptors = 31;
  static constexpr Duration kGlance = std::chrono::milliseconds(10);

  void TakeTurns();
  void Sleep(uint32_t seen, TimePoint until);

  Platform& platform_;
  std::array<Pool*, kMaxPools> pools_{};
  HousekeeperTask* task_ = nullptr;
  int count_ = 0;
  // Grows with every Wake. The thread sleeps on it.
  std::atomic<uint32_t> calls_{0};
  // True while a thread waits for descriptors: Wake then signals event_, too.
  std::atomic<bool> listens_{false};
  // Open from the first Add that needs it to Stop; -1: none.
  int event_ = -1;
  // Threads inside Run. Stop waits on it.
  std::atomic<uint32_t> running_{0};
  std::atomic<bool> stopping_{false};
  // Of the process that the thread and the pools belong to.
  uint32_t fork_generation_ = 0;
  // A std::thread while started_. Kept as bytes, so that this header does not include <thread>.
  alignas(void*) std::byte thread_[sizeof(void*)];
  bool started_ = false;
};

}  // namespace roost
#pragma GCC visibility pop

#endif  // ROOST_HOUSEKEEPER_H_
