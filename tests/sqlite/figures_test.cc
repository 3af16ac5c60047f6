// What an operator can see of SQLite without asking it: locks of others, the log and its readers.
#include <filesystem>
#include <map>
#include <string>

#include "tests/sqlite/sqlite_test_support.h"
#include "tests/support/connection_access.h"

namespace roost::sqlite {
namespace {

class FiguresTest : public SqliteTest {
 protected:
  // By group and name.
  std::map<std::string, int64_t> Told() {
    Figures figures;
    backend_.AddFigures(platform_.FakePlatform::Now(), figures);
    std::map<std::string, int64_t> told;
    for (const Figure& figure : figures.all()) {
      told[std::string(figure.group) + "." + std::string(figure.metric.name)] = figure.value;
    }
    return told;
  }
  void Fill(int rows) {
    for (int i = 0; i < rows; ++i) {
      ASSERT_OK(writer_->Run(Sql("INSERT INTO t(b) VALUES ($1)"), std::string_view(filler_)));
    }
  }

  SqliteOptions WithSmallLog() const {
    SqliteOptions options = Options();
    options.checkpoint_pages = 16;
    return options;
  }
  const std::string filler_ = std::string(3000, 'x');
  SqliteBackend backend_{WithSmallLog()};
  HeldConnection writer_{backend_, platform_, Role::kWriter};
  HeldConnection reader_{backend_, platform_, Role::kReader};
};

TEST_F(FiguresTest, AnotherProcessThatHoldsTheDatabaseCostsTimeThatIsCounted) {
  EXPECT_EQ(Told()["sqlite.busy"], 0);
  Foreign foreign(path());
  foreign.Run("BEGIN IMMEDIATE");
  writer_->set_deadline(In(50ms));
  EXPECT_FALSE(writer_->Begin().ok());
  EXPECT_EQ(Told()["sqlite.busy"], Duration(50ms).count());
  EXPECT_EQ(Told()["sqlite.busy_timeouts"], 1);
  writer_->set_deadline(In(50ms));
  platform_.WhileWaiting([&] { foreign.Run("COMMIT"); });
  ASSERT_OK(writer_->Run(kInsert, 1, 1));
  EXPECT_EQ(Told()["sqlite.busy"], Duration(51ms).count());
  EXPECT_EQ(Told()["sqlite.busy_timeouts"], 1) << "this one got what it waited for";
}

TEST_F(FiguresTest, AWaitCanBeSeenWhileItLasts) {
  Foreign foreign(path());
  foreign.Run("BEGIN IMMEDIATE");
  writer_->set_deadline(In(1s));
  for (int i = 0; i < 7; ++i) platform_.WhileWaiting([&] { platform_.Advance(1ms); });
  int64_t meanwhile = -1;
  platform_.WhileWaiting([&] {
    meanwhile = Told()["sqlite.busy"];
    foreign.Run("COMMIT");
  });
  ASSERT_OK(writer_->Run(kInsert, 1, 1));
  EXPECT_EQ(meanwhile, Duration(7ms).count());
}

// A file of the log is as long as it ever was: it tells nothing of the backlog.
TEST_F(FiguresTest, TheFramesOfTheLogAndThoseThatAreCopied) {
  Fill(20);
  auto told = Told();
  EXPECT_GE(told["sqlite.wal_frames"], 20);
  EXPECT_EQ(told["sqlite.wal_bytes"], told["sqlite.wal_frames"] * (4096 + 24));
  EXPECT_EQ(told["sqlite.wal_checkpointed_frames"], 0);
  EXPECT_EQ(told["sqlite.checkpoints"], 0);
  ASSERT_OK(ConnectionAccess::Maintain(*writer_, In(1s)));
  told = Told();
  EXPECT_EQ(told["sqlite.checkpoints"], 1);
  EXPECT_EQ(told["sqlite.checkpoint_busy"], 0);
  EXPECT_EQ(told["sqlite.wal_checkpointed_frames"], told["sqlite.wal_frames"]);
  Fill(1);
  told = Told();
  EXPECT_LT(told["sqlite.wal_frames"], 10) << "the log was begun anew";
  EXPECT_EQ(told["sqlite.wal_checkpointed_frames"], 0);
}

TEST_F(FiguresTest, AReaderThatPinsTheLogIsSeenByItsAge) {
  Fill(20);
  {
    absl::StatusOr<Transaction> snapshot = reader_->Begin();
    EXPECT_EQ(AskInt(*reader_, kCount), 20);
    Fill(20);
    ASSERT_OK(ConnectionAccess::Maintain(*writer_, In(1s)));
    EXPECT_EQ(Told()["sqlite.checkpoint_busy"], 1);
    EXPECT_LT(Told()["sqlite.wal_checkpointed_frames"], Told()["sqlite.wal_frames"]);
    EXPECT_EQ(Told()["sqlite.busy"], 0) << "a checkpoint may go without, and nobody waits for it";
    EXPECT_EQ(Told()["sqlite.busy_timeouts"], 0);
    platform_.Advance(90s);
    EXPECT_GE(Told()["sqlite.oldest_read"], Duration(90s).count());
  }
  writer_->set_deadline(In(1s));
  Fill(1);
  ASSERT_OK(ConnectionAccess::Maintain(*writer_, In(1s)));
  EXPECT_EQ(Told()["sqlite.oldest_read"], 0);
}

TEST_F(FiguresTest, TheLengthOfTheDatabaseBesideThatOfTheLog) {
  const auto on_disk = [this] { return static_cast<int64_t>(std::filesystem::file_size(path())); };
  const int64_t empty = on_disk();
  EXPECT_EQ(Told()["sqlite.database_bytes"], empty) << "as it was opened";
  Fill(20);
  EXPECT_EQ(Told()["sqlite.database_bytes"], on_disk());
  ASSERT_OK(ConnectionAccess::Maintain(*writer_, In(1s)));
  EXPECT_GT(on_disk(), empty + 20 * 3000);
  EXPECT_EQ(Told()["sqlite.database_bytes"], on_disk());
}

// The commit itself copies a log that is far too long: nobody returned the connection meanwhile.
TEST_F(FiguresTest, TheLengthIsKnownAfterACheckpointInsideOfACommit) {
  Fill(1100);
  EXPECT_GT(Told()["sqlite.checkpoints"], 0);
  EXPECT_EQ(Told()["sqlite.database_bytes"],
            static_cast<int64_t>(std::filesystem::file_size(path())));
}

TEST_F(FiguresTest, ADatabaseInMemoryHasNoFile) {
  SqliteBackend memory({.path = ":memory:", .schema = "CREATE TABLE t(b)"});
  HeldConnection connection(memory, platform_, Role::kWriter);
  Figures figures;
  memory.AddFigures(platform_.FakePlatform::Now(), figures);
  for (const Figure& figure : figures.all()) EXPECT_NE(figure.metric.name, "database_bytes");
}

TEST_F(FiguresTest, TheCachesOfAllConnections) {
  const auto before = Told();
  ASSERT_OK(writer_->Run(kInsert, 1, 1));
  AskInt(*reader_, kCount);
  EXPECT_EQ(Told()["statement_cache.misses"], before.at("statement_cache.misses") + 2);
  EXPECT_EQ(Told()["statement_cache.evictions"], 0);
  for (int i = 0; i < 8; ++i) AskInt(*reader_, Sql("SELECT " + std::to_string(i)));
  EXPECT_EQ(Told()["statement_cache.evictions"], 1);
}

}  // namespace
}  // namespace roost::sqlite
