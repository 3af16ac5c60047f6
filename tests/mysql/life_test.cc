// The life of a session between its leases: what is checked, undone, kept, and ended at the server.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <string>
#include <vector>

#include "roost/pool.h"
#include "tests/fakes/forwarding_platform.h"
#include "tests/mysql/mysql_test_support.h"
#include "tests/support/loopback_port.h"

namespace roost::mysql {
namespace {

using support::TcpProxy;

constexpr Sql kAdd{"INSERT INTO life VALUES ($1)"};

class MysqlLifeTest : public ::testing::Test {
 protected:
  MysqlLifeTest() {
    proxy_.Delay(2ms);
    EXPECT_TRUE(session_.ok()) << session_.status();
    EXPECT_TRUE(
        session_->RunScript("DROP TABLE IF EXISTS life; CREATE TABLE life(a int PRIMARY KEY)")
            .ok());
    ConnectionAccess::Reset(*session_, In(20s)).IgnoreError();
  }
  // Round trips of `work`.
  template <class F>
  int Trips(F work) {
    proxy_.ClearCounts();
    work();
    return proxy_.counts().round_trips;
  }
  absl::Status Reset() { return ConnectionAccess::Reset(*session_, In(20s)); }

  TcpProxy proxy_{Server().port()};
  Session session_{MysqlOptions{.uri = Server().UriThrough(proxy_.port())}};
};

TEST_F(MysqlLifeTest, ACleanReturnTakesNoRoundTrip) {
  ASSERT_OK(session_->Run(kAdd, 1));
  EXPECT_EQ(Trips([&] {
              EXPECT_TRUE(ConnectionAccess::IsPristine(*session_));
              EXPECT_EQ(ConnectionAccess::Inspect(*session_), SessionState::kClean);
              EXPECT_EQ(ConnectionAccess::Probe(*session_), Liveness::kAlive);
            }),
            0);
}

TEST_F(MysqlLifeTest, ADirtyOneTakesOneAndNobodyWaitsForIt) {
  ASSERT_OK(session_->RunScript("START TRANSACTION"));
  ASSERT_OK(session_->Run(kAdd, 1));
  EXPECT_EQ(ConnectionAccess::Inspect(*session_), SessionState::kDirty);
  EXPECT_EQ(Trips([&] {
              EXPECT_OK(Reset());
              EXPECT_EQ(ConnectionAccess::Inspect(*session_), SessionState::kClean);
              EXPECT_EQ(session_.Count("SELECT COUNT(*) FROM life"), 0);
            }),
            3)
      << "ROLLBACK, prepare, execute";
}

// Of reports about vert.x and ReadySet: after a reset the statements that were cached did not exist.
TEST_F(MysqlLifeTest, ATaintedOneIsAsAtFirstAndItsStatementsAreThere) {
  ASSERT_OK(session_->Run(kAdd, 1));
  ASSERT_OK(
      session_->RunScript("SET time_zone = '-05:00', sql_mode = ''; SET @mine = 5; CREATE "
                          "TEMPORARY TABLE temp(a int)"));
  ASSERT_OK(session_->Run(Sql("SELECT GET_LOCK('mine', 0)")));
  EXPECT_EQ(ConnectionAccess::Inspect(*session_), SessionState::kDirty);
  EXPECT_EQ(Trips([&] { EXPECT_OK(Reset()); }), 2) << "the reset, and the set-up";
  EXPECT_TRUE(ConnectionAccess::IsPristine(*session_));
  EXPECT_EQ(session_.Ask("SELECT @@time_zone"), "+00:00");
  EXPECT_THAT(session_.Ask("SELECT @@sql_mode"), HasSubstr("STRICT_ALL_TABLES"));
  EXPECT_EQ(session_.Ask("SELECT @@character_set_client"), "utf8mb4");
  EXPECT_EQ(session_.Count("SELECT @mine IS NULL"), 1);
  EXPECT_EQ(session_.Count("SELECT IS_FREE_LOCK('mine')"), 1);
  EXPECT_THAT(session_.Ask("SELECT * FROM temp"), HasSubstr("temp"));
  EXPECT_OK(session_->Run(kAdd, 2));
  EXPECT_EQ(session_.Count("SELECT COUNT(*) FROM life"), 2);
}

TEST_F(MysqlLifeTest, OnConnectIsRunAgainAfterAReset) {
  Session session(MysqlOptions{.uri = Server().Uri(), .on_connect = "SET @mine = 5"});
  ASSERT_TRUE(session.ok()) << session.status();
  ASSERT_OK(session->RunScript("SET @mine = 6"));
  EXPECT_OK(ConnectionAccess::Reset(*session, In(20s)));
  EXPECT_EQ(session.Count("SELECT @mine"), 5);
}

TEST_F(MysqlLifeTest, AnotherDatabaseIsNotLentOn) {
  ASSERT_OK(session_->RunScript("USE information_schema"));
  EXPECT_EQ(ConnectionAccess::Inspect(*session_), SessionState::kDirty);
  EXPECT_FALSE(Reset().ok());
}

// Of many reports (2014, "Commands out of sync"): results of a CALL were left to the next user.
TEST_F(MysqlLifeTest, NothingOfACallReachesTheNextUser) {
  ASSERT_OK(session_->RunScript(
      "DROP PROCEDURE IF EXISTS several; "
      "CREATE PROCEDURE several() BEGIN SELECT 1; SELECT 2, 'two'; SELECT 3; END"));
  for (int i = 0; i < 3; ++i) {
    ASSERT_OK(session_->Run(Sql("CALL several()")));
    {
      Rows rows = (*session_->Prepare(Sql("CALL several()")))->Query();
      ASSERT_TRUE(rows.Next()) << rows.status();
      EXPECT_EQ(rows.Get<int>(0), 1);
      EXPECT_FALSE(rows.Next()) << "the rows of the first result";
      EXPECT_OK(rows.status());
    }
    {
      Rows rows = (*session_->Prepare(Sql("CALL several()")))->Query();
      ASSERT_TRUE(rows.Next()) << rows.status();
    }
    ASSERT_OK(session_->RunScript("CALL several(); CALL several()"));
    EXPECT_EQ(session_.Count("SELECT 42"), 42);
  }
  EXPECT_NE(ConnectionAccess::Inspect(*session_), SessionState::kBroken);
}

TEST_F(MysqlLifeTest, TooManyRowsThatWereNotReadCloseTheConnection) {
  {
    Rows rows = (*session_->Prepare(Sql("SELECT seq FROM seq_1_to_1000000")))->Query();
    ASSERT_TRUE(rows.Next());
  }
  EXPECT_EQ(ConnectionAccess::Inspect(*session_), SessionState::kBroken);
  EXPECT_EQ(session_->Run(kAdd, 1).code(), StatusCode::kUnavailable);
}

TEST_F(MysqlLifeTest, APingIsOneRoundTripAndInSteps) {
  EXPECT_EQ(Trips([&] { EXPECT_OK(ConnectionAccess::Ping(*session_, In(20s))); }), 1);
  absl::StatusOr<Step> step = ConnectionAccess::BeginPing(*session_, In(20s));
  int waits = 0;
  while (step.ok() && !step->done) {
    ++waits;
    NativePlatform().WaitForDescriptors({&step->wait, 1}, step->at);
    step = ConnectionAccess::Advance(*session_, NativePlatform().Now());
  }
  EXPECT_OK(step.status());
  EXPECT_GE(waits, 1) << "it does not wait by itself";
}

TEST_F(MysqlLifeTest, APingBehindARollbackThatIsOwed) {
  ASSERT_OK(session_->RunScript("START TRANSACTION"));
  ASSERT_OK(Reset());
  absl::StatusOr<Step> step = ConnectionAccess::BeginPing(*session_, In(20s));
  while (step.ok() && !step->done) {
    NativePlatform().WaitForDescriptors({&step->wait, 1}, step->at);
    step = ConnectionAccess::Advance(*session_, NativePlatform().Now());
  }
  EXPECT_OK(step.status());
  EXPECT_OK(session_->Run(kAdd, 1));
}

// The server's own reason is in the log, and nobody meets 2006.
TEST_F(MysqlLifeTest, AKilledSessionIsSeenWithoutARoundTrip) {
  Server().Sql("KILL " + std::to_string(session_.id()));
  EXPECT_TRUE(
      support::WaitUntil([&] { return ConnectionAccess::Probe(*session_) == Liveness::kDead; }));
  EXPECT_EQ(ConnectionAccess::Inspect(*session_), SessionState::kBroken);
}

TEST_F(MysqlLifeTest, KilledInTheMiddleOfAWriteItsOutcomeIsUnknown) {
  ASSERT_OK(session_->Run(kAdd, 1));
  const unsigned long id = session_.id();
  absl::StatusOr<Transaction> other = [&] {
    static Session blocker;
    EXPECT_TRUE(blocker.ok());
    absl::StatusOr<Transaction> transaction = blocker->Begin();
    EXPECT_OK(blocker->Run(Sql("UPDATE life SET a = 5 WHERE a = 1")));
    return transaction;
  }();
  // Waits for the row's lock until the server ends the session.
  support::Process end({.words = {"sh", "-c",
                                  "sleep 0.3; mariadb --no-defaults --socket=" + Server().socket() +
                                      " --user=root --execute='KILL " + std::to_string(id) + "'"}});
  const absl::Status status = session_->Run(Sql("UPDATE life SET a = 6 WHERE a = 1"));
  EXPECT_EQ(status.code(), StatusCode::kUnknown) << status;
  EXPECT_EQ(ConnectionAccess::Inspect(*session_), SessionState::kBroken);
  EXPECT_OK(other->Rollback());
}

// What the deadline of a caller leaves behind at the server is ended by a connection of its own.
TEST_F(MysqlLifeTest, ASessionThatWasGivenUpDoesNotLiveOn) {
  Session sleeper;
  ASSERT_TRUE(sleeper.ok()) << sleeper.status();
  const std::string id = std::to_string(sleeper.id());
  sleeper->set_deadline(In(50ms));
  const absl::Status late =
      sleeper->Run(Sql("SELECT COUNT(*) FROM seq_1_to_1000000000000 WHERE seq % 7 = 8"));
  EXPECT_EQ(late.code(), StatusCode::kDeadlineExceeded) << late;
  EXPECT_EQ(ConnectionAccess::Inspect(*sleeper), SessionState::kBroken);
  sleeper.held().Close();
  const auto lives = [&] {
    return Server().Sql("SELECT COUNT(*) FROM information_schema.processlist WHERE id = " + id) ==
           "1";
  };
  EXPECT_TRUE(lives()) << "a server that counts does not look whether its client is there";
  EXPECT_TRUE(support::WaitUntil([&] {
    sleeper.backend().Continue(NativePlatform().Now());
    return !lives();
  }));
}

// The server stands still when it is to be told, and hears of it when it goes on.
TEST_F(MysqlLifeTest, NorWhereTheServerStandsStillMeanwhile) {
  MariadbServer server;
  Session sleeper(MysqlOptions{.uri = server.Uri()});
  ASSERT_TRUE(sleeper.ok()) << sleeper.status();
  sleeper->set_deadline(In(50ms));
  EXPECT_FALSE(
      sleeper->Run(Sql("SELECT COUNT(*) FROM seq_1_to_1000000000000 WHERE seq % 7 = 8")).ok());
  server.Signal(SIGSTOP);
  sleeper.held().Close();
  for (int i = 0; i < 20; ++i) sleeper.backend().Continue(NativePlatform().Now());
  server.Signal(SIGCONT);
  EXPECT_TRUE(support::WaitUntil([&] {
    sleeper.backend().Continue(NativePlatform().Now());
    return server.Sessions().empty();
  }));
}

// With no Tick at all.
TEST_F(MysqlLifeTest, ASessionThatWasGivenUpIsEndedByTheNextOpens) {
  Session sleeper;
  ASSERT_TRUE(sleeper.ok()) << sleeper.status();
  const std::string id = std::to_string(sleeper.id());
  sleeper->set_deadline(In(50ms));
  EXPECT_FALSE(
      sleeper->Run(Sql("SELECT COUNT(*) FROM seq_1_to_1000000000000 WHERE seq % 7 = 8")).ok());
  sleeper.held().Close();
  EXPECT_TRUE(support::WaitUntil([&] {
    const HeldConnection next(sleeper.backend(), NativePlatform(), Role::kAny, 8, In(20s));
    return next.ok() && Server().Sql(
                            "SELECT COUNT(*) FROM information_schema.processlist "
                            "WHERE id = " +
                            id) == "0";
  }));
}

// Behind a balancer the number may be that of somebody else's session at another server.
TEST_F(MysqlLifeTest, ASessionOfThatNumberFromElsewhereIsNotKilled) {
  const std::string tcp = Server().Uri();
  const std::string socket = "mysql://node:open%20sesame@/farm?socket=" + Server().socket();
  for (const std::string& uri : {tcp, socket}) {
    const MysqlOptions options{.uri = uri};
    Session stranger(options);
    ASSERT_TRUE(stranger.ok()) << uri << stranger.status();
    BackendState state(options);
    ASSERT_OK(state.Read().status());
    const int port = static_cast<MysqlConnection&>(*stranger).wire().link().local_port();
    EXPECT_EQ(port == 0, uri == socket);
    const auto end = [&](int local_port) {
      state.EndSession({.platform = &NativePlatform(),
                        .given_up = {.id = stranger.id(), .local_port = local_port}});
      EXPECT_TRUE(support::WaitUntil(
          [&] { return state.Continue(NativePlatform().Now()) == TimePoint::max(); }));
    };
    end(port == 1234 ? 1235 : 1234);
    EXPECT_TRUE(stranger->Run(Sql("SELECT 1")).ok()) << uri;
    end(port);
    EXPECT_TRUE(support::WaitUntil([&] {
      return ConnectionAccess::Probe(*stranger) == Liveness::kDead;
    })) << uri;
  }
}

int OpenDescriptors() {
  int count = 0;
  for ([[maybe_unused]] const auto& each : std::filesystem::directory_iterator("/proc/self/fd")) {
    ++count;
  }
  return count;
}

// A server that does not answer is not asked for more and more.
TEST(MysqlFarewellTest, FewSessionsAreEndedAtATime) {
  const support::LoopbackPort port;
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port.number()));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(listener, 16), 0);
  const MysqlOptions options{.uri =
                                 "mysql://n:p@127.0.0.1:" + std::to_string(port.number()) + "/d"};
  BackendState state(options);
  ASSERT_OK(state.Read().status());
  const int before = OpenDescriptors();
  for (unsigned i = 1; i <= 8; ++i) {
    state.EndSession({.platform = &NativePlatform(), .given_up = {.id = i, .local_port = 9}});
    for (int step = 0; step < 5; ++step) state.Continue(NativePlatform().Now());
  }
  EXPECT_EQ(OpenDescriptors() - before, 2);
  close(listener);
}

TEST_F(MysqlLifeTest, ARaceIsRunAgainFromTheStart) {
  ASSERT_OK(session_->Run(kAdd, 1));
  Session other;
  ASSERT_OK(other->RunScript("SET innodb_lock_wait_timeout = 1"));
  absl::StatusOr<Transaction> holder = session_->Begin();
  ASSERT_OK(session_->Run(Sql("UPDATE life SET a = 2 WHERE a = 1")));
  {
    absl::StatusOr<Transaction> loser = other->Begin();
    ASSERT_OK(other->Run(kAdd, 7));
    const absl::Status lost = other->Run(Sql("UPDATE life SET a = 3 WHERE a = 1"));
    EXPECT_EQ(lost.code(), StatusCode::kAborted) << lost;
    EXPECT_EQ(MysqlErrno(lost), 1205);
    // The server has rolled back the statement alone; half a transaction must not be committed.
    EXPECT_EQ(other->Run(kAdd, 8).code(), StatusCode::kAborted);
    const absl::Status told = loser->Commit();
    EXPECT_EQ(told.code(), StatusCode::kAborted);
    EXPECT_THAT(std::string(told.message()), HasSubstr("UPDATE life SET a = 3"));
  }
  ASSERT_OK(holder->Commit());
  EXPECT_EQ(other.Count("SELECT COUNT(*) FROM life WHERE a > 6"), 0);
  EXPECT_OK(other->Run(kAdd, 9));  // the session goes on
}

TEST_F(MysqlLifeTest, DdlIsRefusedWhileATransactionLives) {
  absl::StatusOr<Transaction> transaction = session_->Begin();
  ASSERT_OK(session_->Run(kAdd, 1));
  EXPECT_EQ(session_->RunScript("CREATE TABLE life2(a int)").code(),
            StatusCode::kFailedPrecondition);
  EXPECT_EQ(session_->Run(Sql("TRUNCATE life")).code(), StatusCode::kFailedPrecondition);
  ASSERT_OK(transaction->Rollback());
  EXPECT_EQ(session_.Count("SELECT COUNT(*) FROM life"), 0);
}

// Of reports about ADBC and DBProxy: a COMMIT that chains lost what came behind it.
TEST_F(MysqlLifeTest, ACommitBeginsNoOtherTransaction) {
  MariadbServer server({.settings = {"--completion-type=CHAIN", "--autocommit=0"}});
  Session session(MysqlOptions{.uri = server.Uri()});
  ASSERT_TRUE(session.ok()) << session.status();
  ASSERT_OK(session->RunScript("CREATE TABLE life(a int PRIMARY KEY)"));
  // Whatever the program says itself.
  for (const char* const type : {"0", "1", "2"}) {
    ASSERT_OK(session->RunScript(std::string("SET completion_type = ") + type));
    absl::StatusOr<Transaction> transaction = session->Begin();
    ASSERT_OK(session->Run(kAdd, 1));
    ASSERT_OK(transaction->Commit());
    ASSERT_OK(session->Run(kAdd, 2));
    const std::vector<int> rows{3, 4};
    ASSERT_OK(session->RunAll(kAdd, rows));
    ASSERT_OK(session->RunScript("INSERT INTO life VALUES (5)"));
    EXPECT_OK(ConnectionAccess::Reset(*session, In(20s)));
    EXPECT_EQ(session.Count("SELECT COUNT(*) FROM life"), 5) << type;
    ASSERT_OK(session->RunScript("DELETE FROM life"));
  }
}

TEST_F(MysqlLifeTest, WhatEndsATransactionBehindAnotherWordIsRefused) {
  absl::StatusOr<Transaction> transaction = session_->Begin();
  ASSERT_OK(session_->Run(kAdd, 1));
  for (const char* const sql :
       {"SET STATEMENT max_statement_time = 5 FOR COMMIT",
        "SET STATEMENT max_statement_time = 5 FOR START TRANSACTION",
        "SET STATEMENT max_statement_time = 5 FOR TRUNCATE life", "SET DEFAULT ROLE NONE",
        "SET @@AUTOCOMMIT = 1", "CREATE TABLE life2(temporary int)"}) {
    EXPECT_EQ(session_->Run(Sql(sql)).code(), StatusCode::kFailedPrecondition) << sql;
    EXPECT_EQ(session_->RunScript(sql).code(), StatusCode::kFailedPrecondition) << sql;
  }
  EXPECT_EQ(session_->RunScript("EXECUTE IMMEDIATE CONCAT('COM', 'MIT')").code(),
            StatusCode::kFailedPrecondition);
  ASSERT_OK(transaction->Rollback());
  EXPECT_EQ(session_.Count("SELECT COUNT(*) FROM life"), 0);
}

// Of a report about MySqlConnector: a commit that nobody asked for was not seen.
TEST_F(MysqlLifeTest, AProcedureThatCommitsIsSeenAtOnce) {
  ASSERT_OK(session_->RunScript("DROP PROCEDURE IF EXISTS ends; CREATE PROCEDURE ends() COMMIT"));
  for (const bool script : {false, true}) {
    ASSERT_OK(session_->RunScript("DELETE FROM life"));
    absl::StatusOr<Transaction> transaction = session_->Begin();
    ASSERT_OK(session_->Run(kAdd, 1));
    const absl::Status called =
        script ? session_->RunScript("CALL ends()") : session_->Run(Sql("CALL ends()"));
    EXPECT_EQ(called.code(), StatusCode::kUnknown) << called;
    EXPECT_EQ(transaction->Rollback().code(), StatusCode::kUnknown);
    EXPECT_EQ(session_.Count("SELECT COUNT(*) FROM life"), 1);
  }
}

// Of a report about TablePro (2754): what a procedure ends and begins anew no reading of SQL sees.
TEST_F(MysqlLifeTest, AProcedureThatBeginsAnotherTransactionIsSeen) {
  ASSERT_OK(session_->RunScript(
      "DROP TABLE IF EXISTS ddl; DROP PROCEDURE IF EXISTS fresh; DROP PROCEDURE IF EXISTS again; "
      "DROP PROCEDURE IF EXISTS implied; DROP PROCEDURE IF EXISTS quiet; "
      "CREATE PROCEDURE fresh() BEGIN COMMIT; START TRANSACTION; END; "
      "CREATE PROCEDURE again() BEGIN INSERT INTO life VALUES (2); ROLLBACK; START TRANSACTION; "
      "SELECT 1; SELECT 2; INSERT INTO life VALUES (3); END; "
      "CREATE PROCEDURE implied() BEGIN SET autocommit = 0; CREATE OR REPLACE TABLE ddl(a int); "
      "INSERT INTO life VALUES (4); END; "
      "CREATE PROCEDURE quiet() BEGIN SAVEPOINT s; INSERT INTO life VALUES (5); ROLLBACK TO s; "
      "INSERT INTO life VALUES (6); SELECT * FROM life; END"));
  for (const bool script : {false, true}) {
    for (const bool rolls_back : {false, true}) {
      for (const char* const sql : {"CALL fresh()", "CALL again()", "CALL implied()"}) {
        ASSERT_OK(session_->RunScript("SET autocommit = 1; DELETE FROM life"));
        absl::StatusOr<Transaction> transaction = session_->Begin();
        ASSERT_OK(session_->Run(kAdd, 1));
        const absl::Status called = script ? session_->RunScript(sql) : session_->Run(Sql(sql));
        EXPECT_EQ(called.code(), StatusCode::kUnknown) << sql << ": " << called;
        EXPECT_EQ(session_->Run(kAdd, 7).code(), StatusCode::kUnknown);
        EXPECT_EQ((rolls_back ? transaction->Rollback() : transaction->Commit()).code(),
                  StatusCode::kUnknown)
            << sql;
        EXPECT_LE(session_.Count("SELECT COUNT(*) FROM life"), 1) << sql << ": its own is undone";
      }
    }
    // A savepoint, rows, an error and a statement that is prepared anew are no other transaction.
    ASSERT_OK(session_->RunScript("SET autocommit = 1; DELETE FROM life"));
    absl::StatusOr<Transaction> transaction = session_->Begin();
    EXPECT_FALSE(session_->Run(Sql("INSERT INTO nowhere VALUES (1)")).ok());
    EXPECT_OK(script ? session_->RunScript("CALL quiet()") : session_->Run(Sql("CALL quiet()")));
    EXPECT_OK(session_->Run(kAdd, 8));
    EXPECT_OK(transaction->Commit());
    EXPECT_EQ(session_.Ask("SELECT GROUP_CONCAT(a ORDER BY a) FROM life"), "6,8");
  }
  // As behind a pooler that tells its clients nothing of it.
  Session silent(MysqlOptions{.uri = Server().Uri(),
                              .on_connect = "SET session_track_transaction_info = 'OFF'"});
  absl::StatusOr<Transaction> transaction = silent->Begin();
  EXPECT_OK(silent->Run(Sql("CALL fresh()")));
  EXPECT_OK(transaction->Commit());
}

// "0 rows are in" is said where the server has rolled back, and nowhere else. In one statement nobody knows
// whether it has.
TEST_F(MysqlLifeTest, RunAllSaysHowManyRowsAreInWhereItKnows) {
  ASSERT_OK(session_->RunScript(
      "DROP TABLE IF EXISTS isam; CREATE TABLE isam(a int PRIMARY KEY) ENGINE=MyISAM; "
      "DROP PROCEDURE IF EXISTS adds; CREATE PROCEDURE adds(x int) BEGIN INSERT INTO life VALUES "
      "(x); COMMIT; END"));
  const std::vector<int> rows{1, 2, 1};
  const auto said = [&](const char* sql) {
    return std::string(session_->RunAll(Sql(sql), rows).message());
  };
  EXPECT_THAT(said("INSERT INTO life VALUES ($1)"), HasSubstr("0 rows are in"));
  EXPECT_EQ(session_.Count("SELECT COUNT(*) FROM life"), 0);
  EXPECT_THAT(said("INSERT INTO isam VALUES ($1)"),
              HasSubstr("those before it in a table without transactions, such as MyISAM's"));
  EXPECT_EQ(session_.Count("SELECT COUNT(*) FROM isam"), 2);
  const std::string isam = said("INSERT INTO isam SELECT $1 + 2");
  EXPECT_THAT(isam, HasSubstr("MyISAM"));
  EXPECT_THAT(isam, Not(HasSubstr("0 rows")));
  EXPECT_EQ(session_.Count("SELECT COUNT(*) FROM isam"), 4);
  const std::string called = said("CALL adds($1)");
  EXPECT_THAT(called, HasSubstr("how many rows are in is unknown"));
  EXPECT_EQ(session_.Count("SELECT COUNT(*) FROM life"), 1);
  EXPECT_THAT(said("INSERT INTO life VALUES ($1 + 5)"), HasSubstr("0 rows are in"));
}

TEST_F(MysqlLifeTest, TheServersLimitOfAStatementIsADeadline) {
  ASSERT_OK(session_->RunScript("SET max_statement_time = 0.05"));
  const absl::Status late = session_->Run(Sql("SELECT SLEEP(30) FROM seq_1_to_3"));
  EXPECT_EQ(late.code(), StatusCode::kDeadlineExceeded) << late;
  EXPECT_EQ(MysqlErrno(late), 1969);
  EXPECT_EQ(session_.Count("SELECT 1"), 1) << "and the session goes on";
}

// A server that was demoted takes no writes; the pool does not lend its sessions again.
TEST_F(MysqlLifeTest, AServerThatOnlyReadsIsLeft) {
  MariadbServer server;
  const std::string hosts =
      "mysql://node:open%20sesame@127.0.0.1:" + std::to_string(server.port()) +
      ",127.0.0.1:" + std::to_string(Server().port()) + "/farm";
  auto backend = std::make_unique<MysqlBackend>(MysqlOptions{.uri = hosts});
  MysqlBackend& both = *backend;
  Session session(std::move(backend));
  ASSERT_TRUE(session.ok()) << session.status();
  ASSERT_OK(session->RunScript("CREATE TABLE life(a int)"));
  server.Sql("SET GLOBAL read_only = 1");
  const absl::Status refused = session->Run(kAdd, 1);
  EXPECT_EQ(refused.code(), StatusCode::kUnavailable) << refused;
  EXPECT_EQ(MysqlErrno(refused), 1290);
  EXPECT_EQ(ConnectionAccess::fault_scope(*session), FaultScope::kAllOlder);
  const HeldConnection next(both, NativePlatform(), Role::kAny, 8, In(20s));
  ASSERT_TRUE(next.ok()) << next.status();
  next->set_deadline(In(20s));
  EXPECT_OK(next->Run(kAdd, 1));  // on the other host of the list
}

// A list of hosts, of which the first only reads: the open goes on to the second, in the same attempt.
TEST_F(MysqlLifeTest, WhoWantsToWritePassesAServerThatOnlyReads) {
  MariadbServer reads({.settings = {"--read-only=1"}});
  const auto uri = [&](std::string_view attributes) {
    return "mysql://node:open%20sesame@127.0.0.1:" + std::to_string(reads.port()) +
           ",127.0.0.1:" + std::to_string(Server().port()) + "/farm" + std::string(attributes);
  };
  Session any(MysqlOptions{.uri = uri("?target_session_attrs=any")});
  ASSERT_TRUE(any.ok()) << any.status();
  EXPECT_EQ(any.Count("SELECT @@port"), reads.port());
  Session writer(MysqlOptions{.uri = uri("?target_session_attrs=read-write")});
  ASSERT_TRUE(writer.ok()) << writer.status();
  EXPECT_EQ(writer.Count("SELECT @@port"), Server().port());
  EXPECT_EQ(writer.Ask("SELECT @@time_zone"), "+00:00");
  Session alone(MysqlOptions{.uri = reads.Uri("target_session_attrs=read-write")});
  EXPECT_EQ(alone.status().code(), StatusCode::kUnavailable) << alone.status();
  EXPECT_THAT(alone.message(), HasSubstr("only reads"));
  reads.Sql("SET GLOBAL read_only = 0");
  Session promoted(MysqlOptions{.uri = reads.Uri("target_session_attrs=read-write")});
  EXPECT_TRUE(promoted.ok()) << promoted.status();
}

// As behind ProxySQL or MaxScale, which are not here: what the session must not be asked for.
TEST_F(MysqlLifeTest, BehindAPoolerNoSessionIsChangedResetOrKilled) {
  Session session(MysqlOptions{.uri = Server().UriThrough(proxy_.port(), "pooler=transaction")});
  ASSERT_TRUE(session.ok()) << session.status();
  for (const char* const sql : {"SET @a = 1", "USE mysql", "CREATE TEMPORARY TABLE t(a int)",
                                "SELECT GET_LOCK('a', 1)", "SELECT @a := 1"}) {
    EXPECT_EQ(session->Run(Sql(sql)).code(), StatusCode::kInvalidArgument) << sql;
    EXPECT_EQ(session->RunScript(sql).code(), StatusCode::kInvalidArgument) << sql;
  }
  EXPECT_EQ(Trips([&] { EXPECT_OK(session->Run(kAdd, 1)); }), 2) << "prepared for itself";
  EXPECT_EQ(Trips([&] { EXPECT_OK(session->RunAll(kAdd, std::vector<int>{2, 3})); }), 4);
  EXPECT_EQ(ConnectionAccess::Inspect(*session), SessionState::kClean);
  EXPECT_NE(session->Raw(), nullptr);
  EXPECT_EQ(Trips([&] { EXPECT_OK(ConnectionAccess::Reset(*session, In(20s))); }), 0);
  session->set_deadline(In(50ms));
  EXPECT_FALSE(session->Run(Sql("SELECT SLEEP(600)")).ok());
  session.held().Close();
  EXPECT_EQ(session.backend().Continue(NativePlatform().Now()), TimePoint::max())
      << "its number may be another's at the server";
}

struct PoolOfOne : profiles::Default {
  static constexpr const char* kName = "pool_of_one";
  static constexpr int kPoolSize = 1;
  static constexpr int kMaxOverflow = 0;
  static constexpr PrePing kPrePing = PrePing::kAfterIdle;
  static constexpr Duration kPingAfter = 100s;
};

// Of a dozen reports, the best known error of MySQL: "server has gone away" on the first use after a pause.
TEST_F(MysqlLifeTest, NobodyMeetsAServerThatHasGoneAway) {
  MariadbServer server({.settings = {"--wait-timeout=1"}});
  MysqlBackend backend({.uri = server.Uri()});
  PoolFor<PoolOfOne> pool(backend);
  std::vector<unsigned long> sessions;
  for (int i = 0; i < 4; ++i) {
    absl::StatusOr<Lease> lease = pool.Acquire(kWrite, pool.In(20s));
    ASSERT_OK(lease.status());
    EXPECT_OK((*lease)->Run(Sql("SELECT 1")));
    sessions.push_back(MysqlHandle(**lease)->thread_id);
    lease->Return();
    if (i == 0) continue;  // at once again
    EXPECT_TRUE(server.WaitForSessions(0)) << "the server ends it";
  }
  EXPECT_EQ(sessions[0], sessions[1]);
  EXPECT_NE(sessions[1], sessions[2]);
}

// A clock of its own shows that it does not take the server to end it.
class AgedPlatform : public fakes::ForwardingPlatform {
 public:
  TimePoint CoarseNow() override { return NativePlatform().CoarseNow() + age; }
  Duration age{};
};

TEST_F(MysqlLifeTest, AConnectionIsReplacedAtFourFifthsOfTheServersLimit) {
  AgedPlatform platform;
  MysqlBackend backend({.uri = Server().Uri()});
  HeldConnection held(backend, platform, Role::kAny, 8, In(20s));
  ASSERT_TRUE(held.ok()) << held.status();
  held->set_deadline(Deadline::Never());
  platform.age = 23'000s;  // of 28,800
  EXPECT_EQ(ConnectionAccess::Probe(*held), Liveness::kAlive);
  platform.age = 23'100s;
  EXPECT_EQ(ConnectionAccess::Probe(*held), Liveness::kDead);
  EXPECT_EQ(ConnectionAccess::Inspect(*held), SessionState::kBroken);
}

TEST_F(MysqlLifeTest, ARestartedServerIsNotice) {
  MariadbServer server;
  Session session(MysqlOptions{.uri = server.Uri()});
  ASSERT_TRUE(session.ok()) << session.status();
  server.Restart();
  EXPECT_EQ(ConnectionAccess::Probe(*session), Liveness::kDead);
  EXPECT_EQ(session->Run(Sql("SELECT 1")).code(), StatusCode::kUnavailable);
  EXPECT_EQ(ConnectionAccess::fault_scope(*session), FaultScope::kConnectionSuspectOlder);
}

TEST_F(MysqlLifeTest, ALinkThatIsCutCostsTheDeadline) {
  proxy_.Cut();
  session_->set_deadline(In(50ms));
  EXPECT_EQ(session_->Run(Sql("SELECT 1")).code(), StatusCode::kDeadlineExceeded);
  EXPECT_EQ(ConnectionAccess::Inspect(*session_), SessionState::kBroken);
}

TEST_F(MysqlLifeTest, ALinkThatIsResetIsUnavailable) {
  proxy_.Reset();
  const absl::Status status = session_->Run(Sql("SELECT 1"));
  EXPECT_EQ(status.code(), StatusCode::kUnavailable) << status;
}

}  // namespace
}  // namespace roost::mysql
