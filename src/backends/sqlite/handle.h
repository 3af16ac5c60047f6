// backends/sqlite/handle.h - opens a sqlite3* as a pooled connection needs it.
//
// With every limit, switch and pragma, in the order that matters.
#ifndef ROOST_BACKENDS_SQLITE_HANDLE_H_
#define ROOST_BACKENDS_SQLITE_HANDLE_H_

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/sqlite/deadline_handler.h"
#include "roost/sqlite.h"

namespace roost::sqlite {

// Owns a sqlite3* that has no statements.
class Handle {
 public:
  Handle() = default;
  explicit Handle(sqlite3* db) : db_(db) {}
  Handle(Handle&& other) noexcept : db_(std::exchange(other.db_, nullptr)) {}
  Handle& operator=(Handle&& other) noexcept;
  ~Handle();

  sqlite3* get() const { return db_; }
  sqlite3* release() { return std::exchange(db_, nullptr); }

 private:
  sqlite3* db_ = nullptr;
};

enum class Access : uint8_t {
  kRead,
  kWrite,
  kCreate,  // writes, and makes the file if it is not there
};

// Whether the last close leaves the log as it is, and does not copy it into the database and delete
// it.
void KeepLogAtClose(sqlite3* db, bool keep);

// max_kib in pages; 0: no bound.
int64_t MaxPages(const SqliteOptions& options, int64_t page_bytes);

// Opens `name`: a path, or the URI of a database in memory. The handle keeps the log at its close:
// what is damaged or another program's stays as it was found.
absl::StatusOr<Handle> OpenHandle(const std::string& name, const SqliteOptions& options,
                                  Access access, DeadlineHandler& handler);

// Puts the database into WAL mode; it stays so in the file. REQUIRES: opened to write.
absl::Status SwitchToLog(sqlite3* db, const SqliteOptions& options, DeadlineHandler& handler);

// Runs statements that return nothing of interest. A failure is an error of opening.
absl::Status Execute(sqlite3* db, const SqliteOptions& options, const char* sql);

// The first column of the first row.
absl::StatusOr<std::string> QueryText(sqlite3* db, const SqliteOptions& options, const char* sql);

// The same as a number; 0 for what is none.
absl::StatusOr<int64_t> QueryInt(sqlite3* db, const SqliteOptions& options, const char* sql);

// An error of opening.
absl::Status OpenError(sqlite3* db, int code, const SqliteOptions& options, std::string_view sql);

}  // namespace roost::sqlite

#endif  // ROOST_BACKENDS_SQLITE_HANDLE_H_
