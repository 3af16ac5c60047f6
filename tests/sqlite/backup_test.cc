// A copy of a live database in a file: of one moment, whole or not there at all, and a sentence for
// each thing that is in the way.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "roost/pool.h"
#include "roost/sqlite_backup.h"
#include "tests/sqlite/sqlite_test_support.h"

namespace fs = std::filesystem;

// ---- the calls that make a copy durable, as they come -------------------------------------------

namespace {

struct SystemCalls {
  std::vector<std::string> made{};
  int failing_sync = 0;     // the how manyth fsync fails; 0: none
  bool old_rename = false;  // a file system that cannot look and rename in one
};
SystemCalls* calls = nullptr;

std::string NameOf(int file) {
  std::error_code ignored;
  return fs::read_symlink("/proc/self/fd/" + std::to_string(file), ignored).filename().string();
}

}  // namespace

extern "C" {
int __real_fsync(int file);
int __wrap_fsync(int file) {
  if (calls == nullptr) return __real_fsync(file);
  calls->made.push_back("fsync " + NameOf(file));
  if (calls->failing_sync > 0 && --calls->failing_sync == 0) {
    errno = EIO;
    return -1;
  }
  return __real_fsync(file);
}
int __real_renameat2(int from, const char* old, int to, const char* name, unsigned flags);
int __wrap_renameat2(int from, const char* old, int to, const char* name, unsigned flags) {
  if (calls != nullptr) {
    calls->made.push_back("rename " + fs::path(old).filename().string() + " " +
                          fs::path(name).filename().string());
    if (calls->old_rename) {
      errno = EINVAL;
      return -1;
    }
  }
  return __real_renameat2(from, old, to, name, flags);
}
}

namespace roost::sqlite {
namespace {

using absl::StatusCode;

struct Node : profiles::RaspberryPi {
  static constexpr Duration kBackoffMin = std::chrono::nanoseconds(1);
  static constexpr Duration kBackoffMax = std::chrono::nanoseconds(1);
};
struct Single : Node {
  static constexpr int kPoolSize = 1;
  static constexpr int kMaxOverflow = 0;
};

class BackupTest : public SqliteTest {
 protected:
  BackupTest() { fs::create_directory(folder()); }
  std::string folder() const { return dir_.File("copies"); }
  std::string copy() const { return folder() + "/copy.db"; }
  std::string part() const { return copy() + ".part"; }
  PoolOptions OnFake() { return {.platform = &platform_}; }

  // `rows` of some 1 KB, through the pool.
  static void Fill(Pool& pool, int rows) {
    const std::string filler(950, 'x');
    const absl::StatusOr<Lease> lease = pool.Acquire(kWrite, Deadline::Never());
    ASSERT_OK(lease.status());
    absl::StatusOr<Transaction> transaction = lease->Begin();
    ASSERT_OK(transaction.status());
    for (int i = 0; i < rows; ++i) ASSERT_OK(lease->Run(kAdd, std::string_view(filler)));
    ASSERT_OK(transaction->Commit());
  }
  static std::string AskFile(const std::string& name, const std::string& sql) {
    sqlite3* db = nullptr;
    sqlite3_open_v2(name.c_str(), &db, SQLITE_OPEN_READONLY, nullptr);
    std::string answer = Ask(db, sql);
    sqlite3_close(db);
    return answer;
  }
  // Whole, by itself, and with so many rows.
  void ExpectWhole(const std::string& name, int rows) {
    EXPECT_EQ(AskFile(name, "PRAGMA integrity_check"), "ok");
    EXPECT_EQ(AskFile(name, "SELECT count(*) FROM t"), std::to_string(rows));
    EXPECT_EQ(AskFile(name, "PRAGMA journal_mode"), "delete") << "no log beside it";
  }
  std::vector<std::string> Left() {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder())) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }
  // The refusal has the code and the sentence, and the folder is as before.
  void ExpectRefused(Pool& pool, const std::string& path, StatusCode code,
                     const std::string& sentence) {
    const std::vector<std::string> before = Left();
    const absl::Status status = Backup(pool, path, Deadline::Never());
    EXPECT_EQ(status.code(), code) << path << ": " << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(sentence));
    EXPECT_EQ(Left(), before) << path;
  }
  // Runs `child` in a process of its own until it is killed.
  static void Killed(const std::function<void()>& child) {
    const pid_t id = ::fork();
    if (id == 0) {
      child();
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(id, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status)) << "it ended before it was killed";
  }

  static constexpr Sql kAdd{"INSERT INTO t(b) VALUES ($1)"};
};

// ---- the copy -----------------------------------------------------------------------------------

TEST_F(BackupTest, IsAWholeDatabaseOfItsOwn) {
  SqliteOptions options = Options();
  options.application_id = 0x11223344;
  options.user_version = 7;
  options.own_table = "t";
  SqliteBackend backend(options);
  PoolFor<Node> pool(backend, OnFake());
  Fill(pool, 3000);
  ASSERT_OK(Backup(pool, copy(), Deadline::Never()));
  ExpectWhole(copy(), 3000);
  EXPECT_EQ(Left(), std::vector<std::string>{"copy.db"});
  EXPECT_EQ(AskFile(copy(), "PRAGMA application_id"), std::to_string(0x11223344));
  EXPECT_EQ(AskFile(copy(), "PRAGMA user_version"), "7");
  options.path = copy();
  SqliteBackend restored(options);
  PoolFor<Node> again(restored, OnFake());
  Fill(again, 1);
  EXPECT_EQ(AskInt(**again.Acquire(kRead, Deadline::Never()), kCount), 3001);
}

// Each commit of another connection lets a copy without a snapshot begin anew.
TEST_F(BackupTest, IsOfOneMomentWhileEachStepIsFollowedByACommit) {
  SqliteBackend backend(Options());
  PoolFor<Node> pool(backend, OnFake());
  Fill(pool, 3000);
  int steps = 0;
  int64_t last = 0;
  const absl::Status status =
      Backup(pool, copy(), Deadline::Never(), {.on_step = [&](const BackupProgress& progress) {
               EXPECT_GT(progress.copied, last) << "never begun anew";
               EXPECT_LE(progress.copied, progress.pages);
               last = progress.copied;
               Fill(pool, 1);
               return ++steps < 100;
             }});
  ASSERT_OK(status);
  EXPECT_GE(steps, 3);
  ExpectWhole(copy(), 3000);
  EXPECT_EQ(AskInt(**pool.Acquire(kRead, Deadline::Never()), kCount), 3000 + steps);
}

TEST_F(BackupTest, LeavesThePoolAllItsConnections) {
  SqliteBackend backend(Options());
  PoolFor<Node> pool(backend, OnFake());
  Fill(pool, 100);
  const absl::Status status =
      Backup(pool, copy(), Deadline::Never(), {.on_step = [&](const BackupProgress&) {
               const absl::StatusOr<Lease> writer = pool.Acquire(kWrite, pool.In(0ms));
               const absl::StatusOr<Lease> reader = pool.Acquire(kRead, pool.In(0ms));
               const absl::StatusOr<Lease> second = pool.Acquire(kRead, pool.In(0ms));
               EXPECT_OK(writer.status());
               EXPECT_OK(reader.status());
               EXPECT_OK(second.status());
               return true;
             }});
  EXPECT_OK(status);
}

TEST_F(BackupTest, APoolOfOneConnectionLendsItMeanwhile) {
  SqliteBackend backend(Options());
  PoolFor<Single> pool(backend, OnFake());
  Fill(pool, 2000);
  ASSERT_OK(Backup(pool, copy(), Deadline::Never(), {.on_step = [&](const BackupProgress&) {
                     Fill(pool, 1);
                     return true;
                   }}));
  ExpectWhole(copy(), 2000);
}

TEST_F(BackupTest, CopiesADatabaseInMemory) {
  SqliteBackend backend({.path = ":memory:", .schema = kSchema});
  PoolFor<Node> pool(backend, OnFake());
  Fill(pool, 3000);
  int commits = 0;
  ASSERT_OK(Backup(pool, copy(), Deadline::Never(), {.on_step = [&](const BackupProgress&) {
                     if (commits < 3) Fill(pool, 1);
                     ++commits;
                     return true;
                   }}));
  ExpectWhole(copy(), 3003);
}

TEST_F(BackupTest, MayBeReadByWhomTheDatabaseMayBe) {
  const mode_t umask = ::umask(0);
  for (const mode_t mode : {0600, 0640, 0644}) {
    SqliteBackend backend(Options());
    PoolFor<Node> pool(backend, OnFake());
    Fill(pool, 1);
    ASSERT_EQ(::chmod(path().c_str(), mode), 0);
    ASSERT_OK(Backup(pool, copy(), Deadline::Never(), {.on_step = [&](const BackupProgress&) {
                       EXPECT_EQ(fs::status(part()).permissions() & fs::perms::all,
                                 fs::perms(mode));
                       return true;
                     }}));
    EXPECT_EQ(fs::status(copy()).permissions(), fs::perms(mode));
    fs::remove(copy());
  }
  ::umask(umask);
}

// ---- how it ends --------------------------------------------------------------------------------

TEST_F(BackupTest, IsSyncedThenNamedThenItsDirectoryIsSynced) {
  SqliteBackend backend(Options());
  PoolFor<Node> pool(backend, OnFake());
  Fill(pool, 10);
  SystemCalls seen;
  calls = &seen;
  const absl::Status status = Backup(pool, copy(), Deadline::Never());
  calls = nullptr;
  ASSERT_OK(status);
  EXPECT_EQ(seen.made, (std::vector<std::string>{"fsync copy.db.part",
                                                 "rename copy.db.part copy.db", "fsync copies"}));
}

TEST_F(BackupTest, ASyncThatFailsLeavesNothing) {
  SqliteBackend backend(Options());
  PoolFor<Node> pool(backend, OnFake());
  Fill(pool, 10);
  for (const int failing : {1, 2}) {
    SystemCalls seen;
    seen.failing_sync = failing;
    calls = &seen;
    const absl::Status status = Backup(pool, copy(), Deadline::Never());
    calls = nullptr;
    EXPECT_EQ(status.code(), StatusCode::kUnavailable) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("the disk may be failing"));
    EXPECT_TRUE(Left().empty()) << failing;
  }
}

TEST_F(BackupTest, TheDeadlineEndsItAndLeavesNothing) {
  SqliteBackend backend(Options());
  PoolFor<Node> pool(backend, OnFake());
  Fill(pool, 3000);
  const absl::Status status =
      Backup(pool, copy(), In(1s), {.on_step = [&](const BackupProgress& progress) {
               if (progress.copied > 100) platform_.Advance(1s);
               return true;
             }});
  EXPECT_EQ(status.code(), StatusCode::kDeadlineExceeded) << status;
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("pages were copied"), HasSubstr("give it more time")));
  EXPECT_TRUE(Left().empty());
}

TEST_F(BackupTest, TheDeadlineOfTheLastStepCounts) {
  SqliteBackend backend(Options());
  PoolFor<Node> pool(backend, OnFake());
  Fill(pool, 3000);
  const absl::Status status =
      Backup(pool, copy(), In(1s), {.on_step = [&](const BackupProgress& progress) {
               if (progress.copied == progress.pages) platform_.Advance(1s);
               return true;
             }});
  EXPECT_EQ(status.code(), StatusCode::kDeadlineExceeded) << status;
  EXPECT_TRUE(Left().empty());
}

TEST_F(BackupTest, TheCallerMayEndIt) {
  SqliteBackend backend(Options());
  PoolFor<Node> pool(backend, OnFake());
  Fill(pool, 3000);
  const absl::Status status = Backup(pool, copy(), Deadline::Never(),
                                     {.on_step = [](const BackupProgress&) { return false; }});
  EXPECT_EQ(status.code(), StatusCode::kCancelled) << status;
  EXPECT_TRUE(Left().empty());
}

TEST_F(BackupTest, GivesUpBeforeTheLogIsSoLongThatWritesAreRefused) {
  SqliteOptions options = Options();
  options.max_log_pages = 1024;
  options.checkpoint_pages = 200;
  SqliteBackend backend(options);
  PoolFor<Node> pool(backend, OnFake());
  Fill(pool, 4000);
  const absl::Status status =
      Backup(pool, copy(), Deadline::Never(), {.on_step = [&](const BackupProgress&) {
               Fill(pool, 1000);
               return true;
             }});
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("raise SqliteOptions::max_log_pages"));
  EXPECT_TRUE(Left().empty());
  Fill(pool, 1000);  // nothing pins the log
}

TEST_F(BackupTest, AFileThatMayNotGrowIsToldAndLeavesNothing) {
  SqliteBackend backend(Options());
  PoolFor<Node> pool(backend, OnFake());
  Fill(pool, 3000);
  Killed([&] {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1 << 20, 1 << 20};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    // The parent's pool is not the child's.
    SqliteBackend own({.path = path(), .read_only = true});
    PoolFor<Node> pool_of_child(own);
    const absl::Status status = Backup(pool_of_child, copy(), Deadline::Never());
    const bool as_expected = status.code() == StatusCode::kFailedPrecondition &&
                             status.message().find("takes no file as large") != std::string::npos;
    if (!as_expected) std::fprintf(stderr, "%s\n", status.ToString().c_str());
    if (as_expected) ::kill(::getpid(), SIGKILL);
  });
  EXPECT_TRUE(Left().empty());
}

TEST_F(BackupTest, AKilledOneLeavesAPartThatTheNextReplaces) {
  {
    SqliteBackend backend(Options());
    PoolFor<Node> pool(backend);
    Fill(pool, 3000);
  }
  Killed([&] {
    SqliteBackend backend(Options());
    PoolFor<Node> pool(backend);
    Backup(pool, copy(), Deadline::Never(),
           {.on_step =
                [](const BackupProgress& progress) {
                  if (progress.copied > 300) ::kill(::getpid(), SIGKILL);
                  return true;
                }})
        .IgnoreError();
  });
  EXPECT_EQ(Left(), std::vector<std::string>{"copy.db.part"});
  SqliteBackend backend(Options());
  PoolFor<Node> pool(backend, OnFake());
  ASSERT_OK(Backup(pool, copy(), Deadline::Never()));
  ExpectWhole(copy(), 3000);
  EXPECT_EQ(Left(), std::vector<std::string>{"copy.db"});
}

// ---- what is in the way -------------------------------------------------------------------------

TEST_F(BackupTest, WhatIsAtThePathStays) {
  SqliteBackend backend(Options());
  PoolFor<Node> pool(backend, OnFake());
  std::ofstream(copy()) << "mine";
  ExpectRefused(pool, copy(), StatusCode::kFailedPrecondition, "is there already, and stays");
  EXPECT_EQ(fs::file_size(copy()), 4u);
  fs::remove(copy());
  fs::create_symlink(dir_.File("nowhere"), copy());
  ExpectRefused(pool, copy(), StatusCode::kFailedPrecondition, "is a symbolic link");
  fs::remove(copy());
  fs::create_directory(copy());
  ExpectRefused(pool, copy(), StatusCode::kFailedPrecondition, "is a directory");
  fs::remove(copy());
  for (const char* end : {"-wal", "-journal", "-shm"}) {
    std::ofstream(copy() + end) << "left by another database";
    ExpectRefused(pool, copy(), StatusCode::kFailedPrecondition, "would take it for a part of it");
    fs::remove(copy() + end);
  }
}

TEST_F(BackupTest, WhatAppearsAtThePathMeanwhileStays) {
  SqliteBackend backend(Options());
  PoolFor<Node> pool(backend, OnFake());
  const absl::Status status =
      Backup(pool, copy(), Deadline::Never(), {.on_step = [&](const BackupProgress&) {
               std::ofstream(copy()) << "mine";
               return true;
             }});
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition) << status;
  EXPECT_EQ(fs::file_size(copy()), 4u);
  EXPECT_EQ(Left(), std::vector<std::string>{"copy.db"});
}

TEST_F(BackupTest, AFileSystemWithoutTheNewRenameIsNoneTheWorse) {
  SqliteBackend backend(Options());
  PoolFor<Node> pool(backend, OnFake());
  Fill(pool, 20);
  SystemCalls seen;
  seen.old_rename = true;
  calls = &seen;
  const absl::Status copied = Backup(pool, copy(), Deadline::Never());
  const absl::Status refused = Backup(pool, folder() + "/second.db", Deadline::Never(),
                                      {.on_step = [&](const BackupProgress&) {
                                        std::ofstream(folder() + "/second.db") << "mine";
                                        return true;
                                      }});
  calls = nullptr;
  EXPECT_OK(copied);
  ExpectWhole(copy(), 20);
  EXPECT_EQ(refused.code(), StatusCode::kFailedPrecondition) << refused;
  EXPECT_EQ(fs::file_size(folder() + "/second.db"), 4u);
}

TEST_F(BackupTest, APartThatIsNotItsOwnStays) {
  SqliteBackend backend(Options());
  PoolFor<Node> pool(backend, OnFake());
  std::ofstream(part()) << "half of a film that is being loaded";
  ExpectRefused(pool, copy(), StatusCode::kFailedPrecondition,
                "is not known to be an unfinished copy");
  fs::remove(part());
  // A database, perhaps a copy that somebody keeps under this name, perhaps in use.
  Foreign(part()).Run("CREATE TABLE kept(a)");
  ExpectRefused(pool, copy(), StatusCode::kFailedPrecondition,
                "is not known to be an unfinished copy");
  EXPECT_EQ(Ask(Foreign(part()).get(), "SELECT count(*) FROM kept"), "0");
  fs::remove(part());
  std::ofstream(dir_.File("victim")) << "";
  fs::create_symlink(dir_.File("victim"), part());
  ExpectRefused(pool, copy(), StatusCode::kFailedPrecondition, "is a symbolic link");
  fs::remove(part());
  ASSERT_EQ(::mkfifo(part().c_str(), 0600), 0);
  ExpectRefused(pool, copy(), StatusCode::kFailedPrecondition, "is no file");
}

TEST_F(BackupTest, AnotherOneIntoTheSamePathIsWaitedFor) {
  SqliteBackend backend(Options());
  PoolFor<Node> pool(backend, OnFake());
  Fill(pool, 100);
  absl::Status second;
  ASSERT_OK(Backup(pool, copy(), Deadline::Never(), {.on_step = [&](const BackupProgress&) {
                     second = Backup(pool, copy(), Deadline::Never());
                     return true;
                   }}));
  EXPECT_EQ(second.code(), StatusCode::kUnavailable) << second;
  EXPECT_THAT(std::string(second.message()), HasSubstr("is running: wait for it"));
  ExpectWhole(copy(), 100);
}

TEST_F(BackupTest, TheDatabaseAndItsFilesAreNoPlaceForIt) {
  SqliteBackend backend(Options());
  PoolFor<Node> pool(backend, OnFake());
  fs::create_symlink(dir_.path(), folder() + "/link");
  for (const std::string& name :
       {path(), path() + "-wal", path() + "-shm", path() + "-journal", path() + ".damaged-2",
        folder() + "/../test.db", folder() + "/link/test.db-journal"}) {
    const absl::Status status = Backup(pool, name, Deadline::Never());
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << name << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("choose another name"));
  }
  Fill(pool, 1);
  SqliteOptions options = Options();
  options.path = copy() + ".part";
  SqliteBackend part(options);
  PoolFor<Node> of_part(part, OnFake());
  Fill(of_part, 5);
  const absl::Status status = Backup(of_part, copy(), Deadline::Never());
  EXPECT_THAT(std::string(status.message()), HasSubstr("its .part is the database itself"));
  EXPECT_EQ(AskInt(**of_part.Acquire(kRead, Deadline::Never()), kCount), 5);
  EXPECT_OK(Backup(of_part, folder() + "/another.db", Deadline::Never()));
}

TEST_F(BackupTest, TheFolderMayBeASymbolicLink) {
  SqliteBackend backend(Options());
  PoolFor<Node> pool(backend, OnFake());
  Fill(pool, 7);
  fs::create_symlink(folder(), dir_.File("link"));
  ASSERT_OK(Backup(pool, dir_.File("link") + "/copy.db", Deadline::Never()));
  ExpectWhole(copy(), 7);
}

TEST_F(BackupTest, ANameThatIsNoneIsRefused) {
  SqliteBackend backend(Options());
  PoolFor<Node> pool(backend, OnFake());
  for (const std::string& name : {std::string(), folder() + "/", folder() + "/..",
                                  std::string(":memory:"), std::string("a\0b", 3)}) {
    ExpectRefused(pool, name, StatusCode::kInvalidArgument, "is no name of a file");
  }
  ExpectRefused(pool, folder() + "/" + std::string(248, 'n'), StatusCode::kInvalidArgument,
                "is too long with \".part\" or \"-journal\"");
  EXPECT_OK(Backup(pool, folder() + "/" + std::string(247, 'n'), Deadline::Never()));
  ExpectRefused(pool, folder() + "/none/copy.db", StatusCode::kNotFound, "is not there: make it");
  Fill(pool, 1);
  ExpectRefused(pool, path() + "/copy.db", StatusCode::kInvalidArgument, "is no directory");
}

TEST_F(BackupTest, ADirectoryThatIsNotOursIsTold) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  {
    SqliteBackend backend(Options());
    PoolFor<Node> pool(backend);
    Fill(pool, 3);
  }
  for (const std::string& name : {dir_.path(), path()}) {
    ASSERT_EQ(::chown(name.c_str(), 65534, 65534), 0);
  }
  Killed([&] {
    if (::setgid(65534) != 0 || ::setuid(65534) != 0) return;
    SqliteBackend own(Options());
    PoolFor<Node> pool(own);
    const absl::Status status = Backup(pool, copy(), Deadline::Never());
    const bool as_expected =
        status.code() == StatusCode::kPermissionDenied &&
        status.message().find("belongs to root, this process runs as user 65534") !=
            std::string::npos;
    if (!as_expected) std::fprintf(stderr, "%s\n", status.ToString().c_str());
    if (as_expected) ::kill(::getpid(), SIGKILL);
  });
  EXPECT_TRUE(Left().empty());
}

TEST_F(BackupTest, AClosedPoolRefuses) {
  SqliteBackend backend(Options());
  PoolFor<Node> pool(backend, OnFake());
  ASSERT_OK(pool.Close(Deadline::Never()));
  ExpectRefused(pool, copy(), StatusCode::kFailedPrecondition, "closed");
}

}  // namespace
}  // namespace roost::sqlite
