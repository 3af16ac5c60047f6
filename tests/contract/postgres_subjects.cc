// PostgreSQL, directly and behind PgBouncer in transaction mode.
#include <libpq-fe.h>

#include "roost/postgres.h"
#include "tests/contract/subject.h"
#include "tests/contract/watched.h"
#include "tests/support/pgbouncer.h"
#include "tests/support/postgres_server.h"

namespace roost::contract {
namespace {

// One server for all cases of the program; each case makes its table anew.
support::PostgresServer& Server() {
  static support::PostgresServer server({.script = "GRANT ALL ON SCHEMA public TO node"});
  return server;
}

// More sessions than a case has connections.
support::PgBouncer& Pooler() {
  static support::PgBouncer pooler(Server(), 10);
  return pooler;
}

PostgresOptions OptionsFor(bool pooler) {
  if (!pooler) return {.uri = Server().Uri()};
  return {.uri = Server().UriThrough(Pooler().port()), .transaction_pooler = true};
}

class PostgresSubject : public Subject {
 public:
  explicit PostgresSubject(bool pooler) : backend_(OptionsFor(pooler)) {}
  Backend& backend() override { return backend_; }
  Platform& platform() override { return NativePlatform(); }
  const Dialect& dialect() const override { return dialect_; }
  Backend& Unreachable() override { return unreachable_; }
  void CloseNative(NativeHandle handle) override { PQfinish(static_cast<PGconn*>(handle.handle)); }
  void RunNative(void* raw, const std::string& sql) override {
    PQclear(PQexec(static_cast<PGconn*>(raw), sql.c_str()));
  }

 private:
  PostgresBackend backend_;
  PostgresBackend unreachable_{{.uri = "postgresql://nobody@127.0.0.1:1/nothing"}};
  const Dialect dialect_{
      .schema =
          "DROP TABLE IF EXISTS kinds; CREATE TABLE kinds(id bigint PRIMARY KEY, amount bigint,"
          " level float8, words text, bytes bytea)",
      .endless = Sql("SELECT pg_sleep(600)"),
      .endless_rows = Sql("SELECT generate_series(1, 9000000000)"),
      .update = Sql("UPDATE kinds SET amount = $2, words = $3, level = $2::bigint WHERE id = $1"),
  };
};

SubjectKind PostgresKind(const char* name, bool pooler) {
  // Every connection may write, so that there is no reader that could not.
  return {name, kSql | kSnapshots, [pooler] { return std::make_unique<PostgresSubject>(pooler); }};
}

}  // namespace

std::vector<SubjectKind> AllSubjects() {
  const SubjectKind direct = PostgresKind("postgres", false);
  return {direct, PostgresKind("postgres_pooler", true), Watched(direct)};
}

}  // namespace roost::contract
