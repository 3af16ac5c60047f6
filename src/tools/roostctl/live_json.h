// tools/roostctl/live_json.h - members of an answer that may be of any type, or missing.
#ifndef ROOST_TOOLS_ROOSTCTL_LIVE_JSON_H_
#define ROOST_TOOLS_ROOSTCTL_LIVE_JSON_H_

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "roost/deadline.h"

namespace roost::tools {

// The member `key`; null when it is missing, or `json` is no object.
inline const nlohmann::ordered_json& MemberOf(const nlohmann::ordered_json& json, const char* key) {
  static const nlohmann::ordered_json kNull;
  if (!json.is_object()) return kNull;
  const auto found = json.find(key);
  return found == json.end() ? kNull : *found;
}
// "", 0, false, and an empty list when it is missing or of another type.
inline std::string TextIn(const nlohmann::ordered_json& json, const char* key) {
  const auto& member = MemberOf(json, key);
  return member.is_string() ? member.get<std::string>() : std::string();
}
inline uint64_t CountIn(const nlohmann::ordered_json& json, const char* key) {
  const auto& member = MemberOf(json, key);
  return member.is_number_unsigned() ? member.get<uint64_t>() : 0;
}
inline bool FlagIn(const nlohmann::ordered_json& json, const char* key) {
  const auto& member = MemberOf(json, key);
  return member.is_boolean() && member.get<bool>();
}
inline Duration SpanIn(const nlohmann::ordered_json& json, const char* key) {
  constexpr double kMostSeconds = 1e9;  // 31 years
  const auto& member = MemberOf(json, key);
  if (!member.is_number()) return Duration::zero();
  const double seconds = std::clamp(member.get<double>(), -kMostSeconds, kMostSeconds);
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}
inline const nlohmann::ordered_json& ListIn(const nlohmann::ordered_json& json, const char* key) {
  static const nlohmann::ordered_json kNone = nlohmann::ordered_json::array();
  const auto& member = MemberOf(json, key);
  return member.is_array() ? member : kNone;
}

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOSTCTL_LIVE_JSON_H_
