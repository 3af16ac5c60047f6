#include "pool/text.h"

#include <algorithm>
#include <array>

namespace roost::internal {

void Text::Put(std::string_view text) {
  if (out_.empty()) return;
  const std::string_view fits = text.substr(0, out_.size() - 1 - used_);
  std::copy(fits.begin(), fits.end(), out_.begin() + static_cast<std::ptrdiff_t>(used_));
  used_ += fits.size();
  out_[used_] = '\0';
}

void Text::PutWhole(uint64_t number) {
  std::array<char, 20> digits;
  size_t first = digits.size();
  do {
    digits[--first] = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number != 0);
  Put(std::string_view(digits.data() + first, digits.size() - first));
}

void Text::PutSigned(int64_t number) {
  if (number < 0) Put("-");
  const auto whole = static_cast<uint64_t>(number);
  PutWhole(number < 0 ? 0 - whole : whole);
}

// `span` as a number of steps, of which the last `digits` digits stand behind a point.
void Text::PutSteps(Duration span, Duration step, int digits) {
  const bool negative = span < Duration::zero();
  const auto nanos = static_cast<uint64_t>(span.count());
  const auto each = static_cast<uint64_t>(step.count());
  const uint64_t steps = ((negative ? 0 - nanos : nanos) + each / 2) / each;
  uint64_t scale = 1;
  for (int i = 0; i < digits; ++i) scale *= 10;
  if (negative) Put("-");
  PutWhole(steps / scale);
  if (digits == 0) return;
  Put(".");
  for (uint64_t rest = steps % scale; scale > 1; rest %= scale) {
    scale /= 10;
    PutWhole(rest / scale);
  }
}

void Text::Put(Seconds seconds) {
  Duration step = std::chrono::seconds(1);
  for (int i = 0; i < seconds.digits; ++i) step /= 10;
  PutSteps(seconds.span, step, seconds.digits);
}

void Text::Put(Spoken spoken) {
  using std::chrono::microseconds;
  using std::chrono::milliseconds;
  const Duration span = spoken.span;
  if (span < milliseconds(1)) {
    PutSteps(span, microseconds(1), 0);
    return Put(" us");
  }
  if (span < std::chrono::seconds(1)) {
    PutSteps(span, microseconds(100), 1);
    return Put(" ms");
  }
  if (span < std::chrono::minutes(2)) {
    PutSteps(span, milliseconds(10), 2);
    return Put(" s");
  }
  const int64_t seconds = std::chrono::floor<std::chrono::seconds>(span).count();
  Add(seconds / 60, " min ", seconds % 60, " s");
}

}  // namespace roost::internal
