#include "statements/statement_cache.h"

#include "statements/text.h"

namespace roost::internal {

void StatementCacheCounts::AddTo(Figures& out) const {
  const auto add = [&out](std::string_view name, std::string_view help,
                          const std::atomic<uint64_t>& count) {
    out.Add({.metric = {MetricKind::kCounter, name, "statements", help},
             .group = "statement_cache",
             .value = static_cast<int64_t>(count.load(std::memory_order_relaxed))});
  };
  add("hits",
      "Statements found in a connection's cache. One that is used again right after itself is not "
      "counted, and the others in steps of up to 64",
      hits);
  add("misses", "Statements prepared, because the connection's cache had them not", misses);
  add("evictions", "Statements dropped from a full cache, to make room for another one", evictions);
}

absl::Status NoRoomToPrepare(std::string_view sql, int capacity) {
  return absl::ResourceExhaustedError(
      Concat({Quoted(sql), " cannot be prepared: all ", Digits(capacity),
              " statements of this connection's cache are being read; end some Rows first"}));
}

absl::Status EmptySql() { return absl::InvalidArgumentError("the SQL is empty"); }

absl::Status HoldsNoStatement(std::string_view sql) {
  return absl::InvalidArgumentError(
      Concat({Quoted(sql), " holds no statement, only blanks or comments"}));
}

absl::Status CheckNoZero(std::string_view sql) {
  const size_t zero = sql.find('\0');
  if (zero == std::string_view::npos) return absl::OkStatus();
  return absl::InvalidArgumentError(
      Concat({Quoted(sql.substr(0, zero)), " has a zero byte behind it, as byte ",
              Digits(static_cast<int64_t>(zero) + 1), " of the SQL"}));
}

}  // namespace roost::internal
