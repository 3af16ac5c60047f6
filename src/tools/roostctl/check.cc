#include "tools/roostctl/check.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "platform/rpi/board_health.h"
#include "tools/common/cli.h"
#include "tools/common/text.h"
#include "tools/roostctl/status.h"

namespace roost::tools {
namespace {

using internal::Between;
using telemetry::NodeStatus;
using telemetry::OutboxStatus;

// Where the node does not say what is late.
constexpr Duration kLateAfter = std::chrono::hours(1);

const char* WordOf(int code) {
  constexpr std::array kWords{"OK", "WARNING", "CRITICAL", "UNKNOWN"};
  return kWords[static_cast<size_t>(std::clamp(code, 0, kCheckUnknown))];
}

// One line; a bar would begin the figures.
std::string OneLine(const std::string& text) {
  std::string line = PlainText(text);
  std::replace(line.begin(), line.end(), '|', '/');
  return line;
}

CheckResult ResultOf(int code, const std::string& text, const std::string& figures = {}) {
  return {code, std::string("ROOST ") + WordOf(code) + " - " + OneLine(text) +
                    (figures.empty() ? "" : " | " + figures)};
}

// The worst of what was found, and all of it.
class Findings {
 public:
  void Add(int code, const std::string& text) {
    code_ = std::max(code_, code);
    text_ += (text_.empty() ? "" : "; ") + text;
  }
  int code() const { return code_; }
  const std::string& text() const { return text_; }

 private:
  int code_ = kCheckOk;
  std::string text_;
};

Duration WarningAge(const NodeStatus& status, const CheckLimits& limits) {
  if (limits.warning_age > Duration::zero()) return limits.warning_age;
  const bool said = status.outbox.has_value() && status.outbox->alarm_age > Duration::zero();
  return said ? status.outbox->alarm_age : kLateAfter;
}

Duration AgeOf(const OutboxStatus& outbox, Duration since_written) {
  return outbox.oldest_age < Duration::zero() ? outbox.oldest_age
                                              : outbox.oldest_age + since_written;
}

void JudgeOutbox(const NodeStatus& status, int64_t now_boot_us, const CheckLimits& limits,
                 Findings& found) {
  const OutboxStatus& outbox = *status.outbox;
  const std::string since =
      FormatDuration(std::max(Between(outbox.since_boot_us, now_boot_us), Duration::zero()));
  if (outbox.state == "held") {
    found.Add(kCheckCritical,
              "the server refuses all readings for " + since + ", which wait: " + outbox.reason);
  } else if (outbox.state == "no_schema") {
    found.Add(kCheckWarning, "the server has no place for readings: " + outbox.reason);
  }
  const Duration age = AgeOf(outbox, Between(status.written_boot_us, now_boot_us));
  const bool is_critical = age >= limits.critical_age;
  if (is_critical || age >= WarningAge(status, limits)) {
    found.Add(is_critical ? kCheckCritical : kCheckWarning,
              std::to_string(outbox.waiting) + " readings wait for the server, the oldest for " +
                  FormatDuration(age) +
                  (outbox.reason.empty() || outbox.state != "waiting" ? "" : ": " + outbox.reason));
  }
  if (outbox.rejected > limits.rejects) {
    found.Add(kCheckWarning,
              "the server has set " + std::to_string(outbox.rejected) + " readings aside");
  }
}

void JudgeRemote(const NodeStatus& status, int64_t now_boot_us, const CheckLimits& limits,
                 Findings& found) {
  const telemetry::RemoteStatus& remote = *status.remote;
  const Duration since = Between(remote.since_boot_us, now_boot_us);
  if (remote.state == "up" || since < WarningAge(status, limits)) return;
  found.Add(kCheckWarning, "the remote is " + remote.state + " for " + FormatDuration(since) +
                               (remote.last_error.empty() ? "" : ": " + remote.last_error));
}

std::string SecondsOf(Duration span) { return std::to_string(span / std::chrono::seconds(1)); }

// label=value[unit];warning;critical;least;most. What is not known is U; "c" is a counter.
std::string FiguresOf(const NodeStatus& status, int64_t now_boot_us, const CheckLimits& limits) {
  std::string figures = "taken=" + std::to_string(status.readings.taken) +
                        "c lost=" + std::to_string(status.readings.lost + status.readings.dropped) +
                        "c unsealed=" + std::to_string(status.readings.waiting) + ";;;0;" +
                        std::to_string(status.readings.buffer);
  figures += " database=" + std::to_string(status.store.bytes) + "B;;;0;";
  if (status.store.limit_bytes > 0) figures += std::to_string(status.store.limit_bytes);
  figures += " full_in=" + (status.store.full_in < Duration::zero()
                                ? std::string("U")
                                : SecondsOf(status.store.full_in) + "s;;;0");
  if (!status.outbox.has_value()) return figures;
  const OutboxStatus& outbox = *status.outbox;
  const Duration age = AgeOf(outbox, Between(status.written_boot_us, now_boot_us));
  const bool none = age < Duration::zero() && outbox.waiting == 0;
  figures += " waiting=" + std::to_string(outbox.waiting) + ";;;0 oldest=";
  figures += age < Duration::zero() && !none
                 ? std::string("U")
                 : (none ? "0" : SecondsOf(age)) + "s;" + SecondsOf(WarningAge(status, limits)) +
                       ";" + SecondsOf(limits.critical_age) + ";0";
  return figures + " sent=" + std::to_string(outbox.sent) +
         "c rejected=" + std::to_string(outbox.rejected) + "c";
}

std::string Summary(const NodeStatus& status) {
  std::string text =
      status.name + ": " + std::to_string(status.readings.sealed) + " readings sealed";
  if (!status.outbox.has_value()) return text;
  text += ", " + std::to_string(status.outbox->sent) + " sent, " +
          std::to_string(status.outbox->waiting) + " wait";
  return text;
}

}  // namespace

CheckResult JudgeNode(const NodeStatus& status, int64_t now_boot_us, const CheckLimits& limits) {
  Findings found;
  const std::string trouble = telemetry::Trouble(status, now_boot_us);
  if (!trouble.empty())
    found.Add(IsStarting(status, now_boot_us) ? kCheckWarning : kCheckCritical, trouble);
  if (status.outbox.has_value()) JudgeOutbox(status, now_boot_us, limits, found);
  if (status.remote.has_value()) JudgeRemote(status, now_boot_us, limits, found);
  // Of the outbox enough was said.
  NodeStatus alone = status;
  alone.outbox.reset();
  const internal::TextLine degraded = telemetry::DegradedLine(alone);
  if (!degraded.empty()) found.Add(kCheckWarning, std::string(degraded));
  if (const uint64_t lost = status.readings.lost + status.readings.dropped; lost > 0) {
    found.Add(kCheckWarning, std::to_string(lost) + " readings were lost");
  }
  return ResultOf(found.code(),
                  found.code() == kCheckOk ? Summary(status) : status.name + ": " + found.text(),
                  FiguresOf(status, now_boot_us, limits));
}

void NodeCheckCommand::AddTo(CLI::App& app) {
  CLI::App* command = app.add_subcommand("check", "Tell monitoring how the node is, in one line");
  command
      ->add_option("--file", file_,
                   "The node's status file (" + std::string(telemetry::kStatusFile) + ")")
      ->type_name("PATH");
  constexpr Duration kLeast = std::chrono::seconds(1);
  AddDuration(
      *command, "--warning-age", limits_.warning_age, kLeast,
      "The oldest reading that waits for the server is a warning from this age on (default: the "
      "node's --alarm-age, else 1h)");
  AddDuration(*command, "--critical-age", limits_.critical_age, kLeast,
              "and critical from this (24h)");
  command
      ->add_option("--rejects", limits_.rejects,
                   "So many readings that the server has set aside are no warning (0)")
      ->type_name("N");
  command->footer(
      "As Nagios' plugins do: one line, figures behind a bar, and an exit code.\n"
      "CRITICAL: the node is not healthy, is gone, or the server refuses all readings (held); the "
      "oldest\n"
      "reading that waits is older than --critical-age. WARNING: it is older than --warning-age; "
      "readings\n"
      "were lost or set aside; the remote is away for so long; the database was damaged, has no "
      "bound, or\n"
      "its card is full.\n"
      "Exit codes: 0 OK; 1 WARNING; 2 CRITICAL; 3 UNKNOWN: there is no status file or it cannot be "
      "read, or\n"
      "the arguments are wrong.");
  command->callback([this] { Run(); });
}

CheckResult NodeCheckCommand::Check() const {
  const absl::StatusOr<NodeStatus> status = telemetry::ReadStatusFile(file_);
  if (!status.ok()) return ResultOf(kCheckUnknown, std::string(MessageOf(status.status())));
  if (IsGone(*status)) {
    return ResultOf(kCheckCritical, status->name + ": no node runs: process " +
                                        std::to_string(status->pid) + ", which wrote " + file_ +
                                        ", is gone");
  }
  return JudgeNode(*status, BootMicros(), limits_);
}

void NodeCheckCommand::Run() {
  const CheckResult result = Check();
  std::printf("%s\n", result.line.c_str());
  exit_code_ = result.code;
}

}  // namespace roost::tools
