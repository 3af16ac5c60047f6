// pool/settings.cc - the settings as text.

#include "roost/settings.h"

#include <cstdint>
#include <type_traits>

#include "base/text.h"

namespace roost {
namespace {

using internal::BoundedText;
using internal::Text;

// A column's text, and blanks up to the next column.
struct Column {
  std::string_view text;
  size_t width;
};
void Put(Text& text, const Column& column) {
  text.AddText(column.text);
  for (size_t i = column.text.size(); i < column.width; ++i) text.AddText(" ");
}

// All digits: a setting is shown as it is.
struct ExactSeconds {
  Duration span;
};
void Put(Text& text, ExactSeconds seconds) {
  if (seconds.span < Duration::zero()) text.AddText("-");
  const auto nanos = static_cast<uint64_t>(seconds.span.count());
  text.AddDecimal(seconds.span < Duration::zero() ? 0 - nanos : nanos, 1'000'000'000, 9,
                  /*trim=*/true);
}

using Shown = BoundedText<48>;

Shown Show(const Setting& setting, int value) {
  if (value == 0 && !setting.zero.empty()) return Shown(setting.zero);
  return Shown().Add(value, " ", setting.unit);
}
Shown Show(const Setting& setting, Duration value) {
  if (value == Duration::zero() && !setting.zero.empty()) return Shown(setting.zero);
  return Shown().Add(ExactSeconds{value}, " ", setting.unit);
}
Shown Show(const Setting&, bool value) { return Shown(value ? "yes" : "no"); }
Shown Show(const Setting&, const char* value) { return Shown(value); }
template <class Choice>
requires std::is_enum_v<Choice> Shown Show(const Setting&, Choice value) {
  return Shown(Name(value));
}

}  // namespace

std::string_view Name(PrePing ping) {
  switch (ping) {
    case PrePing::kNever:
      return "never";
    case PrePing::kAfterIdle:
      return "after_idle";
    case PrePing::kAlways:
      return "always";
  }
  return "?";
}

std::string_view Name(OpenBy who) {
  switch (who) {
    case OpenBy::kCaller:
      return "caller";
    case OpenBy::kHousekeeper:
      return "housekeeper";
  }
  return "?";
}

std::string_view Name(WhenAway answer) {
  switch (answer) {
    case WhenAway::kRefuse:
      return "refuse";
    case WhenAway::kWait:
      return "wait";
  }
  return "?";
}

std::string_view Describe(const PoolSettings& settings, std::span<char> out) {
  Text text(out);
  ForEachSetting(settings, [&text](const Setting& setting, const auto& member) {
    text.Add(Column{setting.name, 24}, Column{Show(setting, member), 17}, setting.meaning, "\n");
  });
  return text.view();
}

}  // namespace roost
