// tests/contract/subject.h - what a backend brings along to be put through the contract suite.
//
// The suites in this folder say what every Backend, Connection, Statement and Transaction must do.
// They know no database. A backend joins by a program that links roost_contract_suite and defines
// AllSubjects(): see sqlite_subjects.cc. A suite asks for abilities and runs for the subjects that
// have them, so that nothing is skipped at run time.
#ifndef ROOST_TESTS_CONTRACT_SUBJECT_H_
#define ROOST_TESTS_CONTRACT_SUBJECT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "roost/backend.h"
#include "roost/platform.h"
#include "roost/statement.h"

namespace roost::contract {

// What a subject can do; a sum of bits.
enum Ability : uint32_t {
  // Real SQL: several tables, constraints, column names, errors that name the SQL.
  kSql = 1,
  // A reader keeps its snapshot while a writer commits.
  kSnapshots = 2,
  // A connection opened as Role::kReader cannot write.
  kReadersCannotWrite = 4,
};

// The SQL that differs from one database to the other. The table is the same everywhere:
// kinds(id, amount, level, words, bytes), where id is a primary key, words may not be longer than
// anything, and every other column may be NULL.
struct Dialect {
  // Makes the table, empty.
  std::string_view schema;
  // A statement that is no SQL.
  Sql nonsense{"SELEC 1"};
  // A statement that runs for minutes.
  Sql endless{""};
  // Gives its first row at once, and rows without end; of SQL.
  Sql endless_rows{""};
  // Uses a placeholder twice, for an integer and for a real: some databases want to be told.
  Sql update{"UPDATE kinds SET amount = $2, words = $3, level = $2 WHERE id = $1"};
  // Takes a key that is taken, and the transaction with it where the database lets it.
  Sql ruinous_insert{"INSERT INTO kinds(id) VALUES (1)"};
  // How a savepoint of this name is gone back to, and forgotten.
  std::string_view roll_back_to_a = "ROLLBACK TRANSACTION TO SAVEPOINT a";
  std::string_view release_a = "RELEASE a";
  // Begins a transaction behind the back of Connection::Begin.
  std::string_view begin = "BEGIN";
};

class Subject {
 public:
  virtual ~Subject() = default;
  virtual Backend& backend() = 0;
  virtual Platform& platform() = 0;
  virtual const Dialect& dialect() const = 0;
  // Of the connection that the tests write through.
  virtual Role writer() const { return Role::kAny; }

  // A backend of this kind that cannot open anything.
  virtual Backend& Unreachable() = 0;
  // Closes what Detach gave away, or what was abandoned.
  virtual void CloseNative(NativeHandle handle) = 0;
  // Runs `sql` on the driver's handle, past our interface.
  virtual void RunNative(void* raw, const std::string& sql) = 0;
  // What has to happen so that the statement `endless` runs for minutes.
  virtual void ExpectEndless() {}
};

// A kind of subject: its name, abilities, and how to make one with an empty database.
struct SubjectKind {
  std::string name;
  uint32_t abilities = 0;
  std::function<std::unique_ptr<Subject>()> make;
  friend void PrintTo(const SubjectKind& kind, std::ostream* out) { *out << kind.name; }
};

// Defined by the program.
std::vector<SubjectKind> AllSubjects();
// Those of them that have all these abilities.
std::vector<SubjectKind> SubjectsThat(uint32_t abilities);

}  // namespace roost::contract

#endif  // ROOST_TESTS_CONTRACT_SUBJECT_H_
