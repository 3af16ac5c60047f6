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

}  // namespace roost::internal
