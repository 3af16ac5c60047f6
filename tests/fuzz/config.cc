// A configuration: settings that can be written and read again, each key once, or a sentence that
// says where. Spans of time: never negative, the same when they are written in full.
#include <set>
#include <string>

#include "base/duration.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/targets.h"
#include "tools/common/config_file.h"
#include "tools/common/duration.h"

namespace roost::fuzz {
namespace {

using tools::ParseConfig;
using tools::Setting;

constexpr char kPath[] = "/etc/roost/node.conf";

std::string_view MessageOf(const absl::Status& status) {
  return {status.message().data(), status.message().size()};
}

std::string JudgeSpan(std::string_view text) {
  const absl::StatusOr<Duration> span = tools::ParseDuration(text);
  if (!span.ok()) return MessageOf(span.status()).empty() ? "a span refused without a word" : "";
  if (*span < Duration::zero()) return "a negative span";
  if (internal::FormatDuration(*span).empty()) return "a span without a text";
  if (span->count() >= int64_t{1} << 53) return "";
  const auto again = tools::ParseDuration(std::to_string(span->count()) + "ns");
  return again.ok() && *again == *span ? "" : "another span when it is written and read again";
}

// As a line of a file; empty: its value has both kinds of quotes in it.
std::string Written(const Setting& setting) {
  for (const char quote : {'"', '\''}) {
    if (setting.value.find(quote) != std::string::npos) continue;
    return setting.key + " = " + quote + setting.value + quote + "\n";
  }
  return "";
}

std::string JudgeSettings(const std::vector<Setting>& settings) {
  std::set<std::string> keys;
  for (const Setting& setting : settings) {
    if (setting.key.empty()) return "a setting without a key";
    if (!keys.insert(setting.key).second) return "a key that is set twice";
    const std::string wrong = JudgeSpan(setting.value);
    if (!wrong.empty()) return wrong;
    const std::string text = Written(setting);
    if (text.empty()) continue;
    const auto again = ParseConfig(kPath, text);
    const bool same = again.ok() && again->size() == 1 && again->front().key == setting.key &&
                      again->front().value == setting.value;
    if (!same) return "another setting when it is written and read again";
  }
  return "";
}

}  // namespace

std::string CheckConfig(std::string_view bytes) {
  const auto settings = ParseConfig(kPath, bytes);
  if (settings.ok()) return JudgeSettings(*settings);
  const std::string_view words = MessageOf(settings.status());
  return words.starts_with(kPath) && words.find(": ") != std::string_view::npos
             ? ""
             : "a refusal that does not say where";
}

}  // namespace roost::fuzz
