// tests/bench/contest.h - what a program of the contest can do with its contestants.
//
// A contestant is a pool of three connections behind these names:
//
//   struct Contestant {
//     static constexpr const char* kName;   // "libzdb"
//     static constexpr const char* kNote;   // settings, and what it cannot do
//     using Lease = ...;                    // movable
//     Lease Take();                         // a connection; waits as its users have to
//     void Give(Lease lease);
//   };
//
// and, where it can: bool TakeBy(milliseconds), false when the time is over; void SelectOne(), a
// cycle with SELECT 1 in it; void Cycle(), where there is a shorter way than Take and Give;
// uint64_t opens(), connections opened so far. What is no pool (the floor, clocks) has kName,
// kNote and Cycle().
//
// PROGRAM                                  ns of each cycle, by Google Benchmark, with its flags
// PROGRAM --list                           the contestants
// PROGRAM --loop NAME WHAT N               N times, nothing else, for a counter around it; WHAT is
//                                          cycle, select, timeout or refusal
// PROGRAM --sealed NAME WHAT N             the same; a system call kills the program
// PROGRAM --contend NAME THREADS HOLD MS TIMED   one run; HOLD 0 to 3 (see Hold), TIMED 0 or 1
// PROGRAM --handover NAME N                ns from a return to the waiter's next instruction
// PROGRAM --late NAME N                    ns by which a wait of 50 ms ends too late
// PROGRAM --churn NAME MS                  connections opened per second, by 4 threads without hold
//
// All but the first print one line of JSON.
#ifndef ROOST_TESTS_BENCH_CONTEST_H_
#define ROOST_TESTS_BENCH_CONTEST_H_

#include <benchmark/benchmark.h>

#include <array>
#include <atomic>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <thread>
#include <utility>
#include <vector>

#include "tests/bench/contention.h"

namespace roost::bench {

inline constexpr int kConnections = 3;

// How to run a loop, and what to do just before and after it.
struct LoopRun {
  int64_t times = 0;
  void (*before)() = [] {};
  void (*after)() = [] {};

  template <class Body>
  void operator()(Body body) const {
    body();  // opens what has to be opened
    before();
    for (int64_t i = 0; i < times; ++i) body();
    after();
  }
};

// A contestant as data. Null: it cannot do that.
struct Entry {
  const char* name = "";
  const char* note = "";
  void (*measure_cycle)(benchmark::State&) = nullptr;
  void (*measure_select)(benchmark::State&) = nullptr;
  void (*loop_cycle)(const LoopRun&) = nullptr;
  void (*loop_select)(const LoopRun&) = nullptr;
  void (*loop_timeout)(const LoopRun&) = nullptr;
  void (*loop_refusal)(const LoopRun&) = nullptr;
  Contention (*contend)(const Shape&) = nullptr;
  Nanos (*hand_over)() = nullptr;
  Nanos (*lateness)() = nullptr;
  double (*churn)(std::chrono::milliseconds) = nullptr;
};

// The program: does what the arguments say.
int ContestMain(int argc, char** argv, const std::vector<Entry>& entries);

// ---- what is asked of a contestant, a function each ---------------------------------------------

template <class C>
void OneCycle(C& contestant) {
  if constexpr (requires { contestant.Cycle(); }) {
    contestant.Cycle();
  } else {
    typename C::Lease lease = contestant.Take();
    benchmark::DoNotOptimize(lease);
    contestant.Give(std::move(lease));
  }
}

// Inlined as where a firmware has it, once: here g++ would share parts of a cycle with others.
template <class C>
[[gnu::flatten]] void MeasureCycle(benchmark::State& state) {
  C contestant;
  OneCycle(contestant);  // opens what has to be opened
  for (auto _ : state) OneCycle(contestant);
}

template <class C>
void MeasureSelect(benchmark::State& state) {
  C contestant;
  contestant.SelectOne();
  for (auto _ : state) contestant.SelectOne();
}

template <class C>
[[gnu::flatten]] void LoopCycle(const LoopRun& run) {
  C contestant;
  run([&] { OneCycle(contestant); });
}

template <class C>
void LoopSelect(const LoopRun& run) {
  C contestant;
  run([&] { contestant.SelectOne(); });
}

// Holds every connection of a pool.
template <class C>
class Exhausted {
 public:
  explicit Exhausted(C& pool) : pool_(pool), leases_{pool.Take(), pool.Take(), pool.Take()} {
    if constexpr (requires { leases_[0].ReleaseThread(); }) {
      for (typename C::Lease& lease : leases_)
        lease.ReleaseThread();  // another thread's, so to say
    }
  }
  ~Exhausted() {
    for (typename C::Lease& lease : leases_) pool_.Give(std::move(lease));
  }
  Exhausted(const Exhausted&) = delete;
  Exhausted& operator=(const Exhausted&) = delete;

 private:
  C& pool_;
  std::array<typename C::Lease, kConnections> leases_;
};

// Asks for one more, again and again.
template <class C, int kMilliseconds>
void LoopRefused(const LoopRun& run) {
  C pool;
  const Exhausted<C> exhausted(pool);
  run([&] { benchmark::DoNotOptimize(pool.TakeBy(std::chrono::milliseconds(kMilliseconds))); });
}

template <class C>
Nanos Lateness() {
  C pool;
  const Exhausted<C> exhausted(pool);
  const Nanos start = Now();
  const bool taken = pool.TakeBy(std::chrono::milliseconds(50));
  return taken ? -1 : Now() - start - 50'000'000;
}

template <class C>
Contention ContendOn(const Shape& shape) {
  C pool;
  OneCycle(pool);
  return Contend(pool, shape);
}

// From the return of the last connection to the next instruction of the thread that waits for it.
template <class C>
Nanos HandOver() {
  C pool;
  std::array<typename C::Lease, kConnections> held{pool.Take(), pool.Take(), pool.Take()};
  std::atomic<bool> asks{false};
  Nanos woke = 0;
  std::thread waiter([&] {
    asks = true;
    typename C::Lease mine = pool.Take();
    woke = Now();
    pool.Give(std::move(mine));
  });
  while (!asks) std::this_thread::yield();
  std::this_thread::sleep_for(std::chrono::milliseconds(1));  // it sleeps by now
  const Nanos gave = Now();
  pool.Give(std::move(held[0]));
  waiter.join();
  pool.Give(std::move(held[1]));
  pool.Give(std::move(held[2]));
  return woke - gave;
}

template <class C>
double Churn(std::chrono::milliseconds run) {
  C pool;
  { const Exhausted<C> exhausted(pool); }  // opens what there can be
  const uint64_t before = pool.opens();
  const Contention seen = Contend(pool, {.threads = 4, .run = run, .timed = false});
  return static_cast<double>(pool.opens() - before) / seen.seconds;
}

template <class C>
concept IsPool = requires(C contestant) {
  { contestant.Take() } -> std::same_as<typename C::Lease>;
};

template <class C>
Entry EntryOf() {
  Entry entry{.name = C::kName, .note = C::kNote, .measure_cycle = MeasureCycle<C>};
  entry.loop_cycle = LoopCycle<C>;
  if constexpr (IsPool<C>) {
    entry.contend = ContendOn<C>;
    entry.hand_over = HandOver<C>;
  }
  if constexpr (requires(C contestant) { contestant.SelectOne(); }) {
    entry.measure_select = MeasureSelect<C>;
    entry.loop_select = LoopSelect<C>;
  }
  if constexpr (requires(C contestant) { contestant.TakeBy(std::chrono::milliseconds(1)); }) {
    entry.loop_timeout = LoopRefused<C, 1>;
    entry.loop_refusal = LoopRefused<C, 0>;
    entry.lateness = Lateness<C>;
  }
  if constexpr (requires(C contestant) { contestant.opens(); }) entry.churn = Churn<C>;
  return entry;
}

template <class... C>
std::vector<Entry> EntriesOf() {
  return {EntryOf<C>()...};
}

}  // namespace roost::bench

#endif  // ROOST_TESTS_BENCH_CONTEST_H_
