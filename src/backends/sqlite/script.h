// backends/sqlite/script.h - the schema and the migrations, before the first connection is lent.
//
// Each is run statement by statement, so that an error names its line.
//
// Threads:  one at a time for a handle
// Blocks:   up to the deadline of the handle's DeadlineHandler
// Memory:   a copy of the text that is run
// Errors:   as of an open, with the script and the line in the message
#ifndef ROOST_BACKENDS_SQLITE_SCRIPT_H_
#define ROOST_BACKENDS_SQLITE_SCRIPT_H_

#include "absl/status/status.h"
#include "roost/sqlite.h"

struct sqlite3;

namespace roost::sqlite {

// Where a statement begins: behind blanks, semicolons and comments. `at` ends in a zero.
const char* SkipToStatement(const char* at);

// Runs SqliteOptions::schema and marks the database as ours, in one transaction. REQUIRES: CheckOwner
// was OK.
absl::Status RunSchema(sqlite3* db, const SqliteOptions& options);

// Runs the migrations that the database has not had, each in a transaction with its number. Another
// process may do the same at the same time. REQUIRES: CheckOwner and CheckVersion were OK.
absl::Status Migrate(sqlite3* db, const SqliteOptions& options);

}  // namespace roost::sqlite

#endif  // ROOST_BACKENDS_SQLITE_SCRIPT_H_
