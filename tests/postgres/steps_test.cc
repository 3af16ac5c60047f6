// A statement in steps: what it does is what the blocking form does, and nothing of it waits.
#include <csignal>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "roost/async.h"
#include "roost/observer.h"
#include "tests/postgres/postgres_test_support.h"
#include "tests/support/connection_access.h"
#include "tests/support/hostile_postgres.h"

namespace roost::postgres {
namespace {

constexpr Sql kRead{"SELECT a FROM t ORDER BY a"};

// A loop that waits by means of its own, so that a wait of the session's is seen.
class Loop {
 public:
  explicit Loop(Session& session) : session_(session) {}

  template <class... Args>
  absl::Status Run(const Sql& sql, const Args&... args) {
    Begin(sql, args...).IgnoreError();
    return Finish();
  }
  template <class... Args>
  absl::Status Begin(const Sql& sql, const Args&... args) {
    waits_ = session_.platform().waits();
    step_ = query.Start(*session_, sql, args...);
    return step_.status();
  }
  // One turn: waits for what the last step said, by the machine's clock, `most` at most. False: it has
  // ended.
  bool Turn(Duration most = 20s) {
    if (!step_.ok() || step_->done) return false;
    const Duration until = step_->at.time() - session_.platform().Now();
    NativePlatform().WaitForDescriptors(
        {&step_->wait, 1}, Deadline::After(NativePlatform().Now(), std::min(until, most)));
    step_ = query.Advance(session_.platform().Now());
    ++turns;
    return step_.ok() && !step_->done;
  }
  absl::Status Finish() {
    while (Turn()) {
    }
    EXPECT_EQ(session_.platform().waits(), waits_) << "it waited";
    return step_.status();
  }
  const absl::StatusOr<Step>& step() const { return step_; }
  // The first column of all rows.
  std::vector<std::string> Values() {
    std::vector<std::string> values;
    Rows rows = query.Take();
    while (rows.Next()) {
      const Value value = rows.Get<Value>(0);
      values.push_back(value.type() == Value::Type::kInt64 ? std::to_string(value.int64())
                                                           : std::string(value.text()));
    }
    EXPECT_OK(rows.status());
    EXPECT_EQ(session_.platform().waits(), waits_) << "the rows waited";
    return values;
  }

  PendingQuery query;
  int turns = 0;

 private:
  Session& session_;
  int waits_ = 0;
  absl::StatusOr<Step> step_ = Step{};
};

class StepsTest : public SessionTest {
 protected:
  // An administrator's lock, which statements on t wait for.
  void LockTable() { Server().Sql("BEGIN; LOCK TABLE t"); }
  void UnlockTable() { Server().Sql("COMMIT"); }
  bool IsWaitedFor() {
    return Server().Sql("SELECT count(*) FROM pg_locks WHERE NOT granted") != "0";
  }
  // Turns of the loop until the server is inside of the statement.
  void TurnUntilInside(Loop& loop) {
    while (loop.Turn(1ms) && !IsWaitedFor()) {
    }
  }
  std::string Pids() {
    return Server().Sql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'node'");
  }
};

TEST_F(StepsTest, ItDoesWhatTheBlockingFormDoes) {
  Session session;
  Loop loop(session);
  for (int i = 0; i < 3; ++i) {
    EXPECT_OK(loop.Run(kAdd, i));
    EXPECT_EQ(loop.Values(), std::vector<std::string>{});
    EXPECT_OK(loop.Run(kRead));
    EXPECT_EQ(loop.Values().size(), static_cast<size_t>(i + 1));
    EXPECT_TRUE(ConnectionAccess::IsPristine(*session));
  }
  EXPECT_EQ(session.CountRows(), 3) << "and the blocking form goes on";
}

TEST_F(StepsTest, TheLoopTurnsWhileTheServerThinks) {
  Session session;
  Loop loop(session);
  LockTable();
  ASSERT_OK(loop.Begin(kAdd, 1));
  EXPECT_TRUE(loop.query.pending());
  TurnUntilInside(loop);
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(loop.Turn(Duration::zero()));
  EXPECT_GT(loop.turns, 100);
  EXPECT_EQ(session->Run(kCount).code(), StatusCode::kFailedPrecondition) << "one thing at a time";
  UnlockTable();
  EXPECT_OK(loop.Finish());
  EXPECT_EQ(loop.Values(), std::vector<std::string>{});
  EXPECT_EQ(session.CountRows(), 1);
}

TEST_F(StepsTest, EachTakesOneRoundTrip) {
  support::TcpProxy proxy(Server().port());
  proxy.Delay(2ms);
  Session session(Server().UriThrough(proxy.port()));
  Loop loop(session);
  const auto trips = [&] {
    const int count = proxy.counts().round_trips;
    proxy.ClearCounts();
    return count;
  };
  trips();
  EXPECT_OK(loop.Run(kAdd, 1));
  loop.query.Cancel();
  EXPECT_EQ(trips(), 1) << "prepared with its run, behind the session's settings";
  EXPECT_OK(loop.Run(kAdd, 2));
  loop.query.Cancel();
  EXPECT_EQ(trips(), 1) << "alone";
  EXPECT_OK(loop.Run(Sql("SELECT $1::timestamptz"), Micros{7}));
  loop.query.Cancel();
  EXPECT_EQ(trips(), 2) << "a moment's type is asked for first";
  EXPECT_TRUE(ConnectionAccess::IsPristine(*session)) << "what is done is not given up";
}

TEST_F(StepsTest, EveryTypeOfValueIsReadAndWritten) {
  Session session;
  Loop loop(session);
  const Sql kKinds("SELECT $1::bytea, $2::timestamptz, $3::int, NULL::int, 'text'");
  const std::array<std::byte, 3> bytes{std::byte{0}, std::byte{0xff}, std::byte{7}};
  for (int i = 0; i < 3; ++i) {
    ASSERT_OK(loop.Run(kKinds, Blob(bytes), Micros{123}, i));
    Rows rows = loop.query.Take();
    ASSERT_TRUE(rows.Next());
    EXPECT_EQ(rows.Get<std::vector<std::byte>>(0), std::vector(bytes.begin(), bytes.end()));
    EXPECT_EQ(rows.Get<Micros>(1), Micros{123});
    EXPECT_EQ(rows.Get<int>(2), i);
    EXPECT_EQ(rows.Get<std::optional<int>>(3), std::nullopt);
    EXPECT_EQ(rows.Get<std::string_view>(4), "text");
    EXPECT_FALSE(rows.Next());
    EXPECT_OK(rows.status());
  }
}

// libpq's buffer holds 16 KB: an answer that does not fit comes in many pieces.
TEST_F(StepsTest, ALongAnswerComesInPieces) {
  Session session(PostgresOptions{.uri = Server().Uri(), .max_result_bytes = 8 << 20});
  Loop loop(session);
  const Sql kLong("SELECT n::text || repeat('x', 1000) FROM generate_series(1, 800) n");
  for (int i = 0; i < 2; ++i) {
    ASSERT_OK(loop.Run(kLong));
    EXPECT_EQ(loop.Values().size(), 800u);
  }
  EXPECT_GT(loop.turns, 20) << "and not in one step";
}

TEST_F(StepsTest, AnAnswerIsWhatMaxResultBytesAllows) {
  Session small(PostgresOptions{.uri = Server().Uri(), .max_result_bytes = 64 << 10});
  Loop loop(small);
  const Sql kLong("SELECT repeat('x', $1) FROM generate_series(1, 5)");
  for (int i = 0; i < 2; ++i) {
    ASSERT_OK(loop.Run(kLong, 10'000));
    EXPECT_EQ(loop.Values().size(), 5u);
  }
  EXPECT_EQ(loop.Run(kLong, 40'000).code(), StatusCode::kResourceExhausted);
}

TEST_F(StepsTest, NoticesOnTheWayAreNoAnswer) {
  Server().Sql(
      "CREATE OR REPLACE FUNCTION talk() RETURNS int LANGUAGE plpgsql AS $$ BEGIN FOR i IN 1..500 "
      "LOOP RAISE WARNING 'so far % and %', i, repeat('x', 500); END LOOP; RETURN 7; END $$");
  Session session;
  Loop loop(session);
  for (int i = 0; i < 2; ++i) {
    EXPECT_OK(loop.Run(Sql("SELECT talk()")));
    EXPECT_EQ(loop.Values(), std::vector<std::string>{"7"});
  }
}

// What the socket does not take waits in libpq, and the loop is told to wait for room.
TEST_F(StepsTest, ALongValueIsSentAsTheSocketTakesIt) {
  support::TcpProxy proxy(Server().port());
  Session session(Server().UriThrough(proxy.port()));
  Loop loop(session);
  const std::string value(size_t{32} << 20, 'x');
  proxy.Cut();
  ASSERT_OK(loop.Begin(Sql("SELECT length($1)"), value));
  EXPECT_TRUE(loop.step()->wait.wanted.writable);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(loop.Turn(1ms));
  proxy.Heal();
  EXPECT_OK(loop.Finish());
  EXPECT_EQ(loop.Values(), std::vector<std::string>{std::to_string(value.size())});
}

// ---- errors -------------------------------------------------------------------------------------

TEST_F(StepsTest, AnErrorEndsItAndTheConnectionGoesOn) {
  Session session;
  Loop loop(session);
  EXPECT_OK(loop.Run(kAdd, 1));
  loop.query.Cancel();
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(loop.Run(kAdd, 1).code(), StatusCode::kAlreadyExists);
    EXPECT_EQ(loop.Run(Sql("SELECT nonsense FROM t")).code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(loop.Run(Sql("SELECT 1 / $1::int"), 0).code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(loop.Run(kAdd, 1, 2).code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(loop.Run(Sql("COPY t TO STDOUT")).ok(), false);
    if (i == 0) break;
  }
  Session other;
  Loop again(other);
  EXPECT_EQ(again.Run(kAdd, 1).code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(again.Run(Sql("SELECT nonsense FROM t")).code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(ConnectionAccess::IsPristine(*other));
  EXPECT_EQ(other.CountRows(), 1);
}

// A statement that is no transaction of its own commits behind its answer.
TEST_F(StepsTest, ItIsNotDoneBeforeItIsCommitted) {
  Server().Sql(
      "ALTER TABLE t DROP CONSTRAINT t_pkey, ADD UNIQUE (a) DEFERRABLE INITIALLY DEFERRED");
  Session session;
  Loop loop(session);
  const Sql kReturning("INSERT INTO t VALUES ($1) RETURNING a");
  EXPECT_OK(loop.Run(kReturning, 1));
  EXPECT_EQ(loop.Values(), std::vector<std::string>{"1"});
  EXPECT_EQ(loop.Run(kReturning, 1).code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(session.CountRows(), 1);
}

TEST_F(StepsTest, InATransactionItBelongsToIt) {
  Session session;
  Loop loop(session);
  {
    absl::StatusOr<Transaction> transaction = session->Begin();
    ASSERT_OK(transaction.status());
    EXPECT_OK(loop.Run(kAdd, 1));
    EXPECT_EQ(loop.Values(), std::vector<std::string>{});
    EXPECT_EQ(Server().Sql("SELECT count(*) FROM t"), "0") << "BEGIN went in front";
    EXPECT_OK(loop.Run(kAdd, 2));
    loop.query.Cancel();
    EXPECT_OK(transaction->Commit());
  }
  EXPECT_EQ(session.CountRows(), 2);
  {
    absl::StatusOr<Transaction> transaction = session->Begin();
    EXPECT_EQ(loop.Run(kAdd, 2).code(), StatusCode::kAlreadyExists);
    EXPECT_FALSE(loop.Run(kAdd, 3).ok());
  }
  EXPECT_EQ(session.CountRows(), 2);
}

TEST_F(StepsTest, AStatementThatTheSessionHasLostIsPreparedAnew) {
  Session session;
  Loop loop(session);
  EXPECT_OK(loop.Run(kRead));
  EXPECT_EQ(loop.Values(), std::vector<std::string>{});
  EXPECT_OK(session->RunScript("DEALLOCATE ALL"));
  EXPECT_OK(loop.Run(kRead));
  EXPECT_EQ(loop.Values(), std::vector<std::string>{});
  Server().Sql("ALTER TABLE t ALTER a TYPE text");
  EXPECT_OK(loop.Run(kRead));  // its columns have changed
  EXPECT_EQ(loop.Values(), std::vector<std::string>{});
  {
    absl::StatusOr<Transaction> transaction = session->Begin();
    EXPECT_OK(session->RunScript("DEALLOCATE ALL"));
    EXPECT_EQ(loop.Run(kRead).code(), StatusCode::kAborted);
  }
  EXPECT_OK(loop.Run(kRead));
}

// ---- the end in the middle ----------------------------------------------------------------------

TEST_F(StepsTest, ADeadlineInTheMiddleEndsItAndTheConnection) {
  for (const bool writes : {false, true}) {
    Session session;
    Loop loop(session);
    LockTable();
    session->set_deadline(session.In(20s));
    ASSERT_OK(writes ? loop.Begin(kAdd, 1) : loop.Begin(kRead));
    EXPECT_EQ(loop.step()->at, session->deadline());
    TurnUntilInside(loop);
    session.platform().Forward(20s);
    loop.Turn(1ms);
    EXPECT_EQ(loop.step().status().code(),
              writes ? StatusCode::kUnknown : StatusCode::kDeadlineExceeded)
        << loop.step().status();
    EXPECT_FALSE(loop.query.pending());
    EXPECT_EQ(ConnectionAccess::Inspect(*session), SessionState::kBroken);
    EXPECT_FALSE(session->Run(kRead).ok());
    UnlockTable();
  }
}

// Its answer is never another's.
TEST_F(StepsTest, WhatIsGivenUpEndsTheConnectionAndTheStatement) {
  Session session;
  Loop loop(session);
  LockTable();
  ASSERT_OK(loop.Begin(kAdd, 1));
  TurnUntilInside(loop);
  const int waits = session.platform().waits();
  loop.query.Cancel();
  EXPECT_FALSE(loop.query.pending());
  EXPECT_EQ(session->Run(kRead).code(), StatusCode::kCancelled);
  EXPECT_EQ(ConnectionAccess::Inspect(*session), SessionState::kBroken);
  session.held().Close();
  while (IsWaitedFor()) session.backend().Continue(session.platform().Now());
  EXPECT_EQ(session.platform().waits(), waits) << "giving up waits for nobody";
  UnlockTable();
  EXPECT_EQ(Server().Sql("SELECT count(*) FROM t"), "0") << "the server was told to end it";
}

// No server is waited for that says nothing.
TEST_F(StepsTest, AStoppedServerKeepsNobody) {
  Session session;
  EXPECT_OK(session->Run(kRead));
  Loop loop(session);
  const int pid = std::stoi(session.Pid());
  kill(pid, SIGSTOP);
  ASSERT_OK(loop.Begin(kRead));
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(loop.Turn(Duration::zero()));
  loop.query.Cancel();
  session.held().Close();
  kill(pid, SIGCONT);
}

TEST_F(StepsTest, ASessionThatEndsInTheMiddleSaysWhy) {
  for (const bool writes : {false, true}) {
    Session session;
    Loop loop(session);
    LockTable();
    ASSERT_OK(writes ? loop.Begin(kAdd, 1) : loop.Begin(kRead));
    TurnUntilInside(loop);
    Server().Sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'node'");
    const absl::Status status = loop.Finish();
    EXPECT_EQ(status.code(), writes ? StatusCode::kUnknown : StatusCode::kUnavailable) << status;
    EXPECT_EQ(PostgresSqlState(status), "57P01");
    EXPECT_EQ(ConnectionAccess::Inspect(*session), SessionState::kBroken);
    UnlockTable();
  }
}

TEST_F(StepsTest, ALinkThatIsCutInTheMiddleIsAnError) {
  support::TcpProxy proxy(Server().port());
  Session session(Server().UriThrough(proxy.port()));
  Loop loop(session);
  LockTable();
  ASSERT_OK(loop.Begin(kAdd, 1));
  TurnUntilInside(loop);
  proxy.Reset();
  EXPECT_EQ(loop.Finish().code(), StatusCode::kUnknown);
  UnlockTable();
}

struct Watching : profiles::Default {
  static constexpr bool kWatchStatements = true;
  static constexpr PrePing kPrePing = PrePing::kNever;
};

// Told once, with the time until the answer was there.
TEST_F(StepsTest, AWatchedPoolTellsIt) {
  struct Counter : StatementObserver {
    void OnStatement(const StatementEvent& event) override {
      ++told;
      rows = event.rows;
      took = event.took;
      code = event.status->code();
    }
    int told = 0;
    int64_t rows = 0;
    Duration took{};
    StatusCode code{};
  };
  Counter counter;
  PostgresBackend backend({.uri = Server().Uri()});
  LaterPlatform platform;
  PoolFor<Watching> pool(backend, {.statement_observer = &counter, .platform = &platform});
  absl::StatusOr<Lease> lease = pool.Acquire(kWrite, pool.In(20s));
  ASSERT_OK(lease.status());
  LockTable();
  PendingQuery query;
  absl::StatusOr<Step> step = query.Start(**lease, kRead);
  platform.Forward(3s);
  UnlockTable();
  while (step.ok() && !step->done) {
    NativePlatform().WaitForDescriptors({&step->wait, 1},
                                        Deadline::After(NativePlatform().Now(), 20s));
    step = query.Advance(platform.Now());
  }
  ASSERT_OK(step.status());
  EXPECT_EQ(counter.told, 0);
  query.Cancel();
  EXPECT_EQ(counter.told, 1);
  EXPECT_GE(counter.took, 3s);
  EXPECT_LT(counter.took, 60s);
  step = query.Start(**lease, Sql("SELECT 1 / $1::int"), 0);
  while (step.ok() && !step->done) {
    NativePlatform().WaitForDescriptors({&step->wait, 1},
                                        Deadline::After(NativePlatform().Now(), 20s));
    step = query.Advance(platform.Now());
  }
  EXPECT_EQ(counter.told, 2);
  EXPECT_EQ(counter.code, StatusCode::kInvalidArgument);
}

// A server that misbehaves ends the query by the deadline at the latest.
TEST_F(StepsTest, NoServerKeepsAStep) {
  using support::HostileMode;
  using support::HostilePostgres;
  using support::Place;
  const Sql kHostile("SELECT 1 AS hostile");
  int modes = 0;
  int failed = 0;
  for (const HostileMode& mode : support::HostileModes()) {
    const bool of_query = mode.place == Place::kParse || mode.place == Place::kDescribe ||
                          mode.place == Place::kBind || mode.place == Place::kExecute ||
                          mode.place == Place::kSync || mode.place == Place::kRowAgain ||
                          mode.place == Place::kOneAgain;
    if (!of_query) continue;
    ++modes;
    SCOPED_TRACE(mode.name);
    HostilePostgres server(mode);
    Session session(PostgresOptions{.uri = server.Uri(), .max_result_bytes = 1 << 20});
    for (int run = 0; run < 2; ++run) {
      Loop loop(session);
      session->set_deadline(session.In(200ms));
      if (!loop.Begin(kHostile).ok()) break;
      while (loop.Turn()) {
      }
      EXPECT_FALSE(loop.query.pending());
      loop.query.Cancel();
      if (!loop.step().ok()) ++failed;
    }
    server.Behave();
  }
  EXPECT_GT(modes, 20);
  EXPECT_GT(failed, 20);
}

}  // namespace
}  // namespace roost::postgres
