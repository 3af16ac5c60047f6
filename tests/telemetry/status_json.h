// tests/telemetry/status_json.h - the status of a node as an object that a test can look into.
#ifndef ROOST_TESTS_TELEMETRY_STATUS_JSON_H_
#define ROOST_TESTS_TELEMETRY_STATUS_JSON_H_

#include <nlohmann/json.hpp>

#include "telemetry/status_json.h"

namespace roost::telemetry {

inline nlohmann::ordered_json ToJson(const NodeStatus& status) {
  return nlohmann::ordered_json::parse(JsonText(status));
}

inline absl::StatusOr<NodeStatus> FromJson(const nlohmann::ordered_json& json) {
  return ReadJson(json.dump());
}

}  // namespace roost::telemetry

#endif  // ROOST_TESTS_TELEMETRY_STATUS_JSON_H_
