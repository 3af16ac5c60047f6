// include/roost/internal/rows.h - the inline half of Rows: stepping, and reading a column as a type.
//
// The end of statement.h, which includes it.
#ifndef ROOST_INTERNAL_ROWS_H_
#define ROOST_INTERNAL_ROWS_H_

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "roost/internal/check.h"
#include "roost/statement.h"

#pragma GCC visibility push(default)
namespace roost {

namespace internal {

// Stands for any field, to count them. Never called.
struct AnyField {
  template <class T>
  operator T() const;  // NOLINT(google-explicit-constructor)
};
template <class T, size_t... I>
constexpr bool HasFields(std::index_sequence<I...>) {
  return requires { T{(static_cast<void>(I), AnyField{})...}; };
}
// How many fields the aggregate T has; 17: more than 16.
template <class T>
constexpr size_t CountFields() {
  size_t count = 0;
  [&]<size_t... I>(std::index_sequence<I...>) {
    ((HasFields<T>(std::make_index_sequence<I + 1>()) ? void(count = I + 1) : void()), ...);
  }
  (std::make_index_sequence<17>());
  return count;
}

// Calls `each` once, with all fields of `row`, in order.
template <class T, class F>
void WithFields(T& row, const F& each) {
  static_assert(std::is_aggregate_v<T> && !std::is_union_v<T>,
                "roost: a row is a std::tuple, or a struct without constructors and bases");
  constexpr size_t kFields = CountFields<T>();
  static_assert(kFields >= 1 && kFields <= 16, "roost: a row that is a struct has 1 to 16 fields");
  if constexpr (kFields == 1) {
    auto& [f1] = row;
    each(f1);
  } else if constexpr (kFields == 2) {
    auto& [f1, f2] = row;
    each(f1, f2);
  } else if constexpr (kFields == 3) {
    auto& [f1, f2, f3] = row;
    each(f1, f2, f3);
  } else if constexpr (kFields == 4) {
    auto& [f1, f2, f3, f4] = row;
    each(f1, f2, f3, f4);
  } else if constexpr (kFields == 5) {
    auto& [f1, f2, f3, f4, f5] = row;
    each(f1, f2, f3, f4, f5);
  } else if constexpr (kFields == 6) {
    auto& [f1, f2, f3, f4, f5, f6] = row;
    each(f1, f2, f3, f4, f5, f6);
  } else if constexpr (kFields == 7) {
    auto& [f1, f2, f3, f4, f5, f6, f7] = row;
    each(f1, f2, f3, f4, f5, f6, f7);
  } else if constexpr (kFields == 8) {
    auto& [f1, f2, f3, f4, f5, f6, f7, f8] = row;
    each(f1, f2, f3, f4, f5, f6, f7, f8);
  } else if constexpr (kFields == 9) {
    auto& [f1, f2, f3, f4, f5, f6, f7, f8, f9] = row;
    each(f1, f2, f3, f4, f5, f6, f7, f8, f9);
  } else if constexpr (kFields == 10) {
    auto& [f1, f2, f3, f4, f5, f6, f7, f8, f9, f10] = row;
    each(f1, f2, f3, f4, f5, f6, f7, f8, f9, f10);
  } else if constexpr (kFields == 11) {
    auto& [f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11] = row;
    each(f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11);
  } else if constexpr (kFields == 12) {
    auto& [f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12] = row;
    each(f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12);
  } else if constexpr (kFields == 13) {
    auto& [f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13] = row;
    each(f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13);
  } else if constexpr (kFields == 14) {
    auto& [f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14] = row;
    each(f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14);
  } else if constexpr (kFields == 15) {
    auto& [f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15] = row;
    each(f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15);
  } else if constexpr (kFields == 16) {
    auto& [f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16] = row;
    each(f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16);
  }
}
// Calls `f` with each field of `row`, in order.
template <class T, class F>
void ForEachField(T& row, F f) {
  WithFields(row, [&f](auto&... fields) { (f(fields), ...); });
}
template <class... T, class F>
void ForEachField(std::tuple<T...>& row, F f) {
  std::apply([&f](auto&... fields) { (f(fields), ...); }, row);
}

// The rows that are left, each as T. Input iterators: one pass.
template <class T>
class RowRange {
 public:
  class Iterator {
   public:
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using reference = const T&;
    using pointer = const T*;
    using iterator_category = std::input_iterator_tag;

    Iterator() = default;
    explicit Iterator(Rows& rows) : rows_(&rows) { ++*this; }
    const T& operator*() const { return *row_; }
    const T* operator->() const { return &*row_; }
    Iterator& operator++() {
      row_.reset();
      if (rows_->Next()) row_.emplace(rows_->template As<T>());
      if (!row_.has_value() || !rows_->status().ok()) rows_ = nullptr;
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const Iterator& a, const Iterator& b) { return a.rows_ == b.rows_; }

   private:
    Rows* rows_ = nullptr;  // null: at the end
    std::optional<T> row_;
  };

  explicit RowRange(Rows& rows) : rows_(rows) {}
  Iterator begin() const { return Iterator(rows_); }
  Iterator end() const { return Iterator(); }

 private:
  Rows& rows_;
};

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
    return ReadAs<typename T::value_type>(column, value);
  } else {
    return ReadAs<T>(column, value);
  }
}

template <class T>
inline T Rows::ReadInteger(int column, Value value) {
  if constexpr (std::unsigned_integral<T> && sizeof(T) == sizeof(uint64_t)) {
    if (value.type() != Value::Type::kInt64 && value.is_unsigned()) return value.unsigned_number();
  }
  if (!Fit(column, Value::Type::kInt64, value)) return 0;
  const T narrowed = static_cast<T>(value.int64());
  if (static_cast<int64_t>(narrowed) != value.int64() || (narrowed < T{}) != (value.int64() < 0)) {
    FailRange(column, "an integer of this width");
    return 0;
  }
  return narrowed;
}

template <class T>
inline T Rows::ReadTime(int column, Value value) {
  if (!Fit(column, Value::Type::kInt64, value)) return T{};
  const std::optional<T> span = internal::FromMicros<T>(value.int64());
  if (!span.has_value()) FailRange(column, "microseconds that fit into this duration");
  return span.value_or(T{});
}

template <class T>
inline T Rows::ReadFloat(int column, Value value) {
  const double number = ReadAs<double>(column, value);
  const double most = std::numeric_limits<T>::max();
  if (!std::isfinite(number) || (number >= -most && number <= most)) return static_cast<T>(number);
  FailRange(column, "a number that a float can be");
  return T{};
}

template <class T>
inline T Rows::ReadAs(int column, Value value) {
  if constexpr (std::is_same_v<T, bool>) {
    if (!Fit(column, Value::Type::kInt64, value)) return false;
    if (value.int64() != 0 && value.int64() != 1) FailRange(column, "bool (0 or 1)");
    return value.int64() == 1;
  } else if constexpr (std::is_same_v<T, Micros>) {
    return Fit(column, Value::Type::kInt64, value) ? Micros{value.int64()} : Micros{};
  } else if constexpr (internal::kIsMoment<T>) {
    return T(ReadTime<typename T::duration>(column, value));
  } else if constexpr (internal::kIsDuration<T>) {
    return ReadTime<T>(column, value);
  } else if constexpr (internal::kIsEnum<T>) {
    return static_cast<T>(ReadInteger<std::underlying_type_t<T>>(column, value));
  } else if constexpr (std::integral<T>) {
    return ReadInteger<T>(column, value);
  } else if constexpr (std::is_same_v<T, double>) {
    return Fit(column, Value::Type::kDouble, value) ? value.real() : 0.0;
  } else if constexpr (std::is_same_v<T, float>) {
    return ReadFloat<T>(column, value);
  } else if constexpr (std::is_same_v<T, std::string_view>) {
    return Fit(column, Value::Type::kText, value) ? value.text() : std::string_view();
  } else if constexpr (std::is_same_v<T, std::string>) {
    return T(ReadAs<std::string_view>(column, value));
  } else if constexpr (std::is_same_v<T, std::vector<std::byte>>) {
    const Blob bytes = ReadAs<Blob>(column, value);
    return T(bytes.begin(), bytes.end());
  } else {
    static_assert(std::is_same_v<T, Blob>,
                  "Rows::Get<T>: T is an integer, bool, double, float, an enumeration, "
                  "std::string_view, std::string, roost::Blob, std::vector<std::byte>, "
                  "roost::Micros, a time of std::chrono::system_clock, a std::chrono::duration of "
                  "integers, roost::Value, or std::optional of one");
    return Fit(column, Value::Type::kBlob, value) ? value.blob() : Blob();
  }
}

template <class T>
T Rows::As() {
  T row{};
  int fields = 0;
  internal::ForEachField(row, [&fields](auto&) { ++fields; });
  if (on_row_ && statement_->columns() != fields) {
    FailCount(fields);
    return row;
  }
  int column = 0;
  internal::ForEachField(
      row, [this, &column]<class F>(F& field) { field = this->template Get<F>(column++); });
  return row;
}

template <class T>
internal::RowRange<T> Rows::Each() {
  return internal::RowRange<T>(*this);
}

}  // namespace roost
#pragma GCC visibility pop

#endif  // ROOST_INTERNAL_ROWS_H_
