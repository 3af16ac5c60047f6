// tests/tools/remote_node.h - a real roost-node with a remote database, for tests of one kind of server.
//
// Its heartbeats come each 200 ms and its readings from standard input, one a transaction.
#ifndef ROOST_TESTS_TOOLS_REMOTE_NODE_H_
#define ROOST_TESTS_TOOLS_REMOTE_NODE_H_

#include <gtest/gtest.h>
#include <signal.h>

#include <cstdint>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "platform/rpi/board_health.h"
#include "telemetry/status_file.h"
#include "tests/support/temp_dir.h"
#include "tests/tools/notify_socket.h"
#include "tests/tools/program.h"

namespace roost::testing {

// To a file of /proc there is no size; it is read to its end.
inline std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

inline bool Has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

inline size_t Count(const std::string& text, std::string_view part) {
  size_t count = 0;
  for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; ++at) ++count;
  return count;
}

// The libraries and other files that a process has mapped.
inline std::string MapsOf(const Program& node) {
  return ReadAll("/proc/" + std::to_string(node.pid()) + "/maps");
}

class RemoteNodeTest : public ::testing::Test {
 protected:
  // A node's command line, as systemd would start it.
  std::vector<std::string> Node(const std::string& uri,
                                const std::vector<std::string>& more) const {
    std::vector<std::string> all = Local(db);
    const std::vector<std::string> remote = {"--remote",      uri,     "--name",         "node7",
                                             "--heartbeat",   "200ms", "--status-every", "100ms",
                                             "--status-file", status};
    all.insert(all.end(), remote.begin(), remote.end());
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  // That of one without a remote.
  std::vector<std::string> Local(const std::string& file) const {
    return {"/usr/bin/env", "NOTIFY_SOCKET=" + systemd.name(),
            ROOST_NODE,     "--db",
            file,           "--stdin",
            "--seal-every", "1ms"};
  }
  // Takes `count` readings and sees each sealed.
  void SealReadings(Program& node, int count) {
    for (int i = 1; i <= count; ++i) {
      node.Write("n " + std::to_string(i) + "\n");
      systemd.WaitFor("STATUS=" + std::to_string(i) + " readings sealed");
    }
  }

  // Of a node that has ended: `arrived` heartbeats are at the server. On a machine that is busy one may be
  // late, and arrive all the same.
  static void ExpectHeartbeats(const nlohmann::json& summary, int64_t arrived) {
    EXPECT_EQ(summary["remote"]["state"], "up");
    const auto confirmed = summary["remote"]["heartbeats"].get<int64_t>();
    const auto late = summary["remote"]["failed_heartbeats"].get<int64_t>();
    EXPECT_GE(confirmed, 1);
    EXPECT_GE(arrived, confirmed);
    EXPECT_LE(arrived, confirmed + late);
    EXPECT_LE(summary["remote"]["pool"]["opens"].get<int64_t>(), 1 + late);
  }
  // The status file of a node that is up; empty: it cannot be read.
  std::optional<telemetry::NodeStatus> ReadBothPools(const std::string& backend, int port) const {
    const auto read = telemetry::ReadStatusFile(status);
    EXPECT_TRUE(read.ok()) << read.status();
    if (!read.ok()) return std::nullopt;
    EXPECT_EQ(read->local.backend, "sqlite");
    EXPECT_TRUE(read->remote.has_value());
    if (!read->remote.has_value()) return std::nullopt;
    EXPECT_EQ(read->remote->state, "up");
    EXPECT_EQ(read->remote->pool.backend, backend);
    EXPECT_TRUE(Has(read->remote->pool.target, std::to_string(port))) << read->remote->pool.target;
    return *read;
  }
  // While the server is away the node goes on: readings are sealed, and the state is told.
  void ExpectGoesOnWhileAway(Program& node) {
    systemd.WaitFor("remote away");
    node.WaitForError(": away");
    SealReadings(node, 5);
    const auto away = telemetry::ReadStatusFile(status);
    ASSERT_TRUE(away.ok()) << away.status();
    EXPECT_EQ(away->remote->state, "away");
    EXPECT_NE(away->remote->last_error, "");
    EXPECT_EQ(telemetry::Trouble(*away, BootMicros()), "")
        << "a server that is away is no trouble of the node";
  }
  // After a server that was away and is there again.
  static void ExpectToldInFewLines(Program& node) {
    node.Signal(SIGTERM);
    EXPECT_EQ(node.Wait(), 0) << node.errors();
    EXPECT_TRUE(Has(node.output(), "heartbeats confirmed")) << node.output();
    // Changes are told, not tries.
    EXPECT_LE(Count(node.errors(), ": remote "), 5u) << node.errors();
  }

  support::TempDir folder;
  const std::string db = folder.File("node.db");
  const std::string status = folder.File("status.json");
  NotifySocket systemd{folder.File("notify")};
};

}  // namespace roost::testing

#endif  // ROOST_TESTS_TOOLS_REMOTE_NODE_H_
