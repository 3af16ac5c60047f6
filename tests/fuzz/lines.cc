// Lines of readings: cut as they stand, taken with clean text and a finite number, or refused with a
// clean sentence.
#include "tools/roost-node/lines.h"

#include <charconv>
#include <cmath>
#include <optional>
#include <vector>

#include "tests/fuzz/input.h"
#include "tests/fuzz/targets.h"
#include "tests/support/clean_text.h"

namespace roost::fuzz {
namespace {

using support::WhatIsUnclean;
using tools::LineReader;
using tools::ParsedLine;
using tools::ParseLine;

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

std::vector<std::string_view> Split(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t size = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, size));
    text.remove_prefix(std::min(size + 1, text.size()));
  }
  return lines;
}

std::string Written(std::string_view name, double value, std::string_view unit) {
  char digits[32];
  char* const end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  return std::string(name) + " " + std::string(digits, end) + " " + std::string(unit);
}

std::string JudgeReading(const tools::Reading& reading) {
  const std::string_view name = reading.name.view();
  const std::string_view unit = reading.unit.view();
  if (name.empty()) return "a reading without a name";
  if (!std::isfinite(reading.value)) return "a value that is not finite";
  for (const std::string_view text : {name, unit}) {
    const std::string wrong = WhatIsUnclean(text);
    if (!wrong.empty()) return "a name or a unit with " + wrong;
  }
  if (name.starts_with(kByteOrderMark)) return "";
  const ParsedLine again = ParseLine(Written(name, reading.value, unit));
  const bool same = again.kind == ParsedLine::Kind::kReading && again.reading.name.view() == name &&
                    again.reading.unit.view() == unit && again.reading.value == reading.value;
  return same ? "" : "another reading when it is written and read again";
}

std::string JudgeLine(std::string_view line) {
  const ParsedLine parsed = ParseLine(line);
  switch (parsed.kind) {
    case ParsedLine::Kind::kNothing:
      return "";
    case ParsedLine::Kind::kReading:
      return JudgeReading(parsed.reading);
    case ParsedLine::Kind::kBad:
      break;
  }
  const std::string_view words = parsed.wrong;
  const std::string wrong = words.empty() ? "nothing" : WhatIsUnclean(words);
  return wrong.empty() ? "" : "a sentence about a bad line with " + wrong;
}

}  // namespace

std::string CheckLines(std::string_view bytes) {
  const MemoryFile file(bytes);
  const std::vector<std::string_view> expected = Split(bytes);
  LineReader reader(file.fd());
  uint64_t count = 0;
  while (!reader.AtEnd()) {
    const std::optional<std::string_view> line = reader.Next();
    if (!line.has_value()) {
      reader.ReadMore();
      continue;
    }
    if (count == expected.size()) return "more lines than there are";
    const std::string_view is = expected[count++];
    if (*line != is.substr(0, LineReader::kMostBytes)) return "another line than there is";
    if (reader.too_long() != (is.size() > LineReader::kMostBytes)) return "a wrong length";
    if (reader.number() != count) return "a wrong number of a line";
    std::string wrong = JudgeLine(*line);
    if (!wrong.empty()) return wrong;
  }
  return count == expected.size() ? "" : "fewer lines than there are";
}

}  // namespace roost::fuzz
