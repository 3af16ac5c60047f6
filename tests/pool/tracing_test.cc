// tests/pool/tracing_test.cc - begin and end of acquires, with the caller's context.
#include <gtest/gtest.h>

#include "roost/async.h"
#include "tests/pool/pool_test_support.h"

namespace roost {
namespace {

// Keeps what it was told, and asks the pool, which it may because no lock is held.
class Tracer : public AcquireObserver {
 public:
  struct Seen {
    AcquireEvent event;
    absl::Status status;
  };
  uint64_t OnAcquireBegin(const AcquireEvent& event) override {
    if (pool != nullptr) pool->stats();
    begins.push_back(event);
    return 100 + begins.size();
  }
  void OnAcquireEnd(const AcquireEvent& event) override {
    if (pool != nullptr) pool->stats();
    ends.push_back({event, *event.status});
  }
  const Pool* pool = nullptr;
  std::vector<AcquireEvent> begins;
  std::vector<Seen> ends;
};

class TracingTest : public PoolTest {
 protected:
  PoolOptions Traced() {
    PoolOptions options = Options();
    options.observer = nullptr;
    options.acquire_observer = &tracer_;
    return options;
  }
  Tracer tracer_;
};

TEST_F(TracingTest, BeginAndEndHaveTheCallersContext) {
  PoolFor<Plain<2>> pool(backend, Traced());
  tracer_.pool = &pool;
  const SourceLine here = SourceLine::Here();
  for (uint64_t context : {7u, 8u}) {
    ASSERT_TRUE(
        pool.Acquire({.intent = kRead, .deadline = pool.In(1s), .where = here, .context = context})
            .ok());
  }
  ASSERT_EQ(tracer_.begins.size(), 2u) << "an idle connection is no reason to be silent";
  ASSERT_EQ(tracer_.ends.size(), 2u);
  const AcquireEvent& begin = tracer_.begins[1];
  EXPECT_EQ(begin.pool, pool.name());
  EXPECT_EQ(begin.context, 8u);
  EXPECT_EQ(begin.span, 0u);
  EXPECT_EQ(begin.intent, kRead);
  EXPECT_EQ(begin.where.line, here.line);
  EXPECT_EQ(begin.status, nullptr);
  const AcquireEvent& end = tracer_.ends[1].event;
  EXPECT_EQ(end.context, 8u);
  EXPECT_EQ(end.span, 102u) << "what the begin returned";
  EXPECT_EQ(end.slot, 0);
  EXPECT_FALSE(end.waited);
  EXPECT_TRUE(tracer_.ends[1].status.ok());
}

TEST_F(TracingTest, TheEndSaysHowLongTheCallerWaitedAndWhy) {
  PoolFor<Plain<1>> pool(backend, Traced());
  Lease held = Take(pool);
  AcquireQueue queue({}, &platform);
  PendingAcquire pending;
  ASSERT_FALSE(pending.Start(
      queue, pool, {.deadline = pool.In(50ms), .context = 9}, [](void*) {}, nullptr));
  EXPECT_EQ(tracer_.begins.size(), 2u);
  EXPECT_EQ(tracer_.ends.size(), 1u) << "it waits";
  platform.Advance(50ms);
  queue.Run(platform.Now());
  ASSERT_EQ(tracer_.ends.size(), 2u);
  EXPECT_EQ(tracer_.ends[1].event.context, 9u);
  EXPECT_EQ(tracer_.ends[1].event.took, 50ms);
  EXPECT_TRUE(tracer_.ends[1].event.waited);
  EXPECT_EQ(tracer_.ends[1].event.slot, -1);
  EXPECT_EQ(tracer_.ends[1].status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_FALSE(pending.Take().ok());
  EXPECT_EQ(tracer_.ends.size(), 2u) << "once";
}

TEST_F(TracingTest, OneThatIsGivenUpEnds) {
  PoolFor<Plain<1>> pool(backend, Traced());
  Lease held = Take(pool);
  AcquireQueue queue({}, &platform);
  {
    PendingAcquire pending;
    ASSERT_FALSE(pending.Start(
        queue, pool, {.context = 9}, [](void*) {}, nullptr));
  }
  ASSERT_EQ(tracer_.ends.size(), 2u);
  EXPECT_EQ(tracer_.ends[1].event.context, 9u);
  EXPECT_EQ(tracer_.ends[1].status.code(), absl::StatusCode::kCancelled);
}

TEST_F(TracingTest, ARefusalIsAnEnd) {
  PoolFor<Plain<1>> pool(backend, Traced());
  ASSERT_TRUE(pool.Close(pool.In(1s)).ok());
  EXPECT_FALSE(pool.Acquire(kWrite, pool.In(1s)).ok());
  ASSERT_EQ(tracer_.ends.size(), 1u);
  EXPECT_EQ(tracer_.ends[0].status.code(), absl::StatusCode::kFailedPrecondition);
}

// A tracer keeps, for each slot, whose lease it is: the end of a lease has to come before the slot's next one begins,
// also where it is handed over, was left dirty, or has to be opened anew.
class Leases : public Tracer, public Observer {
 public:
  void OnAcquireEnd(const AcquireEvent& event) override {
    if (event.slot >= 0) told.push_back("begin " + std::to_string(event.context));
  }
  void OnEvent(const Event& event) override {
    if (event.kind == EventKind::kCheckin) told.push_back("end");
  }
  std::vector<std::string> told;
};

TEST_F(TracingTest, ALeaseEndsBeforeTheNextOneOfItsSlotBegins) {
  Leases leases;
  PoolOptions options = Options();
  options.observer = &leases;
  options.acquire_observer = &leases;
  PoolFor<Plain<1>> pool(backend, options);
  AcquireQueue queue({}, &platform);
  const auto next = [&](uint64_t context, auto leave) {
    Lease held = Must(pool.Acquire({.deadline = pool.In(1s), .context = context}));
    PendingAcquire pending;
    bool done = false;
    ASSERT_FALSE(pending.Start(
        queue, pool, {.deadline = pool.In(1s), .context = context + 1},
        [](void* is_done) { *static_cast<bool*>(is_done) = true; }, &done));
    leave(held);
    held.Return();
    for (int i = 0; i < 4 && !done; ++i) {
      pool.Tick(platform.Now());
      queue.Run(platform.Now());
    }
    ASSERT_TRUE(done) << context;
    Must(pending.Take()).Return();
  };
  next(1, [](Lease&) {});
  next(3, [](Lease& held) { Scripted(held).MakeDirty(); });
  next(5, [](Lease& held) { held.Discard(); });
  EXPECT_EQ(leases.told,
            (std::vector<std::string>{"begin 1", "end", "begin 2", "end", "begin 3", "end",
                                      "begin 4", "end", "begin 5", "end", "begin 6", "end"}));
}

TEST_F(TracingTest, TryAcquireIsNotTold) {
  PoolFor<Plain<1>> pool(backend, Traced());
  Take(pool).Return();
  EXPECT_TRUE(pool.TryAcquire().ok());
  EXPECT_EQ(tracer_.begins.size(), 1u);
}

}  // namespace
}  // namespace roost
