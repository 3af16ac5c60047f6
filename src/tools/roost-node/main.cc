// tools/roost-node/main.cc - reference firmware: readings into a local SQLite pool, and signs
// of life to a remote one. `roost-node --help` tells how to use it; read Node::Run (node.cc) to see
// how a firmware with a loop of its own uses a pool, and remote.cc how it uses one whose server may
// be away.
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "platform/boards/selected.h"
#include "platform/rpi/board_health.h"
#include "platform/rpi/gpio_line.h"
#include "platform/rpi/voltage_alarm.h"
#include "roost/outbox_server.h"
#include "roost/pool.h"
#include "roost/postgres.h"
#include "roost/sqlite_memory.h"
#include "roost/status.h"
#include "roost/version.h"
#include "telemetry/journal_observer.h"
#include "tools/common/cli.h"
#include "tools/common/make_backend.h"
#include "tools/common/text.h"
#include "tools/roost-node/card.h"
#include "tools/roost-node/forward.h"
#include "tools/roost-node/messages.h"
#include "tools/roost-node/node.h"
#include "tools/roost-node/node_profile.h"
#include "tools/roost-node/notify.h"
#include "tools/roost-node/options.h"
#include "tools/roost-node/pool_status.h"
#include "tools/roost-node/remote.h"
#include "tools/roost-node/reporter.h"
#include "tools/roost-node/retention.h"
#include "tools/roost-node/store.h"
#include "tools/roost-node/summary.h"
#include "tools/roost-node/wakeup.h"

namespace roost::tools {
namespace {

using namespace std::chrono_literals;

int PrintProfileInfo(const Options& options) {
  const ProfileInfo info{.settings = SettingsOf<NodeProfile>(),
                         .pool_bytes = sizeof(PoolFor<NodeProfile>),
                         .sqlite_memory_bytes = sizeof(SqliteMemoryFor<NodeProfile>),
                         .reading_bytes = sizeof(Reading)};
  options.json ? PrintJson(info) : PrintText(info);
  return kExitDone;
}

// Whether a later try may go well without another start: the card is writable again, or nobody has
// the damaged file open any more.
bool MayPass(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsAborted(status) || absl::IsResourceExhausted(status) || absl::IsDataLoss(status) ||
         IsReadOnlyCard(status);
}

void WarnOfOtherBoard(const BoardHealth& board, Messages& messages) {
  const std::string_view built_for = boards::Selected().model;
  if (built_for.empty() || board.model().starts_with(built_for)) return;
  messages.Warn("compiled for a %s; this is %s", boards::Selected().model,
                board.model().empty() ? "not a Raspberry Pi" : board.model().c_str());
}

int ExitCodeOf(const Counts& counts, int input_error) {
  if (counts.lost > 0 || counts.dropped > 0 || input_error != 0) return kExitLost;
  return counts.bad_lines > 0 ? kExitBadLines : kExitDone;
}

// The file beside the database in which the remote's last good address is kept.
std::string AddressFile(const std::string& db) {
  return db == ":memory:" ? std::string() : db + ".remote-address";
}

Remote::Settings RemoteSettings(const Options& options, uint32_t epoch, Observer& events,
                                bool events_are_told) {
  return {.uri = options.remote,
          .password_file = options.password_file,
          .name = options.name,
          .version = ROOST_VERSION_STRING,
          .epoch = epoch,
          .heartbeat = options.heartbeat,
          .address_file = AddressFile(options.db),
          .token_file = options.forwards ? options.forward.token_file : std::string(),
          .events = &events,
          .events_are_told = events_are_told};
}

outbox::ServerOptions ServerOptionsOf(const Options& options, uint32_t epoch) {
  const ForwardOptions& forward = options.forward;
  outbox::ServerOptions server{.node = options.name,
                               .token_file = forward.token_file,
                               .epoch = epoch,
                               .version = ROOST_VERSION_STRING,
                               .batch = static_cast<int>(forward.batch),
                               .sqlstate = &PostgresSqlState};
  if (forward.table.empty()) return server;
  server.kind = outbox::ServerKind::kTable;
  server.table = {.table = forward.table,
                  .node = forward.key[0],
                  .epoch = forward.key[1],
                  .seq = forward.key[2]};
  return server;
}

// The parts of a node, in the order in which they are made.
class Program {
 public:
  // `memory`: null when SQLite was to use the heap. REQUIRES: both outlive this.
  Program(const Options& options, const SqliteMemory* memory);
  // The whole life of the node; returns its exit code.
  int Run();

 private:
  void WarnOfSurprises();
  absl::Status OpenPowerLine();
  bool IsPowerGood();
  absl::Status CheckDatabase();
  absl::Status StartRemote();
  Summary RunLoop(const absl::Status& usable);
  void Close(Summary& summary);

  const Options& options_;
  const SqliteMemory* const memory_;
  Platform& platform_ = NativePlatform();
  Messages messages_{platform_, options_.quiet, ErrorsGoToJournal()};
  const Notify notify_{Notify::FromEnvironment()};
  Wakeup wakeup_{platform_, options_.from_stdin ? STDIN_FILENO : -1};
  StatusServer status_{{.name = options_.name.c_str(), .platform = &platform_}};
  // Where standard error is the journal, it gets the pools' events with fields of their own.
  const bool to_journal_ = ErrorsGoToJournal();
  telemetry::JournalSocket journal_socket_;
  telemetry::JournalObserver journal_{journal_socket_, "roost-node", &status_};
  Observer& events_ = to_journal_ ? static_cast<Observer&>(journal_) : status_;
  BoardHealth board_{{.root = options_.root, .storage = FolderOf(options_.db)}};
  LinuxGpioKernel gpio_;
  std::unique_ptr<GpioLine> power_line_;  // null: none was named
  VoltageAlarm voltage_alarm_{board_};
  const std::unique_ptr<Backend> backend_ =
      MakeBackend({DatabaseKind::kSqlite, options_.db}, {.setup = NodeSchema(),
                                                         .application_id = kApplicationId,
                                                         .user_version = kUserVersion,
                                                         .own_table = kOwnTable,
                                                         .move_damaged = true});
  PoolFor<NodeProfile> pool_{*backend_,
                             {.name = "local", .observer = &events_, .platform = &platform_}};
  const uint32_t epoch_ = platform_.Random();
  Store store_{pool_, epoch_};
  Retention retention_{pool_, Retention::SettingsOf(options_), messages_};
  // Without one, nothing of the driver is loaded.
  std::optional<Remote> remote_;
  // Without forwarding, neither is made.
  std::optional<outbox::PoolServer> server_;
  std::optional<Forward> forward_;
};

Program::Program(const Options& options, const SqliteMemory* memory)
    : options_(options), memory_(memory) {}

void Program::WarnOfSurprises() {
  WarnOfOtherBoard(board_, messages_);
  // Without a folder for it nobody expects a socket.
  if (const absl::Status& seen = status_.status(); !seen.ok() && !absl::IsNotFound(seen)) {
    messages_.Warn("%s; roostctl status cannot ask this node", std::string(seen.message()).c_str());
  } else if (const absl::Status box = status_.box_status(); seen.ok() && !box.ok()) {
    messages_.Warn("%s; roostctl status --last will not show this node's events",
                   std::string(box.message()).c_str());
  }
  if (memory_ == nullptr || memory_->status().ok()) return;
  messages_.Warn("%s; the node goes on with the heap",
                 std::string(memory_->status().message()).c_str());
}

absl::Status Program::OpenPowerLine() {
  if (options_.power_fail_gpio.chip.empty()) return absl::OkStatus();
  GpioLine::Where where = options_.power_fail_gpio;
  where.dev = options_.root + where.dev;
  absl::StatusOr<std::unique_ptr<GpioLine>> line = GpioLine::Open(where, gpio_);
  if (!line.ok()) {
    messages_.Fail("--power-fail-gpio: %s", std::string(line.status().message()).c_str());
    return line.status();
  }
  power_line_ = *std::move(line);
  return absl::OkStatus();
}

bool Program::IsPowerGood() {
  return (power_line_ == nullptr || !power_line_->Fails()) && !voltage_alarm_.Fails();
}

// Whether the database is what the node needs, and if not, why.
absl::Status Program::CheckDatabase() {
  // To open it is to write to it. The loop opens it when the power is good.
  if (!IsPowerGood())
    return absl::UnavailableError("the power fails, and the database was not opened yet");
  absl::Status usable = CheckCard(options_.db);
  if (usable.ok()) usable = store_.Check(pool_.In(Node::kStoreWithin));
  if (const int damaged = FileStatsOf(pool_).damaged_files; damaged > 0) {
    messages_.Warn("%s was damaged: %d damaged files lie beside it, as %s.damaged-N",
                   options_.db.c_str(), damaged, options_.db.c_str());
  }
  if (usable.ok()) return usable;
  messages_.Fail("%s: %s", options_.db.c_str(), std::string(usable.message()).c_str());
  if (absl::IsInvalidArgument(usable)) {
    messages_.Fail("it is no database of this roost-node; choose another file with --db");
  }
  return usable;
}

absl::Status Program::StartRemote() {
  if (options_.remote.empty()) return absl::OkStatus();
  remote_.emplace(RemoteSettings(options_, epoch_, events_, to_journal_), platform_, messages_);
  absl::Status started = remote_->Start();
  if (!started.ok()) messages_.Fail("--remote: %s", std::string(started.message()).c_str());
  if (!started.ok() || !options_.forwards) return started;
  server_.emplace(remote_->pool(), remote_->wake(), ServerOptionsOf(options_, epoch_), platform_);
  forward_.emplace(pool_, *server_, Forward::Settings{.flags = options_.forward, .epoch = epoch_},
                   messages_);
  return started;
}

int Program::Run() {
  WarnOfSurprises();
  if (!OpenPowerLine().ok()) return kExitUsage;
  const absl::Status usable = CheckDatabase();
  if (absl::IsInvalidArgument(usable)) return kExitUsage;
  if (!usable.ok() && !MayPass(usable)) return kExitLost;
  if (!StartRemote().ok()) return kExitUsage;
  messages_.Progress("%s into %s", options_.from_stdin ? "lines" : "readings of the board",
                     options_.db.c_str());
  const Summary summary = RunLoop(usable);
  options_.json ? PrintJson(summary) : PrintText(summary);
  if (summary.input_error != 0) {
    messages_.Fail("standard input: %s", std::strerror(summary.input_error));
  }
  return ExitCodeOf(summary.counts, summary.input_error);
}

// Runs the loop to its end, and closes the databases.
Summary Program::RunLoop(const absl::Status& usable) {
  Remote* const remote = remote_.has_value() ? &*remote_ : nullptr;
  Forward* const forward = forward_.has_value() ? &*forward_ : nullptr;
  status_.Add(pool_);
  if (remote != nullptr) status_.Add(remote->pool());
  Reporter reporter({.options = options_,
                     .board = board_,
                     .local = pool_,
                     .notify = notify_,
                     .messages = messages_,
                     .retention = &retention_,
                     .remote = remote,
                     .forward = forward,
                     .memory = memory_,
                     .status = &status_,
                     .journal = to_journal_ ? &journal_ : nullptr});
  status_.Add(reporter);
  Node node({.options = options_,
             .pool = pool_,
             .board = board_,
             .store = store_,
             .messages = messages_,
             .wakeup = wakeup_,
             .reporter = reporter,
             .retention = retention_,
             .remote = remote,
             .forward = forward,
             .status = &status_,
             .power = {.line = power_line_.get(), .voltage = &voltage_alarm_}},
            usable);
  Summary summary{.db = options_.db, .model = board_.model(), .settings = pool_.settings()};
  const TimePoint start = platform_.Now();
  const std::optional<uint64_t> bytes_before = board_.BytesWritten();
  summary.ending = node.Run();
  summary.ran = platform_.Now() - start;
  summary.counts = node.counts();
  summary.input_error = node.input_error();
  Close(summary);
  const std::optional<uint64_t> bytes_after = board_.BytesWritten();
  if (bytes_before && bytes_after) summary.bytes_written = *bytes_after - *bytes_before;
  return summary;
}

// Reads back what was stored, and closes the databases.
void Program::Close(Summary& summary) {
  summary.sensors = store_.ReadBack(pool_.In(Node::kStoreWithin), &summary.more_sensors);
  if (forward_.has_value()) forward_->ToStatus(platform_.Now(), summary.outbox.emplace());
  // Its lease goes back before the pool is closed.
  forward_.reset();
  server_.reset();
  if (remote_.has_value()) {
    remote_->ToStatus(summary.remote.emplace());
    summary.remote_text = std::string_view(remote_->Text(platform_.Now()));
    remote_->Close(pool_.In(Remote::kWithin));
  }
  ToStatus(memory_, summary.sqlite_memory);
  const absl::Status closed = pool_.Close(pool_.In(Node::kFinishWithin));
  if (!closed.ok()) messages_.Warn("closing the database: %s", closed.ToString().c_str());
  summary.stats = pool_.stats();
}

}  // namespace
}  // namespace roost::tools

int main(int argc, char** argv) {
  using namespace roost::tools;
  const std::variant<Options, int> parsed = ParseOptions(argc, argv);
  if (const int* exit = std::get_if<int>(&parsed)) return *exit;
  const Options& options = std::get<Options>(parsed);
  if (options.profile_info) return PrintProfileInfo(options);
  // Readings of people's homes are not for everybody, also where no unit says so.
  umask(umask(0077) | 0027);
  // Zeroed pages, which cost nothing before they are touched. Made before anything uses SQLite.
  static std::optional<roost::SqliteMemoryFor<NodeProfile>> memory;
  // A database in memory is taken from what SQLite takes, and has no end.
  if (options.sqlite_memory == SqliteHeap::kBounded && options.db != ":memory:") memory.emplace();
  try {
    return Program(options, memory.has_value() ? &*memory : nullptr).Run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "roost-node: %s\n", PlainText(error.what()).c_str());
    return kExitLost;
  }
}
