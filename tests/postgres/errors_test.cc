// What the caller sees of each error of a real server, of a broken link, and of a deadline.
#include <malloc.h>

#include <functional>
#include <span>
#include <thread>

#include "roost/next_step.h"
#include "tests/postgres/postgres_test_support.h"
#include "tests/support/connection_access.h"

namespace roost::postgres {
namespace {

class ErrorsTest : public SessionTest {
 protected:
  Session session;
};

struct Case {
  std::string_view sql;
  StatusCode code;
  std::string_view sqlstate;
};

TEST_F(ErrorsTest, EachErrorOfTheServerHasItsCodeAndHarmsNothing) {
  Server().Sql("DROP TABLE IF EXISTS theirs; CREATE TABLE theirs(a int)");
  ASSERT_OK(session->RunScript("INSERT INTO t VALUES (1)"));
  constexpr Case kCases[] = {
      {"INSERT INTO t VALUES (1)", StatusCode::kAlreadyExists, "23505"},
      {"INSERT INTO t VALUES (NULL)", StatusCode::kInvalidArgument, "23502"},
      {"SELECT 1 / (a - 1) FROM t", StatusCode::kInvalidArgument, "22012"},
      {"SELECT * FROM nowhere", StatusCode::kInvalidArgument, "42P01"},
      {"SELEC 1", StatusCode::kInvalidArgument, "42601"},
      {"SELECT * FROM theirs", StatusCode::kPermissionDenied, "42501"},
      {"SELECT pg_cancel_backend(pg_backend_pid()), pg_sleep(9)", StatusCode::kAborted, "57014"},
  };
  for (const Case& one : kCases) {
    for (const absl::Status& status : {session->Run(Sql(one.sql)), session->RunScript(one.sql)}) {
      EXPECT_EQ(status.code(), one.code) << status;
      EXPECT_EQ(PostgresSqlState(status), one.sqlstate) << status;
    }
    EXPECT_EQ(ConnectionAccess::fault_scope(*session), FaultScope::kStatement) << one.sql;
    EXPECT_EQ(ConnectionAccess::Inspect(*session), SessionState::kClean) << one.sql;
  }
  EXPECT_EQ(session.CountRows(), 1);
}

TEST_F(ErrorsTest, WhatWasBoundIsNotInTheMessage) {
  const absl::Status status = session->Run(kAdd, "a secret");
  EXPECT_EQ(PostgresSqlState(status), "22P02");
  EXPECT_THAT(status.ToString(), Not(HasSubstr("secret")));
  EXPECT_THAT(status.ToString(), HasSubstr("INSERT INTO t"));
}

TEST_F(ErrorsTest, ALockThatIsNotGivenAbortsTheTransaction) {
  Session other;
  ASSERT_OK(session->Run(kAdd, 1));
  absl::StatusOr<Transaction> first = session->Begin();
  ASSERT_OK(session->Run(Sql("UPDATE t SET a = 2")));
  absl::StatusOr<Transaction> second = other->Begin();
  ASSERT_OK(other->Run(Sql("SET LOCAL lock_timeout = 20")));
  const absl::Status status = other->Run(Sql("UPDATE t SET a = 3"));
  EXPECT_EQ(status.code(), StatusCode::kAborted);
  EXPECT_EQ(PostgresSqlState(status), "55P03");
  EXPECT_EQ(other->Run(kCount).code(), StatusCode::kAborted) << "25P02";
  EXPECT_EQ(second->Commit().code(), StatusCode::kAborted) << "the server says ROLLBACK";
  EXPECT_OK(first->Commit());
  EXPECT_EQ(ConnectionAccess::Inspect(*other), SessionState::kClean);
}

// As wavelength's pull request 1053: 25P02 is an echo, and says nothing of why.
TEST_F(ErrorsTest, WhatFollowsAFailedStatementNamesIt) {
  ASSERT_OK(session->Run(kAdd, 1));
  absl::StatusOr<Transaction> transaction = session->Begin();
  ASSERT_OK(session->Run(kAdd, 2));
  EXPECT_EQ(session->Run(Sql("SELECT * FROM nowhere")).code(), StatusCode::kInvalidArgument);
  const absl::Status echo = session->Run(kAdd, 3);
  EXPECT_EQ(echo.code(), StatusCode::kInvalidArgument) << echo;
  EXPECT_EQ(PostgresSqlState(echo), "25P02");
  EXPECT_THAT(std::string(echo.message()), HasSubstr("nowhere"));
  const absl::Status lost = transaction->Commit();
  EXPECT_EQ(lost.code(), StatusCode::kInvalidArgument) << lost;
  EXPECT_EQ(PostgresSqlState(lost), "42P01");
  EXPECT_THAT(std::string(lost.message()), HasSubstr("SELECT * FROM nowhere"));
  EXPECT_EQ(session.CountRows(), 1);
  absl::StatusOr<Transaction> next = session->Begin();
  ASSERT_OK(session->Run(kAdd, 4));
  EXPECT_TRUE(next->Commit().ok()) << "the next one has not failed";
}

// As postgresql-dart's issue 454: an error that was gone back from counted at the commit.
TEST_F(ErrorsTest, AnErrorThatWasGoneBackFromIsForgotten) {
  absl::StatusOr<Transaction> transaction = session->Begin();
  ASSERT_OK(session->Run(Sql("SAVEPOINT a")));
  EXPECT_FALSE(session->Run(Sql("SELECT * FROM nowhere")).ok());
  ASSERT_OK(session->Run(Sql("ROLLBACK TO a")));
  ASSERT_OK(session->Run(kAdd, 1));
  EXPECT_FALSE(session->RunScript("SELECT 1; SELECT 1 / 0").ok());
  const absl::Status lost = transaction->Commit();
  EXPECT_EQ(PostgresSqlState(lost), "22012") << lost;
  absl::StatusOr<Transaction> next = session->Begin();
  ASSERT_OK(session->Run(Sql("SAVEPOINT a")));
  EXPECT_FALSE(session->Run(Sql("SELECT * FROM nowhere")).ok());
  ASSERT_OK(session->Run(Sql("ROLLBACK TO a")));
  ASSERT_OK(session->Run(kAdd, 1));
  EXPECT_OK(next->Commit());
}

// As rust-postgres' issue 1334: the error came behind the row at which the reader left.
TEST_F(ErrorsTest, AnErrorBehindTheLastRowThatWasReadIsNamedByTheCommit) {
  absl::StatusOr<Transaction> transaction = session->Begin();
  ASSERT_OK(session->Run(kAdd, 1));
  {
    absl::StatusOr<Statement*> dividing =
        session->Prepare(Sql("SELECT 1 / (3 - n) FROM generate_series(1, 3) AS n"));
    ASSERT_OK(dividing.status());
    Rows rows = (*dividing)->Query();
    ASSERT_TRUE(rows.Next());
  }
  const absl::Status lost = transaction->Commit();
  EXPECT_EQ(lost.code(), StatusCode::kInvalidArgument) << lost;
  EXPECT_EQ(PostgresSqlState(lost), "22012");
  EXPECT_EQ(session.CountRows(), 0);
}

TEST_F(ErrorsTest, AnErrorByTheRawHandleIsNoLostRace) {
  absl::StatusOr<Transaction> transaction = session->Begin();
  ASSERT_OK(session->Run(kAdd, 1));
  PQclear(PQexec(PostgresHandle(*session), "SELECT * FROM nowhere"));
  const absl::Status lost = transaction->Commit();
  EXPECT_EQ(lost.code(), StatusCode::kFailedPrecondition) << lost;
  EXPECT_THAT(std::string(lost.message()), HasSubstr("through the driver's handle"));
}

TEST_F(ErrorsTest, AFailedTransactionThatTheRawHandleReplacedIsTold) {
  absl::StatusOr<Transaction> transaction = session->Begin();
  ASSERT_OK(session->Run(kAdd, 1));
  EXPECT_FALSE(session->Run(Sql("SELECT * FROM nowhere")).ok());
  PQclear(PQexec(PostgresHandle(*session), "ROLLBACK; BEGIN"));
  ASSERT_OK(session->Run(kAdd, 2));
  EXPECT_EQ(transaction->Commit().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(session.CountRows(), 0);
}

TEST_F(ErrorsTest, ASerializationFailureAbortsTheTransaction) {
  Session other;
  ASSERT_OK(session->Run(kAdd, 1));
  const Sql kStrict("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE");
  absl::StatusOr<Transaction> first = session->Begin();
  ASSERT_OK(session->Run(kStrict));
  ASSERT_OK(session->Run(kCount));
  absl::StatusOr<Transaction> second = other->Begin();
  ASSERT_OK(other->Run(kStrict));
  ASSERT_OK(other->Run(Sql("UPDATE t SET a = 2")));
  ASSERT_OK(second->Commit());
  const absl::Status status = session->Run(Sql("UPDATE t SET a = 3"));
  EXPECT_EQ(status.code(), StatusCode::kAborted);
  EXPECT_EQ(PostgresSqlState(status), "40001");
}

TEST_F(ErrorsTest, AConstraintThatIsCheckedAtTheEndIsNotMissed) {
  ASSERT_OK(session->RunScript(
      "CREATE TEMP TABLE d(a int UNIQUE DEFERRABLE INITIALLY DEFERRED); INSERT INTO d VALUES (1)"));
  EXPECT_EQ(session->Run(Sql("INSERT INTO d VALUES (1)")).code(), StatusCode::kAlreadyExists);
  absl::StatusOr<Transaction> transaction = session->Begin();
  ASSERT_OK(session->Run(Sql("INSERT INTO d VALUES (1)")));
  const absl::Status taken = transaction->Commit();
  EXPECT_EQ(taken.code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(NextStep(taken), Advice::kStop) << "the rest of the transaction is not stored";
  EXPECT_EQ(session.Ask("SELECT count(*) FROM d"), "1");
}

TEST_F(ErrorsTest, ARowBeyondTheBoundIsRefusedAndEndsTheConnection) {
  EXPECT_EQ(session.Ask("SELECT repeat('x', 90000)").size(), 90'000u);
  EXPECT_EQ(ConnectionAccess::Inspect(*session), SessionState::kClean);
  const absl::Status status = session->Run(Sql("SELECT repeat('x', 2000000)"));
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("max_result_bytes"));
  EXPECT_EQ(ConnectionAccess::Inspect(*session), SessionState::kBroken);
}

// However the row is cut on its way: its last piece may come with what is behind the bound.
TEST_F(ErrorsTest, ARowOneByteBeyondTheBoundIsRefused) {
  constexpr int kBound = 64 * 1024;
  constexpr int kAround =
      11;  // the message's type and length, the number of columns, the value's length
  const auto read = [](int bytes) {
    Session bounded(PostgresOptions{.uri = Server().Uri(), .max_result_bytes = kBound});
    const std::string sql = "SELECT repeat('x', " + std::to_string(bytes) + ")";
    return bounded->Run(Sql(sql));
  };
  EXPECT_OK(read(kBound - 1024));
  for (const int beyond : {1, 8 * 1024, 16 * 1024, 32 * 1024}) {
    EXPECT_EQ(read(kBound - kAround + beyond).code(), StatusCode::kResourceExhausted) << beyond;
  }
}

TEST_F(ErrorsTest, ManyRowsAreNoLongRow) {
  EXPECT_OK(session->Run(Sql("SELECT repeat('x', 10000) FROM generate_series(1, 1000)")));
  EXPECT_OK(session->RunScript("SELECT repeat('x', 10000) FROM generate_series(1, 1000)"));
  EXPECT_EQ(ConnectionAccess::Inspect(*session), SessionState::kClean);
}

TEST_F(ErrorsTest, NoticesAndNotificationsAreNoLongAnswer) {
  EXPECT_OK(session->RunScript(
      "LISTEN door; DO $$BEGIN FOR i IN 1 .. 3000 LOOP RAISE WARNING '%', repeat('x', 1000); "
      "PERFORM pg_notify('door', repeat(chr(65 + i % 26), 900) || i); END LOOP; END$$"));
  EXPECT_OK(session->Run(Sql("SELECT 1")));
}

// libpq never gives its buffers back.
TEST_F(ErrorsTest, AConnectionWhoseBuffersHaveGrownIsNotLentAgain) {
  Session roomy(PostgresOptions{.uri = Server().Uri(), .max_result_bytes = 8 << 20});
  EXPECT_EQ(roomy.Ask("SELECT repeat('x', 900000)").size(), 900'000u);
  EXPECT_EQ(ConnectionAccess::Inspect(*roomy), SessionState::kClean);
  EXPECT_EQ(roomy.Ask("SELECT repeat('x', 4000000)").size(), 4'000'000u);
  EXPECT_EQ(ConnectionAccess::Inspect(*roomy), SessionState::kBroken);
}

// Bytes that this process has from malloc; under a sanitizer none are told.
size_t Allocated() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

// The other buffer, of what is sent.
TEST_F(ErrorsTest, NeitherIsOneThatHasSentMuch) {
  const std::string much(2 << 20, 'v');
  const std::string many = "/*" + much + "*/ SELECT 1";
  const std::string less(900'000, 'v');
  const Sql echo{"SELECT length($1::text)"};
  EXPECT_OK(session->Run(echo, less));
  EXPECT_EQ(ConnectionAccess::Inspect(*session), SessionState::kClean);
  const std::function<absl::Status(Connection&)> kWays[] = {
      [&](Connection& connection) { return connection.Run(echo, much); },
      [&](Connection& connection) {
        return connection.Run(Sql("SELECT length($1::bytea)"), std::as_bytes(std::span(much)));
      },
      [&](Connection& connection) { return connection.RunScript(many); },
      [&](Connection& connection) { return connection.Run(Sql(std::string_view(many))); },
  };
  for (const PostgresOptions& options :
       {PostgresOptions{.uri = Server().Uri()},
        PostgresOptions{.uri = Server().Uri(), .transaction_pooler = true}}) {
    for (const auto& way : kWays) {
      const size_t before = Allocated();
      Session sends(options);
      EXPECT_OK(way(*sends));
      EXPECT_EQ(ConnectionAccess::Inspect(*sends), SessionState::kBroken);
      sends.held().Close();
      EXPECT_LT(Allocated(), before + (1 << 20));
    }
  }
}

TEST_F(ErrorsTest, LargeValuesGoBothWays) {
  Session roomy(PostgresOptions{.uri = Server().Uri(), .max_result_bytes = 32 << 20});
  ASSERT_OK(roomy->RunScript("CREATE TEMP TABLE large(a text)"));
  const std::string value(6'000'000, 'v');
  for (int i = 0; i < 3; ++i) {
    ASSERT_OK(roomy->Run(Sql("INSERT INTO large VALUES ($1)"), value));
    ASSERT_EQ(roomy.Ask("SELECT a FROM large LIMIT 1"), value);
  }
}

TEST_F(ErrorsTest, ACopyWithTheClientEndsTheConnection) {
  EXPECT_EQ(session->RunScript("COPY t TO STDOUT").code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(ConnectionAccess::Inspect(*session), SessionState::kBroken);
}

// ---- deadlines ----------------------------------------------------------------------------------

TEST_F(ErrorsTest, ADeadlineInTheMiddleCondemnsTheConnection) {
  const Deadline deadline = session.In(50ms);
  session->set_deadline(deadline);
  const absl::Status late = session->Run(kSleep);
  EXPECT_EQ(late.code(), StatusCode::kDeadlineExceeded);
  EXPECT_LT(session.platform().Now() - deadline.time(), 5s);
  ASSERT_EQ(ConnectionAccess::fault_scope(*session), FaultScope::kConnection);
  EXPECT_EQ(ConnectionAccess::Inspect(*session), SessionState::kBroken);
  session->set_deadline(session.In(20s));
  EXPECT_EQ(session->Run(kCount), late);
  EXPECT_EQ(session->Prepare(Sql("SELECT 2")).status(), late);
  EXPECT_EQ(session->RunScript("SELECT 1"), late);
  EXPECT_EQ(session->Begin().status(), late);
  EXPECT_EQ(session->Seal(), late);
  EXPECT_EQ(ConnectionAccess::Ping(*session, session.In(1s)), late);
  EXPECT_EQ(ConnectionAccess::Reset(*session, session.In(1s)), late);
  EXPECT_EQ(ConnectionAccess::Probe(*session), Liveness::kDead);
}

TEST_F(ErrorsTest, ADeadlineThatHasPassedBeforeHarmsNothing) {
  session->set_deadline(Deadline::Past());
  EXPECT_EQ(session->Run(kAdd, 1).code(), StatusCode::kDeadlineExceeded);
  EXPECT_EQ(session->RunScript("SELECT 1").code(), StatusCode::kDeadlineExceeded);
  EXPECT_EQ(session->Begin().status().code(), StatusCode::kDeadlineExceeded);
  EXPECT_EQ(ConnectionAccess::fault_scope(*session), FaultScope::kStatement);
  session->set_deadline(session.In(20s));
  EXPECT_EQ(session.CountRows(), 0);
}

class LinkTest : public SessionTest {
 protected:
  support::TcpProxy proxy{Server().port()};
  Session session{Server().UriThrough(proxy.port(), "sslmode=disable")};
};

TEST_F(LinkTest, ADeadlineIsUnknownOnlyForWhatCouldCommit) {
  ASSERT_OK(session->Run(kAdd, 1));
  proxy.Cut();
  session->set_deadline(session.In(50ms));
  EXPECT_EQ(session->Run(kAdd, 2).code(), StatusCode::kUnknown);
  EXPECT_EQ(ConnectionAccess::fault_scope(*session), FaultScope::kConnection);
}

TEST_F(LinkTest, ADeadlineInACommitLeavesItsOutcomeUnknown) {
  absl::StatusOr<Transaction> transaction = session->Begin();
  ASSERT_OK(session->Run(kAdd, 1));
  proxy.Cut();
  session->set_deadline(session.In(50ms));
  EXPECT_EQ(transaction->Commit().code(), StatusCode::kUnknown);
}

TEST_F(LinkTest, ADeadlineOfAStatementInATransactionIsJustLate) {
  absl::StatusOr<Transaction> transaction = session->Begin();
  ASSERT_OK(session->Run(kAdd, 1));
  proxy.Cut();
  session->set_deadline(session.In(50ms));
  EXPECT_EQ(session->Run(kAdd, 2).code(), StatusCode::kDeadlineExceeded);
}

TEST_F(LinkTest, WhatIsSeenToBeDeadBeforeIsUnavailableAndNotUnknown) {
  ASSERT_OK(session->Run(kAdd, 1));
  proxy.Reset();
  while (ConnectionAccess::Probe(*session) == Liveness::kAlive) {
  }
  const absl::Status status = session->Run(kAdd, 2);
  EXPECT_EQ(status.code(), StatusCode::kUnavailable) << status;
  EXPECT_EQ(ConnectionAccess::fault_scope(*session), FaultScope::kConnectionSuspectOlder);
}

// The roll-back of before is not answered yet when the link breaks: what was sent behind it may have
// been done all the same.
TEST_F(LinkTest, ABreakBeforeAnOwedAnswerLeavesWhatWasSentBehindItUnknown) {
  {
    absl::StatusOr<Transaction> transaction = session->Begin();
    ASSERT_OK(session->Run(kAdd, 1));
    proxy.Delay(60s);
    proxy.ClearCounts();
  }  // rolled back, with the answer owed
  ASSERT_TRUE(support::WaitUntil([&] { return proxy.counts().up > 0; }));
  proxy.ClearCounts();
  std::thread breaker([&] {
    EXPECT_TRUE(support::WaitUntil([&] { return proxy.counts().up > 0; }));
    proxy.Reset();
  });
  const absl::Status status = session->Run(kAdd, 2);
  breaker.join();
  EXPECT_EQ(status.code(), StatusCode::kUnknown) << status;
}

TEST_F(ErrorsTest, ASessionThatEndsWhileItWritesLeavesTheOutcomeUnknown) {
  const absl::Status status =
      session->Run(Sql("INSERT INTO t SELECT 1 WHERE pg_terminate_backend(pg_backend_pid())"));
  EXPECT_EQ(status.code(), StatusCode::kUnknown) << status;
  EXPECT_EQ(PostgresSqlState(status), "57P01");
  EXPECT_EQ(ConnectionAccess::fault_scope(*session), FaultScope::kConnectionSuspectOlder);
  EXPECT_EQ(session->Run(kCount), status);
}

TEST_F(ErrorsTest, ASessionThatEndsWhileItReadsIsUnavailable) {
  const absl::Status status =
      session->Run(Sql("SELECT pg_terminate_backend(pg_backend_pid()), pg_sleep(9)"));
  EXPECT_EQ(status.code(), StatusCode::kUnavailable) << status;
  EXPECT_EQ(PostgresSqlState(status), "57P01");
}

TEST_F(ErrorsTest, ASessionThatEndedBeforeTellsWhy) {
  Server().Sql("SELECT pg_terminate_backend(" + session.Pid() + ")");
  ASSERT_TRUE(Server().WaitForSessions(0));
  const absl::Status status = session->Run(kAdd, 1);
  EXPECT_EQ(status.code(), StatusCode::kUnavailable) << status;
  EXPECT_EQ(PostgresSqlState(status), "57P01");
  EXPECT_EQ(ConnectionAccess::fault_scope(*session), FaultScope::kConnectionSuspectOlder);
}

}  // namespace
}  // namespace roost::postgres
