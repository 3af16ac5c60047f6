// A status file: read whatever is in it, shown in lines that a terminal may get, and the same when it
// is written and read again.
#include "tools/roostctl/status.h"

#include <string>

#include "telemetry/status_json.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/targets.h"
#include "tests/support/clean_text.h"

namespace roost::fuzz {
namespace {

constexpr size_t kLongestLine = 65536;
constexpr int64_t kNow = 1'000'000'000;

std::string JudgeLines(std::string_view text) {
  Input input(text);
  while (!input.empty()) {
    const std::string wrong = support::WhatIsUnclean(input.TakeLine(), kLongestLine);
    if (!wrong.empty()) return "a line with " + wrong;
  }
  return "";
}

}  // namespace

std::string CheckStatus(std::string_view bytes) {
  const auto status = telemetry::ReadJson(bytes);
  if (!status.ok()) {
    const std::string wrong = JudgeLines(
        std::string_view(status.status().message().data(), status.status().message().size()));
    return wrong.empty() ? "" : "in a refusal " + wrong;
  }
  std::string wrong = JudgeLines(tools::StatusText(*status, kNow));
  if (!wrong.empty()) return wrong;
  const std::string text = telemetry::JsonText(*status);
  wrong = JudgeLines(text);
  if (!wrong.empty()) return "in the file " + wrong;
  const auto again = telemetry::ReadJson(text);
  if (!again.ok()) return "a status that cannot be read again";
  return telemetry::JsonText(*again) == text ? ""
                                             : "another status when it is written and read again";
}

}  // namespace roost::fuzz
