// tests/tools/roost_node_simulated.h - the parts of roost-node on a clock that runs as fast as the
// work allows: an hour of a node in seconds.
//
// Everything is the node's own but the clock, the sleep and the board: a real database in a folder
// of its own, a real status file, a socket in systemd's place. Between two turns of its loop a
// function of the test is called.
//
// Threads:  one
// Memory:   none of its own while the node runs, so that the node's can be counted
#ifndef ROOST_TESTS_TOOLS_ROOST_NODE_SIMULATED_H_
#define ROOST_TESTS_TOOLS_ROOST_NODE_SIMULATED_H_

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <string>

#include "roost/pool.h"
#include "roost/sqlite.h"
#include "roost/sqlite_memory.h"
#include "roost/status.h"
#include "telemetry/status_file.h"
#include "tests/fakes/fake_platform.h"
#include "tests/support/temp_dir.h"
#include "tests/tools/made_up_board.h"
#include "tests/tools/notify_socket.h"
#include "tools/roost-node/messages.h"
#include "tools/roost-node/node.h"
#include "tools/roost-node/notify.h"
#include "tools/roost-node/power.h"
#include "tools/roost-node/reporter.h"
#include "tools/roost-node/retention.h"
#include "tools/roost-node/store.h"
#include "tools/roost-node/wakeup.h"

namespace roost::testing {

// A pipe in the place of standard input, for as long as it exists.
class PipedInput {
 public:
  PipedInput() : real_(dup(STDIN_FILENO)) {
    // A pipe that nobody empties is a failure, not a hang.
    EXPECT_EQ(pipe2(ends_.data(), O_CLOEXEC | O_NONBLOCK), 0);
    EXPECT_EQ(dup2(ends_[0], STDIN_FILENO), STDIN_FILENO);
  }
  ~PipedInput() {
    dup2(real_, STDIN_FILENO);
    for (const int fd : {ends_[0], ends_[1], real_}) close(fd);
  }
  PipedInput(const PipedInput&) = delete;
  PipedInput& operator=(const PipedInput&) = delete;

  void Write(std::string_view text) const {
    EXPECT_EQ(write(ends_[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }

 private:
  std::array<int, 2> ends_{-1, -1};
  const int real_;
};

template <class Profile>
class SimulatedNode {
 public:
  // `ran`: since the loop began.
  using EachSleep = std::function<void(Duration ran)>;

  // Database, status file and name are filled in, and the folder of a metrics file. `vfs`: SQLite's VFS; empty: the system's. A sleep is
  // no longer than `step`, so that what the test does meanwhile is looked at.
  SimulatedNode(const SqliteMemory* memory, tools::Options options, std::string vfs = {},
                Duration step = std::chrono::seconds(1))
      : options_(Filled(std::move(options), folder_)),
        vfs_(std::move(vfs)),
        step_(step),
        memory_(memory),
        systemd_(folder_.File("notify")) {
    MakeUpBoard(folder_.File("board"));
  }

  // Beside SIGPWR. REQUIRES: before Run; they outlive it.
  void set_power(const tools::Power::Sources& power) { power_ = power; }

  // Runs the node to its end.
  void Run(EachSleep each_sleep) {
    each_sleep_ = std::move(each_sleep);
    platform_.set_descriptor([this](int fd, IoEvents, Deadline until) { return Ask(fd, until); });
    tools::Wakeup wakeup(platform_, options_.from_stdin ? STDIN_FILENO : -1);
    BoardHealth board({.root = folder_.File("board")});
    const tools::Notify notify(
        {.socket = systemd_.name(), .watchdog_period = std::chrono::seconds(30)});
    tools::Messages messages(platform_, options_.quiet, false);
    tools::Store store(pool_, 7);
    tools::Retention retention(pool_, tools::Retention::SettingsOf(options_), messages);
    tools::Reporter reporter({.options = options_,
                              .board = board,
                              .local = pool_,
                              .notify = notify,
                              .messages = messages,
                              .retention = &retention,
                              .memory = memory_,
                              .status = &status_});
    status_.Add(pool_);
    status_.Add(reporter);
    tools::Node node({.options = options_,
                      .pool = pool_,
                      .board = board,
                      .store = store,
                      .messages = messages,
                      .wakeup = wakeup,
                      .reporter = reporter,
                      .retention = retention,
                      .status = &status_,
                      .power = power_},
                     store.Check(pool_.In(tools::Node::kStoreWithin)));
    start_ = platform_.Now();
    node.Run();
    counts_ = node.counts();
    read_back_ = store.ReadBack(pool_.In(tools::Node::kStoreWithin)).status();
  }

  Pool& pool() { return pool_; }
  fakes::FakePlatform& platform() { return platform_; }
  const std::string& db() const { return options_.db; }
  const tools::Options& options() const { return options_; }
  std::string_view status_socket() const { return status_.path(); }
  const tools::Counts& counts() const { return counts_; }
  // How the node's last look at its readings went.
  const absl::Status& read_back() const { return read_back_; }
  absl::StatusOr<telemetry::NodeStatus> File() const {
    return telemetry::ReadStatusFile(options_.status_file);
  }

 private:
  struct NodeProfile : Profile {
    static constexpr OpenBy kOpenBy = OpenBy::kCaller;
    static constexpr WhenAway kWhenAway = WhenAway::kRefuse;
  };

  static tools::Options Filled(tools::Options options, const support::TempDir& folder) {
    options.db = folder.File("node.db");
    options.status_file = folder.File("status.json");
    if (!options.metrics_file.empty()) options.metrics_file = folder.File(options.metrics_file);
    options.name = "simulated";
    options.buffer = std::max(options.buffer, options.batch);
    return options;
  }

  static bool IsSocket(int fd) {
    int type = 0;
    socklen_t size = sizeof type;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0;
  }

  // The loop asks whether there is input, or sleeps.
  IoEvents Ask(int fd, Deadline until) {
    if (fd == STDIN_FILENO) {
      pollfd input{fd, POLLIN, 0};
      poll(&input, 1, 0);
      return {.readable = input.revents != 0};
    }
    if (IsSocket(fd)) return {};  // of the status: it is served at each turn anyway
    systemd_.Forget();
    const TimePoint now = platform_.Now();
    each_sleep_(now - start_);
    // What the test has sent to this process meanwhile.
    pollfd signals{fd, POLLIN, 0};
    if (poll(&signals, 1, 0) > 0) return {.readable = true};
    const TimePoint next = std::min(until.time(), now + step_);
    if (next > now) platform_.AdvanceTo(next);
    return {};
  }

  support::TempDir folder_;
  const tools::Options options_;
  const std::string vfs_;
  const Duration step_;
  const SqliteMemory* const memory_;
  NotifySocket systemd_;
  fakes::FakePlatform platform_;
  SqliteBackend backend_{{.path = options_.db, .schema = tools::NodeSchema(), .vfs = vfs_}};
  StatusServer status_{
      {.name = "simulated", .folder = folder_.path().c_str(), .platform = &platform_}};
  PoolFor<NodeProfile> pool_{backend_,
                             {.name = "local", .observer = &status_, .platform = &platform_}};
  EachSleep each_sleep_;
  tools::Power::Sources power_;
  TimePoint start_{};
  tools::Counts counts_;
  absl::Status read_back_;
};

}  // namespace roost::testing

#endif  // ROOST_TESTS_TOOLS_ROOST_NODE_SIMULATED_H_
