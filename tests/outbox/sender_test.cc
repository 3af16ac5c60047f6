// The outbox's decisions, one by one, with a scripted server and a clock that is turned by hand.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/outbox/world.h"

namespace roost::outbox {
namespace {

using Fate = ScriptedServer::Fate;
using Kind = OutboxEvent::Kind;

Fate Refused(OutboxHand hand, const char* why = "refused") {
  return {.kind = Fate::Kind::kRefused, .hand = hand, .status = absl::InternalError(why)};
}
Fate Away() { return {.kind = Fate::Kind::kCutBefore}; }
Fate Lost() { return {.kind = Fate::Kind::kCutAfter}; }

// ---- the steady state -----------------------------------------------------------------------------

TEST(OutboxTest, ABatchIsOneCallAndAConnectionOneMore) {
  World world({.batch = 100});
  world.Run(1s);
  EXPECT_EQ(world.Calls(), 1u);  // the hello
  for (int i = 0; i < 5; ++i) {
    world.Take(100);
    world.Run(1s);
  }
  EXPECT_EQ(world.Calls(), 6u);
  EXPECT_EQ(world.server.rows().size(), 500u);
  world.server.Disconnect();
  world.Take(100);
  world.Run(1s);
  // One that was not sent, the hello, the batch.
  EXPECT_EQ(world.Calls(), 9u);
  EXPECT_EQ(world.stats().hellos, 2u);
  EXPECT_EQ(world.stats().batches_ok, 6u);
}

TEST(OutboxTest, RowsLingerUntilABatchIsFull) {
  World world;
  world.Run(1s);
  world.Take(3);
  world.Run(4s);
  EXPECT_EQ(world.server.rows().size(), 0u);
  EXPECT_EQ(world.stats().waiting, 3);
  world.Run(2s);
  EXPECT_EQ(world.server.rows().size(), 3u);
  world.Take(99);
  world.Run(1s);
  EXPECT_EQ(world.server.rows().size(), 3u);
  world.Take(1);
  world.Run(1s);
  EXPECT_EQ(world.server.rows().size(), 103u);
}

TEST(OutboxTest, RowsAreFoundWithoutBeingTold) {
  World world;
  world.Run(1s);
  world.Execute("INSERT INTO reading VALUES (1, 1, 5, 0, 'level', 'mm', 1.5)");
  world.Run(11s);
  EXPECT_EQ(world.server.rows().size(), 1u);
}

TEST(OutboxTest, ALeaseGoesBackWhenNothingIsDue) {
  World world;
  world.Run(1s);
  EXPECT_EQ(world.server.rests, 1);
  world.Take(250);
  world.Run(1s);
  EXPECT_EQ(world.server.rests, 2);
  world.Run(1min);
  EXPECT_EQ(world.server.rests, 3);  // after the rows that lingered
}

TEST(OutboxTest, NoLocalLeaseIsHeldWhileTheServerIsWaitedFor) {
  World world;
  world.server.latency = 5s;
  world.Take(150);
  int in_call = 0;
  for (int i = 0; i < 200; ++i) {
    const TimePoint now = world.platform.Now();
    const TimePoint next = world.outbox->Turn(now);
    EXPECT_EQ(world.pool().stats().in_use, 0);
    std::array<DescriptorWait, 2> waits{};
    in_call += world.outbox->Descriptors(waits) == 1;
    if (next > now) world.Advance(std::min<Duration>(next - now, 1s));
  }
  EXPECT_GT(in_call, 10);
  EXPECT_EQ(world.server.rows().size(), 150u);
}

TEST(OutboxTest, ABatchEndsBeforeARowOfAnotherClock) {
  World world;
  world.Take(3);
  world.Take(3, 1, 2);
  world.Take(3);
  world.Run(10s);
  EXPECT_EQ(world.server.rows().size(), 9u);
  EXPECT_EQ(world.Calls(), 4u);
}

TEST(OutboxTest, WhatIsLeftFromBeforeGoesAtOnceWithoutNewRows) {
  World world;
  world.Take(5);
  world.Restart(2);
  world.Run(1s);
  EXPECT_EQ(world.server.rows().size(), 5u);
}

TEST(OutboxTest, TheFirstRowBeginsTheFirstSegment) {
  World world;
  world.next_seq = 1000;
  world.Take(2);
  world.Run(10s);
  EXPECT_EQ(world.Segments(), "1:1000-@1001");
  EXPECT_EQ(world.server.accounted(), 2);
}

// ---- epochs, segments, holes ----------------------------------------------------------------------

TEST(OutboxTest, AnotherEpochBeginsASegmentOfItsOwn) {
  World world;
  world.Take(3);
  world.Restart(2);
  world.Take(2);
  world.Restart(3);
  world.next_seq += 4;
  world.Take(1);
  world.Run(10s);
  EXPECT_EQ(world.Segments(), "1:1-3@3 2:4-9@9 3:10-@10");
  EXPECT_EQ(world.server.rows().size(), 6u);
  EXPECT_EQ(world.server.gap_numbers(OutboxWhy::kUnused), 4);
  EXPECT_EQ(world.server.accounted(), 10);
}

TEST(OutboxTest, ANumberWithoutARowIsAccountedForWithItsReason) {
  World world;
  world.server.is_away = true;
  world.Take(40);
  world.next_seq += 2;
  world.Take(10);
  world.Run(10s);
  world.Execute(
      "DELETE FROM reading WHERE seq IN (3, 4, 5, 20, 30, 31);"
      "INSERT INTO gap(epoch, lo, hi, why) VALUES (1, 3, 5, 1), (1, 20, 20, 3), (1, 30, 31, 2)");
  world.server.is_away = false;
  world.Run(10min);
  EXPECT_EQ(world.server.rows().size(), 44u);
  EXPECT_EQ(world.server.gap_numbers(OutboxWhy::kFull), 3);
  EXPECT_EQ(world.server.gap_numbers(OutboxWhy::kThin), 1);
  EXPECT_EQ(world.server.gap_numbers(OutboxWhy::kAge), 2);
  EXPECT_EQ(world.server.gap_numbers(OutboxWhy::kUnused), 2);
  EXPECT_EQ(world.server.accounted(), 52);
  EXPECT_EQ(world.Text("SELECT sum(sent) FROM gap"), "3");
  const OutboxStats stats = world.stats();
  EXPECT_EQ(stats.gap_numbers[1], 3u);
  EXPECT_EQ(stats.gap_numbers[0], 2u);
}

// Rows of an epoch that were all deleted before the outbox met one: the numbers are still told, with the
// reason.
TEST(OutboxTest, AnEpochOfWhichNothingIsLeftIsAccountedFor) {
  World world;
  world.server.is_away = true;
  world.Take(10);
  world.Restart(2);
  world.Take(10);
  world.Restart(3);
  world.Take(10);
  world.Execute(
      "DELETE FROM reading WHERE epoch = 2; INSERT INTO gap(epoch, lo, hi, why) VALUES (2, 11, 20, "
      "1)");
  world.server.is_away = false;
  world.Run(10min);
  EXPECT_EQ(world.server.rows().size(), 20u);
  EXPECT_EQ(world.server.gap_numbers(OutboxWhy::kFull), 10);
  EXPECT_EQ(world.server.accounted(), 30);
}

// Of a store from which everything was deleted the next number is a greater one.
TEST(OutboxTest, AnEmptyTableIsNoEnd) {
  World world;
  world.Take(20);
  world.Run(10s);
  world.Take(20);
  world.Execute("DELETE FROM reading; INSERT INTO gap(epoch, lo, hi, why) VALUES (1, 21, 40, 1)");
  world.Run(1min);
  EXPECT_EQ(world.server.accounted(), 20);
  world.Take(5);
  world.Run(1min);
  EXPECT_EQ(world.server.rows().size(), 25u);
  EXPECT_EQ(world.server.gap_numbers(OutboxWhy::kFull), 20);
  EXPECT_EQ(world.server.accounted(), 45);
  EXPECT_EQ(world.stats().waiting, 0);
}

TEST(OutboxTest, AFinishedSegmentGoesWhenItsRowsHaveGone) {
  World world;
  world.Take(3);
  world.Restart(2);
  world.Take(3);
  world.Run(10s);
  EXPECT_EQ(world.Segments(), "1:1-3@3 2:4-@6");
  world.Execute(
      "DELETE FROM reading WHERE epoch = 1; INSERT INTO gap(epoch, lo, hi, why) VALUES (1, 2, 3, "
      "2)");
  world.server.Disconnect();
  world.Take(1);
  world.Run(10s);
  EXPECT_EQ(world.Segments(), "2:4-@7");
  EXPECT_EQ(world.Text("SELECT count(*) FROM gap"), "0");
}

TEST(OutboxTest, EverySegmentIsAskedForInPages) {
  World world;
  for (int64_t epoch = 1; epoch <= 70; ++epoch) {
    world.Restart(epoch);
    world.Take(1);
  }
  world.Run(10s);
  EXPECT_EQ(world.server.rows().size(), 70u);
  const size_t before = world.Calls();
  world.server.LoseLast(70);
  world.Take(1);
  world.Run(10s);
  std::string asked;
  for (size_t i = before; i < world.Calls(); ++i) {
    if (world.server.calls[i].is_hello) asked += std::to_string(world.server.calls[i].asked) + " ";
  }
  EXPECT_EQ(asked, "32 32 6 ");
  EXPECT_EQ(world.server.rows().size(), 71u);
  EXPECT_EQ(world.stats().rewinds, 70u);
}

// Between two pages the connection became one to another server: the first page is asked again.
TEST(OutboxTest, ThePagesOfAHelloComeByOneConnection) {
  World world;
  for (int64_t epoch = 1; epoch <= 40; ++epoch) {
    world.Restart(epoch);
    world.Take(1);
  }
  world.Run(10s);
  world.server.Disconnect();
  bool done = false;
  world.server.before_answer = [&] {
    if (done || world.server.calls.back().is_hello == false) return;
    done = true;
    world.server.LoseLast(40);
  };
  world.Take(1);
  world.Run(10s);
  EXPECT_EQ(world.server.rows().size(), 41u);
}

// ---- fresh first ----------------------------------------------------------------------------------

TEST(OutboxTest, AfterAnOutageTheNewestRowsGoFirst) {
  World world({.batch = 500, .back_off_max = 2s});
  world.server.spread = 1s;
  world.Take(10);
  world.Run(10s);
  world.server.is_away = true;
  for (int hour = 0; hour < 24; ++hour) {
    world.Take(3600);
    world.Run(1h);
  }
  world.server.is_away = false;
  world.server.latency = 2s;
  const TimePoint back = world.platform.Now();
  TimePoint first{};
  Duration oldest_fresh{};
  for (int i = 0; i < 20; ++i) {
    world.Take(1);
    const TimePoint taken = world.platform.Now();
    const ScriptedServer::Key key{.epoch = 1, .seq = world.next_seq - 1};
    while (world.server.rows().count(key) == 0 && world.platform.Now() - taken < 30s) {
      world.Run(100ms);
    }
    if (first == TimePoint{}) {
      first = world.platform.Now();
      EXPECT_LE(first - back, 2200ms + 2s + 2s + 100ms);  // the attempt, the hello, the batch
    }
    oldest_fresh = std::max<Duration>(oldest_fresh, world.platform.Now() - taken);
  }
  EXPECT_LE(oldest_fresh, 10s);
  EXPECT_GT(world.stats().waiting, 10'000);
  world.Run(10min);
  EXPECT_EQ(world.stats().waiting, 0);
  EXPECT_EQ(world.server.rows().size(), static_cast<size_t>(world.next_seq - 1));
}

TEST(OutboxTest, OldestFirstNeverCuts) {
  World world({.order = OutboxOrder::kOldestFirst});
  world.Take(10);
  world.Run(10s);
  world.server.is_away = true;
  world.Take(1000);
  world.Run(10min);
  world.server.is_away = false;
  world.Run(10min);
  EXPECT_EQ(world.Segments(), "1:1-@1010");
}

TEST(OutboxTest, TheDrainIsAsFastAsOldestFirst) {
  size_t calls[2] = {0, 0};
  for (const OutboxOrder order : {OutboxOrder::kFreshFirst, OutboxOrder::kOldestFirst}) {
    World world({.order = order});
    world.Run(1s);
    world.server.is_away = true;
    world.Take(20'000);
    world.Run(10min);
    world.server.is_away = false;
    const size_t before = world.Calls();
    world.Run(10min);
    EXPECT_EQ(world.stats().waiting, 0);
    calls[order == OutboxOrder::kOldestFirst] = world.Calls() - before;
  }
  EXPECT_LE(static_cast<double>(calls[0]) * 0.9, static_cast<double>(calls[1]));
}

TEST(OutboxTest, AtMostEightSegmentsAreUnfinished) {
  World world({.batch = 100});
  world.Run(1s);
  int most = 0;
  for (int i = 0; i < 20; ++i) {
    world.server.is_away = true;
    world.Take(300);
    world.Run(10min);
    world.server.is_away = false;
    // The hello is served, the batch is not.
    world.server.fates = {Fate{}, Away()};
    world.Run(6min);
    most = std::max(most, world.stats().segments);
    world.server.fates.clear();
  }
  EXPECT_LE(most, 8);
  world.Run(1h);
  EXPECT_EQ(world.server.rows().size(), 6000u);
}

// ---- the server loses, or knows more --------------------------------------------------------------

TEST(OutboxTest, WhatTheServerHasLostIsSentAgain) {
  World world({.batch = 100});
  for (int i = 0; i < 10; ++i) {
    world.Take(100);
    world.Run(1s);
  }
  world.server.LoseLast(4);
  world.Take(100);
  world.Run(10s);
  EXPECT_EQ(world.server.rows().size(), 1100u);
  EXPECT_EQ(world.stats().rewinds, 1u);
  EXPECT_EQ(world.stats().resent_rows, 400u);
  ASSERT_EQ(world.Count(Kind::kRewound), 1);
  const auto rewound = std::find_if(world.events.begin(), world.events.end(),
                                    [](const auto& e) { return e.kind == Kind::kRewound; });
  EXPECT_EQ(rewound->from, 1000);
  EXPECT_EQ(rewound->to, 600);
}

TEST(OutboxTest, WhatWasSettledAndLostIsAccountedFor) {
  World world;
  world.Take(100);
  world.Run(10s);
  world.Execute("DELETE FROM reading WHERE seq <= 60");
  world.server.LoseLast(1);
  world.Take(100);
  world.Run(10s);
  EXPECT_EQ(world.server.rows().size(), 140u);
  EXPECT_EQ(world.server.gap_numbers(OutboxWhy::kSettled), 60);
  EXPECT_EQ(world.server.accounted(), 200);
}

TEST(OutboxTest, AServerWithoutAMarkGetsAllThatIsKept) {
  World world;
  world.Take(100);
  world.Run(10s);
  world.Take(100);
  world.Run(10s);
  world.server.LoseLast(2);
  EXPECT_EQ(world.server.rows().size(), 0u);
  world.Take(1);
  world.Run(1min);
  EXPECT_EQ(world.server.rows().size(), 201u);
}

TEST(OutboxTest, AnAnswerThatWasLostCostsNothing) {
  World world;
  world.Run(1s);
  world.server.fates = {Lost()};
  world.Take(100);
  world.Run(10min);
  EXPECT_EQ(world.server.rows().size(), 100u);
  EXPECT_EQ(world.stats().batches_unknown, 1u);
  EXPECT_EQ(world.stats().rewinds, 0u);
  world.Take(100);
  world.Run(10s);
  EXPECT_EQ(world.server.rows().size(), 200u);
}

// The card is an older copy of itself: the server knows more of the epoch than the node, and rows of this run
// have numbers that the server has of the copied one.
TEST(OutboxTest, AnOlderCopyOfTheCardHidesNoRow) {
  World world;
  world.Take(100);
  world.Run(10s);
  world.Take(400);
  world.Run(10s);
  EXPECT_EQ(world.server.rows().size(), 500u);
  world.Execute("DELETE FROM reading WHERE seq > 100; UPDATE segment SET sent = 100, acked = 100");
  world.next_seq = 101;
  world.Restart(2);
  world.Take(80);
  world.Run(10s);
  EXPECT_EQ(world.server.rows().size(), 580u);
  EXPECT_EQ(world.Segments(), "1:1-100@100 2:101-@180");
}

TEST(OutboxTest, AMarkThatGoesToAndFroIsNoTightLoop) {
  World world;
  world.Take(100);
  world.Run(10s);
  world.server.before_answer = [&] {
    if (world.server.transactions() > 0) world.server.LoseLast(1);
  };
  world.Take(100);
  world.Run(1min);
  world.server.before_answer = nullptr;
  EXPECT_LT(world.Calls(), 400u);
  world.Take(1);
  world.Run(10min);
  EXPECT_EQ(world.server.rows().size(), 201u);
}

// ---- hands ----------------------------------------------------------------------------------------

TEST(OutboxTest, ALostRaceIsRunOnceMoreAtOnce) {
  World world;
  world.Run(1s);
  world.server.fates = {Refused(OutboxHand::kAgain)};
  world.Take(100);
  world.Run(1s);
  EXPECT_EQ(world.server.rows().size(), 100u);
  EXPECT_EQ(world.stats().batches_again, 1u);
  EXPECT_EQ(world.States(), "");
  world.server.fates = {Refused(OutboxHand::kAgain), Refused(OutboxHand::kAgain)};
  world.Take(100);
  world.Run(20ms);
  EXPECT_EQ(world.server.rows().size(), 100u);
  world.Run(1min);
  EXPECT_EQ(world.States(), "waiting sending");
  EXPECT_EQ(world.server.rows().size(), 200u);
}

TEST(OutboxTest, ARefusalByConfigurationIsHeld) {
  World world;
  world.Run(1s);
  for (int i = 0; i < 3; ++i) world.server.fates.push_back(Refused(OutboxHand::kHold, "no table"));
  world.Take(500);
  world.Run(14min);
  EXPECT_EQ(world.stats().state, OutboxState::kHeld);
  EXPECT_EQ(world.stats().reason.message(), "no table");
  EXPECT_EQ(world.Calls(), 1u + 3u);
  EXPECT_EQ(world.States(), "held");  // told once
  EXPECT_EQ(world.stats().rejected_rows, 0u);
  world.Run(6min);
  EXPECT_EQ(world.server.rows().size(), 500u);
  EXPECT_EQ(world.States(), "held sending");
}

TEST(OutboxTest, RetryTriesAtOnce) {
  World world;
  world.Run(1s);
  world.server.fates = {Refused(OutboxHand::kHold)};
  world.Take(100);
  world.Run(10s);
  EXPECT_EQ(world.server.rows().size(), 0u);
  world.outbox->Retry();
  world.Run(1s);
  EXPECT_EQ(world.server.rows().size(), 100u);
}

// Of a program that asks before each turn.
TEST(OutboxTest, WhatIsAskedForEachTurnHindersNothing) {
  const auto turns_until_all = [](void (Outbox::*ask)()) {
    World world;
    world.Take(400);
    world.server.fates = {Refused(OutboxHand::kAgain), Lost()};
    int turns = 0;
    for (; world.server.rows().size() < 400 && turns < 5000; ++turns) {
      (world.outbox.get()->*ask)();
      const TimePoint now = world.platform.Now();
      const TimePoint next = world.outbox->Turn(now);
      // RowsSealed ends no wait for the server, so time has to pass.
      world.Advance(std::min(std::max(next, now + 10ms), now + 1s) - now);
    }
    EXPECT_EQ(world.server.rows().size(), 400u);
    return turns;
  };
  EXPECT_LT(turns_until_all(&Outbox::Retry), 100);
  EXPECT_LT(turns_until_all(&Outbox::RowsSealed), 5000);
}

TEST(OutboxTest, AnOlderSchemaIsHeldANewerOneServes) {
  World world;
  world.server.schema_version = 0;
  world.Take(100);
  world.Run(10s);
  EXPECT_EQ(world.stats().state, OutboxState::kHeld);
  EXPECT_EQ(world.stats().reason.message(),
            "the server's schema is of version 0, and this program needs version 1");
  world.server.schema_version = 2;
  world.Run(6min);
  EXPECT_EQ(world.server.rows().size(), 100u);
}

TEST(OutboxTest, AServerThatNeverHadTheSchemaIsNotHeld) {
  World world;
  Fate none = Refused(OutboxHand::kHold);
  none.has_no_schema = true;
  world.server.fates = {none};
  world.Take(100);
  world.Run(10s);
  EXPECT_EQ(world.stats().state, OutboxState::kNoSchema);
  world.Run(6min);
  EXPECT_EQ(world.server.rows().size(), 100u);
  // From then on its loss is a matter of configuration, also after a restart.
  world.Restart(2);
  world.server.fates = {none};
  world.Run(10s);
  EXPECT_EQ(world.stats().state, OutboxState::kHeld);
}

TEST(OutboxTest, AFullServerIsGivenItsTime) {
  World world;
  world.Run(1s);
  Fate full = Refused(OutboxHand::kWait);
  full.not_before = 30s;
  world.server.fates = {full};
  world.Take(100);
  world.Run(29s);
  EXPECT_EQ(world.Calls(), 2u);
  EXPECT_EQ(world.stats().next_try, world.platform.Now() + 1s + 20ms);
  world.Run(2s);
  EXPECT_EQ(world.server.rows().size(), 100u);
}

TEST(OutboxTest, AClonedCardIsTold) {
  World world;
  world.server.clones = 1;
  world.Run(10s);
  EXPECT_EQ(world.Count(Kind::kCloned), 1);
}

// ---- rows that are refused for their own sake -----------------------------------------------------

TEST(OutboxTest, AServerThatIsolatesCostsNoRoundTrip) {
  World world;
  world.Run(1s);
  world.server.bad_values = {7, 70, 71};
  world.Take(100);
  world.Run(1s);
  EXPECT_EQ(world.Calls(), 2u);
  EXPECT_EQ(world.server.rows().size(), 97u);
  EXPECT_EQ(world.stats().rejected_rows, 3u);
}

TEST(OutboxTest, APlainTableGetsTheBadRowsSetAside) {
  World world;
  // Batches have grown to 500.
  for (int i = 0; i < 4; ++i) {
    world.Take(500);
    world.Run(1s);
  }
  world.server.isolates = false;
  world.server.bad_values = {2007, 2270, 2271};
  const size_t before = world.Calls();
  world.Take(500);
  world.Run(1s);
  EXPECT_LE(world.Calls() - before, 50u);
  EXPECT_EQ(world.server.rows().size(), 2497u);
  EXPECT_EQ(world.server.gap_numbers(OutboxWhy::kSetAside), 3);
  EXPECT_EQ(world.server.accounted(), 2500);
  EXPECT_EQ(world.Text("SELECT group_concat(seq || ' ' || state || ' ' || why) FROM reject"),
            "2007 INVALID_ARGUMENT value out of range,2270 INVALID_ARGUMENT value out of "
            "range,2271 INVALID_ARGUMENT value out of range");
  EXPECT_EQ(world.Count(Kind::kSetAside), 3);
  // The next batch is a whole one.
  world.Take(500);
  world.Run(1s);
  EXPECT_EQ(world.server.calls.back().rows, 500u);
}

// A mistake of the schema is not a thousand bad rows.
TEST(OutboxTest, AtMostTwentyRowsAreSetAside) {
  World world;
  world.Take(400);
  world.Run(10s);
  world.server.isolates = false;
  for (int value = 401; value <= 1400; ++value) world.server.bad_values.insert(value);
  world.Take(1000);
  world.Run(30min);
  EXPECT_EQ(world.stats().rejected_rows, 20u);
  EXPECT_EQ(world.stats().state, OutboxState::kHeld);
  world.server.bad_values.clear();
  world.Run(6min);
  EXPECT_EQ(world.server.rows().size(), 400u + 980u);
}

// One in ten, in batches of one row each: the same bound.
TEST(OutboxTest, MoreThanOneInAHundredIsHeldAlsoInSmallBatches) {
  World world({.linger = 0s});
  world.server.isolates = false;
  world.Run(1s);
  for (int i = 1; i <= 400 && world.stats().state != OutboxState::kHeld; ++i) {
    if (i % 10 == 0) world.server.bad_values.insert(static_cast<double>(world.next_seq));
    world.Take(1);
    world.Run(2s);
  }
  EXPECT_EQ(world.stats().state, OutboxState::kHeld);
  EXPECT_GE(world.stats().rejected_rows, 20u);
  EXPECT_LE(world.stats().rejected_rows, 23u);
  // One in two hundred may be for ever.
  World seldom({.linger = 0s});
  seldom.server.isolates = false;
  for (int i = 1; i <= 60; ++i) {
    seldom.server.bad_values.insert(static_cast<double>(seldom.next_seq + 100));
    seldom.Take(200);
    seldom.Run(2s);
  }
  EXPECT_EQ(seldom.stats().rejected_rows, 60u);
  EXPECT_EQ(seldom.stats().waiting, 0);
}

TEST(OutboxTest, ABatchThatIsTooLargeIsHalvedAndStaysSmaller) {
  World world;
  world.server.too_large_from = 60;
  world.Take(1000);
  world.Run(1min);
  EXPECT_EQ(world.server.rows().size(), 1000u);
  EXPECT_EQ(world.stats().batches_too_large, 1u);
  EXPECT_EQ(world.stats().batch_rows, 50);
}

TEST(OutboxTest, ARowThatIsTooLargeByItselfIsSetAside) {
  World world;
  world.Take(3);
  world.server.fates = {Fate{}, Refused(OutboxHand::kTooLarge), Refused(OutboxHand::kTooLarge)};
  world.Run(1min);
  EXPECT_EQ(world.stats().rejected_rows, 1u);
  EXPECT_EQ(world.server.rows().size(), 2u);
}

TEST(OutboxTest, ARowThatNoBatchTakesBlocksNoOther) {
  World world;
  world.Run(1s);
  world.Execute(
      "INSERT INTO reading VALUES (1, 1, 5, 0, 'level', 'mm', 1), (2, 1, 5, 0, 'level', 'mm', "
      "NULL),"
      "(3, 1, 5, 0, 'level', 'mm', 9e999), (4, 1, 5, 0, NULL, 'mm', 1), (5, 1, NULL, 0, 'a', 'b', "
      "1),"
      "(6, 1, 5, 7, 'a', 'b', 1), (7, 1, 5, 0, 'a', NULL, 1), (8, 1, 5, 0, 'a', 'b', 'text'),"
      "(9, 1, 5, 0, printf('%.5000c', 'x'), 'b', 1), (10, 1, 5, 0, 'level', 'mm', 3)");
  world.outbox->RowsSealed();
  world.Run(10s);
  EXPECT_EQ(world.server.rows().size(), 3u);
  EXPECT_EQ(world.stats().rejected_rows, 7u);
  EXPECT_EQ(world.server.accounted(), 10);
}

TEST(OutboxTest, ManyNamesAreManyBatches) {
  World world({.batch = 1000});
  world.Run(1s);
  world.Execute(
      "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 600) "
      "INSERT INTO reading SELECT i, 1, 5, 0, 'sensor ' || i, 'mm', i FROM n");
  world.outbox->RowsSealed();
  world.Run(10s);
  EXPECT_EQ(world.server.rows().size(), 600u);
}

// ---- size of a batch ------------------------------------------------------------------------------

TEST(OutboxTest, ABatchGrowsWhileItIsQuickAndHalvesWhenItIsSlow) {
  World world({.batch = 5000, .call_timeout = 10s});
  world.Take(20'000);
  world.Run(1min);
  EXPECT_EQ(world.stats().batch_rows, 5000);
  EXPECT_EQ(world.server.rows().size(), 20'000u);
  world.server.a_row = 5ms;  // 2000 rows in 10 s
  world.Take(20'000);
  world.Run(30min);
  EXPECT_EQ(world.server.rows().size(), 40'000u);
  EXPECT_LE(world.stats().batch_rows, 2000);
  EXPECT_GE(world.stats().batch_rows, 300);
  EXPECT_LE(world.stats().batches_unknown, 6u);
}

TEST(OutboxTest, TheServerBoundsTheBatch) {
  World world({.batch = 500});
  world.server.max_rows = 70;
  world.Take(700);
  world.Run(10s);
  EXPECT_EQ(world.server.rows().size(), 700u);
  for (const ScriptedServer::Call& call : world.server.calls) EXPECT_LE(call.rows, 70u);
}

// ---- outages --------------------------------------------------------------------------------------

TEST(OutboxTest, AThousandOutagesInOneRun) {
  World world;
  fakes::FakePlatform& platform = world.platform;
  support::Chance chance(7);
  for (int outage = 0; outage < 1000; ++outage) {
    world.Take(20);
    world.Run(10s);
    bool hangs = false;
    switch (chance.Below(4)) {
      case 0:
        world.server.is_away = true;
        break;
      case 1:
        world.server.fates = {Lost()};
        break;
      case 2:
        world.server.fates = {{.kind = Fate::Kind::kServed, .takes = 1h}};
        hangs = true;
        break;
      default:
        world.server.LoseLast(1);
        world.server.is_away = true;
    }
    world.Take(20);
    world.Run(std::chrono::milliseconds(100 + chance.Below(8000)));
    world.server.is_away = false;
    world.Run(100ms);  // what was under way has failed
    const TimePoint back = platform.Now();
    // As of the attempts that failed: the spread, then up to 2 s, 4 s, 8 s ...
    const TimePoint due = std::max(back, world.stats().next_try);
    while (world.stats().waiting > 0 && platform.Now() - back < 2min) world.Run(100ms);
    EXPECT_EQ(world.stats().waiting, 0) << outage;
    // One that hangs is given up after call_timeout.
    EXPECT_LE(platform.Now() - due, hangs ? 5s + 30s + 10s + 1s : 5s + 10s + 1s) << outage;
  }
  EXPECT_EQ(world.server.rows().size(), 40'000u);
  EXPECT_GE(world.stats().batches_unknown, 100u);
}

TEST(OutboxTest, AttemptsBecomeSeldomWhileTheServerIsAway) {
  World world;
  world.Run(1s);
  world.server.is_away = true;
  world.Take(10);
  world.Run(1h);
  const size_t first_hour = world.Calls();
  EXPECT_LE(first_hour, 60u);
  for (int hour = 0; hour < 24; ++hour) {
    const size_t before = world.Calls();
    const uint64_t bytes = world.stats().sent_bytes;
    world.Run(1h);
    EXPECT_LE(world.Calls() - before, 13u);  // 12, and one at the edge of the hour
    EXPECT_LE(world.stats().sent_bytes - bytes, 25'000u);
  }
  EXPECT_EQ(world.States(), "waiting");
}

TEST(OutboxTest, TheBackOffBeginsAnewAfterASuccess) {
  World world;
  world.Run(1s);
  world.server.is_away = true;
  world.Take(10);
  world.Run(2h);
  world.server.is_away = false;
  world.Run(10min);
  EXPECT_EQ(world.stats().waiting, 0);
  world.server.is_away = true;
  world.Take(100);
  world.Run(1s);
  EXPECT_LE(world.stats().next_try - world.platform.Now(), 10s);
}

// A server that takes hellos alone, such as one that is read-only, is away.
TEST(OutboxTest, AHelloAloneIsNoSuccess) {
  World world;
  world.Run(1s);
  for (int i = 0; i < 400; ++i) {
    world.server.fates.push_back(Away());
    world.server.fates.push_back(Fate{});
  }
  world.Take(100);
  world.Run(3h);
  EXPECT_LE(world.Calls(), 160u);
  EXPECT_EQ(world.States(), "waiting");
}

TEST(OutboxTest, ALargeFleetDoesNotStartAtOnce) {
  World world;
  world.server.spread = 5min;
  world.Take(10);
  world.Run(10s);
  EXPECT_EQ(world.Text("SELECT spread_s FROM outbox_state"), "300");
  Duration least = 1h;
  Duration most{};
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    world.options().seed = seed;
    world.Restart(static_cast<int64_t>(seed) + 1);
    world.Take(10);
    const TimePoint start = world.platform.Now();
    const size_t before = world.Calls();
    while (world.Calls() == before) world.Run(100ms);
    least = std::min<Duration>(least, world.platform.Now() - start);
    most = std::max<Duration>(most, world.platform.Now() - start);
    world.Run(10s);
  }
  EXPECT_LE(least, 60s);
  EXPECT_GE(most, 240s);
  EXPECT_LE(most, 301s);
}

// ---- bytes ----------------------------------------------------------------------------------------

TEST(OutboxTest, TheRateHolds) {
  World world({.bytes_per_second = 2000});
  world.Take(60'000);
  std::vector<uint64_t> at;
  for (int second = 0; second < 300; ++second) {
    world.Run(1s);
    at.push_back(world.server.link_bytes());
  }
  for (size_t i = 10; i < at.size(); ++i) {
    EXPECT_LE(at[i] - at[i - 10], 2000u * 10 * 105 / 100 + (64u << 10)) << i;
  }
  EXPECT_GE(at.back(), 2000u * 290);  // and it is used
  EXPECT_LE(at.back(), 2000u * 300 * 105 / 100 + (64u << 10));
}

TEST(OutboxTest, OverBudgetOnlyFreshBatchesGoOneAMinute) {
  World world({.bytes_per_month = 100'000});
  world.Take(10);
  world.Run(10s);
  world.server.is_away = true;
  world.Take(30'000);
  world.Run(10min);
  world.server.is_away = false;
  world.Run(20min);
  EXPECT_EQ(world.stats().state, OutboxState::kBudget);
  EXPECT_GT(world.stats().waiting, 10'000);
  EXPECT_LE(world.stats().month_bytes, 100'000u + 10'000u);
  const size_t before = world.Calls();
  const int64_t backlog = world.stats().waiting;
  for (int i = 0; i < 60; ++i) {
    world.Take(10);
    world.Run(10s);
  }
  EXPECT_LE(world.Calls() - before, 11u);
  EXPECT_GE(world.Calls() - before, 9u);
  EXPECT_LE(world.stats().waiting, backlog + 100);
  // The counter is kept over a restart, and begins anew with the month. It is 14 November 2023.
  EXPECT_TRUE(absl::IsDeadlineExceeded(world.outbox->Drain(world.pool().In(1s))));
  world.Restart(2);
  world.Run(2min);
  EXPECT_EQ(world.stats().state, OutboxState::kBudget);
  world.Advance(17 * 24h);
  world.server.Disconnect();
  world.Run(1h);
  EXPECT_LE(world.stats().waiting, backlog - 5000);
  EXPECT_LE(world.stats().month_bytes, 100'000u + 10'000u);
}

TEST(OutboxTest, TheCountersAreWrittenOnceAnHour) {
  World world({.bytes_per_month = 10'000'000});
  world.Run(1min);
  const std::string first = world.Text("SELECT bytes_month FROM outbox_state");
  world.Take(100);
  world.Run(50min);
  EXPECT_EQ(world.Text("SELECT bytes_month FROM outbox_state"), first);
  world.Run(11min);
  EXPECT_EQ(world.Text("SELECT bytes_month FROM outbox_state"),
            std::to_string(world.server.link_bytes()));
}

// ---- the local database ---------------------------------------------------------------------------

TEST(OutboxTest, ALocalDatabaseThatIsBusyIsAskedAgain) {
  World world;
  world.Run(1s);
  world.Take(100);
  {
    absl::StatusOr<Lease> writer = world.pool().Acquire(kWrite, world.pool().In(1s));
    ASSERT_TRUE(writer.ok());
    writer->ReleaseThread();
    world.Run(10s);
    EXPECT_EQ(world.Count(Kind::kLocal), 1);
    EXPECT_TRUE(absl::IsDeadlineExceeded(world.stats().reason)) << world.stats().reason;
  }
  world.Run(10s);
  EXPECT_TRUE(world.stats().reason.ok());
  EXPECT_EQ(world.server.rows().size(), 100u);
  EXPECT_EQ(world.Segments(), "1:1-@100");
}

TEST(OutboxTest, WrongOptionsAreRefusedBySentences) {
  const auto refusal = [](OutboxOptions options) {
    World world;
    if (options.epoch == 0) options.epoch = 1;
    Outbox outbox(world.pool(), world.server, {.rows = kRows, .newest = kNewest}, options,
                  world.platform);
    return std::string(outbox.Start(world.pool().In(1s)).message());
  };
  EXPECT_EQ(refusal({}), "");
  EXPECT_EQ(refusal({.epoch = -1}), "OutboxOptions::epoch is -1: it has to be at least 1");
  EXPECT_EQ(refusal({.batch = 5001}), "OutboxOptions::batch is 5001: it has to be 1 to 5000");
  EXPECT_EQ(refusal({.batch = 0}), "OutboxOptions::batch is 0: it has to be 1 to 5000");
  EXPECT_EQ(refusal({.linger = 2h}), "OutboxOptions::linger is 7200000 ms: it has to be 0 to 1 h");
  EXPECT_EQ(refusal({.fresh_after = 0s}),
            "OutboxOptions::fresh_after is 0 ms: it has to be 1 s to 1 day");
  EXPECT_NE(refusal({.call_timeout = 1h}), "");
  EXPECT_NE(refusal({.back_off_min = 10ms}), "");
  EXPECT_NE(refusal({.back_off_min = 10s, .back_off_max = 5s}), "");
  EXPECT_NE(refusal({.back_off_max = 2h}), "");
  EXPECT_NE(refusal({.hold_every = 10ms}), "");
  EXPECT_NE(refusal({.spread = 2h}), "");
  EXPECT_NE(refusal({.bytes_per_second = 100}), "");
  EXPECT_NE(refusal({.bytes_per_month = 5}), "");
  EXPECT_NE(refusal({.budget_day = 29}), "");
  EXPECT_NE(refusal({.local_wait = 1h}), "");
}

TEST(OutboxTest, AMissingTableIsNamed) {
  World world;
  world.Execute("DROP TABLE outbox_state");
  Outbox outbox(world.pool(), world.server, {.rows = kRows, .newest = kNewest}, {.epoch = 1},
                world.platform);
  const absl::Status status = outbox.Start(world.pool().In(1s));
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_NE(status.message().find("kOutboxSchema"), std::string::npos) << status;
}

// ---- draining, and what is to be seen -------------------------------------------------------------

TEST(OutboxTest, DrainSendsWithoutLingering) {
  World world;
  world.Run(1s);
  world.Take(7);
  EXPECT_TRUE(world.outbox->Drain(world.pool().In(10s)).ok());
  EXPECT_EQ(world.server.rows().size(), 7u);
  EXPECT_EQ(world.Text("SELECT sent FROM segment"), "7");
}

TEST(OutboxTest, DrainEndsByItsDeadline) {
  World world({.batch = 100});
  world.server.latency = 500ms;
  world.Run(1s);
  world.Take(5000);
  const TimePoint before = world.platform.Now();
  const absl::Status status = world.outbox->Drain(Deadline::At(before + 2s));
  EXPECT_TRUE(absl::IsDeadlineExceeded(status));
  EXPECT_EQ(status.message(), "4700 wait, and stay: time is up");
  EXPECT_EQ(world.platform.Now() - before, 2s);
  world.Restart(2);
  world.Run(1min);
  EXPECT_EQ(world.server.rows().size(), 5000u);
}

TEST(OutboxTest, DrainDoesNotWaitForAServerThatIsAway) {
  World world;
  world.Run(1s);
  world.server.is_away = true;
  world.Take(7);
  const TimePoint before = world.platform.Now();
  const absl::Status status = world.outbox->Drain(Deadline::At(before + 1h));
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_EQ(status.message(), "7 wait, and stay: connection refused");
  EXPECT_LE(world.platform.Now() - before, 1s);
}

TEST(OutboxTest, StatsAreOfOneMoment) {
  World world;
  world.server.spread = 0s;
  world.Take(10);
  world.Run(10s);
  OutboxStats stats = world.stats();
  EXPECT_EQ(stats.state, OutboxState::kIdle);
  EXPECT_EQ(stats.waiting, 0);
  EXPECT_EQ(stats.oldest_age, 0s);
  EXPECT_EQ(stats.sent_rows, 10u);
  EXPECT_EQ(stats.sent_bytes, world.server.link_bytes());
  EXPECT_EQ(stats.round_trip, 20ms);
  EXPECT_EQ(stats.drained_in, 0s);
  EXPECT_EQ(stats.batch_rows, 100);
  ASSERT_TRUE(stats.server_clock_offset.has_value());
  EXPECT_NE(stats.last_ack.count, 0);
  world.server.is_away = true;
  world.Take(1);
  world.Run(1h);
  world.Take(1);
  world.Run(10s);
  stats = world.stats();
  EXPECT_EQ(stats.state, OutboxState::kWaiting);
  EXPECT_EQ(stats.waiting, 2);
  EXPECT_LE(stats.oldest_age - (1h + 10s), 1s);
  EXPECT_GE(stats.oldest_age, 1h + 10s);
  EXPECT_EQ(stats.segments, 1);
  EXPECT_EQ(stats.drained_in, Duration::max());
}

TEST(OutboxTest, TheTimeUntilItIsDrainedIsRight) {
  World world({.batch = 100, .bytes_per_second = 1500});
  world.Take(200'000);
  world.Run(3min);
  const TimePoint then = world.platform.Now();
  const Duration left = world.stats().drained_in;
  ASSERT_NE(left, Duration::max());
  while (world.stats().waiting > 0) world.Run(1s);
  const double was = std::chrono::duration<double>(world.platform.Now() - then).count();
  const double said = std::chrono::duration<double>(left).count();
  EXPECT_NEAR(said / was, 1.0, 0.2) << said << " " << was;
}

TEST(OutboxTest, TheServerIsToldTheBacklog) {
  World world({.batch = 100, .order = OutboxOrder::kOldestFirst});
  world.Take(250);
  world.Run(10s);
  ASSERT_GE(world.Calls(), 4u);
  EXPECT_EQ(world.server.calls[1].backlog, 150);
  EXPECT_EQ(world.server.calls[1].oldest.count, 1'700'000'000'000'000);
  EXPECT_EQ(world.server.calls[3].backlog, 0);
  EXPECT_EQ(world.server.calls[3].oldest.count, 0);
}

TEST(OutboxTest, StatesHaveNames) {
  EXPECT_EQ(Name(OutboxState::kIdle), "idle");
  EXPECT_EQ(Name(OutboxState::kSending), "sending");
  EXPECT_EQ(Name(OutboxState::kWaiting), "waiting");
  EXPECT_EQ(Name(OutboxState::kHeld), "held");
  EXPECT_EQ(Name(OutboxState::kBudget), "budget");
  EXPECT_EQ(Name(OutboxState::kNoSchema), "no schema");
}

TEST(OutboxTest, ItTakesAtMost32KibFor500Rows) {
  World world;
  EXPECT_LE(world.outbox->memory(), 32u << 10);
}

}  // namespace
}  // namespace roost::outbox
