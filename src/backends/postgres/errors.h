// backends/postgres/errors.h - a status of this backend: SQL, where, message, SQLSTATE, advice.
#ifndef ROOST_BACKENDS_POSTGRES_ERRORS_H_
#define ROOST_BACKENDS_POSTGRES_ERRORS_H_

#include <string_view>

#include "absl/status/status.h"
#include "backends/common/error.h"

namespace roost::postgres {

// `sqlstate`: five characters, or empty when the server said none. PostgresSqlState gives it back.
// Blanks and newlines at the end of the message are dropped. REQUIRES: code is not kOk.
absl::Status MakeStatus(absl::StatusCode code, std::string_view sqlstate, backends::ErrorText text);

}  // namespace roost::postgres

#endif  // ROOST_BACKENDS_POSTGRES_ERRORS_H_
