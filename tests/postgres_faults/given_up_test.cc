// Statements that are given up while the server is inside of them: it never has more sessions of ours
// than the pool has slots, and once what held them up is over, everything goes on.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <libpq-fe.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/postgres_faults/node.h"
#include "tests/support/certificates.h"
#include "tests/support/pgbouncer.h"
#include "tests/support/postgres_server.h"

namespace roost::faults {
namespace {

using absl::StatusCode;
using ::testing::HasSubstr;

constexpr Sql kChange{"UPDATE t SET a = a + 1"};
constexpr int kSlots = 2;
constexpr int kStatements = 60;
constexpr Duration kPatience = 60ms;

// Two slots, and an open that takes longer than its callers wait.
struct Two : Remote {
  static constexpr int kPoolSize = 1;
  static constexpr int kMaxOverflow = 1;
  static constexpr Duration kOpenTimeout = 20s;
};
struct TwoByCallers : Two {
  static constexpr OpenBy kOpenBy = OpenBy::kCaller;
};
struct OneByCallers : TwoByCallers {
  static constexpr int kMaxOverflow = 0;
};
struct TwoImpatient : Two {
  static constexpr Duration kOpenTimeout = 200ms;
};

// Counts the sessions of the node again and again, in a session of its own.
class Census {
 public:
  explicit Census(support::PostgresServer& server)
      : thread_([this, where = "host=" + server.socket_folder() +
                               " port=" + std::to_string(server.port()) +
                               " user=postgres dbname=postgres"] { Count(where); }) {}
  ~Census() { End(); }
  Census(const Census&) = delete;
  Census& operator=(const Census&) = delete;

  // The most that there ever were at once.
  int End() {
    ending_ = true;
    if (thread_.joinable()) thread_.join();
    EXPECT_GT(counts_, 20);
    return most_;
  }

 private:
  void Count(const std::string& where) {
    PGconn* const session = PQconnectdb(where.c_str());
    while (!ending_) {
      PGresult* const result = PQexec(session,
                                      "SELECT count(*), pg_sleep(0.0005) FROM pg_stat_activity "
                                      "WHERE usename = 'node' AND backend_type = 'client backend'");
      if (PQresultStatus(result) != PGRES_TUPLES_OK) support::Fail(PQerrorMessage(session));
      most_ = std::max(most_, std::stoi(PQgetvalue(result, 0, 0)));
      ++counts_;
      PQclear(result);
    }
    PQfinish(session);
  }

  std::atomic<bool> ending_ = false;
  int most_ = 0;
  int counts_ = 0;
  std::thread thread_;
};

// Inside of the administrator's transaction, too, which would go on seeing what it saw first.
bool HasNoSessions(support::PostgresServer& server) {
  server.Sql("SELECT pg_stat_clear_snapshot()");
  return server.Sessions().empty();
}

class GivenUpTest : public ::testing::Test {
 protected:
  GivenUpTest() {
    server.Sql("CREATE TABLE t(a int); INSERT INTO t VALUES (0); GRANT ALL ON t TO node");
    server.Sql("BEGIN; LOCK TABLE t");
  }
  void UnlockTable() { server.Sql("COMMIT"); }
  std::string Waiting() {
    return server.Sql(
        "SELECT pg_stat_clear_snapshot(); SELECT count(*) FROM pg_stat_activity WHERE "
        "usename = 'node' AND wait_event_type = 'Lock'");
  }

  // Four callers give up all statements between them, a look at who is connected beside them.
  template <class Profile>
  int GiveUpAll(NodeFor<Profile>& node) {
    Census census(server);
    std::atomic<int> left = kStatements;
    std::atomic<int> given_up = 0;
    std::vector<std::thread> callers;
    for (int i = 0; i < 4; ++i) {
      callers.emplace_back([&] {
        while (left > 0) {
          absl::StatusOr<Lease> lease = node.pool().Acquire(kWrite, node.pool().In(kGrace));
          ASSERT_TRUE(lease.ok()) << lease.status();
          (*lease)->set_deadline(node.pool().In(kPatience));
          const absl::Status status = lease->Run(kChange);
          EXPECT_EQ(status.code(), StatusCode::kUnknown) << status;
          ++given_up;
          --left;
        }
      });
    }
    for (std::thread& caller : callers) caller.join();
    EXPECT_GE(given_up, kStatements);
    return census.End();
  }

  template <class Profile>
  void Examine(PostgresOptions options) {
    const int descriptors = Descriptors();
    {
      NodeFor<Profile> node(std::move(options));
      EXPECT_LE(GiveUpAll(node), kSlots);
      EXPECT_TRUE(support::WaitUntil([this] { return Waiting() == "0"; }));
      UnlockTable();
      EXPECT_LT(node.Recover(), kGrace);
      EXPECT_EQ(server.Sql("SELECT a FROM t"), "0") << "what was given up was done all the same";
      EXPECT_TRUE(node.Ask(kGrace, kChange).status.ok());
      EXPECT_EQ(server.Sql("SELECT a FROM t"), "1");
    }
    EXPECT_EQ(Descriptors(), descriptors);
  }

  support::PostgresServer server{};
};

TEST_F(GivenUpTest, AServerNeverHasMoreSessionsThanThePoolHasSlots) {
  Examine<Two>({.uri = server.Uri()});
}

TEST_F(GivenUpTest, NorWhereCallersOpen) { Examine<TwoByCallers>({.uri = server.Uri()}); }

TEST_F(GivenUpTest, NorOverAUnixSocket) {
  Examine<Two>({.uri = "host=" + server.socket_folder() + " port=" + std::to_string(server.port()) +
                       " user=node dbname=postgres"});
}

// Then sessions are told nothing, and the server does not look at its clients.
TEST_F(GivenUpTest, NorWithoutTheServersOwnCheck) {
  Examine<Two>({.uri = server.Uri(), .transaction_pooler = true});
}

TEST_F(GivenUpTest, NorBehindAPooler) {
  support::PgBouncer pooler(server, 10);
  Examine<Two>({.uri = server.UriThrough(pooler.port()), .transaction_pooler = true});
}

TEST_F(GivenUpTest, NorWhereOnConnectHangs) {
  Census census(server);
  NodeFor<TwoImpatient> node({.uri = server.Uri(), .on_connect = std::string(kChange.text())});
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(node.Ask(kPatience).status.ok());
  EXPECT_TRUE(support::WaitUntil([&] { return node.pool().stats().open_failures >= 4; }));
  UnlockTable();
  EXPECT_LT(node.Recover(), kGrace);
  EXPECT_LE(census.End(), kSlots);
}

TEST(GivenUpTlsTest, NorThroughTls) {
  support::Certificates certificates;
  support::PostgresServer server({.settings = certificates.Issue("localhost").Settings()});
  server.Sql("CREATE TABLE t(a int); GRANT ALL ON t TO node");
  server.Sql("BEGIN; LOCK TABLE t");
  Node node(server.Uri("sslmode=require"));
  EXPECT_EQ(node.Ask(kGrace, kChange).status.code(), StatusCode::kUnknown);
  EXPECT_TRUE(support::WaitUntil([&] { return HasNoSessions(server); }, 10s));
}

// Nobody is there to send a cancel request.
TEST_F(GivenUpTest, AServerLooksWhetherItsClientIsThere) {
  {
    Node node(server.Uri());
    EXPECT_TRUE(node.Ask(kGrace, Sql("DISCARD ALL")).status.ok()) << "it is told anew";
    ASSERT_TRUE(node.Ask(kGrace).status.ok());
    absl::StatusOr<Lease> lease = node.pool().Acquire(kWrite, node.pool().In(kGrace));
    ASSERT_TRUE(lease.ok()) << lease.status();
    (*lease)->set_deadline(node.pool().In(kPatience));
    PGconn* const handle = PostgresHandle(**lease);
    ASSERT_EQ(PQsendQuery(handle, "UPDATE t SET a = a + 1"), 1);
    lease->Detach();
    ASSERT_TRUE(support::WaitUntil([this] { return Waiting() == "1"; }));
    PQfinish(handle);
  }
  EXPECT_TRUE(support::WaitUntil([this] { return HasNoSessions(server); }, 20s));
}

// A session that was closed at rest, too, is there for some milliseconds more.
TEST(ClosedTest, ARoleWithAsManySessionsAsThePoolHasSlotsIsEnough) {
  support::PostgresServer server({.script = "CREATE ROLE lonely LOGIN CONNECTION LIMIT 1"});
  NodeFor<OneByCallers> node(server.Uri("", "lonely"));
  for (int i = 0; i < 100; ++i) {
    const absl::Status status = node.Ask(kGrace, Sql("CREATE TEMP TABLE a(a int)")).status;
    ASSERT_TRUE(status.ok()) << status;
    node.pool().InvalidateAll();
  }
  EXPECT_EQ(node.pool().stats().open_failures, 0);
  EXPECT_GE(node.pool().stats().opens, 100);
}

template <class Profile>
class StoppedSessionsTest : public ::testing::Test {};
using Profiles = ::testing::Types<Two, TwoByCallers>;
TYPED_TEST_SUITE(StoppedSessionsTest, Profiles);

TYPED_TEST(StoppedSessionsTest, TheNextCallerWaitsAndIsToldWhatForByItsDeadline) {
  support::PostgresServer server;
  NodeFor<TypeParam> node(server.Uri());
  std::vector<pid_t> stopped;
  {
    absl::StatusOr<Lease> one = node.pool().Acquire(kWrite, node.pool().In(kGrace));
    absl::StatusOr<Lease> other = node.pool().Acquire(kWrite, node.pool().In(kGrace));
    ASSERT_TRUE(one.ok() && other.ok()) << one.status() << other.status();
    stopped = server.Sessions();
    ASSERT_EQ(stopped.size(), 2u);
    for (const pid_t session : stopped) kill(session, SIGSTOP);
    for (Lease* const lease : {&*one, &*other}) {
      (*lease)->set_deadline(node.pool().In(kPatience));
      EXPECT_EQ(lease->Run(kQuestion).code(), StatusCode::kDeadlineExceeded);
    }
  }
  const Answer answer = node.Ask(200ms);
  EXPECT_EQ(answer.status.code(), StatusCode::kDeadlineExceeded) << answer.status;
  EXPECT_THAT(std::string(answer.status.message()),
              HasSubstr("2 sessions given up still run at the server since "));
  EXPECT_GE(answer.after, 200ms);
  EXPECT_LT(answer.after, 200ms + kGrace);
  EXPECT_EQ(server.Sessions(), stopped);
  for (const pid_t session : stopped) kill(session, SIGCONT);
  EXPECT_LT(node.Recover(), kGrace);
}

TEST(StoppedSessionTest, APoolClosesWithoutThem) {
  support::PostgresServer server;
  pid_t stopped = 0;
  const TimePoint start = NativePlatform().Now();
  {
    NodeFor<Two> node(server.Uri());
    absl::StatusOr<Lease> lease = node.pool().Acquire(kWrite, node.pool().In(kGrace));
    ASSERT_TRUE(lease.ok()) << lease.status();
    stopped = server.Sessions().front();
    kill(stopped, SIGSTOP);
    (*lease)->set_deadline(node.pool().In(kPatience));
    EXPECT_FALSE(lease->Run(kQuestion).ok());
    lease->Return();
    EXPECT_TRUE(node.pool().Close(node.pool().In(1s)).ok());
  }
  EXPECT_LT(Since(start), kGrace + 1s);
  kill(stopped, SIGCONT);
  EXPECT_TRUE(server.WaitForSessions(0));
}

}  // namespace
}  // namespace roost::faults
