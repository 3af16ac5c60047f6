// A row of any values and column names: Get gives the value, or an empty one and a clean sentence.
#include <string>
#include <vector>

#include "roost/statement.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/targets.h"
#include "tests/support/clean_text.h"

namespace roost::fuzz {
namespace {

// One row, out of the fuzzer's bytes.
class MadeUp final : public Statement {
 public:
  explicit MadeUp(std::string_view bytes) {
    Input input(bytes);
    while (!input.empty() && values_.size() < 16) {
      names_.push_back(input.TakeLine());
      values_.push_back(TakeValue(input));
    }
  }

  absl::Status Execute(std::span<const Value>) override { return absl::OkStatus(); }
  absl::Status ExecuteAll(const internal::ManyRows&) override { return absl::OkStatus(); }
  absl::Status Start(std::span<const Value>) override { return absl::OkStatus(); }
  absl::StatusOr<bool> Step() override { return !std::exchange(stepped_, true); }
  void Finish() override {}
  int parameters() const override { return 0; }
  int columns() const override { return static_cast<int>(values_.size()); }
  std::string_view column_name(int column) const override { return names_[Place(column)]; }
  Value column(int column) const override {
    if (column < 0 || column >= columns()) return Value::NoColumn();
    return values_[Place(column)];
  }
  int64_t changes() const override { return 0; }
  std::string_view sql() const override { return "SELECT a FROM t"; }

 private:
  static size_t Place(int column) { return static_cast<size_t>(column); }
  static Value TakeValue(Input& input) {
    switch (input.Take<uint8_t>() % 5) {
      case 0:
        return Value();
      case 1:
        return Value(input.Take<int64_t>());
      case 2:
        return Value(input.Take<double>());
      case 3:
        return Value(input.TakeLine());
      default: {
        const std::string_view bytes = input.TakeLine();
        return Value(Blob(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()));
      }
    }
  }

  std::vector<std::string_view> names_;
  std::vector<Value> values_;
  bool stepped_ = false;
};

// Reads one column as T. `is`: what the column holds.
template <class T>
std::string Get(MadeUp& statement, int column) {
  Rows rows = statement.Query();
  if (!rows.Next()) return "no row";
  const Value is = statement.column(column);
  const T got = rows.Get<T>(column);
  const absl::Status& status = rows.status();
  if (!status.ok()) {
    const std::string_view words(status.message().data(), status.message().size());
    const std::string wrong = support::WhatIsUnclean(words);
    return wrong.empty() ? "" : "a message with " + wrong;
  }
  if constexpr (std::is_same_v<T, std::string_view>) {
    return is.type() == Value::Type::kText && got == is.text() ? "" : "another text";
  } else if constexpr (std::is_same_v<T, Blob>) {
    return is.type() == Value::Type::kText || is.type() == Value::Type::kBlob ? "" : "no bytes";
  } else if constexpr (std::is_floating_point_v<T>) {
    return is.type() == Value::Type::kDouble || is.type() == Value::Type::kInt64 ? "" : "no number";
  } else {
    const bool same = is.type() == Value::Type::kInt64 && static_cast<int64_t>(got) == is.int64();
    return same ? "" : "another integer";
  }
}

std::string GetByName(std::string_view row, const std::string& name) {
  MadeUp statement(row);
  Rows rows = statement.Query();
  if (!rows.Next()) return "no row";
  rows.Get<Value>(name);
  // The name that is asked for is the program's own, and clean.
  if (!support::WhatIsUnclean(name).empty()) return "";
  const absl::Status& status = rows.status();
  const std::string wrong =
      support::WhatIsUnclean(std::string_view(status.message().data(), status.message().size()));
  return wrong.empty() ? "" : "a message with " + wrong;
}

}  // namespace

std::string CheckRows(std::string_view bytes) {
  Input input(bytes);
  const uint8_t as = input.Take<uint8_t>();
  const int column = static_cast<int8_t>(input.Take<uint8_t>()) % 20;
  const std::string name(input.TakeLine());
  const std::string_view row = input.TakeRest();
  std::string wrong = GetByName(row, name);
  if (!wrong.empty()) return wrong;
  MadeUp statement(row);
  switch (as % 6) {
    case 0:
      return Get<int64_t>(statement, column);
    case 1:
      return Get<int>(statement, column);
    case 2:
      return Get<double>(statement, column);
    case 3:
      return Get<bool>(statement, column);
    case 4:
      return Get<Blob>(statement, column);
    default:
      return Get<std::string_view>(statement, column);
  }
}

}  // namespace roost::fuzz
