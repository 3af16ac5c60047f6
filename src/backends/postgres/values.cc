#include "backends/postgres/values.h"

#include <charconv>
#include <chrono>
#include <system_error>

namespace roost::postgres {
namespace {

constexpr int64_t kMicrosPerSecond = 1'000'000;
constexpr int64_t kMicrosPerDay = 86'400 * kMicrosPerSecond;
constexpr int64_t kFirstYear = -4'713;  // 4714 BC
constexpr int64_t kLastYear = 294'245;
constexpr int64_t kMostOffset = 16 * 3600;
constexpr int64_t kMicros2000 = 10'957 * kMicrosPerDay;  // from 1970 to 2000

template <class Number>
Value ReadNumber(std::string_view text, Number number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return Value(text);
  return Value(number);
}

// Takes a moment's text apart from its front.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  bool Skip(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool Skip(std::string_view text) {
    if (!rest_.starts_with(text)) return false;
    rest_.remove_prefix(text.size());
    return true;
  }
  // A number without a sign.
  bool Number(int64_t& number) {
    if (rest_.empty() || rest_.front() < '0' || rest_.front() > '9') return false;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), number);
    if (error != std::errc()) return false;
    rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
    return true;
  }
  // ".789" in microseconds; nothing is 0.
  bool Fraction(int64_t& micros) {
    micros = 0;
    if (!Skip('.')) return true;
    int64_t unit = kMicrosPerSecond / 10;
    if (rest_.empty() || rest_.front() < '0' || rest_.front() > '9') return false;
    while (!rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9') {
      micros += (rest_.front() - '0') * unit;
      unit /= 10;
      rest_.remove_prefix(1);
    }
    return true;
  }
  bool done() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

// "+05", "-03:30" or "+05:30:15", in seconds; nothing is 0.
bool ReadOffset(Reader& reader, int64_t& seconds) {
  seconds = 0;
  const bool east = reader.Skip('+');
  if (!east && !reader.Skip('-')) return true;
  for (int64_t unit = 3600; unit > 0; unit /= 60) {
    int64_t part = 0;
    if (!reader.Number(part)) return false;
    if (part > kMostOffset / unit) return false;
    seconds += part * unit;
    if (unit == 1 || !reader.Skip(':')) break;
  }
  if (!east) seconds = -seconds;
  return true;
}

// Days from 1970 to a day of the Gregorian calendar. chrono's years end at 32767, the server's do
// not; the calendar repeats itself every 400 years.
int64_t DaysSince1970(int64_t year, int64_t month, int64_t day) {
  constexpr int64_t kCycleDays = 146'097;
  const int64_t cycles = (year >= 0 ? year : year - 399) / 400;
  const std::chrono::year_month_day date(std::chrono::year(static_cast<int>(year - cycles * 400)),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day)));
  return cycles * kCycleDays + std::chrono::sys_days{date}.time_since_epoch().count();
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

}  // namespace

Value ReadColumn(uint32_t type, std::string_view text) {
  switch (type) {
    case kBool:
      return text == "t" || text == "f" ? Value(text == "t") : Value(text);
    case kInt2:
    case kInt4:
    case kInt8:
    case kOid:
      return ReadNumber(text, int64_t{0});
    case kFloat4:
    case kFloat8:
      return ReadNumber(text, 0.0);
    case kNumeric: {  // a sum of integers is one
      const Value whole = ReadNumber(text, int64_t{0});
      return whole.type() == Value::Type::kInt64 ? whole : ReadNumber(text, 0.0);
    }
    case kTimestamp:
    case kTimestamptz: {
      const std::optional<Micros> moment = ReadMoment(text);
      return moment.has_value() ? Value(*moment) : Value(text);
    }
    case kBytea: {
      if (!text.starts_with(kHexPrefix)) return Value(text);
      const size_t size = (text.size() - kHexPrefix.size()) / 2;
      return Value(std::as_bytes(std::span(text.substr(kHexPrefix.size(), size))));
    }
    default:
      return Value(text);
  }
}

bool TakesBytes(uint32_t type) {
  return type == kText || type == kVarchar || type == kBpchar || type == kName || type == kJson;
}

bool IsNoBytes(uint32_t type) {
  switch (type) {
    case kBool:
    case kInt8:
    case kInt2:
    case kInt4:
    case kOid:
    case kFloat4:
    case kFloat8:
    case kNumeric:
      return true;
    default:
      return IsMoment(type);
  }
}

std::optional<Micros> ReadMoment(std::string_view text) {
  Reader reader(text);
  int64_t year = 0;
  int64_t month = 0;
  int64_t day = 0;
  int64_t hour = 0;
  int64_t minute = 0;
  int64_t second = 0;
  int64_t fraction = 0;
  int64_t offset = 0;
  const bool read = reader.Number(year) && reader.Skip('-') && reader.Number(month) &&
                    reader.Skip('-') && reader.Number(day) && reader.Skip(' ') &&
                    reader.Number(hour) && reader.Skip(':') && reader.Number(minute) &&
                    reader.Skip(':') && reader.Number(second) && reader.Fraction(fraction) &&
                    ReadOffset(reader, offset);
  if (!read) return std::nullopt;
  if (year < 1 || year > kLastYear) return std::nullopt;
  if (reader.Skip(" BC")) year = 1 - year;
  if (!reader.done() || month < 1 || month > 12 || day < 1 || day > 31) return std::nullopt;
  // The last years of the server's calendar are beyond what microseconds since 1970 can count.
  if (year < kFirstYear || hour > 24 || minute > 59 || second > 60) return std::nullopt;
  const int64_t seconds =
      DaysSince1970(year, month, day) * 86'400 + hour * 3600 + minute * 60 + second - offset;
  return Micros{seconds * kMicrosPerSecond + fraction};
}

bool WriteMoment(Micros moment, std::span<std::byte, 8> out) {
  int64_t since_2000 = 0;
  if (__builtin_sub_overflow(moment.count, kMicros2000, &since_2000)) return false;
  if (since_2000 == INT64_MIN) return false;  // which is "-infinity"
  auto bits = static_cast<uint64_t>(since_2000);
  for (size_t i = out.size(); i > 0; --i) {
    out[i - 1] = static_cast<std::byte>(bits & 0xFF);
    bits >>= 8;
  }
  return true;
}

bool DecodeHex(std::span<char> text) {
  const size_t prefix = kHexPrefix.size();
  if (!std::string_view(text.data(), text.size()).starts_with(kHexPrefix)) return false;
  for (size_t i = 0; prefix + 2 * i + 1 < text.size(); ++i) {
    const int high = HexDigit(text[prefix + 2 * i]);
    const int low = HexDigit(text[prefix + 2 * i + 1]);
    if (high < 0 || low < 0) return false;
    text[prefix + i] = static_cast<char>(high * 16 + low);
  }
  return true;
}

}  // namespace roost::postgres
