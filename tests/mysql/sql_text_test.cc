// $1 becomes ?, and text stays text; what a statement does, as far as its text tells.
#include "backends/mysql/sql_text.h"

#include <string>
#include <string_view>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace roost::mysql {
namespace {

using ::testing::ElementsAre;

std::string Translated(std::string_view sql, SqlMode mode = {}) {
  const absl::StatusOr<Translation> translation = Translate(sql, mode);
  return translation.ok() ? translation->text : "refused";
}

TEST(TranslateTest, PlaceholdersBecomeQuestionMarks) {
  const absl::StatusOr<Translation> translation = Translate("INSERT INTO t VALUES ($2,$1, $2)", {});
  ASSERT_TRUE(translation.ok()) << translation.status();
  EXPECT_EQ(translation->text, "INSERT INTO t VALUES (?,?, ?)");
  EXPECT_THAT(translation->places, ElementsAre(1, 0, 1));
  EXPECT_EQ(translation->parameters, 2);
  EXPECT_EQ(Translated("SELECT 1"), "SELECT 1");
  EXPECT_EQ(Translated("SELECT -$1+$2"), "SELECT -?+?");
  EXPECT_EQ(Translated(""), "");
}

// Of reports about mysqljs and exarrow: a placeholder inside of a string or a comment took a value.
TEST(TranslateTest, InsideOfTextTheyAreText) {
  for (const char* const sql :
       {"SELECT '$1'", "SELECT \"$1\"", "SELECT `$1` FROM t", "SELECT 1 # $1", "SELECT 1 -- $1",
        "SELECT 1 /* $1 */", "SELECT 'it''s $1'", "SELECT 'it\\'s $1'", "SELECT \"a\"\"$1\"",
        "SELECT `a``$1`", "SELECT 'a\\\\' , '$1'", "SELECT 1 --\n+1", "SELECT '?'", "SELECT 1 # ?",
        "SELECT /* ' */ 1", "SELECT 1 -- '", "SELECT @`$1`", "SELECT @'$1'"}) {
    EXPECT_EQ(Translated(sql), sql);
  }
}

// A comment needs a blank behind its dashes, does not nest, and ends with its line.
TEST(TranslateTest, WhatLooksLikeAComment) {
  EXPECT_EQ(Translated("SELECT 5--$1"), "SELECT 5--?");
  EXPECT_EQ(Translated("SELECT 5 --\t$1\n+$1"), "SELECT 5 --\t$1\n+?");
  EXPECT_EQ(Translated("SELECT /* /* */ $1"), "SELECT /* /* */ ?");
  EXPECT_EQ(Translated("SELECT 1 # $1\n+$1"), "SELECT 1 # $1\n+?");
}

// Names may have dollar signs, and begin with digits.
TEST(TranslateTest, NamesWithDollarSignsAreNames) {
  EXPECT_EQ(Translated("SELECT a$1, t.$1, _$1, 1a$1"), "SELECT a$1, t.$1, _$1, 1a$1");
  EXPECT_EQ(Translated("SELECT \xc3\xa4$1"), "SELECT \xc3\xa4$1");
  EXPECT_EQ(Translated("SELECT $1a, $x, $0, $01, $"), "SELECT $1a, $x, $0, $01, $");
  EXPECT_EQ(Translated("SELECT @$1, @@$1"), "SELECT @$1, @@$1");
}

// Of reports about react/mysql and DBD::mysql: the mode decides where a string ends.
TEST(TranslateTest, BackslashesEscapeUnlessTheModeSaysOtherwise) {
  const char* const sql = "SELECT 'a\\', $1, '";
  EXPECT_EQ(Translated(sql), sql);
  EXPECT_EQ(Translated("SELECT 'a\\', $1", {.backslash_escapes = false}), "SELECT 'a\\', ?");
}

// Of "a\", $1 and " nobody knows what they are without the session's ANSI_QUOTES.
TEST(TranslateTest, DoubleQuotesWithBackslashesAreRefusedWhereItMatters) {
  EXPECT_EQ(Translated("SELECT \"a\\\", $1, \""), "refused");
  EXPECT_EQ(Translated("SELECT \"a\\n\", $1"), "SELECT \"a\\n\", ?");
}

TEST(TranslateTest, WhatCannotBeBoundIsRefused) {
  EXPECT_EQ(Translated("SELECT ?"), "refused");
  EXPECT_EQ(Translated("SELECT $2"), "refused") << "$1 is left out";
  EXPECT_EQ(Translated("SELECT $256"), "refused");
  std::string many = "SELECT 0";
  for (int i = 0; i < 256; ++i) many += "+$1";
  EXPECT_EQ(Translated(many), "refused");
}

// The server runs what is in such a comment, if its version is as it says.
TEST(TranslateTest, CommentsThatAreExecutedAreRefused) {
  for (const char* const sql :
       {"SELECT /*! 1 */", "SELECT /*!50000 $1 */", "SELECT /*M! 1 */", "SELECT /*m!100 1 */"}) {
    EXPECT_EQ(Translated(sql), "refused") << sql;
  }
  EXPECT_EQ(Translated("SELECT /* ! */ 1"), "SELECT /* ! */ 1");
}

SqlTraits Traits(std::string_view sql) { return ReadTraits(sql, {}); }

TEST(TraitsTest, WhatOnlyReads) {
  for (const char* const sql : {"SELECT 1", "  (select 1)", "SHOW TABLES", "/* a */ VALUES (1)",
                                "WITH a AS (SELECT 1) SELECT * FROM a", "SELECT 'insert'"}) {
    EXPECT_TRUE(Traits(sql).reads) << sql;
    EXPECT_FALSE(Traits(sql).taints) << sql;
    EXPECT_FALSE(Traits(sql).bounds_transaction) << sql;
  }
  for (const char* const sql :
       {"INSERT INTO t VALUES (1)", "SELECT 1; DELETE FROM t", "SELECT 1 INTO OUTFILE 'x'",
        "WITH a AS (SELECT 1) UPDATE t SET b = 1", "CALL p()", "SELECT 'open"}) {
    EXPECT_FALSE(Traits(sql).reads) << sql;
  }
}

TEST(TraitsTest, WhatLeavesSomethingInTheSession) {
  for (const char* const sql :
       {"SET time_zone = 'SYSTEM'", "USE other", "CREATE TEMPORARY TABLE t(a int)",
        "SELECT GET_LOCK('a', 1)", "SELECT @a := 1", "SELECT 1 INTO @a",
        "PREPARE s FROM 'SELECT 1'", "CALL p()", "DO RELEASE_LOCK('a')", "LOCK TABLES t READ",
        "HANDLER t OPEN", "SELECT LAST_INSERT_ID(5)", "select 'open", "SELECT 1 /*! INTO @a */"}) {
    EXPECT_TRUE(Traits(sql).taints) << sql;
  }
  for (const char* const sql : {"SELECT @@version", "UPDATE t SET a = 1", "SELECT '@a'"}) {
    EXPECT_FALSE(Traits(sql).taints) << sql;
  }
}

// DDL commits what is open before it.
TEST(TraitsTest, WhatBeginsOrEndsATransaction) {
  for (const char* const sql :
       {"BEGIN", "start transaction", "COMMIT", "ROLLBACK", "ROLLBACK WORK", "/* why */ commit;",
        "CREATE TABLE t(a int)", "ALTER TABLE t ADD b int", "DROP TABLE t", "TRUNCATE t",
        "SELECT 1; COMMIT", "SET autocommit = 1", "SET @@session.autocommit = 1", "END",
        "LOCK TABLES t READ", "ANALYZE TABLE t", "SELECT 'open", "XA START 'a'"}) {
    EXPECT_TRUE(Traits(sql).bounds_transaction) << sql;
  }
  // Some are seen behind others, or by another spelling.
  for (const char* const sql :
       {"SET STATEMENT max_statement_time = 5 FOR COMMIT", "SET STATEMENT a = 1 FOR BEGIN",
        "set statement a = 1 for start transaction", "SET STATEMENT a = 1 FOR TRUNCATE t",
        "SET STATEMENT a = 1 FOR SET STATEMENT b = 2 FOR COMMIT",
        "SET STATEMENT a = SUBSTRING('abc' FROM 1 FOR 2) FOR COMMIT", "SET DEFAULT ROLE NONE",
        "SET STATEMENT a = 1 FOR SET DEFAULT ROLE NONE", "SET @@AUTOCOMMIT = 1",
        "SET `autocommit` = 1", "SET @@session.`AutoCommit` = 1", "CREATE TABLE t(temporary int)",
        "DROP TABLE a, temporary", "EXECUTE IMMEDIATE CONCAT('COM', 'MIT')", "EXECUTE s"}) {
    EXPECT_TRUE(Traits(sql).bounds_transaction) << sql;
  }
  for (const char* const sql :
       {"SAVEPOINT a", "ROLLBACK TO a", "ROLLBACK WORK TO SAVEPOINT a", "RELEASE SAVEPOINT a",
        "CREATE TEMPORARY TABLE t(a int)", "DROP TEMPORARY TABLE t", "SELECT 'commit'",
        "INSERT INTO t VALUES ('begin')", "SET time_zone = '+00:00'",
        "CREATE OR REPLACE TEMPORARY TABLE t(a int)", "SET sql_mode = DEFAULT",
        "SET STATEMENT a = 1 FOR SELECT 1", "SET STATEMENT a = 1 FOR ROLLBACK TO a",
        "SET ROLE NONE", "SET @a = 'autocommit'", "SELECT autocommit FROM t FOR UPDATE"}) {
    EXPECT_FALSE(Traits(sql).bounds_transaction) << sql;
  }
}

// What many rows are bound to at a time: a server's number of a row is then that of a RunAll.
TEST(TraitsTest, WhatInsertsOneRow) {
  for (const char* const sql :
       {"INSERT INTO t VALUES ($1, $2)", "replace into t(a) values ($1)",
        "INSERT INTO t SET a = $1",
        "INSERT INTO t(a, b) VALUES (f($1), 'select') ON DUPLICATE KEY UPDATE a = VALUES(a)",
        "/* a */ INSERT IGNORE INTO t VALUES ($1);"}) {
    EXPECT_TRUE(Traits(sql).inserts) << sql;
  }
  for (const char* const sql :
       {"INSERT INTO t VALUES ($1), ($2)", "INSERT INTO t SELECT $1", "UPDATE t SET a = $1",
        "INSERT INTO t VALUES ($1) RETURNING a",
        "INSERT INTO t VALUES ($1); INSERT INTO t VALUES ($2)",
        "INSERT INTO t VALUES ((SELECT 1), $1)", "INSERT INTO t VALUES ($1) , -- a\n ($2)",
        "SELECT 'insert'", "INSERT INTO t VALUES ('"}) {
    EXPECT_FALSE(Traits(sql).inserts) << sql;
  }
}

TEST(TraitsTest, NothingButBlanksAndComments) {
  for (const char* const sql : {"", " \n", "-- nothing", "# nothing\n", "/* a */ ; ;", ";"}) {
    EXPECT_TRUE(Traits(sql).empty) << sql;
  }
  EXPECT_FALSE(Traits("SELECT 1").empty);
  EXPECT_FALSE(Traits("/*! SELECT 1 */").empty);
}

TEST(ScriptTest, EmptyStatementsAreLeftOut) {
  EXPECT_EQ(WithoutEmptyStatements("SELECT 1;; SELECT 2;\n;\n", {}), "SELECT 1; SELECT 2");
  EXPECT_EQ(WithoutEmptyStatements(";SELECT ';;';-- a;b\n", {}), "SELECT ';;'");
  EXPECT_EQ(WithoutEmptyStatements("SELECT 1", {}), "SELECT 1");
  EXPECT_EQ(WithoutEmptyStatements("SELECT 'a;;", {}), "SELECT 'a;;");
}

TEST(ScriptTest, TheStatementAfterTheResultsThatCame) {
  const std::string_view script =
      "SELECT 1;;\nBEGIN;\n# one;\nINSERT INTO t VALUES (';');\nCOMMIT;\nCALL p();\nSELECT "
      "2;\nSELECT 3";
  const auto place = [&](size_t results) { return PlaceIn(script, results, {}); };
  EXPECT_EQ(place(0).statement, "SELECT 1");
  EXPECT_EQ(place(1).statement, "BEGIN");
  EXPECT_EQ(place(2).statement, "INSERT INTO t VALUES (';')");
  EXPECT_EQ(script.substr(place(2).at, 6), "INSERT");
  EXPECT_EQ(place(4).statement, "CALL p()");
  for (const size_t results : {0u, 1u, 2u, 3u, 4u}) EXPECT_TRUE(place(results).exact) << results;
  // How many results a procedure gives nobody knows.
  for (const size_t results : {5u, 6u, 9u}) {
    EXPECT_FALSE(place(results).exact) << results;
    EXPECT_EQ(place(results).statement, "CALL p()");
  }
}

TEST(ScriptTest, BehindABodyWithSemicolonsItIsThatLineOrALaterOne) {
  for (const std::string_view script :
       {"CREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2; END; SELECT 3",
        "BEGIN NOT ATOMIC SELECT 1; END",
        "CREATE OR REPLACE TRIGGER a BEFORE INSERT ON t FOR EACH ROW BEGIN SET @a = 1; END; SELECT "
        "1"}) {
    EXPECT_TRUE(PlaceIn(script, 0, {}).exact) << script;
    EXPECT_FALSE(PlaceIn(script, 1, {}).exact) << script;
    EXPECT_EQ(PlaceIn(script, 1, {}).at, 0u) << script;
  }
  EXPECT_TRUE(PlaceIn("BEGIN WORK; SELECT 1", 1, {}).exact);
  EXPECT_TRUE(PlaceIn("CREATE TABLE t(a int); SELECT 1", 1, {}).exact);
  EXPECT_EQ(PlaceIn("", 0, {}).statement, "");
}

}  // namespace
}  // namespace roost::mysql
