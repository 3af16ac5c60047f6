// sql_server_fuzz [--seconds N] [--texts N] [--seed N]: compares the SQL lexer with what a real server does.
//
// It makes up texts, has a server of its own run each in a session, and looks at what the session has
// become. A text that has left something behind and is said not to, or has written and is said to read
// only, is a finding; each is printed. Exit code 1: there was one.

#include <libpq-fe.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <set>
#include <string>
#include <string_view>

#include "backends/postgres/sql_traits.h"
#include "tests/support/postgres_server.h"

namespace roost::fuzz {
namespace {

// ---- what is made up ------------------------------------------------------------------------------

// In all of these ~ is a place where words may be apart in any way, and % a number of its own.
constexpr std::string_view kEffects[] = {
    "SET~a.b~=~'1'",
    "SET~SESSION~a.b~TO~1",
    "set~A.B~to~1",
    "SET~LOCAL~a.b~=~1",
    "BEGIN;~SET~LOCAL~a.b~=~1;~COMMIT",
    "BEGIN;~SET~a.b~=~1;~COMMIT",
    "START TRANSACTION;~LISTEN~door;~COMMIT",
    "SET~TIME ZONE~'Asia/Tokyo'",
    "SET~ROLE~node",
    "SET~SESSION~AUTHORIZATION~node",
    "SET~SESSION~CHARACTERISTICS~AS TRANSACTION READ ONLY",
    "SET~TRANSACTION~READ ONLY",
    "SET~CONSTRAINTS~ALL DEFERRED",
    "SET~XML~OPTION DOCUMENT",
    "RESET~ALL",
    "LISTEN~door",
    "LISTEN~\"set\"",
    "PREPARE~p%~AS~SELECT 1",
    "BEGIN;~DECLARE~c%~CURSOR~WITH~HOLD~FOR~SELECT 1;~COMMIT",
    "DECLARE~c%~BINARY~INSENSITIVE~SCROLL~CURSOR~WITH~HOLD~FOR~SELECT 1",
    "CREATE~TEMP~TABLE~tt%()",
    "CREATE~TEMPORARY~TABLE~tt%()",
    "CREATE~LOCAL~TEMP~TABLE~tt%()",
    "CREATE~GLOBAL~TEMPORARY~TABLE~IF NOT EXISTS~tt%()",
    "CREATE~OR~REPLACE~TEMP~VIEW~tv%~AS~SELECT 1",
    "CREATE~TEMP~RECURSIVE~VIEW~tr%(a)~AS~SELECT 1",
    "CREATE~TEMP~SEQUENCE~ts%",
    "CREATE~TABLE~pg_temp.tp%()",
    "CREATE~TABLE~IF NOT EXISTS~PG_TEMP.tp%()",
    "CREATE~TABLE~\"pg_temp\".tp%()",
    "CREATE~TABLE~U&\"pg\\005ftemp\".tp%()",
    "CREATE~TABLE~pg_temp~.~tp%~AS~SELECT 1",
    "CREATE~VIEW~pg_temp.tv%~AS~SELECT 1",
    "CREATE~SEQUENCE~pg_temp.ts%",
    "CREATE~TYPE~pg_temp.ty%~AS (a int)",
    "CREATE~FUNCTION~pg_temp.tf%()~RETURNS int~LANGUAGE sql~AS~'SELECT 1'",
    "SELECT~1~AS~a~INTO~TEMP~ti%",
    "SELECT~1~AS~a~INTO~TEMPORARY~TABLE~ti%",
    "SELECT~1~AS~a~INTO~pg_temp.ti%",
    "SELECT~1~AS~a~INTO~\"pg_temp\".ti%",
    "WITH x AS (SELECT 1 AS a)~SELECT~a~INTO~TEMP~ti%~FROM x",
    "SELECT~set_config('a.b',~'1',~false)",
    "SELECT~pg_catalog.set_config('a.b',~'1',~false)",
    "SELECT~\"set_config\"('a.b',~'1',~false)",
    "SELECT~U&\"set\\005fconfig\"('a.b',~'1',~false)",
    "VALUES~(set_config('a.b',~'1',~false))",
    "WITH x AS (SELECT~set_config('a.b',~'1',~false))~SELECT * FROM x",
    "EXPLAIN~ANALYZE~SELECT~set_config('a.b',~'1',~false)",
    "INSERT INTO log~SELECT~set_config('a.b',~'1',~false)",
    "SELECT~pg_advisory_lock(1)",
    "SELECT~pg_try_advisory_lock_shared(1,~2)",
    "SELECT~\"pg_advisory_lock\"(1)",
    "SELECT~pg_advisory_xact_lock(1)",
    "UPDATE~pg_settings~SET~setting = '5MB'~WHERE~name = 'work_mem'",
    "UPDATE~pg_catalog.pg_settings~SET~setting = '5MB'~WHERE~name = 'work_mem'",
    "UPDATE~\"pg_settings\"~SET~setting = '5MB'~WHERE~name = 'work_mem'",
    "WITH x AS (UPDATE~pg_settings~SET~setting = '5MB'~WHERE~name = 'work_mem'~RETURNING 1)"
    "~SELECT * FROM x",
    "DO~$$BEGIN~SET~a.b = 1;~END$$",
    "DO~$x$~BEGIN~EXECUTE~'SET a.b = 1';~END~$x$",
    "DO~$$~BEGIN~EXECUTE~'SE' || 'T a.b = 1';~END~$$",
    "DO~'BEGIN SET a.b = 1; END'",
    "DO~LANGUAGE plpgsql~E'BEGIN SE\\124 a.b = 1; END'",
    "DO~$$~BEGIN~PERFORM~set_config('a.b', '1', false);~END~$$",
    "DO~$$~BEGIN~CREATE TEMP TABLE tt%();~END~$$",
    "DO~$$~BEGIN~LISTEN door;~END~$$",
    "LOAD~'plpgsql'",
    "DISCARD~PLANS",
    // These write, and leave no session state.
    "INSERT~INTO~log~VALUES~('x')",
    "UPDATE~log~SET~t = 'y'",
    "DELETE~FROM~log",
    "TRUNCATE~log",
    "WITH b AS~(INSERT~INTO~log~VALUES~('y')~RETURNING 1)~SELECT * FROM b",
    "MERGE INTO log USING (SELECT 1) s ON false~WHEN NOT MATCHED THEN INSERT VALUES ('z')",
    "CREATE~TABLE~tx%()",
    "SELECT~1~AS~a~INTO~tx%",
    "SELECT~1~AS~a~INTO~TABLE~tx%",
    "EXPLAIN~ANALYZE~INSERT~INTO~log~VALUES~('x')",
    "COMMENT~ON~TABLE~log~IS~'x'",
    "SELECT * FROM log~FOR~UPDATE",
    "DO~$$~BEGIN~INSERT INTO log VALUES ('x');~END~$$",
    "GRANT~SELECT~ON~log~TO~node",
    // And these do neither.
    "SELECT~1",
    "SELECT~'x'~AS~set",
    "SHOW~work_mem",
    "TABLE~log",
    "(SELECT 1)",
};

constexpr std::string_view kInside[] = {
    "'",  "''",       "\"",    "$$", "$a$",  "/*",   "*/",          "--", "\n",
    "\\", "\\'",      "\\\\'", ";",  "E'",   "U&'",  "SET a.b = 1", "x",  " ",
    "\r", "\xc3\xa9", "$",     "$1", "a$b$", "it's", "\\\\"};

constexpr std::string_view kApart[] = {
    " ",          "\n",       "\t",   " /**/ ", "/* ' */",  "/* /* \" */ $$ */",
    " -- it's\n", " -- $$\r", "--\n", "\f",     " /*--*/ ", "/*;*/"};

class Maker {
 public:
  explicit Maker(uint64_t seed) : random_(seed) {}

  std::string Make() {
    std::string sql;
    for (size_t left = 1 + Below(4); left > 0; --left) {
      sql += Below(3) == 0 ? Effect() : Reading();
      if (left > 1 || Below(4) == 0) sql += Below(8) == 0 ? " ;" + Apart() : ";";
    }
    if (Below(3) == 0) Spoil(sql);
    sql.resize(std::min(sql.find('\0'), sql.size()));
    return sql;
  }

 private:
  size_t Below(size_t end) { return std::uniform_int_distribution<size_t>(0, end - 1)(random_); }
  template <size_t kCount>
  std::string_view OneOf(const std::string_view (&texts)[kCount]) {
    return texts[Below(kCount)];
  }

  std::string Apart() { return Below(3) > 0 ? " " : std::string(OneOf(kApart)); }
  std::string Effect() {
    std::string effect;
    for (const char c : OneOf(kEffects)) {
      if (c == '~') {
        effect += Apart();
      } else if (c == '%') {
        effect += std::to_string(++number_);
      } else {
        effect += c;
      }
    }
    return effect;
  }
  // Something that only reads, with a literal or a name in it that is hard to find the end of.
  std::string Reading() {
    const std::string what = Below(3) == 0 ? "1 AS " + QuotedName() : Literal();
    return "SELECT" + Apart() + what + (Below(4) == 0 ? Apart() : "");
  }

  std::string Inside() {
    std::string inside;
    for (size_t left = Below(4); left > 0; --left) inside += OneOf(kInside);
    return inside;
  }
  static std::string Doubled(const std::string& text, char quote) {
    std::string doubled;
    for (const char c : text) doubled += c == quote ? std::string(2, quote) : std::string(1, c);
    return doubled;
  }
  // With backslashes that protect; a few quotes are protected by one, too.
  std::string Escaped(const std::string& text) {
    std::string escaped;
    for (const char c : text) {
      if (c == '\\')
        escaped += "\\\\";
      else if (c == '\'')
        escaped += Below(2) == 0 ? "\\'" : "''";
      else
        escaped += c;
    }
    return escaped;
  }
  std::string QuotedName() { return "\"x" + Doubled(Inside(), '"') + "\""; }
  std::string Literal() {
    switch (Below(8)) {
      case 0:
        return "E'" + Escaped(Inside()) + "'";
      case 1:
        return "e'" + Escaped(Inside()) + "'\n'" + Escaped(Inside()) + "'";
      case 2:
        return "'" + Doubled(Inside(), '\'') + "' -- '\n '" + Doubled(Inside(), '\'') + "'";
      case 3:
        return "U&'" + Doubled(Inside(), '\'') + "'";
      case 4:
        return Dollar("$$");
      case 5:
        return Dollar("$a$");
      case 6:
        return Dollar(
            "$_\xc3\xa9"
            "1$");
      default:
        return "'" + Doubled(Inside(), '\'') + "'";
    }
  }
  std::string Dollar(const std::string& tag) {
    std::string inside = Inside();
    if (inside.find(tag) != std::string::npos || inside.ends_with("$")) inside = "'";
    return tag + inside + tag;
  }

  // One or two changes that a person or a machine might make.
  void Spoil(std::string& sql) {
    for (size_t left = 1 + Below(2); left > 0 && !sql.empty(); --left) {
      const size_t at = Below(sql.size());
      switch (Below(3)) {
        case 0:
          sql.erase(at, 1 + Below(3));
          break;
        case 1:
          sql.insert(at, OneOf(kInside));
          break;
        default:
          sql.insert(at, sql.substr(Below(sql.size()), Below(8)));
          break;
      }
    }
  }

  std::mt19937_64 random_;
  uint64_t number_ = 0;
};

// ---- what a session becomes -----------------------------------------------------------------------

// Everything that DISCARD ALL undoes and SQL can see, in one text.
constexpr char kState[] =
    "SELECT pg_catalog.concat_ws('; ',"
    " (SELECT 'settings ' || string_agg(name || '=' || setting, ',' ORDER BY name)"
    "  FROM pg_catalog.pg_settings WHERE source = 'session' AND name !~ '^transaction_'),"
    " 'a.b ' || nullif(pg_catalog.current_setting('a.b', true), ''),"
    " 'user ' || current_user || ' ' || session_user,"
    " (SELECT 'listens ' || string_agg(c, ',') FROM pg_catalog.pg_listening_channels() c),"
    " (SELECT 'prepared ' || string_agg(name, ',') FROM pg_catalog.pg_prepared_statements),"
    " (SELECT 'cursors ' || string_agg(name, ',') FROM pg_catalog.pg_cursors WHERE is_holdable),"
    " (SELECT 'temporary ' || string_agg(relname, ',') FROM pg_catalog.pg_class"
    "  WHERE relnamespace = pg_catalog.pg_my_temp_schema()),"
    " (SELECT 'functions ' || string_agg(proname, ',') FROM pg_catalog.pg_proc"
    "  WHERE pronamespace = pg_catalog.pg_my_temp_schema()),"
    " (SELECT 'locks ' || count(*) FROM pg_catalog.pg_locks"
    "  WHERE locktype = 'advisory' AND pid = pg_catalog.pg_backend_pid() HAVING count(*) > 0))";
constexpr char kNextTransaction[] =
    "SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())";

class Session {
 public:
  explicit Session(const std::string& uri) : conn_(PQconnectdb(uri.c_str())) {
    if (PQstatus(conn_) != CONNECTION_OK) support::Fail(PQerrorMessage(conn_));
    PQsetNoticeProcessor(
        conn_, [](void*, const char*) {}, nullptr);
  }
  ~Session() { PQfinish(conn_); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  bool alive() const { return PQstatus(conn_) == CONNECTION_OK; }
  // Whether the server has taken it.
  bool Run(const std::string& sql) {
    PGresult* const result = PQexec(conn_, sql.c_str());
    const ExecStatusType status = PQresultStatus(result);
    PQclear(result);
    if (status == PGRES_COPY_IN) PQputCopyEnd(conn_, "not now");
    while (PGresult* const more = PQgetResult(conn_)) PQclear(more);
    if (PQtransactionStatus(conn_) != PQTRANS_IDLE) PQclear(PQexec(conn_, "ROLLBACK"));
    return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_EMPTY_QUERY;
  }
  std::string Ask(const char* sql) {
    PGresult* const result = PQexec(conn_, sql);
    const std::string value = PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "";
    PQclear(result);
    return value;
  }

 private:
  PGconn* const conn_;
};

// ---- the comparison -------------------------------------------------------------------------------

std::string Shown(std::string_view sql) {
  std::string shown;
  for (const char c : sql) {
    char text[8];
    if (c >= 0x20 && c <= 0x7e && c != '\\') {
      shown += c;
      continue;
    }
    std::snprintf(text, sizeof text, "\\x%02x", static_cast<unsigned char>(c));
    shown += text;
  }
  return shown;
}

class Comparison {
 public:
  explicit Comparison(support::PostgresServer& server)
      : session_(server.Uri("", "postgres")),
        clean_(session_.Ask(kState)),
        next_(session_.Ask(kNextTransaction)) {}

  bool alive() const { return session_.alive(); }
  void Try(const std::string& sql) {
    const postgres::SqlTraits traits = postgres::ReadTraits(sql);
    ++tried_;
    taken_ += session_.Run(sql) ? 1 : 0;
    const std::string next = session_.Ask(kNextTransaction);
    const std::string state = session_.Ask(kState);
    const bool wrote = next != next_;
    const bool changed = state != clean_;
    wrote_ += wrote ? 1 : 0;
    changed_ += changed ? 1 : 0;
    if (wrote && traits.reads) Tell("a write that is taken for a read", sql, "");
    if (changed && !traits.taints) Tell("session state that is not seen", sql, state);
    if (traits.taints && !changed) ++doubted_;
    next_ = changed ? CleanUp(sql) : next;
  }
  // True: nothing was wrong, and enough was looked at for that to mean something.
  bool Sum() const {
    std::printf(
        "%llu texts, %llu taken by the server; %llu changed the session, %llu wrote; %llu "
        "tainted in doubt; %zu findings\n",
        tried_, taken_, changed_, wrote_, doubted_, findings_);
    return findings_ == 0 && (tried_ < 1000 || (changed_ > tried_ / 100 && wrote_ > tried_ / 100));
  }

 private:
  // The next transaction after it.
  std::string CleanUp(const std::string& sql) {
    session_.Run("DISCARD ALL");
    const std::string state = session_.Ask(kState);
    if (state != clean_) support::Fail(Shown(sql) + " cannot be undone: " + state);
    return session_.Ask(kNextTransaction);
  }
  void Tell(const char* what, const std::string& sql, const std::string& state) {
    ++findings_;
    if (findings_ <= 40) {
      std::printf("%s: %s\n    %s\n", what, Shown(sql).c_str(), Shown(state).c_str());
      std::fflush(stdout);
    }
  }

  Session session_;
  const std::string clean_;
  std::string next_;
  unsigned long long tried_ = 0;
  unsigned long long taken_ = 0;
  unsigned long long changed_ = 0;
  unsigned long long wrote_ = 0;
  unsigned long long doubted_ = 0;
  size_t findings_ = 0;
};

int Main(int count, char** words) {
  int64_t seconds = 10;
  uint64_t texts = std::numeric_limits<uint64_t>::max();
  uint64_t seed = std::random_device{}();
  for (int i = 1; i + 1 < count; i += 2) {
    if (std::strcmp(words[i], "--seconds") == 0) seconds = std::atoll(words[i + 1]);
    if (std::strcmp(words[i], "--texts") == 0) texts = std::strtoull(words[i + 1], nullptr, 10);
    if (std::strcmp(words[i], "--seed") == 0) seed = std::strtoull(words[i + 1], nullptr, 10);
  }
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  support::PostgresServer server({.settings = {"autovacuum = off", "statement_timeout = 2s"},
                                  .script = "CREATE TABLE log(t text)"});
  Comparison comparison(server);
  Maker maker(seed);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  for (uint64_t i = 0; i < texts && comparison.alive(); ++i) {
    if (std::chrono::steady_clock::now() >= end) break;
    comparison.Try(maker.Make());
  }
  const bool good = comparison.Sum();
  if (!comparison.alive()) std::printf("the server ended the session\n");
  return good && comparison.alive() ? 0 : 1;
}

}  // namespace
}  // namespace roost::fuzz

int main(int count, char** words) { return roost::fuzz::Main(count, words); }
