#include "tools/roost-node/power.h"

#include <algorithm>
#include <utility>

namespace roost::tools {

const char* Power::Name(Cause cause) {
  switch (cause) {
    case Cause::kNone:
      return "";
    case Cause::kSignal:
      return "SIGPWR";
    case Cause::kLine:
      return "the line of --power-fail-gpio";
    case Cause::kVoltage:
      return "under-voltage";
  }
  return "";
}

const char* Power::Key(State state) {
  switch (state) {
    case State::kGood:
      return "good";
    case State::kSealing:
      return "sealing";
    case State::kDark:
      return "dark";
  }
  return "";
}

const char* Power::Key(Cause cause) {
  switch (cause) {
    case Cause::kNone:
      return "none";
    case Cause::kSignal:
      return "sigpwr";
    case Cause::kLine:
      return "gpio";
    case Cause::kVoltage:
      return "under_voltage";
  }
  return "";
}

void Power::OnPowerSignal(TimePoint now) {
  signalled_ = true;
  signal_until_ = Deadline::After(now, hold_).time();
}

Power::Cause Power::Find(TimePoint now) {
  const bool line = sources_.line != nullptr && sources_.line->Fails();
  const bool low = sources_.voltage != nullptr && sources_.voltage->Fails();
  const bool signalled = std::exchange(signalled_, false) || now < signal_until_;
  low_since_ = low ? std::min(low_since_, now) : TimePoint::max();
  if (line) return Cause::kLine;
  if (signalled) return Cause::kSignal;
  if (low && now - low_since_ < hold_) return Cause::kVoltage;
  return Cause::kNone;
}

void Power::CountLook(TimePoint now) {
  if (looks_ == 0 || now - window_ >= kWindow) {
    window_ = now;
    looks_ = 0;
  }
  ++looks_;
}

void Power::Look(TimePoint now) {
  CountLook(now);
  const Cause found = Find(now);
  if (found != Cause::kNone) {
    cause_ = found;
    steady_since_ = TimePoint::max();
    if (state_ != State::kGood) return;
    state_ = State::kSealing;
    since_ = now;
    ++failures_;
    return;
  }
  if (state_ == State::kGood) return;
  steady_since_ = std::min(steady_since_, now);
  // Who sends a signal does not bounce.
  if (cause_ == Cause::kSignal || now - steady_since_ >= kSteady) state_ = State::kGood;
}

TimePoint Power::next() const {
  TimePoint next = TimePoint::max();
  if (is_storm()) next = window_ + kWindow;
  if (state_ == State::kGood) return next;
  if (steady_since_ != TimePoint::max()) return std::min(next, steady_since_ + kSteady);
  if (cause_ == Cause::kSignal) next = std::min(next, signal_until_);
  if (cause_ == Cause::kVoltage) {
    next = std::min(next, Deadline::After(low_since_, hold_).time());
  }
  return next;
}

size_t Power::Descriptors(std::span<DescriptorWait> out) const {
  if (is_storm()) return 0;
  size_t count = 0;
  for (const PowerSource* const source : {sources_.line, sources_.voltage}) {
    if (source != nullptr) out[count++] = source->Wait();
  }
  return count;
}

}  // namespace roost::tools
