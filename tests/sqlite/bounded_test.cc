// SQLite in a fixed block of memory, as a pool of a Raspberry Pi uses it. A program of
// its own, because SQLite has one heap in a process.
#include <sqlite3.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "roost/pool.h"
#include "roost/sqlite_backup.h"
#include "roost/sqlite_memory.h"
#include "tests/sqlite/sqlite_test_support.h"
#include "tests/support/connection_access.h"
#include "tests/support/counting_allocator.h"

namespace roost::sqlite {
namespace {

using profiles::RaspberryPi;
using support::AllocationCount;

struct Quiet : RaspberryPi {
  static constexpr Duration kLinger = 60s;  // the third connection stays
};

constexpr char kReadings[] = "CREATE TABLE IF NOT EXISTS reading(id INTEGER PRIMARY KEY, a, b, c)";
constexpr Sql kStore{"INSERT INTO reading(a, b, c) VALUES ($1, $2, $3)"};
// With kStore eight statements: a full cache.
constexpr std::array kReads{
    Sql("SELECT count(*) FROM reading"),
    Sql("SELECT a, b FROM reading WHERE id = $1"),
    Sql("SELECT avg(b) FROM reading WHERE id > $1 - 60"),
    Sql("SELECT max(id) FROM reading"),
    Sql("SELECT a, count(*) FROM reading WHERE id > $1 - 100 GROUP BY a"),
    Sql("SELECT id FROM reading WHERE id > $1 - 60 ORDER BY b"),
    Sql("SELECT c FROM reading WHERE id = $1"),
};

class BoundedTest : public ::testing::Test {
 protected:
  BoundedTest() { memory_.emplace(); }
  SqliteOptions Options() {
    return {.path = dir_.File("node.db"), .schema = kReadings, .cache_kib = 64};
  }
  static void Read(Connection& connection, int64_t id) {
    for (const Sql& sql : kReads) {
      const absl::StatusOr<Statement*> statement = connection.Prepare(sql);
      ASSERT_OK(statement.status());
      Rows rows = (*statement)->parameters() == 1 ? (*statement)->Query(id) : (*statement)->Query();
      while (rows.Next()) static_cast<void>(rows.Get<Value>(0));
      ASSERT_OK(rows.status());
    }
  }
  static absl::Status StoreBatch(Lease& writer, int rows) {
    absl::StatusOr<Transaction> transaction = writer.Begin();
    if (!transaction.ok()) return transaction.status();
    for (int i = 0; i < rows; ++i) {
      absl::Status stored = writer.Run(kStore, i % 7, 20.5 + i, "a reading of some sensor");
      if (!stored.ok()) return stored;
    }
    return transaction->Commit();
  }

  const TempDir dir_{};
  std::optional<SqliteMemoryFor<Quiet>> memory_;
};

TEST_F(BoundedTest, ANodesWorkFitsAndTakesNothingFromTheHeap) {
  ASSERT_OK(memory_->status());
  SqliteBackend backend(Options());
  PoolFor<Quiet> pool(backend);
  // Opens all three connections and fills their caches. What SQLite's own C library takes once
  // (a directory, a time zone) comes with it.
  const auto work = [&](int64_t id) {
    Lease writer = *pool.Acquire(kWrite);
    Lease reader = *pool.Acquire(kRead);
    Lease second = *pool.Acquire(kRead);
    for (Lease* const lease : {&reader, &second, &writer}) Read(**lease, id);
    ASSERT_OK(StoreBatch(writer, 60));
  };
  work(0);
  const AllocationCount heap;
  for (int64_t batch = 1; batch < 300; ++batch) {
    work(batch * 60);
    if (batch % 50 == 0) {
      Lease writer = *pool.Acquire(kWrite);
      ASSERT_OK(ConnectionAccess::Maintain(*writer, Deadline::Never()));  // a checkpoint
      ASSERT_OK(writer->Seal());
    }
  }
  EXPECT_EQ(heap.total(), 0u) << "18,000 rows, and nothing from the heap";
  EXPECT_EQ(pool.stats().open, 3);

  const SqliteMemoryStats stats = memory_->stats();
  std::printf("arena %zu of %zu bytes, pages %d of %d, beyond the slab %zu bytes, whole %zu\n",
              stats.arena_peak, stats.arena_bytes, stats.pages_peak, stats.pages,
              stats.page_overflow_peak, sizeof *memory_);
  EXPECT_EQ(stats.arena_failures, 0u);
  EXPECT_LE(
      RaspberryPi::kSqliteArenaKib * size_t{1024} + RaspberryPi::kSqlitePages * kSqlitePageBytes,
      230'000u)
      << "the bound of a Pi";
  EXPECT_GT(stats.arena_used, 0u);
  EXPECT_GT(stats.pages_used, 0);
  EXPECT_LE(stats.pages_used, stats.pages_peak);
}

TEST_F(BoundedTest, ManyRowsInOneGoTakeNothingFromTheHeap) {
  ASSERT_OK(memory_->status());
  SqliteBackend backend(Options());
  PoolFor<Quiet> pool(backend);
  using Reading = std::tuple<int, double, std::string_view>;
  std::vector<Reading> rows(60, Reading{7, 20.5, "a reading of some sensor"});
  ASSERT_OK(pool.Acquire(kWrite)->RunAll(kStore, rows));
  const AllocationCount heap;
  bool ok = true;
  for (int batch = 0; batch < 100; ++batch)
    ok = pool.Acquire(kWrite)->RunAll(kStore, rows).ok() && ok;
  EXPECT_EQ(heap.total(), 0u);
  EXPECT_TRUE(ok);
}

// Two handles more than the block has room for.
TEST_F(BoundedTest, ABackupTakesNothingFromWritersWhoseCachesAreFull) {
  ASSERT_OK(memory_->status());
  SqliteBackend backend(Options());
  PoolFor<Quiet> pool(backend);
  {
    Lease writer = *pool.Acquire(kWrite);
    Lease reader = *pool.Acquire(kRead);
    Lease second = *pool.Acquire(kRead);
    for (int batch = 0; batch < 200; ++batch) ASSERT_OK(StoreBatch(writer, 600));
    for (Lease* const lease : {&reader, &second, &writer}) Read(**lease, 200 * 600);
    ASSERT_OK(StoreBatch(writer, 60));
  }
  const SqliteMemoryStats before = memory_->stats();
  int steps = 0;
  ASSERT_OK(
      Backup(pool, dir_.File("copy.db"), Deadline::Never(), {.on_step = [&](const BackupProgress&) {
               ++steps;
               Lease writer = *pool.Acquire(kWrite);
               EXPECT_OK(StoreBatch(writer, 60));
               return true;
             }}));
  EXPECT_GT(steps, 4);
  EXPECT_LE(memory_->stats().arena_used, before.arena_used + kSqlitePageBytes);
  EXPECT_EQ(memory_->stats().arena_failures, before.arena_failures);
}

TEST_F(BoundedTest, AStatementThatNeedsMoreIsRefusedAndTheConnectionGoesOn) {
  ASSERT_OK(memory_->status());
  SqliteBackend backend(Options());
  PoolFor<Quiet> pool(backend);
  {
    Lease writer = *pool.Acquire(kWrite);
    ASSERT_OK(StoreBatch(writer, 100));
    absl::StatusOr<Transaction> transaction = writer->Begin();
    ASSERT_OK(writer->Run(kStore, 1, 1, "in the transaction that fails"));
    const std::string large(400'000, 'x');
    const absl::Status refused = writer->Run(kStore, 1, 2, std::string_view(large));
    EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted) << refused;
    EXPECT_EQ(SqliteCode(refused) & 0xff, SQLITE_NOMEM);
  }  // rolled back
  Lease writer = *pool.Acquire(kWrite);
  EXPECT_EQ(AskInt(*writer, kReads[0]), 100);
  EXPECT_OK(StoreBatch(writer, 10));
  EXPECT_EQ(AskInt(*writer, kReads[0]), 110);
  EXPECT_GT(memory_->stats().arena_failures, 0u);
}

// Every cache is full, and somebody has taken what is left of the arena, when the log is cut that a
// reader has kept until its bound, or that another program has made longer.
TEST_F(BoundedTest, TheLongestLogIsCutInAFullBlock) {
  ASSERT_OK(memory_->status());
  for (const int pages : {1100, 4096, 4200, 8192, 12'288, kSqliteLogPages, 2 * kSqliteLogPages}) {
    SqliteBackend backend(Options());
    PoolFor<Quiet> pool(backend);
    Lease writer = *pool.Acquire(kWrite);
    Lease reader = *pool.Acquire(kRead);
    Lease second = *pool.Acquire(kRead);
    for (Lease* const lease : {&reader, &second, &writer}) Read(**lease, 1'000'000);
    ASSERT_OK(StoreBatch(writer, 60));
    const std::string log = dir_.File("node.db-wal");
    {
      absl::StatusOr<Transaction> snapshot = reader->Begin();
      EXPECT_GE(AskInt(*reader, kReads[0]), 60);
      sqlite3* const db = SqliteHandle(*writer);
      if (pages > kSqliteLogPages) {
        sqlite3_wal_hook(db, nullptr, nullptr);
        sqlite3_commit_hook(db, nullptr, nullptr);
      }
      for (int i = 0; i < pages; ++i) {
        absl::Status stored = writer->Run(kStore, 1, 1, i);
        if (!stored.ok()) break;
      }
    }
    const auto length = static_cast<int64_t>(std::filesystem::file_size(log)) / (4096 + 24);
    EXPECT_NEAR(static_cast<double>(length), pages, 0.02 * pages) << pages;
    if (pages > kSqliteLogPages) {  // the next process finds it
      writer.Discard();
      writer = *pool.Acquire(kWrite);
    }
    std::vector<void*> taken;
    for (int bytes = 32768; bytes >= 16;) {
      void* const block = sqlite3_malloc(bytes);
      block == nullptr ? bytes /= 2 : (taken.push_back(block), 0);
    }
    const uint64_t failures = memory_->stats().arena_failures;
    EXPECT_OK(ConnectionAccess::Maintain(*writer, Deadline::Never()));
    EXPECT_EQ(memory_->stats().arena_failures, failures) << pages;
    for (void* const block : taken) sqlite3_free(block);
    EXPECT_EQ(std::filesystem::file_size(log), 0u) << pages;
    EXPECT_EQ(backend.file_stats().checkpoint_error, 0) << pages;
  }
}

TEST_F(BoundedTest, TheReserveTakesNoMemoryBeforeALogIsLong) {
  memory_.reset();
  using Memory = SqliteMemoryFor<Quiet>;
  using Storage = internal::SqliteStorage<size_t{1024} * Quiet::kSqliteArenaKib,
                                          kSqlitePageBytes * Quiet::kSqlitePages>;
  constexpr size_t kPage = 4096;
  void* const place =
      mmap(nullptr, sizeof(Memory), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(place, MAP_FAILED);
  auto* const memory = new (place) Memory;
  ASSERT_OK(memory->status());
  {
    SqliteBackend backend(Options());
    PoolFor<Quiet> pool(backend);
    Lease writer = *pool.Acquire(kWrite);
    for (int64_t batch = 0; batch < 50; ++batch) ASSERT_OK(StoreBatch(writer, 60));
    ASSERT_OK(ConnectionAccess::Maintain(*writer, Deadline::Never()));
    Read(*writer, 1);
  }
  std::array<unsigned char, sizeof(Memory) / kPage + 1> resident{};
  ASSERT_EQ(mincore(place, sizeof(Memory), resident.data()), 0);
  const size_t begin = offsetof(Storage, checkpoint);
  const size_t end = begin + sizeof(Storage::checkpoint);
  size_t taken = 0;
  for (size_t page = begin / kPage + 1; (page + 1) * kPage <= end; ++page)
    taken += resident[page] & 1;
  EXPECT_EQ(taken, 0u);
  EXPECT_EQ(resident[0] & 1, 1) << "the arena is in use";
  std::destroy_at(memory);
  munmap(place, sizeof(Memory));
}

// What such a statement may have to undo by itself is kept apart from the transaction's log.
TEST_F(BoundedTest, AStatementOfManyRowsInATransactionFits) {
  ASSERT_OK(memory_->status());
  SqliteBackend backend(Options());
  PoolFor<Quiet> pool(backend);
  Lease writer = *pool.Acquire(kWrite);
  ASSERT_OK(StoreBatch(writer, 100));
  constexpr Sql kCopy{"INSERT INTO reading(a, b, c) SELECT a, b, c FROM reading"};
  constexpr Sql kChange{"UPDATE reading SET b = b + 1"};
  absl::StatusOr<Transaction> transaction = writer->Begin();
  for (int doubled = 0; doubled < 5; ++doubled) ASSERT_OK(writer->Run(kCopy));
  ASSERT_OK(writer->Run(kChange));
  ASSERT_OK(transaction->Commit());
  EXPECT_EQ(AskInt(*writer, kReads[0]), 3200);
  EXPECT_EQ(memory_->stats().arena_failures, 0u);
}

TEST_F(BoundedTest, NoLogMayBeLongerThanItsCheckpointHasMemoryFor) {
  ASSERT_OK(memory_->status());
  for (const int pages : {kSqliteLogPages, kSqliteLogPages + 1}) {
    SqliteOptions options = Options();
    options.max_log_pages = pages;
    SqliteBackend backend(options);
    const HeldConnection writer(backend, NativePlatform(), Role::kWriter);
    EXPECT_EQ(writer.status().code(),
              pages == kSqliteLogPages ? absl::StatusCode::kOk : absl::StatusCode::kInvalidArgument)
        << writer.status();
  }
}

TEST_F(BoundedTest, AFileOfLargerPagesIsRefusedWithWhatToDo) {
  ASSERT_OK(memory_->status());
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(dir_.File("node.db").c_str(), &db), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(db, "PRAGMA page_size=8192; CREATE TABLE t(a)", nullptr, nullptr, nullptr),
            SQLITE_OK);
  sqlite3_close(db);
  SqliteBackend backend(Options());
  const HeldConnection writer(backend, NativePlatform(), Role::kWriter);
  EXPECT_EQ(writer.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(writer.status().message()), ::testing::HasSubstr("page_size=4096"));
}

TEST_F(BoundedTest, EverythingIsGivenBackWhenThePoolCloses) {
  ASSERT_OK(memory_->status());
  const size_t before = memory_->stats().arena_used;
  {
    SqliteBackend backend(Options());
    PoolFor<Quiet> pool(backend);
    Lease writer = *pool.Acquire(kWrite);
    Read(*writer, 0);
  }
  EXPECT_EQ(memory_->stats().arena_used, before);
  EXPECT_EQ(memory_->stats().pages_used, 0);
}

TEST_F(BoundedTest, WhereSqliteIsInUseAlreadyItSaysSoAndSqliteGoesOn) {
  memory_.reset();
  Foreign somebody(dir_.File("somebody.db"));
  const SqliteMemoryFor<Quiet> late;
  EXPECT_EQ(late.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(late.status().message()), HasSubstr("somebody uses it already"));
  somebody.Run("CREATE TABLE t(a)");
  EXPECT_EQ(late.stats().arena_bytes, 0u);
  SqliteOptions options = Options();
  options.max_log_pages = 2 * kSqliteLogPages;
  SqliteBackend backend(options);
  const HeldConnection writer(backend, NativePlatform(), Role::kWriter);
  // The heap has room for a checkpoint of any log.
  EXPECT_OK(writer.status());
}

TEST_F(BoundedTest, AfterItsEndSqliteIsOnTheHeapAgain) {
  memory_.reset();
  Foreign somebody(dir_.File("somebody.db"));
  somebody.Run("CREATE TABLE t(a); INSERT INTO t VALUES (1)");
  EXPECT_EQ(Ask(somebody.get(), "SELECT a FROM t"), "1");
}

using BoundedDeathTest = BoundedTest;

TEST_F(BoundedDeathTest, ASecondOneStopsTheProgram) {
  EXPECT_DEATH(SqliteMemoryFor<Quiet>{}, "a second SqliteMemory was made");
}

}  // namespace
}  // namespace roost::sqlite
