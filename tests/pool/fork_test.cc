// tests/pool/fork_test.cc - what a fork leaves behind: a pool that refuses in the child, and is
// untouched in the parent.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/pool/pool_test_support.h"
#include "tests/support/in_child.h"

namespace roost {
namespace {

using support::InChild;

using ForkTest = PoolTest;

TEST_F(ForkTest, InAForkedChildThePoolRefusesAndTouchesNoServer) {
  PoolFor<Plain<2>> pool(backend, Options());
  Lease held = Take(pool);
  Take(pool).Return();
  platform.Fork();
  backend.ClearLog();
  EXPECT_EQ(pool.Acquire().status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(pool.TryAcquire().status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(pool.Fill(1, pool.In(1s)).code(), absl::StatusCode::kFailedPrecondition);
  Scripted(held).MakeDirty();
  held.Return();
  Tick(pool);
  for (const CallInfo& info : backend.log()) {
    EXPECT_TRUE(info.call == Call::kAbandon || info.call == Call::kInspect)
        << "the parent's session was touched by " << Name(info.call);
  }
}

TEST_F(ForkTest, InAForkedChildTheDestructorAbandonsWhatIsOpen) {
  {
    PoolFor<Plain<2>> pool(backend, Options());
    { Lease a = Take(pool), b = Take(pool); }
    platform.Fork();
  }
  EXPECT_EQ(backend.count(Call::kAbandon), 2);
  EXPECT_EQ(backend.count(Call::kClose), 0);
}

TEST_F(ForkTest, AForkedChildSaysWhatToDo) {
  PoolFor<Plain<2>> pool(backend, Options());
  platform.Fork();
  EXPECT_THAT(std::string(pool.Acquire().status().message()), HasSubstr("fork"));
}

TEST_F(ForkTest, APoolMadeInTheChildWorks) {
  platform.Fork();
  PoolFor<Plain<2>> pool(backend, Options());
  Take(pool).Return();
  EXPECT_EQ(backend.count(Call::kOpen), 1);
}

// ---- Real processes ----

// Calls every function of the pool. None may wait for a lock that a thread of the parent holds.
bool RefusesEverything(Pool& pool) {
  std::array<char, 512> buffer;
  CancelToken token;
  pool.Cancel(token);
  pool.Pause();
  pool.Resume();
  pool.InvalidateAll();
  (void)pool.Tick(pool.platform().Now());
  (void)pool.stats();
  (void)pool.Report(buffer);
  (void)pool.Explain(absl::DeadlineExceededError(""), 1s, buffer);
  constexpr auto kNo = absl::StatusCode::kFailedPrecondition;
  return pool.Acquire().status().code() == kNo && pool.TryAcquire().status().code() == kNo &&
         pool.Fill(1, pool.In(1s)).code() == kNo && pool.Close(pool.In(1s)).code() == kNo;
}

TEST(RealForkTest, TheChildIsRefusedAndTheParentGoesOn) {
  ScriptedBackend backend;
  PoolFor<Plain<2>> pool(backend);
  Lease held = Must(pool.Acquire());
  Must(pool.Acquire()).Return();
  EXPECT_TRUE(InChild([&] {
    const bool refused = RefusesEverything(pool);
    held->Raw();  // something to look after at its return: not for the child to do
    held.Return();
    return refused && backend.count(Call::kAbandon) == 1 && backend.count(Call::kClose) == 0;
  }));
  EXPECT_TRUE(held->RunScript("SET x").ok());
  held.Return();
  EXPECT_EQ(backend.count(Call::kAbandon), 0) << "the child's memory is its own";
  EXPECT_TRUE(pool.Acquire().ok());
}

TEST(RealForkTest, TheChildMayMakeAPoolOfItsOwn) {
  ScriptedBackend backend;
  PoolFor<Plain<1>> pool(backend);
  Must(pool.Acquire()).Return();
  EXPECT_TRUE(InChild([] {
    ScriptedBackend own;
    PoolFor<Plain<1>> mine(own);
    return mine.Acquire().ok();
  }));
}

TEST(RealForkTest, NoFunctionHangsInTheChildWhileTheParentsThreadsUseThePool) {
  ScriptedBackend backend;
  backend.set_logging(false);
  PoolFor<Plain<2>> pool(backend);
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      while (!stop) (void)pool.Acquire(kWrite, pool.In(1ms));
    });
  }
  for (int i = 0; i < 40; ++i) {
    EXPECT_TRUE(InChild([&] { return RefusesEverything(pool); })) << "fork " << i;
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace roost
