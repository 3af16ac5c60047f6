#include "tools/roost-node/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <utility>

#include "base/utf8.h"

namespace roost::tools {
namespace {

constexpr std::string_view kBlanks = " \t\r";
constexpr std::string_view kForm =
    "; write NAME VALUE [UNIT] [@UNIX_SECONDS], such as: temperature 21.5 C";
constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kYear2000 = 946684800 * kSecond;
constexpr int64_t kDay = 86400 * kSecond;
constexpr size_t kMostSecondDigits = 11;  // until the year 5138
constexpr size_t kMostDecimals = 6;

// Takes the first field off `text`; empty at the end.
std::string_view TakeField(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
  const std::string_view field = text.substr(0, text.find_first_of(kBlanks));
  text.remove_prefix(field.size());
  return field;
}

enum class Fit : uint8_t { kFits, kNoNumber, kTooGreat, kTooSmall, kTooManyDigits };

struct ParsedNumber {
  Fit fit = Fit::kNoNumber;
  double value = 0;
};

bool IsDigits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// Of a number that is out of range.
Fit OutOfRange(std::string_view field) {
  const size_t exponent = field.find_first_of("eE");
  if (exponent != std::string_view::npos) {
    return field[exponent + 1] == '-' ? Fit::kTooSmall : Fit::kTooGreat;
  }
  const std::string_view whole = field.substr(0, field.find('.'));
  return whole.find_first_of("123456789") == std::string_view::npos ? Fit::kTooSmall
                                                                    : Fit::kTooGreat;
}

// Whether a number without an exponent is `value` digit by digit where a double has none to spare.
bool IsExact(std::string_view field, double value) {
  constexpr double kAllExactBelow = 9007199254740992.0;  // 2^53
  if (std::abs(value) < kAllExactBelow || field.find_first_of("eE") != std::string_view::npos) {
    return true;
  }
  if (field.front() == '-') field.remove_prefix(1);
  field.remove_prefix(std::min(field.find_first_not_of('0'), field.size()));
  const std::string_view whole = field.substr(0, field.find('.'));
  const std::string_view part = field.substr(whole.size());
  char digits[320];  // the greatest double has 309
  const auto [end, error] =
      std::to_chars(digits, digits + sizeof digits, std::abs(value), std::chars_format::fixed, 0);
  return error == std::errc() &&
         whole == std::string_view(digits, static_cast<size_t>(end - digits)) &&
         part.find_first_not_of(".0") == std::string_view::npos;
}

// A number in full, with an optional sign.
ParsedNumber Number(std::string_view field) {
  if (field.size() > 1 && field[0] == '+' && field[1] != '-') field.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  if (end != field.data() + field.size()) return {};
  if (error == std::errc::result_out_of_range) return {OutOfRange(field)};
  if (error != std::errc()) return {};
  if (!std::isfinite(value)) return {Fit::kFits, value};
  return {IsExact(field, value) ? Fit::kFits : Fit::kTooManyDigits, value};
}

bool IsNumber(std::string_view field) { return Number(field).fit == Fit::kFits; }

// "@1700000000.25" in microseconds. Nothing: it has another form.
std::optional<int64_t> Moment(std::string_view field) {
  field.remove_prefix(1);
  const std::string_view seconds = field.substr(0, field.find('.'));
  field.remove_prefix(seconds.size());
  if (!IsDigits(seconds) || seconds.size() > kMostSecondDigits) return std::nullopt;
  int64_t moment = 0;
  for (const char digit : seconds) moment = moment * 10 + (digit - '0');
  if (!field.empty())
    field.remove_prefix(1);
  else
    field = "0";
  if (!IsDigits(field) || field.size() > kMostDecimals) return std::nullopt;
  for (size_t i = 0; i < kMostDecimals; ++i) {
    moment = moment * 10 + (i < field.size() ? field[i] - '0' : 0);
  }
  return moment;
}

using Wrong = ParsedLine::Wrong;

// `before`, and the field in quotes.
Wrong Quoting(std::string_view before, std::string_view field) {
  return Wrong().Add(before, "\"", field, "\"");
}

// Why `field` is not a value, with a guess at what was meant.
Wrong NotAValue(std::string_view name, std::string_view field) {
  char bytes[LineReader::kMostBytes];
  const std::string_view point(bytes, std::min(field.size(), sizeof bytes));
  std::replace_copy(field.begin(), field.begin() + static_cast<ptrdiff_t>(point.size()), bytes, ',',
                    '.');
  if (point != field && IsNumber(point)) {
    return Quoting("the value ", field).Add(" has a comma; write ", point);
  }
  if (IsNumber(name)) {
    return Wrong().Add("the value comes before the name; write ", field, " ", name);
  }
  return Quoting("the value ", field).Add(" is not a number", kForm);
}

Wrong TooLong(std::string_view what, size_t is, size_t most) {
  return Wrong().Add("the ", what, " has ", is, " bytes; at most ", most, " are possible");
}

// What is wrong with the value; empty: nothing, and `value` is set.
Wrong CheckValue(std::string_view name, std::string_view field, double& value) {
  if (field.empty()) return Quoting("the value is missing after ", name).Add(kForm);
  const ParsedNumber number = Number(field);
  value = number.value;
  switch (number.fit) {
    case Fit::kFits:
      if (std::isfinite(value)) return {};
      return Quoting("the value ", field).Add(" is not a finite number");
    case Fit::kNoNumber:
      return NotAValue(name, field);
    case Fit::kTooGreat:
      return Quoting("the value ", field).Add(" is not a number below 1.8e308, as a reading is");
    case Fit::kTooSmall:
      return Quoting("the value ", field)
          .Add(" is nearer to 0 than a reading can be (4.9e-324); write 0");
    case Fit::kTooManyDigits:
      return Quoting("the value ", field)
          .Add(
              " has more digits than a reading keeps; whole numbers are exact up to "
              "9007199254740992: write another unit, or the difference to the last one");
  }
  return {};
}

// What is wrong with the time of its own; empty: nothing, and the reading has it.
Wrong CheckTime(std::string_view field, Reading& reading) {
  if (field.empty()) return {};
  const std::optional<int64_t> moment = Moment(field);
  if (!moment.has_value()) {
    return Quoting("the time ", field)
        .Add(
            " is not @ and seconds since 1970 UTC with up to 6 decimals, such as @1700000000.25; a "
            "unit does not begin with @");
  }
  if (*moment < kYear2000) {
    return Quoting("the time ", field).Add(" is before 2000; write seconds since 1970 UTC");
  }
  reading.wall_us = *moment;
  reading.source = TimeSource::kLine;
  return {};
}

struct Fields {
  std::string_view name{};
  std::string_view value{};
  std::string_view unit{};
  std::string_view time{};
  std::string_view more{};
};

Fields Split(std::string_view line) {
  Fields fields{.name = TakeField(line), .value = TakeField(line), .unit = TakeField(line)};
  if (fields.unit.starts_with('@')) {
    fields.time = std::exchange(fields.unit, {});
  } else if (std::string_view rest = line; TakeField(rest).starts_with('@')) {
    fields.time = TakeField(line);
  }
  fields.more = TakeField(line);
  return fields;
}

// What is wrong with the fields of a line; empty: nothing, and value and time are set.
Wrong Check(const Fields& fields, Reading& reading) {
  Wrong wrong = CheckValue(fields.name, fields.value, reading.value);
  if (!wrong.empty()) return wrong;
  if (!fields.more.empty()) {
    return Quoting("", fields.more)
        .Add(" is one field too many; a name or a unit has no blanks in it", kForm);
  }
  if (fields.name.size() > decltype(Reading::name)::kMost) {
    return TooLong("name", fields.name.size(), decltype(Reading::name)::kMost);
  }
  if (fields.unit.size() > decltype(Reading::unit)::kMost) {
    return TooLong("unit", fields.unit.size(), decltype(Reading::unit)::kMost);
  }
  return CheckTime(fields.time, reading);
}

}  // namespace

ParsedLine ParseLine(std::string_view line) {
  ParsedLine parsed;
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";  // some editors begin a file with it
  if (line.starts_with(kByteOrderMark)) line.remove_prefix(kByteOrderMark.size());
  const Fields fields = Split(line);
  if (fields.name.empty() || fields.name.front() == '#') return parsed;
  parsed.kind = ParsedLine::Kind::kBad;
  for (const std::string_view text :
       {fields.name, fields.value, fields.unit, fields.time, fields.more}) {
    if (internal::IsPlainText(text, internal::kPlainUtf8)) continue;
    parsed.wrong.Add("it is not text in UTF-8 without control characters", kForm);
    return parsed;
  }
  parsed.wrong = Check(fields, parsed.reading);
  if (!parsed.wrong.empty()) return parsed;
  parsed.kind = ParsedLine::Kind::kReading;
  parsed.reading.name = decltype(Reading::name)(fields.name);
  parsed.reading.unit = decltype(Reading::unit)(fields.unit);
  return parsed;
}

void RefuseFuture(ParsedLine& line, int64_t unix_us) {
  if (line.kind != ParsedLine::Kind::kReading || line.reading.source != TimeSource::kLine) return;
  if (line.reading.wall_us <= unix_us + kDay) return;
  line.kind = ParsedLine::Kind::kBad;
  line.wrong.Add("the time @", line.reading.wall_us / kSecond,
                 " is more than a day ahead of the clock, which is set");
}

LineReader::LineReader(int fd)
    : fd_(fd), pipe_bytes_(static_cast<uint64_t>(std::max(fcntl(fd, F_GETPIPE_SZ), 0))) {}

// What was read now came after the input was seen empty last; and after the bytes were read for
// which it took the place in a pipe.
TimePoint LineReader::NotBefore(TimePoint now, size_t got) {
  bytes_read_ += got;
  const TimePoint bound = std::max(empty_at_, marks_[0].at);
  if (pipe_bytes_ > 0 && bytes_read_ - marks_[1].bytes >= pipe_bytes_) {
    marks_[0] = marks_[1];
    marks_[1] = {.bytes = bytes_read_, .at = now};
  }
  return bound;
}

void LineReader::ReadMore(TimePoint now) {
  std::memmove(bytes_.data(), bytes_.data() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
  const size_t room = bytes_.size() - end_;
  const ssize_t got = read(fd_, bytes_.data() + end_, room);
  if (got > 0) {
    end_ += static_cast<size_t>(got);
    not_before_ = NotBefore(now, static_cast<size_t>(got));
    if (static_cast<size_t>(got) < room) SeenEmpty(now);
  } else if (got == 0) {
    ended_ = true;
  } else if (errno != EINTR && errno != EAGAIN) {
    error_ = errno;
    ended_ = true;
  }
}

std::optional<std::string_view> LineReader::Next() {
  if (skipping_ && !SkipRest()) return std::nullopt;
  const size_t size = Unread().find('\n');
  if (size != std::string_view::npos) {
    const std::string_view line = Give(size);
    ++begin_;
    return line;
  }
  if (Unread().size() > kMostBytes) {
    skipping_ = true;
    return Give(Unread().size());
  }
  if (ended_ && !Unread().empty()) return Give(Unread().size());
  return std::nullopt;
}

// Hands out the next `size` bytes as a line.
std::string_view LineReader::Give(size_t size) {
  const std::string_view line = Unread().substr(0, size);
  begin_ += size;
  ++number_;
  too_long_ = size > kMostBytes;
  return line.substr(0, kMostBytes);
}

// True when the line that was too long is over.
bool LineReader::SkipRest() {
  const size_t size = Unread().find('\n');
  skipping_ = size == std::string_view::npos;
  begin_ = skipping_ ? end_ : begin_ + size + 1;
  return !skipping_;
}

}  // namespace roost::tools
