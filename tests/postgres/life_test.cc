// Probe, ping, maintenance: how a connection's death is noticed, and what that costs.
#include <signal.h>

#include "tests/postgres/postgres_test_support.h"
#include "tests/support/connection_access.h"

namespace roost::postgres {
namespace {

class LifeTest : public SessionTest {
 protected:
  support::TcpProxy proxy{Server().port()};
  Session session{Server().UriThrough(proxy.port(), "sslmode=disable")};
};

TEST(ServerFactsTest, AreWhatTheServerSaidAnyway) {
  support::TcpProxy proxy(Server().port());
  PostgresBackend backend({.uri = Server().UriThrough(proxy.port(), "sslmode=disable")});
  EXPECT_EQ(std::string_view(backend.server().version.data()), "") << "nothing was opened";
  support::HeldConnection held(backend, NativePlatform());
  ASSERT_TRUE(held.ok()) << held.status();
  const int trips = proxy.counts().round_trips;
  const ServerFacts facts = backend.server();
  EXPECT_EQ(proxy.counts().round_trips, trips);
  EXPECT_EQ(std::string_view(facts.version.data()),
            PQparameterStatus(PostgresHandle(*held), "server_version"));
  EXPECT_EQ(std::string_view(facts.user.data()), "node");
  EXPECT_EQ(std::string_view(facts.tls.data()), "none");
  EXPECT_EQ(facts.role, PQserverVersion(PostgresHandle(*held)) >= 140000 ? ServerRole::kPrimary
                                                                         : ServerRole::kUnknown);
  EXPECT_GT(facts.round_trip, Duration::zero());
}

TEST(ServerFactsTest, ASessionThatOnlyReadsIsToldFromAPrimary) {
  PostgresServer only_reads({.script = "ALTER ROLE node SET default_transaction_read_only = on"});
  PostgresBackend backend({.uri = only_reads.Uri()});
  support::HeldConnection held(backend, NativePlatform());
  ASSERT_TRUE(held.ok()) << held.status();
  EXPECT_EQ(backend.server().role, ServerRole::kReadOnly);
}

TEST_F(LifeTest, ASessionThatWasEndedIsDeadWithoutBeingAsked) {
  Server().Sql("SELECT pg_terminate_backend(" + session.Pid() + ")");
  while (ConnectionAccess::Probe(*session) == Liveness::kAlive) {
  }
  EXPECT_EQ(ConnectionAccess::Probe(*session), Liveness::kDead);
  EXPECT_EQ(ConnectionAccess::fault_scope(*session), FaultScope::kConnectionSuspectOlder);
  EXPECT_EQ(PostgresSqlState(ConnectionAccess::Ping(*session, session.In(1s))), "57P01");
}

TEST_F(LifeTest, ANotificationIsNoDeath) {
  ASSERT_OK(session->RunScript("LISTEN door"));
  for (int i = 0; i < 3; ++i) Server().Sql("NOTIFY door");
  DescriptorWait wait{.fd = PQsocket(PostgresHandle(*session)), .wanted = {.readable = true}};
  NativePlatform().WaitForDescriptors({&wait, 1}, session.In(20s));
  EXPECT_EQ(ConnectionAccess::Probe(*session), Liveness::kAlive);
  EXPECT_EQ(PQnotifies(PostgresHandle(*session)), nullptr) << "the next user is not told";
}

TEST_F(LifeTest, ACrashOfTheServerKillsEverySession) {
  PostgresServer server;
  Session doomed(server.Uri());
  Session crashes(server.Uri());
  ASSERT_OK(doomed->Run(Sql("SELECT 1")));
  ASSERT_EQ(::kill(std::stoi(crashes.Pid()), SIGKILL), 0);
  while (ConnectionAccess::Probe(*doomed) == Liveness::kAlive) {
  }
  EXPECT_EQ(ConnectionAccess::fault_scope(*doomed), FaultScope::kAllOlder);
  EXPECT_EQ(PostgresSqlState(doomed->Run(Sql("SELECT 1"))), "57P02");
}

TEST_F(LifeTest, AnImmediateShutdownSuspectsEverySession) {
  PostgresServer server;
  Session doomed(server.Uri());
  server.Stop(PostgresServer::Shutdown::kImmediate);
  while (ConnectionAccess::Probe(*doomed) == Liveness::kAlive) {
  }
  EXPECT_EQ(ConnectionAccess::fault_scope(*doomed), FaultScope::kConnectionSuspectOlder);
  EXPECT_EQ(doomed->Run(Sql("SELECT 1")).code(), StatusCode::kUnavailable);
}

TEST_F(LifeTest, APingThatIsNotAnsweredEndsAtItsDeadline) {
  proxy.Cut();
  const Deadline by = session.In(30ms);
  EXPECT_EQ(ConnectionAccess::Ping(*session, by).code(), StatusCode::kDeadlineExceeded);
  EXPECT_LT(session.platform().Now(), by.time() + 5s);
  EXPECT_EQ(ConnectionAccess::Inspect(*session), SessionState::kBroken);
}

// What is owed is waited for, so that the handle is an ordinary one.
TEST_F(LifeTest, TheRawHandleIsGivenOutAtTheDeadlineAtTheLatest) {
  proxy.Cut();
  ASSERT_OK(ConnectionAccess::Maintain(*session, session.In(1s)));
  const Deadline by = session.In(30ms);
  session->set_deadline(by);
  EXPECT_NE(session->Raw(), nullptr);
  EXPECT_GE(session.platform().Now(), by.time());
  EXPECT_LT(session.platform().Now(), by.time() + 5s);
}

TEST_F(LifeTest, APingInStepsWaitsForNothing) {
  proxy.Delay(20ms);
  absl::StatusOr<Step> step = ConnectionAccess::BeginPing(*session, session.In(20s));
  ASSERT_OK(step.status());
  EXPECT_FALSE(step->done);
  step = ConnectionAccess::Advance(*session, session.platform().Now());
  ASSERT_OK(step.status());
  ASSERT_FALSE(step->done) << "the answer is on its way";
  while (step.ok() && !step->done) {
    session.platform().WaitForDescriptors({&step->wait, 1}, step->at);
    step = ConnectionAccess::Advance(*session, session.platform().Now());
  }
  EXPECT_OK(step.status());
}

TEST_F(LifeTest, APingInStepsEndsAtItsDeadline) {
  proxy.Cut();
  absl::StatusOr<Step> step = ConnectionAccess::BeginPing(*session, session.In(20ms));
  while (step.ok() && !step->done) {
    session.platform().WaitForDescriptors({&step->wait, 1}, step->at);
    step = ConnectionAccess::Advance(*session, session.platform().Now());
  }
  EXPECT_EQ(step.status().code(), StatusCode::kDeadlineExceeded);
}

TEST_F(LifeTest, UpkeepSendsOneQuestionAndDoesNotWait) {
  proxy.Delay(20ms);
  proxy.ClearCounts();
  const TimePoint start = session.platform().Now();
  ASSERT_OK(ConnectionAccess::Maintain(*session, session.In(5s)));
  EXPECT_OK(
      ConnectionAccess::Maintain(*session, session.In(5s)));  // one question is on its way already
  EXPECT_LT(session.platform().Now() - start, 20ms * 2);
  ASSERT_OK(session->Run(kCount));
  EXPECT_LE(proxy.counts().round_trips, 2);
}

TEST_F(LifeTest, AnAnswerThatIsOwedForTooLongMeansDeath) {
  proxy.Cut();
  ASSERT_OK(ConnectionAccess::Maintain(*session, session.In(1s)));
  EXPECT_EQ(ConnectionAccess::Probe(*session), Liveness::kAlive) << "it may still come";
  session.platform().Forward(11s);
  EXPECT_EQ(ConnectionAccess::Probe(*session), Liveness::kDead);
  EXPECT_EQ(ConnectionAccess::fault_scope(*session), FaultScope::kConnectionSuspectOlder);
  EXPECT_EQ(ConnectionAccess::Maintain(*session, session.In(1s)).code(), StatusCode::kUnavailable);
}

TEST_F(LifeTest, AnErrorOfSomethingOwedCondemns) {
  ASSERT_OK(session->RunScript("BEGIN; INSERT INTO t VALUES (1)"));
  const std::string pid = session.Pid();
  proxy.Delay(50ms);
  ASSERT_OK(ConnectionAccess::Reset(*session, session.In(5s)));
  Server().Sql("SELECT pg_terminate_backend(" + pid + ")");
  proxy.Delay(0ms);
  while (ConnectionAccess::Probe(*session) == Liveness::kAlive) {
  }
  EXPECT_EQ(ConnectionAccess::Inspect(*session), SessionState::kBroken);
}

}  // namespace
}  // namespace roost::postgres
