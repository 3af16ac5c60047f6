// backends/mysql/errors.h - a status of this backend: SQL, where, message, error number, advice.
#ifndef ROOST_BACKENDS_MYSQL_ERRORS_H_
#define ROOST_BACKENDS_MYSQL_ERRORS_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "backends/common/error.h"

namespace roost::mysql {

// `number`: of the server or of the library; 0: none. MysqlErrno gives it back. The message is of a
// server: it is cut at 512 bytes, and becomes one line without characters that move a cursor or turn
// the direction of text. REQUIRES: code is not kOk.
absl::Status MakeStatus(absl::StatusCode code, unsigned number, backends::ErrorText text);

// `Duplicate entry 'x' for key 'k'` -> `Duplicate entry '...' for key 'k'`: what was bound is not for a
// log.
std::string WithoutValues(std::string_view message);

}  // namespace roost::mysql

#endif  // ROOST_BACKENDS_MYSQL_ERRORS_H_
