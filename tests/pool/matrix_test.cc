// tests/pool/matrix_test.cc - every public call under every fault: it ends by its deadline, nothing
// leaks, and the next caller is served.
//
// Two tables. Acquires: {kRefuse, kWait} x {kCaller, kHousekeeper} x {thread, loop, coroutine}, each
// under each fault. The other calls of Pool and Lease: each under each fault.
#include <gtest/gtest.h>

#include <coroutine>
#include <functional>
#include <memory>

#include "roost/async.h"
#include "tests/pool/pool_test_support.h"
#include "tests/support/pool_test_peer.h"

namespace roost {
namespace {

constexpr Duration kTimeout = 1s;
constexpr Duration kMargin = 10ms;  // by how much a call may be late

// ---- The pools ----------------------------------------------------------------------------------

template <WhenAway kAway, OpenBy kBy>
struct Cell : Plain<2> {
  static constexpr PrePing kPrePing = PrePing::kAlways;
  static constexpr WhenAway kWhenAway = kAway;
  static constexpr OpenBy kOpenBy = kBy;
  static constexpr Duration kOpenTimeout = 30s;
  static constexpr Duration kPingTimeout = 20s;
  static constexpr Duration kResetTimeout = 20s;
};

template <class P>
std::unique_ptr<Pool, std::function<void(Pool*)>> MakePool(Backend& backend,
                                                           const PoolOptions& options) {
  return {new PoolFor<P>(backend, options),
          [](Pool* pool) { delete static_cast<PoolFor<P>*>(pool); }};
}
using AnyPool = std::unique_ptr<Pool, std::function<void(Pool*)>>;

AnyPool MakePool(WhenAway away, OpenBy by, Backend& backend, const PoolOptions& options) {
  if (away == WhenAway::kRefuse) {
    return by == OpenBy::kCaller
               ? MakePool<Cell<WhenAway::kRefuse, OpenBy::kCaller>>(backend, options)
               : MakePool<Cell<WhenAway::kRefuse, OpenBy::kHousekeeper>>(backend, options);
  }
  return by == OpenBy::kCaller
             ? MakePool<Cell<WhenAway::kWait, OpenBy::kCaller>>(backend, options)
             : MakePool<Cell<WhenAway::kWait, OpenBy::kHousekeeper>>(backend, options);
}

// ---- The faults ---------------------------------------------------------------------------------

enum class Fault : uint8_t {
  kNone,
  kOpenHangs,
  kOpenFails,
  kOpenIsRefusedForGood,
  kPingHangs,
  kServerDied,
  kDeadlinePast,
  kDeadlineTiny,
  kAllLent,
  kCancelledBefore,
  kCancelledMeanwhile,
  kClosedMeanwhile,
  kPaused,
  kForked,
  kBusyLoopAhead,
};
constexpr Fault kFaults[] = {
    Fault::kNone,
    Fault::kOpenHangs,
    Fault::kOpenFails,
    Fault::kOpenIsRefusedForGood,
    Fault::kPingHangs,
    Fault::kServerDied,
    Fault::kDeadlinePast,
    Fault::kDeadlineTiny,
    Fault::kAllLent,
    Fault::kCancelledBefore,
    Fault::kCancelledMeanwhile,
    Fault::kClosedMeanwhile,
    Fault::kPaused,
    Fault::kForked,
    Fault::kBusyLoopAhead,
};
const char* NameOf(Fault fault) {
  constexpr const char* kNames[] = {
      "None",      "OpenHangs",       "OpenFails",          "OpenIsRefusedForGood",
      "PingHangs", "ServerDied",      "DeadlinePast",       "DeadlineTiny",
      "AllLent",   "CancelledBefore", "CancelledMeanwhile", "ClosedMeanwhile",
      "Paused",    "Forked",          "BusyLoopAhead"};
  return kNames[static_cast<size_t>(fault)];
}
// The pool serves nobody after it.
bool IsForGood(Fault fault) { return fault == Fault::kClosedMeanwhile || fault == Fault::kForked; }

// A pool, its database, a loop, and one fault.
class MatrixTest : public PoolTest {
 protected:
  void Make(WhenAway away, OpenBy by, Fault fault) {
    fault_ = fault;
    pool_ = MakePool(away, by, backend, Options());
    // An open by the housekeeper takes steps, and goes on while it has answers.
    in_steps_ = by == OpenBy::kHousekeeper;
    platform.set_descriptor([this](int fd, IoEvents, Deadline until) {
      const IoEvents ready = backend.Ready(fd);
      if (!ready.any()) platform.AdvanceTo(until.time());
      return ready;
    });
  }
  Pool& pool() { return *pool_; }

  // Brings the fault about, before the call.
  void Break() {
    switch (fault_) {
      case Fault::kNone:
      case Fault::kCancelledMeanwhile:
      case Fault::kClosedMeanwhile:
        break;
      case Fault::kOpenHangs:
        Hang(Call::kOpen);
        break;
      case Fault::kOpenFails:
        backend.FailAlways(Call::kOpen, Gone());
        break;
      case Fault::kOpenIsRefusedForGood:
        backend.FailAlways(Call::kOpen, absl::UnauthenticatedError("wrong password"));
        break;
      case Fault::kPingHangs:
        OpenOneIdle();
        Hang(Call::kPing);
        break;
      case Fault::kServerDied:
        OpenOneIdle();
        backend.StopServer(Gone());
        break;
      case Fault::kDeadlinePast:
        break;
      case Fault::kDeadlineTiny:
      case Fault::kAllLent:
        LendAll();
        break;
      case Fault::kCancelledBefore:
        pool().Cancel(token_);
        break;
      case Fault::kPaused:
        pool().Pause();
        break;
      case Fault::kForked:
        platform.Fork();
        break;
      case Fault::kBusyLoopAhead:
        LendAll();
        ASSERT_FALSE(ahead_.Start(
            busy_loop_, pool(), {.deadline = pool().In(60s)}, [](void*) {}, nullptr));
        break;
    }
    if (fault_ == Fault::kCancelledMeanwhile || fault_ == Fault::kClosedMeanwhile) LendAll();
  }
  // What happens while the caller waits.
  void Meanwhile() {
    if (fault_ == Fault::kCancelledMeanwhile) pool().Cancel(token_);
    if (fault_ == Fault::kClosedMeanwhile) pool().Close(Deadline::Past()).IgnoreError();
    if (fault_ == Fault::kBusyLoopAhead) {
      for (Lease& lease : held_) lease.Discard();
      held_.clear();
    }
  }
  // The world is well again.
  void Mend() {
    for (const Call call : {Call::kOpen, Call::kPing}) {
      backend.Takes(call, 0s);
      backend.FailNever(call);
    }
    backend.StartServer();
    if (in_steps_) backend.Answer(1000);
    pool().Resume();
    ahead_.Cancel();
    held_.clear();
  }

  Deadline DeadlineOfCall() {
    if (fault_ == Fault::kDeadlinePast) return Deadline::Past();
    return pool().In(fault_ == Fault::kDeadlineTiny ? Duration(1) : Duration(kTimeout));
  }
  // Lets time go on until `ended`, with a housekeeper and a loop that come by, but not beyond `end`.
  void RunUntil(const std::function<bool()>& ended, TimePoint end) {
    bool told = false;
    for (;;) {
      platform.Run();
      const TimePoint tick = Tick(pool());
      const TimePoint loop = loop_.Run(Now());
      platform.Run();
      if (ended() || Now() >= end) return;
      if (!told) Meanwhile();
      told = true;
      const TimePoint next = std::min({tick, loop, Now() + 5ms, end});
      platform.AdvanceTo(std::max(next, Now() + Duration(1)));
    }
  }

  // A new caller gets a lease and gives it back, and no slot is lost.
  void ExpectNextIsServed() {
    Mend();
    // Past every pause between opens.
    platform.Advance(5min);
    for (int round = 0; round < 3; ++round) {
      std::vector<std::unique_ptr<Caller>> callers;
      for (int i = 0; i < 2; ++i) {
        callers.push_back(std::make_unique<Caller>(platform, pool(), pool().In(10s)));
      }
      RunUntil([&] { return !callers[0]->waiting() && !callers[1]->waiting(); }, Now() + 10s);
      for (auto& caller : callers) ASSERT_TRUE(caller->served()) << caller->status();
      EXPECT_EQ(pool().stats().in_use, 2);
      for (auto& caller : callers) caller->Return();
    }
  }
  void ExpectNothingLeaks() {
    const Stats stats = pool().stats();
    if (fault_ == Fault::kForked) return;
    // The loop that is ahead waits, or was granted a connection that it has not fetched.
    const int ahead = ahead_.pending() && !stats.closed ? 1 : 0;
    EXPECT_EQ(stats.waiting + stats.in_use, ahead + static_cast<int>(held_.size()));
    EXPECT_EQ(PoolTestPeer::BrokenInvariant(pool()), nullptr);
    EXPECT_LE(backend.peak_open(), 2);
  }

  void Hang(Call call) {
    if (in_steps_) {
      backend.GoInSteps(1);
    } else {
      backend.Takes(call, 1h);
    }
  }
  void OpenOneIdle() {
    ASSERT_TRUE(pool().Fill(1, pool().In(1s)).ok());
    // Fresh ends with the first idle period.
    Lease lease = MustServe();
    lease.Return();
  }
  Lease MustServe() {
    Caller caller(platform, pool(), pool().In(1s));
    RunUntil([&] { return !caller.waiting(); }, Now() + 1s);
    return caller.Take();
  }
  void LendAll() {
    while (held_.size() < 2) held_.push_back(MustServe());
  }

  Fault fault_ = Fault::kNone;
  bool in_steps_ = false;
  CancelToken token_;
  AnyPool pool_;
  std::vector<Lease> held_;
  AcquireQueue loop_{{}, &platform};
  AcquireQueue busy_loop_{{}, &platform};
  PendingAcquire ahead_;
};

// ---- Acquires -----------------------------------------------------------------------------------

enum class Way : uint8_t { kThread, kLoop, kCoroutine };

// An acquire in one of the three ways.
class Asked {
 public:
  virtual ~Asked() = default;
  virtual bool ended() const = 0;
  virtual absl::StatusOr<Lease> Take() = 0;
};

class AskedByThread : public Asked {
 public:
  AskedByThread(FakePlatform& platform, Pool& pool, const AcquireOptions& options)
      : caller_(platform, pool, options) {}
  bool ended() const override { return !caller_.waiting(); }
  absl::StatusOr<Lease> Take() override {
    if (!caller_.served()) return caller_.status();
    return caller_.Take();
  }

 private:
  Caller caller_;
};

class AskedByLoop : public Asked {
 public:
  AskedByLoop(AcquireQueue& queue, Pool& pool, const AcquireOptions& options)
      : ended_(pending_.Start(
            queue, pool, options,
            [](void* self) { static_cast<AskedByLoop*>(self)->ended_ = true; }, this)) {}
  bool ended() const override { return ended_; }
  absl::StatusOr<Lease> Take() override { return pending_.Take(); }

 private:
  PendingAcquire pending_;
  bool ended_;
};

// A coroutine that runs to its end and keeps nothing.
struct Routine {
  struct promise_type {
    Routine get_return_object() { return {}; }
    std::suspend_never initial_suspend() { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { throw; }
  };
};

class AskedByCoroutine : public Asked {
 public:
  AskedByCoroutine(AcquireQueue& queue, Pool& pool, const AcquireOptions& options) {
    Ask(queue, pool, options, result_);
  }
  bool ended() const override { return result_.has_value(); }
  absl::StatusOr<Lease> Take() override { return *std::move(result_); }

 private:
  static Routine Ask(AcquireQueue& queue, Pool& pool, AcquireOptions options,
                     std::optional<absl::StatusOr<Lease>>& result) {
    result.emplace(co_await AcquireOn(queue, pool, options));
  }
  std::optional<absl::StatusOr<Lease>> result_;
};

using AcquireCase = std::tuple<WhenAway, OpenBy, Way, Fault>;

class AcquireMatrix : public MatrixTest, public ::testing::WithParamInterface<AcquireCase> {
 protected:
  std::unique_ptr<Asked> Ask(Way way, const AcquireOptions& options) {
    if (way == Way::kThread) return std::make_unique<AskedByThread>(platform, pool(), options);
    if (way == Way::kLoop) return std::make_unique<AskedByLoop>(loop_, pool(), options);
    return std::make_unique<AskedByCoroutine>(loop_, pool(), options);
  }
};

TEST_P(AcquireMatrix, EndsByItsDeadlineAndTheNextCallerIsServed) {
  const auto& [away, by, way, fault] = GetParam();
  Make(away, by, fault);
  Break();
  const Deadline deadline = DeadlineOfCall();
  const TimePoint end = std::max(deadline.time(), Now()) + kMargin;
  {
    const std::unique_ptr<Asked> asked = Ask(way, {.deadline = deadline, .cancel = &token_});
    RunUntil([&] { return asked->ended(); }, end + 1min);
    EXPECT_LE(Now(), end);
    ASSERT_TRUE(asked->ended());
    const absl::StatusOr<Lease> lease = asked->Take();
    if (fault == Fault::kNone || fault == Fault::kBusyLoopAhead) {
      EXPECT_TRUE(lease.ok()) << lease.status();
    }
    EXPECT_FALSE(fault == Fault::kForked && lease.ok());
  }
  ExpectNothingLeaks();
  if (!IsForGood(fault)) ExpectNextIsServed();
  Mend();
}

std::string NameOfAcquire(const ::testing::TestParamInfo<AcquireCase>& info) {
  const auto& [away, by, way, fault] = info.param;
  constexpr const char* kWays[] = {"Thread", "Loop", "Coroutine"};
  return std::string(away == WhenAway::kRefuse ? "Refuse" : "Wait") +
         (by == OpenBy::kCaller ? "Caller" : "Housekeeper") + kWays[static_cast<size_t>(way)] +
         NameOf(fault);
}

INSTANTIATE_TEST_SUITE_P(
    All, AcquireMatrix,
    ::testing::Combine(::testing::Values(WhenAway::kRefuse, WhenAway::kWait),
                       ::testing::Values(OpenBy::kCaller, OpenBy::kHousekeeper),
                       ::testing::Values(Way::kThread, Way::kLoop, Way::kCoroutine),
                       ::testing::ValuesIn(kFaults)),
    NameOfAcquire);

// ---- The other calls ----------------------------------------------------------------------------

// One call, and how long it may take at most.
struct OtherCall {
  const char* name;
  Duration bound;
  void (*call)(Pool& pool, Deadline deadline);
};

constexpr OtherCall kOtherCalls[] = {
    {"TryAcquire", 0s, [](Pool& pool, Deadline) { pool.TryAcquire().IgnoreError(); }},
    {"Fill", kTimeout, [](Pool& pool, Deadline d) { pool.Fill(2, d).IgnoreError(); }},
    {"Close", kTimeout, [](Pool& pool, Deadline d) { pool.Close(d).IgnoreError(); }},
    {"InvalidateAll", 0s, [](Pool& pool, Deadline) { pool.InvalidateAll(); }},
    {"PauseResume", 0s,
     [](Pool& pool, Deadline) {
       pool.Pause();
       pool.Resume();
     }},
    {"Cancel", 0s,
     [](Pool& pool, Deadline) {
       CancelToken token;
       pool.Cancel(token);
     }},
    {"Stats", 0s, [](Pool& pool, Deadline) { static_cast<void>(pool.stats()); }},
    {"Report", 0s,
     [](Pool& pool, Deadline) {
       std::array<char, 2048> buffer;
       static_cast<void>(pool.Report(buffer));
       static_cast<void>(pool.Explain(absl::DeadlineExceededError(""), 1s, buffer));
     }},
    {"Tick", 0s, [](Pool& pool, Deadline) { pool.Tick(pool.platform().Now()); }},
    {"Tune", 0s,
     [](Pool& pool, Deadline) {
       for (const int size : {1, 2}) pool.Tune({.pool_size = size}).IgnoreError();
     }},
    {"Inspect", 0s,
     [](Pool& pool, Deadline) {
       PoolDetails details;
       std::array<SlotDetails, 4> slots;
       std::array<WaiterDetails, 4> waiters;
       pool.Inspect(details, slots, waiters);
     }},
    {"Descriptors", 0s,
     [](Pool& pool, Deadline) {
       std::array<DescriptorWait, 4> waits;
       static_cast<void>(pool.Descriptors(waits));
     }},
};

using OtherCase = std::tuple<WhenAway, OpenBy, size_t, Fault>;

class CallMatrix : public MatrixTest, public ::testing::WithParamInterface<OtherCase> {};

TEST_P(CallMatrix, EndsByItsDeadlineAndTheNextCallerIsServed) {
  const auto& [away, by, index, fault] = GetParam();
  const OtherCall& call = kOtherCalls[index];
  Make(away, by, fault);
  Break();
  const TimePoint end = Now() + call.bound + kMargin;
  const Deadline deadline = DeadlineOfCall();
  std::optional<TimePoint> ended_at;
  Actor actor(platform, [&] {
    call.call(pool(), deadline);
    ended_at = Now();
  });
  RunUntil([&] { return actor.ended(); }, end + 1min);
  ASSERT_TRUE(actor.ended());
  EXPECT_LE(*ended_at, end);
  ExpectNothingLeaks();
  if (!IsForGood(fault) && std::string_view(call.name) != "Close") ExpectNextIsServed();
  Mend();
}

std::string NameOfOther(const ::testing::TestParamInfo<OtherCase>& info) {
  const auto& [away, by, index, fault] = info.param;
  return std::string(kOtherCalls[index].name) + (away == WhenAway::kRefuse ? "Refuse" : "Wait") +
         (by == OpenBy::kCaller ? "Caller" : "Housekeeper") + NameOf(fault);
}

INSTANTIATE_TEST_SUITE_P(All, CallMatrix,
                         ::testing::Combine(::testing::Values(WhenAway::kRefuse, WhenAway::kWait),
                                            ::testing::Values(OpenBy::kCaller,
                                                              OpenBy::kHousekeeper),
                                            ::testing::Range<size_t>(0, std::size(kOtherCalls)),
                                            ::testing::ValuesIn(kFaults)),
                         NameOfOther);

// ---- Ends of a lease ----------------------------------------------------------------------------

enum class End : uint8_t { kReturn, kReturnDirty, kDiscard, kDetach, kReleaseThread };

class LeaseMatrix : public MatrixTest,
                    public ::testing::WithParamInterface<std::tuple<OpenBy, End, Fault>> {};

// A reset is bounded by kResetTimeout, 20 s here; the scripted one fails or is over at once.
TEST_P(LeaseMatrix, EndsAtOnceAndTheNextCallerIsServed) {
  const auto& [by, how, fault] = GetParam();
  Make(WhenAway::kWait, by, fault);
  Lease lease = MustServe();
  Break();
  const TimePoint before = Now();
  switch (how) {
    case End::kReturn:
      lease.Return();
      break;
    case End::kReturnDirty:
      Scripted(lease).MakeDirty();
      lease.Return();
      break;
    case End::kDiscard:
      lease.Discard();
      break;
    case End::kDetach:
      static_cast<void>(lease.Detach());
      break;
    case End::kReleaseThread:
      lease.ReleaseThread();
      lease.Return();
      break;
  }
  EXPECT_LE(Now() - before, kMargin);
  EXPECT_FALSE(static_cast<bool>(lease));
  RunUntil([] { return false; }, Now() + 50ms);
  ExpectNothingLeaks();
  if (!IsForGood(fault)) ExpectNextIsServed();
  Mend();
}

std::string NameOfEnd(const ::testing::TestParamInfo<std::tuple<OpenBy, End, Fault>>& info) {
  const auto& [by, how, fault] = info.param;
  constexpr const char* kEnds[] = {"Return", "ReturnDirty", "Discard", "Detach", "ReleaseThread"};
  return std::string(kEnds[static_cast<size_t>(how)]) +
         (by == OpenBy::kCaller ? "Caller" : "Housekeeper") + NameOf(fault);
}

INSTANTIATE_TEST_SUITE_P(
    All, LeaseMatrix,
    ::testing::Combine(::testing::Values(OpenBy::kCaller, OpenBy::kHousekeeper),
                       ::testing::Values(End::kReturn, End::kReturnDirty, End::kDiscard,
                                         End::kDetach, End::kReleaseThread),
                       // The first lease is one of the two that these lend.
                       ::testing::Values(Fault::kNone, Fault::kOpenHangs, Fault::kOpenFails,
                                         Fault::kOpenIsRefusedForGood, Fault::kPaused,
                                         Fault::kForked)),
    NameOfEnd);

}  // namespace
}  // namespace roost
