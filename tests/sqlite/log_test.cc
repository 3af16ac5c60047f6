// The write-ahead log: sealing and checkpoints, counted at the files.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <string>

#include "tests/sqlite/sqlite_test_support.h"
#include "tests/support/connection_access.h"
#include "tests/support/spy_vfs.h"

namespace roost::sqlite {
namespace {

class LogTest : public SqliteTest {
 protected:
  SqliteOptions Spied() {
    SqliteOptions options = Options();
    options.vfs = spy_.name();
    options.checkpoint_pages = 16;
    return options;
  }
  void ResetCounts() { spy_.database = spy_.log = spy_.other = {}; }
  int64_t LogPages() {
    return static_cast<int64_t>(std::filesystem::file_size(path() + "-wal")) / (4096 + 24);
  }
  // One page of the log, at least, for each.
  void Commit(Connection& writer, int times) {
    for (int i = 0; i < times; ++i) {
      ASSERT_OK(writer.Run(Sql("INSERT INTO t(b) VALUES ($1)"), std::string_view(filler_)));
    }
  }

  const std::string filler_ = std::string(100, 'x');
  SpyVfs spy_;
};

TEST_F(LogTest, CommitsSyncNothingAndOneSealSyncsTheLogOnceAndWritesNothing) {
  SqliteBackend backend(Spied());
  HeldConnection writer(backend, platform_, Role::kWriter);
  Commit(*writer, 1);  // the first also syncs the log's header
  ResetCounts();
  Commit(*writer, 10);
  EXPECT_EQ(spy_.log.syncs + spy_.database.syncs + spy_.other.syncs, 0);
  EXPECT_GT(spy_.log.writes, 0);
  ResetCounts();
  EXPECT_OK(writer->Seal());
  EXPECT_EQ(spy_.log.syncs, 1);
  EXPECT_EQ(spy_.database.syncs + spy_.other.syncs, 0);
  EXPECT_EQ(spy_.log.writes + spy_.database.writes + spy_.other.writes, 0);
}

TEST_F(LogTest, ASealedTransactionSyncsOnce) {
  SqliteBackend backend(Spied());
  HeldConnection writer(backend, platform_, Role::kWriter);
  Commit(*writer, 1);
  ResetCounts();
  absl::StatusOr<Transaction> transaction = writer->Begin(Durability::kSealed);
  ASSERT_OK(transaction.status());
  Commit(*writer, 3);
  EXPECT_EQ(spy_.log.syncs, 0);
  ASSERT_OK(transaction->Commit());
  EXPECT_EQ(spy_.log.syncs, 1);
  EXPECT_EQ(spy_.database.syncs + spy_.other.syncs, 0);

  ResetCounts();
  absl::StatusOr<Transaction> plain = writer->Begin();
  Commit(*writer, 1);
  ASSERT_OK(plain->Commit());
  EXPECT_EQ(spy_.log.syncs, 0) << "the next one is not sealed";
}

TEST_F(LogTest, WithCommitDurabilityEachCommitSyncsAndASealHasNothingLeft) {
  SqliteOptions options = Spied();
  options.durability = SqliteDurability::kCommit;
  SqliteBackend backend(options);
  HeldConnection writer(backend, platform_, Role::kWriter);
  Commit(*writer, 1);
  ResetCounts();
  Commit(*writer, 5);
  EXPECT_EQ(spy_.log.syncs, 5);
  EXPECT_OK(writer->Seal());
  absl::StatusOr<Transaction> sealed = writer->Begin(Durability::kSealed);
  Commit(*writer, 1);
  ASSERT_OK(sealed->Commit());
  EXPECT_EQ(spy_.log.syncs, 6);
}

TEST_F(LogTest, SealIsRefusedInsideATransaction) {
  SqliteBackend backend(Spied());
  HeldConnection writer(backend, platform_, Role::kWriter);
  absl::StatusOr<Transaction> transaction = writer->Begin();
  EXPECT_EQ(writer->Seal().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(LogTest, ASealThatFailsIsDataLossAndIsNeverTriedAgain) {
  SqliteBackend backend(Spied());
  HeldConnection writer(backend, platform_, Role::kWriter);
  Commit(*writer, 1);
  spy_.fail_log_sync = SQLITE_IOERR_FSYNC;
  ResetCounts();
  const absl::Status status = writer->Seal();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(SqliteCode(status), SQLITE_IOERR_FSYNC);
  EXPECT_EQ(ConnectionAccess::fault_scope(*writer), FaultScope::kAllOlder);
  EXPECT_EQ(ConnectionAccess::Inspect(*writer), SessionState::kBroken);
  EXPECT_EQ(spy_.log.syncs, 1);

  spy_.fail_log_sync = 0;
  EXPECT_EQ(writer->Seal().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ConnectionAccess::Maintain(*writer, Deadline::Never()).code(),
            absl::StatusCode::kDataLoss);
  writer.Close();
  EXPECT_EQ(spy_.log.syncs, 1) << "not by a checkpoint at the close either";
  EXPECT_TRUE(std::filesystem::exists(path() + "-wal"));

  HeldConnection next(backend, platform_, Role::kWriter);
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_EQ(AskInt(*next, kCount), 1);
}

TEST_F(LogTest, ASealedCommitThatWasNotSyncedHasAnUnknownOutcome) {
  for (const SqliteDurability durability : {SqliteDurability::kBatch, SqliteDurability::kCommit}) {
    SqliteOptions options = Spied();
    options.durability = durability;
    SqliteBackend backend(options);
    HeldConnection writer(backend, platform_, Role::kWriter);
    Commit(*writer, 1);
    absl::StatusOr<Transaction> transaction = writer->Begin(Durability::kSealed);
    Commit(*writer, 1);
    spy_.fail_log_sync = SQLITE_IOERR_FSYNC;
    EXPECT_EQ(transaction->Commit().code(), absl::StatusCode::kUnknown);
    EXPECT_EQ(ConnectionAccess::fault_scope(*writer), FaultScope::kAllOlder);
    writer.Close();
    spy_.fail_log_sync = 0;
  }
}

TEST_F(LogTest, AfterASyncThatFailedDamageShowsAtTheNextOpen) {
  SqliteBackend backend(Spied());
  {
    HeldConnection writer(backend, platform_, Role::kWriter);
    ASSERT_OK(writer->RunScript("CREATE TABLE big(x)"));
    for (int i = 0; i < 50; ++i) {
      ASSERT_OK(writer->Run(Sql("INSERT INTO big VALUES ($1)"), std::string_view(filler_)));
    }
    ConnectionAccess::Maintain(*writer, Deadline::Never()).IgnoreError();
    Commit(*writer, 1);
    spy_.fail_log_sync = SQLITE_IOERR_FSYNC;
    EXPECT_FALSE(writer->Seal().ok());
    spy_.fail_log_sync = 0;
  }
  {
    HeldConnection checked(backend, platform_, Role::kWriter);
    EXPECT_OK(checked.status());
  }
  // The card gives back nonsense for the page of the table's root.
  const std::string root =
      Ask(Foreign(path()).get(), "SELECT rootpage FROM sqlite_schema WHERE name = 'big'");
  {
    HeldConnection writer(backend, platform_, Role::kWriter);
    Commit(*writer, 1);
    spy_.fail_log_sync = SQLITE_IOERR_FSYNC;
    EXPECT_FALSE(writer->Seal().ok());
    spy_.fail_log_sync = 0;
  }
  std::FILE* file = std::fopen(path().c_str(), "r+b");
  ASSERT_NE(file, nullptr);
  std::fseek(file, 4096L * (std::stol(root) - 1), SEEK_SET);
  std::fwrite(std::string(4096, 'x').data(), 1, 4096, file);
  std::fclose(file);
  for (int i = 0; i < 2; ++i) {
    const HeldConnection damaged(backend, platform_, Role::kWriter);
    EXPECT_EQ(damaged.status().code(), absl::StatusCode::kDataLoss) << damaged.status();
  }
}

TEST_F(LogTest, UpkeepLeavesAShortLogAlone) {
  SqliteBackend backend(Spied());
  HeldConnection writer(backend, platform_, Role::kWriter);
  EXPECT_OK(ConnectionAccess::Maintain(*writer, Deadline::Never()));  // looks once at what was left
  Commit(*writer, 3);
  ResetCounts();
  EXPECT_OK(ConnectionAccess::Maintain(*writer, Deadline::Never()));
  EXPECT_EQ(spy_.database.writes, 0);
  EXPECT_FALSE(ConnectionAccess::WantsMaintenance(*writer));
}

TEST_F(LogTest, UpkeepCopiesALogThatIsLongerAndCutsOneThatIsTwiceAsLong) {
  SqliteBackend backend(Spied());
  HeldConnection writer(backend, platform_, Role::kWriter);
  EXPECT_OK(ConnectionAccess::Maintain(*writer, Deadline::Never()));
  Commit(*writer, 20);
  ResetCounts();
  EXPECT_OK(ConnectionAccess::Maintain(*writer, Deadline::Never()));
  EXPECT_GT(spy_.database.writes, 0);
  EXPECT_GE(LogPages(), 20) << "the file stays, to be written from its beginning";
  Commit(*writer, 40);
  EXPECT_OK(ConnectionAccess::Maintain(*writer, Deadline::Never()));
  EXPECT_EQ(LogPages(), 0);
  EXPECT_EQ(AskInt(*writer, kCount), 60);
}

TEST_F(LogTest, ALongLogAsksForUpkeepBeforeTheNextBorrower) {
  SqliteBackend backend(Spied());
  HeldConnection writer(backend, platform_, Role::kWriter);
  while (ConnectionAccess::IsPristine(*writer)) Commit(*writer, 1);
  const int calls = spy_.calls;
  EXPECT_TRUE(ConnectionAccess::WantsMaintenance(*writer));
  EXPECT_EQ(spy_.calls, calls);
  EXPECT_EQ(ConnectionAccess::Inspect(*writer), SessionState::kClean)
      << "only work is wanted, nothing was left";
  EXPECT_NEAR(static_cast<double>(LogPages()), 4 * 16, 8);
  EXPECT_OK(ConnectionAccess::Maintain(*writer, Deadline::Never()));
  EXPECT_TRUE(ConnectionAccess::IsPristine(*writer));
  EXPECT_EQ(LogPages(), 0);
}

TEST_F(LogTest, TheWishForUpkeepOutlivesAReset) {
  SqliteBackend backend(Spied());
  HeldConnection writer(backend, platform_, Role::kWriter);
  Commit(*writer, 100);
  ASSERT_OK(writer->RunScript("BEGIN"));
  ASSERT_OK(ConnectionAccess::Reset(*writer, Deadline::Never()));
  EXPECT_TRUE(ConnectionAccess::WantsMaintenance(*writer));
}

TEST_F(LogTest, AReaderStallsACheckpointForFiveMillisecondsAtMostAndNotAtEveryReturn) {
  SqliteBackend backend(Spied());
  HeldConnection writer(backend, platform_, Role::kWriter);
  HeldConnection reader(backend, platform_, Role::kReader);
  absl::StatusOr<Transaction> snapshot = reader->Begin();
  EXPECT_EQ(AskInt(*reader, kCount), 0);
  int upkeeps = 0;
  for (int i = 0; i < 500; ++i) {
    Commit(*writer, 1);
    if (!ConnectionAccess::WantsMaintenance(*writer)) continue;
    ++upkeeps;
    const TimePoint start = platform_.Now();
    EXPECT_OK(ConnectionAccess::Maintain(*writer, Deadline::Never()));
    EXPECT_LE(platform_.Now() - start, 5ms);
  }
  EXPECT_GT(upkeeps, 1);
  EXPECT_LT(upkeeps, 20);
  ASSERT_OK(snapshot->Commit());
  EXPECT_OK(ConnectionAccess::Maintain(*writer, Deadline::Never()));
  EXPECT_EQ(LogPages(), 0);
}

TEST_F(LogTest, AWriterThatNeverReturnsItsLeaseDoesNotLetTheLogGrowForEver) {
  SqliteBackend backend(Spied());
  HeldConnection writer(backend, platform_, Role::kWriter);
  Commit(*writer, 3000);
  EXPECT_LT(LogPages(), 1100);
}

TEST_F(LogTest, ALogLeftByAnEarlierProcessIsCopiedAtTheFirstUpkeep) {
  SqliteBackend earlier(Spied());
  HeldConnection killed(earlier, platform_, Role::kWriter);
  Commit(*killed, 50);
  SqliteBackend backend(Spied());
  HeldConnection writer(backend, platform_, Role::kWriter);
  ResetCounts();
  EXPECT_OK(ConnectionAccess::Maintain(*writer, Deadline::Never()));
  EXPECT_GT(spy_.database.writes, 0);
}

TEST_F(LogTest, AnAutomaticCheckpointThatCannotSyncCondemnsButTheCommitStands) {
  SqliteBackend backend(Spied());
  HeldConnection writer(backend, platform_, Role::kWriter);
  HeldConnection reader(backend, platform_, Role::kReader);
  Commit(*writer, 900);
  spy_.fail_sync = SQLITE_IOERR_FSYNC;
  int64_t commits = 900;
  while (ConnectionAccess::fault_scope(*writer) == FaultScope::kStatement && commits < 2000) {
    Commit(*writer, 1);
    ++commits;
  }
  EXPECT_EQ(ConnectionAccess::fault_scope(*writer), FaultScope::kAllOlder);
  EXPECT_EQ(AskInt(*reader, kCount), commits);
  EXPECT_EQ(writer->Run(kCount).code(), absl::StatusCode::kDataLoss) << "nothing more on this one";
  writer.Close();
  spy_.fail_sync = 0;
}

// The least bound, and a reader that pins the log at its beginning.
class FullLogTest : public LogTest {
 protected:
  FullLogTest() {
    options_ = Options();
    options_.max_log_pages = 1024;
  }
  void Fill(Connection& writer) {
    for (int i = 0; i < 1100 && writer.Run(kOne, std::string_view(filler_)).ok(); ++i) {
    }
  }
  void ExpectFull(const absl::Status& status, const std::string& who) {
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
    EXPECT_EQ(SqliteCode(status), SQLITE_FULL);
    EXPECT_THAT(
        std::string(status.message()),
        AllOf(HasSubstr("a reader" + who + " has pinned the log"), HasSubstr("may have 1024")));
  }
  static constexpr Sql kOne{"INSERT INTO t(b) VALUES ($1)"};
  SqliteOptions options_;
};

TEST_F(FullLogTest, AtItsBoundEveryKindOfWriteIsRefusedAndReadsGoOn) {
  SqliteBackend backend(options_);
  HeldConnection writer(backend, platform_, Role::kWriter);
  HeldConnection reader(backend, platform_, Role::kReader);
  absl::StatusOr<Transaction> snapshot = reader->Begin();
  EXPECT_EQ(AskInt(*reader, kCount), 0);
  Fill(*writer);
  const int64_t rows = AskInt(*writer, kCount);
  EXPECT_GE(backend.file_stats().log_pages, 1024);
  EXPECT_LE(backend.file_stats().log_pages, 1030);
  platform_.Advance(7s);
  const std::string self = " (process " + std::to_string(getpid()) + ")";
  ExpectFull(writer->Run(kOne, "x"), self);
  ExpectFull(writer->RunScript("DELETE FROM t"), self);
  ExpectFull(writer->Begin(Durability::kSealed).status(), self);
  const absl::Status plain = writer->Begin().status();
  ExpectFull(plain, self);
  EXPECT_THAT(std::string(plain.message()), HasSubstr("for 7"));
  EXPECT_EQ(ConnectionAccess::fault_scope(*writer), FaultScope::kStatement);
  EXPECT_EQ(AskInt(*writer, kCount), rows);
  EXPECT_LE(LogPages(), 1030);

  ASSERT_OK(snapshot->Commit());
  ASSERT_OK(writer->Begin(Durability::kSealed).status());
  EXPECT_EQ(LogPages(), 0) << "cut by one checkpoint";
  ASSERT_OK(writer->Run(kOne, "x"));
  EXPECT_EQ(AskInt(*writer, kCount), rows + 1);
  EXPECT_GE(backend.file_stats().log_pages_peak, 1024);
  EXPECT_LE(backend.file_stats().log_pages, 4);
}

TEST_F(FullLogTest, TheReadersProcessIsNamedAmongOthers) {
  int go[2];
  int ready[2];
  ASSERT_EQ(pipe(go), 0);
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    char byte = 0;
    sqlite3* db = nullptr;
    if (read(go[0], &byte, 1) == 1 && sqlite3_open(path().c_str(), &db) == SQLITE_OK &&
        sqlite3_exec(db, "BEGIN; SELECT count(*) FROM t", nullptr, nullptr, nullptr) == SQLITE_OK) {
      [[maybe_unused]] const ssize_t wrote = write(ready[1], "r", 1);
    }
    while (true) pause();
  }
  SqliteBackend backend(options_);
  HeldConnection writer(backend, platform_, Role::kWriter);
  ASSERT_EQ(write(go[1], "g", 1), 1);
  char byte = 0;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  // A reader of this process, on newer pages.
  ASSERT_OK(writer->Run(kOne, "x"));
  HeldConnection reader(backend, platform_, Role::kReader);
  absl::StatusOr<Transaction> snapshot = reader->Begin();
  EXPECT_EQ(AskInt(*reader, kCount), 1);
  Fill(*writer);
  ExpectFull(writer->Run(kOne, "x"), " (process " + std::to_string(child) + ")");
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  ASSERT_OK(snapshot->Commit());
  EXPECT_OK(writer->Begin().status());
  EXPECT_EQ(LogPages(), 0);
  for (const int end : {go[0], go[1], ready[0], ready[1]}) close(end);
}

TEST_F(FullLogTest, AStatementFindsRoomWhenTheReaderHasEnded) {
  SqliteBackend backend(options_);
  HeldConnection writer(backend, platform_, Role::kWriter);
  HeldConnection reader(backend, platform_, Role::kReader);
  absl::StatusOr<Transaction> snapshot = reader->Begin();
  EXPECT_EQ(AskInt(*reader, kCount), 0);
  Fill(*writer);
  ASSERT_OK(snapshot->Commit());
  EXPECT_OK(writer->Run(kOne, "x"));
  EXPECT_LE(LogPages(), 4);
}

TEST_F(FullLogTest, NoWriteIsRefusedWhileNobodyPinsTheLog) {
  SqliteBackend backend(options_);
  HeldConnection writer(backend, platform_, Role::kWriter);
  constexpr std::string_view kScripts[] = {"UPDATE t SET b = 1 WHERE a = 1",
                                           "BEGIN; UPDATE t SET b = 2 WHERE a = 1; COMMIT",
                                           "SAVEPOINT s; DELETE FROM t WHERE a = 2; RELEASE s"};
  for (size_t i = 0; i < 2500; ++i) {
    ASSERT_OK(writer->Run(kOne, std::string_view(filler_)));
    ASSERT_OK(writer->RunScript(kScripts[i % std::size(kScripts)]));
  }
  EXPECT_GE(backend.file_stats().log_pages_peak, 1024);
  EXPECT_LE(LogPages(), 1030);
}

TEST_F(FullLogTest, AWriteWaitsForTheWriterOfAnotherProcessAndNotForAReader) {
  SqliteBackend backend(options_);
  HeldConnection writer(backend, platform_, Role::kWriter);
  Foreign foreign(path());
  while (backend.file_stats().log_pages < 1024)
    ASSERT_OK(writer->Run(kOne, std::string_view(filler_)));
  foreign.Run("BEGIN IMMEDIATE");
  writer->set_deadline(In(50ms));
  const absl::Status status = writer->Run(kOne, "x");
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("another process held the database"));
  writer->set_deadline(In(50ms));
  for (int i = 0; i < 20; ++i) platform_.WhileWaiting([] {});
  platform_.WhileWaiting([&] { foreign.Run("COMMIT"); });
  EXPECT_OK(writer->Run(kOne, "x"));
  EXPECT_LE(LogPages(), 4);
}

TEST_F(FullLogTest, ATransactionThatSqlBeganBesideAReaderIsToldToRunAgain) {
  SqliteBackend backend(options_);
  HeldConnection writer(backend, platform_, Role::kWriter);
  HeldConnection reader(backend, platform_, Role::kReader);
  absl::StatusOr<Transaction> snapshot = reader->Begin();
  EXPECT_EQ(AskInt(*reader, kCount), 0);
  Fill(*writer);
  const int64_t rows = AskInt(*writer, kCount);
  ASSERT_OK(writer->RunScript("BEGIN; INSERT INTO t(b) VALUES (1)"));
  ExpectFull(writer->RunScript("COMMIT"), " (process " + std::to_string(getpid()) + ")");
  ASSERT_OK(writer->RunScript("BEGIN; INSERT INTO t(b) VALUES (1)"));
  ASSERT_OK(snapshot->Commit());
  const absl::Status status = writer->RunScript("COMMIT");
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("run the whole transaction again"));
  EXPECT_EQ(AskInt(*writer, kCount), rows);
  ASSERT_OK(writer->RunScript("BEGIN; INSERT INTO t(b) VALUES (1); COMMIT"));
  EXPECT_EQ(AskInt(*writer, kCount), rows + 1);
}

TEST_F(FullLogTest, ALogThatCannotBeCopiedBlamesNoReader) {
  options_.vfs = spy_.name();
  SqliteBackend backend(options_);
  HeldConnection writer(backend, platform_, Role::kWriter);
  while (backend.file_stats().log_pages < 1024)
    ASSERT_OK(writer->Run(kOne, std::string_view(filler_)));
  spy_.fail_write = SQLITE_FULL;
  const absl::Status status = writer->Run(kOne, "x");
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("could not be copied"), Not(HasSubstr("reader"))));
  spy_.fail_write = 0;
  EXPECT_OK(writer->Run(kOne, "x"));
}

TEST_F(LogTest, UpkeepGivesPagesBack) {
  SqliteBackend backend(Spied());
  HeldConnection reader(backend, platform_, Role::kReader);
  HeldConnection writer(backend, platform_, Role::kWriter);
  Commit(*writer, 200);
  EXPECT_EQ(AskInt(*reader, Sql("SELECT sum(length(b)) FROM t")), 200 * 100);
  const auto cached = [&] {
    int now = 0;
    int peak = 0;
    sqlite3_db_status(SqliteHandle(*reader), SQLITE_DBSTATUS_CACHE_USED, &now, &peak, 0);
    return now;
  };
  const int before = cached();
  EXPECT_OK(ConnectionAccess::Maintain(*reader, Deadline::Never()));
  EXPECT_LT(cached(), before);
}

}  // namespace
}  // namespace roost::sqlite
