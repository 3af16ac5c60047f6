#include "backends/sqlite/errors.h"

#include <sqlite3.h>

#include <charconv>
#include <string>

#include "roost/sqlite.h"
#include "statements/text.h"

namespace roost {
namespace {

constexpr char kPayload[] = "roostpool/sqlite-extended-result-code";

}  // namespace

int SqliteCode(const absl::Status& status) {
  const std::string text = backends::NativeCodeOf(status, kPayload);
  int code = 0;
  std::from_chars(text.data(), text.data() + text.size(), code);
  return code;
}

bool IsReadOnlyCard(const absl::Status& status) {
  const int code = SqliteCode(status);
  return absl::IsFailedPrecondition(status) &&
         ((code & 0xFF) == SQLITE_READONLY || code == SQLITE_CANTOPEN ||
          code == SQLITE_IOERR_WRITE);
}

bool IsFileChanged(const absl::Status& status) {
  return SqliteCode(status) == SQLITE_READONLY_DBMOVED;
}

namespace sqlite {

absl::Status MakeStatus(absl::StatusCode code, int sqlite_code, const backends::ErrorText& text) {
  const std::string digits = sqlite_code != 0 ? internal::Digits(sqlite_code) : std::string();
  return backends::MakeStatus(code, {.name = "SQLite", .text = digits, .payload = kPayload}, text);
}

std::string_view MessageFor(sqlite3* db, int code) {
  if (db == nullptr || sqlite3_extended_errcode(db) != code) return sqlite3_errstr(code);
  return sqlite3_errmsg(db);
}

int SystemErrno(sqlite3* db, int code) {
  const int primary = code & 0xFF;
  if (db == nullptr || (primary != SQLITE_CANTOPEN && primary != SQLITE_IOERR)) return 0;
  return sqlite3_system_errno(db);
}

}  // namespace sqlite
}  // namespace roost
