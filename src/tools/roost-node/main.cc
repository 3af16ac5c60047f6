// roost-node - reference firmware: readings into a local SQLite pool. `roost-node --help` tells how
// to use it; read Node::Run (node.cc) to see how a firmware with a loop of its own uses a pool.
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <string>
#include <string_view>
#include <variant>

#include "platform/boards/selected.h"
#include "platform/rpi/board_health.h"
#include "roost/pool.h"
#include "roost/selected_profile.h"
#include "roost/sqlite.h"
#include "src/tools/roost-node/messages.h"
#include "src/tools/roost-node/node.h"
#include "src/tools/roost-node/options.h"
#include "src/tools/roost-node/store.h"
#include "src/tools/roost-node/summary.h"
#include "src/tools/roost-node/wakeup.h"

namespace roost::tools {
namespace {

using namespace std::chrono_literals;

// One thread is the pool's only caller and its housekeeper: it has nobody to wait for.
struct NodeProfile : SelectedProfile {
  static constexpr OpenBy kOpenBy = OpenBy::kCaller;
  static constexpr WhenAway kWhenAway = WhenAway::kRefuse;
};

int PrintProfileInfo(const Options& options) {
  const ProfileInfo info{.settings = SettingsOf<NodeProfile>(),
                         .pool_bytes = sizeof(PoolFor<NodeProfile>),
                         .reading_bytes = sizeof(Reading)};
  options.json ? PrintJson(info) : PrintText(info);
  return kExitDone;
}

// Whether a later try may go well without anybody's help.
bool MayPass(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsAborted(status) || absl::IsResourceExhausted(status);
}

void NoteOtherBoard(const BoardHealth& board, Messages& messages) {
  const std::string_view built_for = boards::Selected().model;
  if (built_for.empty() || board.model().starts_with(built_for)) return;
  messages.Say("compiled for a %s; this is %s", boards::Selected().model,
               board.model().empty() ? "not a Raspberry Pi" : board.model().c_str());
}

int ExitCodeOf(const Counts& counts, int input_error) {
  if (counts.lost > 0 || counts.dropped > 0 || input_error != 0) return kExitLost;
  return counts.bad_lines > 0 ? kExitBadLines : kExitDone;
}

std::string FolderOf(const std::string& db) {
  return db == ":memory:" ? std::string() : std::filesystem::path(db).parent_path().string();
}

void Close(Pool& pool, Messages& messages) {
  const absl::Status closed = pool.Close(pool.In(Node::kFinishWithin));
  if (!closed.ok()) messages.Say("closing the database: %s", closed.ToString().c_str());
}

int Run(const Options& options) {
  Platform& platform = NativePlatform();
  Messages messages(platform, options.quiet);
  Wakeup wakeup(platform, options.from_stdin ? STDIN_FILENO : -1);
  const BoardHealth board({.root = options.root, .storage = FolderOf(options.db)});
  NoteOtherBoard(board, messages);

  SqliteBackend backend({.path = options.db, .schema = kSchema});
  PoolFor<NodeProfile> pool(backend, {.name = "local", .platform = &platform});
  Store store(pool, platform.Random());
  const absl::Status usable = store.Check(pool.In(Node::kStoreWithin));
  if (!usable.ok()) {
    messages.Say("%s: %s", options.db.c_str(), std::string(usable.message()).c_str());
    if (absl::IsInvalidArgument(usable)) {
      messages.Say("the tables in it are not those of roost-node; choose another file with --db");
    }
    if (!MayPass(usable)) return kExitLost;
  }
  if (!options.quiet) {
    messages.Say("%s into %s", options.from_stdin ? "lines" : "readings of the board",
                 options.db.c_str());
  }

  Node node(options, pool, board, store, messages, wakeup);
  Summary summary;
  const TimePoint start = platform.Now();
  const std::optional<uint64_t> bytes_before = board.BytesWritten();
  summary.ending = node.Run();
  summary.ran = platform.Now() - start;
  summary.sensors = store.ReadBack(pool.In(Node::kStoreWithin));
  Close(pool, messages);
  const std::optional<uint64_t> bytes_after = board.BytesWritten();
  if (bytes_before && bytes_after) summary.bytes_written = *bytes_after - *bytes_before;
  summary.db = options.db;
  summary.model = board.model();
  summary.settings = pool.settings();
  summary.counts = node.counts();
  summary.stats = pool.stats();
  options.json ? PrintJson(summary) : PrintText(summary);
  if (node.input_error() != 0) {
    messages.Say("standard input: %s", std::strerror(node.input_error()));
  }
  return ExitCodeOf(node.counts(), node.input_error());
}

}  // namespace
}  // namespace roost::tools

int main(int argc, char** argv) {
  using namespace roost::tools;
  const std::variant<Options, int> parsed = ParseOptions(argc, argv);
  if (const int* exit = std::get_if<int>(&parsed)) return *exit;
  const Options& options = std::get<Options>(parsed);
  if (options.profile_info) return PrintProfileInfo(options);
  try {
    return Run(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "roost-node: %s\n", error.what());
    return kExitLost;
  }
}
