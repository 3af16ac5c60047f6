// backends/sqlite/errors.h - from a result code of SQLite to a status.
#ifndef ROOST_BACKENDS_SQLITE_ERRORS_H_
#define ROOST_BACKENDS_SQLITE_ERRORS_H_

#include <string_view>

#include "absl/status/status.h"
#include "backends/common/error.h"

struct sqlite3;

namespace roost::sqlite {

// `sqlite_code`: extended; 0: none. SqliteCode gives it back. REQUIRES: code is not kOk.
absl::Status MakeStatus(absl::StatusCode code, int sqlite_code, const backends::ErrorText& text);

// What SQLite says about its last error on `db`; the general message for `code` when `db` is null.
std::string_view MessageFor(sqlite3* db, int code);

// The system's error number behind the last CANTOPEN or IOERR of `db`; 0 for other codes.
int SystemErrno(sqlite3* db, int code);

}  // namespace roost::sqlite

#endif  // ROOST_BACKENDS_SQLITE_ERRORS_H_
