// include/roost/internal/rows_to_run.h - the inline half of Statement::RunAll: from the rows of a
// program to values.
//
// The end of statement.h, which includes it.
#ifndef ROOST_INTERNAL_ROWS_TO_RUN_H_
#define ROOST_INTERNAL_ROWS_TO_RUN_H_

#include <array>
#include <concepts>
#include <cstddef>
#include <iterator>
#include <span>
#include <tuple>
#include <type_traits>

#include "roost/internal/rows.h"
#include "roost/statement.h"

namespace roost::internal {

// std::tuple, std::pair, std::array.
template <class T>
concept TupleLike = requires {
  std::tuple_size<T>::value;
};

// Calls `use` with the values of `row`.
template <class Row, class F>
void WithValues(const Row& row, F use) {
  const auto with_fields = [&use](const auto&... fields) {
    const std::array<Value, sizeof...(fields)> values{Value(fields)...};
    use(std::span<const Value>(values));
  };
  if constexpr (std::convertible_to<const Row&, std::span<const Value>>) {
    use(std::span<const Value>(row));
  } else if constexpr (TupleLike<Row>) {
    std::apply(with_fields, row);
  } else if constexpr (Bindable<Row>) {
    with_fields(row);
  } else {
    static_assert(std::is_aggregate_v<Row> && !std::is_union_v<Row> && !std::is_array_v<Row>,
                  "Statement::RunAll: a row is a std::tuple, a std::pair, a struct without "
                  "constructors and bases, a range of roost::Value, or one value");
    WithFields(row, with_fields);
  }
}

template <class Range>
ManyRows ManyRows::Of(const Range& range, size_t max_rows, size_t max_bytes) {
  static_assert(
      requires {
        std::size(range);
        std::begin(range)[0];
      },
      "Statement::RunAll: the rows are a std::span, a std::vector, or another range that has a "
      "size "
      "and whose rows can be asked for by number");
  return ManyRows(
      &range,
      // A row that threw would leave a transaction half done, and what is stored behind it would be lost.
      [](const void* rows, size_t row, void* taker, Take take) noexcept {
        const auto begin = std::begin(*static_cast<const Range*>(rows));
        const auto& found = begin[static_cast<std::ptrdiff_t>(row)];
        WithValues(found, [taker, take](std::span<const Value> values) { take(taker, values); });
      },
      std::size(range), max_rows, max_bytes);
}

}  // namespace roost::internal

#endif  // ROOST_INTERNAL_ROWS_TO_RUN_H_
