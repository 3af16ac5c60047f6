// What is read off a SQL text before it is sent.
#include "backends/postgres/sql_traits.h"

#include <string>

#include "gtest/gtest.h"

namespace roost::postgres {
namespace {

TEST(SqlTraitsTest, WhatOnlyReadsIsKnown) {
  for (const std::string_view sql :
       {"SELECT 1", "select a from t", "  -- comment\n/* and /* nested */ */ SELECT 'insert'",
        "VALUES (1)", "TABLE t", "SHOW server_version", "SELECT \"into\" FROM t; SELECT 2",
        "WITH x AS (SELECT 1) SELECT * FROM x", "SELECT 'it''s; delete' FROM t", "",
        "(SELECT 1)"}) {
    EXPECT_TRUE(ReadTraits(sql).reads) << sql;
  }
}

TEST(SqlTraitsTest, WhatMayWriteIsNotTakenForReading) {
  for (const std::string_view sql :
       {"INSERT INTO t VALUES (1)", "UPDATE t SET a = 1", "delete from t", "SELECT 1 INTO t",
        "WITH x AS (INSERT INTO t VALUES (1) RETURNING a) SELECT * FROM x",
        "SELECT 1; DROP TABLE t", "COMMIT", "CALL p()", "DO $$ BEGIN END $$", "COPY t FROM STDIN",
        "CREATE TABLE t()", "SELECT a FROM t FOR UPDATE", "EXPLAIN ANALYZE DELETE FROM t"}) {
    EXPECT_FALSE(ReadTraits(sql).reads) << sql;
  }
}

TEST(SqlTraitsTest, SessionStateIsSeen) {
  for (const std::string_view sql : {"SET search_path = x",
                                     "set session timezone = 'UTC'",
                                     "SELECT 1; SET x.y = 1",
                                     "/* why */ SET x.y = 1",
                                     "-- SET LOCAL\nSET a = 1",
                                     "LISTEN door",
                                     "RESET ALL",
                                     "PREPARE p AS SELECT 1",
                                     "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
                                     "LOAD 'x'",
                                     "DISCARD TEMP",
                                     "CREATE TEMP TABLE t()",
                                     "CREATE TEMPORARY TABLE t AS SELECT 1",
                                     "create local temp table t()",
                                     "CREATE OR REPLACE TEMP VIEW v AS SELECT 1",
                                     "SELECT 1 INTO TEMP t",
                                     "SELECT set_config('a.b', 'c', false)",
                                     "SELECT pg_advisory_lock(1)",
                                     "SELECT pg_try_advisory_lock_shared(1, 2)",
                                     "DO $$ BEGIN SET x.y = 1; END $$",
                                     "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
                                     "SELECT 'an unclosed quote; SET a = 1; SET b = 2"}) {
    EXPECT_TRUE(ReadTraits(sql).taints) << sql;
  }
}

TEST(SqlTraitsTest, WhatBoundsATransactionIsKnown) {
  for (const std::string_view sql :
       {"COMMIT", "commit work", "END", "END TRANSACTION AND CHAIN", "ROLLBACK", "ABORT",
        "ROLLBACK WORK AND CHAIN", "BEGIN", "START TRANSACTION", "PREPARE TRANSACTION 'x'",
        "COMMIT PREPARED 'x'", "SELECT 1; /* why */ COMMIT", "-- END\nEND", "SELECT 'no end",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END; END"}) {
    EXPECT_TRUE(ReadTraits(sql).bounds_transaction) << sql;
  }
  for (const std::string_view sql :
       {"SELECT 1", "SAVEPOINT a", "ROLLBACK TO a", "ROLLBACK WORK TO SAVEPOINT a", "RELEASE a",
        "SELECT 'COMMIT; COMMIT'", "PREPARE p AS SELECT 1", "SET TRANSACTION READ ONLY", "",
        "SELECT CASE WHEN a THEN b END FROM t", "DO $$ BEGIN COMMIT; END $$",
        "UPDATE t SET begin = 1",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN a THEN 1 END; SELECT 2; "
        "END"}) {
    EXPECT_FALSE(ReadTraits(sql).bounds_transaction) << sql;
  }
}

TEST(SqlTraitsTest, NoLiteralHidesWhatFollowsIt) {
  for (const std::string_view before : {"SELECT E'it\\'s'",
                                        "SELECT e'a'\n'\\''",
                                        "SELECT E'a' -- b\n'\\''",
                                        "SELECT $$it's$$",
                                        "SELECT $a$ $$ ' $a$",
                                        "SELECT $_1$'$_1$",
                                        "SELECT 1$$'$$",
                                        "SELECT 1e5$$'$$",
                                        "SELECT $1$$'$$",
                                        "SELECT \"it's\"",
                                        "SELECT \"a\"\"'\"",
                                        "SELECT U&'\\0027'",
                                        "SELECT 1 /* ' /* \" */ $$ */",
                                        "SELECT 1 -- it's\n",
                                        "SELECT 1 -- it's\r",
                                        "SELECT '\\'",
                                        "SELECT 'a'\n'it''s'",
                                        "SELECT b'1', x'f', n'it''s'",
                                        "SELECT a$$b",
                                        "SELECT '/*', '--', '$$'",
                                        "SELECT 1 +--'\n 2",
                                        "SELECT 1 */* ' */ 2"}) {
    const std::string sets = std::string(before) + "; SET a.b = 1";
    EXPECT_TRUE(ReadTraits(sets).taints) << sets;
    const std::string writes = "WITH x AS (" + std::string(before) +
                               "\n), y AS (INSERT INTO t VALUES (1) RETURNING 1) SELECT";
    EXPECT_FALSE(ReadTraits(writes).reads) << writes;
    EXPECT_TRUE(ReadTraits(before).reads) << before;
    EXPECT_FALSE(ReadTraits(before).taints) << before;
  }
}

TEST(SqlTraitsTest, SessionStateIsSeenWithoutTheWordThatUsuallyMakesIt) {
  for (const std::string_view sql :
       {"UPDATE pg_settings SET setting = '1' WHERE name = 'work_mem'",
        "UPDATE pg_catalog.\"pg_settings\" SET setting = '1'",
        "WITH x AS (UPDATE pg_settings SET setting = '1' RETURNING 1) SELECT * FROM x",
        "DO $$ BEGIN EXECUTE 'SE' || 'T a.b = 1'; END $$",
        "DO 'BEGIN SET a.b = 1; END'",
        "CALL p()",
        "EXECUTE p",
        "CREATE TABLE pg_temp.t()",
        "CREATE TABLE PG_TEMP . t()",
        "CREATE TABLE \"pg_temp\".t()",
        "CREATE VIEW pg_temp_3.v AS SELECT 1",
        "CREATE TABLE U&\"pg\\005ftemp\".t()",
        "SELECT 1 INTO pg_temp.t",
        "BEGIN; SET LOCAL search_path = pg_temp; CREATE TABLE t()",
        "SET LOCAL search_path = 'pg_temp', public",
        "SET LOCAL search_path = E'pg\\137temp'",
        "SET LOCAL search_path = 'pg_'\n'temp'",
        "SELECT \"set_config\"('a.b', 'c', false)",
        "SELECT U&\"set\\005fconfig\"('a.b', 'c', false)",
        "SELECT \"pg_advisory_lock\"(1)",
        "INSERT INTO t SELECT set_config('a.b', 'c', false)",
        "EXPLAIN ANALYZE SELECT pg_advisory_lock(1)",
        "SELECT query_to_xml('SELECT set_config(1)', true, true, '')",
        "SET local.a = 1",
        "SET constraints.a TO 1",
        "SET",
        "SET \"local\" = 1",

        "SELECT 1 /* open",
        "SELECT \"open",
        "SELECT $a$open",
        "SELECT 0x1f$$"}) {
    EXPECT_TRUE(ReadTraits(sql).taints) << sql;
  }
}

// A session that is taken for changed costs a DISCARD ALL, and is refused behind a transaction
// pooler.
TEST(SqlTraitsTest, UsualStatementsOfApplicationsAreLeftAlone) {
  for (const std::string_view sql :
       {"SELECT id, name FROM users WHERE email = $1 LIMIT 1",
        "SELECT u.* FROM users u LEFT JOIN orders o ON o.user_id = u.id ORDER BY u.name DESC",
        "SELECT count(*) FILTER (WHERE level > 3), date_trunc('day', at) FROM log GROUP BY 2",
        "SELECT * FROM job WHERE state = 'new' ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 10",
        "SELECT a FROM t WHERE name LIKE $1 ESCAPE '\\'",
        "SELECT a FROM t WHERE name LIKE $1 ESCAPE '\\' OR title LIKE $2 ESCAPE '\\'",
        "SELECT data->>'reset', data @> '{\"set\": 1}' FROM t WHERE tags && ARRAY['a']",
        "SELECT * FROM t WHERE path ~ E'^\\\\d+$' AND file = 'C:\\temp\\x'",
        "SELECT name, setting FROM pg_settings WHERE name = 'work_mem'",
        "SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg_temp%'",
        "SELECT current_setting('TimeZone'), pg_is_in_recovery(), now() AT TIME ZONE 'UTC'",
        "SELECT pg_try_advisory_xact_lock(hashtext('job'))",
        "SELECT nextval('t_id_seq')",
        "SELECT replace(temp, 'a', 'b'), \"set\", \"temp\" FROM reading",
        "WITH recent AS (SELECT * FROM t WHERE at > now() - interval '1 day') SELECT * FROM recent",
        "WITH gone AS (DELETE FROM q RETURNING *) INSERT INTO done SELECT * FROM gone",
        "INSERT INTO t (a, b) VALUES ($1, $2) RETURNING id",
        "INSERT INTO t(a) SELECT unnest($1::int[]) ON CONFLICT DO NOTHING",
        "INSERT INTO t VALUES ($1) ON CONFLICT (a) DO UPDATE SET a = excluded.a, temp = 1",
        "UPDATE t SET a = $1, reset = true, load = load + 1 WHERE id = $2",
        "DELETE FROM t USING u WHERE t.id = u.id",
        "TRUNCATE t RESTART IDENTITY CASCADE",
        "MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN UPDATE SET a = s.a",
        "COPY t (a, b) FROM STDIN WITH (FORMAT csv)",
        "EXPLAIN (ANALYZE, BUFFERS) SELECT 1",
        "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT 1; COMMIT",
        "SAVEPOINT a",
        "ROLLBACK TO a",
        "SET LOCAL statement_timeout = '5s'",
        "SET LOCAL ROLE app",
        "SET TRANSACTION READ ONLY",
        "LOCK TABLE t IN SHARE MODE",
        "NOTIFY door, 'it''s'",
        "SELECT pg_notify('door', $1)",
        "CREATE TABLE IF NOT EXISTS t (id bigserial PRIMARY KEY, temp float8 DEFAULT 0)",
        "CREATE UNIQUE INDEX CONCURRENTLY i ON t (lower(a)) WHERE temp IS NOT NULL",
        "CREATE OR REPLACE VIEW v AS SELECT * FROM t",
        "DROP TABLE IF EXISTS t CASCADE",
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS "
        "$$ BEGIN SET LOCAL a.b = 'it''s'; RETURN new; END $$",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; RETURN 2; END",
        "ALTER TABLE t ADD COLUMN a int NOT NULL DEFAULT 1",
        "ALTER ROLE app SET work_mem = '8MB'",
        "GRANT SELECT ON t TO app",
        "COMMENT ON TABLE t IS 'SET a = 1; LISTEN b'",
        "VACUUM (ANALYZE) t",
        "ANALYZE t",
        "REFRESH MATERIALIZED VIEW CONCURRENTLY m",
        "/* app:roost */ SELECT 1 -- it's; SET a = 1",
        "VALUES (1), (2);",
        "SHOW server_version"}) {
    EXPECT_FALSE(ReadTraits(sql).taints) << sql;
  }
}

TEST(SqlTraitsTest, ATextWithoutAStatementIsTold) {
  for (const std::string_view sql : {"", " ", "-- nothing", "/* x */", " ;; ", ";/* ; */ -- ;"}) {
    EXPECT_TRUE(ReadTraits(sql).empty) << sql;
  }
  for (const std::string_view sql : {"SELECT", ";; SELECT 1", "$1", "/*", "'", "(SELECT 1)"}) {
    EXPECT_FALSE(ReadTraits(sql).empty) << sql;
  }
}

TEST(SqlTraitsTest, WhatEndsWithItsTransactionOrOnlyLooksLikeStateIsLeftAlone) {
  for (const std::string_view sql :
       {"SET LOCAL search_path = x", "set transaction read only", "SET CONSTRAINTS ALL DEFERRED",
        "BEGIN; SET LOCAL a.b = 1; COMMIT", "UPDATE t SET a = 1",
        "ALTER TABLE t ALTER a SET NOT NULL",
        "INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 2", "SELECT temp FROM reading",
        "INSERT INTO temp VALUES (1)", "CREATE TABLE reading(temp float8, temporary bool)",
        "SELECT 'CREATE TEMP TABLE'", "SELECT pg_advisory_xact_lock(1)",
        "SELECT pg_try_advisory_xact_lock(1)", "NOTIFY door", "UNLISTEN *",
        "SELECT 1 -- ; SET a = 1", "SELECT 1 /* ; LISTEN x */", "SELECT set FROM t"}) {
    EXPECT_FALSE(ReadTraits(sql).taints) << sql;
  }
}

TEST(SqlTraitsTest, TextThatEndsAnywhereIsRead) {
  const std::string_view sql = "/* x */ SELECT 'a' \"b\" $1 -- c\n; SET LOCAL d = $$e$$";
  for (size_t size = 0; size <= sql.size(); ++size) ReadTraits(sql.substr(0, size));
}

TEST(ScriptPlaceTest, TheStatementAfterThoseThatAreDone) {
  const std::string_view script =
      "SELECT 1;; ;\n"
      "CREATE RULE r AS ON INSERT TO t DO ALSO (SELECT 1; SELECT 2);\n"
      "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; "
      "END;\n"
      "DO $$ BEGIN; END $$; -- one; more\n"
      "/* ; */ (SELECT ';' AS \"a;b\");\n"
      "LAST";
  const auto statement = [&](size_t done) { return PlaceIn(script, done, 0).statement; };
  EXPECT_EQ(statement(0), "SELECT 1");
  EXPECT_EQ(statement(1), "CREATE RULE r AS ON INSERT TO t DO ALSO (SELECT 1; SELECT 2)");
  EXPECT_TRUE(statement(2).starts_with("CREATE FUNCTION") && statement(2).ends_with("END"));
  EXPECT_EQ(statement(3), "DO $$ BEGIN; END $$");
  EXPECT_EQ(statement(4), "(SELECT ';' AS \"a;b\")");
  EXPECT_EQ(statement(5), "LAST");
  EXPECT_EQ(statement(6), "LAST");
  EXPECT_EQ(script.substr(PlaceIn(script, 5, 0).at), "LAST");
}

TEST(ScriptPlaceTest, WhereTheServerHasNamedACharacter) {
  const std::string_view script = "SELECT 'ä';\nSELECT 'ö', x;\nSELECT 3";
  const size_t position = std::string_view("SELECT 'a';\nSELECT 'o', ").size() + 1;
  const ScriptPlace place = PlaceIn(script, 0, position);
  EXPECT_EQ(place.statement, "SELECT 'ö', x");
  EXPECT_EQ(script[place.at], 'x');
  EXPECT_EQ(PlaceIn(script, 0, 1).statement, "SELECT 'ä'");
  EXPECT_EQ(PlaceIn(script, 0, 999).statement, "SELECT 3");
  EXPECT_EQ(PlaceIn(script, 0, 999).at, script.size());
}

TEST(ScriptPlaceTest, OfNothing) {
  EXPECT_EQ(PlaceIn("", 0, 0).at, 0u);
  EXPECT_EQ(PlaceIn(" ; -- nothing", 3, 7).statement, "");
  EXPECT_EQ(PlaceIn("SELECT 'open", 0, 8).statement, "SELECT 'open");
}

}  // namespace
}  // namespace roost::postgres
