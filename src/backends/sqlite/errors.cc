#include "backends/sqlite/errors.h"

#include <sqlite3.h>

#include <charconv>
#include <optional>
#include <string>

#include "absl/strings/cord.h"
#include "roost/sqlite.h"
#include "statements/text.h"

namespace roost {
namespace {

constexpr char kPayload[] = "roostpool/sqlite-extended-result-code";

}  // namespace

int SqliteCode(const absl::Status& status) {
  const auto payload = status.GetPayload(kPayload);
  if (!payload.has_value()) return 0;
  const std::string text(*payload);
  int code = 0;
  std::from_chars(text.data(), text.data() + text.size(), code);
  return code;
}

namespace sqlite {

absl::Status MakeStatus(absl::StatusCode status_code, int sqlite_code, const ErrorText& text) {
  std::string message;
  const auto append = [&message](std::string_view before, std::string_view part) {
    if (part.empty()) return;
    if (!message.empty()) message.append(before);
    message.append(part);
  };
  if (!text.sql.empty()) append("", internal::Quoted(text.sql));
  append(" on ", text.path);
  append(": ", text.message);
  if (sqlite_code != 0) {
    append(" ", internal::Concat({"(SQLite ", internal::Digits(sqlite_code), ")"}));
  }
  append("; ", text.advice);
  absl::Status status(status_code, message);
  if (sqlite_code != 0) status.SetPayload(kPayload, absl::Cord(internal::Digits(sqlite_code)));
  return status;
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
