// include/roost/housekeeper.h - one optional thread that keeps house for several pools.
//
// A firmware with a loop of its own calls Pool::Tick there and needs none of this.
//
// Threads:  Add, Start, Stop from one thread; the housekeeper's own thread calls Tick
// Blocks:   Stop, until the Tick that is under way has ended and the thread, or Run, has left
// Memory:   fixed; Start makes one thread; one descriptor from the first Add of a pool whose
//           connections the housekeeper opens
// Errors:   aborts with a sentence when more than kMaxPools are added
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

#include "roost/platform.h"
#include "roost/pool.h"

namespace roost {

class Housekeeper {
 public:
  static constexpr int kMaxPools = 8;

  // REQUIRES: `platform` outlives this; null: NativePlatform().
  explicit Housekeeper(Platform* platform = nullptr);
  ~Housekeeper();  // stops
  Housekeeper(const Housekeeper&) = delete;
  Housekeeper& operator=(const Housekeeper&) = delete;

  // REQUIRES: not started; `pool` outlives this or the call of Stop.
  void Add(Pool& pool);
  // Starts the thread. The signal mask is inherited: block signals before, if another thread
  // handles them.
  void Start();
  // Ends and joins it, waits until Run has returned, and lets go of the pools, which may then be
  // destroyed. May be called twice. In a child of fork it only forgets: the thread is the parent's.
  void Stop();

  // What the thread does, for a program that has a thread to give: returns when Stop is called
  // from another thread.
  void Run();
  // Has the thread look at once. Pools call it when there is work. Never blocks.
  void Wake();

 private:
  // More are looked at again after kGlance.
  static constexpr int kMaxDescriptors = 31;
  static constexpr Duration kGlance = std::chrono::milliseconds(10);

  void TakeTurns();
  void Sleep(uint32_t seen, TimePoint until);

  Platform& platform_;
  std::array<Pool*, kMaxPools> pools_{};
  int count_ = 0;
  std::atomic<uint32_t> calls_{0};    // grows with every Wake; what the thread sleeps on
  std::atomic<bool> listens_{false};  // a thread waits for descriptors: ring the event, too
  int event_ = -1;                    // from the first Add that needs one to Stop
  std::atomic<uint32_t> running_{0};  // threads inside Run; what Stop waits on
  std::atomic<bool> stopping_{false};
  uint32_t fork_generation_ = 0;  // of the process that the thread and the pools belong to
  alignas(void*) std::byte thread_[sizeof(void*)];  // std::thread, when started
  bool started_ = false;
};

}  // namespace roost

#endif  // ROOST_HOUSEKEEPER_H_
