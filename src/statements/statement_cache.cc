#include "statements/statement_cache.h"

#include "statements/text.h"

namespace roost::internal {

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
