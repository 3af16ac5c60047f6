// What a user leaves behind, and what the pool does about it; what it costs on the wire.
#include <sys/wait.h>
#include <unistd.h>

#include <optional>

#include "tests/postgres/postgres_test_support.h"
#include "tests/support/connection_access.h"
#include "tests/support/forgotten.h"

namespace roost::postgres {
namespace {

class ResetTest : public SessionTest {
 protected:
  // A way of 10 ms makes the counts exact: what is sent at once arrives before any answer.
  static constexpr std::chrono::milliseconds kWay{10};

  ResetTest() { proxy.Delay(kWay); }

  int Count() {
    const int now = proxy.counts().round_trips;
    return now - std::exchange(counted_, now);
  }

  support::TcpProxy proxy{Server().port()};
  Session session{Server().UriThrough(proxy.port(), "sslmode=disable")};

 private:
  int counted_ = 0;
};

TEST_F(ResetTest, ACleanReturnAndTheProbeCostNothing) {
  ASSERT_OK(session->Run(kCount));
  Count();
  EXPECT_EQ(ConnectionAccess::Inspect(*session), SessionState::kClean);
  EXPECT_TRUE(ConnectionAccess::IsPristine(*session));
  EXPECT_EQ(ConnectionAccess::Probe(*session), Liveness::kAlive);
  EXPECT_EQ(Count(), 0);
  EXPECT_OK(ConnectionAccess::Ping(*session, session.In(5s)));
  EXPECT_EQ(Count(), 1);
}

TEST_F(ResetTest, PreparingCostsOneAndNothingWhenItIsRunAtOnce) {
  ASSERT_OK(session->Run(kAdd, 1));
  EXPECT_EQ(Count(), 2) << "the log-in, and preparing and running together";
  ASSERT_OK(session->Run(kAdd, 2));
  EXPECT_EQ(Count(), 1);
  ASSERT_OK(session->Prepare(kCount).status());
  EXPECT_EQ(Count(), 1) << "finds wrong SQL";
  ASSERT_OK(session->Run(kCount));
  EXPECT_EQ(Count(), 1);
}

TEST_F(ResetTest, ATransactionCostsItsStatementsAndTheCommit) {
  Count();
  absl::StatusOr<Transaction> transaction = session->Begin();
  EXPECT_EQ(Count(), 0) << "BEGIN travels with the first statement";
  ASSERT_OK(session->Run(kAdd, 1));
  EXPECT_EQ(Count(), 1);
  ASSERT_OK(session->Run(kAdd, 2));
  ASSERT_OK(transaction->Commit());
  EXPECT_EQ(Count(), 2);
  absl::StatusOr<Transaction> sealed = session->Begin(Durability::kSealed);
  ASSERT_OK(session->Run(kAdd, 3));
  ASSERT_OK(sealed->Commit());
  EXPECT_EQ(Count(), 2) << "sealed costs no round trip more";
  ASSERT_OK(session->Begin()->Commit());
  EXPECT_EQ(Count(), 0) << "nothing was run in it";
}

TEST_F(ResetTest, ARollbackIsNotWaitedForAndTravelsWithWhatFollows) {
  {
    absl::StatusOr<Transaction> transaction = session->Begin();
    ASSERT_OK(session->Run(kAdd, 1));
    Count();
    proxy.Delay(300ms);
    const TimePoint start = session.platform().Now();
    EXPECT_OK(transaction->Rollback());
    EXPECT_LT(session.platform().Now() - start, 300ms);
    EXPECT_EQ(ConnectionAccess::Inspect(*session), SessionState::kClean);
    proxy.Delay(kWay);
  }
  EXPECT_EQ(session.CountRows(), 0);
}

TEST_F(ResetTest, AForgottenTransactionIsTakenBackWithoutWaiting) {
  ASSERT_OK(session->RunScript("BEGIN; INSERT INTO t VALUES (1)"));
  EXPECT_EQ(ConnectionAccess::Inspect(*session), SessionState::kDirty);
  Count();
  proxy.Delay(300ms);
  const TimePoint start = session.platform().Now();
  ASSERT_OK(ConnectionAccess::Reset(*session, session.In(5s)));
  EXPECT_LT(session.platform().Now() - start, 300ms);
  EXPECT_TRUE(ConnectionAccess::IsPristine(*session));
  proxy.Delay(kWay);
  // The answer is collected by the next one who waits for one.
  EXPECT_OK(ConnectionAccess::Ping(*session, session.In(5s)));
  EXPECT_LE(Count(), 2);
  EXPECT_EQ(session.CountRows(), 0);
}

// By every way that has no SET, or hides it behind a literal.
TEST_F(ResetTest, SessionStateThatIsHardToSeeIsUndone) {
  const auto state = [this] {
    return session.Ask(
        "SELECT current_setting('application_name') || ',' || "
        "current_setting('work_mem') || ',' || count(*) FROM pg_class "
        "WHERE relnamespace = pg_my_temp_schema()");
  };
  const std::string clean = state();
  for (const char* const sql :
       {"SELECT E'it\\'s on'; SET application_name = 'evil'; SELECT 'x'",
        "SELECT $$it's on$$; SET application_name = 'evil'; SELECT $$it's off$$",
        "SELECT 1 -- it's\r; SET application_name = 'evil'; SELECT 'x'",
        "UPDATE pg_settings SET setting = '5MB' WHERE name = 'work_mem'",
        "DO $$ BEGIN EXECUTE 'SE' || 'T application_name = ''evil'''; END $$",
        "SELECT \"set_config\"('application_name', 'evil', false)",
        "CREATE TABLE pg_temp.mine(x int)", "CREATE TABLE U&\"pg\\005ftemp\".mine(x int)",
        "BEGIN; SET LOCAL search_path = pg_temp; CREATE TABLE mine(x int); COMMIT"}) {
    ASSERT_OK(session->RunScript(sql));
    EXPECT_NE(state(), clean) << "else this shows nothing: " << sql;
    EXPECT_EQ(ConnectionAccess::Inspect(*session), SessionState::kDirty) << sql;
    ASSERT_OK(ConnectionAccess::Reset(*session, session.In(5s)));
    EXPECT_EQ(state(), clean) << sql;
  }
}

TEST_F(ResetTest, SessionStateIsUndoneAndTheStatementsArePreparedAnew) {
  ASSERT_OK(session->Run(kAdd, 1));
  ASSERT_OK(session->Run(kCount));
  for (const char* const sql :
       {"SET statement_timeout = 12345", "CREATE TEMP TABLE left_behind(a int)",
        "SELECT pg_advisory_lock(77)", "LISTEN door", "BEGIN; SET x.y = 1; COMMIT"}) {
    ASSERT_OK(session->RunScript(sql));
    EXPECT_EQ(ConnectionAccess::Inspect(*session), SessionState::kDirty) << sql;
    Count();
    ASSERT_OK(ConnectionAccess::Reset(*session, session.In(5s)));
    EXPECT_EQ(ConnectionAccess::Inspect(*session), SessionState::kClean) << sql;
    EXPECT_EQ(session->Run(kAdd, nullptr).code(), StatusCode::kInvalidArgument);
    EXPECT_LE(Count(), 2) << "DISCARD ALL on its way, and preparing and running: " << sql;
  }
  EXPECT_EQ(session.Ask("SHOW statement_timeout"), "0");
  EXPECT_EQ(session.Ask("SELECT to_regclass('left_behind')::text"), "NULL");
  EXPECT_EQ(session.Ask("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"), "0");
  EXPECT_EQ(session.Ask("SELECT count(*) FROM pg_listening_channels()"), "0");
  EXPECT_EQ(session.CountRows(), 1);
}

TEST_F(ResetTest, ACachedStatementThatTaintsDoesSoEachTime) {
  const Sql kSet("SELECT set_config('x.y', $1, false)");
  for (int i = 0; i < 2; ++i) {
    ASSERT_OK(session->Run(kSet, "left"));
    EXPECT_EQ(ConnectionAccess::Inspect(*session), SessionState::kDirty);
    ASSERT_OK(ConnectionAccess::Reset(*session, session.In(5s)));
    EXPECT_EQ(session.Ask("SELECT coalesce(current_setting('x.y', true), '')"), "");
  }
}

TEST_F(ResetTest, WhatEachConnectionBeginsWithIsThereAgainAfterIt) {
  Session prepared(PostgresOptions{.uri = Server().Uri(), .on_connect = "SET x.y = 'first'"});
  ASSERT_OK(prepared->RunScript("SET x.y = 'changed'"));
  ASSERT_OK(ConnectionAccess::Reset(*prepared, prepared.In(5s)));
  EXPECT_EQ(prepared.Ask("SHOW x.y"), "first");
}

TEST_F(ResetTest, RowsThatAreStillReadAreEnded) {
  ASSERT_OK(session->RunScript("INSERT INTO t SELECT generate_series(1, 100)"));
  Rows rows = (*session->Prepare(Sql("SELECT a FROM t")))->Query();
  ASSERT_TRUE(rows.Next());
  const support::Forgotten<Rows> forgotten(std::move(rows));
  EXPECT_EQ(ConnectionAccess::Inspect(*session), SessionState::kDirty);
  ASSERT_OK(ConnectionAccess::Reset(*session, session.In(5s)));
  EXPECT_EQ(ConnectionAccess::Inspect(*session), SessionState::kClean);
  EXPECT_EQ(session.CountRows(), 100);
}

TEST_F(ResetTest, ALongResultThatIsLeftCostsTheConnection) {
  {
    Rows rows =
        (*session->Prepare(Sql("SELECT generate_series(1, 1000000), repeat('x', 100)")))->Query();
    ASSERT_TRUE(rows.Next());
  }
  EXPECT_EQ(ConnectionAccess::Inspect(*session), SessionState::kBroken);
  EXPECT_EQ(ConnectionAccess::fault_scope(*session), FaultScope::kConnection);
  EXPECT_EQ(session->Run(kCount).code(), StatusCode::kUnavailable);
}

TEST_F(ResetTest, RowsThatNeverEndAreGivenUpAtTheDeadlineOfTheReset) {
  const Sql endless(
      "SELECT repeat('x', 9000) FROM generate_series(1, 5) UNION ALL SELECT pg_sleep(600)::text");
  Rows rows = (*session->Prepare(endless))->Query();
  ASSERT_TRUE(rows.Next());
  const support::Forgotten<Rows> forgotten(std::move(rows));
  const Deadline by = session.In(30ms);
  EXPECT_FALSE(ConnectionAccess::Reset(*session, by).ok());
  EXPECT_GE(session.platform().Now(), by.time());
  EXPECT_LT(session.platform().Now(), by.time() + 5s);
}

TEST_F(ResetTest, OneReadingAtATime) {
  ASSERT_OK(session->RunScript("INSERT INTO t SELECT generate_series(1, 3)"));
  Rows rows = (*session->Prepare(Sql("SELECT a FROM t ORDER BY a")))->Query();
  ASSERT_TRUE(rows.Next());
  EXPECT_EQ(session->Run(kCount).code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(session->RunScript("SELECT 1").code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(session->Begin().status().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(session->Seal().code(), StatusCode::kFailedPrecondition);
  EXPECT_TRUE(rows.Next());
  EXPECT_EQ(rows.Get<int>(0), 2);
}

// ---- the raw handle -----------------------------------------------------------------------------

TEST_F(ResetTest, TheRawHandleIsAnOrdinaryOne) {
  absl::StatusOr<Transaction> transaction = session->Begin();
  PGconn* const handle = PostgresHandle(*session);
  PQclear(PQexec(handle, "INSERT INTO t VALUES (1)"));
  ASSERT_OK(session->Run(kAdd, 2));
  PGresult* const result = PQexec(handle, "SELECT count(*) FROM t");
  EXPECT_STREQ(PQgetvalue(result, 0, 0), "2") << "inside of the transaction";
  PQclear(result);
  EXPECT_OK(transaction->Rollback());
  PQclear(PQexec(PostgresHandle(*session), "SET x.y = 'raw'"));
  EXPECT_EQ(ConnectionAccess::Inspect(*session), SessionState::kDirty);
  ASSERT_OK(ConnectionAccess::Reset(*session, session.In(5s)));
  EXPECT_EQ(session.CountRows(), 0);
  EXPECT_EQ(session.Ask("SELECT current_setting('x.y', true)"), "");
}

TEST_F(ResetTest, ARawHandleInTheMiddleOfSomethingIsBroken) {
  const auto leave = [](void (*what)(PGconn*)) {
    Session one;
    what(PostgresHandle(*one));
    EXPECT_EQ(ConnectionAccess::Inspect(*one), SessionState::kBroken);
    EXPECT_EQ(one->Run(kCount).code(), StatusCode::kFailedPrecondition);
    EXPECT_FALSE(ConnectionAccess::Reset(*one, one.In(5s)).ok());
  };
  leave([](PGconn* handle) { PQsendQuery(handle, "SELECT pg_sleep(600)"); });
  leave([](PGconn* handle) { PQclear(PQexec(handle, "COPY t FROM STDIN")); });
  leave([](PGconn* handle) { PQclear(PQexec(handle, "COPY t TO STDOUT")); });
  leave([](PGconn* handle) { PQenterPipelineMode(handle); });
}

// The server would say that a transaction is open: another one.
TEST_F(ResetTest, SqlDoesNotChainATransaction) {
  absl::StatusOr<Transaction> transaction = session->Begin();
  ASSERT_OK(session->Run(kAdd, 1));
  for (const char* sql : {"COMMIT AND CHAIN", "ROLLBACK AND CHAIN", "ABORT", "START TRANSACTION",
                          "PREPARE TRANSACTION 'a'"}) {
    EXPECT_EQ(session->Run(Sql(sql)).code(), StatusCode::kFailedPrecondition) << sql;
    EXPECT_EQ(session->RunScript(sql).code(), StatusCode::kFailedPrecondition) << sql;
  }
  ASSERT_OK(
      session->RunScript("CREATE FUNCTION two() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END"));
  EXPECT_OK(transaction->Rollback());
  EXPECT_EQ(session.CountRows(), 0);
}

// ---- the end ------------------------------------------------------------------------------------

TEST_F(ResetTest, CloseSaysFarewellAndDoesNotWait) {
  Session one;
  ASSERT_OK(one->Run(kCount));
  const std::string pid = one.Pid();
  one.held().Close();
  EXPECT_TRUE(Server().WaitForSessions(1)) << "the fixture's";
  ASSERT_OK(session->Run(kCount));
  proxy.Cut();
  const TimePoint start = session.platform().Now();
  session.held().Close();
  EXPECT_LT(session.platform().Now() - start, 1s);
}

TEST_F(ResetTest, AChildThatAbandonsTellsTheServerNothing) {
  ASSERT_OK(session->Run(kAdd, 1));
  const pid_t child = fork();
  if (child == 0) {
    session.held().Abandon();
    _exit(0);
  }
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  EXPECT_EQ(ConnectionAccess::Probe(*session), Liveness::kAlive);
  EXPECT_EQ(session.CountRows(), 1);
}

TEST_F(ResetTest, ADetachedHandleKeepsNothingOfOurs) {
  ASSERT_OK(session->Run(kAdd, 1));
  ASSERT_OK(session->Run(kCount));
  auto* const handle = static_cast<PGconn*>(session.held().Detach().handle);
  PGresult* const result =
      PQexec(handle, "SELECT count(*) FROM pg_prepared_statements; DROP TABLE IF EXISTS nothing");
  EXPECT_EQ(PQresultStatus(result), PGRES_COMMAND_OK) << PQerrorMessage(handle);
  PQclear(result);
  PGresult* const left = PQexec(handle, "SELECT count(*) FROM pg_prepared_statements");
  EXPECT_STREQ(PQgetvalue(left, 0, 0), "0");
  PQclear(left);
  PQfinish(handle);
}

}  // namespace
}  // namespace roost::postgres
