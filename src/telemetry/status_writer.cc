#include <optional>

#include "telemetry/status_json.h"
#include "telemetry/status_members.h"

namespace roost::telemetry {
namespace {

// Writes the members of a struct.
class Writer {
 public:
  explicit Writer(internal::JsonWriter& json) : json_(json) {}

  template <class T>
  void operator()(std::string_view name, const T& value) {
    json_.Name(name);
    if constexpr (IsSpan<T> || IsScalar<T>) {
      json_.Value(value);
    } else {
      Object(value, [] {});
    }
  }
  template <class T>
  void operator()(std::string_view name, const std::optional<T>& value) {
    if (value.has_value()) (*this)(name, *value);
  }
  // Calls `more` for members beside those of `value`.
  template <class T>
  void Object(const T& value, auto more) {
    json_.BeginObject();
    Visit(*this, value);
    more();
    json_.EndObject();
  }

 private:
  internal::JsonWriter& json_;
};

void WriteWhole(const NodeStatus& status, internal::JsonWriter& json) {
  Writer(json).Object(status, [&] {
    const internal::TextLine trouble = TroubleLine(status, status.written_boot_us);
    json.Member("healthy", trouble.empty());
    json.Member("trouble", static_cast<std::string_view>(trouble));
  });
}

}  // namespace

size_t WriteJson(const NodeStatus& status, std::span<char> out) {
  internal::JsonWriter json(out);
  WriteWhole(status, json);
  return json.size();
}

std::string JsonText(const NodeStatus& status) {
  return internal::JsonText([&status](internal::JsonWriter& json) { WriteWhole(status, json); });
}

void WriteJson(const OutboxStatus& status, internal::JsonWriter& json) {
  Writer(json).Object(status, [] {});
}

void WriteJson(const RemoteStatus& status, internal::JsonWriter& json) {
  Writer(json).Object(status, [] {});
}

void WriteJson(const SqliteMemoryStatus& status, internal::JsonWriter& json) {
  Writer(json).Object(status, [] {});
}

}  // namespace roost::telemetry
