// Several hosts, several addresses of one, and which of them will do.
#include <netdb.h>

#include <atomic>
#include <memory>
#include <string>

#include "tests/postgres/listeners.h"
#include "tests/postgres/postgres_test_support.h"
#include "tests/support/pgbouncer.h"
#include "tests/support/temp_dir.h"

namespace roost::postgres {
namespace {

using support::PgBouncer;
using support::TempDir;

// A name service that says nothing, until the end of this.
class SilentNames {
 public:
  ~SilentNames() {
    *released_ = true;
    released_->notify_all();
  }
  LookUpFunction function() const {
    return [released = released_](const std::string&) {
      released->wait(false);
      return Addresses{.error = EAI_AGAIN, .message = "silence"};
    };
  }

 private:
  const std::shared_ptr<std::atomic<bool>> released_ = std::make_shared<std::atomic<bool>>(false);
};

// ---- Several hosts ----

TEST(SeveralHostsTest, AClosedFirstHostGivesWayToTheSecondWhichIsRemembered) {
  const LoopbackPort closed;
  Remote remote("host=127.0.0.1,127.0.0.1 port=" + Port(closed) + "," + PortOfServer() +
                " user=node dbname=postgres");
  for (int i = 0; i < 3; ++i) {
    Opening next(*remote);
    ASSERT_TRUE(next.ok()) << next.status();
    EXPECT_EQ(next.attempt().endpoint(), 1);
  }
}

TEST(SeveralHostsTest, OneOpenGoesThroughEveryClosedHost) {
  const LoopbackPort a, b, c;
  Remote remote("host=127.0.0.1,127.0.0.1,127.0.0.1,127.0.0.1 port=" + Port(a) + "," + Port(b) +
                "," + Port(c) + "," + PortOfServer() + " user=node dbname=postgres");
  Opening opening(*remote);
  ASSERT_TRUE(opening.ok()) << opening.status();
  EXPECT_EQ(opening.attempt().endpoint(), 3);
}

TEST(SeveralHostsTest, OneOpenTriesEachHostOnce) {
  const LoopbackPort a, b;
  Remote remote("host=127.0.0.1,127.0.0.1 port=" + Port(a) + "," + Port(b) +
                " user=node dbname=postgres");
  Opening opening(*remote);
  EXPECT_EQ(opening.status().code(), StatusCode::kUnavailable) << opening.status();
  EXPECT_THAT(opening.message(), HasSubstr(Port(b)));
}

// A proxy without a primary behind it: nobody has to do anything here.
TEST(SeveralHostsTest, AHostThatHangsUpGivesWayAtOnceAndPassesByItself) {
  using enum HangingUp::When;
  for (const auto when : {kAtOnce, kSpokenTo, kReset, kTwiceAsked}) {
    for (const std::string mode : {"disable", "prefer", "require"}) {
      // It says N, which only the question about encryption has for an answer.
      if (when == kTwiceAsked && mode != "prefer") continue;
      SCOPED_TRACE(mode + " " + std::to_string(static_cast<int>(when)));
      const HangingUp proxy(when);
      const std::string rest = " user=node dbname=postgres sslmode=" + mode;
      for (int i = 0; i < 5; ++i) {
        Remote alone("host=127.0.0.1 port=" + Port(proxy.port()) + rest);
        Opening opening(*alone);
        EXPECT_EQ(opening.status().code(), StatusCode::kUnavailable) << opening.status();
        EXPECT_LT(opening.late(), 0s);
      }
      if (mode == "require") continue;  // which the server here does not speak
      Remote two("host=127.0.0.1,127.0.0.1 port=" + Port(proxy.port()) + "," + PortOfServer() +
                 rest);
      Opening opening(*two);
      ASSERT_TRUE(opening.ok()) << opening.status();
      EXPECT_EQ(opening.attempt().endpoint(), 1);
    }
  }
}

TEST(SeveralHostsTest, ASilentFirstHostCostsOneDeadline) {
  FullListener full;
  Remote remote("host=127.0.0.1,127.0.0.1 port=" + Port(full.port()) + "," + PortOfServer() +
                " user=node dbname=postgres");
  Opening first(*remote, 150ms);
  EXPECT_EQ(first.status().code(), StatusCode::kDeadlineExceeded) << first.status();
  Opening second(*remote);
  EXPECT_TRUE(second.ok()) << second.status();
}

TEST(SeveralHostsTest, AnEndpointThatLostItsRoleIsLeft) {
  Remote remote("host=127.0.0.1,localhost port=" + PortOfServer() + " user=node dbname=postgres");
  Opening first(*remote);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first.attempt().endpoint(), 0);
  remote->endpoints().Leave(0);
  Opening second(*remote);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second.attempt().endpoint(), 1);
  EXPECT_THAT(second.attempt().where(), HasSubstr("localhost"));
}

// ---- Roles ----

TEST(SeveralHostsTest, APrimaryIsNoStandby) {
  for (const char* const role : {"read-write", "primary", "any", "prefer-standby"}) {
    Remote remote(Server().Uri("target_session_attrs=" + std::string(role)));
    Opening opening(*remote);
    EXPECT_TRUE(opening.ok()) << role << ": " << opening.status();
  }
  for (const char* const role : {"read-only", "standby"}) {
    Remote remote(Server().Uri("target_session_attrs=" + std::string(role)));
    Opening opening(*remote);
    EXPECT_EQ(opening.status().code(), StatusCode::kUnavailable) << role << opening.status();
    EXPECT_THAT(opening.message(), HasSubstr("it is a primary that takes writes"));
  }
}

TEST(SeveralHostsTest, SessionsThatOnlyReadAreNoReadWrite) {
  Server().Sql("ALTER ROLE node SET default_transaction_read_only = on");
  Remote writes(Server().Uri("target_session_attrs=read-write"));
  Opening refused(*writes);
  EXPECT_EQ(refused.status().code(), StatusCode::kUnavailable) << refused.status();
  EXPECT_THAT(refused.message(), HasSubstr("a primary whose sessions are read-only"));
  Remote reads(Server().Uri("target_session_attrs=read-only"));
  Opening opening(*reads);
  EXPECT_TRUE(opening.ok()) << opening.status();
  Server().Sql("ALTER ROLE node RESET default_transaction_read_only");
}

TEST(SeveralHostsTest, TheStandbyIsFoundAmongTwo) {
  const std::unique_ptr<PostgresServer> standby = PostgresServer::StandbyOf(Server());
  const std::string hosts = "host=127.0.0.1,127.0.0.1 port=" + PortOfServer() + "," +
                            std::to_string(standby->port()) + " user=node dbname=postgres ";
  for (const char* const role : {"standby", "read-only", "prefer-standby"}) {
    Remote remote(hosts + "target_session_attrs=" + role);
    Opening opening(*remote);
    ASSERT_TRUE(opening.ok()) << role << opening.status();
    EXPECT_EQ(opening.Ask("SELECT pg_is_in_recovery()"), "t");
  }
  Remote remote("host=127.0.0.1 port=" + std::to_string(standby->port()) +
                " user=node dbname=postgres target_session_attrs=read-write");
  Opening opening(*remote);
  EXPECT_THAT(opening.message(), HasSubstr("it is a standby"));
}

TEST(SeveralHostsTest, BehindAPoolerThatHidesItTheRoleIsAskedFor) {
  const PgBouncer bouncer(Server(), 2);
  for (const char* const role : {"read-write", "primary", "any"}) {
    Remote remote(Server().UriThrough(bouncer.port(), "target_session_attrs=" + std::string(role)));
    Opening opening(*remote);
    EXPECT_TRUE(opening.ok()) << role << ": " << opening.status();
  }
  Remote remote(Server().UriThrough(bouncer.port(), "target_session_attrs=standby"));
  Opening opening(*remote);
  EXPECT_EQ(opening.status().code(), StatusCode::kUnavailable) << opening.status();
  EXPECT_THAT(opening.message(), HasSubstr("it is a primary that takes writes"));
}

TEST(SeveralHostsTest, AnOptionThatPgBouncerRefusesIsExplained) {
  const PgBouncer bouncer(Server(), 2);
  Remote remote(Server().UriThrough(bouncer.port(), "options=-c%20geqo%3Doff"));
  Opening opening(*remote);
  EXPECT_EQ(opening.status().code(), StatusCode::kInvalidArgument) << opening.status();
  EXPECT_EQ(opening.sqlstate(), "08P01");
  EXPECT_THAT(opening.message(), HasSubstr("ignore_startup_parameters"));
}

// ---- Names ----

TEST(SeveralHostsTest, ANameIsLookedUpAndKeptForTheCertificateAndThePassword) {
  Remote remote(
      {.uri = "postgresql://node@db.example.test:" + PortOfServer() + "/postgres?sslmode=disable"},
      [](const std::string&) { return Addresses{.list = {"127.0.0.1"}}; });
  Opening opening(*remote);
  ASSERT_TRUE(opening.ok()) << opening.status();
  EXPECT_STREQ(remote->pq().PQhost(opening.handle()), "db.example.test");
  EXPECT_STREQ(remote->pq().PQhostaddr(opening.handle()), "127.0.0.1");
}

TEST(SeveralHostsTest, ASilentNameServiceEndsAtTheDeadline) {
  SilentNames names;
  Remote remote({.uri = "host=db.example.test user=node"}, names.function());
  Opening opening(*remote, 150ms);
  EXPECT_EQ(opening.status().code(), StatusCode::kDeadlineExceeded) << opening.status();
  EXPECT_THAT(opening.message(), HasSubstr("looking up db.example.test"));
  ExpectInTime(opening);
}

// The kernel has no route for a stream to the address of all machines.
constexpr char kNoRoute[] = "255.255.255.255";

TEST(SeveralHostsTest, WithoutARouteTheServerIsAwayHoweverItsHostIsWritten) {
  for (const char* const uri :
       {"postgresql://node@db.example.test/farm",
        "postgresql://node@db.example.test/farm?hostaddr=255.255.255.255",
        "postgresql://node@255.255.255.255/farm", "hostaddr=255.255.255.255 user=node"}) {
    Remote remote({.uri = uri}, [](const std::string&) { return Addresses{.list = {kNoRoute}}; });
    Opening opening(*remote);
    EXPECT_EQ(opening.status().code(), StatusCode::kUnavailable) << uri << opening.status();
    EXPECT_THAT(opening.message(), HasSubstr("unreachable")) << uri;
  }
}

TEST(SeveralHostsTest, AnAddressWithoutARouteGivesWayToTheNext) {
  Remote remote(
      {.uri = "postgresql://node@db.example.test:" + PortOfServer() + "/postgres?sslmode=disable"},
      [](const std::string&) {
        return Addresses{.list = {kNoRoute, "127.0.0.1"}};
      });
  Opening opening(*remote);
  EXPECT_TRUE(opening.ok()) << opening.status();
}

TEST(SeveralHostsTest, OptionsThatLibpqRefusesAreTheCallersMistake) {
  Remote remote("postgresql://node@127.0.0.1:" + PortOfServer() + "/postgres?sslmode=sometimes");
  Opening opening(*remote);
  EXPECT_EQ(opening.status().code(), StatusCode::kInvalidArgument) << opening.status();
  EXPECT_THAT(opening.message(), HasSubstr("sometimes"));
}

TEST(SeveralHostsTest, ANameThatDoesNotExistIsNotFound) {
  Remote remote({.uri = "host=db.example.test user=node"}, [](const std::string&) {
    return Addresses{.error = EAI_NONAME, .message = "Name or service not known"};
  });
  Opening opening(*remote);
  EXPECT_EQ(opening.status().code(), StatusCode::kNotFound) << opening.status();
  EXPECT_THAT(opening.message(),
              HasSubstr("looking up db.example.test: Name or service not known"));
}

TEST(SeveralHostsTest, AfterARestartWithoutANameServiceTheLastGoodAddressIsFound) {
  const TempDir dir;
  const PostgresOptions options{
      .uri = "postgresql://node@db.example.test:" + PortOfServer() + "/postgres?sslmode=disable",
      .address_file = dir.File("addresses")};
  {
    Remote before(options, [](const std::string&) { return Addresses{.list = {"127.0.0.1"}}; });
    Opening opening(*before);
    ASSERT_TRUE(opening.ok()) << opening.status();
  }
  SilentNames names;
  Remote after(options, names.function());
  Opening opening(*after, 8s);
  ASSERT_TRUE(opening.ok()) << opening.status();
  EXPECT_STREQ(after->pq().PQhostaddr(opening.handle()), "127.0.0.1");
}

TEST(SeveralHostsTest, TheAddressesOfANameAreTriedInTurn) {
  Remote remote(
      {.uri = "postgresql://node@db.example.test:" + PortOfServer() + "/postgres?sslmode=disable"},
      [](const std::string&) {
        return Addresses{.list = {"127.0.0.77", "127.0.0.1"}};
      });
  Opening opening(*remote);
  ASSERT_TRUE(opening.ok()) << opening.status();
  EXPECT_STREQ(remote->pq().PQhostaddr(opening.handle()), "127.0.0.1");
}

TEST(SeveralHostsTest, WhenAllAddressesFailTheLastOneIsNamed) {
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
