// tests/bench/node_day.cc - a day of roost-node on the Raspberry Pi's profile, in seconds: what it
// writes to the card, how often it syncs, and how often it wakes up; beside the same readings stored
// by plain SQLite.
//
// The clock is turned by hand; the database and its log are real, and counted by a VFS. A sync is
// counted and not done: it changes no figure here. The status file lies in memory on a board, and is
// left out. With ROOST_NODE_DAY=FILE each row is written there, too, as an object of JSON, for bench.py.
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <optional>
#include <string>

#include "tests/support/spy_vfs.h"
#include "tests/support/temp_dir.h"
#include "tests/tools/roost_node_simulated.h"

namespace roost::testing {
namespace {

using namespace std::chrono_literals;
using sqlite::SpyVfs;
using tools::Options;
using Profile = profiles::RaspberryPi;

// https://www.sqlite.org/fileformat2.html#walformat
constexpr int64_t kPageBytes = 4096;
constexpr int64_t kFrameHeader = 24;

// Processor time of this program so far, in seconds.
double ProcessorSeconds() {
  timespec used{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
}

// What went to the card.
struct Card {
  int64_t frames = 0;  // of the log
  int64_t pages = 0;   // of the database
  int64_t bytes = 0;
  int64_t syncs = 0;

  explicit Card(const SpyVfs& spy, int64_t page_bytes = kPageBytes)
      : frames(spy.log.bytes / (kFrameHeader + page_bytes)),
        pages(spy.database.bytes / page_bytes),
        bytes(spy.log.bytes + spy.database.bytes + spy.other.bytes),
        syncs(spy.log.syncs + spy.database.syncs + spy.other.syncs) {}
};

// A row of `table`: counts of a day, of which this was one of `times` equal parts.
void PrintCard(const char* table, const std::string& who, const Card& card, int64_t readings,
               int64_t seals, int64_t times) {
  const auto whole = [times](int64_t count) { return static_cast<long long>(count * times); };
  const double each = static_cast<double>(card.bytes) / static_cast<double>(readings);
  std::printf(
      "  %-38s %8lld frames %7lld pages %7lld syncs %8.1f MiB a day, %6.0f bytes a reading\n",
      who.c_str(), whole(card.frames), whole(card.pages), whole(card.syncs),
      static_cast<double>(card.bytes * times) / (1 << 20), each);
  const char* const path = std::getenv("ROOST_NODE_DAY");
  std::FILE* const file = path == nullptr ? nullptr : std::fopen(path, "a");
  if (file == nullptr) return;
  std::fprintf(file,
               "{\"table\": \"%s\", \"who\": \"%s\", \"frames\": %lld, \"pages\": %lld, \"syncs\": "
               "%lld, \"bytes\": %lld, \"readings\": %lld, \"seals\": %lld}\n",
               table, who.c_str(), whole(card.frames), whole(card.pages), whole(card.syncs),
               whole(card.bytes), whole(readings), whole(seals));
  std::fclose(file);
}

// How plain SQLite stores the readings.
struct Plain {
  const char* synchronous;
  int64_t batch;  // readings in a transaction
  int64_t page_bytes = kPageBytes;
  const char* columns = "t_wall INTEGER NOT NULL, sensor INTEGER NOT NULL, value REAL NOT NULL";
  const char* values = "?, ?, ?";
};

// The same readings by plain SQLite with the settings that its documentation recommends for WAL. Its log is copied
// at a length of 1 MiB, as the node's.
Card ByPlainSqlite(const Plain& plain, int64_t readings) {
  SpyVfs spy;
  spy.skip_syncs = true;
  const support::TempDir folder;
  sqlite3* db = nullptr;
  EXPECT_EQ(sqlite3_open_v2(folder.File("plain.db").c_str(), &db,
                            SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, spy.name().c_str()),
            SQLITE_OK);
  const auto run = [db](const std::string& sql) {
    EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK) << sql;
  };
  run("PRAGMA page_size = " + std::to_string(plain.page_bytes) +
      "; PRAGMA journal_mode = WAL; PRAGMA synchronous = " + std::string(plain.synchronous));
  if (plain.page_bytes != kPageBytes || plain.columns != Plain{}.columns) {
    run("PRAGMA wal_autocheckpoint = " + std::to_string((1 << 20) / plain.page_bytes));
  }
  run("CREATE TABLE reading(seq INTEGER PRIMARY KEY, " + std::string(plain.columns) + ")");
  sqlite3_stmt* insert = nullptr;
  const std::string sql = "INSERT INTO reading VALUES (NULL, " + std::string(plain.values) + ")";
  EXPECT_EQ(sqlite3_prepare_v2(db, sql.c_str(), -1, &insert, nullptr), SQLITE_OK);
  for (int64_t i = 0; i < readings; ++i) {
    if (plain.batch > 1 && i % plain.batch == 0) run("BEGIN");
    sqlite3_bind_int64(insert, 1, 1'700'000'000'000'000 + i * 1'000'000);
    sqlite3_bind_int64(insert, 2, 1 + i % 6);
    sqlite3_bind_double(insert, 3, 20.0 + static_cast<double>(i % 97) / 7);
    EXPECT_EQ(sqlite3_step(insert), SQLITE_DONE);
    sqlite3_reset(insert);
    const bool is_last = i % plain.batch == plain.batch - 1 || i == readings - 1;
    if (plain.batch > 1 && is_last) run("COMMIT");
  }
  sqlite3_finalize(insert);
  EXPECT_EQ(sqlite3_close(db), SQLITE_OK);
  return Card(spy, plain.page_bytes);
}

class NodeDayTest : public ::testing::Test {
 protected:
  // What the node took, and beside it plain SQLite. `times`: runs of this length in a day.
  void Run(const char* what, Options options, int64_t times) {
    spy_.skip_syncs = true;
    options.quiet = true;
    options.status_every = 24h;
    options.run_for = 24h / times;
    const auto samples = static_cast<uint64_t>(options.run_for / options.every);
    std::optional<SimulatedNode<Profile>> node;
    node.emplace(&memory_, options, spy_.name(), 24h);
    uint64_t sleeps = 0;
    const double before = ProcessorSeconds();
    node->Run([&sleeps](Duration) { ++sleeps; });
    const double used = (ProcessorSeconds() - before) * static_cast<double>(times);
    const Card card(spy_);
    const tools::Counts counts = node->counts();
    const absl::Status read_back = node->read_back();
    // Plain SQLite gets the block for itself.
    node.reset();
    const auto readings = static_cast<int64_t>(counts.stored);
    const auto number = [times](uint64_t count) {
      return static_cast<unsigned long long>(count * static_cast<uint64_t>(times));
    };
    std::printf("a day of %s%s\n", what, times == 1 ? "" : ", by one hour of it");
    std::printf(
        "  %llu readings in %llu sealed batches; %llu wake-ups, of which %llu take readings\n",
        number(counts.stored), number(counts.batches), number(sleeps), number(samples));
    std::printf("  %.2f s of processor time, without what a sleep and a sync take in the kernel\n",
                used);
    PrintCard(what, "roost-node", card, readings, static_cast<int64_t>(counts.batches), times);
    const Card each_full = ByPlainSqlite({"FULL", 1}, readings);
    PrintCard(what, "plain, an INSERT each, FULL", each_full, readings, readings, times);
    PrintCard(what, "plain, an INSERT each, NORMAL", ByPlainSqlite({"NORMAL", 1}, readings),
              readings, readings, times);
    PrintCard(what, "plain, 60 in a transaction, FULL", ByPlainSqlite({"FULL", 60}, readings),
              readings, readings / 60, times);
    std::printf("  an INSERT each writes %.1f times the bytes of roost-node\n",
                static_cast<double>(each_full.bytes) / static_cast<double>(card.bytes));

    EXPECT_EQ(counts.stored, counts.taken);
    EXPECT_TRUE(read_back.ok()) << read_back;
    // What the start and the end take besides: the schema, the switch to WAL, the last copy.
    constexpr int64_t kBesides = 24;
    const auto seals = static_cast<int64_t>(counts.batches);
    EXPECT_LE(card.syncs, seals + seals / 10 + kBesides);
    // Pages of the log are copied into the database, when many of them were written over meanwhile.
    EXPECT_LE(card.pages, card.frames * 15 / 100 + kBesides);
    EXPECT_GE(each_full.bytes, 12 * card.bytes);
    // A feed of the watchdog needs no wake-up of its own. Besides the samples: an idle connection is looked after, and replaced when it is old.
    const auto upkeep = static_cast<uint64_t>(options.run_for / Profile::kKeepAlive +
                                              4 * (options.run_for / Profile::kPoolRecycle));
    EXPECT_LE(sleeps, samples + upkeep + 1);
  }

  const SqliteMemoryFor<Profile> memory_;
  SpyVfs spy_;
};

TEST_F(NodeDayTest, EachTenSecondsSealedEachThirty) {
  Options options;
  options.every = 10s;
  options.seal_every = 30s;
  Run("--every 10s --seal-every 30s", options, 1);
}

TEST_F(NodeDayTest, AtTheDefaults) { Run("the defaults", {}, 24); }

// Why a seal costs what it does, by smaller pages and by smaller rows. src/README.md has the
// argument; here its figures are kept true. A row as the node's takes 43 bytes of a page, the small one 22.
TEST(PageDayTest, SmallPagesAndSmallRows) {
  constexpr int64_t kReadings = 51840;
  constexpr int64_t kOfASeal = 24;
  constexpr char kNodes[] =
      "epoch INTEGER, t_boot INTEGER, t_wall INTEGER, synced INTEGER, sensor INTEGER, value REAL, "
      "t_source INTEGER";
  constexpr char kNodesValues[] = "3000000000, 9000000000, ?1, 1, ?2, ?3, 0";
  constexpr char kSmall[] = "dt INTEGER, sensor INTEGER, value REAL";
  constexpr char kSmallValues[] = "?1 - ?1 + 100, ?2, ?3";
  const Card each = ByPlainSqlite({"FULL", 1}, kReadings);
  std::printf("24 readings a seal, by plain SQLite\n");
  for (const bool small : {false, true}) {
    for (const int64_t page : {4096, 2048, 1024}) {
      const Card card = ByPlainSqlite(
          {"FULL", kOfASeal, page, small ? kSmall : kNodes, small ? kSmallValues : kNodesValues},
          kReadings);
      const std::string who =
          std::to_string(page) + (small ? ", rows of 22 bytes" : ", rows of 43 bytes");
      PrintCard("pages and rows", who, card, kReadings, kReadings / kOfASeal, 1);
      const double fewer = static_cast<double>(each.bytes) / static_cast<double>(card.bytes);
      const double copied = static_cast<double>(card.pages) / static_cast<double>(card.frames);
      std::printf(
          "  %38s %.1f times fewer bytes than an INSERT each; %.2f pages copied for a frame\n", "",
          fewer, copied);
      // 20 times fewer and 0.15 copied at once: only with small rows on pages of 2 KiB.
      const bool both = fewer >= 20 && copied <= 0.15;
      EXPECT_EQ(both, small && page == 2048) << who;
    }
  }
}

}  // namespace
}  // namespace roost::testing
