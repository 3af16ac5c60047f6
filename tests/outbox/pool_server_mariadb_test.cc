// PoolServer against a real MariaDB with the database roost.
#include <array>
#include <chrono>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "roost/mysql.h"
#include "roost/outbox_server.h"
#include "roost/pool.h"
#include "tests/support/mariadb_server.h"
#include "tests/support/temp_dir.h"

namespace roost::outbox {
namespace {

using std::chrono_literals::operator""s;
using ::testing::HasSubstr;
using Answer = OutboxServer::Answer;

constexpr int64_t kEpoch = 77;
constexpr int64_t kT0 = 1'800'000'000'000;  // ms
constexpr char kToken[] = "the-token";

// With the schema, and a node.
struct Prepared : support::MariadbServer {
  Prepared() {
    std::ifstream file(ROOST_SOURCE "/src/outbox/sql/mysql.sql");
    Sql({std::istreambuf_iterator<char>(file), {}});
    Sql("ALTER USER roost_node@'%' IDENTIFIED BY ''");
    Sql(std::string("INSERT INTO roost.node(name, token, made) VALUES ('hive', UNHEX(SHA2('") +
        kToken + "', 256)), UTC_TIMESTAMP(6))");
  }
};
support::MariadbServer& Server() {
  static Prepared server;
  return server;
}

class MariadbPoolServerTest : public ::testing::Test {
 protected:
  MariadbPoolServerTest() {
    std::ofstream(dir_.File("token")) << kToken;
    uri_ = "mysql://roost_node@127.0.0.1:" + std::to_string(Server().port()) + "/roost";
  }
  const Answer& Finish(PoolServer& server, Pool& pool) {
    for (;;) {
      if (const Answer* const answer = server.Continue(NativePlatform().Now()); answer != nullptr) {
        return *answer;
      }
      std::array<DescriptorWait, 8> waits;
      const size_t count = server.Descriptors(waits);
      NativePlatform().WaitForDescriptors(std::span(waits).first(count),
                                          std::min(Deadline::At(server.next()), pool.In(1s)));
    }
  }
  std::string token_file() const { return dir_.File("token"); }
  std::string uri_;

 private:
  const support::TempDir dir_;
};

TEST_F(MariadbPoolServerTest, AHelloABatchABatchAgainAndAWrongToken) {
  MysqlBackend backend({.uri = uri_});
  PoolFor<profiles::RaspberryPiRemote> pool(backend);
  const std::string file = token_file();
  PoolServer server(pool, {},
                    {.kind = ServerKind::kMariadb,
                     .node = "hive",
                     .token_file = file,
                     .epoch = kEpoch,
                     .version = "1.2.3",
                     .number = &MysqlErrno});
  const std::vector<OutboxSegment> asked{{kEpoch, 1}, {5, 9}};
  server.Hello(asked, pool.In(20s));
  const Answer* answer = &Finish(server, pool);
  ASSERT_TRUE(answer->status.ok()) << answer->status;
  EXPECT_EQ(answer->hello.schema_version, kOutboxSchemaVersion);
  EXPECT_GE(answer->hello.spread, 10s);
  ASSERT_EQ(answer->hello.marks.size(), 2u);
  EXPECT_EQ(answer->hello.marks[1].seq, std::nullopt);

  const std::vector<OutboxRow> rows{{.seq = 1, .ms = kT0, .value = 21.53, .place = 0},
                                    {.seq = 3, .ms = kT0 + 10'000, .value = -1e-300, .place = 1}};
  const std::vector<OutboxName> names{{"te\"mp\\", "C"}, {"hum\x01", "%"}};
  const std::vector<OutboxGap> gaps{{.why = OutboxWhy::kFull, .lo = 2, .hi = 2, .numbers = 1}};
  const OutboxBatch batch{.segment = {kEpoch, 1},
                          .first = 1,
                          .last = 3,
                          .rows = rows,
                          .names = names,
                          .gaps = gaps,
                          .backlog = 7,
                          .oldest = Micros{kT0 * 1000}};
  for (int i = 0; i < 2; ++i) {
    server.Ingest(batch, pool.In(20s));
    answer = &Finish(server, pool);
    ASSERT_TRUE(answer->status.ok()) << answer->status;
    EXPECT_FALSE(answer->needs_hello);
    EXPECT_EQ(answer->ingest.mark, 3);
  }
  EXPECT_EQ(
      Server().Sql("SELECT GROUP_CONCAT(CONCAT_WS(' ', r.seq, s.name, s.unit, r.v, r.t) ORDER BY "
                   "r.seq SEPARATOR '; ') FROM roost.reading r JOIN roost.sensor s USING (sensor)"),
      "1 te\"mp\\\\ C 21.53 2027-01-15 08:00:00.000000; "
      "3 hum\x01 % -1e-300 2027-01-15 08:00:10.000000");
  EXPECT_EQ(Server().Sql("SELECT SUM(missing) FROM roost.balance"), "0");

  std::ofstream(file) << "another-secret";
  server.Hello(asked, pool.In(20s));
  answer = &Finish(server, pool);
  EXPECT_EQ(answer->hand, OutboxHand::kHold);
  EXPECT_THAT(answer->status.ToString(), HasSubstr("unknown node or wrong token"));
}

}  // namespace
}  // namespace roost::outbox
