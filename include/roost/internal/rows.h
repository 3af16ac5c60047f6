// include/roost/internal/rows.h - the inline half of Rows: stepping, and reading a column as a type.
//
// The end of statement.h, which includes it.
#ifndef ROOST_INTERNAL_ROWS_H_
#define ROOST_INTERNAL_ROWS_H_

#include <concepts>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

#include "roost/internal/check.h"
#include "roost/statement.h"

namespace roost {

namespace internal {
template <class T>
inline constexpr bool kIsOptional = false;
template <class T>
inline constexpr bool kIsOptional<std::optional<T>> = true;
}  // namespace internal

// A Rows that outlives the connection finds the change, until the pool uses the memory again. The
// compiler may drop a store to an object that ends, but not one that the assembler could read.
// Inline, so that programs with run-time types can derive from Statement.
inline Statement::~Statement() {
  ++readings_;
  __asm__ volatile("" : : "m"(readings_));
}

inline Rows::Rows(Statement* statement, absl::Status status)
    : statement_(status.ok() ? statement : nullptr), status_(std::move(status)) {
  if (statement_ != nullptr) reading_ = statement_->readings_;
}

inline void Rows::CheckLease() const {
  ROOST_CHECK(statement_->readings_ == reading_,
              "rows outlived their lease: declare them after the lease, so that they end before");
}

inline Rows::~Rows() {
  if (statement_ == nullptr) return;
  CheckLease();
  statement_->Finish();
}

inline bool Rows::Next() {
  on_row_ = false;
  if (!status_.ok() || statement_ == nullptr) return false;
  CheckLease();
  const absl::StatusOr<bool> stepped = statement_->Step();
  if (!stepped.ok() || !*stepped) return End(stepped);
  on_row_ = true;
  return true;
}

inline Value Rows::Read(int column) {
  if (on_row_) CheckLease();
  return on_row_ ? statement_->column(column) : Value::NoColumn();
}

template <class T>
T Rows::Get(int column) {
  const Value value = Read(column);
  if constexpr (std::is_same_v<T, Value>) {
    if (!value.is_no_column()) return value;
    FailColumn(column);
    return Value();
  } else if constexpr (internal::kIsOptional<T>) {
    if (value.is_no_column()) FailColumn(column);
    if (value.is_null()) return T{};
    return As<typename T::value_type>(column, value);
  } else {
    return As<T>(column, value);
  }
}

template <class T>
inline T Rows::As(int column, Value value) {
  if constexpr (std::is_same_v<T, bool>) {
    if (!Fit(column, Value::Type::kInt64, value)) return false;
    if (value.int64() != 0 && value.int64() != 1) FailRange(column, "bool (0 or 1)");
    return value.int64() == 1;
  } else if constexpr (std::is_same_v<T, Micros>) {
    return Fit(column, Value::Type::kInt64, value) ? Micros{value.int64()} : Micros{};
  } else if constexpr (std::integral<T>) {
    if (!Fit(column, Value::Type::kInt64, value)) return 0;
    const T narrowed = static_cast<T>(value.int64());
    if (static_cast<int64_t>(narrowed) != value.int64() ||
        (narrowed < T{}) != (value.int64() < 0)) {
      FailRange(column, "an integer of this width");
      return 0;
    }
    return narrowed;
  } else if constexpr (std::is_same_v<T, double>) {
    return Fit(column, Value::Type::kDouble, value) ? value.real() : 0.0;
  } else if constexpr (std::is_same_v<T, std::string_view>) {
    return Fit(column, Value::Type::kText, value) ? value.text() : std::string_view();
  } else {
    static_assert(std::is_same_v<T, Blob>,
                  "Rows::Get<T>: T is an integer, bool, double, std::string_view, roost::Blob, "
                  "roost::Micros, roost::Value, or std::optional of one");
    return Fit(column, Value::Type::kBlob, value) ? value.blob() : Blob();
  }
}

}  // namespace roost

#endif  // ROOST_INTERNAL_ROWS_H_
