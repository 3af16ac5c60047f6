// tests/pool/allocation_test.cc - from the first acquire to close the pool allocates nothing, on
// every path.
#include <gtest/gtest.h>

#include "roost/async.h"
#include "roost/query.h"
#include "roost/transaction.h"
#include "tests/pool/pool_test_support.h"
#include "tests/support/counting_allocator.h"

namespace roost {
namespace {

using support::AllocationCount;

// Everything that can be switched on is.
struct Everything : profiles::Default {
  static constexpr const char* kName = "everything";
  static constexpr int kPoolSize = 2;
  static constexpr int kMaxOverflow = 1;
  static constexpr int kMaxWaiters = 2;
  static constexpr Duration kPoolTimeout = 1s;
  static constexpr Duration kPoolRecycle = 1000s;
  static constexpr Duration kBackoffMin = 1s;
  static constexpr Duration kBackoffMax = 1s;
  static constexpr Duration kKeepAlive = 50s;
  static constexpr Duration kIdleLimit = 500s;
  static constexpr Duration kLinger = 5s;
  static constexpr Duration kLeakAfter = 10s;
  static constexpr PrePing kPrePing = PrePing::kAlways;
  static constexpr int kStatements = 2;
};

struct Unpinged : Everything {
  static constexpr PrePing kPrePing = PrePing::kNever;
  static constexpr bool kHoldTimes = false;  // by the idle stack
};

struct Watched : Everything {
  static constexpr bool kWatchStatements = true;
  static constexpr Duration kSlowStatement = 1ms;
};

struct ByHousekeeper : Everything {
  static constexpr OpenBy kOpenBy = OpenBy::kHousekeeper;
};

struct OneByHousekeeper : ByHousekeeper {
  static constexpr int kPoolSize = 1;
  static constexpr int kMaxOverflow = 0;
};

// Each test does what it names while allocations are counted. What the test itself needs, such as
// the threads of its actors, it makes before.
class AllocationTest : public PoolTest {
 protected:
  // A lease without the framework's own allocations.
  static Lease Get(Pool& pool, Duration within = 1s) {
    absl::StatusOr<Lease> lease = pool.Acquire(kWrite, pool.In(within));
    if (!lease.ok()) std::abort();
    lease->ReleaseThread();
    return *std::move(lease);
  }
};

// Where the compiler cannot see that a block is not used, so that it has to be allocated.
void* volatile sink;

// First of all: the counter counts.
TEST_F(AllocationTest, TheCounterCounts) {
  const AllocationCount count;
  sink = ::operator new(4);
  ::operator delete(sink);
  EXPECT_EQ(count.this_thread(), 1u);
  for (void* block : {std::malloc(16), std::calloc(2, 8)}) {
    sink = block;
    std::free(sink);
  }
  EXPECT_EQ(count.total(), 3u);
}

TEST_F(AllocationTest, AcquireOpensLendsAndRests) {
  PoolFor<Everything> pool(backend, Options());
  const AllocationCount count;
  for (int i = 0; i < 100; ++i) {
    Lease a = Get(pool);
    Lease b = Get(pool);
    Lease c = Get(pool);
  }
  EXPECT_EQ(count.total(), 0u);
  EXPECT_GT(pool.stats().pings, 0u);
}

TEST_F(AllocationTest, IdleConnectionsAreLentAndTried) {
  PoolFor<Unpinged> pool(backend, Options());
  const AllocationCount count;
  Get(pool).Return();
  for (int i = 0; i < 100; ++i) Get(pool).Return();
  const bool taken = pool.TryAcquire().ok();
  const bool refused = pool.TryAcquire(kRead, Deadline::Past()).ok();
  EXPECT_EQ(count.total(), 0u);
  EXPECT_TRUE(taken && refused);
}

TEST_F(AllocationTest, WaitingAndHandOff) {
  PoolFor<Everything> pool(backend, Options());
  Lease a = Get(pool), b = Get(pool), c = Get(pool);
  platform.WhileWaiting([&] { a.Return(); });
  const AllocationCount count;
  Lease d = Get(pool);
  EXPECT_EQ(count.total(), 0u);
  EXPECT_EQ(pool.stats().handed_off, 1u);
}

TEST_F(AllocationTest, WaitingThreadsAreServedInTurn) {
  PoolFor<Everything> pool(backend, Options());
  Lease a = Get(pool), b = Get(pool), c = Get(pool);
  Caller first(platform, pool), second(platform, pool);
  const AllocationCount count;
  a.Return();
  b.Return();
  platform.Run();
  EXPECT_EQ(count.total(), 0u);
  EXPECT_TRUE(first.served() && second.served());
}

TEST_F(AllocationTest, TimeOutsOfBothKindsAndAFullLine) {
  PoolFor<Everything> pool(backend, Options());
  Lease a = Get(pool), b = Get(pool), c = Get(pool);
  {
    const AllocationCount count;
    for (int i = 0; i < 10; ++i) {
      (void)pool.Acquire();
      (void)pool.Acquire(kWrite, pool.In(1ms));
      (void)pool.Acquire(kWrite, Deadline::Past());
      (void)pool.TryAcquire();
    }
    EXPECT_EQ(count.total(), 0u);
  }
  EXPECT_EQ(pool.stats().timeouts, 40u);
  Caller first(platform, pool), second(platform, pool);
  const AllocationCount count;
  (void)pool.Acquire(kWrite, pool.In(1s));
  EXPECT_EQ(count.total(), 0u);
  EXPECT_EQ(pool.stats().refused_full, 1u);
  a.Return();
  b.Return();
  platform.Run();
}

TEST_F(AllocationTest, TheDatabaseIsAwayAndComesBack) {
  PoolFor<Everything> pool(backend, Options());
  backend.StopServer(Gone());
  const AllocationCount count;
  for (int i = 0; i < 10; ++i) {
    (void)pool.Acquire(kWrite, pool.In(1s));
    (void)pool.Fill(1, pool.In(1s));
    platform.Advance(300ms);
  }
  (void)pool.Acquire(kWrite, pool.In(1s));  // the clock stands from here on: the pause has begun
  const auto failed = static_cast<size_t>(backend.count(Call::kOpen));
  EXPECT_LE(count.total(), 4 * failed) << "what callers are told until the next try";
  {
    const AllocationCount refusals;
    for (int i = 0; i < 10; ++i) (void)pool.Acquire(kWrite, pool.In(1s));
    EXPECT_EQ(refusals.total(), 0u);
    EXPECT_EQ(static_cast<size_t>(backend.count(Call::kOpen)), failed) << "none was a try";
  }
  backend.StartServer();
  platform.Advance(2s);
  const AllocationCount lending;
  Get(pool).Return();
  EXPECT_EQ(lending.total(), 0u);
  EXPECT_GT(pool.stats().refused_away, 3u);
}

TEST_F(AllocationTest, PingsFailAndSuspectsAreReplaced) {
  PoolFor<Everything> pool(backend, Options());
  backend.FailNext(Call::kPing, Gone());
  const AllocationCount count;
  { Lease a = Get(pool), b = Get(pool), c = Get(pool); }
  platform.Advance(1s);
  { Lease a = Get(pool), b = Get(pool), c = Get(pool); }
  EXPECT_EQ(count.total(), 0u);
  EXPECT_EQ(pool.stats().ping_failures, 1u);
}

TEST_F(AllocationTest, EveryEndOfALease) {
  PoolFor<Everything> pool(backend, Options());
  backend.FailNext(Call::kReset, absl::OkStatus());
  backend.FailNext(Call::kReset, Gone());
  const AllocationCount count;
  for (int i = 0; i < 2; ++i) {
    Lease dirty = Get(pool);
    Scripted(dirty).MakeDirty();
  }
  {
    Lease broken = Get(pool);
    Scripted(broken).MakeBroken();
  }
  for (const FaultScope scope :
       {FaultScope::kConnection, FaultScope::kConnectionSuspectOlder, FaultScope::kAllOlder}) {
    Lease other = Get(pool);
    Lease dead = Get(pool);
    Scripted(dead).Fail(scope);
  }
  {
    Lease tended = Get(pool);
    Scripted(tended).WantMaintenance();
    Scripted(tended).Touch();
  }
  Get(pool).Discard();
  Get(pool).Detach();
  Lease moved = Get(pool);
  moved = Get(pool);
  moved.Return();
  EXPECT_EQ(count.total(), 0u);
  EXPECT_EQ(pool.stats().reset_failures, 1u);
  EXPECT_EQ(pool.stats().detaches, 1u);
}

TEST_F(AllocationTest, HousekeepingOfEveryKind) {
  PoolFor<Everything> pool(backend, Options());
  const AllocationCount count;
  Lease leaked = Get(pool);
  { Lease a = Get(pool), b = Get(pool); }
  for (int i = 0; i < 130; ++i) {
    platform.Advance(10s);
    (void)pool.Tick(platform.Now());
  }
  leaked.Return();
  { Lease a = Get(pool), b = Get(pool); }
  platform.Advance(2000s);
  (void)pool.Tick(platform.Now());
  EXPECT_EQ(count.total(), 0u);
  EXPECT_GT(pool.stats().upkeeps, 0u);
  EXPECT_GT(pool.stats().leaks, 0u);
  EXPECT_GT(ClosesOf(pool, CloseReason::kRecycled) + ClosesOf(pool, CloseReason::kIdle), 0u);
}

TEST_F(AllocationTest, TheHousekeeperOpensForAWaiter) {
  PoolFor<ByHousekeeper> pool(backend, Options());
  Caller caller(platform, pool);
  backend.FailNext(Call::kOpen, absl::OkStatus());
  const AllocationCount count;
  (void)pool.Tick(platform.Now());
  platform.Run();
  EXPECT_EQ(count.total(), 0u);
  EXPECT_TRUE(caller.served());
}

TEST_F(AllocationTest, CancelPauseResumeAndInvalidateAll) {
  PoolFor<Everything> pool(backend, Options());
  CancelToken token;
  Lease a = Get(pool), b = Get(pool), c = Get(pool);
  Caller cancelled(platform, pool, AcquireOptions{.deadline = Deadline::Never(), .cancel = &token});
  Caller waiting(platform, pool);
  const AllocationCount count;
  pool.Cancel(token);
  (void)pool.Acquire({.deadline = Deadline::Never(), .cancel = &token});
  pool.Pause();
  a.Return();
  pool.InvalidateAll();
  pool.Resume();
  platform.Run();
  b.Return();
  EXPECT_EQ(count.total(), 0u);
  EXPECT_EQ(cancelled.status().code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(waiting.served());
}

TEST_F(AllocationTest, ACancelReachesAnOpenUnderWay) {
  PoolFor<Everything> pool(backend, Options());
  CancelToken token;
  backend.GoInSteps(1);
  platform.set_descriptor([&](int, IoEvents, Deadline until) {
    platform.AdvanceTo(until.time());
    pool.Cancel(token);
    return IoEvents{};
  });
  const AllocationCount count;
  const bool served = pool.Acquire({.deadline = pool.In(3s), .cancel = &token}).ok();
  EXPECT_EQ(count.total(), 0u);
  EXPECT_FALSE(served);
  EXPECT_EQ(pool.stats().cancelled, 1u);
}

TEST_F(AllocationTest, ANestedAcquireIsRefused) {
  struct P : Everything {};
  PoolFor<P> pool(backend, Options());
  std::array<absl::StatusOr<Lease>, 3> held;
  const AllocationCount count;
  for (absl::StatusOr<Lease>& lease : held) lease = pool.Acquire(kWrite, pool.In(1s));
  const bool served = pool.Acquire(kWrite, pool.In(1s)).ok();
  EXPECT_EQ(count.total(), 0u);
  EXPECT_FALSE(served);
  EXPECT_EQ(pool.stats().refused_nested, 1u);
}

TEST_F(AllocationTest, TheTextsForPeople) {
  PoolFor<Everything> pool(backend, Options());
  Lease a = Get(pool), b = Get(pool), c = Get(pool);
  const absl::Status refusal = pool.Acquire(kWrite, pool.In(1ms)).status();
  std::array<char, 2048> buffer;
  size_t written = 0;
  const AllocationCount count;
  written += pool.Report(buffer).size();
  written += pool.Explain(refusal, 1ms, buffer).size();
  PoolDetails details;
  std::array<SlotDetails, 8> slots;
  std::array<WaiterDetails, 8> waiters;
  pool.Inspect(details, slots, waiters);
  written += details.slot_count;
  const Stats stats = pool.stats();
  written += WriteSqlAlchemyStatus(stats, buffer).size();
  (void)stats.wait.Percentile(0.99);
  EXPECT_EQ(count.total(), 0u);
  EXPECT_GT(written, 100u);
}

TEST_F(AllocationTest, TheEcho) {
  EchoObserver echo;
  PoolFor<Everything> pool(backend, {.name = "main", .observer = &echo, .platform = &platform});
  backend.FailNext(Call::kOpen, Gone());
  ::testing::internal::CaptureStderr();
  const AllocationCount count;
  (void)pool.Acquire(kWrite, pool.In(1s));
  Get(pool).Discard();
  const uint64_t allocations = count.total();
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("discarded"));
  EXPECT_EQ(allocations, 0u);
}

TEST_F(AllocationTest, WatchedStatements) {
  EchoStatements echo(EchoStatements::Which::kAll);
  PoolFor<Watched> pool(backend,
                        {.name = "main", .statement_observer = &echo, .platform = &platform});
  constexpr Sql kSelect("SELECT a FROM t", "select_a");
  ASSERT_TRUE(Get(pool).Run(Sql("INSERT INTO t VALUES ($1)"), 1).ok());
  backend.FailNext(Call::kCommit, Gone());
  ::testing::internal::CaptureStderr();
  const AllocationCount count;
  {
    Lease lease = Get(pool);
    if (!lease.RunScript("ALTER ROLE node PASSWORD 'hunter2'").ok()) std::abort();
    for (int i = 0; i < 10; ++i) {
      absl::StatusOr<Statement*> select = lease.Prepare(kSelect);
      Rows rows = (*select)->Query();
      while (rows.Next()) (void)rows.Get<int>(0);
    }
    (void)lease.Begin()->Commit();
  }
  (void)pool.stats();
  const uint64_t allocations = count.total();
  const std::string written = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(written, HasSubstr("name=select_a"));
  EXPECT_THAT(written, HasSubstr("code=unavailable"));
  EXPECT_THAT(written, ::testing::Not(HasSubstr("hunter2")));
  EXPECT_EQ(allocations, 0u);
}

TEST_F(AllocationTest, OneRowOfAQueryAndAFunctionAsATransaction) {
  PoolFor<Everything> pool(backend, Options());
  constexpr Sql kSelect("SELECT a, b FROM t");
  ASSERT_TRUE(Get(pool).Run(Sql("INSERT INTO t VALUES ($1, $2)"), 1, 2).ok());
  const absl::Status raced(absl::StatusCode::kAborted, "");
  int64_t sum = 0;
  int runs = 0;
  const auto add = [&](Connection& connection) -> absl::Status {
    const auto row = QueryOne<int, std::optional<int64_t>>(connection, kSelect);
    if (!row.ok()) return row.status();
    sum += std::get<0>(*row) + *std::get<1>(*row);
    return ++runs < 3 ? raced : absl::OkStatus();
  };
  ASSERT_TRUE(RunInTransaction(pool, kWrite, pool.In(1s), add).ok());
  runs = 0;
  const AllocationCount count;
  const absl::Status status = RunInTransaction(pool, kWrite, pool.In(1s), add);
  EXPECT_EQ(count.total(), 0u);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(sum, 2 * 3 * 3);
}

TEST_F(AllocationTest, ManyRowsInOneGo) {
  PoolFor<Everything> pool(backend, Options());
  constexpr Sql kChange("UPDATE t SET a = $1, b = $2");
  const std::array<std::tuple<int, const char*>, 3> rows{{{1, "a"}, {2, "b"}, {3, "c"}}};
  ASSERT_TRUE(Get(pool).RunAll(kChange, rows).ok());
  const int executed = backend.count(Call::kExecute);
  const AllocationCount count;
  const absl::Status status = Get(pool).RunAll(kChange, rows);
  EXPECT_EQ(count.total(), 0u);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(backend.count(Call::kExecute), executed + 3);
  EXPECT_EQ(backend.count(Call::kCommit), 2);
}

TEST_F(AllocationTest, CloseWithLeasesOutAndAfter) {
  PoolFor<Everything> pool(backend, Options());
  Lease a = Get(pool), b = Get(pool);
  Get(pool).Return();
  Caller nobody(platform, pool);
  nobody.Return();
  const AllocationCount count;
  (void)pool.Close(pool.In(1s));
  (void)pool.Acquire(kWrite, pool.In(1s));
  (void)pool.TryAcquire();
  a.Return();
  b.Discard();
  (void)pool.Close(pool.In(1s));
  EXPECT_EQ(count.total(), 0u);
  EXPECT_TRUE(pool.Close(Deadline::Past()).ok());
}

TEST_F(AllocationTest, InAForkedChild) {
  PoolFor<Everything> pool(backend, Options());
  Lease held = Get(pool);
  platform.Fork();
  const AllocationCount count;
  (void)pool.Acquire(kWrite, pool.In(1s));
  (void)pool.TryAcquire();
  held.Return();
  (void)pool.Tick(platform.Now());
  EXPECT_EQ(count.total(), 0u);
}

TEST_F(AllocationTest, ALoopOpensInStepsAndIsServed) {
  PoolFor<OneByHousekeeper> pool(backend, Options());
  backend.GoInSteps(2);
  platform.set_descriptor([this](int fd, IoEvents, Deadline) { return backend.Ready(fd); });
  int rings = 0;
  AcquireQueue queue(
      {.function = [](void* count) { ++*static_cast<int*>(count); }, .context = &rings}, &platform);
  PendingAcquire first, second;
  int served = 0;
  const auto count_it = [](void* of) { ++*static_cast<int*>(of); };
  const AllocationCount count;
  for (int i = 0; i < 10; ++i) {
    const AcquireOptions options{.deadline = pool.In(1s)};
    if (first.Start(queue, pool, options, count_it, &served)) std::abort();
    if (second.Start(queue, pool, options, count_it, &served)) std::abort();
    for (int turn = 0; turn < 4; ++turn) {
      backend.Answer();
      Tick(pool);
      queue.Run(Now());
    }
    if (served != 1) std::abort();
    if (!first.Take().ok()) std::abort();  // and returned: handed to the second
    queue.Run(Now());
    if (served != 2) std::abort();
    second.Cancel();
    served = 0;
    pool.InvalidateAll();
  }
  EXPECT_EQ(count.total(), 0u);
  EXPECT_GT(rings, 0);
}

}  // namespace
}  // namespace roost
