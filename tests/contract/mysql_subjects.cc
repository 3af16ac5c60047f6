// MariaDB.
#include <mysql.h>

#include "roost/mysql.h"
#include "tests/contract/subject.h"
#include "tests/contract/watched.h"
#include "tests/support/mariadb_server.h"

namespace roost::contract {
namespace {

// One server for all cases of the program; each case makes its table anew.
support::MariadbServer& Server() {
  static support::MariadbServer server;
  return server;
}

class MysqlSubject : public Subject {
 public:
  Backend& backend() override { return backend_; }
  Platform& platform() override { return NativePlatform(); }
  const Dialect& dialect() const override { return dialect_; }
  Backend& Unreachable() override { return unreachable_; }
  void CloseNative(NativeHandle handle) override {
    mysql_close(static_cast<MYSQL*>(handle.handle));
  }
  void RunNative(void* raw, const std::string& sql) override {
    mysql_query(static_cast<MYSQL*>(raw), sql.c_str());
  }

 private:
  MysqlBackend backend_{{.uri = Server().Uri()}};
  MysqlBackend unreachable_{{.uri = "mysql://nobody@127.0.0.1:1/nothing"}};
  const Dialect dialect_{
      .schema =
          "DROP TABLE IF EXISTS kinds; CREATE TABLE kinds(id bigint PRIMARY KEY, amount bigint,"
          " level double, words longtext, bytes longblob)",
      .endless = Sql("SELECT SLEEP(600)"),
      .endless_rows = Sql("SELECT seq FROM seq_1_to_9000000000"),
      .roll_back_to_a = "ROLLBACK WORK TO SAVEPOINT a",
      .release_a = "RELEASE SAVEPOINT a",
  };
};

}  // namespace

std::vector<SubjectKind> AllSubjects() {
  // Every connection may write, so that there is no reader that could not.
  const SubjectKind mariadb{"mariadb", kSql | kSnapshots,
                            [] { return std::make_unique<MysqlSubject>(); }};
  return {mariadb, Watched(mariadb)};
}

}  // namespace roost::contract
