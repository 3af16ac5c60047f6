// What is read off a SQL text before it is sent.
#include "backends/postgres/sql_traits.h"

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

}  // namespace
}  // namespace roost::postgres
