// backends/common/error.h - what an error means, and the status that says it.
//
// A message has the SQL, the place, what the database said, its own code, and what to do:
//
//   "INSERT ..." on /data/node.db: disk I/O error (SQLite 10); the card gave an error
//
// The database's code is also the payload of the status, from which the backend's public function
// reads it back.
#ifndef ROOST_BACKENDS_COMMON_ERROR_H_
#define ROOST_BACKENDS_COMMON_ERROR_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "roost/backend.h"

namespace roost::backends {

// What an error of the database means for the caller and for the connections.
struct Finding {
  absl::StatusCode code = absl::StatusCode::kUnknown;
  FaultScope fault_scope = FaultScope::kStatement;
  std::string_view advice{};  // what to do; may be empty
};

// The database's own code. `text` is empty when it gave none.
struct NativeCode {
  std::string_view name;  // "SQLite", "SQLSTATE"
  std::string_view text;  // "10", "57P01"
  const char* payload;    // the type of the payload, alike for all codes of a backend
};

// What a message is made of. Empty parts are left out. What is not SQL is shown as plain text: a
// server, a file or a configuration has written them.
struct ErrorText {
  std::string_view sql{};
  std::string_view where{};    // a path, "host:port/database"
  std::string_view message{};  // the database's, its driver's or ours
  std::string_view advice{};
};

// REQUIRES: code is not kOk.
absl::Status MakeStatus(absl::StatusCode code, const NativeCode& native, const ErrorText& text);

// What a message shows of a server's text: plain, without blanks at its end, and at most 512 bytes.
std::string ShownText(std::string_view text);

// "(SQLite 10)": how the native code stands in a message.
std::string InMessage(std::string_view name, std::string_view text);

// The payload of that type; empty when the status has none.
std::string NativeCodeOf(const absl::Status& status, const char* payload);

// ---- Rows of a RunAll ----

// What an error of one row means for the others.
enum class RowsFate : uint8_t {
  kNoneIn,   // the transaction of RunAll was rolled back
  kUnknown,  // all are in, or none
  kKept,     // those before it are in the open transaction
  kGivenUp,  // the database has given up the open transaction
  kUntold,   // the transaction was ended behind our back, or nobody said that it was rolled back
  kNoTransaction,  // rows in tables without transactions stay
  kOneStatement,   // it was one statement without a transaction, whose rows such a table keeps
};
struct RowError {
  size_t row = 0;   // from 0; size: of the commit
  size_t size = 0;  // of the RunAll
  RowsFate fate = RowsFate::kNoneIn;
  int64_t partly =
      0;  // kKept: rows of the database that this row has left in, in spite of its error
  bool unanswered = false;  // there is no answer to this row, which may be as good as any
  // kKept: how many of those before it are in fewer, because they went with it in one statement.
  size_t gone = 0;
};
// `status` with the row in front of its message and the fate of the rows behind it. Its code and its
// payload stay. REQUIRES: status is not OK.
absl::Status OfRow(const absl::Status& status, const RowError& error);
// kFailedPrecondition: a RunAll cannot run `sql` in a transaction of its own.
absl::Status BoundsTransactionOfRows(std::string_view sql);

// ---- Scripts ----

// The number of the line that byte `at` of `text` stands in, from 1.
int64_t LineOf(std::string_view text, size_t at);
// `status` with "line 3 of the script: " in front of its message, where byte `at` of `script` stands.
// `exactly`: else it is that line or a later one. Its code and its payload stay, but for a row that is
// there: the script is not done. REQUIRES: status is not OK.
absl::Status InScript(const absl::Status& status, std::string_view script, size_t at,
                      bool exactly = true);

// ---- Errors of a program, alike for every backend ----

// kFailedPrecondition: the statement was started and not finished.
absl::Status StillBeingRead(std::string_view sql);
// kInvalidArgument unless as many values are given as wanted.
absl::Status CheckCount(std::string_view sql, int wanted, size_t given);

}  // namespace roost::backends

#endif  // ROOST_BACKENDS_COMMON_ERROR_H_
