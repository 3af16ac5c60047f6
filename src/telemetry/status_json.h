// telemetry/status_json.h - the status of a node as one JSON object, and back.
//
// Spans are seconds, moments are as in NodeStatus. The object has two members more, for scripts:
// "healthy" and "trouble", by Trouble() at the moment of writing. A reader skips members that it
// does not know; what is missing keeps its default. kStatusFormat changes only when a member
// changes its meaning.
//
// Threads:  any
// Blocks:   never
// Memory:   writing into a buffer takes none; reading takes the text's and the status'
// Errors:   kInvalidArgument: what is read is not the status of a node, and why
#ifndef ROOST_TELEMETRY_STATUS_JSON_H_
#define ROOST_TELEMETRY_STATUS_JSON_H_

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/json_writer.h"
#include "telemetry/node_status.h"

namespace roost::telemetry {

// Writes the object as text, indented by two, into `out`. Bytes that are no UTF-8 become U+FFFD.
// Returns how long the text is; when that is more than `out` takes, what is in `out` is no JSON.
// Cost: some 10 us.
size_t WriteJson(const NodeStatus& status, std::span<char> out);

// The same text as a string.
std::string JsonText(const NodeStatus& status);

// Writes a part as the next value of `json`.
void WriteJson(const OutboxStatus& status, internal::JsonWriter& json);
void WriteJson(const RemoteStatus& status, internal::JsonWriter& json);
void WriteJson(const SqliteMemoryStatus& status, internal::JsonWriter& json);

absl::StatusOr<NodeStatus> ReadJson(std::string_view text);

}  // namespace roost::telemetry

#endif  // ROOST_TELEMETRY_STATUS_JSON_H_
