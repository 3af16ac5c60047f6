// Fails each call of the backend in turn: a long life of a pool is run once to count the calls,
// then again and again, failing the first, the second, ... the last. Each time the invariants hold,
// nobody is forgotten, nothing leaks, and afterwards the pool serves its whole capacity.
//
// A failure names its index. To run that one alone:
//   ROOST_FAIL_AT=17 fault_sweep_test --gtest_filter='...'
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <string>
#include <vector>

#include "roost/housekeeper.h"
#include "roost/pool.h"
#include "tests/fakes/fake_platform.h"
#include "tests/fakes/scripted_backend.h"
#include "tests/support/pool_test_peer.h"

namespace roost {
namespace {

using namespace std::chrono_literals;  // NOLINT(build/namespaces): tests only
using fakes::Actor;
using fakes::Call;
using fakes::FakePlatform;
using fakes::Scripted;
using fakes::ScriptedBackend;

constexpr Sql kStore{"INSERT INTO t VALUES ($1)"};
constexpr Sql kSelect{"SELECT * FROM t"};

// A pool that uses everything it can.
struct ByCaller : profiles::Default {
  static constexpr const char* kName = "by_caller";
  static constexpr int kPoolSize = 2;
  static constexpr int kMaxOverflow = 1;
  static constexpr PrePing kPrePing = PrePing::kAfterIdle;
  static constexpr Duration kPingAfter = 20s;
  static constexpr Duration kPoolRecycle = 300s;
  static constexpr Duration kKeepAlive = 50s;
  static constexpr Duration kIdleLimit = 200s;
  static constexpr Duration kLinger = 5s;
  static constexpr Duration kBackoffMin = 100ms;
  static constexpr Duration kBackoffMax = 5s;
  static constexpr int kStatements = 2;
};
struct Pinging : ByCaller {
  static constexpr const char* kName = "pinging";
  static constexpr PrePing kPrePing = PrePing::kAlways;
  static constexpr Duration kLinger = 0s;
};
struct Patient : ByCaller {
  static constexpr const char* kName = "patient";
  static constexpr WhenAway kWhenAway = WhenAway::kWait;
};
struct ByHousekeeper : ByCaller {
  static constexpr const char* kName = "by_housekeeper";
  static constexpr OpenBy kOpenBy = OpenBy::kHousekeeper;
};

// One life of a pool. Everything that can fail may; nothing is asserted but what always holds.
class Life {
 public:
  Life(Pool& pool, ScriptedBackend& backend, FakePlatform& platform)
      : pool_(pool), backend_(backend), platform_(platform) {}

  void Run() {
    Step("opens", [&] { (void)pool_.Fill(1, pool_.In(1s)); });
    Step("writes", [&] { Write(); });
    Step("reads", [&] { Read(); });
    Step("rolls back", [&] { RollBack(); });
    Step("is used by several at once", [&] { UseAll(); });
    Step("makes a caller wait", [&] { HandOff(); });
    Step("lets a caller down", [&] { TimeOut(); });
    Step("is left dirty, broken and dead", [&] { LeaveBehind(); });
    Step("rests and is tended", [&] { Rest(60s); });
    Step("is used after a rest", [&] { UseAll(); });
    Step("is invalidated", [&] { pool_.InvalidateAll(); });
    Step("is used anew", [&] { UseAll(); });
    Step("loses its server", [&] { LoseServer(); });
    Step("is paused", [&] { PauseAndResume(); });
    Step("grows old", [&] { Rest(400s); });
    Step("is used at last", [&] { UseAll(); });
  }

 private:
  template <class Body>
  void Step(const char* name, Body body) {
    SCOPED_TRACE(std::string("the pool ") + name);
    body();
    const char* broken = PoolTestPeer::BrokenInvariant(pool_);
    EXPECT_EQ(broken, nullptr) << broken;
    const Stats stats = pool_.stats();
    EXPECT_EQ(stats.in_use, 0);
    EXPECT_EQ(stats.waiting, 0);
    EXPECT_EQ(stats.open, backend_.open_now());
    EXPECT_LE(backend_.peak_open(), stats.capacity);
  }

  // A lease of another holder's: no wait of this thread can deadlock on it.
  absl::StatusOr<Lease> Get(Intent intent) {
    absl::StatusOr<Lease> lease = pool_.Acquire(intent, pool_.In(1s));
    if (lease.ok()) lease->ReleaseThread();
    return lease;
  }

  void Write() {
    absl::StatusOr<Lease> lease = Get(kWrite);
    if (!lease.ok()) return;
    absl::StatusOr<Transaction> transaction = (*lease)->Begin();
    if (!transaction.ok()) return;
    (void)(*lease)->Run(kStore, 1);
    if (transaction->Commit().ok()) (void)(*lease)->Seal();
  }

  void Read() {
    absl::StatusOr<Lease> lease = Get(kRead);
    if (!lease.ok()) return;
    absl::StatusOr<Statement*> select = (*lease)->Prepare(kSelect);
    if (!select.ok()) return;
    Rows rows = (*select)->Query();
    while (rows.Next()) EXPECT_EQ(rows.Get<int64_t>(0), 1);
  }

  void RollBack() {
    absl::StatusOr<Lease> lease = Get(kWrite);
    if (!lease.ok()) return;
    absl::StatusOr<Transaction> transaction = (*lease)->Begin();
    if (transaction.ok()) (void)(*lease)->Run(kStore, 2);
  }

  void UseAll() {
    absl::StatusOr<Lease> a = Get(kWrite), b = Get(kRead), c = Get(kRead);
    for (absl::StatusOr<Lease>* lease : {&a, &b, &c}) {
      if (lease->ok()) (void)(**lease)->RunScript("SET x");
    }
    if (b.ok()) Scripted(*b).MakeDirty();
  }

  void HandOff() {
    absl::StatusOr<Lease> a = Get(kWrite), b = Get(kRead), c = Get(kRead);
    absl::StatusOr<Lease> waited;
    Actor waiter(platform_, [&] { waited = pool_.Acquire(kRead, pool_.In(10s)); });
    if (b.ok()) Scripted(*b).MakeDirty();
    b = absl::CancelledError();
    platform_.Run();
    a = absl::CancelledError();
    c = absl::CancelledError();
    platform_.Advance(10s);
    platform_.Run();
    EXPECT_TRUE(waiter.ended()) << "a waiter was forgotten";
  }

  void TimeOut() {
    absl::StatusOr<Lease> a = Get(kWrite), b = Get(kRead), c = Get(kRead);
    (void)pool_.Acquire(kRead, pool_.In(5ms));
    (void)pool_.TryAcquire();
  }

  void LeaveBehind() {
    for (const bool dirty : {true, false}) {
      absl::StatusOr<Lease> lease = Get(kRead);
      if (!lease.ok()) continue;
      dirty ? Scripted(*lease).MakeDirty() : Scripted(*lease).MakeBroken();
    }
    for (const FaultScope scope : {FaultScope::kConnectionSuspectOlder, FaultScope::kAllOlder}) {
      absl::StatusOr<Lease> other = Get(kWrite), lease = Get(kRead);
      if (lease.ok()) Scripted(*lease).Fail(scope);
    }
    absl::StatusOr<Lease> lease = Get(kWrite);
    if (lease.ok()) {
      Scripted(*lease).WantMaintenance();
      Scripted(*lease).Touch();
      lease->Return();
    }
    lease = Get(kRead);
    if (lease.ok()) lease->Discard();
    lease = Get(kRead);
    if (lease.ok()) (void)lease->Detach();
  }

  void Rest(Duration span) {
    const TimePoint until = platform_.Now() + span;
    while (platform_.Now() < until) {
      platform_.Advance(10s);
      (void)pool_.Tick(platform_.Now());
      platform_.Run();
    }
  }

  void LoseServer() {
    backend_.StopServer(absl::UnavailableError("server stopped"));
    UseAll();
    UseAll();
    platform_.Advance(50ms);
    UseAll();
    backend_.StartServer();
    platform_.Advance(10s);
    UseAll();
  }

  void PauseAndResume() {
    pool_.Pause();
    absl::StatusOr<Lease> waited;
    Actor waiter(platform_, [&] { waited = pool_.Acquire(kRead, pool_.In(10s)); });
    pool_.Resume();
    platform_.Run();
    platform_.Advance(10s);
    platform_.Run();
    EXPECT_TRUE(waiter.ended()) << "a waiter was forgotten";
    waited = absl::CancelledError();
  }

  Pool& pool_;
  ScriptedBackend& backend_;
  FakePlatform& platform_;
};

// Whatever happened: with a healthy server, after the longest pause, the whole capacity is served.
void ExpectRecovery(Pool& pool, FakePlatform& platform) {
  platform.Advance(60s);
  platform.Run();
  std::vector<Lease> leases;
  for (int i = 0; i < pool.settings().capacity(); ++i) {
    absl::StatusOr<Lease> lease = pool.Acquire(i == 0 ? kWrite : kRead, pool.In(1s));
    ASSERT_TRUE(lease.ok()) << "lease " << i + 1 << " after the fault: " << lease.status();
    lease->ReleaseThread();
    EXPECT_TRUE((*lease)->RunScript("SET x").ok());
    leases.push_back(*std::move(lease));
  }
  leases.clear();
  EXPECT_TRUE(pool.Close(pool.In(1s)).ok());
  EXPECT_EQ(pool.stats().open, 0);
}

// Returns how many calls could have failed.
template <class P>
int Live(LanePlan lanes, int fail_at, const absl::Status& fault) {
  FakePlatform platform;
  ScriptedBackend backend(&platform, lanes);
  if (fail_at > 0) backend.FailCallNumber(fail_at, fault);
  PoolFor<P> pool(backend, {.platform = &platform});
  Housekeeper keeper(&platform);
  keeper.Add(pool);
  Actor thread(platform, [&] {
    if (P::kOpenBy == OpenBy::kHousekeeper) keeper.Run();
  });
  Life(pool, backend, platform).Run();
  const int calls = backend.fallible_calls();
  ExpectRecovery(pool, platform);
  EXPECT_EQ(backend.open_now(), 0);
  keeper.Stop();
  platform.Run();
  return calls;
}

template <class P>
void Sweep(LanePlan lanes) {
  const int calls = Live<P>(lanes, 0, absl::OkStatus());
  std::printf("%s: %d calls can fail\n", P::kName, calls);
  ASSERT_GT(calls, 40);
  const char* alone = std::getenv("ROOST_FAIL_AT");
  const int first = alone != nullptr ? std::atoi(alone) : 1;
  const int last = alone != nullptr ? first : calls;
  // One that passes by itself, one that needs a person, one that came too late.
  for (const absl::Status& fault :
       {absl::UnavailableError("fault"), absl::PermissionDeniedError("fault"),
        absl::DeadlineExceededError("fault")}) {
    for (int index = first; index <= last; ++index) {
      SCOPED_TRACE("ROOST_FAIL_AT=" + std::to_string(index) + " with " + fault.ToString());
      Live<P>(lanes, index, fault);
      if (::testing::Test::HasFailure()) return;
    }
  }
}

TEST(FaultSweepTest, OneLaneWhereCallersOpen) { Sweep<ByCaller>(LanePlan::kOne); }
TEST(FaultSweepTest, AWriterAndReadersWhereCallersOpen) {
  Sweep<ByCaller>(LanePlan::kWriterAndReaders);
}
TEST(FaultSweepTest, OneLaneThatPingsAlways) { Sweep<Pinging>(LanePlan::kOne); }
TEST(FaultSweepTest, OneLaneWithPatientCallers) { Sweep<Patient>(LanePlan::kOne); }
TEST(FaultSweepTest, OneLaneWhereTheHousekeeperOpens) { Sweep<ByHousekeeper>(LanePlan::kOne); }
TEST(FaultSweepTest, AWriterAndReadersWhereTheHousekeeperOpens) {
  Sweep<ByHousekeeper>(LanePlan::kWriterAndReaders);
}

}  // namespace
}  // namespace roost
