// tests/pool/stats_test.cc - stats, histograms, the texts for people.
#include <gtest/gtest.h>
#include <pthread.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "tests/pool/pool_test_support.h"

namespace roost {
namespace {

using StatsTest = PoolTest;

// As puddle's TestPoolStatResources.
TEST_F(StatsTest, TellsApartWhatIsOpeningLentAndIdle) {
  PoolFor<Plain<2>> pool(backend, Options());
  Lease held = Take(pool);
  Gate server(platform);
  backend.set_hook([&](const CallInfo& info) {
    if (info.call == Call::kOpen) server.Pass();
  });
  Caller opening(platform, pool);
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 1, .in_use = 1, .busy = 1, .waiting = 1}));
  server.Open();
  platform.Run();
  opening.Return();
  EXPECT_EQ(CountsOf(pool), (Counts{.open = 2, .idle = 1, .in_use = 1}));
}

TEST_F(StatsTest, StartsWithItsShapeAndZeros) {
  PoolFor<Plain<2, 1>> pool(backend, Options());
  const Stats stats = pool.stats();
  EXPECT_EQ(stats.pool_size, 2);
  EXPECT_EQ(stats.max_overflow, 1);
  EXPECT_EQ(stats.capacity, 3);
  EXPECT_EQ(stats.checkouts + stats.opens + stats.timeouts + stats.wait.total(), 0u);
  EXPECT_EQ(stats.overflow_in_use, 0) << "not -2, as in SQLAlchemy's text";
  EXPECT_FALSE(stats.away || stats.paused || stats.closed);
  EXPECT_EQ(backend.count(Call::kOpen), 0);
}

TEST_F(StatsTest, CountsEveryKindOfRefusalByItself) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease held = Take(pool);
  (void)pool.Acquire(kWrite, pool.In(1ms));
  CancelToken token;
  pool.Cancel(token);
  (void)pool.Acquire({.deadline = pool.In(1s), .cancel = &token});
  (void)pool.TryAcquire();
  held.Return();
  (void)pool.Close(pool.In(1s));
  (void)pool.Acquire();
  const Stats stats = pool.stats();
  EXPECT_EQ(stats.checkouts, 1u);
  EXPECT_EQ(stats.timeouts, 2u) << "the deadline, and TryAcquire";
  EXPECT_EQ(stats.cancelled, 1u);
  EXPECT_EQ(stats.refused_closed, 1u);
  EXPECT_TRUE(stats.closed);
}

// The wait queue is not to blame.
TEST_F(StatsTest, AnOpenThatTakesTooLongIsNoTimeOut) {
  PoolFor<Plain<1>> pool(backend, Options());
  backend.Takes(Call::kOpen, 100s);
  EXPECT_EQ(pool.Acquire(kWrite, pool.In(1s)).status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(pool.stats().timeouts, 0u);
  EXPECT_EQ(pool.stats().refused_away, 1u);
}

TEST_F(StatsTest, EveryCloseIsCountedUnderItsReason) {
  PoolFor<Plain<1, 1>> pool(backend, Options());
  { Lease a = Take(pool), b = Take(pool); }
  pool.InvalidateAll();
  Take(pool).Discard();
  Lease broken = Take(pool);
  Scripted(broken).MakeBroken();
  broken.Return();
  uint64_t closes = 0;
  for (const uint64_t count : pool.stats().closes) closes += count;
  EXPECT_EQ(closes, static_cast<uint64_t>(backend.count(Call::kClose)));
  EXPECT_EQ(ClosesOf(pool, CloseReason::kOverflow), 1u);
  EXPECT_EQ(ClosesOf(pool, CloseReason::kInvalidated), 1u);
  EXPECT_EQ(ClosesOf(pool, CloseReason::kDiscarded), 1u);
  EXPECT_EQ(ClosesOf(pool, CloseReason::kBroken), 1u);
  EXPECT_EQ(ClosesOf(pool, CloseReason::kNone), 0u);
}

TEST_F(StatsTest, TimeOutsAreToldApartByWhatTheLineWaitedFor) {
  PoolFor<Plain<2>> pool(backend, Options());
  {
    Lease a = Take(pool), b = Take(pool);
    (void)pool.Acquire(kWrite, pool.In(1ms));
  }
  EXPECT_EQ(pool.stats().timeouts, 1u);
  EXPECT_EQ(pool.stats().timeouts_away + pool.stats().timeouts_opening, 0u) << "every one was lent";
  pool.Pause();
  (void)pool.Acquire(kWrite, pool.In(1ms));
  EXPECT_EQ(pool.stats().timeouts, 2u);
  EXPECT_EQ(pool.stats().timeouts_opening, 1u);
  EXPECT_EQ(pool.stats().timeouts_away, 0u);
}

struct Patient : Plain<1> {
  static constexpr WhenAway kWhenAway = WhenAway::kWait;
};

TEST_F(StatsTest, TimeOutsOfAnOutageAreCountedApart) {
  PoolFor<Patient> pool(backend, Options());
  backend.FailNext(Call::kOpen, Gone(), 1000);
  (void)pool.Acquire(kWrite, pool.In(1s));
  EXPECT_EQ(pool.stats().timeouts, 1u);
  EXPECT_EQ(pool.stats().timeouts_away, 1u);
  EXPECT_EQ(pool.stats().timeouts_opening, 0u);
}

TEST_F(StatsTest, TheTimeOfAnOpenIsCountedForEveryConnectionThatWasOpened) {
  PoolFor<Plain<2>> pool(backend, Options());
  backend.Takes(Call::kOpen, 30ms);
  Lease a = Take(pool), b = Take(pool);
  EXPECT_EQ(pool.stats().create.total(), 2u);
  EXPECT_EQ(pool.stats().create.sum(), 60ms);
  a.Discard();
  backend.FailNext(Call::kOpen, Gone(), 2);
  (void)pool.Acquire(kWrite, pool.In(1s));
  EXPECT_EQ(pool.stats().create.total(), 2u) << "one that failed cost nothing that is counted here";
}

struct HoldTimes : Plain<1> {
  static constexpr bool kHoldTimes = true;
};

TEST_F(StatsTest, TheWaitHistogramHoldsEveryLeaseAndTheHoldHistogramEveryReturn) {
  PoolFor<HoldTimes> pool(backend, Options());
  Lease held = Take(pool);
  platform.WhileWaiting([&] {
    platform.Advance(5ms);
    held.Return();
  });
  Lease next = Take(pool);
  EXPECT_EQ(pool.stats().wait.total(), 2u);
  EXPECT_EQ(pool.stats().wait.max(), 5ms);
  EXPECT_EQ(pool.stats().wait.count(Histogram::BucketOf(5ms)), 1u);
  EXPECT_EQ(pool.stats().hold.total(), 1u);
  EXPECT_EQ(pool.stats().hold.sum(), 5ms);
  platform.Advance(2s);
  EXPECT_EQ(pool.stats().longest_hold, 2s);
  next.Return();
  EXPECT_EQ(pool.stats().longest_hold, 0s);
  EXPECT_EQ(pool.stats().hold.max(), 2s);
}

TEST_F(StatsTest, HoldTimesCanBeSwitchedOff) {
  PoolFor<Plain<1>> pool(backend, Options());
  Take(pool).Return();
  EXPECT_EQ(pool.stats().hold.total(), 0u);
  EXPECT_EQ(pool.stats().checkouts, 1u);
}

// ---- Details ----

struct Details : PoolDetails {
  std::array<SlotDetails, 8> slots;
  std::array<WaiterDetails, 2> waiters;
};

TEST_F(StatsTest, InspectTellsWhatEachSlotAndWaiterDoes) {
  PoolFor<Plain<1, 1>> pool(backend, Options());
  Details details;
  pool.Inspect(details, details.slots, details.waiters);
  ASSERT_EQ(details.slot_count, 2u);
  EXPECT_EQ(details.slots[0].state, "empty");
  EXPECT_EQ(details.slots[0].age, 0s);
  const int line = __LINE__ + 1;
  Lease held = Must(pool.Acquire(kWrite, pool.In(1s)));
  Lease other = Take(pool);
  platform.Advance(1s);
  Caller first(platform, pool, pool.In(9s));
  platform.Advance(2s);
  Caller second(platform, pool, pool.In(9s)), third(platform, pool, pool.In(9s));
  pool.Inspect(details, details.slots, details.waiters);
  EXPECT_EQ(details.stats.waiting, 3);
  ASSERT_EQ(details.lane_count, 1u);
  EXPECT_EQ(details.lanes[0].in_use, 2);
  EXPECT_EQ(details.lanes[0].waiting, 3);
  EXPECT_EQ(details.lanes[0].oldest_wait, 2s);
  EXPECT_EQ(details.slots[0].state, "leased");
  EXPECT_EQ(details.slots[0].held, 3s);
  EXPECT_EQ(details.slots[0].where.line, line);
  EXPECT_THAT(details.slots[0].where.file, HasSubstr("stats_test.cc"));
  ASSERT_EQ(details.waiter_count, 2u) << "as many as there was room for, the oldest first";
  EXPECT_EQ(details.waiters[0].since, 2s);
  EXPECT_EQ(details.waiters[1].since, 0s);
  held.Return();
  platform.Run();
  for (Caller* caller : {&first, &second, &third}) {
    platform.Run();
    caller->Return();
  }
  other.Return();
}

TEST_F(StatsTest, InspectKeepsTheLastErrorWithItsAgeAfterItIsOver) {
  PoolFor<Plain<1>> pool(backend, Options());
  backend.FailNext(Call::kOpen, Gone(), 2);
  (void)pool.Acquire(kWrite, pool.In(1ms));
  (void)pool.Acquire(kWrite, pool.In(1ms));
  Details details;
  pool.Inspect(details, details.slots, details.waiters);
  EXPECT_TRUE(details.lanes[0].away);
  EXPECT_EQ(details.lanes[0].error_code, absl::StatusCode::kUnavailable);
  EXPECT_THAT(details.lanes[0].last_error(), HasSubstr("connection refused"));
  EXPECT_GT(details.lanes[0].next_try_in, 0s);
  platform.Advance(100s);
  Take(pool).Return();
  platform.Advance(2s);
  pool.Inspect(details, details.slots, details.waiters);
  EXPECT_FALSE(details.lanes[0].away);
  EXPECT_EQ(details.lanes[0].away_for, 0s);
  EXPECT_GE(details.lanes[0].error_ago, 102s);
  EXPECT_EQ(details.slots[0].rested, 2s);
  EXPECT_EQ(details.slots[0].age, 2s);
}

// ---- Histogram ----

TEST(HistogramTest, PercentileIsTheBoundBelowWhichTheShareLies) {
  Histogram histogram;
  EXPECT_EQ(histogram.Percentile(0.5), 0ns);
  for (int i = 0; i < 99; ++i) histogram.Add(3us);
  histogram.Add(100ms);
  EXPECT_EQ(histogram.Percentile(0.5), 4us);
  EXPECT_EQ(histogram.Percentile(0.99), 4us);
  EXPECT_EQ(histogram.Percentile(1.0), 100ms) << "not above the longest one seen";
  EXPECT_EQ(histogram.total(), 100u);
  EXPECT_EQ(histogram.sum(), 99 * 3us + 100ms);
}

TEST(HistogramTest, PercentileIsAtMostTwiceTheTrueOneBelowTheLastBucket) {
  for (Duration span = 1us; span < 67s; span = span * 5 / 4) {
    Histogram histogram;
    histogram.Add(span, 99);
    histogram.Add(1h);
    EXPECT_GE(histogram.Percentile(0.5), span);
    EXPECT_LE(histogram.Percentile(0.5), span * 2);
  }
  Histogram slow;
  slow.Add(70s, 99);
  slow.Add(1h);
  EXPECT_EQ(slow.Percentile(0.5), 1h);
}

TEST(HistogramTest, PercentileOfASingleSpanIsThatSpan) {
  Histogram histogram;
  histogram.Add(1h);
  EXPECT_EQ(histogram.Percentile(0.0), 1h);
  EXPECT_EQ(histogram.Percentile(1.0), 1h);
}

// ---- Texts ----

TEST_F(StatsTest, TheStatusTextIsSqlAlchemysAndIsCutToFit) {
  PoolFor<Plain<2, 1>> pool(backend, Options());
  EXPECT_EQ(StatusText(pool),
            "Pool size: 2  Connections in pool: 0 Current Overflow: -2 "
            "Current Checked out connections: 0");
  std::array<char, 12> small;
  EXPECT_EQ(WriteSqlAlchemyStatus(pool.stats(), small).substr(0, 10), "Pool size:");
  EXPECT_EQ(WriteSqlAlchemyStatus(pool.stats(), {}), "");
}

TEST_F(StatsTest, TheReportTellsWhoHoldsWhoWaitsAndWhatWentWrong) {
  PoolFor<Plain<1>> pool(backend, Options());
  backend.FailNext(Call::kOpen, Gone());
  (void)pool.Acquire(kWrite, pool.In(1s));
  const int line = __LINE__ + 1;
  Lease held = Must(pool.Acquire(kWrite, pool.In(1s)));
  platform.Advance(1200ms);
  Caller waiter(platform, pool, pool.In(1s));
  const std::string report = ReportText(pool);
  EXPECT_THAT(report, HasSubstr("main"));
  EXPECT_THAT(report, HasSubstr("stats_test.cc:" + std::to_string(line)));
  EXPECT_THAT(report, HasSubstr("for 1.20 s"));
  EXPECT_THAT(report, HasSubstr("connection refused"));
  EXPECT_THAT(report, HasSubstr("wait"));
  held.Return();
  platform.Run();
}

TEST_F(StatsTest, AReportIsCutToFit) {
  PoolFor<Plain<2>> pool(backend, Options());
  const std::string whole = ReportText(pool);
  for (size_t size = 0; size < whole.size(); ++size) {
    std::vector<char> room(size + 1, '#');
    const std::string_view text = pool.Report(std::span(room).first(size));
    EXPECT_LE(text.size(), size);
    EXPECT_EQ(room[size], '#') << "nothing is written behind the buffer";
  }
}

// How much of a thread's stack `body` uses, beyond what a thread uses that does nothing.
size_t StackOf(void (*body)(void* context), void* context) {
  constexpr size_t kBytes = 512 * 1024;
  static constexpr unsigned char kPaint = 0x5a;
  const auto used_by = [&](void (*work)(void*)) {
    struct Job {
      void (*work)(void*);
      void* context;
    } job{work, context};
    auto* const stack = static_cast<unsigned char*>(std::aligned_alloc(4096, kBytes));
    std::fill_n(stack, kBytes, kPaint);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, stack, kBytes);
    pthread_t thread;
    const auto run = [](void* given) -> void* {
      const Job& of = *static_cast<Job*>(given);
      of.work(of.context);
      return nullptr;
    };
    EXPECT_EQ(pthread_create(&thread, &attributes, run, &job), 0);
    pthread_join(thread, nullptr);
    pthread_attr_destroy(&attributes);
    const size_t untouched = static_cast<size_t>(
        std::find_if(stack, stack + kBytes, [](unsigned char c) { return c != kPaint; }) - stack);
    std::free(stack);
    return kBytes - untouched;
  };
  return used_by(body) - used_by([](void*) {});
}

TEST_F(StatsTest, AReportTakesFourteenKilobytesOfStackAtMost) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(__clang__)
  GTEST_SKIP() << "a sanitizer's stack is larger";
#endif
  PoolFor<Plain<2>> pool(backend, Options());
  Lease lease = Take(pool);
  Pool* context = &pool;
  const auto report = [](void* of) {
    static std::array<char, 4096> buffer;
    (void)static_cast<Pool*>(of)->Report(buffer);
    (void)static_cast<Pool*>(of)->Explain(absl::CancelledError(), 1s, buffer);
  };
  report(context);  // the dynamic linker's own work
  EXPECT_LE(StackOf(report, context), 14u * 1024);
}

TEST_F(StatsTest, ExplainGivesTheGuidesSentenceWithTheTimeOutAskedForAndTheHolders) {
  PoolFor<Plain<2, 1>> pool(backend, Options());
  Lease a = Take(pool), b = Take(pool);
  const int line = __LINE__ + 1;
  Lease c = Must(pool.Acquire(kWrite, pool.In(9s)));
  platform.Advance(1150ms);
  const absl::Status refusal = pool.Acquire(kWrite, pool.In(50ms)).status();
  std::array<char, 1024> buffer;
  const std::string text(pool.Explain(refusal, 50ms, buffer));
  EXPECT_THAT(text,
              ::testing::StartsWith("QueuePool limit of size 2 overflow 1 reached, connection "
                                    "timed out, timeout 0.05"));
  EXPECT_THAT(text, HasSubstr("stats_test.cc:" + std::to_string(line) + " for 1.20 s"));
  EXPECT_EQ(text.find('\n'), std::string::npos);
}

TEST_F(StatsTest, ExplainOfAnotherRefusalGivesItsOwnMessage) {
  PoolFor<Plain<1>> pool(backend, Options());
  backend.FailNext(Call::kOpen, Gone());
  const absl::Status refusal = pool.Acquire(kWrite, pool.In(1s)).status();
  std::array<char, 1024> buffer;
  EXPECT_THAT(std::string(pool.Explain(refusal, 1s, buffer)), HasSubstr("connection refused"));
}

TEST_F(StatsTest, ExplainIsCutToFit) {
  PoolFor<Plain<1>> pool(backend, Options());
  Lease held = Take(pool);
  const absl::Status refusal = pool.Acquire(kWrite, pool.In(1ms)).status();
  std::array<char, 20> buffer;
  EXPECT_EQ(pool.Explain(refusal, 1ms, buffer).substr(0, 15), "QueuePool limit");
  EXPECT_EQ(pool.Explain(refusal, 1ms, {}), "");
}

TEST_F(StatsTest, TheReportKnowsPausedClosedAndAway) {
  PoolFor<Plain<1>> pool(backend, Options());
  pool.Pause();
  EXPECT_THAT(ReportText(pool), HasSubstr("paused"));
  EXPECT_TRUE(pool.stats().paused);
  pool.Resume();
  EXPECT_THAT(ReportText(pool), Not(HasSubstr("paused")));
  backend.StopServer(Gone());
  (void)pool.Acquire();
  (void)pool.Acquire();
  EXPECT_THAT(ReportText(pool), HasSubstr("away"));
  ASSERT_TRUE(pool.Close(pool.In(1s)).ok());
  EXPECT_THAT(ReportText(pool), HasSubstr("closed"));
}

}  // namespace
}  // namespace roost
