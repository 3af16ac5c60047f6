// tests/tools/schema_database.h - a database with the schema roost on a throw-away PostgreSQL, and sessions to it past
// our own driver.
//
// Threads:  one
// Blocks:   on the server
// Memory:   the heap
// Errors:   Fail of the server's Sql; a node's errors are in its Answer
#ifndef ROOST_TESTS_TOOLS_SCHEMA_DATABASE_H_
#define ROOST_TESTS_TOOLS_SCHEMA_DATABASE_H_

#include <libpq-fe.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/postgres_server.h"

namespace roost::testing {

struct Answer {
  std::string state{};  // SQLSTATE; empty: it went well
  std::string message{};
  std::string constraint{};
  std::vector<std::vector<std::string>> rows{};  // NULL is "NULL"
  std::string first() const { return rows.empty() ? "no row" : rows.front().front(); }
};

class PgSession {
 public:
  PgSession(const support::PostgresServer& server, const std::string& database,
            const std::string& user)
      : connection_(PQconnectdb(("host=" + server.socket_folder() +
                                 " port=" + std::to_string(server.port()) + " user=" + user +
                                 " dbname=" + database)
                                    .c_str())) {}
  ~PgSession() { PQfinish(connection_); }
  PgSession(const PgSession&) = delete;
  PgSession& operator=(const PgSession&) = delete;

  PGconn* get() const { return connection_; }
  int pid() const { return PQbackendPID(connection_); }
  // One statement or several; of several the last answers.
  Answer Run(const std::string& sql) { return Read(PQexec(connection_, sql.c_str())); }
  Answer Run(const std::string& sql, const std::vector<std::string>& arguments) {
    return Read(PQexecParams(connection_, sql.c_str(), static_cast<int>(arguments.size()), nullptr,
                             Pointers(arguments).data(), nullptr, nullptr, 0));
  }
  // The first value, for an administrator, to whom nothing is refused.
  std::string Value(const std::string& sql) {
    const Answer answer = Run(sql);
    return answer.state.empty() ? answer.first() : answer.state + " " + answer.message;
  }
  // Goes on while it runs; Finish waits for it.
  void Start(const std::string& sql, const std::vector<std::string>& arguments) {
    PQsendQueryParams(connection_, sql.c_str(), static_cast<int>(arguments.size()), nullptr,
                      Pointers(arguments).data(), nullptr, nullptr, 0);
  }
  Answer Finish() {
    Answer answer;
    while (PGresult* result = PQgetResult(connection_)) answer = Read(result);
    return answer;
  }

 private:
  static std::vector<const char*> Pointers(const std::vector<std::string>& arguments) {
    std::vector<const char*> pointers;
    for (const std::string& text : arguments) {
      pointers.push_back(text == "NULL" ? nullptr : text.c_str());
    }
    return pointers;
  }
  static std::string Field(const PGresult* result, int code) {
    const char* const text = PQresultErrorField(result, code);
    return text == nullptr ? "" : text;
  }
  static Answer Read(PGresult* result) {
    Answer answer;
    const ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
      answer.state = Field(result, PG_DIAG_SQLSTATE);
      answer.message = Field(result, PG_DIAG_MESSAGE_PRIMARY);
      answer.constraint = Field(result, PG_DIAG_CONSTRAINT_NAME);
      if (answer.state.empty()) answer.state = "no answer";
    }
    for (int row = 0; row < PQntuples(result); ++row) {
      std::vector<std::string>& values = answer.rows.emplace_back();
      for (int column = 0; column < PQnfields(result); ++column) {
        const bool null = PQgetisnull(result, row, column) != 0;
        values.emplace_back(null ? "NULL" : PQgetvalue(result, row, column));
      }
    }
    PQclear(result);
    return answer;
  }

  PGconn* const connection_;
};

// The arguments of roost.ingest; arrays are in the server's own form.
struct Batch {
  std::string who = "a";
  std::string token = "token of a";
  int64_t epoch = 7;
  int64_t lo = 1;
  int64_t first = 1;
  int64_t last = 1;
  std::string t0 = "1764417600000";
  std::string clock = "0";
  std::string q = "NULL";
  std::string dt = "{0}";
  std::string s = "{1}";
  std::string v = "{20.5}";
  std::string names = "{temperature}";
  std::string units = "{C}";
  std::string g_why = "{}";
  std::string g_lo = "{}";
  std::string g_hi = "{}";
  std::string g_numbers = "{}";

  std::vector<std::string> Arguments() const {
    return {who,
            token,
            std::to_string(epoch),
            std::to_string(lo),
            std::to_string(first),
            std::to_string(last),
            t0,
            clock,
            q,
            dt,
            s,
            v,
            names,
            units,
            g_why,
            g_lo,
            g_hi,
            g_numbers,
            "0",
            "1764417600000000"};
  }
};

inline constexpr char kIngest[] =
    "SELECT * FROM roost.ingest($1, $2, $3::bigint, $4::bigint, $5::bigint, $6::bigint, "
    "$7::bigint, "
    "$8::smallint, $9::int[], $10::int[], $11::smallint[], $12::float8[], $13::text[], "
    "$14::text[], "
    "$15::smallint[], $16::bigint[], $17::bigint[], $18::bigint[], $19::bigint, $20::bigint)";

// "{x,x,x}"
inline std::string Array(int64_t count, const std::string& text) {
  std::string array = "{";
  for (int64_t i = 0; i < count; ++i) array += (i == 0 ? "" : ",") + text;
  return array + "}";
}

// `count` rows from `first` on, a second apart.
inline Batch RowsFrom(int64_t first, int64_t count) {
  Batch batch;
  batch.first = first;
  batch.last = first + count - 1;
  batch.dt = Array(count, "1000");
  batch.s = Array(count, "1");
  batch.v = Array(count, "20.5");
  return batch;
}

}  // namespace roost::testing

#endif  // ROOST_TESTS_TOOLS_SCHEMA_DATABASE_H_
