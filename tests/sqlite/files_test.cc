// The files behind a database while it is open: deleted, replaced, overwritten.
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "tests/sqlite/sqlite_test_support.h"
#include "tests/support/connection_access.h"
#include "tests/support/spy_vfs.h"

// How often the library looked a name up: CMakeLists.txt wraps the call.
static std::atomic<int> looks = 0;

extern "C" int __real_stat(const char* name, struct stat* found);
extern "C" int __wrap_stat(const char* name, struct stat* found) {
  ++looks;
  return __real_stat(name, found);
}

namespace roost::sqlite {
namespace {

namespace fs = std::filesystem;

constexpr Sql kAdd{"INSERT INTO t(b) VALUES ($1)"};

class FilesTest : public SqliteTest {
 protected:
  // One batch of one row; what its seal says.
  absl::Status Batch(Connection& writer) {
    absl::StatusOr<Transaction> transaction = writer.Begin(Durability::kSealed);
    if (!transaction.ok()) return transaction.status();
    absl::Status status = writer.Run(kAdd, "x");
    return status.ok() ? transaction->Commit() : status;
  }
  // The same; `between` happens after the commit's statements and before the commit.
  absl::Status BatchWith(Connection& writer, const std::function<void()>& between) {
    absl::StatusOr<Transaction> transaction = writer.Begin(Durability::kSealed);
    if (!transaction.ok()) return transaction.status();
    absl::Status status = writer.Run(kAdd, "x");
    between();
    return status.ok() ? transaction->Commit() : status;
  }
  void ExpectRefused(const HeldConnection& writer, const absl::Status& status,
                     const std::string& sentence) {
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
    EXPECT_EQ(SqliteCode(status), SQLITE_READONLY_DBMOVED);
    EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr(path()), HasSubstr(sentence)));
    EXPECT_EQ(ConnectionAccess::fault_scope(*writer), FaultScope::kAllOlder);
    EXPECT_EQ(ConnectionAccess::Inspect(*writer), SessionState::kBroken);
  }
  int64_t Rows(const std::string& name) {
    return std::stoll(Ask(Foreign(name).get(), "SELECT count(*) FROM t"));
  }
  void Remove(std::initializer_list<const char*> ends) {
    for (const char* end : ends) fs::remove(path() + end);
  }
  // A database of its own with so many rows.
  std::string Backup(int rows) {
    const std::string name = dir_.File("backup.db");
    Foreign backup(name);
    backup.Run(kSchema);
    for (int i = 0; i < rows; ++i) backup.Run("INSERT INTO t(b) VALUES ('backup')");
    return name;
  }
};

TEST_F(FilesTest, AProbeLooksUpThreeNamesWhileNothingHasChanged) {
  SpyVfs spy;
  SqliteOptions options = Options();
  options.vfs = spy.name();
  SqliteBackend backend(options);
  HeldConnection writer(backend, platform_, Role::kWriter);
  ASSERT_OK(Batch(*writer));
  const int calls = spy.calls;
  looks = 0;
  EXPECT_EQ(ConnectionAccess::Probe(*writer), Liveness::kAlive);
  EXPECT_EQ(looks, 3);
  EXPECT_EQ(spy.calls, calls);
}

TEST_F(FilesTest, NothingIsAcknowledgedIntoADeletedFile) {
  SqliteBackend backend(Options());
  auto writer = std::make_unique<HeldConnection>(backend, platform_, Role::kWriter);
  ASSERT_OK(Batch(**writer));
  Remove({"", "-wal", "-shm"});
  ExpectRefused(*writer, Batch(**writer), "was deleted or renamed");
  writer.reset();
  HeldConnection next(backend, platform_, Role::kWriter);
  ASSERT_OK(next.status());
  ASSERT_OK(Batch(*next));
  EXPECT_EQ(Rows(path()), 1);
}

TEST_F(FilesTest, ADeletionInsideOfATransactionIsSeenAtItsCommit) {
  for (const SqliteDurability durability : {SqliteDurability::kBatch, SqliteDurability::kCommit}) {
    SqliteOptions options = Options();
    options.durability = durability;
    SqliteBackend backend(options);
    HeldConnection writer(backend, platform_, Role::kWriter);
    ASSERT_OK(Batch(*writer));
    ExpectRefused(writer,
                  BatchWith(*writer,
                            [this] {
                              Remove({"", "-wal", "-shm"});
                            }),
                  "was deleted or renamed");
    writer.Close();
    Remove({"", "-wal", "-shm"});
  }
}

TEST_F(FilesTest, WithCommitDurabilityAPlainStatementIsNotAcknowledgedEither) {
  SqliteOptions options = Options();
  options.durability = SqliteDurability::kCommit;
  SqliteBackend backend(options);
  HeldConnection writer(backend, platform_, Role::kWriter);
  ASSERT_OK(writer->Run(kAdd, "x"));
  Remove({"", "-wal", "-shm"});
  ExpectRefused(writer, writer->Run(kAdd, "x"), "was deleted or renamed");
}

TEST_F(FilesTest, ASealIsNotAcknowledgedIntoADeletedFile) {
  SqliteBackend backend(Options());
  HeldConnection writer(backend, platform_, Role::kWriter);
  ASSERT_OK(writer->Run(kAdd, "x"));
  Remove({"", "-wal", "-shm"});
  ExpectRefused(writer, writer->Seal(), "was deleted or renamed");
}

TEST_F(FilesTest, ARenamedFileIsWholeAndItsLogDoesNotStay) {
  SqliteBackend backend(Options());
  auto writer = std::make_unique<HeldConnection>(backend, platform_, Role::kWriter);
  for (int i = 0; i < 3; ++i) ASSERT_OK(Batch(**writer));
  fs::rename(path(), dir_.File("old.db"));
  ExpectRefused(*writer, Batch(**writer), "was deleted or renamed");
  EXPECT_FALSE(fs::exists(path() + "-wal"));
  writer.reset();
  EXPECT_EQ(Rows(dir_.File("old.db")), 3);
  HeldConnection next(backend, platform_, Role::kWriter);
  ASSERT_OK(Batch(*next));
  EXPECT_EQ(Rows(path()), 1);
}

TEST_F(FilesTest, TheLogIsNotReplayedOverABackupThatReplacesTheFile) {
  const std::string backup = Backup(7);
  SqliteBackend backend(Options());
  auto writer = std::make_unique<HeldConnection>(backend, platform_, Role::kWriter);
  for (int i = 0; i < 3; ++i) ASSERT_OK(Batch(**writer));
  fs::rename(backup, path());
  ExpectRefused(*writer, Batch(**writer), "was replaced");
  writer.reset();
  HeldConnection next(backend, platform_, Role::kWriter);
  ASSERT_OK(next.status());
  EXPECT_EQ(AskInt(*next, kCount), 7);
  ASSERT_OK(Batch(*next));
  EXPECT_EQ(AskInt(*next, kCount), 8);
  EXPECT_EQ(backend.file_stats().file_changes, 1);
}

// The reader's look comes first, and the writer is still open.
TEST_F(FilesTest, ALogThatAReaderPinsIsKeptAsideWhenTheFileIsReplaced) {
  const std::string backup = Backup(7);
  SqliteBackend backend(Options());
  auto writer = std::make_unique<HeldConnection>(backend, platform_, Role::kWriter);
  HeldConnection reader(backend, platform_, Role::kReader);
  absl::StatusOr<Transaction> snapshot = reader->Begin();
  EXPECT_EQ(AskInt(*reader, kCount), 0);
  for (int i = 0; i < 3; ++i) ASSERT_OK(Batch(**writer));
  fs::rename(backup, path());
  EXPECT_EQ(ConnectionAccess::Probe(*reader), Liveness::kDead);
  HeldConnection next(backend, platform_, Role::kReader);
  ASSERT_OK(next.status());
  EXPECT_EQ(AskInt(*next, kCount), 7);
  EXPECT_TRUE(fs::exists(path() + "-wal.left"));
  ExpectRefused(*writer, Batch(**writer), "was replaced");
}

TEST_F(FilesTest, ALogThatIsDeletedIsCopiedFirst) {
  for (const char* end : {"-wal", "-shm"}) {
    SqliteBackend backend(Options());
    auto writer = std::make_unique<HeldConnection>(backend, platform_, Role::kWriter);
    ASSERT_OK(writer->status());
    const int64_t before = AskInt(**writer, kCount);
    for (int i = 0; i < 3; ++i) ASSERT_OK(Batch(**writer));
    Remove({end});
    ExpectRefused(*writer, Batch(**writer), "-wal or -shm was deleted");
    writer.reset();
    HeldConnection next(backend, platform_, Role::kWriter);
    EXPECT_EQ(AskInt(*next, kCount), before + 3) << end;
  }
}

TEST_F(FilesTest, AFileThatIsCopiedIntoTheOpenOneIsTold) {
  for (const int rows : {0, 1, 50}) {
    const std::string backup = Backup(rows);
    SqliteBackend backend(Options());
    HeldConnection writer(backend, platform_, Role::kWriter);
    ASSERT_OK(writer.status());
    for (int i = 0; i < 3; ++i) ASSERT_OK(Batch(*writer));
    std::ofstream(path(), std::ios::binary) << std::ifstream(backup, std::ios::binary).rdbuf();
    ExpectRefused(writer, Batch(*writer), "another file was copied into the file");
    writer.Close();
    EXPECT_EQ(backend.file_stats().file_changes, 0) << "nothing was begun anew";
    ASSERT_OK(HeldConnection(backend, platform_, Role::kWriter).status());
    EXPECT_EQ(backend.file_stats().file_changes, 1);
    Remove({"", "-wal", "-shm"});
    fs::remove(backup);
  }
}

TEST_F(FilesTest, WhatIsBegunAnewIsCountedOnceHoweverOftenItIsTried) {
  SqliteOptions options = Options();
  const std::string folder = dir_.File("mounted");
  options.path = folder + "/test.db";
  fs::create_directory(folder);
  SqliteBackend backend(options);
  { ASSERT_OK(Batch(*HeldConnection(backend, platform_, Role::kWriter))); }
  fs::remove_all(folder);
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(HeldConnection(backend, platform_, Role::kWriter).ok());
  }
  EXPECT_EQ(backend.file_stats().file_changes, 0);
  fs::create_directory(folder);
  ASSERT_OK(HeldConnection(backend, platform_, Role::kWriter).status());
  EXPECT_EQ(backend.file_stats().file_changes, 1);
}

TEST_F(FilesTest, AnOlderCopyOfItselfIsTold) {
  SqliteBackend backend(Options());
  HeldConnection writer(backend, platform_, Role::kWriter);
  for (int i = 0; i < 3; ++i) ASSERT_OK(Batch(*writer));
  { Foreign(path()).Run("PRAGMA wal_checkpoint"); }
  fs::copy(path(), dir_.File("backup.db"));
  ASSERT_OK(writer->RunScript("CREATE TABLE more(a)"));
  { Foreign(path()).Run("PRAGMA wal_checkpoint"); }
  ASSERT_OK(Batch(*writer));
  { Foreign(path()).Run("PRAGMA wal_checkpoint"); }
  std::ofstream(path(), std::ios::binary)
      << std::ifstream(dir_.File("backup.db"), std::ios::binary).rdbuf();
  ExpectRefused(writer, Batch(*writer), "another file was copied into the file");
}

TEST_F(FilesTest, CheckpointsOfOthersAndATouchAreNoChange) {
  SqliteBackend backend(Options());
  HeldConnection writer(backend, platform_, Role::kWriter);
  for (int i = 0; i < 20; ++i) {
    ASSERT_OK(Batch(*writer));
    Foreign other(path());
    if (i % 3 == 0) other.Run("CREATE TABLE more" + std::to_string(i) + "(a)");
    if (i % 2 == 0) other.Run("PRAGMA wal_checkpoint");
    if (i % 5 == 0) fs::last_write_time(path(), fs::file_time_type::clock::now());
    if (i % 7 == 0) {
      EXPECT_OK(ConnectionAccess::Maintain(*writer, Deadline::Never()));
    }
  }
  EXPECT_EQ(AskInt(*writer, kCount), 20);
  EXPECT_EQ(backend.file_stats().file_changes, 0);
}

}  // namespace
}  // namespace roost::sqlite
