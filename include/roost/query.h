// include/roost/query.h - one row, one value, of a query.
//
// Threads:  the holder of the lease
// Blocks:   on the database, up to the lease's deadline
// Memory:   none of ours but for std::string and std::vector, and for an error
// Errors:   kNotFound: the query has no row. kInvalidArgument: it has two, or what T asks for is not
//           what a column is. The others are those of Statement
// Example:
//   const absl::StatusOr<int64_t> stored = roost::QueryOne<int64_t>(*lease, kCount, node);
//   const absl::StatusOr<Level> last = roost::QueryOne<Level>(*lease, kLast, node);
#ifndef ROOST_QUERY_H_
#define ROOST_QUERY_H_

#include <array>
#include <string_view>
#include <tuple>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "roost/connection.h"
#include "roost/lease.h"
#include "roost/statement.h"

// libroostpool.so exports what is declared up to the pop; see version.h.
#pragma GCC visibility push(default)
namespace roost {

namespace internal {

// What a query for T... gives: T, or a tuple where it asks for several columns. A tuple of one is
// not what anybody wants who asks for one value.
template <class... T>
struct Row {
  using type = std::tuple<T...>;
};
template <class T>
struct Row<T> {
  using type = T;
};

// The bytes are the row's.
template <class T>
inline constexpr bool kIsView =
    std::is_same_v<T, std::string_view> || std::is_same_v<T, Blob> || std::is_same_v<T, Value>;
template <class T>
inline constexpr bool kIsView<std::optional<T>> = kIsView<T>;

// The type of one column, in contrast to a whole row.
template <class T>
inline constexpr bool kIsColumn = Bindable<T> && !std::is_same_v<T, std::nullptr_t> && !kIsArray<T>;

// Query, for a caller that reads one row: Statement::StartForOne in place of Start. A class, so that
// Statement and Rows can name it as a friend.
struct OneRow {
  template <class... Args>
  static Rows Query(Statement& statement, const Args&... args) {
    const std::array<Value, sizeof...(Args)> values{Value(args)...};
    return Rows(&statement, statement.StartForOne(values));
  }
};

// The errors.
absl::Status NoRow(std::string_view sql);
absl::Status SecondRow(std::string_view sql);

}  // namespace internal

// Runs `sql` with `args` and returns its only row: as T, the type of its only column; as T, a
// std::tuple or an aggregate (see Rows::As); or, for several types, as a std::tuple of its columns.
// Text and bytes are copied: ask for std::string and std::vector<std::byte>.
//
// kNotFound: there is no row (NextStep says kStop). kInvalidArgument: there are two; LIMIT 1 or a unique key in the WHERE
// make it one. Other errors are those of Connection::Prepare, Statement::Query and Rows::Get.
//
// Cost: what Prepare, Query and two calls of Next cost; the second sees that the row is the only
// one, and ends the reading, so that the statement is free when this returns. On PostgreSQL a fifth less
// than those: the answer is taken in one piece, of max_result_bytes for all of its rows.
template <class... T, class... Args>
absl::StatusOr<typename internal::Row<T...>::type> QueryOne(Connection& connection, const Sql& sql,
                                                            const Args&... args) {
  static_assert(sizeof...(T) > 0, "QueryOne<T...>: name the type of each column, or of the row");
  static_assert(!(internal::kIsView<T> || ...),
                "QueryOne<T...>: the row is gone when it returns: ask for std::string, and for "
                "std::vector<std::byte>");
  absl::StatusOr<Statement*> statement = connection.Prepare(sql);
  if (!statement.ok()) return statement.status();
  Rows rows = internal::OneRow::Query(**statement, args...);
  if (!rows.Next()) return rows.status().ok() ? internal::NoRow(sql.text()) : rows.status();
  using Row = typename internal::Row<T...>::type;
  Row row = [&rows]() -> Row {
    if constexpr (sizeof...(T) == 1 && (internal::kIsColumn<T> && ...)) {
      return std::get<0>(rows.template As<std::tuple<Row>>());
    } else {
      return rows.template As<Row>();
    }
  }();
  if (rows.Next()) return internal::SecondRow(sql.text());
  if (!rows.status().ok()) return rows.status();
  return row;
}
// The same for the connection of a lease, so that `QueryOne<T>(*lease, ...)` can be written for an
// absl::StatusOr<Lease>. REQUIRES: the lease holds one.
template <class... T, class... Args>
absl::StatusOr<typename internal::Row<T...>::type> QueryOne(const Lease& lease, const Sql& sql,
                                                            const Args&... args) {
  return QueryOne<T...>(*lease, sql, args...);
}

}  // namespace roost
#pragma GCC visibility pop

#endif  // ROOST_QUERY_H_
