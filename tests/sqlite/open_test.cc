// Opening SQLite: its settings, and files that move.
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "tests/sqlite/sqlite_test_support.h"
#include "tests/support/connection_access.h"
#include "tests/support/spy_vfs.h"

namespace roost::sqlite {
namespace {

class OpenTest : public SqliteTest {
 protected:
  std::string Pragma(Connection& connection, const std::string& name) {
    return Ask(SqliteHandle(connection), "PRAGMA " + name);
  }
  absl::Status OpenStatus(const SqliteOptions& options, Role role = Role::kWriter) {
    SqliteBackend backend(options);
    return HeldConnection(backend, platform_, role).status();
  }
};

// SQLite says "unable to open", as for what passes.
TEST_F(OpenTest, APathThatIsTooLongIsToldWithItsLimit) {
  const auto open = [this](const std::string& path, WhenDamaged when) {
    SqliteBackend backend({.path = path, .when_damaged = when});
    return HeldConnection(backend, platform_, Role::kWriter).status();
  };
  const auto name = [this](size_t length) { return dir_.File(std::string(length, 'n')); };
  EXPECT_OK(open(name(255 - 8), WhenDamaged::kRefuse));
  const absl::Status refused = open(name(255 - 7), WhenDamaged::kRefuse);
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument) << refused;
  EXPECT_THAT(std::string(refused.message()),
              AllOf(HasSubstr("256 bytes"), HasSubstr("takes 255")));
  EXPECT_OK(open(name(255 - 14), WhenDamaged::kMoveAside));
  EXPECT_EQ(open(name(255 - 13), WhenDamaged::kMoveAside).code(),
            absl::StatusCode::kInvalidArgument);
  std::string folder = dir_.File("d");
  for (; folder.size() < 380; folder += "/" + std::string(60, 'd')) {
  }
  std::filesystem::create_directories(folder);
  folder += "/";
  const auto path = [&](size_t length) {
    return folder + std::string(length - folder.size(), 'p');
  };
  EXPECT_OK(open(path(512 - 8), WhenDamaged::kRefuse));
  const absl::Status long_path = open(path(512 - 7), WhenDamaged::kRefuse);
  EXPECT_EQ(long_path.code(), absl::StatusCode::kInvalidArgument) << long_path;
  EXPECT_THAT(std::string(long_path.message()), HasSubstr("takes 512"));
  EXPECT_EQ(open("/tmp/" + std::string(300, 'x') + "/a.db", WhenDamaged::kRefuse).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(OpenTest, ASchemaEndsNotTheTransactionThatItIsRunIn) {
  for (const char* schema :
       {"CREATE TABLE a(x); COMMIT; CREATE TABLE b(x)", "BEGIN; CREATE TABLE a(x); COMMIT",
        "CREATE TABLE a(x); ROLLBACK", "CREATE TABLE a(x); PRAGMA locking_mode=EXCLUSIVE"}) {
    SqliteBackend backend({.path = path(), .schema = schema});
    const HeldConnection held(backend, platform_, Role::kWriter);
    EXPECT_EQ(held.status().code(), absl::StatusCode::kInvalidArgument) << held.status();
    EXPECT_THAT(held.status().ToString(), HasSubstr("SqliteOptions::schema, line 1: ")) << schema;
  }
  EXPECT_EQ(Ask(Foreign(path()).get(), "SELECT count(*) FROM sqlite_schema"), "0");
}

TEST_F(OpenTest, TheWriterHasEverySetting) {
  SqliteBackend backend(Options());
  HeldConnection writer(backend, platform_, Role::kWriter);
  ASSERT_TRUE(writer.ok()) << writer.status();
  EXPECT_EQ(Pragma(*writer, "journal_mode"), "wal");
  EXPECT_EQ(Pragma(*writer, "synchronous"), "1");
  EXPECT_EQ(Pragma(*writer, "cache_size"), "-256");
  EXPECT_EQ(Pragma(*writer, "temp_store"), "1");
  EXPECT_EQ(Pragma(*writer, "mmap_size"), "0");
  EXPECT_EQ(Pragma(*writer, "journal_size_limit"), std::to_string(4 * 256 * 4096));
  EXPECT_EQ(Pragma(*writer, "secure_delete"), "2");
  EXPECT_EQ(Pragma(*writer, "query_only"), "0");
  EXPECT_EQ(Pragma(*writer, "foreign_keys"), "1");
  EXPECT_EQ(Pragma(*writer, "trusted_schema"), "0");
  EXPECT_EQ(Pragma(*writer, "busy_timeout"), "0") << "the backend waits by itself";
}

TEST_F(OpenTest, EveryConnectionHasItsLimitsAndSwitches) {
  SqliteBackend backend(Options());
  HeldConnection writer(backend, platform_, Role::kWriter);
  HeldConnection reader(backend, platform_, Role::kReader);
  for (Connection* connection : {writer.get(), reader.get()}) {
    sqlite3* db = SqliteHandle(*connection);
    EXPECT_EQ(sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, -1), 0);
    EXPECT_EQ(sqlite3_limit(db, SQLITE_LIMIT_LENGTH, -1), 1 << 20);
    EXPECT_EQ(sqlite3_limit(db, SQLITE_LIMIT_SQL_LENGTH, -1), 16 * 1024);
    EXPECT_EQ(sqlite3_limit(db, SQLITE_LIMIT_WORKER_THREADS, -1), 0);
    const auto is_on = [db](int name) {
      int on = -1;
      sqlite3_db_config(db, name, -1, &on);
      return on;
    };
    EXPECT_EQ(is_on(SQLITE_DBCONFIG_DEFENSIVE), 1);
    EXPECT_EQ(is_on(SQLITE_DBCONFIG_TRUSTED_SCHEMA), 0);
    EXPECT_EQ(is_on(SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION), 0);
    EXPECT_EQ(is_on(SQLITE_DBCONFIG_DQS_DML), 0);
    EXPECT_EQ(is_on(SQLITE_DBCONFIG_DQS_DDL), 0);
    EXPECT_EQ(is_on(SQLITE_DBCONFIG_ENABLE_FKEY), 1);
    EXPECT_EQ(sqlite3_db_mutex(db), nullptr) << "opened with NOMUTEX";
  }
}

TEST_F(OpenTest, AReaderCannotWriteInTwoWays) {
  SqliteBackend backend(Options());
  HeldConnection reader(backend, platform_, Role::kReader);
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_EQ(Pragma(*reader, "query_only"), "1");
  EXPECT_EQ(sqlite3_db_readonly(SqliteHandle(*reader), "main"), 1);
}

TEST_F(OpenTest, OptionsReachTheDriver) {
  SqliteBackend backend({.path = path(),
                         .durability = SqliteDurability::kCommit,
                         .cache_kib = 64,
                         .checkpoint_pages = 512,
                         .max_kib = 400,
                         .max_value_bytes = 2048});
  HeldConnection writer(backend, platform_, Role::kWriter);
  ASSERT_TRUE(writer.ok()) << writer.status();
  EXPECT_EQ(Pragma(*writer, "synchronous"), "2");
  EXPECT_EQ(Pragma(*writer, "cache_size"), "-64");
  EXPECT_EQ(Pragma(*writer, "journal_size_limit"), std::to_string(4 * 512 * 4096));
  EXPECT_EQ(Pragma(*writer, "max_page_count"), "100");
  EXPECT_EQ(sqlite3_limit(SqliteHandle(*writer), SQLITE_LIMIT_LENGTH, -1), 2048);
}

TEST_F(OpenTest, AReaderThatComesFirstFindsTheSchema) {
  SqliteBackend backend(Options());
  HeldConnection reader(backend, platform_, Role::kReader);
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_EQ(AskInt(*reader, kCount), 0);
}

TEST_F(OpenTest, TheSchemaIsRunOnceInOneTransaction) {
  SqliteOptions options = Options();
  options.schema = "CREATE TABLE IF NOT EXISTS t(a, b); INSERT INTO t VALUES (1, 1)";
  SqliteBackend backend(options);
  HeldConnection writer(backend, platform_, Role::kWriter);
  HeldConnection reader(backend, platform_, Role::kReader);
  EXPECT_EQ(AskInt(*reader, kCount), 1);

  SqliteOptions broken = Options();
  broken.schema = "INSERT INTO t VALUES (2, 2); INSERT INTO missing VALUES (1)";
  const absl::Status status = OpenStatus(broken);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("no such table: missing"));
  EXPECT_EQ(AskInt(*reader, kCount), 1) << "taken back as a whole";
}

TEST_F(OpenTest, ManyThreadsPrepareTheDatabaseOnce) {
  SqliteOptions options = Options();
  options.schema = "CREATE TABLE IF NOT EXISTS t(a, b); INSERT INTO t VALUES (1, 1)";
  SqliteBackend backend(options);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      HeldConnection connection(backend, NativePlatform(), i == 0 ? Role::kWriter : Role::kReader);
      EXPECT_TRUE(connection.ok()) << connection.status();
    });
  }
  for (std::thread& thread : threads) thread.join();
  HeldConnection reader(backend, platform_, Role::kReader);
  EXPECT_EQ(AskInt(*reader, kCount), 1);
}

TEST_F(OpenTest, AnExistingDatabaseIsPutIntoLogMode) {
  Foreign(path()).Run("CREATE TABLE t(a, b); INSERT INTO t VALUES (1, 2)");
  SqliteBackend backend(Options());
  HeldConnection writer(backend, platform_, Role::kWriter);
  ASSERT_TRUE(writer.ok()) << writer.status();
  EXPECT_EQ(Pragma(*writer, "journal_mode"), "wal");
  EXPECT_EQ(AskInt(*writer, kCount), 1);
}

TEST_F(OpenTest, SwitchingToLogModeWaitsForAWriterUntilTheDeadline) {
  Foreign foreign(path());
  foreign.Run("CREATE TABLE t(a, b); BEGIN IMMEDIATE");
  SqliteBackend backend(Options());
  {
    const TimePoint start = platform_.Now();
    const HeldConnection writer(backend, platform_, Role::kWriter, 8, In(20ms));
    EXPECT_EQ(writer.status().code(), absl::StatusCode::kUnavailable) << writer.status();
    EXPECT_EQ(SqliteCode(writer.status()), SQLITE_BUSY);
    EXPECT_EQ(platform_.Now() - start, 20ms);
  }
  platform_.WhileWaiting([&] { foreign.Run("COMMIT"); });
  const HeldConnection writer(backend, platform_, Role::kWriter, 8, In(20ms));
  EXPECT_TRUE(writer.ok()) << writer.status();
}

TEST_F(OpenTest, AFileThatIsNoDatabaseShowsAtOpen) {
  std::ofstream(path()) << std::string(10000, 'x');
  const absl::Status status = OpenStatus(Options());
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(SqliteCode(status), SQLITE_NOTADB);
  EXPECT_THAT(std::string(status.message()), HasSubstr(path()));
}

TEST_F(OpenTest, AMissingDirectoryIsNotFound) {
  const absl::Status status = OpenStatus({.path = dir_.File("none/test.db")});
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(SqliteCode(status), SQLITE_CANTOPEN);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("none/test.db"), HasSubstr("/none is not there: make it")));
}

TEST_F(OpenTest, ADirectoryIsNoDatabase) {
  EXPECT_EQ(OpenStatus({.path = dir_.path()}).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(OpenTest, ASymbolicLinkIsRefusedWithASentence) {
  { Foreign(dir_.File("real.db")).Run("CREATE TABLE t(a)"); }
  std::filesystem::create_symlink(dir_.File("real.db"), path());
  const absl::Status status = OpenStatus(Options());
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(SqliteCode(status), SQLITE_CANTOPEN_SYMLINK);
  EXPECT_THAT(std::string(status.message()), HasSubstr("symbolic link"));
}

TEST_F(OpenTest, TextInUtf16IsRefused) {
  { Foreign(path()).Run("PRAGMA encoding='UTF-16'; CREATE TABLE t(a, b)"); }
  const absl::Status status = OpenStatus(Options());
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("UTF-16"));
}

TEST_F(OpenTest, AnOpenThatFailsLeavesNoFileOpen) {
  SpyVfs spy;
  SqliteOptions options = Options();
  options.vfs = spy.name();
  options.schema = "this is no SQL";
  EXPECT_FALSE(OpenStatus(options).ok());
  options.schema.clear();
  spy.fail_read = SQLITE_IOERR_READ;
  EXPECT_FALSE(OpenStatus(options).ok());
  EXPECT_GE(spy.database.opens, 2);
  for (const SpyVfs::Counts& counts : {spy.database, spy.log, spy.other}) {
    EXPECT_EQ(counts.opens, counts.closes);
  }
}

TEST_F(OpenTest, AFileSystemWithoutMapsOrLocksIsToldByWhatItLacks) {
  const struct {
    int map;
    int lock;
    const char* sentence;
  } cases[] = {{SQLITE_IOERR_SHMMAP, 0, "has no shared memory maps"},
               {SQLITE_IOERR_SHMOPEN, 0, "has no shared memory maps"},
               {0, SQLITE_IOERR_LOCK, "takes no file locks"},
               {0, SQLITE_IOERR_RDLOCK, "takes no file locks"}};
  for (const auto& one : cases) {
    SpyVfs spy;
    spy.fail_map = one.map;
    spy.fail_lock = one.lock;
    SqliteOptions options = Options();
    options.vfs = spy.name();
    const absl::Status status = OpenStatus(options);
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    EXPECT_EQ(SqliteCode(status), one.map + one.lock);
    EXPECT_THAT(std::string(status.message()),
                AllOf(HasSubstr("the file system"), HasSubstr(one.sentence),
                      HasSubstr("put the database on a local disk")));
    EXPECT_FALSE(IsReadOnlyCard(status)) << "waiting does not help";
  }
}

TEST_F(OpenTest, AFileDeletedUnderneathIsNoticedAndMadeAnew) {
  SqliteBackend backend(Options());
  auto writer = std::make_unique<HeldConnection>(backend, platform_, Role::kWriter);
  ASSERT_OK((*writer)->Run(kInsert, 1, 1));
  EXPECT_EQ(ConnectionAccess::Probe(**writer), Liveness::kAlive);
  for (const char* end : {"", "-wal", "-shm"}) std::filesystem::remove(path() + end);
  EXPECT_EQ(ConnectionAccess::Probe(**writer), Liveness::kDead);
  EXPECT_EQ(ConnectionAccess::Ping(**writer, Deadline::Never()).code(),
            absl::StatusCode::kUnavailable);
  writer.reset();
  HeldConnection next(backend, platform_, Role::kWriter);
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_EQ(AskInt(*next, kCount), 0);
}

TEST_F(OpenTest, AFileDeletedBetweenConnectionsIsMadeAnew) {
  SqliteBackend backend(Options());
  { const HeldConnection writer(backend, platform_, Role::kWriter); }
  std::filesystem::remove(path());
  const HeldConnection reader(backend, platform_, Role::kReader);
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_EQ(AskInt(*reader, kCount), 0);
}

TEST_F(OpenTest, SomebodyWhoLeavesLogModeIsNoticedAndTheModeSetAgain) {
  SqliteBackend backend(Options());
  { const HeldConnection writer(backend, platform_, Role::kWriter); }
  { Foreign(path()).Run("PRAGMA journal_mode=DELETE"); }
  {
    const HeldConnection writer(backend, platform_, Role::kWriter);
    EXPECT_EQ(writer.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(writer.status().message()), HasSubstr("WAL mode"));
  }
  const HeldConnection writer(backend, platform_, Role::kWriter);
  ASSERT_TRUE(writer.ok()) << writer.status();
  EXPECT_EQ(Pragma(*writer, "journal_mode"), "wal");
}

TEST_F(OpenTest, ClosingLeavesNoLogBehind) {
  SqliteBackend backend(Options());
  {
    HeldConnection writer(backend, platform_, Role::kWriter);
    ASSERT_OK(writer->Run(kInsert, 1, 1));
    EXPECT_TRUE(std::filesystem::exists(path() + "-wal"));
  }
  EXPECT_FALSE(std::filesystem::exists(path() + "-wal"));
}

TEST_F(OpenTest, AfterAbandonNoFileIsTouched) {
  SpyVfs spy;
  SqliteOptions options = Options();
  options.vfs = spy.name();
  SqliteBackend backend(options);
  HeldConnection writer(backend, platform_, Role::kWriter);
  ASSERT_OK(writer->Run(kInsert, 1, 1));
  sqlite3* db = SqliteHandle(*writer);
  const int calls = spy.calls;
  writer.Abandon();
  EXPECT_EQ(spy.calls, calls);
  // What a child must not do, so that the test leaves nothing open.
  while (sqlite3_stmt* left = sqlite3_next_stmt(db, nullptr)) sqlite3_finalize(left);
  EXPECT_EQ(sqlite3_close(db), SQLITE_OK);
}

}  // namespace
}  // namespace roost::sqlite
