// Numbered scripts: each is run once in the life of a database, whole, whoever else is about.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "tests/sqlite/sqlite_test_support.h"

namespace roost::sqlite {
namespace {

namespace fs = std::filesystem;

constexpr Migration kFirst[] = {{1, "CREATE TABLE t(a INTEGER PRIMARY KEY, b)"}};
constexpr Migration kSecond[] = {
    kFirst[0], {2, "ALTER TABLE t ADD COLUMN c DEFAULT 7; INSERT INTO t(b) VALUES (1);"}};
constexpr Migration kFifth[] = {kSecond[0], kSecond[1], {5, "CREATE INDEX of_b ON t(b)"}};

class MigrateTest : public SqliteTest {
 protected:
  SqliteOptions With(std::span<const Migration> migrations) const {
    return {.path = path(), .migrations = migrations};
  }
  absl::Status Open(const SqliteOptions& options, Deadline deadline = Deadline::Never()) {
    SqliteBackend backend(options);
    return HeldConnection(backend, platform_, Role::kWriter, 8, deadline).status();
  }
  std::string AskFile(const std::string& sql) { return Ask(Foreign(path()).get(), sql); }
  std::string Version() { return AskFile("PRAGMA user_version"); }
  // Neither a table nor the number of the one that failed is there.
  void ExpectFails(std::string_view script, const std::string& sentence) {
    const Migration migrations[] = {kFirst[0], {2, script}};
    const absl::Status status = Open(With(migrations));
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr(path()), HasSubstr(sentence)));
    EXPECT_EQ(Version(), "1") << script;
    EXPECT_EQ(AskFile("SELECT count(*) FROM sqlite_schema"), "1") << script;
    EXPECT_EQ(AskFile("SELECT count(*) FROM t"), "0") << script;
  }
};

TEST_F(MigrateTest, EachIsRunOnceAndInOrder) {
  ASSERT_OK(Open(With(kFirst)));
  EXPECT_EQ(Version(), "1");
  for (int again = 0; again < 2; ++again) {
    ASSERT_OK(Open(With(kFifth)));
    EXPECT_EQ(Version(), "5");
    EXPECT_EQ(AskFile("SELECT count(*) || c FROM t"), "17") << "one row, by the second";
    EXPECT_EQ(AskFile("SELECT count(*) FROM sqlite_schema WHERE name = 'of_b'"), "1");
  }
}

TEST_F(MigrateTest, ANewDatabaseGetsThemAllAlsoOneInMemory) {
  ASSERT_OK(Open(With(kFifth)));
  EXPECT_EQ(Version(), "5");
  SqliteOptions options = With(kFifth);
  options.path = ":memory:";
  SqliteBackend backend(options);
  HeldConnection writer(backend, platform_, Role::kWriter);
  ASSERT_OK(writer.status());
  EXPECT_EQ(AskInt(*writer, Sql("PRAGMA user_version")), 5);
}

TEST_F(MigrateTest, ADatabaseThatIsBegunAnewGetsThemAgain) {
  SqliteBackend backend(With(kSecond));
  { ASSERT_OK(HeldConnection(backend, platform_, Role::kWriter).status()); }
  fs::remove(path());
  HeldConnection writer(backend, platform_, Role::kWriter);
  ASSERT_OK(writer.status());
  EXPECT_EQ(AskInt(*writer, kCount), 1);
}

TEST_F(MigrateTest, ALaterDatabaseIsRefusedAndLeftAlone) {
  ASSERT_OK(Open(With(kFifth)));
  const absl::Status status = Open(With(kSecond));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(
      std::string(status.message()),
      AllOf(HasSubstr("of a later version"), HasSubstr("is 5"), HasSubstr("known here is 2")));
  EXPECT_EQ(Version(), "5");
}

// Of a branch that gave out another number, or from before the list began.
TEST_F(MigrateTest, ANumberThatIsNotInTheListIsRefused) {
  ASSERT_OK(Open(With(kFirst)));
  Foreign(path()).Run("PRAGMA user_version=4");
  const absl::Status status = Open(With(kFifth));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("has user_version 4, and no migration has that "
                        "number (1, 2, 5)"));
  EXPECT_EQ(Version(), "4");
}

TEST_F(MigrateTest, AListThatIsOutOfOrderIsRefused) {
  constexpr Migration kTwice[] = {{1, ""}, {1, ""}};
  constexpr Migration kBack[] = {{2, ""}, {1, ""}};
  constexpr Migration kZero[] = {{0, ""}};
  for (const std::span<const Migration> wrong : {std::span(kTwice), std::span(kBack)}) {
    EXPECT_THAT(std::string(Open(With(wrong)).message()), HasSubstr("greater than the one before"));
  }
  EXPECT_THAT(std::string(Open(With(kZero)).message()), HasSubstr("0 comes after 0"));
  SqliteOptions options = With(kFirst);
  options.schema = kSchema;
  EXPECT_THAT(std::string(Open(options).message()), HasSubstr("leave schema out"));
  options = With(kFirst);
  options.user_version = 1;
  EXPECT_THAT(std::string(Open(options).message()), HasSubstr("leave user_version out"));
  options = With(kFirst);
  options.read_only = true;
  EXPECT_THAT(std::string(Open(options).message()), HasSubstr("read_only"));
  EXPECT_FALSE(fs::exists(path())) << "looked at before anything is made";
}

TEST_F(MigrateTest, OneThatFailsIsUndoneAndNamedWithItsLine) {
  ExpectFails("CREATE TABLE u(a);\n-- a word\nINSERT INTO t(b) VALUES (1);\n\nFOO bar;",
              "migration 2, line 5: near \"FOO\": syntax error");
  ExpectFails("CREATE TABLE u(a,\n  b,\n  );;\n", "migration 2, line 3: near \")\"");
  ExpectFails("INSERT INTO t VALUES (1, 1);\n/* two\nlines */ INSERT INTO t VALUES (1, 2);",
              "migration 2, line 3: UNIQUE constraint failed");
  ExpectFails("\n\nINSERT INTO t VALUES\n  (1,\n  missing)", "migration 2, line 5: no such column");
  ExpectFails("CREATE TABLE u(a);\n-- \x1b[2J\n/* why */ INSERT INTO t VALUES (1,\n 1), (1, 2)",
              "\"INSERT INTO t VALUES (1,  1), (1, 2)\" on ");
}

TEST_F(MigrateTest, OneMayNotEndItsTransactionOrSetItsNumber) {
  const std::string ends = "line 2: it is run in one transaction already: leave BEGIN, COMMIT";
  for (const char* sql : {"COMMIT", "END", "ROLLBACK", "BEGIN"}) {
    ExpectFails(std::string("CREATE TABLE u(a);\n") + sql, ends);
  }
  ExpectFails("CREATE TABLE u(a);\nPRAGMA user_version=9", "line 2: it marks whose database");
  ExpectFails("CREATE TABLE u(a);\nATTACH 'x.db' AS x", "line 2: ATTACH, DETACH and VACUUM");
  ExpectFails("CREATE TABLE u(a);\nPRAGMA foreign_keys=OFF",
              "line 2: SQLite ignores it in a transaction");
  ExpectFails("CREATE TABLE u(a);\nINSERT OR ROLLBACK INTO t VALUES (1, 1), (1, 2)",
              "line 2: UNIQUE constraint failed");
}

TEST_F(MigrateTest, OneThatMakesATableAnewKeepsItsChildren) {
  constexpr Migration kFamily[] = {
      {1,
       "CREATE TABLE parent(id INTEGER PRIMARY KEY, n);"
       "CREATE TABLE child(id INTEGER PRIMARY KEY, parent REFERENCES parent(id) ON DELETE CASCADE);"
       "INSERT INTO parent VALUES (1, 'a'); INSERT INTO child VALUES (5, 1), (6, 1)"},
      {2,
       "CREATE TABLE made(id INTEGER PRIMARY KEY, n NOT NULL); INSERT INTO made SELECT * FROM "
       "parent;"
       "DROP TABLE parent; ALTER TABLE made RENAME TO parent"}};
  SqliteBackend backend(With(kFamily));
  HeldConnection writer(backend, platform_, Role::kWriter);
  ASSERT_OK(writer.status());
  EXPECT_EQ(AskInt(*writer, Sql("SELECT count(*) FROM child")), 2);
  EXPECT_EQ(AskInt(*writer, Sql("SELECT * FROM pragma_foreign_keys")), 1) << "on again";
  ASSERT_OK(writer->RunScript("DELETE FROM parent"));
  EXPECT_EQ(AskInt(*writer, Sql("SELECT count(*) FROM child")), 0);
}

TEST_F(MigrateTest, OneThatLeavesAChildWithoutItsParentIsUndone) {
  constexpr Migration kFamily[] = {
      {1,
       "CREATE TABLE parent(id INTEGER PRIMARY KEY);"
       "CREATE TABLE child(id INTEGER PRIMARY KEY, parent REFERENCES parent(id));"
       "INSERT INTO parent VALUES (1); INSERT INTO child VALUES (5, 1)"},
      {2, "DELETE FROM parent"}};
  const absl::Status status = Open(With(kFamily));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(
      std::string(status.message()),
      HasSubstr("migration 2: it would leave row 5 of \"child\" without its row of \"parent\""));
  EXPECT_EQ(Version(), "1");
  EXPECT_EQ(AskFile("SELECT count(*) FROM parent"), "1");
}

TEST_F(MigrateTest, SqlReadsTheNumberAndSetsItNot) {
  SqliteBackend backend(With(kFirst));
  HeldConnection writer(backend, platform_, Role::kWriter);
  ASSERT_OK(writer.status());
  EXPECT_EQ(AskInt(*writer, Sql("PRAGMA user_version")), 1);
  const absl::Status status = writer->RunScript("PRAGMA user_version=7");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_EQ(Version(), "1");
}

TEST_F(MigrateTest, AnotherProgramsDatabaseIsLeftAlone) {
  Foreign(path()).Run("PRAGMA application_id=7; CREATE TABLE states(a)");
  SqliteOptions options = With(kFirst);
  options.application_id = 0x11223344;
  EXPECT_THAT(std::string(Open(options).message()), HasSubstr("another program's database"));
  EXPECT_EQ(AskFile("SELECT group_concat(name) FROM sqlite_schema"), "states");
  fs::remove(path());
  ASSERT_OK(Open(options));
  EXPECT_EQ(AskFile("PRAGMA application_id"), std::to_string(0x11223344));
}

// ---- others, and the end of the process ---------------------------------------------------------

// It reads the number, waits for the lock, and the other has done the work when it has it.
TEST_F(MigrateTest, OneThatAnotherProcessDidMeanwhileIsNotRunAgain) {
  ASSERT_OK(Open(With(kFirst)));
  Foreign other(path());
  other.Run(
      "BEGIN IMMEDIATE; ALTER TABLE t ADD COLUMN c DEFAULT 7; INSERT INTO t(b) VALUES (1);"
      "PRAGMA user_version=2");
  platform_.WhileWaiting([&] { other.Run("COMMIT"); });
  ASSERT_OK(Open(With(kFifth), In(1s)));
  EXPECT_EQ(Version(), "5");
  EXPECT_EQ(AskFile("SELECT count(*) FROM t"), "1");
}

TEST_F(MigrateTest, ALaterVersionThatComesInBetweenIsSeen) {
  ASSERT_OK(Open(With(kFirst)));
  Foreign other(path());
  other.Run("BEGIN IMMEDIATE; PRAGMA user_version=9");
  platform_.WhileWaiting([&] { other.Run("COMMIT"); });
  EXPECT_THAT(std::string(Open(With(kSecond), In(1s)).message()), HasSubstr("of a later version"));
  EXPECT_EQ(Version(), "9");
  EXPECT_EQ(AskFile("SELECT count(*) FROM t"), "0");
}

TEST_F(MigrateTest, ManyProcessesAtOnceAllOpen) {
  for (int round = 0; round < 5; ++round) {
    std::vector<pid_t> children;
    for (int i = 0; i < 4; ++i) {
      children.push_back(::fork());
      if (children.back() == 0) {
        SqliteBackend backend(With(kFifth));
        const HeldConnection writer(backend, NativePlatform(), Role::kWriter);
        if (!writer.ok()) std::fprintf(stderr, "%s\n", writer.status().ToString().c_str());
        ::_exit(writer.ok() ? 0 : 1);
      }
    }
    for (const pid_t child : children) {
      int status = 0;
      ASSERT_EQ(::waitpid(child, &status, 0), child);
      EXPECT_EQ(status, 0);
    }
    EXPECT_EQ(AskFile("SELECT count(*) FROM t"), "1");
    fs::remove(path());
  }
}

// A machine that loses its process in the middle of the second migration.
class DyingPlatform : public FakePlatform {
 public:
  TimePoint Now() override {
    if (++looks_ > 200) ::kill(::getpid(), SIGKILL);
    return FakePlatform::Now();
  }

 private:
  int looks_ = 0;
};

TEST_F(MigrateTest, AKilledProcessLeavesTheOneBefore) {
  constexpr Migration kLong[] = {kFirst[0],
                                 {2,
                                  "CREATE TABLE u(a); INSERT INTO u WITH RECURSIVE c(n) AS (SELECT "
                                  "1 UNION ALL SELECT n + 1 FROM c "
                                  "WHERE n < 100000) SELECT n FROM c"}};
  const pid_t child = ::fork();
  if (child == 0) {
    DyingPlatform platform;
    SqliteBackend backend(With(kLong));
    const HeldConnection writer(backend, platform, Role::kWriter, 8,
                                Deadline::At(platform.FakePlatform::Now() + 1s));
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status)) << "it ended before it was killed";
  EXPECT_EQ(Version(), "1");
  EXPECT_EQ(AskFile("SELECT count(*) FROM sqlite_schema"), "1");
  ASSERT_OK(Open(With(kLong)));
  EXPECT_EQ(AskFile("SELECT count(*) FROM u"), "100000");
}

TEST_F(MigrateTest, OneThatRunsIntoTheDeadlineIsUndoneAndPrepareGivesItTime) {
  const std::string sql =
      "CREATE TABLE u(a); INSERT INTO u WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 "
      "FROM c "
      "WHERE n < 100000) SELECT n FROM c";
  const Migration migrations[] = {{1, sql}};
  TickingPlatform ticking;
  SqliteBackend backend(With(migrations));
  const auto in = [&](Duration span) { return Deadline::At(ticking.FakePlatform::Now() + span); };
  const absl::Status late = HeldConnection(backend, ticking, Role::kWriter, 8, in(100ms)).status();
  EXPECT_EQ(late.code(), absl::StatusCode::kDeadlineExceeded) << late;
  EXPECT_EQ(AskFile("SELECT count(*) FROM sqlite_schema"), "0");
  ASSERT_OK(backend.Prepare(ticking, in(3600s)));
  EXPECT_EQ(Version(), "1");
  EXPECT_OK(HeldConnection(backend, ticking, Role::kWriter, 8, in(100ms)).status());
}

}  // namespace
}  // namespace roost::sqlite
