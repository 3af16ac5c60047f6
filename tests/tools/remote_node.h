// tests/tools/remote_node.h - a real roost-node with a remote database, for tests of one kind of server.
//
// Its heartbeats come each 200 ms and its readings from standard input, one a transaction.
#ifndef ROOST_TESTS_TOOLS_REMOTE_NODE_H_
#define ROOST_TESTS_TOOLS_REMOTE_NODE_H_

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

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

  support::TempDir folder;
  const std::string db = folder.File("node.db");
  const std::string status = folder.File("status.json");
  NotifySocket systemd{folder.File("notify")};
};

}  // namespace roost::testing

#endif  // ROOST_TESTS_TOOLS_REMOTE_NODE_H_
