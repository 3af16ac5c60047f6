#include "tools/roost-node/messages.h"

#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>

#include "base/duration.h"
#include "base/utf8.h"

namespace roost::tools {

Messages::Messages(Platform& platform, bool quiet, bool journal)
    : platform_(platform),
      quiet_(quiet),
      journal_(journal),
      terminal_(isatty(STDERR_FILENO) == 1) {}

void Messages::Print(Severity severity, const char* format, va_list arguments) {
  char line[1024];
  const int size = vsnprintf(line, sizeof line, format, arguments);
  if (size < 0) return;
  const size_t written = std::min<size_t>(static_cast<size_t>(size), sizeof line - 1);
  line[internal::MakePlain({line, written})] = '\0';
  if (journal_) {
    // The journal knows who writes.
    fprintf(stderr, "<%d>%s\n", static_cast<int>(severity), line);
  } else {
    fprintf(stderr, "roost-node: %s\n", line);
  }
}

void Messages::Say(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  Print(Severity::kInfo, format, arguments);
  va_end(arguments);
}

void Messages::Progress(const char* format, ...) {
  if (quiet_) return;
  va_list arguments;
  va_start(arguments, format);
  Print(Severity::kInfo, format, arguments);
  va_end(arguments);
}

void Messages::Warn(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  Print(Severity::kWarning, format, arguments);
  va_end(arguments);
}

void Messages::Fail(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  Print(Severity::kError, format, arguments);
  va_end(arguments);
}

void Messages::Sealed(const Counts& counts, size_t count, size_t waiting, Duration took) {
  const TimePoint now = platform_.Now();
  if (quiet_ || (!terminal_ && now < next_progress_)) return;
  next_progress_ = now + kProgressEvery;
  Say("sealed %llu readings (+%zu in %.1f ms), %zu waiting",
      static_cast<unsigned long long>(counts.stored), count,
      std::chrono::duration<double, std::milli>(took).count(), waiting);
}

void Messages::BadLine(uint64_t number, std::string_view why) {
  const TimePoint now = platform_.Now();
  if (bad_lines_ >= kBadLinesInFull && now < next_bad_line_) {
    ++bad_lines_not_said_;
    return;
  }
  char between[64] = "";
  if (bad_lines_not_said_ > 0) {
    snprintf(between, sizeof between, " (and %llu bad lines before it)",
             static_cast<unsigned long long>(bad_lines_not_said_));
  }
  Warn("line %llu: %.*s%s", static_cast<unsigned long long>(number), static_cast<int>(why.size()),
       why.data(), between);
  bad_lines_not_said_ = 0;
  next_bad_line_ = now + kBadLinesEvery;
  bad_lines_ = std::min(bad_lines_ + 1, kBadLinesInFull);
}

void Messages::Refused(const absl::Status& status, size_t kept, size_t capacity) {
  const TimePoint now = platform_.Now();
  if (status.code() == refused_with_ && now < next_refused_) return;
  refused_with_ = status.code();
  next_refused_ = now + kRefusedEvery;
  Warn("not stored, will be tried again: %.*s; %zu of at most %zu readings are kept in memory",
       static_cast<int>(status.message().size()), status.message().data(), kept, capacity);
}

void Messages::Implausible(uint64_t count) {
  const TimePoint now = platform_.Now();
  if (now < next_implausible_) return;
  next_implausible_ = now + kImplausibleEvery;
  Warn("a sensor of the board gave a value that no board can have, and it is left out; %llu so far",
       static_cast<unsigned long long>(count));
}

void Messages::InputEnded(const std::string& path) {
  const TimePoint now = platform_.Now();
  if (now < next_input_ended_) return;
  next_input_ended_ = now + kInputEndedEvery;
  Warn("standard input has ended; %s is opened again, and its next lines are waited for",
       path.c_str());
}

void Messages::Late(Duration waited) {
  const TimePoint now = platform_.Now();
  if (now < next_late_) return;
  next_late_ = now + kLateEvery;
  Warn(
      "lines waited for up to %s before they were taken, and have the time of that (time_from is "
      "late); write the time into the line: NAME VALUE [UNIT] @UNIX_SECONDS",
      internal::FormatDuration(waited).c_str());
}

void Messages::PowerFails(const char* cause, size_t waiting, Duration took) {
  const TimePoint now = platform_.Now();
  power_said_ = now >= next_power_;
  if (!power_said_) {
    ++power_not_said_;
    return;
  }
  next_power_ = now + kPowerEvery;
  char between[64] = "";
  if (power_not_said_ > 0) {
    snprintf(between, sizeof between, " (and %llu times before it)",
             static_cast<unsigned long long>(power_not_said_));
  }
  power_not_said_ = 0;
  Warn(
      "the power fails: %s%s; after %.1f ms %zu readings are not sealed; nothing is written until "
      "it is good again",
      cause, between, std::chrono::duration<double, std::milli>(took).count(), waiting);
}

void Messages::PowerIsGood(Duration after, size_t waiting) {
  if (!power_said_) return;
  power_said_ = false;
  Warn("the power is good again after %s; %zu readings have waited in memory",
       internal::FormatDuration(after).c_str(), waiting);
}

void Messages::Accepted(size_t kept) {
  if (refused_with_ == absl::StatusCode::kOk) return;
  refused_with_ = absl::StatusCode::kOk;
  Say("stored again; %zu readings are still to be stored", kept);
}

}  // namespace roost::tools
