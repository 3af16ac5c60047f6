// A cluster of three nodes (Galera), of which each takes writes: the pool goes on at another one when its own
// dies, and what was acknowledged is there, once.
//
// Not one of CTest's: `deploy/test.sh --stage galera` runs it. The nodes begin with the same data, so that
// none has to be sent to another.
#include <array>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "roost/housekeeper.h"
#include "roost/pool.h"
#include "tests/mysql/mysql_test_support.h"
#include "tests/support/loopback_port.h"
#include "tests/support/process.h"

namespace roost::mysql {
namespace {

using support::LoopbackPort;

constexpr char kProvider[] = "/usr/lib/galera/libgalera_smm.so";

class GaleraTest : public ::testing::Test {
 protected:
  GaleraTest() {
    nodes_[0] = std::make_unique<MariadbServer>(MariadbServer::Options{
        .settings = Settings(0),
        .script = "CREATE TABLE farm.cluster(a int PRIMARY KEY, session bigint)"});
    nodes_[0]->Stop();
    for (size_t i = 1; i < nodes_.size(); ++i) {
      nodes_[i] = std::make_unique<MariadbServer>(
          MariadbServer::Options{.settings = Settings(i), .copy_of = nodes_[0].get()});
    }
    for (const auto& node : nodes_) node->Start();
    EXPECT_TRUE(support::WaitUntil([&] { return Status(0, "wsrep_cluster_size") == "3"; }));
    for (size_t i = 0; i < nodes_.size(); ++i) {
      EXPECT_TRUE(support::WaitUntil([&] { return Status(i, "wsrep_ready") == "ON"; }));
    }
  }
  std::vector<std::string> Settings(size_t i) const {
    const std::string address = "127.0.0.1:" + std::to_string(group_[i].number());
    const std::string first = "gcomm://127.0.0.1:" + std::to_string(group_[0].number());
    std::vector<std::string> settings = {
        "--wsrep-on=ON",
        std::string("--wsrep-provider=") + kProvider,
        "--wsrep-cluster-name=roost",
        "--wsrep-node-address=" + address,
        "--wsrep-provider-options=gmcast.listen_addr=tcp://" + address +
            ";ist.recv_addr=127.0.0.1:" + std::to_string(transfer_[i].number()) + ";gcache.size=4M",
        "--binlog-format=ROW",
        "--innodb-autoinc-lock-mode=2",
        "--wsrep-cluster-address=" + (i == 0 ? std::string("gcomm://") : first),
    };
    if (i == 0) settings.emplace_back("--wsrep-new-cluster");
    return settings;
  }
  // Also of a node that refuses statements.
  std::string Status(size_t i, const std::string& name) const {
    const support::Finished finished = support::RunToEnd(
        {.words = {"mariadb", "--no-defaults", "--socket=" + nodes_[i]->socket(), "--user=root",
                   "--batch", "--skip-column-names", "--execute=SHOW STATUS LIKE '" + name + "'"}});
    const size_t tab = finished.output.find('\t');
    const size_t end = finished.output.find('\n');
    return tab < end ? finished.output.substr(tab + 1, end - tab - 1) : "";
  }
  std::string Uri() const {
    std::string uri = "mysql://node:open%20sesame@";
    for (const auto& node : nodes_) {
      uri += (uri.ends_with('@') ? "" : ",") + std::string("127.0.0.1:") +
             std::to_string(node->port());
    }
    return uri + "/farm";
  }
  // Which of them the pool's session is at.
  size_t NodeOf(Pool& pool) const {
    absl::StatusOr<Lease> lease = pool.Acquire(kRead, pool.In(20s));
    EXPECT_OK(lease.status());
    const int64_t port =
        lease.ok() ? QueryOne<int64_t>(**lease, Sql("SELECT @@port")).value_or(0) : 0;
    for (size_t i = 0; i < nodes_.size(); ++i) {
      if (nodes_[i]->port() == port) return i;
    }
    return 0;
  }
  static absl::Status Write(Pool& pool, int64_t row) {
    absl::StatusOr<Lease> lease = pool.Acquire(kWrite, pool.In(5s));
    if (!lease.ok()) return lease.status();
    const absl::Status status =
        lease->Run(Sql("INSERT INTO cluster VALUES ($1, CONNECTION_ID())"), row);
    // It was sent before, and the answer was lost.
    return absl::IsAlreadyExists(status) ? absl::OkStatus() : status;
  }
  // Tries until the row is acknowledged.
  static bool WriteAtLast(Pool& pool, int64_t row) {
    return support::WaitUntil([&] { return Write(pool, row).ok(); });
  }

  std::array<LoopbackPort, 3> group_;
  std::array<LoopbackPort, 3> transfer_;
  std::array<std::unique_ptr<MariadbServer>, 3> nodes_;
};

TEST_F(GaleraTest, ANodeThatDiesIsFollowedByAnotherAndNothingIsLost) {
  MysqlBackend backend({.uri = Uri()});
  PoolFor<profiles::RaspberryPiRemote> pool(backend);
  Housekeeper housekeeper;
  housekeeper.Add(pool);
  housekeeper.Start();
  int64_t row = 0;
  while (row < 50) EXPECT_TRUE(WriteAtLast(pool, row++));
  const size_t killed = NodeOf(pool);
  nodes_[killed]->Kill();
  const TimePoint start = NativePlatform().Now();
  EXPECT_TRUE(WriteAtLast(pool, row++));
  std::printf("followed after %lld ms\n",
              static_cast<long long>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                         NativePlatform().Now() - start)
                                         .count()));
  EXPECT_LT(NativePlatform().Now() - start, 20s);
  while (row < 100) EXPECT_TRUE(WriteAtLast(pool, row++));
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (i == killed) continue;
    EXPECT_TRUE(support::WaitUntil([&] {
      return nodes_[i]->Sql("SELECT COUNT(*) FROM farm.cluster") == "100";
    })) << nodes_[i]->Sql("SELECT COUNT(*) FROM farm.cluster");
  }
}

// A node without the majority of its cluster answers 1047 to all but SHOW and SET.
TEST_F(GaleraTest, ANodeWithoutItsClusterIsAway) {
  MysqlBackend backend({.uri = Uri()});
  PoolFor<profiles::RaspberryPiRemote> pool(backend);
  Housekeeper housekeeper;
  housekeeper.Add(pool);
  housekeeper.Start();
  EXPECT_TRUE(WriteAtLast(pool, 1));
  const size_t left = NodeOf(pool);
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (i != left) nodes_[i]->Kill();
  }
  ASSERT_TRUE(support::WaitUntil([&] { return Status(left, "wsrep_ready") == "OFF"; }));
  EXPECT_TRUE(support::WaitUntil([&] { return !Write(pool, 2).ok(); }));
  for (int i = 0; i < 3; ++i) {
    const absl::Status refused = Write(pool, 2);
    EXPECT_TRUE(absl::IsUnavailable(refused) || absl::IsDeadlineExceeded(refused)) << refused;
  }
}

}  // namespace
}  // namespace roost::mysql
