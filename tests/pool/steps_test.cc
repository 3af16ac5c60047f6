// tests/pool/steps_test.cc - opening and pinging in steps: the thread that calls Tick never waits
// for the server.
#include <gtest/gtest.h>

#include <thread>

#include "roost/housekeeper.h"
#include "tests/pool/pool_test_support.h"

namespace roost {
namespace {

struct Remote : Plain<1, 1> {
  static constexpr OpenBy kOpenBy = OpenBy::kHousekeeper;
  static constexpr Duration kOpenTimeout = 10s;
  static constexpr Duration kPingTimeout = 2s;
  static constexpr Duration kBackoffMin = 1s;
  static constexpr Duration kBackoffMax = 8s;
  static constexpr Duration kLinger = 60s;
};

struct WideRemote : Remote {
  static constexpr int kMaxOverflow = 2;
};

struct AlwaysAsked : Remote {
  static constexpr int kPoolSize = 2;
  static constexpr int kMaxOverflow = 0;
  static constexpr PrePing kPrePing = PrePing::kAlways;
};

class StepsTest : public PoolTest {
 protected:
  StepsTest() {
    platform.set_descriptor([this](int fd, IoEvents, Deadline until) {
      const IoEvents ready = backend.Ready(fd);
      if (!ready.any()) platform.AdvanceTo(until.time());
      return ready;
    });
    backend.GoInSteps(2);
  }
  PoolOptions LoopOptions() {
    PoolOptions options = Options();
    options.on_work = {.function = [](void* count) { ++*static_cast<int*>(count); },
                       .context = &calls};
    return options;
  }
  // The sockets that a loop would wait for now.
  static std::vector<int> DescriptorsOf(const Pool& pool) {
    std::array<DescriptorWait, 4> waits;
    const int count = pool.Descriptors(waits);
    std::vector<int> fds;
    for (int i = 0; i < count; ++i) fds.push_back(waits[static_cast<size_t>(i)].fd);
    return fds;
  }
  // A connection that is open and idle.
  void OpenOne(Pool& pool) {
    Caller caller(platform, pool);
    Tick(pool);
    backend.Answer(2);
    Tick(pool);
    platform.Run();
    caller.Return();
  }

  int calls = 0;
};

TEST_F(StepsTest, ACallerCallsTheLoopAndTickOpensInSteps) {
  PoolFor<Remote> pool(backend, LoopOptions());
  const TimePoint start = Now();
  Caller caller(platform, pool);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(Tick(pool), start + 10s) << "the time-out of the open";
  EXPECT_THAT(DescriptorsOf(pool), ElementsAre(ScriptedBackend::kStepFd + 1));
  EXPECT_EQ(CountsOf(pool), (Counts{.busy = 1, .waiting = 1}));
  Tick(pool);
  EXPECT_TRUE(caller.waiting()) << "no answer, no progress";
  backend.Answer();
  Tick(pool);
  EXPECT_TRUE(caller.waiting());
  backend.Answer();
  Tick(pool);
  platform.Run();
  EXPECT_TRUE(caller.served());
  EXPECT_THAT(DescriptorsOf(pool), IsEmpty());
  EXPECT_EQ(Now(), start) << "no thread waited for the server";
  EXPECT_EQ(calls, 1);
  caller.Return();
}

TEST_F(StepsTest, AnImpatientCallerLeavesAndTheNextGetsTheConnection) {
  PoolFor<Remote> pool(backend, LoopOptions());
  Caller first(platform, pool, pool.In(200ms));
  Tick(pool);
  backend.Answer();
  platform.Advance(200ms);
  platform.Run();
  EXPECT_EQ(first.status().code(), absl::StatusCode::kDeadlineExceeded);
  Tick(pool);
  backend.Answer();
  Tick(pool);
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 1, .idle = 1})) << "parked for the next";
  EXPECT_EQ(backend.opens_begun(), 1);
  Take(pool).Return();
}

TEST_F(StepsTest, AnOpenIsUnderWayForEachCallerWhileThereAreSlots) {
  PoolFor<Remote> pool(backend, LoopOptions());
  Caller a(platform, pool), b(platform, pool), c(platform, pool);
  for (int i = 0; i < 5; ++i) Tick(pool);
  EXPECT_EQ(backend.opens_begun(), 2);
  // The first step of both, the second one of one.
  backend.Answer(2);
  Tick(pool);
  backend.Answer(1);
  Tick(pool);
  platform.Run();
  EXPECT_TRUE(a.served());
  a.Return();
  platform.Run();
  EXPECT_TRUE(b.served()) << "a returned connection comes sooner than the one being opened";
  b.Return();
  platform.Run();
  c.Return();
}

struct Six : Plain<6> {
  static constexpr OpenBy kOpenBy = OpenBy::kHousekeeper;
};

TEST_F(StepsTest, FourOpensAreUnderWayAtMost) {
  PoolFor<Six> pool(backend, LoopOptions());
  std::vector<std::unique_ptr<Caller>> callers;
  for (int i = 0; i < 6; ++i) callers.push_back(std::make_unique<Caller>(platform, pool));
  for (int i = 0; i < 5; ++i) Tick(pool);
  EXPECT_EQ(backend.opens_begun(), 4);
  for (int i = 0; i < 5; ++i) {
    backend.Answer(4);
    Tick(pool);
  }
  platform.Run();
  for (auto& caller : callers) EXPECT_TRUE(caller->served());
}

TEST_F(StepsTest, ADatabaseThatFailedIsTriedByOneOpen) {
  PoolFor<Six> pool(backend, LoopOptions());
  backend.FailNext(Call::kOpen, Gone());
  Caller a(platform, pool);
  Tick(pool);
  backend.Answer(2);
  Tick(pool);
  const int begun = backend.opens_begun();
  Caller b(platform, pool), c(platform, pool);
  for (int i = 0; i < 5; ++i) Tick(pool);
  EXPECT_LE(backend.opens_begun(), begun + 1);
  for (int i = 0; i < 10; ++i) {
    backend.Answer(4);
    Tick(pool);
  }
  platform.Run();
  EXPECT_TRUE(a.served() && b.served() && c.served());
}

TEST_F(StepsTest, OneOpenThatHangsHoldsUpNobodyElse) {
  PoolFor<Six> pool(backend, LoopOptions());
  platform.set_descriptor([this](int fd, IoEvents, Deadline) {
    if (fd == ScriptedBackend::kStepFd + 1) return IoEvents{};
    backend.Answer();
    return IoEvents{.readable = true};
  });
  Caller hung(platform, pool, pool.In(60s)), next(platform, pool, pool.In(60s));
  for (int i = 0; i < 5; ++i) Tick(pool);
  platform.Run();
  EXPECT_TRUE(hung.served()) << "by the open of the second";
  EXPECT_TRUE(next.waiting());
  hung.Return();
  platform.Run();
  EXPECT_TRUE(next.served());
  next.Return();
}

TEST_F(StepsTest, ASilentServerIsAwayAfterTheTimeOutOfTheOpen) {
  PoolFor<Remote> pool(backend, LoopOptions());
  for (int i = 0; i < 2; ++i) {
    Caller caller(platform, pool, pool.In(60s));
    Tick(pool);
    platform.Advance(10s);
    Tick(pool);
    platform.Run();
    if (caller.waiting()) {  // the first failure is tried again at once
      platform.Advance(10s);
      Tick(pool);
      platform.Run();
    }
    EXPECT_EQ(caller.status().code(), absl::StatusCode::kUnavailable);
  }
  EXPECT_TRUE(pool.stats().away);
  EXPECT_EQ(static_cast<size_t>(backend.open_now()), DescriptorsOf(pool).size())
      << "what was half open is closed";
}

TEST_F(StepsTest, WhatARefusedStartUpSaysCondemnsTheOthers) {
  PoolFor<Remote> pool(backend, LoopOptions());
  OpenOne(pool);
  Lease held = Take(pool);
  Caller caller(platform, pool);
  Tick(pool);
  backend.FailNext(Call::kOpen, absl::UnavailableError("57P03: the database is starting up"));
  backend.set_verdict_of_failed_open(FaultScope::kAllOlder);
  backend.Answer(2);
  Tick(pool);
  held.Return();
  EXPECT_EQ(ClosesOf(pool, CloseReason::kSuspect), 1u) << "it was opened before the restart";
  backend.Answer(2);
  Tick(pool);
  Tick(pool);
  platform.Run();
  EXPECT_TRUE(caller.served());
  caller.Return();
}

TEST_F(StepsTest, AServerWithoutRoomKeepsCallersInLineForWhatComesBack) {
  PoolFor<Remote> pool(backend, LoopOptions());
  OpenOne(pool);
  Lease held = Take(pool);
  backend.FailAlways(Call::kOpen, absl::ResourceExhaustedError("53300: too many connections"));
  Caller caller(platform, pool, pool.In(60s));
  Tick(pool);
  backend.Answer(2);
  Tick(pool);
  backend.Answer(2);
  Tick(pool);
  platform.Run();
  EXPECT_TRUE(caller.waiting());
  const int tried = backend.count(Call::kOpen);
  for (int i = 0; i < 10; ++i) Tick(pool);
  EXPECT_EQ(backend.count(Call::kOpen), tried) << "it does not knock during the pause";
  held.Return();
  platform.Run();
  EXPECT_TRUE(caller.served());
  caller.Return();
}

TEST_F(StepsTest, AServerWithoutRoomGetsTheLingeringConnectionBack) {
  PoolFor<WideRemote> pool(backend, LoopOptions());
  OpenOne(pool);
  Lease first = Take(pool);
  OpenOne(pool);
  Lease second = Take(pool);
  Caller third(platform, pool, pool.In(60s));
  Tick(pool);
  second.Return();  // straight to the third, while one more is being opened
  platform.Run();
  third.Return();
  first.Return();
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 2, .idle = 2, .busy = 1})) << "one of them lingers";
  backend.FailNext(Call::kOpen, absl::ResourceExhaustedError("53300: too many connections"));
  backend.Answer(2);
  Tick(pool);
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 1, .idle = 1}));
  EXPECT_EQ(ClosesOf(pool, CloseReason::kOverflow), 1u);
}

TEST_F(StepsTest, CloseEndsAnOpenThatIsUnderWay) {
  PoolFor<Remote> pool(backend, LoopOptions());
  Caller caller(platform, pool);
  Tick(pool);
  EXPECT_TRUE(pool.Close(Deadline::Past()).ok());
  platform.Run();
  EXPECT_EQ(caller.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(backend.open_now(), 0);
  EXPECT_THAT(DescriptorsOf(pool), IsEmpty());
}

TEST_F(StepsTest, APoolMayEndWhileAnOpenIsUnderWay) {
  PoolFor<Remote> pool(backend, LoopOptions());
  Caller caller(platform, pool, pool.In(1s));
  Tick(pool);
  platform.Advance(1s);
  platform.Run();
  EXPECT_EQ(caller.status().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(StepsTest, FillWaitsForTheServerItself) {
  PoolFor<Remote> pool(backend, LoopOptions());
  platform.set_descriptor([this](int, IoEvents, Deadline) {
    backend.Answer();
    return IoEvents{.readable = true};
  });
  EXPECT_TRUE(pool.Fill(1, pool.In(5s)).ok());
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 1, .idle = 1}));
  EXPECT_EQ(calls, 0);
}

TEST_F(StepsTest, FillCountsAnOpenThatIsUnderWay) {
  PoolFor<AlwaysAsked> pool(backend, LoopOptions());
  Caller caller(platform, pool, pool.In(1s));
  Tick(pool);
  EXPECT_EQ(backend.opens_begun(), 1);
  const TimePoint start = Now();
  EXPECT_TRUE(pool.Fill(1, pool.In(5s)).ok());
  EXPECT_EQ(Now(), start) << "the one under way is enough";
  backend.Answer(4);
  EXPECT_TRUE(pool.Fill(2, pool.In(5s)).ok());
  Tick(pool);
  platform.Run();
  EXPECT_EQ(pool.stats().open, 2);
  caller.Return();
  platform.Advance(1h);
  EXPECT_EQ(backend.opens_begun(), 2);
}

TEST_F(StepsTest, FillEndsAtItsDeadlineWhateverSomebodyElseOpens) {
  PoolFor<AlwaysAsked> pool(backend, LoopOptions());
  Caller caller(platform, pool, pool.In(60s));
  Tick(pool);
  const TimePoint start = Now();
  EXPECT_EQ(pool.Fill(2, pool.In(1s)).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_LE(Now(), start + 1s + 10ms);
  pool.Close(Deadline::Past()).IgnoreError();
  platform.Run();
}

TEST_F(StepsTest, ACloseInTheMiddleOfATickLeavesNoStepBehind) {
  PoolFor<Remote> pool(backend, LoopOptions());
  Caller caller(platform, pool);
  Tick(pool);
  bool closed = false;
  // While Tick asks whether the socket is ready, another thread closes the pool.
  platform.set_descriptor([&](int, IoEvents, Deadline) {
    if (!closed) {
      closed = true;
      EXPECT_FALSE(pool.Close(Deadline::Past()).ok());
    }
    return IoEvents{};
  });
  Tick(pool);
  platform.Run();
  EXPECT_TRUE(closed);
  EXPECT_TRUE(pool.Close(Deadline::Past()).ok());
  EXPECT_EQ(backend.open_now(), 0);
}

// A connection under suspicion that comes back while a caller waits has to answer first: the
// thread that returns it does not wait for that.
TEST_F(StepsTest, AReturnerLeavesThePingToTheLoop) {
  PoolFor<AlwaysAsked> pool(backend, LoopOptions());
  Caller a(platform, pool), b(platform, pool);
  for (int i = 0; i < 4; ++i) {
    backend.Answer();
    Tick(pool);
    platform.Run();
  }
  Lease first = a.Take(), second = b.Take();
  Caller waits(platform, pool);
  Scripted(first).Fail(FaultScope::kConnectionSuspectOlder);
  calls = 0;
  first.Return();
  const TimePoint before = Now();
  second.Return();
  EXPECT_EQ(Now(), before);
  EXPECT_GE(calls, 1);
  EXPECT_EQ(backend.count(Call::kPing), 0);
  backend.Answer(2);
  Tick(pool);
  platform.Run();
  EXPECT_EQ(backend.count(Call::kPing), 1);
  EXPECT_TRUE(waits.served());
  waits.Return();
}

TEST_F(StepsTest, InAChildOfForkAHalfOpenConnectionIsAbandoned) {
  PoolFor<Remote> pool(backend, LoopOptions());
  Caller caller(platform, pool, pool.In(1s));
  Tick(pool);
  platform.Advance(1s);
  platform.Run();
  platform.Fork();
  EXPECT_THAT(DescriptorsOf(pool), IsEmpty());
  EXPECT_EQ(Tick(pool), TimePoint::max());
}

// On real threads, sockets and clock: the housekeeper sleeps on the event and the server's socket.
TEST(HousekeeperStepsTest, ListensToServersAndCallersAtOnce) {
  ScriptedBackend remote;
  ScriptedBackend local;
  remote.GoInSteps(1);
  PoolFor<Remote> slow(remote);
  PoolFor<Remote> quick(local);
  Housekeeper keeper;
  keeper.Add(slow);
  keeper.Add(quick);
  keeper.Start();
  // The scripted descriptor is not open, which counts as hung up: the housekeeper looks again and
  // again, as it would at a socket that talks much, and still serves the other pool.
  std::thread caller([&] { EXPECT_TRUE(slow.Acquire(kWrite, slow.In(60s)).ok()); });
  Must(quick.Acquire(kWrite, quick.In(60s))).Return();
  remote.Answer();
  caller.join();
  keeper.Stop();
  keeper.Stop();
}

}  // namespace
}  // namespace roost
