// tests/pool/async_test.cc - callers that have a loop: told through the loop, in the same wait
// queue as threads.
#include "roost/async.h"

#include <gtest/gtest.h>

#include <coroutine>
#include <memory>
#include <thread>

#include "tests/pool/pool_test_support.h"
#include "tests/support/pool_test_peer.h"

namespace roost {
namespace {

struct Remote : Plain<1, 1> {
  static constexpr OpenBy kOpenBy = OpenBy::kHousekeeper;
  static constexpr PrePing kPrePing = PrePing::kAlways;
};

struct Short : Plain<1> {
  static constexpr Duration kPoolTimeout = 3s;
};

struct Checked : Plain<1> {
  static constexpr bool kNestedCheck = true;
};

// A pending acquire that keeps what it got.
struct Asker {
  explicit Asker(AcquireQueue& loops_queue) : queue(loops_queue) {}
  // True: it has its result at once.
  bool Ask(Pool& pool, const AcquireOptions& options) {
    const bool ready = pending.Start(
        queue, pool, options, [](void* self) { static_cast<Asker*>(self)->Fetch(); }, this);
    if (ready) Fetch();
    return ready;
  }
  void Fetch() {
    ++told;
    result.emplace(pending.Take());
  }
  bool waiting() const { return pending.pending(); }
  bool served() const { return result.has_value() && result->ok(); }
  absl::Status status() const { return result.has_value() ? result->status() : absl::OkStatus(); }
  void Return() { result.reset(); }

  AcquireQueue& queue;
  PendingAcquire pending;
  int told = 0;
  std::optional<absl::StatusOr<Lease>> result;
};

class AsyncTest : public PoolTest {
 protected:
  // What a loop does when it is signalled or the moment has come.
  TimePoint RunLoop() {
    rings = 0;
    return queue.Run(Now());
  }
  void RunCallers() override {
    RunLoop();
    PoolTest::RunCallers();
  }

  int rings = 0;
  AcquireQueue queue{
      {.function = [](void* count) { ++*static_cast<int*>(count); }, .context = &rings}, &platform};
};

TEST_F(AsyncTest, WhatIsFreeIsThereAtOnce) {
  PoolFor<Plain<1>> pool(backend, Options());
  Asker asker(queue);
  EXPECT_TRUE(asker.Ask(pool, {.deadline = pool.In(1s)}));
  EXPECT_TRUE(asker.served());
  asker.Return();
  EXPECT_TRUE(asker.Ask(pool, {.deadline = pool.In(1s)})) << "and it may be used again";
  EXPECT_EQ(pool.stats().checkouts, 2u);
  EXPECT_EQ(rings, 0);
}

TEST_F(AsyncTest, AReturnedConnectionRingsTheLoopAndIsItsOwn) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease held = Take(pool);
  Asker asker(queue);
  EXPECT_FALSE(asker.Ask(pool, {.deadline = pool.In(1s)}));
  EXPECT_EQ(RunLoop(), Now() + 1s) << "its deadline";
  held.Return();
  EXPECT_EQ(rings, 1);
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 1, .in_use = 1})) << "handed off, not left lying";
  EXPECT_EQ(asker.told, 0) << "only from Run";
  EXPECT_EQ(RunLoop(), TimePoint::max());
  EXPECT_TRUE(asker.served());
  EXPECT_EQ(pool.stats().handed_off, 1u);
}

TEST_F(AsyncTest, LoopsAndThreadsStandInOneLine) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease held = Take(pool);
  Asker first(queue);
  first.Ask(pool, {.deadline = pool.In(60s)});
  Caller second(platform, pool);
  Asker third(queue);
  third.Ask(pool, {.deadline = pool.In(60s)});
  held.Return();
  ServeInOrder(first, second, third);
}

TEST_F(AsyncTest, TimesOutWhenTheLoopComesByAfterItsDeadline) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease held = Take(pool);
  Asker asker(queue);
  asker.Ask(pool, {.deadline = pool.In(100ms)});
  platform.AdvanceTo(RunLoop());
  EXPECT_EQ(RunLoop(), TimePoint::max());
  EXPECT_EQ(asker.status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(asker.status().message()),
              HasSubstr("QueuePool limit of size 1 overflow 0 reached"));
  EXPECT_EQ(pool.stats().timeouts, 1u);
}

TEST_F(AsyncTest, AGrantBeatsTheDeadline) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease held = Take(pool);
  Asker asker(queue);
  asker.Ask(pool, {.deadline = pool.In(100ms)});
  held.Return();
  platform.Advance(1h);
  RunLoop();
  EXPECT_TRUE(asker.served());
}

TEST_F(AsyncTest, WithoutADeadlineTheProfilesTimeOutCounts) {
  PoolFor<Short> pool(backend, Options());
  Lease held = Take(pool);
  Asker asker(queue);
  asker.Ask(pool, {});
  EXPECT_EQ(RunLoop(), Now() + 3s);
  asker.pending.Cancel();
}

TEST_F(AsyncTest, CancelLeavesTheLine) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease held = Take(pool);
  {
    Asker asker(queue);
    asker.Ask(pool, {.deadline = pool.In(1s)});
    EXPECT_EQ(CountsOf(pool).waiting, 1);
  }
  EXPECT_EQ(CountsOf(pool).waiting, 0);
  held.Return();
  EXPECT_EQ(rings, 0);
  Take(pool).Return();
}

TEST_F(AsyncTest, WhatWasGrantedAndNotFetchedGoesBackWhenItIsCancelled) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease held = Take(pool);
  Asker asker(queue);
  asker.Ask(pool, {.deadline = pool.In(1s)});
  held.Return();
  asker.pending.Cancel();
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 1, .idle = 1}));
  EXPECT_EQ(asker.told, 0);
}

TEST_F(AsyncTest, ATokenEndsItToo) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease held = Take(pool);
  CancelToken token;
  Asker asker(queue);
  asker.Ask(pool, {.deadline = pool.In(1s), .cancel = &token});
  pool.Cancel(token);
  EXPECT_EQ(rings, 1);
  RunLoop();
  EXPECT_EQ(asker.status().code(), absl::StatusCode::kCancelled);
}

TEST_F(AsyncTest, ClosingThePoolSendsItAway) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease held = Take(pool);
  Asker asker(queue);
  asker.Ask(pool, {.deadline = pool.In(1s)});
  EXPECT_FALSE(pool.Close(Deadline::Past()).ok());
  RunLoop();
  EXPECT_EQ(asker.status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(AsyncTest, ALocalDatabaseIsOpenedByTheLoop) {
  PoolFor<Plain<2>> pool(backend, Options());
  backend.FailNext(Call::kOpen, Gone());
  Asker asker(queue);
  EXPECT_TRUE(asker.Ask(pool, {.deadline = pool.In(1s)}));
  EXPECT_EQ(asker.status(), Gone());
  EXPECT_TRUE(asker.Ask(pool, {.deadline = pool.In(1s)}));
  EXPECT_TRUE(asker.served());
}

TEST_F(AsyncTest, ARemoteOneIsOpenedAndAskedByTickWithoutAWait) {
  platform.set_descriptor([this](int fd, IoEvents, Deadline until) {
    platform.AdvanceTo(until.time());
    return backend.Ready(fd);
  });
  backend.GoInSteps(1);
  PoolFor<Remote> pool(backend, Options());
  Asker asker(queue);
  const TimePoint start = Now();
  EXPECT_FALSE(asker.Ask(pool, {.deadline = pool.In(1s)}));
  Tick(pool);
  EXPECT_FALSE(asker.served());
  backend.Answer();
  Tick(pool);
  RunLoop();
  EXPECT_TRUE(asker.served());
  asker.Return();

  EXPECT_FALSE(asker.Ask(pool, {.deadline = pool.In(1s)})) << "it has to answer a ping first";
  EXPECT_EQ(backend.count(Call::kPing), 0);
  backend.Answer();
  Tick(pool);
  EXPECT_EQ(rings, 1);
  RunLoop();
  EXPECT_TRUE(asker.served());
  EXPECT_EQ(backend.count(Call::kPing), 1);
  EXPECT_EQ(Now(), start);
}

TEST_F(AsyncTest, AHolderWithALoopIsNotTakenForADeadlock) {
  PoolFor<Checked> pool(backend, Options());
  Asker holder(queue), waits(queue);
  holder.Ask(pool, {.deadline = pool.In(1s)});
  EXPECT_FALSE(waits.Ask(pool, {.deadline = pool.In(1s)}));
  holder.Return();
  RunLoop();
  EXPECT_TRUE(waits.served());
}

TEST_F(AsyncTest, ADoneFunctionMayEndTheOthers) {
  PoolFor<Plain<2>> pool(backend, Options());
  Lease a = Take(pool), b = Take(pool);
  struct Pair {
    PendingAcquire first;
    std::optional<PendingAcquire> second;
  } pair;
  pair.second.emplace();
  const AcquireOptions options{.deadline = pool.In(1s)};
  const auto end_the_other = [](void* context) { static_cast<Pair*>(context)->second.reset(); };
  EXPECT_FALSE(pair.first.Start(queue, pool, options, end_the_other, &pair));
  EXPECT_FALSE(pair.second->Start(
      queue, pool, options, [](void*) { ADD_FAILURE() << "it was ended before"; }, nullptr));
  a.Return();
  b.Return();
  RunLoop();
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 2, .idle = 1, .in_use = 1}));
  EXPECT_TRUE(pair.first.Take().ok());
}

TEST_F(AsyncTest, DoneFunctionsAreCalledOnceInOrderOfStartAndWithoutTheLock) {
  PoolFor<Plain<3>> pool(backend, Options());
  std::vector<Lease> held;
  for (int i = 0; i < 3; ++i) held.push_back(Take(pool));
  std::vector<int> told;
  struct One {
    Pool* pool;
    std::vector<int>* told;
    int number;
    PendingAcquire pending{};
  };
  std::array<One, 3> all{{{&pool, &told, 1}, {&pool, &told, 2}, {&pool, &told, 3}}};
  for (One& one : all) {
    EXPECT_FALSE(one.pending.Start(
        queue, pool, {.deadline = pool.In(1s)},
        [](void* context) {
          One& self = *static_cast<One*>(context);
          self.told->push_back(self.number);
          EXPECT_TRUE(PoolTestPeer::LockIsFree(*self.pool));
          EXPECT_FALSE(self.pending.pending());
        },
        &one));
  }
  held.clear();
  RunLoop();
  RunLoop();
  EXPECT_THAT(told, ElementsAre(1, 2, 3));
}

TEST_F(AsyncTest, TheLoopIsCalledWithoutTheLock) {
  PoolFor<Plain<1>> pool(backend, Options());
  struct Loop {
    Pool* pool;
    int rings = 0;
    int locked = 0;
  } loop{&pool};
  AcquireQueue own({.function =
                        [](void* context) {
                          Loop& self = *static_cast<Loop*>(context);
                          ++self.rings;
                          self.locked += !PoolTestPeer::LockIsFree(*self.pool);
                        },
                    .context = &loop},
                   &platform);
  Lease held = Take(pool);
  std::vector<std::unique_ptr<Asker>> askers;
  for (int i = 0; i < 9; ++i) {
    askers.push_back(std::make_unique<Asker>(own));
    EXPECT_FALSE(askers.back()->Ask(pool, {.deadline = pool.In(1s)}));
  }
  held.Return();
  EXPECT_FALSE(pool.Close(Deadline::Past()).ok());
  EXPECT_EQ(loop.rings, 9) << "one by the return, eight by Close";
  EXPECT_EQ(loop.locked, 0);
  own.Run(Now());
}

TEST_F(AsyncTest, ALoopOfAnotherPoolIsCalledWithoutTheTokensLock) {
  PoolFor<Plain<1>> first(backend, Options()), second(backend, Options());
  CancelToken token;
  struct Loop {
    CancelToken* token;
    int rings = 0;
    int locked = 0;
  } loop{&token};
  AcquireQueue own({.function =
                        [](void* context) {
                          Loop& self = *static_cast<Loop*>(context);
                          ++self.rings;
                          self.locked += !PoolTestPeer::LockIsFree(*self.token);
                        },
                    .context = &loop},
                   &platform);
  Lease held = Take(second);
  Asker asker(own);
  EXPECT_FALSE(asker.Ask(second, {.deadline = second.In(1s), .cancel = &token}));
  first.Cancel(token);
  EXPECT_EQ(loop.rings, 1);
  EXPECT_EQ(loop.locked, 0);
  own.Run(Now());
  EXPECT_EQ(asker.status().code(), absl::StatusCode::kCancelled);
}

TEST_F(AsyncTest, CancellingNothingDoesNothing) {
  PoolFor<Plain<1>> pool(backend, Options());
  static PendingAcquire pending;
  pending.Cancel();
  EXPECT_FALSE(pending.pending());
  const auto never = [](void*) { ADD_FAILURE() << "the result is there at once"; };
  ASSERT_TRUE(pending.Start(queue, pool, {.deadline = pool.In(1s)}, never, nullptr));
  EXPECT_TRUE(pending.Take().ok());
  pending.Cancel();
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 1, .idle = 1}));
}

TEST_F(AsyncTest, InAChildOfForkItIsRefused) {
  PoolFor<Plain<1>> pool(backend, Options());
  platform.Fork();
  Asker asker(queue);
  EXPECT_TRUE(asker.Ask(pool, {.deadline = pool.In(1s)}));
  EXPECT_EQ(asker.status().code(), absl::StatusCode::kFailedPrecondition);
}

// The smallest coroutine: runs until its first wait, destroys itself at its end.
struct Job {
  struct promise_type {
    Job get_return_object() { return {}; }
    std::suspend_never initial_suspend() { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

Job Borrow(AcquireQueue& queue, Pool& pool, Deadline deadline, std::vector<std::string>& log,
           std::string name) {
  absl::StatusOr<Lease> lease = co_await AcquireOn(queue, pool, {.deadline = deadline});
  log.push_back(name + (lease.ok() ? " has it" : " was refused"));
}

TEST_F(AsyncTest, CoroutinesTakeTurns) {
  PoolFor<Plain<1>> pool(backend, Options());
  std::vector<std::string> log;
  Lease held = Take(pool);
  Borrow(queue, pool, pool.In(60s), log, "first");
  Borrow(queue, pool, pool.In(60s), log, "second");
  Borrow(queue, pool, pool.In(1s), log, "impatient");
  EXPECT_THAT(log, IsEmpty());
  platform.Advance(1s);
  RunLoop();
  EXPECT_THAT(log, ElementsAre("impatient was refused"));
  held.Return();
  while (rings > 0) RunLoop();
  EXPECT_THAT(log, ElementsAre("impatient was refused", "first has it", "second has it"));
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 1, .idle = 1}));
}

// With threads that return while the loop ends and destroys its queue.
TEST(AsyncStressTest, AQueueMayEndAsSoonAsItsLastAcquireWasServed) {
  ScriptedBackend backend;
  backend.set_logging(false);
  PoolFor<Plain<1>> pool(backend);
  for (int i = 0; i < 300; ++i) {
    std::atomic<uint32_t> rung{0};
    std::optional<Lease> held = Must(pool.Acquire(kWrite, pool.In(60s)));
    std::optional<AcquireQueue> queue;
    queue.emplace(WakeCallback{.function =
                                   [](void* event) {
                                     auto& word = *static_cast<std::atomic<uint32_t>*>(event);
                                     word.store(1);
                                     NativePlatform().Wake(&word);
                                   },
                               .context = &rung});
    Asker asker(*queue);
    ASSERT_FALSE(asker.Ask(pool, {.deadline = pool.In(60s)}));
    std::thread returner([&] { held.reset(); });
    while (!asker.served()) {
      NativePlatform().Wait(rung, 0, pool.In(60s));
      rung.store(0);
      queue->Run(pool.platform().Now());
    }
    asker.Return();
    queue.reset();
    returner.join();
  }
}

// ---- statements ----

TEST_F(AsyncTest, AStatementOfADriverWithoutStepsIsDoneAtOnce) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease lease = Take(pool);
  PendingQuery query;
  ASSERT_TRUE(lease->Run(Sql("INSERT INTO t VALUES ($1)"), 7).ok());
  absl::StatusOr<Step> step = query.Start(*lease, Sql("SELECT * FROM t"));
  ASSERT_TRUE(step.ok() && step->done);
  EXPECT_FALSE(query.pending());
  {
    Rows rows = query.Take();
    ASSERT_TRUE(rows.Next());
    EXPECT_EQ(rows.Get<int>(0), 7);
  }
  EXPECT_FALSE(query.Start(*lease, Sql("NONSENSE")).ok());
  EXPECT_FALSE(query.pending());
  step = query.Start(*lease, Sql("SELECT * FROM t"));
  EXPECT_TRUE(step.ok()) << "and it may be used again";
  query.Cancel();
}

TEST_F(AsyncTest, AStatementThatOutlivesItsLeaseStopsTheProgram) {
  PoolFor<Plain<1>> pool(backend, Options());
  EXPECT_DEATH(
      {
        Lease lease = Take(pool);
        PendingQuery query;
        query.Start(*lease, Sql("SELECT * FROM t")).IgnoreError();
        lease.Return();
        query.Cancel();
      },
      "rows outlived their lease");
}

}  // namespace
}  // namespace roost
