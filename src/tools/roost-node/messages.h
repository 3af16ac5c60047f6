// tools/roost-node/messages.h - what roost-node says while it runs, on standard error, at a
// rate that a journal can bear.
#ifndef ROOST_TOOLS_ROOST_NODE_MESSAGES_H_
#define ROOST_TOOLS_ROOST_NODE_MESSAGES_H_

#include <stdarg.h>

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "roost/platform.h"

namespace roost::tools {

// What happened to readings since the start.
struct Counts {
  uint64_t taken = 0;        // from the board or from lines
  uint64_t stored = 0;       // committed; each commit is sealed
  uint64_t dropped = 0;      // the oldest, when the buffer was full
  uint64_t lost = 0;         // still not stored at the end
  uint64_t bad_lines = 0;    // were not readings
  uint64_t missed = 0;       // times at which the board was not read, because storing took too long
  uint64_t implausible = 0;  // values of the board's sensors that no board can have, left out
  uint64_t late = 0;     // lines that may have waited and have the time at which they were taken
  uint64_t batches = 0;  // transactions
  uint64_t refused = 0;  // transactions that the database or the pool refused
  uint64_t power_failures = 0;  // after each of which nothing was written until the power was good
};

// How severe a message is; the numbers are syslog's, which the journal reads.
enum class Severity : uint8_t { kError = 3, kWarning = 4, kInfo = 6 };

class Messages {
 public:
  // `journal`: standard error is the journal, and each line begins with its severity, as "<4>".
  Messages(Platform& platform, bool quiet, bool journal);

  // A line about anything: printf without the program's name and the line end. Whatever a server or
  // a database put into it reaches the terminal as plain text (base/utf8.h).
  [[gnu::format(printf, 2, 3)]] void Say(const char* format, ...);
  // The same, but not with --quiet.
  [[gnu::format(printf, 2, 3)]] void Progress(const char* format, ...);
  // Something an operator should know of, and something that has gone wrong for good.
  [[gnu::format(printf, 2, 3)]] void Warn(const char* format, ...);
  [[gnu::format(printf, 2, 3)]] void Fail(const char* format, ...);

  // Each on a terminal; else one in kProgressEvery.
  void Sealed(const Counts& counts, size_t count, size_t waiting, Duration took);
  // The first kBadLinesInFull; then one in kBadLinesEvery, which counts those between.
  void BadLine(uint64_t number, std::string_view why);
  // When the reason changes; else one in kRefusedEvery.
  void Refused(const absl::Status& status, size_t kept, size_t capacity);
  // Once in kLateEvery.
  void Late(Duration waited);
  // Once in kImplausibleEvery.
  void Implausible(uint64_t count);
  // Once in kInputEndedEvery.
  void InputEnded(const std::string& path);
  // The power fails, and what was in memory is sealed but for `waiting` readings; it is good again. Once in
  // kPowerEvery, with those between: a supply that is too weak fails each few seconds.
  void PowerFails(const char* cause, size_t waiting, Duration took);
  void PowerIsGood(Duration after, size_t waiting);
  // Once after refusals.
  void Accepted(size_t kept);

 private:
  static constexpr Duration kProgressEvery = std::chrono::seconds(10);
  static constexpr Duration kBadLinesEvery = std::chrono::seconds(10);
  static constexpr Duration kImplausibleEvery = std::chrono::minutes(10);
  static constexpr Duration kInputEndedEvery = std::chrono::seconds(30);
  static constexpr Duration kLateEvery = std::chrono::seconds(30);
  static constexpr Duration kPowerEvery = std::chrono::seconds(30);
  static constexpr Duration kRefusedEvery = std::chrono::seconds(30);
  static constexpr int kBadLinesInFull = 5;

  void Print(Severity severity, const char* format, va_list arguments);

  Platform& platform_;
  const bool quiet_;
  const bool journal_;
  const bool terminal_;
  TimePoint next_progress_ = TimePoint::min();
  TimePoint next_bad_line_ = TimePoint::min();
  TimePoint next_implausible_ = TimePoint::min();
  TimePoint next_input_ended_ = TimePoint::min();
  TimePoint next_late_ = TimePoint::min();
  TimePoint next_refused_ = TimePoint::min();
  TimePoint next_power_ = TimePoint::min();
  uint64_t power_not_said_ = 0;
  bool power_said_ = false;  // that it fails: then also that it is good
  int bad_lines_ = 0;        // said in full
  uint64_t bad_lines_not_said_ = 0;
  absl::StatusCode refused_with_ = absl::StatusCode::kOk;
};

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOST_NODE_MESSAGES_H_
