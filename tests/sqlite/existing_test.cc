// What is at the path already: another program's database, a damaged one.
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "roost/pool.h"
#include "tests/sqlite/sqlite_test_support.h"
#include "tests/support/connection_access.h"
#include "tests/support/spy_vfs.h"

namespace roost::sqlite {
namespace {

namespace fs = std::filesystem;

constexpr int32_t kId = 0x11223344;
constexpr Sql kAdd{"INSERT INTO t(b) VALUES ($1)"};

class ExistingTest : public SqliteTest {
 protected:
  SqliteOptions Ours() const {
    SqliteOptions options = Options();
    options.application_id = kId;
    options.user_version = 1;
    options.own_table = "t";
    options.when_damaged = WhenDamaged::kMoveAside;
    return options;
  }
  // A database of ours with so many rows, closed.
  void Make(int rows) {
    SqliteBackend backend(Ours());
    HeldConnection writer(backend, platform_, Role::kWriter);
    ASSERT_OK(writer.status());
    const std::string filler(500, 'x');
    for (int i = 0; i < rows; ++i) ASSERT_OK(writer->Run(kAdd, std::string_view(filler)));
  }
  void Overwrite(int64_t at, const std::string& bytes) {
    std::fstream file(path(), std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(at);
    file << bytes;
  }
  std::string Damaged(int number) { return path() + ".damaged-" + std::to_string(number); }
  absl::Status OpenStatus(const SqliteOptions& options) {
    SqliteBackend backend(options);
    return HeldConnection(backend, platform_, Role::kWriter).status();
  }
  std::string Bytes(const std::string& name) {
    std::ifstream file(name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void ExpectRefused(const std::string& sentence) {
    const std::string before = Bytes(path());
    const absl::Status status = OpenStatus(Ours());
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr(path()), HasSubstr(sentence)));
    EXPECT_EQ(Bytes(path()), before) << "nothing was written";
    EXPECT_FALSE(fs::exists(Damaged(1)));
  }
};

// ---- whose it is --------------------------------------------------------------------------------

// A device that is read as a damaged database would be renamed.
TEST_F(ExistingTest, WhatIsNoFileIsRefusedAndLeftAlone) {
  ASSERT_EQ(mkfifo(path().c_str(), 0600), 0);
  for (const WhenDamaged when : {WhenDamaged::kMoveAside, WhenDamaged::kRefuse}) {
    SqliteOptions options = Ours();
    options.when_damaged = when;
    SqliteBackend backend(options);
    const HeldConnection writer(backend, platform_, Role::kWriter);
    EXPECT_EQ(writer.status().code(), absl::StatusCode::kInvalidArgument) << writer.status();
    EXPECT_TRUE(fs::is_fifo(path()));
  }
  SqliteOptions options = Ours();
  options.path = "/dev/null";
  SqliteBackend backend(options);
  const HeldConnection writer(backend, platform_, Role::kReader);
  EXPECT_EQ(writer.status().code(), absl::StatusCode::kInvalidArgument) << writer.status();
}

TEST_F(ExistingTest, OurFilesAreMarked) {
  Make(1);
  Foreign file(path());
  EXPECT_EQ(Ask(file.get(), "PRAGMA application_id"), std::to_string(kId));
  EXPECT_EQ(Ask(file.get(), "PRAGMA user_version"), "1");
}

TEST_F(ExistingTest, SqlReadsTheMarksAndSetsNone) {
  {
    SqliteBackend backend(Ours());
    HeldConnection writer(backend, platform_, Role::kWriter);
    ASSERT_OK(writer.status());
    for (const char* sql :
         {"PRAGMA user_version=7", "PRAGMA application_id(5)", "PRAGMA main.user_version = 7"}) {
      const absl::Status status = writer->RunScript(sql);
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << sql << status;
      EXPECT_THAT(std::string(status.message()), HasSubstr("SqliteOptions::application_id"));
    }
    EXPECT_EQ(AskInt(*writer, Sql("PRAGMA user_version")), 1);
    EXPECT_EQ(AskInt(*writer, Sql("SELECT * FROM pragma_application_id")), kId);
  }
  SqliteOptions with_schema = Ours();
  with_schema.schema = "PRAGMA user_version=7";
  EXPECT_EQ(OpenStatus(with_schema).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_OK(OpenStatus(Ours()));
  SqliteBackend unmarked(Options());
  EXPECT_OK(HeldConnection(unmarked, platform_, Role::kWriter)->RunScript("PRAGMA user_version=7"));
}

TEST_F(ExistingTest, WithoutAnIdNothingIsLookedAtOrMarked) {
  { Foreign(path()).Run("PRAGMA application_id=7; PRAGMA user_version=9; CREATE TABLE states(a)"); }
  SqliteOptions options = Options();
  options.user_version = 1;
  ASSERT_OK(OpenStatus(options));
  Foreign file(path());
  EXPECT_EQ(Ask(file.get(), "PRAGMA application_id"), "7");
  EXPECT_EQ(Ask(file.get(), "PRAGMA user_version"), "9");
}

TEST_F(ExistingTest, AFileOfBeforeTheMarksIsTakenAndMarked) {
  { Foreign(path()).Run(std::string(kSchema) + "; INSERT INTO t(b) VALUES (1)"); }
  ASSERT_OK(OpenStatus(Ours()));
  Foreign file(path());
  EXPECT_EQ(Ask(file.get(), "PRAGMA application_id"), std::to_string(kId));
  EXPECT_EQ(Ask(file.get(), "SELECT count(*) FROM t"), "1");
}

// As SQLite compares the names of tables.
TEST_F(ExistingTest, OurTableIsKnownInAnyCase) {
  Foreign(path()).Run("CREATE TABLE \"Reading\"(a)");
  SqliteOptions options = Ours();
  options.own_table = "READING";
  EXPECT_OK(OpenStatus(options));
}

TEST_F(ExistingTest, AnotherProgramsDatabaseIsLeftAlone) {
  { Foreign(path()).Run("PRAGMA application_id=7; CREATE TABLE states(a)"); }
  ExpectRefused("another program's database: its application_id is 7");
}

TEST_F(ExistingTest, AnUnmarkedDatabaseWithoutOurTableIsLeftAlone) {
  { Foreign(path()).Run("CREATE TABLE states(a)"); }
  ExpectRefused("it has tables, and no \"t\" among them");
}

TEST_F(ExistingTest, ALaterVersionIsLeftAlone) {
  Make(1);
  { Foreign(path()).Run("PRAGMA user_version=2"); }
  ExpectRefused("of a later version of this program: its user_version is 2");
}

TEST_F(ExistingTest, AForeignLogIsNotCopied) {
  {
    Foreign other(dir_.File("other.db"));
    other.Run("PRAGMA journal_mode=WAL; PRAGMA application_id=7; CREATE TABLE states(a)");
    for (const char* end : {"", "-wal"}) fs::copy(dir_.File("other.db") + end, path() + end);
  }
  const std::string log = Bytes(path() + "-wal");
  ASSERT_FALSE(log.empty());
  ExpectRefused("another program's database");
  EXPECT_EQ(Bytes(path() + "-wal"), log);
}

// As a power cut left it: SQLite reads nothing before it has rolled back.
TEST_F(ExistingTest, ATransactionThatAnotherProgramLeftOpenIsRolledBackByTheLook) {
  {
    Foreign other(dir_.File("other.db"));
    other.Run(
        "PRAGMA application_id=7; PRAGMA cache_size=2; CREATE TABLE states(a);"
        "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 100)"
        "INSERT INTO states SELECT zeroblob(1000) FROM c");
    other.Run("BEGIN; UPDATE states SET a = 'changed'; DELETE FROM states WHERE rowid < 90");
    for (const char* end : {"", "-journal"}) fs::copy(dir_.File("other.db") + end, path() + end);
  }
  EXPECT_EQ(OpenStatus(Ours()).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(fs::exists(path() + "-journal"));
  Foreign file(path());
  EXPECT_EQ(Ask(file.get(), "SELECT count(*) FROM states"), "100");
  EXPECT_EQ(Ask(file.get(), "SELECT sum(length(a)) FROM states"), "100000");
}

TEST_F(ExistingTest, WhatNeverWasADatabaseIsLeftAlone) {
  std::ofstream(path()) << "a text that somebody wrote\n";
  ExpectRefused("is not a database");
}

// ---- damaged ------------------------------------------------------------------------------------

TEST_F(ExistingTest, ADamagedFileIsMovedAsideAndANewOneBegun) {
  const std::function<void()> damages[] = {
      [this] { Overwrite(0, std::string(100, '\0')); },
      [this] { Overwrite(0, std::string(4096, 'z')); },
      [this] { fs::resize_file(path(), 8192); },
      [this] { fs::resize_file(path(), 5000); },
      // The page of the schema: all but the header of the file.
      [this] { Overwrite(100, std::string(3996, '\0')); },
      [this] { Overwrite(100, std::string(3996, 'z')); },
  };
  for (size_t i = 0; i < std::size(damages); ++i) {
    Make(100);
    std::ofstream(path() + "-wal") << "what a power cut left";
    damages[i]();
    const std::string before = Bytes(path());
    SqliteBackend backend(Ours());
    HeldConnection writer(backend, platform_, Role::kWriter);
    ASSERT_TRUE(writer.ok()) << i << writer.status();
    EXPECT_EQ(AskInt(*writer, kCount), 0) << i;
    ASSERT_OK(writer->Run(kAdd, "x"));
    EXPECT_EQ(Bytes(Damaged(1)), before) << i;
    EXPECT_EQ(Bytes(Damaged(1) + "-wal"), "what a power cut left") << i;
    EXPECT_EQ(backend.file_stats().damaged_files, 1) << i;
    writer.Close();
    for (const char* end : {"", "-wal", "-shm", ".damaged-1", ".damaged-1-wal", ".damaged-1-shm"}) {
      fs::remove(path() + end);
    }
  }
}

TEST_F(ExistingTest, WithoutTheOptionADamagedFileStays) {
  Make(100);
  Overwrite(0, std::string(4096, 'z'));
  SqliteOptions options = Ours();
  options.when_damaged = WhenDamaged::kRefuse;
  EXPECT_EQ(OpenStatus(options).code(), absl::StatusCode::kDataLoss);
  EXPECT_FALSE(fs::exists(Damaged(1)));
}

// Damage that no open meets is found where the file was not closed well.
TEST_F(ExistingTest, ARubbishLeafIsFoundAfterAnUncleanEnd) {
  Make(100);
  Overwrite(4096 * 5, std::string(4096, 'z'));
  ASSERT_OK(OpenStatus(Ours()));
  EXPECT_FALSE(fs::exists(Damaged(1)));
  std::ofstream(path() + "-wal") << std::string(40, 'z');
  ASSERT_OK(OpenStatus(Ours()));
  EXPECT_TRUE(fs::exists(Damaged(1)));
}

// On a card that takes a millisecond for a page. The walk over a long value is one step of SQLite.
TEST_F(ExistingTest, TheCheckAfterAnUncleanEndTakesHalfOfTheOpensTimeAtMost) {
  Make(1);
  {
    Foreign file(path());
    file.Run("INSERT INTO t(b) VALUES (zeroblob(4000000))");
  }
  for (const Duration time : {300ms, 5000ms}) {
    std::ofstream(path() + "-wal") << std::string(40, 'z');
    SpyVfs spy;
    spy.on_read = [this] { platform_.Advance(1ms); };
    SqliteOptions options = Ours();
    options.vfs = spy.name();
    SqliteBackend backend(options);
    const TimePoint start = platform_.Now();
    HeldConnection writer(backend, platform_, Role::kWriter, 8, In(time));
    EXPECT_OK(writer.status());
    const Duration taken = platform_.Now() - start;
    EXPECT_GT(taken, time == 300ms ? 150ms : 950ms) << "as many pages as there is time for";
    EXPECT_LT(taken, time == 300ms ? 200ms : 2000ms);
  }
}

TEST_F(ExistingTest, TheFirstAndTheLatestDamagedFileAreKept) {
  std::string bytes[3];
  for (int i = 0; i < 3; ++i) {
    fs::remove(path());
    Make(100 + i);
    Overwrite(0, std::string(4096, static_cast<char>('a' + i)));
    bytes[i] = Bytes(path());
    ASSERT_OK(OpenStatus(Ours()));
  }
  EXPECT_EQ(Bytes(Damaged(1)), bytes[0]);
  EXPECT_EQ(Bytes(Damaged(2)), bytes[2]);
  EXPECT_FALSE(fs::exists(Damaged(3)));
  SqliteBackend later(Ours());
  const HeldConnection writer(later, platform_, Role::kWriter);
  EXPECT_EQ(later.file_stats().damaged_files, 2) << "also told by the next process";
}

// In this process, and in another one.
TEST_F(ExistingTest, AFileThatIsOpenElsewhereIsNotMoved) {
  Make(100);
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    sqlite3* db = nullptr;
    sqlite3_open(path().c_str(), &db);
    sqlite3_exec(db, "BEGIN; SELECT * FROM t", nullptr, nullptr, nullptr);
    [[maybe_unused]] const ssize_t wrote = write(ready[1], "r", 1);
    while (true) pause();
  }
  char byte = 0;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  Overwrite(0, std::string(4096, 'z'));
  const absl::Status status = OpenStatus(Ours());
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("when nobody has it open"));
  EXPECT_FALSE(fs::exists(Damaged(1)));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  close(ready[0]);
  close(ready[1]);
  EXPECT_OK(OpenStatus(Ours()));
  EXPECT_TRUE(fs::exists(Damaged(1)));
}

// No Tick comes by.
class DamagedPoolTest : public ExistingTest {
 protected:
  struct Node : profiles::RaspberryPi {
    static constexpr Duration kBackoffMin = std::chrono::nanoseconds(1);
    static constexpr Duration kBackoffMax = std::chrono::nanoseconds(1);
  };
  absl::Status Store(Pool& pool) {
    platform_.Advance(1s);
    absl::StatusOr<Lease> writer = pool.Acquire(kWrite);
    return writer.ok() ? writer->Run(kAdd, "x") : writer.status();
  }
};

TEST_F(DamagedPoolTest, AnIdleReaderDoesNotKeepADamagedFile) {
  Make(200);
  Overwrite(4096 * 5, std::string(4096, 'z'));
  SqliteBackend backend(Ours());
  PoolFor<Node> pool(backend, {.platform = &platform_});
  { EXPECT_EQ(AskInt(**pool.Acquire(kRead), Sql("SELECT 1 FROM t LIMIT 1")), 1); }
  {
    Lease writer = *pool.Acquire(kWrite);
    EXPECT_TRUE(absl::IsDataLoss(writer.Run(Sql("UPDATE t SET b = 'y'"))));
  }
  EXPECT_EQ(pool.stats().open, 0) << "closed at once";
  EXPECT_OK(Store(pool));
  EXPECT_TRUE(fs::exists(Damaged(1)));
}

TEST_F(DamagedPoolTest, ALentReaderKeepsItUntilItsReturn) {
  Make(200);
  Overwrite(4096 * 5, std::string(4096, 'z'));
  SqliteBackend backend(Ours());
  PoolFor<Node> pool(backend, {.platform = &platform_});
  Lease reader = *pool.Acquire(kRead);
  ASSERT_EQ(AskInt(*reader, Sql("SELECT 1 FROM t LIMIT 1")), 1);
  {
    Lease writer = *pool.Acquire(kWrite);
    EXPECT_TRUE(absl::IsDataLoss(writer.Run(Sql("UPDATE t SET b = 'y'"))));
  }
  EXPECT_TRUE(absl::IsDataLoss(Store(pool)));
  EXPECT_FALSE(fs::exists(Damaged(1)));
  reader.Return();
  EXPECT_OK(Store(pool));
  EXPECT_TRUE(fs::exists(Damaged(1)));
}

TEST_F(DamagedPoolTest, AnOpenThatMeetsTheDamageClosesIdleReaders) {
  Make(200);
  SqliteBackend backend(Ours());
  PoolFor<Node> pool(backend, {.platform = &platform_});
  { EXPECT_EQ(AskInt(**pool.Acquire(kRead), Sql("SELECT 1 FROM t LIMIT 1")), 1); }
  Overwrite(0, std::string(4096, 'z'));
  EXPECT_TRUE(absl::IsDataLoss(Store(pool)));
  EXPECT_OK(Store(pool));
  EXPECT_TRUE(fs::exists(Damaged(1)));
}

TEST_F(DamagedPoolTest, AnIdleReaderOfAnotherPoolIsFoundDeadByItsNextTick) {
  Make(200);
  Overwrite(4096 * 5, std::string(4096, 'z'));
  SqliteBackend backend(Ours());
  PoolFor<Node> pool(backend, {.platform = &platform_});
  HeldConnection other(backend, platform_, Role::kReader);
  EXPECT_EQ(ConnectionAccess::Probe(*other), Liveness::kAlive);
  {
    Lease writer = *pool.Acquire(kWrite);
    EXPECT_TRUE(absl::IsDataLoss(writer.Run(Sql("UPDATE t SET b = 'y'"))));
  }
  EXPECT_EQ(ConnectionAccess::Probe(*other), Liveness::kDead);
  other.Close();
  EXPECT_OK(Store(pool));
}

TEST_F(ExistingTest, DamageThatIsMetWhileThePoolRunsIsMovedAsideByThePool) {
  Make(200);
  Overwrite(4096 * 5, std::string(4096, 'z'));
  SqliteBackend backend(Ours());
  PoolFor<profiles::RaspberryPi> pool(backend, {.platform = &platform_});
  { EXPECT_EQ(AskInt(**pool.Acquire(kRead), Sql("SELECT 1 FROM t LIMIT 1")), 1); }
  bool lost = false;
  {
    Lease writer = *pool.Acquire(kWrite);
    lost = absl::IsDataLoss(writer.Run(Sql("UPDATE t SET b = 'y'")));
  }
  EXPECT_TRUE(lost);
  bool stored = false;
  for (int i = 0; i < 10 && !stored; ++i) {
    platform_.Advance(120s);
    pool.Tick(platform_.Now());
    absl::StatusOr<Lease> writer = pool.Acquire(kWrite);
    stored = writer.ok() && writer->Run(kAdd, "x").ok();
  }
  EXPECT_TRUE(stored);
  EXPECT_TRUE(fs::exists(Damaged(1)));
  EXPECT_EQ(backend.file_stats().damaged_files, 1);
}

}  // namespace
}  // namespace roost::sqlite
