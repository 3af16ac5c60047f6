// Opening against a real server: what is said and done when it works, and when it does not.
#include <netinet/tcp.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/postgres/listeners.h"
#include "tests/postgres/postgres_test_support.h"
#include "tests/support/temp_dir.h"

namespace roost::postgres {
namespace {

using support::TempDir;

int SocketOption(int fd, int option) {
  int value = -1;
  socklen_t size = sizeof value;
  getsockopt(fd, IPPROTO_TCP, option, &value, &size);
  return value;
}

size_t Descriptors() {
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    static_cast<void>(entry);
    ++count;
  }
  return count;
}

void WriteSecret(const std::string& path, const std::string& text) {
  std::ofstream(path) << text;
  std::filesystem::permissions(path, std::filesystem::perms::owner_read);
}

// As an editor does: another file of the same name.
void ReplaceSecret(const std::string& path, const std::string& text) {
  WriteSecret(path + ".new", text);
  std::filesystem::rename(path + ".new", path);
}

// A variable of the environment, until the end of this.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    setenv(name, value.c_str(), 1);
  }
  ~Variable() { unsetenv(name_); }

 private:
  const char* const name_;
};

TEST(OpenTest, AUriLeadsToAReadySession) {
  Remote remote(Server().Uri());
  Opening opening(*remote);
  ASSERT_TRUE(opening.ok()) << opening.status();
  EXPECT_EQ(opening.Ask("SELECT current_user"), "node");
  EXPECT_EQ(opening.Ask("SHOW client_encoding"), "UTF8");
  EXPECT_EQ(opening.Ask("SHOW application_name"), "roostpool");
  EXPECT_EQ(remote->pq().PQisnonblocking(opening.handle()), 1);
  EXPECT_FALSE(remote->transaction_pooler());
}

TEST(OpenTest, SoDoKeywordsAndAUnixSocket) {
  Remote remote("host=" + Server().socket_folder() + " port=" + PortOfServer() +
                " user=node dbname=postgres application_name='the gate' pooler=transaction");
  Opening opening(*remote);
  ASSERT_TRUE(opening.ok()) << opening.status();
  EXPECT_EQ(opening.Ask("SHOW application_name"), "the gate");
  EXPECT_TRUE(remote->transaction_pooler());
}

TEST(OpenTest, TheTimersReachTheSocketUnlessTheUriHasItsOwn) {
  const TcpTimers timers{
      .user_timeout = 4321ms, .keepalive_idle = 6s, .keepalive_interval = 2s, .keepalive_count = 4};
  Remote plain(Server().Uri());
  Opening opening(*plain, 20s, timers);
  ASSERT_TRUE(opening.ok()) << opening.status();
  const int fd = plain->pq().PQsocket(opening.handle());
  EXPECT_EQ(SocketOption(fd, TCP_USER_TIMEOUT), 4321);
  EXPECT_EQ(SocketOption(fd, TCP_KEEPIDLE), 6);
  EXPECT_EQ(SocketOption(fd, TCP_KEEPINTVL), 2);
  EXPECT_EQ(SocketOption(fd, TCP_KEEPCNT), 4);

  Remote own(Server().Uri("tcp_user_timeout=99&keepalives_idle=33"));
  Opening second(*own, 20s, timers);
  ASSERT_TRUE(second.ok()) << second.status();
  const int other = own->pq().PQsocket(second.handle());
  EXPECT_EQ(SocketOption(other, TCP_USER_TIMEOUT), 99);
  EXPECT_EQ(SocketOption(other, TCP_KEEPIDLE), 33);
  EXPECT_NE(SocketOption(other, TCP_KEEPCNT), 4);
}

TEST(OpenTest, OnConnectRunsBeforeTheConnectionIsReady) {
  Remote remote({.uri = Server().Uri(), .on_connect = "SET geqo = off; SET work_mem = '1MB'"});
  Opening opening(*remote);
  ASSERT_TRUE(opening.ok()) << opening.status();
  EXPECT_EQ(opening.Ask("SHOW geqo"), "off");
  EXPECT_EQ(opening.Ask("SHOW work_mem"), "1MB");
}

TEST(OpenTest, OnConnectTakesOneRoundTripForEachConnection) {
  support::TcpProxy proxy(Server().port());
  proxy.Delay(5ms);
  const std::string uri = Server().UriThrough(proxy.port(), "sslmode=disable");
  const auto round_trips = [&](const std::string& on_connect) {
    Remote remote({.uri = uri, .on_connect = on_connect});
    int counted = 0;
    for (int i = 0; i < 2; ++i) {
      // The good-bye of the last session has passed.
      EXPECT_TRUE(support::WaitUntil([&] { return proxy.counts().open == 0; }));
      proxy.ClearCounts();
      Opening opening(*remote);
      EXPECT_TRUE(opening.ok()) << opening.status();
      counted = proxy.counts().round_trips;
    }
    return counted;
  };
  const int without = round_trips("");
  EXPECT_EQ(round_trips("SET geqo = off; SET work_mem = '1MB'; SELECT 1"), without + 1);
}

// What waits is the pool, between the steps.
TEST(OpenTest, NoStepWaits) {
  class Waits : public fakes::ForwardingPlatform {
   public:
    void WaitForDescriptors(std::span<DescriptorWait> waits, Deadline deadline) override {
      if (deadline != Deadline::Past()) ++count;
      ForwardingPlatform::WaitForDescriptors(waits, deadline);
    }
    bool Wait(const std::atomic<uint32_t>& word, uint32_t value, Deadline deadline) override {
      ++count;
      return ForwardingPlatform::Wait(word, value, deadline);
    }
    int count = 0;
  };
  NotAServer silent("");
  for (const std::string& uri :
       {Server().Uri("sslmode=disable&target_session_attrs=read-write"),
        "postgresql://node@127.0.0.1:" + Port(silent.port()) + "/farm?sslmode=disable"}) {
    Waits platform;
    Remote remote({.uri = uri, .on_connect = "SELECT pg_sleep(0.01)"});
    ConnectAttempt attempt(
        *remote, {.platform = &platform, .deadline = Deadline::After(platform.Now(), 500ms)});
    ASSERT_OK(attempt.Start());
    for (;;) {
      absl::StatusOr<Step> step = attempt.Advance(platform.Now());
      if (!step.ok() || step->done) break;
      NativePlatform().WaitForDescriptors({&step->wait, 1}, step->at);
    }
    EXPECT_EQ(platform.count, 0) << uri;
  }
}

TEST(OpenTest, OnConnectThatFailsSaysWhatAndWhy) {
  Remote remote({.uri = Server().Uri(), .on_connect = "SET geqo = off; SELECT no_such_column"});
  Opening opening(*remote);
  EXPECT_EQ(opening.status().code(), StatusCode::kInvalidArgument) << opening.status();
  EXPECT_EQ(opening.sqlstate(), "42703");
  EXPECT_THAT(opening.message(), HasSubstr("on_connect"));
  EXPECT_THAT(opening.message(), HasSubstr("no_such_column"));
}

TEST(OpenTest, OnConnectThatFailsNamesTheLine) {
  for (const auto& [sql, line] : std::vector<std::pair<std::string, std::string>>{
           {"SELECT no_such_column", "it, line 1: "},
           {"SET geqo = off;\n-- a table;\nSELECT 1,\n  no_such_column", "it, line 4: "},
           {"SET geqo = off;\nSELECT 1;\nSET work_mem = 'much'", "it, line 3: "}}) {
    Remote remote({.uri = Server().Uri(), .on_connect = sql});
    EXPECT_THAT(Opening(*remote).message(), HasSubstr(line)) << sql;
  }
}

// Every statement of the next user would be part of it, acknowledged and then undone.
TEST(OpenTest, AnOnConnectThatLeavesATransactionOpenIsRefused) {
  for (const char* const sql : {"BEGIN", "START TRANSACTION READ ONLY", "BEGIN; SELECT 1"}) {
    Remote remote({.uri = Server().Uri(), .on_connect = sql});
    Opening opening(*remote);
    EXPECT_EQ(opening.status().code(), StatusCode::kInvalidArgument) << sql << opening.status();
    EXPECT_THAT(opening.message(), HasSubstr("on_connect leaves a transaction open"));
  }
  Remote whole({.uri = Server().Uri(), .on_connect = "BEGIN; SET LOCAL geqo = off; COMMIT"});
  EXPECT_TRUE(Opening(*whole).ok());
  Remote latin({.uri = Server().Uri(), .on_connect = "SET client_encoding TO latin1"});
  EXPECT_EQ(Opening(*latin).status().code(), StatusCode::kInvalidArgument);
}

TEST(OpenTest, OnConnectMayNotCopy) {
  Remote remote({.uri = Server().Uri(), .on_connect = "COPY pg_class TO STDOUT"});
  Opening opening(*remote);
  EXPECT_EQ(opening.status().code(), StatusCode::kFailedPrecondition) << opening.status();
  EXPECT_THAT(opening.message(), HasSubstr("COPY"));
}

// ---- Refused by the server ----

TEST(OpenTest, AWrongPasswordIsNamedButNotShown) {
  Remote remote("postgresql://secretive:hunter2@127.0.0.1:" + PortOfServer() + "/postgres");
  Opening opening(*remote);
  EXPECT_EQ(opening.status().code(), StatusCode::kUnauthenticated) << opening.status();
  EXPECT_EQ(opening.sqlstate(), "28P01");
  EXPECT_EQ(opening.attempt().fault_scope(), FaultScope::kStatement);
  EXPECT_THAT(opening.message(), HasSubstr("127.0.0.1:" + PortOfServer() + "/postgres"));
  EXPECT_THAT(opening.message(), HasSubstr(".pgpass"));
  EXPECT_THAT(opening.message(), Not(HasSubstr("hunter2")));
}

// libpq 15 would compute them within one step.
TEST(OpenTest, MoreIterationsOfScramThanALoopCanStandAreRefused) {
  Remote remote("postgresql://costly:hunter2@127.0.0.1:" + PortOfServer() + "/postgres");
  Opening opening(*remote);
  EXPECT_EQ(opening.status().code(), StatusCode::kFailedPrecondition) << opening.status();
  EXPECT_THAT(opening.message(), HasSubstr("10000 iterations"));
}

TEST(OpenTest, APasswordThatIsMissingIsAskedFor) {
  const TempDir empty;
  Remote remote("postgresql://secretive@127.0.0.1:" + PortOfServer() +
                "/postgres?passfile=" + empty.File("none"));
  Opening opening(*remote);
  EXPECT_EQ(opening.status().code(), StatusCode::kUnauthenticated) << opening.status();
  EXPECT_THAT(opening.message(), HasSubstr(".pgpass"));
}

TEST(OpenTest, APasswordThatWasChangedInItsFileCountsAtTheNextOpen) {
  const TempDir dir;
  const std::string file = dir.File("pw");
  ReplaceSecret(file, "hunter2\n");
  Remote remote({.uri = "postgresql://secretive@127.0.0.1:" + PortOfServer() + "/postgres",
                 .password_file = file});
  Opening before(*remote);
  EXPECT_EQ(before.sqlstate(), "28P01") << before.status();
  EXPECT_THAT(before.message(), HasSubstr("give the right password in " + file));
  EXPECT_THAT(before.message(), Not(HasSubstr("hunter2")));
  ReplaceSecret(file, "open sesame\n");
  Opening after(*remote);
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ(after.Ask("SELECT current_user"), "secretive");
}

TEST(OpenTest, APasswordFileThatOthersMayUseIsPassedOverAndSaysSo) {
  const TempDir dir;
  const std::string file = dir.File("pass");
  WriteSecret(file, "*:*:*:*:open sesame\n");
  std::filesystem::permissions(file, std::filesystem::perms(0640));
  Remote remote("postgresql://secretive@127.0.0.1:" + PortOfServer() +
                "/postgres?passfile=" + file);
  ::testing::internal::CaptureStderr();
  Opening opening(*remote);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(opening.status().code(), StatusCode::kUnauthenticated) << opening.status();
  EXPECT_THAT(opening.message(), HasSubstr(file + " is passed over because others may use it"));
}

TEST(OpenTest, APasswordMayComeFromAFile) {
  const TempDir dir;
  WriteSecret(dir.File("pass"), "127.0.0.1:" + PortOfServer() + ":*:secretive:open sesame\n");
  Remote remote("host=127.0.0.1 port=" + PortOfServer() +
                " user=secretive dbname=postgres passfile=" + dir.File("pass"));
  Opening opening(*remote);
  ASSERT_TRUE(opening.ok()) << opening.status();
  EXPECT_EQ(opening.Ask("SELECT current_user"), "secretive");
}

TEST(OpenTest, ADatabaseThatIsMissingIsNotFound) {
  Remote remote("postgresql://node@127.0.0.1:" + PortOfServer() + "/nowhere");
  Opening opening(*remote);
  EXPECT_EQ(opening.status().code(), StatusCode::kNotFound) << opening.status();
  EXPECT_EQ(opening.sqlstate(), "3D000");
  EXPECT_THAT(opening.message(), HasSubstr("nowhere"));
}

TEST(OpenTest, AUserWhoMayNotComeInIsRefused) {
  Remote remote("postgresql://banned@127.0.0.1:" + PortOfServer() + "/postgres");
  Opening opening(*remote);
  EXPECT_EQ(opening.status().code(), StatusCode::kPermissionDenied) << opening.status();
  EXPECT_EQ(opening.sqlstate(), "28000");
  EXPECT_THAT(opening.message(), HasSubstr("pg_hba.conf"));
}

TEST(OpenTest, OneSessionTooManyIsALackOfRoom) {
  const std::string uri = "postgresql://lonely@127.0.0.1:" + PortOfServer() + "/postgres";
  Remote remote(uri);
  Opening first(*remote);
  ASSERT_TRUE(first.ok()) << first.status();
  Opening second(*remote);
  EXPECT_EQ(second.status().code(), StatusCode::kResourceExhausted) << second.status();
  EXPECT_EQ(second.sqlstate(), "53300");
  EXPECT_EQ(second.attempt().fault_scope(), FaultScope::kStatement);
}

TEST(OpenTest, AParameterTheServerDoesNotKnowIsTheCallersMistake) {
  Remote remote(Server().Uri("options=-c%20no_such_thing%3D1"));
  Opening opening(*remote);
  EXPECT_EQ(opening.status().code(), StatusCode::kInvalidArgument) << opening.status();
  EXPECT_EQ(opening.sqlstate(), "42704");
}

TEST(OpenTest, AServerThatIsStartingMakesAllOlderConnectionsDead) {
  PostgresServer other;
  other.Stop();
  // What a server says that has been told to wait for a primary that never comes.
  std::ofstream(other.socket_folder() + "/data/standby.signal");
  std::ofstream(other.socket_folder() + "/data/postgresql.auto.conf", std::ios::app)
      << "hot_standby = off\nprimary_conninfo = 'host=/nowhere'\n";
  other.StartAndGo();
  Remote remote(other.Uri());
  bool seen = false;
  while (!seen) {
    Opening opening(*remote);
    ASSERT_EQ(opening.status().code(), StatusCode::kUnavailable) << opening.status();
    seen = opening.sqlstate() == "57P03";
    EXPECT_EQ(opening.attempt().fault_scope(),
              seen ? FaultScope::kAllOlder : FaultScope::kConnectionSuspectOlder);
  }
}

// ---- Nobody there ----

TEST(OpenTest, AClosedPortIsAwayAndMakesOlderConnectionsSuspect) {
  const LoopbackPort port;
  Remote remote("postgresql://node@127.0.0.1:" + Port(port) + "/farm");
  Opening opening(*remote);
  EXPECT_EQ(opening.status().code(), StatusCode::kUnavailable) << opening.status();
  EXPECT_EQ(opening.attempt().fault_scope(), FaultScope::kConnectionSuspectOlder);
  EXPECT_THAT(opening.message(), HasSubstr("127.0.0.1:" + Port(port) + "/farm"));
  EXPECT_THAT(opening.message(), HasSubstr("refused"));
}

TEST(OpenTest, ASocketThatIsMissingIsAway) {
  Remote remote("host=/nowhere/at/all user=node dbname=farm");
  Opening opening(*remote);
  EXPECT_EQ(opening.status().code(), StatusCode::kUnavailable) << opening.status();
  EXPECT_THAT(opening.message(), HasSubstr("/nowhere/at/all"));
}

TEST(OpenTest, AServerThatIsNoneIsAMistake) {
  NotAServer http("HTTP/1.1 400 Bad Request\r\n\r\n");
  Remote remote("postgresql://node@127.0.0.1:" + Port(http.port()) + "/farm?sslmode=disable");
  Opening opening(*remote);
  EXPECT_EQ(opening.status().code(), StatusCode::kFailedPrecondition) << opening.status();
  EXPECT_THAT(opening.message(), HasSubstr("is there a PostgreSQL server at this port"));
}

// ---- Deadlines ----

TEST(OpenTest, SilenceAfterTheStartUpPacketEndsAtTheDeadline) {
  NotAServer silent("");
  Remote remote("postgresql://node@127.0.0.1:" + Port(silent.port()) + "/farm?sslmode=disable");
  Opening opening(*remote, 150ms);
  EXPECT_EQ(opening.status().code(), StatusCode::kDeadlineExceeded) << opening.status();
  EXPECT_THAT(opening.message(), HasSubstr("waiting for the answer to the start-up packet"));
  ExpectInTime(opening);
}

TEST(OpenTest, SilenceBeforeEncryptionEndsAtTheDeadline) {
  NotAServer silent("");
  Remote remote("postgresql://node@127.0.0.1:" + Port(silent.port()) + "/farm?sslmode=require");
  Opening opening(*remote, 150ms);
  EXPECT_EQ(opening.status().code(), StatusCode::kDeadlineExceeded) << opening.status();
  EXPECT_THAT(opening.message(), HasSubstr("agreeing on encryption"));
  ExpectInTime(opening);
}

TEST(OpenTest, AConnectWithoutAnAnswerEndsAtTheDeadline) {
  FullListener full;
  Remote remote("postgresql://node@127.0.0.1:" + Port(full.port()) + "/farm");
  Opening opening(*remote, 150ms);
  EXPECT_EQ(opening.status().code(), StatusCode::kDeadlineExceeded) << opening.status();
  EXPECT_THAT(opening.message(), HasSubstr("connecting to 127.0.0.1:" + Port(full.port())));
  ExpectInTime(opening);
}

TEST(OpenTest, OnConnectEndsAtTheDeadline) {
  Remote remote({.uri = Server().Uri(), .on_connect = "SELECT pg_sleep(30)"});
  Opening opening(*remote, 300ms);
  EXPECT_EQ(opening.status().code(), StatusCode::kDeadlineExceeded) << opening.status();
  EXPECT_THAT(opening.message(), HasSubstr("running on_connect"));
  ExpectInTime(opening);
  // The server does not notice by itself that its client has gone.
  Server().Sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'node'");
}

TEST(OpenTest, ADeadlineThatHasPassedStartsNothing) {
  Remote remote(Server().Uri());
  Opening opening(*remote, -1s);
  EXPECT_EQ(opening.status().code(), StatusCode::kDeadlineExceeded) << opening.status();
}

// ---- What is left behind ----

TEST(OpenTest, AnAttemptThatIsGivenUpLeavesNothing) {
  Remote remote(Server().Uri());
  { Opening first(*remote); }  // libpq is loaded, the address book is read
  ASSERT_TRUE(Server().WaitForSessions(0));
  const size_t before = Descriptors();
  for (int steps = 0; steps < 6; ++steps) {
    ConnectAttempt attempt(*remote, {.platform = &NativePlatform(), .deadline = Deadline::Never()});
    ASSERT_TRUE(attempt.Start().ok());
    for (int i = 0; i < steps; ++i) {
      absl::StatusOr<Step> step = attempt.Advance(NativePlatform().Now());
      ASSERT_TRUE(step.ok()) << step.status();
      if (step->done) break;
      NativePlatform().WaitForDescriptors({&step->wait, 1}, step->at);
    }
  }
  EXPECT_EQ(Descriptors(), before);
  EXPECT_TRUE(Server().WaitForSessions(0));
}

TEST(OpenTest, FailuresLeaveNoDescriptor) {
  const LoopbackPort closed;
  Remote refused("postgresql://node@127.0.0.1:" + Port(closed) + "/farm");
  Remote nowhere(Server().Uri("target_session_attrs=standby"));
  { Opening warm_up(*refused); }
  const size_t before = Descriptors();
  for (int i = 0; i < 5; ++i) {
    Opening one(*refused);
    Opening two(*nowhere);
    EXPECT_FALSE(one.ok() || two.ok());
  }
  EXPECT_EQ(Descriptors(), before);
}

// ---- Where options come from ----

TEST(OpenTest, AServiceFileCounts) {
  const TempDir dir;
  WriteSecret(dir.File("services"), "[farm]\nhost=127.0.0.1\nport=" + PortOfServer() +
                                        "\nuser=node\ndbname=postgres\napplication_name=served\n");
  const Variable file("PGSERVICEFILE", dir.File("services"));
  Remote remote("service=farm");
  Opening opening(*remote);
  ASSERT_TRUE(opening.ok()) << opening.status();
  EXPECT_EQ(opening.Ask("SHOW application_name"), "served");
  Remote missing("service=barn");
  Opening failed(*missing);
  EXPECT_EQ(failed.status().code(), StatusCode::kInvalidArgument) << failed.status();
  EXPECT_THAT(failed.message(), HasSubstr("barn"));
}

TEST(OpenTest, VariablesCount) {
  const Variable host("PGHOST", "127.0.0.1");
  const Variable port("PGPORT", PortOfServer());
  const Variable user("PGUSER", "node");
  const Variable database("PGDATABASE", "postgres");
  const Variable timeout("PGCONNECT_TIMEOUT", "1");
  Remote remote("");
  Opening opening(*remote);
  ASSERT_TRUE(opening.ok()) << opening.status();
  EXPECT_EQ(opening.Ask("SELECT current_user"), "node");
}

}  // namespace
}  // namespace roost::postgres
