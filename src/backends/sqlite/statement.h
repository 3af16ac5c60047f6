// backends/sqlite/statement.h - a prepared statement of SQLite in the connection's cache.
#ifndef ROOST_BACKENDS_SQLITE_STATEMENT_H_
#define ROOST_BACKENDS_SQLITE_STATEMENT_H_

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/common/statement.h"
#include "backends/sqlite/authorizer.h"
#include "roost/statement.h"

struct sqlite3_stmt;
struct sqlite3_value;

namespace roost::sqlite {

class SqliteConnection;

// Which of SQLite's parameter numbers each placeholder has. SQLite numbers $-placeholders in the
// order in which they appear, so that in "a=$2 AND b=$1" $2 has number 1.
struct ParameterMap {
  static constexpr int kMax = 63;
  uint8_t count = 0;
  std::array<uint8_t, kMax> number{};  // of $1, $2, ...

  // kInvalidArgument: a placeholder that is not $1 to $63, or one left out.
  absl::Status Read(sqlite3_stmt* statement);
};

class SqliteStatement final : public backends::StatementBase<SqliteStatement> {
 public:
  // What the authorizer saw while it was prepared.
  struct Effects {
    Trace trace = Trace::kNothing;
    bool bounds_transaction = false;
    bool frees_room = false;  // it deletes, and writes nothing else
  };

  // Takes `statement` over.
  SqliteStatement(SqliteConnection& connection, sqlite3_stmt* statement, const ParameterMap& map,
                  Effects effects);
  ~SqliteStatement() override;

  // SQLite copies text and blobs, whose owner may end before the rows do.
  absl::Status Start(std::span<const Value> values) override;
  absl::Status StartBorrowing(std::span<const Value> values);
  absl::StatusOr<bool> Step() override;
  void Finish() override;
  int parameters() const override { return map_.count; }
  int columns() const override;
  std::string_view column_name(int column) const override;
  Value column(int column) const override;
  int64_t changes() const override { return changes_; }
  std::string_view sql() const override;

  absl::Status ExecuteAll(const internal::ManyRows& rows) override;

  bool reading() const { return stage_ != Stage::kIdle; }
  const sqlite3_stmt* handle() const { return statement_; }
  // Forgets the driver's statement without freeing it: after fork.
  void Forget() { statement_ = nullptr; }

 private:
  enum class Stage : uint8_t {
    kIdle,     // Start may come
    kStarted,  // the first Step asks whether there is time
    kRunning,  // until the end of the run
    kEnded,    // the run is over: a further sqlite3_step would begin it again
  };

  // Who keeps text and blobs while the statement runs: SQLite, or the caller.
  enum Keeper : bool { kBorrowed, kCopied };

  // Starts where nothing but that has to be done; false: it has not.
  bool StartPlain(std::span<const Value> values);
  // Start where more has to be looked at than that the connection is untouched.
  absl::Status StartWithLook(std::span<const Value> values, Keeper keeper);
  absl::Status CheckStart(size_t values);
  absl::Status Bind(std::span<const Value> values, Keeper keeper);
  int BindOne(int number, const Value& value, Keeper keeper);
  // The first Step, where it has to ask; false for one after the end. Inlined, this and what else
  // seldom comes would make each Step that gives a row save registers for it.
  [[gnu::noinline]] absl::StatusOr<bool> StepInTime();
  absl::StatusOr<bool> StepNow();
  // The step in the child of a fork.
  [[gnu::noinline]] static absl::StatusOr<bool> RefuseAfterFork();
  // Before the first step of what does more than to read.
  absl::Status PrepareToChange();
  // The run ended with `code`.
  [[gnu::noinline]] absl::StatusOr<bool> End(int code);
  // Runs every row; sets failed_row at the first error. `partly`: what that row has changed in spite of it.
  absl::Status ExecuteEach(const internal::ManyRows& rows, int64_t& partly);
  absl::Status TellOfConnection();
  // What a run leaves to be done; sqlite3_reset gave `code`.
  void CleanUp(int code);
  void CountChanges();
  // The value of a column that is not an integer.
  [[gnu::noinline]] Value ReadOther(sqlite3_value* found, int type, int column) const;

  SqliteConnection& connection_;
  sqlite3_stmt* statement_;
  Stage stage_ = Stage::kIdle;
  const Effects effects_;
  const bool writes_;            // may change rows
  const bool only_reads_;        // gives rows, and does nothing else
  const bool plain_;             // the same, without parameters: changes_ stays 0
  bool in_transaction_ = false;  // when the run began
  uint32_t commits_before_ = 0;  // the connection's, when the run began
  int64_t changes_ = 0;
  int64_t changes_before_ = 0;  // the connection's total when the run began
  ParameterMap map_;
};

}  // namespace roost::sqlite

#endif  // ROOST_BACKENDS_SQLITE_STATEMENT_H_
