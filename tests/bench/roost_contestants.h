// tests/bench/roost_contestants.h - our pools as contestants, through the public interface alone.
#ifndef ROOST_TESTS_BENCH_ROOST_CONTESTANTS_H_
#define ROOST_TESTS_BENCH_ROOST_CONTESTANTS_H_

#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "roost/housekeeper.h"
#include "roost/pool.h"
#include "tests/bench/nothing_backend.h"

namespace roost::bench {

using namespace std::chrono_literals;  // NOLINT(build/namespaces): benchmarks only

[[noreturn, gnu::cold]] inline void Fail(absl::Status status) {
  std::fprintf(stderr, "contest: %s\n", status.ToString().c_str());
  std::exit(1);
}

// A pool of profile P over a database that does nothing.
template <class P>
class RoostPool {
 public:
  static constexpr const char* kName = P::kContestant;
  static constexpr const char* kNote = P::kNote;
  using Lease = roost::Lease;

  Lease Take() {
    absl::StatusOr<Lease> lease = pool_.Acquire(kWrite, by_);
    if (!lease.ok()) Fail(lease.status());
    return *std::move(lease);
  }
  void Give(Lease lease) { lease.Return(); }
  bool TakeBy(std::chrono::milliseconds patience) {
    return (patience == 0ms ? pool_.TryAcquire() : pool_.Acquire(kWrite, pool_.In(patience))).ok();
  }
  void Cycle() {
    absl::StatusOr<Lease> lease = P::kDefaultTimeout ? pool_.Acquire() : pool_.Acquire(kWrite, by_);
    if (!lease.ok()) Fail(lease.status());
  }

 protected:
  NothingBackend backend_;
  PoolFor<P> pool_{backend_, {.observer = P::kObserver}};
  // One deadline for all, as a loop of readings has. Sooner than an idle connection has to be
  // checked (kPingAfter): a deadline farther ahead costs a read of the coarse clock.
  const Deadline by_ = pool_.In(10s);
};

// With a housekeeper at work, whose lingering spares opens.
template <class P>
class KeptRoostPool : public RoostPool<P> {
 public:
  KeptRoostPool() {
    keeper_.Add(this->pool_);
    keeper_.Start();
  }
  ~KeptRoostPool() { keeper_.Stop(); }
  uint64_t opens() const { return this->backend_.opens(); }

 private:
  Housekeeper keeper_;
};

// ---- profiles -----------------------------------------------------------------------------------

// Is told of each event, and does nothing: what is left is what the telling costs.
class SilentObserver final : public Observer {
 public:
  void OnEvent(const Event&) override {}
};
inline SilentObserver silent_observer;

struct OfThePi : profiles::RaspberryPi {
  static constexpr Observer* kObserver = nullptr;
  static constexpr const char* kContestant = "roost";
  static constexpr const char* kNote =
      "profile raspberry_pi (2 + 1), a deadline kept by the caller, 10 s ahead";
  static constexpr bool kDefaultTimeout = false;
};
struct OfThePiDefaultTimeout : OfThePi {
  static constexpr const char* kContestant = "roost, default time-out";
  static constexpr const char* kNote =
      "profile raspberry_pi, Acquire() without a deadline: reads the coarse clock";
  static constexpr bool kDefaultTimeout = true;
};
struct WithoutHoldTimes : OfThePi {
  static constexpr const char* kContestant = "roost, no hold times";
  static constexpr const char* kNote = "raspberry_pi with kHoldTimes = false: no lease is timed";
  static constexpr bool kHoldTimes = false;
};
// What each duty costs that a lease of raspberry_pi_remote, or of a watched pool, has besides.
struct PingAfterIdle : OfThePi {
  static constexpr const char* kContestant = "roost, ping after idle";
  static constexpr const char* kNote =
      "raspberry_pi with PrePing::kAfterIdle: the lock, two clocks, a probe that does nothing";
  static constexpr PrePing kPrePing = PrePing::kAfterIdle;
};
struct PingAlways : OfThePi {
  static constexpr const char* kContestant = "roost, ping always";
  static constexpr const char* kNote =
      "raspberry_pi with PrePing::kAlways: the same, the wait queue, a ping that does nothing";
  static constexpr PrePing kPrePing = PrePing::kAlways;
};
struct Watched : OfThePi {
  static constexpr const char* kContestant = "roost, an observer";
  static constexpr const char* kNote =
      "raspberry_pi and an observer that does nothing: the lock, clocks, events";
  static constexpr Observer* kObserver = &silent_observer;
};
struct Large : profiles::Production {
  static constexpr Observer* kObserver = nullptr;
  static constexpr const char* kContestant = "roost, 50 + 25";
  static constexpr const char* kNote = "profile production without pre-ping and hold times";
  static constexpr bool kDefaultTimeout = false;
  static constexpr PrePing kPrePing = PrePing::kNever;
  static constexpr bool kHoldTimes = false;
};
// What stands against the plain pools when threads meet: the same three connections.
struct Three : OfThePi {
  static constexpr const char* kContestant = "roost, 3 kept";
  static constexpr const char* kNote = "raspberry_pi with 3 + 0 connections, 16 overtakes";
  static constexpr int kPoolSize = 3;
  static constexpr int kMaxOverflow = 0;
};
struct ThreeStrict : Three {
  static constexpr const char* kContestant = "roost, 3 kept, strict";
  static constexpr const char* kNote = "raspberry_pi with 3 + 0 connections, nobody is overtaken";
  static constexpr int kMaxOvertakes = 0;
};
struct Lingering : OfThePi {
  static constexpr const char* kContestant = "roost, housekeeper";
  static constexpr const char* kNote =
      "raspberry_pi (2 + 1, overflow lingers 1 s) and a housekeeper";
};

}  // namespace roost::bench

#endif  // ROOST_TESTS_BENCH_ROOST_CONTESTANTS_H_
