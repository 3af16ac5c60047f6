#include "src/tools/roost-node/reporter.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "src/tools/common/duration.h"
#include "src/tools/roost-node/pool_status.h"

namespace roost::tools {
namespace {

// A database that refuses from the start is no reason to be killed at the unit's TimeoutStartSec (90 s):
// a new process would find the same card. STATUS and the status file say what is wrong.
constexpr Duration kReadyAnyway = std::chrono::seconds(60);

// "11:20:05Z", of the wall clock as it was.
std::string TimeOfDay(int64_t unix_us) {
  const auto seconds = static_cast<time_t>(unix_us / 1000000);
  tm utc{};
  gmtime_r(&seconds, &utc);
  char out[16];
  std::strftime(out, sizeof out, "%H:%M:%SZ", &utc);
  return out;
}

ReadingStatus ReadingsOf(const Facts& facts) {
  const Counts& c = facts.counts;
  return {.taken = c.taken,
          .sealed = c.stored,
          .dropped = c.dropped,
          .lost = c.lost,
          .bad_lines = c.bad_lines,
          .missed = c.missed,
          .batches = c.batches,
          .refused_batches = c.refused,
          .waiting = facts.waiting,
          .most_waiting = facts.most_waiting,
          .buffer = facts.buffer};
}

}  // namespace

Reporter::Reporter(const Options& options, const BoardHealth& board, const Pool& local,
                   const Remote* remote, const Notify& notify, Messages& messages)
    : options_(options),
      board_(board),
      local_(local),
      remote_(remote),
      notify_(notify),
      messages_(messages),
      platform_(local.platform()),
      started_(platform_.Now()),
      somebody_reads_(notify.on() || !options.status_file.empty()),
      watchdog_(notify.watchdog_period()) {}

Reporter::~Reporter() {
  if (!options_.status_file.empty()) RemoveStatusFile(options_.status_file);
}

void Reporter::Turn(TimePoint now, const Facts& facts) {
  Feed(now, facts);
  if (somebody_reads_ && (now >= next_report_ || HasChanged(facts))) Report(now, facts);
  const bool ready = facts.ready || (now - started_ >= kReadyAnyway && !stalled_);
  if (ready && !ready_) ready_ = notify_.Ready(Text(now, facts));
}

void Reporter::Stopping(TimePoint now, const Facts& facts) {
  stopping_ = true;
  notify_.Stopping("sealing what is left");
  if (somebody_reads_) Report(now, facts);
}

TimePoint Reporter::next() const {
  return std::min(watchdog_.next(), somebody_reads_ ? next_report_ : TimePoint::max());
}

void Reporter::Feed(TimePoint now, const Facts& facts) {
  const bool stalled = Watchdog::IsStalled(now, facts.progress);
  if (stalled && !stalled_) {
    messages_.Fail(
        "%zu readings are overdue and the database has not been heard of for %s%s", facts.waiting,
        FormatDuration(now - std::max(facts.progress.due, facts.progress.answered)).c_str(),
        watchdog_.period() > Duration::zero() ? "; the watchdog is not fed" : "");
  }
  stalled_ = stalled;
  if (!watchdog_.ShouldFeed(now, facts.progress) || !notify_.Feed()) return;
  watchdog_.Fed(now);
  fed_at_ = now;
}

// What an operator should not have to wait for.
bool Reporter::HasChanged(const Facts& facts) const {
  return (facts.ready && !ready_) || refused_ != !facts.refused.empty() ||
         sealed_ != facts.last_seal.has_value() ||
         (remote_ != nullptr && remote_->changes() != remote_changes_);
}

void Reporter::Report(TimePoint now, const Facts& facts) {
  next_report_ = now + options_.status_every;
  refused_ = !facts.refused.empty();
  sealed_ = facts.last_seal.has_value();
  if (remote_ != nullptr) remote_changes_ = remote_->changes();
  // The file first: whoever is told by systemd finds the same in it.
  if (!options_.status_file.empty()) Write(Describe(now, facts));
  std::string text = Text(now, facts);
  if (text != text_ && notify_.Status(text)) text_ = std::move(text);
}

void Reporter::Write(const NodeStatus& status) {
  const absl::Status written = WriteStatusFile(options_.status_file, status);
  if (!written.ok() && written.code() != write_failed_) {
    messages_.Warn("the status file: %s", std::string(written.message()).c_str());
  }
  write_failed_ = written.code();
}

NodeStatus Reporter::Describe(TimePoint now, const Facts& facts) const {
  const auto boot_us = [now](TimePoint at) { return BootMicrosAt(now, at); };
  NodeStatus status{.name = options_.name,
                    .version = ROOST_VERSION,
                    .board = board_.model(),
                    .pid = getpid(),
                    .written_boot_us = BootMicros(),
                    .started_boot_us = boot_us(started_),
                    .every = options_.status_every,
                    .state = stopping_     ? "ending"
                             : facts.ready ? "running"
                                           : "starting",
                    .text = Text(now, facts),
                    .ready = facts.ready,
                    .refused = std::string(facts.refused),
                    .readings = ReadingsOf(facts),
                    .last_seal = facts.last_seal,
                    .memory = MemoryOfThisProcess(),
                    .local = StatusOf(local_)};
  status.watchdog = {.period = watchdog_.period(), .feeds = watchdog_.feeds()};
  if (watchdog_.feeds() > 0) status.watchdog.fed_boot_us = boot_us(fed_at_);
  if (remote_ != nullptr) status.remote = remote_->Status();
  return status;
}

std::string Reporter::Text(TimePoint now, const Facts& facts) const {
  std::string text;
  if (!facts.refused.empty()) {
    text = (facts.ready ? "the database refuses: " : "waiting for the database: ") +
           std::string(facts.refused) + "; " + std::to_string(facts.waiting) + " of at most " +
           std::to_string(facts.buffer) + " readings are kept in memory";
  } else if (!facts.last_seal.has_value()) {
    text = "no reading sealed yet";
  } else {
    text = std::to_string(facts.counts.stored) + " readings sealed, the last " +
           std::to_string(facts.last_seal->count) + " at " + TimeOfDay(facts.last_seal->unix_us);
  }
  if (remote_ != nullptr) text += "; remote " + remote_->Text(now);
  return text;
}

}  // namespace roost::tools
