// tools/roost-node/power.h - whether the card may be written: what says that the power fails, and until when that
// counts.
//
//   good --- a source says that it fails ---> sealing --- what was in memory is sealed, or refused ---> dark
//    ^                                                                                                   |
//    '--- no source has said so for kSteady, or SIGPWR's time is over, or SIGHUP after SIGPWR -----------'
//
// While it is dark nothing is written. SIGPWR says nothing of the end, so it counts for `hold`. Under-voltage counts
// for `hold` at most: a supply that is always too weak is no power cut, and readings that are never stored are lost
// for certain. A line counts as long as it is active.
//
// The state of a source counts, never its edges; so a storm of them seals once, and kSteady afterwards once again.
//
// Threads:  one: the loop's
// Blocks:   never; Look asks each source, which is a system call or two
// Memory:   some 100 bytes
// Errors:   none
#ifndef ROOST_TOOLS_ROOST_NODE_POWER_H_
#define ROOST_TOOLS_ROOST_NODE_POWER_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "platform/rpi/power_source.h"
#include "roost/deadline.h"

namespace roost::tools {

class Power {
 public:
  // So long no source may say that the power fails before it is good again.
  static constexpr Duration kSteady = std::chrono::seconds(1);
  // A source that wakes the loop more often than this in a window is not waited for until its end; it is asked then.
  static constexpr Duration kWindow = std::chrono::milliseconds(20);
  static constexpr int kMostLooks = 8;

  enum class State : uint8_t { kGood, kSealing, kDark };
  enum class Cause : uint8_t { kNone, kSignal, kLine, kVoltage };
  static constexpr int kStates = 3;
  static constexpr int kCauses = 4;
  // For people: "SIGPWR".
  static const char* Name(Cause cause);
  // For programs: "dark"; "sigpwr".
  static const char* Key(State state);
  static const char* Key(Cause cause);

  struct Sources {
    PowerSource* line = nullptr;     // of --power-fail-gpio; null: none was named
    PowerSource* voltage = nullptr;  // the board's alarm; null: nobody looks at it
  };
  // REQUIRES: the sources outlive this.
  Power(const Sources& sources, Duration hold) : sources_(sources), hold_(hold) {}

  // Asks the sources. To be called in each turn of the loop: so a change that nobody told of is seen, too.
  void Look(TimePoint now);
  // SIGPWR has come: the next Look finds it.
  void OnPowerSignal(TimePoint now);
  // SIGHUP has come: somebody says that the power is good. Ends what SIGPWR began.
  void OnHangUp() { signal_until_ = TimePoint::min(); }
  // What was in memory when the power failed is sealed, or could not be.
  void Sealed() { state_ = State::kDark; }

  State state() const { return state_; }
  bool good() const { return state_ == State::kGood; }
  // What is in memory is to be sealed at once.
  bool sealing() const { return state_ == State::kSealing; }
  // Of the failure that lasts, or of the latest one.
  Cause cause() const { return cause_; }
  TimePoint since() const { return since_; }
  uint64_t failures() const { return failures_; }

  // When Look is wanted again at the latest.
  TimePoint next() const;
  // What to wait for; returns how many were put into `out`.
  static constexpr size_t kMostDescriptors = 2;
  size_t Descriptors(std::span<DescriptorWait> out) const;

 private:
  Cause Find(TimePoint now);
  void CountLook(TimePoint now);
  bool is_storm() const { return looks_ > kMostLooks; }

  const Sources sources_;
  const Duration hold_;
  State state_ = State::kGood;
  Cause cause_ = Cause::kNone;
  TimePoint since_ = TimePoint::min();
  bool signalled_ = false;  // since the latest Look
  TimePoint signal_until_ = TimePoint::min();
  TimePoint low_since_ = TimePoint::max();     // max: the voltage is not low
  TimePoint steady_since_ = TimePoint::max();  // max: a source says that the power fails
  TimePoint window_ = TimePoint::min();        // its begin
  int looks_ = 0;                              // in it
  uint64_t failures_ = 0;
};

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOST_NODE_POWER_H_
