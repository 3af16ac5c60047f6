// backends/postgres/errors.h - a status of this backend: SQL, where, message, SQLSTATE, advice.
#ifndef ROOST_BACKENDS_POSTGRES_ERRORS_H_
#define ROOST_BACKENDS_POSTGRES_ERRORS_H_

#include <string_view>

#include "absl/status/status.h"
#include "backends/common/error.h"

namespace roost::postgres {

// `sqlstate`: what the server said; what is none is left out. PostgresSqlState gives it back. The
// message is of a server: it is cut at 512 bytes, and becomes one line without characters that move
// a cursor or turn the direction of text. REQUIRES: code is not kOk.
absl::Status MakeStatus(absl::StatusCode code, std::string_view sqlstate, backends::ErrorText text);

}  // namespace roost::postgres

#endif  // ROOST_BACKENDS_POSTGRES_ERRORS_H_
