// SQLite on a file and in memory.
#include <sqlite3.h>

#include "roost/sqlite.h"
#include "tests/contract/subject.h"
#include "tests/contract/watched.h"
#include "tests/support/temp_dir.h"

namespace roost::contract {
namespace {

class SqliteSubject : public Subject {
 public:
  explicit SqliteSubject(bool in_memory)
      : backend_({.path = in_memory ? ":memory:" : folder_.File("contract.db")}) {}
  Backend& backend() override { return backend_; }
  Platform& platform() override { return NativePlatform(); }
  const Dialect& dialect() const override { return dialect_; }
  Role writer() const override { return Role::kWriter; }
  Backend& Unreachable() override { return unreachable_; }
  void CloseNative(NativeHandle handle) override {
    auto* database = static_cast<sqlite3*>(handle.handle);
    while (sqlite3_stmt* statement = sqlite3_next_stmt(database, nullptr)) {
      sqlite3_finalize(statement);
    }
    sqlite3_close(database);
  }
  void RunNative(void* raw, const std::string& sql) override {
    sqlite3_exec(static_cast<sqlite3*>(raw), sql.c_str(), nullptr, nullptr, nullptr);
  }

 private:
  const support::TempDir folder_;
  SqliteBackend backend_;
  SqliteBackend unreachable_{{.path = folder_.File("no-such-folder/contract.db")}};
  const Dialect dialect_{
      .schema =
          "CREATE TABLE IF NOT EXISTS kinds(id INTEGER PRIMARY KEY, amount INTEGER,"
          " level REAL, words TEXT, bytes BLOB)",
      .endless = Sql("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c)"
                     " SELECT max(n) FROM c"),
      .endless_rows = Sql("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c)"
                          " SELECT n FROM c"),
      .ruinous_insert = Sql("INSERT OR ROLLBACK INTO kinds(id) VALUES (1)"),
  };
};

SubjectKind SqliteKind(const char* name, bool in_memory, uint32_t abilities) {
  return {name, abilities, [in_memory] { return std::make_unique<SqliteSubject>(in_memory); }};
}

}  // namespace

std::vector<SubjectKind> AllSubjects() {
  const SubjectKind file =
      SqliteKind("sqlite_file", false, kSql | kSnapshots | kReadersCannotWrite);
  return {file,
          // In memory a reader keeps the writer from committing, so there are no snapshots.
          SqliteKind("sqlite_memory", true, kSql | kReadersCannotWrite), Watched(file)};
}

}  // namespace roost::contract
