#include "base/duration.h"

#include <algorithm>
#include <iterator>

namespace roost::internal {
namespace {

// Without its sign. (-span would overflow for the shortest.)
uint64_t Nanos(Duration span) {
  const auto nanos = static_cast<uint64_t>(span.count());
  return span < Duration::zero() ? 0 - nanos : nanos;
}

// The place in kDurationUnits of the unit that a span is told in.
size_t UnitOf(uint64_t nanos) {
  size_t unit = 0;
  while (unit + 1 < std::size(kDurationUnits) && nanos >= Nanos(kDurationUnits[unit + 1].from)) {
    ++unit;
  }
  return unit;
}

constexpr size_t kMicroseconds = 1;
constexpr size_t kWholeSeconds = 3;

void PutSign(Text& text, Duration span) {
  if (span < Duration::zero()) text.Add("-");
}

}  // namespace

void Put(Text& text, Seconds seconds) {
  PutSign(text, seconds.span);
  text.AddDecimal(Nanos(seconds.span), Nanos(std::chrono::seconds(1)), seconds.digits,
                  /*trim=*/false);
}

void Put(Text& text, Spoken spoken) {
  const uint64_t nanos = Nanos(spoken.span);
  const size_t best = spoken.span < Duration::zero() ? kMicroseconds : UnitOf(nanos);
  if (best > kWholeSeconds) {
    const uint64_t seconds = nanos / Nanos(std::chrono::seconds(1));
    return text.Add(seconds / 60, " min ", seconds % 60, " s");
  }
  const size_t unit = std::max(best, kMicroseconds);
  PutSign(text, spoken.span);
  // Whole microseconds, tenths of milliseconds, hundredths of seconds.
  const int decimals = static_cast<int>(unit - kMicroseconds);
  text.AddDecimal(nanos, Nanos(kDurationUnits[unit].length), decimals, /*trim=*/false);
  text.Add(" ", kDurationUnits[unit].spoken);
}

void Put(Text& text, Brief brief) {
  const uint64_t nanos = Nanos(brief.span);
  const DurationUnit& unit = kDurationUnits[UnitOf(nanos)];
  PutSign(text, brief.span);
  text.AddSignificant(nanos, Nanos(unit.length), 3);
  text.Add(" ", unit.spoken);
}

void Put(Text& text, TimeOfDay time) {
  constexpr int64_t kMicrosPerDay = 86'400'000'000;
  const int64_t of_day = (time.unix_micros % kMicrosPerDay + kMicrosPerDay) % kMicrosPerDay;
  const int64_t second = of_day / 1'000'000;
  const auto two = [&text](int64_t number, std::string_view end) {
    text.Add(static_cast<char>('0' + number / 10), static_cast<char>('0' + number % 10), end);
  };
  two(second / 3600, ":");
  two(second / 60 % 60, ":");
  two(second % 60, "Z");
}

Duration Between(int64_t from_us, int64_t to_us) {
  constexpr int64_t kLongest =
      std::chrono::duration_cast<std::chrono::microseconds>(Duration::max()).count();
  int64_t span = 0;
  if (__builtin_sub_overflow(to_us, from_us, &span)) span = to_us < from_us ? -kLongest : kLongest;
  return std::chrono::microseconds(std::clamp(span, -kLongest, kLongest));
}

std::string FormatDuration(Duration span) {
  BoundedText<31> text;
  text.Add(Brief{span});
  return std::string(static_cast<std::string_view>(text));
}

}  // namespace roost::internal
