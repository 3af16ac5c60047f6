#include "tools/roost-node/lines.h"

#include <errno.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

#include "base/utf8.h"

namespace roost::tools {
namespace {

constexpr std::string_view kBlanks = " \t\r";
constexpr std::string_view kForm = "; write NAME VALUE [UNIT], such as: temperature 21.5 C";

// Takes the first field off `text`; empty at the end.
std::string_view TakeField(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
  const std::string_view field = text.substr(0, text.find_first_of(kBlanks));
  text.remove_prefix(field.size());
  return field;
}

// A number in full, with an optional sign. Nothing when there is more than a number.
std::optional<double> Number(std::string_view field) {
  if (field.size() > 1 && field[0] == '+' && field[1] != '-') field.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  if (error != std::errc() || end != field.data() + field.size()) return std::nullopt;
  return value;
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
  if (point != field && Number(point).has_value()) {
    return Quoting("the value ", field).Add(" has a comma; write ", point);
  }
  if (Number(name).has_value() && !Number(field).has_value()) {
    return Wrong().Add("the value comes before the name; write ", field, " ", name);
  }
  return Quoting("the value ", field).Add(" is not a number", kForm);
}

Wrong TooLong(std::string_view what, size_t is, size_t most) {
  return Wrong().Add("the ", what, " has ", is, " bytes; at most ", most, " are possible");
}

// What is wrong with the fields of a line; empty: nothing, and `value` is set.
Wrong Check(std::string_view name, std::string_view field, std::string_view unit,
            std::string_view more, double& value) {
  if (field.empty()) return Quoting("the value is missing after ", name).Add(kForm);
  const std::optional<double> number = Number(field);
  if (!number.has_value()) return NotAValue(name, field);
  if (!std::isfinite(*number)) return Quoting("the value ", field).Add(" is not a finite number");
  if (!more.empty()) {
    return Quoting("", more).Add(" is one field too many; a name or a unit has no blanks in it",
                                 kForm);
  }
  if (name.size() > decltype(Reading::name)::kMost) {
    return TooLong("name", name.size(), decltype(Reading::name)::kMost);
  }
  if (unit.size() > decltype(Reading::unit)::kMost) {
    return TooLong("unit", unit.size(), decltype(Reading::unit)::kMost);
  }
  value = *number;
  return {};
}

}  // namespace

ParsedLine ParseLine(std::string_view line) {
  ParsedLine parsed;
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";  // some editors begin a file with it
  if (line.starts_with(kByteOrderMark)) line.remove_prefix(kByteOrderMark.size());
  const std::string_view name = TakeField(line);
  if (name.empty() || name.front() == '#') return parsed;
  const std::string_view field = TakeField(line);
  const std::string_view unit = TakeField(line);
  const std::string_view more = TakeField(line);
  parsed.kind = ParsedLine::Kind::kBad;
  for (const std::string_view text : {name, field, unit, more}) {
    if (internal::IsPlainText(text, internal::kPlainUtf8)) continue;
    parsed.wrong.Add("it is not text in UTF-8 without control characters", kForm);
    return parsed;
  }
  parsed.wrong = Check(name, field, unit, more, parsed.reading.value);
  if (!parsed.wrong.empty()) return parsed;
  parsed.kind = ParsedLine::Kind::kReading;
  parsed.reading.name = decltype(Reading::name)(name);
  parsed.reading.unit = decltype(Reading::unit)(unit);
  return parsed;
}

void LineReader::ReadMore() {
  std::memmove(bytes_.data(), bytes_.data() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
  const ssize_t got = read(fd_, bytes_.data() + end_, bytes_.size() - end_);
  if (got > 0) {
    end_ += static_cast<size_t>(got);
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
