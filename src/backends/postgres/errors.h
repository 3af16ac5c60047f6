// Makes a status of this backend: message, where, the SQL, and the SQLSTATE.
#ifndef ROOST_BACKENDS_POSTGRES_ERRORS_H_
#define ROOST_BACKENDS_POSTGRES_ERRORS_H_

#include <string_view>

#include "absl/status/status.h"

namespace roost::postgres {

// What a message is made of. Empty parts are left out.
struct ErrorText {
  std::string_view sql{};
  std::string_view where{};    // "host:port/database"
  std::string_view message{};  // the server's, libpq's or ours; trailing newlines are dropped
  std::string_view advice{};
};

// `sqlstate`: five characters, or empty when the server said none. PostgresSqlState gives it back.
// REQUIRES: code is not kOk.
absl::Status MakeStatus(absl::StatusCode code, std::string_view sqlstate, const ErrorText& text);

}  // namespace roost::postgres

#endif  // ROOST_BACKENDS_POSTGRES_ERRORS_H_
