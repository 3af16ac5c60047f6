// src/tools/roost-node/main.cc - reference firmware: readings into a local SQLite pool, and signs
// of life to a remote one. `roost-node --help` tells how to use it; read Node::Run (node.cc) to see
// how a firmware with a loop of its own uses a pool, and remote.cc how it uses one whose server may
// be away.
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "platform/boards/selected.h"
#include "platform/rpi/board_health.h"
#include "roost/pool.h"
#include "roost/selected_profile.h"
#include "roost/sqlite.h"
#include "roost/sqlite_memory.h"
#include "tools/common/cli.h"
#include "tools/roost-node/messages.h"
#include "tools/roost-node/node.h"
#include "tools/roost-node/notify.h"
#include "tools/roost-node/options.h"
#include "tools/roost-node/pool_status.h"
#include "tools/roost-node/remote.h"
#include "tools/roost-node/reporter.h"
#include "tools/roost-node/store.h"
#include "tools/roost-node/summary.h"
#include "tools/roost-node/wakeup.h"

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
                         .sqlite_memory_bytes = sizeof(SqliteMemoryFor<NodeProfile>),
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
  messages.Warn("compiled for a %s; this is %s", boards::Selected().model,
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
  if (!closed.ok()) messages.Warn("closing the database: %s", closed.ToString().c_str());
}

// Whether the database is what the node needs, and if not, why.
absl::Status CheckDatabase(const Options& options, Store& store, Pool& pool, Messages& messages) {
  absl::Status usable = store.Check(pool.In(Node::kStoreWithin));
  if (usable.ok()) return usable;
  messages.Fail("%s: %s", options.db.c_str(), std::string(usable.message()).c_str());
  if (absl::IsInvalidArgument(usable)) {
    messages.Fail("the tables in it are not those of roost-node; choose another file with --db");
  }
  return usable;
}

// The file beside the database in which the remote's last good address is kept.
std::string AddressFile(const std::string& db) {
  return db == ":memory:" ? std::string() : db + ".remote-address";
}

Remote::Settings RemoteSettings(const Options& options, uint32_t epoch) {
  return {.uri = options.remote,
          .name = options.name,
          .version = ROOST_VERSION,
          .epoch = epoch,
          .heartbeat = options.heartbeat,
          .address_file = AddressFile(options.db)};
}

void Print(const Options& options, const Summary& summary) {
  options.json ? PrintJson(summary) : PrintText(summary);
}

// `memory`: null when SQLite was to use the heap.
int Run(const Options& options, const SqliteMemory* memory) {
  Platform& platform = NativePlatform();
  Messages messages(platform, options.quiet, ErrorsGoToJournal());
  const Notify notify(Notify::FromEnvironment());
  Wakeup wakeup(platform, options.from_stdin ? STDIN_FILENO : -1);
  const BoardHealth board({.root = options.root, .storage = FolderOf(options.db)});
  NoteOtherBoard(board, messages);
  if (memory != nullptr && !memory->status().ok()) {
    messages.Warn("%s; the node goes on with the heap",
                  std::string(memory->status().message()).c_str());
  }

  SqliteBackend backend({.path = options.db, .schema = kSchema});
  PoolFor<NodeProfile> pool(backend, {.name = "local", .platform = &platform});
  const uint32_t epoch = platform.Random();
  Store store(pool, epoch);
  const absl::Status usable = CheckDatabase(options, store, pool, messages);
  if (!usable.ok() && !MayPass(usable)) return kExitLost;

  // Without one, nothing of the driver is loaded.
  std::optional<Remote> remote;
  if (!options.remote.empty()) {
    remote.emplace(RemoteSettings(options, epoch), platform, messages);
    if (const absl::Status started = remote->Start(); !started.ok()) {
      messages.Fail("--remote: %s", std::string(started.message()).c_str());
      return kExitUsage;
    }
  }
  messages.Progress("%s into %s", options.from_stdin ? "lines" : "readings of the board",
                    options.db.c_str());

  Remote* const second = remote.has_value() ? &*remote : nullptr;
  Reporter reporter({.options = options,
                     .board = board,
                     .local = pool,
                     .notify = notify,
                     .messages = messages,
                     .remote = second,
                     .memory = memory});
  Node node({.options = options,
             .pool = pool,
             .board = board,
             .store = store,
             .messages = messages,
             .wakeup = wakeup,
             .reporter = reporter,
             .remote = second},
            usable);
  Summary summary;
  const TimePoint start = platform.Now();
  const std::optional<uint64_t> bytes_before = board.BytesWritten();
  summary.ending = node.Run();
  summary.ran = platform.Now() - start;
  summary.sensors = store.ReadBack(pool.In(Node::kStoreWithin));
  if (remote.has_value()) {
    remote->ToStatus(summary.remote.emplace());
    summary.remote_text = std::string_view(remote->Text(platform.Now()));
    remote->Close(pool.In(Remote::kWithin));
  }
  ToStatus(memory, summary.sqlite_memory);
  Close(pool, messages);
  const std::optional<uint64_t> bytes_after = board.BytesWritten();
  if (bytes_before && bytes_after) summary.bytes_written = *bytes_after - *bytes_before;
  summary.db = options.db;
  summary.model = board.model();
  summary.settings = pool.settings();
  summary.counts = node.counts();
  summary.stats = pool.stats();
  Print(options, summary);
  if (node.input_error() != 0) {
    messages.Fail("standard input: %s", std::strerror(node.input_error()));
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
  // Zeroed pages, which cost nothing before they are touched. Made before anything uses SQLite.
  static std::optional<roost::SqliteMemoryFor<NodeProfile>> memory;
  if (options.sqlite_memory == SqliteHeap::kBounded) memory.emplace();
  try {
    return Run(options, memory.has_value() ? &*memory : nullptr);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "roost-node: %s\n", error.what());
    return kExitLost;
  }
}
