// Opening against a real server: what is said and done when it works, and when it does not.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/postgres/opening.h"
#include "tests/support/loopback_port.h"
#include "tests/support/postgres_server.h"
#include "tests/support/temp_dir.h"

namespace roost::postgres {
namespace {

using absl::StatusCode;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using support::LoopbackPort;
using support::PostgresServer;
using support::TempDir;
using ::testing::HasSubstr;
using ::testing::Not;

std::string Port(const LoopbackPort& port) { return std::to_string(port.number()); }

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

// No step waited, and the end came at the deadline.
void ExpectInTime(const Opening& opening) {
  EXPECT_GE(opening.late(), 0ms);
  EXPECT_LT(opening.late(), 5s);
  EXPECT_LT(opening.longest_step(), 5s);
}

// Listens on a port and accepts nothing: the kernel makes connections until its line is full.
class Listener {
 public:
  explicit Listener(int line) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address_.sin_port = htons(static_cast<uint16_t>(port_.number()));
    const int yes = 1;
    setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    EXPECT_EQ(bind(fd_, reinterpret_cast<const sockaddr*>(&address_), sizeof address_), 0);
    EXPECT_EQ(listen(fd_, line), 0);
  }
  ~Listener() { close(fd_); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  const LoopbackPort& port() const { return port_; }
  int fd() const { return fd_; }
  const sockaddr_in& address() const { return address_; }

 private:
  const LoopbackPort port_{};
  sockaddr_in address_{};
  const int fd_;
};

// Whose line is full, so that a connection to it is never made.
class FullListener {
 public:
  FullListener() : listener_(0) {
    for (int& fd : fillers_) {
      fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
      connect(fd, reinterpret_cast<const sockaddr*>(&listener_.address()),
              sizeof listener_.address());
    }
  }
  ~FullListener() {
    for (const int fd : fillers_) close(fd);
  }
  const LoopbackPort& port() const { return listener_.port(); }

 private:
  const Listener listener_;
  int fillers_[4] = {};
};

// Says the same to everybody who connects, after they have said something.
class NotAServer {
 public:
  explicit NotAServer(std::string answer)
      : answer_(std::move(answer)), listener_(8), thread_([this] { Serve(); }) {}
  ~NotAServer() {
    shutdown(listener_.fd(), SHUT_RDWR);
    thread_.join();
    for (const int fd : clients_) close(fd);
  }
  const LoopbackPort& port() const { return listener_.port(); }

 private:
  void Serve() {
    while (true) {
      const int fd = accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      clients_.push_back(fd);
      char bytes[512];
      if (!answer_.empty() && read(fd, bytes, sizeof bytes) > 0) {
        send(fd, answer_.data(), answer_.size(), MSG_NOSIGNAL);
      }
    }
  }

  const std::string answer_;
  const Listener listener_;
  std::vector<int> clients_;
  std::thread thread_;
};

class OpenTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    server_ = new PostgresServer({
        .hba = "host all secretive all scram-sha-256\n"
               "host all banned all reject\n"
               "host all all all trust\n",
        .script = "CREATE ROLE secretive LOGIN PASSWORD 'open sesame';"
                  "CREATE ROLE banned LOGIN; CREATE ROLE lonely LOGIN CONNECTION LIMIT 1",
    });
  }
  static void TearDownTestSuite() {
    delete server_;
    server_ = nullptr;
  }
  static PostgresServer& server() { return *server_; }
  static std::string PortOfServer() { return std::to_string(server_->port()); }

 private:
  static PostgresServer* server_;
};
PostgresServer* OpenTest::server_ = nullptr;

TEST_F(OpenTest, AUriLeadsToAReadySession) {
  Remote remote(server().Uri());
  Opening opening(*remote);
  ASSERT_TRUE(opening.ok()) << opening.status();
  EXPECT_EQ(opening.Ask("SELECT current_user"), "node");
  EXPECT_EQ(opening.Ask("SHOW client_encoding"), "UTF8");
  EXPECT_EQ(opening.Ask("SHOW application_name"), "roostpool");
  EXPECT_EQ(remote->pq().PQisnonblocking(opening.handle()), 1);
  EXPECT_FALSE(remote->transaction_pooler());
}

TEST_F(OpenTest, SoDoKeywordsAndAUnixSocket) {
  Remote remote("host=" + server().socket_folder() + " port=" + PortOfServer() +
                " user=node dbname=postgres application_name='the gate' pooler=transaction");
  Opening opening(*remote);
  ASSERT_TRUE(opening.ok()) << opening.status();
  EXPECT_EQ(opening.Ask("SHOW application_name"), "the gate");
  EXPECT_TRUE(remote->transaction_pooler());
}

TEST_F(OpenTest, TheTimersReachTheSocketUnlessTheUriHasItsOwn) {
  const TcpTimers timers{
      .user_timeout = 4321ms, .keepalive_idle = 6s, .keepalive_interval = 2s, .keepalive_count = 4};
  Remote plain(server().Uri());
  Opening opening(*plain, 20s, timers);
  ASSERT_TRUE(opening.ok()) << opening.status();
  const int fd = plain->pq().PQsocket(opening.handle());
  EXPECT_EQ(SocketOption(fd, TCP_USER_TIMEOUT), 4321);
  EXPECT_EQ(SocketOption(fd, TCP_KEEPIDLE), 6);
  EXPECT_EQ(SocketOption(fd, TCP_KEEPINTVL), 2);
  EXPECT_EQ(SocketOption(fd, TCP_KEEPCNT), 4);

  Remote own(server().Uri("tcp_user_timeout=99&keepalives_idle=33"));
  Opening second(*own, 20s, timers);
  ASSERT_TRUE(second.ok()) << second.status();
  const int other = own->pq().PQsocket(second.handle());
  EXPECT_EQ(SocketOption(other, TCP_USER_TIMEOUT), 99);
  EXPECT_EQ(SocketOption(other, TCP_KEEPIDLE), 33);
  EXPECT_NE(SocketOption(other, TCP_KEEPCNT), 4);
}

TEST_F(OpenTest, OnConnectRunsBeforeTheConnectionIsReady) {
  Remote remote({.uri = server().Uri(), .on_connect = "SET geqo = off; SET work_mem = '1MB'"});
  Opening opening(*remote);
  ASSERT_TRUE(opening.ok()) << opening.status();
  EXPECT_EQ(opening.Ask("SHOW geqo"), "off");
  EXPECT_EQ(opening.Ask("SHOW work_mem"), "1MB");
}

TEST_F(OpenTest, OnConnectThatFailsSaysWhatAndWhy) {
  Remote remote({.uri = server().Uri(), .on_connect = "SET geqo = off; SELECT no_such_column"});
  Opening opening(*remote);
  EXPECT_EQ(opening.status().code(), StatusCode::kInvalidArgument) << opening.status();
  EXPECT_EQ(opening.sqlstate(), "42703");
  EXPECT_THAT(opening.message(), HasSubstr("on_connect"));
  EXPECT_THAT(opening.message(), HasSubstr("no_such_column"));
}

TEST_F(OpenTest, OnConnectMayNotCopy) {
  Remote remote({.uri = server().Uri(), .on_connect = "COPY pg_class TO STDOUT"});
  Opening opening(*remote);
  EXPECT_EQ(opening.status().code(), StatusCode::kFailedPrecondition) << opening.status();
  EXPECT_THAT(opening.message(), HasSubstr("COPY"));
}

// ---- Refused by the server ----

TEST_F(OpenTest, AWrongPasswordIsNamedButNotShown) {
  Remote remote("postgresql://secretive:hunter2@127.0.0.1:" + PortOfServer() + "/postgres");
  Opening opening(*remote);
  EXPECT_EQ(opening.status().code(), StatusCode::kUnauthenticated) << opening.status();
  EXPECT_EQ(opening.sqlstate(), "28P01");
  EXPECT_EQ(opening.attempt().verdict(), Verdict::kUsable);
  EXPECT_THAT(opening.message(), HasSubstr("127.0.0.1:" + PortOfServer() + "/postgres"));
  EXPECT_THAT(opening.message(), HasSubstr(".pgpass"));
  EXPECT_THAT(opening.message(), Not(HasSubstr("hunter2")));
}

TEST_F(OpenTest, APasswordThatIsMissingIsAskedFor) {
  const TempDir empty;
  Remote remote("postgresql://secretive@127.0.0.1:" + PortOfServer() +
                "/postgres?passfile=" + empty.File("none"));
  Opening opening(*remote);
  EXPECT_EQ(opening.status().code(), StatusCode::kUnauthenticated) << opening.status();
  EXPECT_THAT(opening.message(), HasSubstr(".pgpass"));
}

TEST_F(OpenTest, APasswordMayComeFromAFile) {
  const TempDir dir;
  WriteSecret(dir.File("pass"), "127.0.0.1:" + PortOfServer() + ":*:secretive:open sesame\n");
  Remote remote("host=127.0.0.1 port=" + PortOfServer() +
                " user=secretive dbname=postgres passfile=" + dir.File("pass"));
  Opening opening(*remote);
  ASSERT_TRUE(opening.ok()) << opening.status();
  EXPECT_EQ(opening.Ask("SELECT current_user"), "secretive");
}

TEST_F(OpenTest, ADatabaseThatIsMissingIsNotFound) {
  Remote remote("postgresql://node@127.0.0.1:" + PortOfServer() + "/nowhere");
  Opening opening(*remote);
  EXPECT_EQ(opening.status().code(), StatusCode::kNotFound) << opening.status();
  EXPECT_EQ(opening.sqlstate(), "3D000");
  EXPECT_THAT(opening.message(), HasSubstr("nowhere"));
}

TEST_F(OpenTest, AUserWhoMayNotComeInIsRefused) {
  Remote remote("postgresql://banned@127.0.0.1:" + PortOfServer() + "/postgres");
  Opening opening(*remote);
  EXPECT_EQ(opening.status().code(), StatusCode::kPermissionDenied) << opening.status();
  EXPECT_EQ(opening.sqlstate(), "28000");
  EXPECT_THAT(opening.message(), HasSubstr("pg_hba.conf"));
}

TEST_F(OpenTest, OneSessionTooManyIsALackOfRoom) {
  const std::string uri = "postgresql://lonely@127.0.0.1:" + PortOfServer() + "/postgres";
  Remote remote(uri);
  Opening first(*remote);
  ASSERT_TRUE(first.ok()) << first.status();
  Opening second(*remote);
  EXPECT_EQ(second.status().code(), StatusCode::kResourceExhausted) << second.status();
  EXPECT_EQ(second.sqlstate(), "53300");
  EXPECT_EQ(second.attempt().verdict(), Verdict::kUsable);
}

TEST_F(OpenTest, AParameterTheServerDoesNotKnowIsTheCallersMistake) {
  Remote remote(server().Uri("options=-c%20no_such_thing%3D1"));
  Opening opening(*remote);
  EXPECT_EQ(opening.status().code(), StatusCode::kInvalidArgument) << opening.status();
  EXPECT_EQ(opening.sqlstate(), "42704");
}

TEST_F(OpenTest, AServerThatIsStartingMakesAllOlderConnectionsDead) {
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
    EXPECT_EQ(opening.attempt().verdict(),
              seen ? Verdict::kDeadAndOlderToo : Verdict::kDeadSuspectOlder);
  }
}

// ---- Nobody there ----

TEST_F(OpenTest, AClosedPortIsAwayAndMakesOlderConnectionsSuspect) {
  const LoopbackPort port;
  Remote remote("postgresql://node@127.0.0.1:" + Port(port) + "/farm");
  Opening opening(*remote);
  EXPECT_EQ(opening.status().code(), StatusCode::kUnavailable) << opening.status();
  EXPECT_EQ(opening.attempt().verdict(), Verdict::kDeadSuspectOlder);
  EXPECT_THAT(opening.message(), HasSubstr("127.0.0.1:" + Port(port) + "/farm"));
  EXPECT_THAT(opening.message(), HasSubstr("refused"));
}

TEST_F(OpenTest, ASocketThatIsMissingIsAway) {
  Remote remote("host=/nowhere/at/all user=node dbname=farm");
  Opening opening(*remote);
  EXPECT_EQ(opening.status().code(), StatusCode::kUnavailable) << opening.status();
  EXPECT_THAT(opening.message(), HasSubstr("/nowhere/at/all"));
}

TEST_F(OpenTest, AServerThatIsNoneIsAMistake) {
  NotAServer http("HTTP/1.1 400 Bad Request\r\n\r\n");
  Remote remote("postgresql://node@127.0.0.1:" + Port(http.port()) + "/farm?sslmode=disable");
  Opening opening(*remote);
  EXPECT_EQ(opening.status().code(), StatusCode::kFailedPrecondition) << opening.status();
  EXPECT_THAT(opening.message(), HasSubstr("is there a PostgreSQL server at this port"));
}

// ---- Deadlines ----

TEST_F(OpenTest, SilenceAfterTheStartUpPacketEndsAtTheDeadline) {
  NotAServer silent("");
  Remote remote("postgresql://node@127.0.0.1:" + Port(silent.port()) + "/farm?sslmode=disable");
  Opening opening(*remote, 150ms);
  EXPECT_EQ(opening.status().code(), StatusCode::kDeadlineExceeded) << opening.status();
  EXPECT_THAT(opening.message(), HasSubstr("waiting for the answer to the start-up packet"));
  ExpectInTime(opening);
}

TEST_F(OpenTest, SilenceBeforeEncryptionEndsAtTheDeadline) {
  NotAServer silent("");
  Remote remote("postgresql://node@127.0.0.1:" + Port(silent.port()) + "/farm?sslmode=require");
  Opening opening(*remote, 150ms);
  EXPECT_EQ(opening.status().code(), StatusCode::kDeadlineExceeded) << opening.status();
  EXPECT_THAT(opening.message(), HasSubstr("agreeing on encryption"));
  ExpectInTime(opening);
}

TEST_F(OpenTest, AConnectWithoutAnAnswerEndsAtTheDeadline) {
  FullListener full;
  Remote remote("postgresql://node@127.0.0.1:" + Port(full.port()) + "/farm");
  Opening opening(*remote, 150ms);
  EXPECT_EQ(opening.status().code(), StatusCode::kDeadlineExceeded) << opening.status();
  EXPECT_THAT(opening.message(), HasSubstr("connecting to 127.0.0.1:" + Port(full.port())));
  ExpectInTime(opening);
}

TEST_F(OpenTest, OnConnectEndsAtTheDeadline) {
  Remote remote({.uri = server().Uri(), .on_connect = "SELECT pg_sleep(30)"});
  Opening opening(*remote, 300ms);
  EXPECT_EQ(opening.status().code(), StatusCode::kDeadlineExceeded) << opening.status();
  EXPECT_THAT(opening.message(), HasSubstr("running on_connect"));
  ExpectInTime(opening);
  // The server does not notice by itself that its client has gone.
  server().Sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'node'");
}

TEST_F(OpenTest, ADeadlineThatHasPassedStartsNothing) {
  Remote remote(server().Uri());
  Opening opening(*remote, -1s);
  EXPECT_EQ(opening.status().code(), StatusCode::kDeadlineExceeded) << opening.status();
}

// ---- Several hosts ----

TEST_F(OpenTest, AClosedFirstHostGivesWayToTheSecondWhichIsRemembered) {
  const LoopbackPort closed;
  Remote remote("host=127.0.0.1,127.0.0.1 port=" + Port(closed) + "," + PortOfServer() +
                " user=node dbname=postgres");
  Opening first(*remote);
  EXPECT_EQ(first.status().code(), StatusCode::kUnavailable) << first.status();
  for (int i = 0; i < 3; ++i) {
    Opening next(*remote);
    ASSERT_TRUE(next.ok()) << next.status();
    EXPECT_EQ(next.attempt().endpoint(), 1);
  }
}

TEST_F(OpenTest, ASilentFirstHostCostsOneDeadline) {
  FullListener full;
  Remote remote("host=127.0.0.1,127.0.0.1 port=" + Port(full.port()) + "," + PortOfServer() +
                " user=node dbname=postgres");
  Opening first(*remote, 150ms);
  EXPECT_EQ(first.status().code(), StatusCode::kDeadlineExceeded) << first.status();
  Opening second(*remote);
  EXPECT_TRUE(second.ok()) << second.status();
}

TEST_F(OpenTest, AnEndpointThatLostItsRoleIsLeft) {
  Remote remote("host=127.0.0.1,localhost port=" + PortOfServer() + " user=node dbname=postgres");
  Opening first(*remote);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first.attempt().endpoint(), 0);
  remote->LostRole(0);
  Opening second(*remote);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second.attempt().endpoint(), 1);
  EXPECT_THAT(second.attempt().where(), HasSubstr("localhost"));
}

// ---- Roles ----

TEST_F(OpenTest, APrimaryIsNoStandby) {
  for (const char* const role : {"read-write", "primary", "any", "prefer-standby"}) {
    Remote remote(server().Uri("target_session_attrs=" + std::string(role)));
    Opening opening(*remote);
    EXPECT_TRUE(opening.ok()) << role << ": " << opening.status();
  }
  for (const char* const role : {"read-only", "standby"}) {
    Remote remote(server().Uri("target_session_attrs=" + std::string(role)));
    Opening opening(*remote);
    EXPECT_EQ(opening.status().code(), StatusCode::kUnavailable) << role << opening.status();
    EXPECT_THAT(opening.message(), HasSubstr("it is a primary that takes writes"));
  }
}

TEST_F(OpenTest, SessionsThatOnlyReadAreNoReadWrite) {
  server().Sql("ALTER ROLE node SET default_transaction_read_only = on");
  Remote writes(server().Uri("target_session_attrs=read-write"));
  Opening refused(*writes);
  EXPECT_EQ(refused.status().code(), StatusCode::kUnavailable) << refused.status();
  EXPECT_THAT(refused.message(), HasSubstr("a primary whose sessions are read-only"));
  Remote reads(server().Uri("target_session_attrs=read-only"));
  Opening opening(*reads);
  EXPECT_TRUE(opening.ok()) << opening.status();
  server().Sql("ALTER ROLE node RESET default_transaction_read_only");
}

TEST_F(OpenTest, TheStandbyIsFoundAmongTwo) {
  const std::unique_ptr<PostgresServer> standby = PostgresServer::StandbyOf(server());
  const std::string hosts = "host=127.0.0.1,127.0.0.1 port=" + PortOfServer() + "," +
                            std::to_string(standby->port()) + " user=node dbname=postgres ";
  for (const char* const role : {"standby", "read-only", "prefer-standby"}) {
    Remote remote(hosts + "target_session_attrs=" + role);
    Opening first(*remote);
    EXPECT_EQ(first.status().code(), StatusCode::kUnavailable) << first.status();
    Opening second(*remote);
    ASSERT_TRUE(second.ok()) << role << second.status();
    EXPECT_EQ(second.Ask("SELECT pg_is_in_recovery()"), "t");
  }
  Remote remote("host=127.0.0.1 port=" + std::to_string(standby->port()) +
                " user=node dbname=postgres target_session_attrs=read-write");
  Opening opening(*remote);
  EXPECT_THAT(opening.message(), HasSubstr("it is a standby"));
}

TEST_F(OpenTest, AServerBefore14IsAskedForItsRole) {
  // A proxy that hides what a server before 14 does not report would need the protocol; the
  // question itself is what can go wrong.
  Remote remote(server().Uri());
  Opening opening(*remote);
  ASSERT_TRUE(opening.ok()) << opening.status();
  EXPECT_EQ(opening.Ask(kRoleQuestion), "false off");
}

// ---- What is left behind ----

TEST_F(OpenTest, AnAttemptThatIsGivenUpLeavesNothing) {
  Remote remote(server().Uri());
  { Opening first(*remote); }  // libpq is loaded, the address book is read
  ASSERT_TRUE(server().WaitForSessions(0));
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
  EXPECT_TRUE(server().WaitForSessions(0));
}

TEST_F(OpenTest, FailuresLeaveNoDescriptor) {
  const LoopbackPort closed;
  Remote refused("postgresql://node@127.0.0.1:" + Port(closed) + "/farm");
  Remote nowhere(server().Uri("target_session_attrs=standby"));
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

TEST_F(OpenTest, AServiceFileCounts) {
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

TEST_F(OpenTest, VariablesCount) {
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

TEST_F(OpenTest, ANameIsLookedUpAndKeptForTheCertificateAndThePassword) {
  Remote remote(
      {.uri = "postgresql://node@db.example.test:" + PortOfServer() + "/postgres?sslmode=disable"},
      [](const std::string&) { return Addresses{.list = {"127.0.0.1"}}; });
  Opening opening(*remote);
  ASSERT_TRUE(opening.ok()) << opening.status();
  EXPECT_STREQ(remote->pq().PQhost(opening.handle()), "db.example.test");
  EXPECT_STREQ(remote->pq().PQhostaddr(opening.handle()), "127.0.0.1");
}

TEST_F(OpenTest, TheAddressesOfANameAreTriedInTurn) {
  Remote remote(
      {.uri = "postgresql://node@db.example.test:" + PortOfServer() + "/postgres?sslmode=disable"},
      [](const std::string&) {
        return Addresses{.list = {"127.0.0.77", "127.0.0.1"}};
      });
  Opening opening(*remote);
  ASSERT_TRUE(opening.ok()) << opening.status();
  EXPECT_STREQ(remote->pq().PQhostaddr(opening.handle()), "127.0.0.1");
}

TEST_F(OpenTest, WhenAllAddressesFailTheLastOneIsNamed) {
  const LoopbackPort closed;
  Remote remote({.uri = "postgresql://node@db.example.test:" + Port(closed) + "/farm"},
                [](const std::string&) {
                  return Addresses{.list = {"127.0.0.77", "127.0.0.78"}};
                });
  Opening opening(*remote);
  EXPECT_EQ(opening.status().code(), StatusCode::kUnavailable) << opening.status();
  EXPECT_THAT(opening.message(),
              HasSubstr("db.example.test:" + Port(closed) + "/farm (127.0.0.78)"));
}

}  // namespace
}  // namespace roost::postgres
