#include "telemetry/node_status.h"

#include "base/duration.h"

namespace roost::telemetry {
namespace {

using internal::Between;
using internal::Brief;
using internal::TextLine;

constexpr Duration kMostLate = std::chrono::seconds(5);  // of a busy board, besides its period

}  // namespace

TextLine TroubleLine(const NodeStatus& status, int64_t now_boot_us) {
  const Duration age = Between(status.written_boot_us, now_boot_us);
  TextLine trouble;
  const WatchdogStatus& watchdog = status.watchdog;
  const Duration hungry = Between(watchdog.fed_boot_us, now_boot_us);
  if (age > 2 * status.every + kMostLate) {
    trouble.Add("the status is ", Brief{age}, " old: the node has stopped, or hangs");
  } else if (!status.ready) {
    trouble.Add("it is not ready: ", status.text);
  } else if (!status.refused.empty()) {
    trouble.Add("the database refuses: ", status.refused);
  } else if (watchdog.period > Duration::zero() && watchdog.feeds == 0) {
    trouble.Add("the watchdog has not been fed yet");
  } else if (watchdog.period > Duration::zero() && hungry > watchdog.period) {
    trouble.Add("the watchdog was fed ", Brief{hungry}, " ago");
  } else if (status.readings.sealed == 0) {
    trouble.Add("no reading has been sealed yet");
  }
  return trouble;
}

TextLine DegradedLine(const NodeStatus& status) {
  const SqliteFileStatus& file = status.sqlite_file;
  TextLine degraded;
  if (file.damaged_files > 0) {
    degraded.Add("the database was damaged, and a new one was begun: ", file.damaged_files,
                 " damaged files lie beside it, as ", status.local.target, ".damaged-N");
  } else if (file.max_log_pages > 0 && file.log_pages >= file.max_log_pages / 2) {
    degraded.Add("the log has ", file.log_pages, " of at most ", file.max_log_pages,
                 " pages: a reader that does not end keeps it from being cut");
  } else if (file.checkpoint_error != 0) {
    degraded.Add("the log cannot be copied into the database (SQLite ", file.checkpoint_error, ")");
  } else if (status.store.not_cut) {
    degraded.Add(
        "the database has no bound, as it was larger than half of the card's room when that was "
        "fixed: give roost-node --db-size");
  } else if (status.store.card_is_full) {
    degraded.Add("the card is full: the reserve was given up");
  } else if (status.outbox.has_value() && status.outbox->state == "held") {
    degraded.Add("the server refuses all readings, which wait: ", status.outbox->reason);
  } else if (status.outbox.has_value() && status.outbox->late) {
    degraded.Add(status.outbox->waiting, " readings wait for the server, the oldest for ",
                 Brief{status.outbox->oldest_age});
  }
  return degraded;
}

std::string Trouble(const NodeStatus& status, int64_t now_boot_us) {
  return std::string(TroubleLine(status, now_boot_us));
}

}  // namespace roost::telemetry
