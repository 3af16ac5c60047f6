// tests/pool/regression_test.cc - scenarios that are easy to get wrong, each the smallest that
// shows it.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <optional>
#include <thread>
#include <utility>

#include "roost/housekeeper.h"
#include "tests/pool/pool_test_support.h"

namespace roost {
namespace {

using RegressionTest = PoolTest;

// ---- Deadlines ----

TEST_F(RegressionTest, OptionsWithoutADeadlineWaitForThePoolsTimeOut) {
  PoolFor<Plain<1>> pool(backend, Options());
  const TimePoint start = platform.Now();
  Lease held = Must(pool.Acquire(AcquireOptions{.intent = kRead}));
  EXPECT_EQ(held->deadline(), Deadline::After(start, pool.settings().pool_timeout));
  const absl::Status refused = pool.Acquire(AcquireOptions{.intent = kRead}).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(platform.Now() - start, pool.settings().pool_timeout);
  EXPECT_NE(refused.message().find("connection timed out, timeout"), absl::string_view::npos);
}

// ---- Opening ----

TEST_F(RegressionTest, AnOpenCutShortByItsCallerDoesNotMakeTheDatabaseAway) {
  PoolFor<Plain<1>> pool(backend, Options());
  backend.Takes(Call::kOpen, 100ms);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(pool.Acquire(kWrite, pool.In(10ms)).status().code(),
              absl::StatusCode::kDeadlineExceeded);
  }
  EXPECT_FALSE(pool.stats().away);
  const absl::StatusOr<Lease> patient = pool.Acquire(kWrite, pool.In(10s));
  EXPECT_TRUE(patient.ok()) << patient.status();
}

TEST_F(RegressionTest, AnOpenThatRunsIntoThePoolsOwnTimeOutStillMakesTheDatabaseAway) {
  PoolFor<Plain<1>> pool(backend, Options());
  backend.Takes(Call::kOpen, 60s);
  for (int i = 0; i < 2; ++i) (void)pool.Acquire(kWrite, pool.In(30s));
  EXPECT_TRUE(pool.stats().away);
}

TEST_F(RegressionTest, ACallerWhoseOwnOpenSucceedsIsNotToldThatTheDatabaseIsAway) {
  PoolFor<Plain<2>> pool(backend, Options());
  Gate first(platform), second(platform);
  int opens = 0;
  backend.set_hook([&](const CallInfo& info) {
    if (info.call == Call::kOpen) (++opens == 1 ? first : second).Pass();
  });
  backend.FailNext(Call::kOpen, absl::PermissionDeniedError("password"));
  Caller a(platform, pool), b(platform, pool);
  first.Open();
  platform.Run();
  EXPECT_EQ(a.status().code(), absl::StatusCode::kPermissionDenied);
  second.Open();
  platform.Run();
  EXPECT_TRUE(b.served()) << b.status();
}

struct OpenedByKeeper : Plain<1> {
  static constexpr OpenBy kOpenBy = OpenBy::kHousekeeper;
  static constexpr WhenAway kWhenAway = WhenAway::kWait;
};

TEST_F(RegressionTest, AHousekeeperLearnsOfAPauseThatFillBegan) {
  PoolFor<OpenedByKeeper> pool(backend, Options());
  Housekeeper keeper(&platform);
  keeper.Add(pool);
  Actor thread(platform, [&] { keeper.Run(); });
  backend.FailNext(Call::kOpen, absl::PermissionDeniedError("password"));
  EXPECT_FALSE(pool.Fill(1, pool.In(1s)).ok());
  platform.Run();
  Caller caller(platform, pool, pool.In(100s));
  platform.Advance(30s);  // the longest pause
  platform.Run();
  EXPECT_TRUE(caller.served()) << caller.status();
  keeper.Stop();
}

// ---- Idle connections ----

struct LingersAndIsTended : Plain<1, 1> {
  static constexpr Duration kLinger = 60s;
  static constexpr Duration kKeepAlive = 30s;
};

TEST_F(RegressionTest, UpkeepDoesNotProlongTheLinger) {
  PoolFor<LingersAndIsTended> pool(backend, Options());
  { Lease a = Take(pool), b = Take(pool); }
  for (int i = 0; i < 6; ++i) {
    platform.Advance(10s);
    Tick(pool);
  }
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 1, .idle = 1}));
  EXPECT_EQ(ClosesOf(pool, CloseReason::kLingered), 1u);
}

TEST_F(RegressionTest, APoolThatNeverPingsDoesNotPingAfterARest) {
  PoolFor<Plain<1>> pool(backend, Options());
  backend.set_probe(Liveness::kUnknown, Liveness::kUnknown);
  Take(pool).Return();
  platform.Advance(60s);
  Take(pool).Return();
  EXPECT_EQ(backend.count(Call::kProbe), 1);
  EXPECT_EQ(backend.count(Call::kPing), 0);
}

template <int kSize>
struct Rested : Plain<kSize> {
  static constexpr PrePing kPrePing = PrePing::kAfterIdle;
};

TEST_F(RegressionTest, TheTimeOfAPingAfterALookCountsAsWaiting) {
  PoolFor<Rested<1>> pool(backend, Options());
  backend.set_probe(Liveness::kUnknown, Liveness::kUnknown);
  Take(pool).Return();
  platform.Advance(1s);
  backend.Takes(Call::kPing, 100ms);
  Take(pool).Return();
  EXPECT_EQ(pool.stats().wait.max(), 100ms);
  EXPECT_EQ(events.last(EventKind::kCheckout).span, 100ms);
}

TEST_F(RegressionTest, APingAfterALookCutShortByItsCallerSaysNothingAboutTheOthers) {
  PoolFor<Rested<2>> pool(backend, Options());
  backend.set_probe(Liveness::kUnknown, Liveness::kUnknown);
  { Lease a = Take(pool), b = Take(pool); }
  platform.Advance(1s);
  backend.Takes(Call::kPing, 100ms);
  // The first connection is given up; the second gets the benefit of the doubt, because no time is
  // left. Had it come under suspicion, it would have to answer a ping first.
  const absl::StatusOr<Lease> hasty = pool.Acquire(kWrite, pool.In(1ms));
  ASSERT_TRUE(hasty.ok()) << hasty.status();
  EXPECT_EQ(backend.count(Call::kPing), 1);
  EXPECT_EQ(backend.count(Call::kOpen), 2);
}

// ---- Telling ----

class BusyAtCheckin : public Observer {
 public:
  void OnEvent(const Event& event) override {
    if (event.kind == EventKind::kCheckin) busy = pool->stats().busy;
  }
  Pool* pool = nullptr;
  int busy = -1;
};

TEST_F(RegressionTest, TheCheckinOfAClosedConnectionComesBeforeItsSlotIsAnothers) {
  BusyAtCheckin watcher;
  PoolFor<Plain<1>> pool(backend, {.observer = &watcher, .platform = &platform});
  watcher.pool = &pool;
  Take(pool).Discard();
  EXPECT_EQ(std::exchange(watcher.busy, -1), 1) << "discarded";
  Lease lease = Take(pool);
  Scripted(lease).MakeDirty();
  backend.FailNext(Call::kReset, Gone());
  lease.Return();
  EXPECT_EQ(watcher.busy, 1) << "not to be cleaned";
}

TEST_F(RegressionTest, EveryRefusalIsTold) {
  PoolFor<Plain<1>> pool(backend, Options());
  CancelToken token;
  pool.Cancel(token);
  (void)pool.Acquire({.deadline = pool.In(1s), .cancel = &token});
  EXPECT_EQ(events.last(EventKind::kRefused).status.code(), absl::StatusCode::kCancelled);
  (void)pool.TryAcquire();
  EXPECT_EQ(events.last(EventKind::kRefused).status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(pool.Close(pool.In(1s)).ok());
  (void)pool.TryAcquire();
  EXPECT_EQ(events.last(EventKind::kRefused).status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(events.count(EventKind::kRefused), 3);
}

TEST_F(RegressionTest, ExplainSaysThatALimitWasReachedOnlyWhenItWas) {
  PoolFor<Plain<1>> pool(backend, Options());
  std::array<char, 500> buffer;
  const absl::Status none = pool.TryAcquire().status();
  EXPECT_THAT(std::string(pool.Explain(none, 1s, buffer)), HasSubstr("TryAcquire"));
  const absl::Status slow = absl::DeadlineExceededError("the statement ran too long");
  EXPECT_THAT(std::string(pool.Explain(slow, 1s, buffer)),
              ::testing::StartsWith("the statement ran too long"));
  pool.Pause();
  const absl::Status late = pool.Acquire(kWrite, pool.In(1s)).status();
  EXPECT_THAT(std::string(pool.Explain(late, 1s, buffer)), HasSubstr("paused"));
}

// ---- The housekeeper ----

TEST_F(RegressionTest, StopWaitsForTheThreadThatIsInsideRun) {
  std::optional<PoolFor<OpenedByKeeper>> pool;
  pool.emplace(backend, Options());
  Housekeeper keeper(&platform);
  keeper.Add(*pool);
  Gate gate(platform);
  backend.set_hook([&](const CallInfo& info) {
    if (info.call == Call::kOpen) gate.Pass();
  });
  Actor thread(platform, [&] { keeper.Run(); });
  Caller caller(platform, *pool, pool->In(100s));
  platform.Run();
  ASSERT_EQ(pool->stats().busy, 1) << "the housekeeper opens";
  platform.WhileWaiting([&] { gate.Open(); });
  keeper.Stop();
  EXPECT_TRUE(thread.ended());
  platform.Run();
  EXPECT_TRUE(caller.served());
  caller.Return();
  pool.reset();
}

TEST(RegressionForkTest, AChildDestroysAnInheritedHousekeeperWhileThePoolIsLocked) {
  // The lock of the pool is held by a thread that the child does not have: it asks the time there.
  struct StopsUnderTheLock : FakePlatform {
    TimePoint Now() override {
      if (std::this_thread::get_id() == whom.load()) {
        inside = true;
        while (!leave) std::this_thread::yield();
      }
      return FakePlatform::Now();
    }
    std::atomic<std::thread::id> whom{};
    std::atomic<bool> inside = false;
    std::atomic<bool> leave = false;
  } platform;
  ScriptedBackend backend;
  PoolFor<Plain<1>> pool(backend, {.platform = &platform});
  std::optional<Housekeeper> keeper(std::in_place);
  keeper->Add(pool);
  std::thread locker([&] {
    platform.whom = std::this_thread::get_id();
    (void)pool.stats();
  });
  while (!platform.inside) std::this_thread::yield();
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);
    keeper.reset();
    _exit(0);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status)) << "ended by signal " << WTERMSIG(status);
  platform.leave = true;
  locker.join();
}

}  // namespace
}  // namespace roost
