// PoolServer against a real PostgreSQL with the schema roost, and against a table of its own.
#include <algorithm>
#include <array>
#include <chrono>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "roost/outbox_server.h"
#include "roost/pool.h"
#include "roost/postgres.h"
#include "roost/sqlite.h"
#include "tests/fakes/forwarding_platform.h"
#include "tests/support/postgres_server.h"
#include "tests/support/tcp_proxy.h"
#include "tests/support/temp_dir.h"

namespace roost::outbox {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using ::testing::HasSubstr;
using ::testing::Not;
using Answer = OutboxServer::Answer;

constexpr int64_t kEpoch = 77;
constexpr int64_t kT0 = 1'800'000'000'000;  // ms
constexpr char kToken[] = "0123456789abcdef-the-token";

std::string SchemaSql() {
  std::ifstream file(ROOST_SOURCE "/src/outbox/sql/postgres.sql");
  return {std::istreambuf_iterator<char>(file), {}};
}

// One with the schema, a node, a table, and a second database that has nothing.
struct Prepared : support::PostgresServer {
  Prepared() {
    Sql(SchemaSql());
    Sql(std::string("INSERT INTO roost.node(name, token) SELECT 'hive', sha256('") + kToken + "')");
    Sql("CREATE TABLE mine(node text, epoch bigint, seq bigint, \"at\" timestamptz, label text, "
        "\"un it\" text, v float8, PRIMARY KEY (node, epoch, seq)); "
        "GRANT SELECT, INSERT ON mine TO node");
    Sql("CREATE DATABASE bare");
  }
};
support::PostgresServer& Server() {
  static Prepared server;
  return server;
}

struct Remote : profiles::RaspberryPiRemote {
  static constexpr int kPoolSize = 1;
  static constexpr int kMaxOverflow = 0;
  static constexpr Duration kKeepAlive = 0s;
  static constexpr PrePing kPrePing = PrePing::kNever;
};

// The machine, with a clock that can be set forward; counts the waits that are not the loop's.
class Machine : public fakes::ForwardingPlatform {
 public:
  void Forward(Duration span) { ahead_ += span; }
  TimePoint Now() override { return ForwardingPlatform::Now() + ahead_; }
  TimePoint CoarseNow() override { return ForwardingPlatform::CoarseNow() + ahead_; }
  void WaitForDescriptors(std::span<DescriptorWait> waits, Deadline deadline) override {
    if (deadline != Deadline::Past()) ++waits_;
    ForwardingPlatform::WaitForDescriptors(waits, deadline.IsNever() || deadline == Deadline::Past()
                                                      ? deadline
                                                      : Deadline::At(deadline.time() - ahead_));
  }
  int waits() const { return waits_; }

 private:
  Duration ahead_{};
  int waits_ = 0;
};

// A batch with what it points to.
struct Batch {
  explicit Batch(int64_t first) { batch.first = first; }
  // A row behind the last one.
  Batch& Row(double value, int64_t ms, uint8_t place = 0) {
    return RowAt(batch.first + static_cast<int64_t>(rows.size()), value, ms, place);
  }
  Batch& RowAt(int64_t seq, double value, int64_t ms, uint8_t place = 0) {
    rows.push_back({.seq = seq, .ms = ms, .value = value, .place = place});
    return *this;
  }
  Batch& Gap(OutboxWhy why, int64_t lo, int64_t hi, int64_t numbers) {
    gaps.push_back({.why = why, .lo = lo, .hi = hi, .numbers = numbers});
    return *this;
  }
  const OutboxBatch& Get(int64_t lo = 1) {
    int64_t numbers = static_cast<int64_t>(rows.size());
    for (const OutboxGap& gap : gaps) numbers += gap.numbers;
    batch.segment = {.epoch = kEpoch, .lo = lo};
    batch.last = batch.first + numbers - 1;
    batch.rows = rows;
    batch.names = names;
    batch.gaps = gaps;
    return batch;
  }
  OutboxBatch batch;
  std::vector<OutboxRow> rows;
  std::vector<OutboxName> names{
      {"temp", "C"}, {"hum \"x\"", "%"}, {"co2", "ppm"}, {"p", "hPa"}, {"light", "lx"}};
  std::vector<OutboxGap> gaps;
};

// Rows of five sensors, every ten seconds, two decimals.
Batch Many(int64_t first, int count) {
  Batch batch(first);
  for (int i = 0; i < count; ++i) {
    batch.Row(20.01 + 0.07 * (i % 37), kT0 + i / 5 * 10'000, static_cast<uint8_t>(i % 5));
    batch.rows.back().value = std::stod(std::to_string(batch.rows.back().value).substr(0, 5));
  }
  return batch;
}

class Node {
 public:
  explicit Node(std::string uri, ServerOptions options = {})
      : backend_({.uri = std::move(uri)}), pool_(backend_, {.platform = &machine}) {
    std::ofstream(dir_.File("token")) << kToken << "\nmore\n";
    const std::string token = dir_.File("token");
    if (options.token_file.empty()) options.token_file = token;
    if (options.node.empty()) options.node = "hive";
    options.epoch = kEpoch;
    options.version = "1.2.3";
    options.sqlstate = &PostgresSqlState;
    server_.emplace(pool_, WakeCallback{}, options, machine);
  }
  ~Node() {
    server_.reset();
    pool_.Close(pool_.In(10s)).IgnoreError();
  }

  PoolServer& server() { return *server_; }
  Pool& pool() { return pool_; }
  Deadline In(Duration span) { return Deadline::After(machine.Now(), span); }

  const Answer& Hello(std::vector<OutboxSegment> asked = {}, Duration limit = 20s) {
    asked_ = std::move(asked);
    server_->Hello(asked_, In(limit));
    return Finish();
  }
  const Answer& Ingest(const OutboxBatch& batch, Duration limit = 20s) {
    server_->Ingest(batch, In(limit));
    return Finish();
  }
  // One turn of the loop. Null: the call has not ended.
  const Answer* Turn(Duration most = 20s) {
    const TimePoint now = machine.Now();
    if (const Answer* const answer = server_->Continue(now); answer != nullptr) return answer;
    const TimePoint next = std::min(server_->next(), now + most);
    std::array<DescriptorWait, 8> waits;
    const size_t count = server_->Descriptors(waits);
    NativePlatform().WaitForDescriptors(
        std::span(waits).first(count),
        Deadline::After(NativePlatform().Now(), std::max(next - now, Duration::zero())));
    ++turns;
    return nullptr;
  }
  const Answer& Finish() {
    for (;;) {
      if (const Answer* const answer = Turn(); answer != nullptr) return *answer;
    }
  }

  Machine machine;
  int turns = 0;

 private:
  const support::TempDir dir_;
  PostgresBackend backend_;
  PoolFor<Remote> pool_;
  std::optional<PoolServer> server_;
  std::vector<OutboxSegment> asked_;
};

class PoolServerTest : public ::testing::Test {
 protected:
  PoolServerTest() {
    Server().Sql(
        "TRUNCATE roost.reading, roost.reject, roost.gap, roost.mark; TRUNCATE mine; "
        "UPDATE roost.node SET enabled = true, clones = 0, machine = NULL, epoch = NULL, epochs = "
        "'{}'");
  }
  static std::string Uri() { return Server().Uri("sslmode=disable", "roost_node"); }
  static std::string UriThrough(const support::TcpProxy& proxy) {
    return Server().UriThrough(proxy.port(), "sslmode=disable", "roost_node");
  }
  static std::string Count(const std::string& table) {
    return Server().Sql("SELECT count(*) FROM " + table);
  }
  static std::string Missing() { return Server().Sql("SELECT sum(missing) FROM roost.balance"); }
  static bool IsWaitedFor() {
    return Server().Sql("SELECT count(*) FROM pg_locks WHERE NOT granted") != "0";
  }
  static void TurnUntilInside(Node& node) {
    while (node.Turn(1ms) == nullptr && !IsWaitedFor()) {
    }
  }
};

TEST_F(PoolServerTest, AHelloSaysMarksAndABatchMovesThem) {
  Node node(Uri());
  const Answer* answer = &node.Hello({{kEpoch, 1}, {5, 9}});
  ASSERT_TRUE(answer->status.ok()) << answer->status;
  EXPECT_EQ(answer->hello.schema_version, kOutboxSchemaVersion);
  EXPECT_GT(answer->hello.server_time.count, 0);
  EXPECT_GE(answer->hello.spread, 10s);
  EXPECT_EQ(answer->hello.max_rows, 5000u);
  ASSERT_EQ(answer->hello.marks.size(), 2u);
  EXPECT_EQ(answer->hello.marks[0].segment, (OutboxSegment{kEpoch, 1}));
  EXPECT_EQ(answer->hello.marks[0].seq, std::nullopt);
  EXPECT_NE(answer->connection, 0u);

  Batch batch(1);
  batch.Row(21.53, kT0, 0).Row(48, kT0, 1).Row(-1e-300, kT0 + 10'000, 0).Row(1.5e300, kT0 - 5, 4);
  answer = &node.Ingest(batch.Get());
  ASSERT_TRUE(answer->status.ok()) << answer->status;
  EXPECT_FALSE(answer->needs_hello);
  EXPECT_EQ(answer->ingest.mark, 4);
  EXPECT_EQ(answer->ingest.rejected, 0u);
  EXPECT_EQ(Server().Sql("SELECT string_agg(concat_ws(' ', seq, name, unit, v, "
                         "(extract(epoch FROM t) * 1000)::bigint, clock), '; ' ORDER BY seq) FROM "
                         "roost.readings"),
            "1 temp C 21.53 1800000000000 0; 2 hum \"x\" % 48 1800000000000 0; "
            "3 temp C -1e-300 1800000010000 0; 4 light lx 1.5e+300 1799999999995 0");
  answer = &node.Hello({{kEpoch, 1}});
  EXPECT_EQ(answer->hello.marks[0].seq, 4);
  EXPECT_EQ(Missing(), "0");
  EXPECT_EQ(Server().Sql("SELECT version FROM roost.node"), "1.2.3");
  EXPECT_EQ(Server().Sql("SELECT machine FROM roost.node").size(), 64u);
}

TEST_F(PoolServerTest, ABatchSentAgainIsThereOnce) {
  Node node(Uri());
  node.Hello();
  Batch batch = Many(1, 20);
  EXPECT_EQ(node.Ingest(batch.Get()).ingest.mark, 20);
  EXPECT_EQ(node.Ingest(batch.Get()).ingest.mark, 20);
  EXPECT_EQ(Count("roost.reading"), "20");
}

TEST_F(PoolServerTest, AMarkThatHasGoneBackIsTheAnswer) {
  Node node(Uri());
  node.Hello();
  EXPECT_EQ(node.Ingest(Many(1, 20).Get()).ingest.mark, 20);
  Server().Sql("DELETE FROM roost.reading WHERE seq > 12; UPDATE roost.mark SET seq = 12");
  Batch next = Many(21, 5);
  EXPECT_EQ(node.Ingest(next.Get()).ingest.mark, 12) << "nothing of it is stored";
  EXPECT_EQ(Count("roost.reading"), "12");
  EXPECT_EQ(node.Ingest(Many(13, 13).Get()).ingest.mark, 25);
  EXPECT_EQ(Missing(), "0");
}

TEST_F(PoolServerTest, RowsThatAreRefusedAreSetAsideInOneRoundTrip) {
  support::TcpProxy proxy(Server().port());
  Server().Sql("ALTER TABLE roost.reading ADD CONSTRAINT sane CHECK (v <> 13)");
  Node node(UriThrough(proxy));
  node.Hello();
  proxy.ClearCounts();
  Batch batch = Many(1, 500);
  for (const size_t at : {7u, 100u, 499u}) batch.rows[at].value = 13;
  const Answer& answer = node.Ingest(batch.Get());
  Server().Sql("ALTER TABLE roost.reading DROP CONSTRAINT sane");
  EXPECT_EQ(answer.ingest.mark, 500) << answer.status;
  EXPECT_EQ(answer.ingest.rejected, 3u);
  EXPECT_EQ(proxy.counts().round_trips, 1);
  EXPECT_EQ(Count("roost.reading"), "497");
  EXPECT_EQ(Missing(), "0");
}

TEST_F(PoolServerTest, HolesAreAccountedFor) {
  Node node(Uri());
  node.Hello();
  Batch batch(1);
  batch.RowAt(3, 1, kT0).RowAt(4, 2, kT0 + 1).RowAt(9, 3, kT0 + 2);
  batch.Gap(OutboxWhy::kUnused, 1, 8, 3).Gap(OutboxWhy::kFull, 5, 7, 3);
  EXPECT_EQ(node.Ingest(batch.Get()).ingest.mark, 9);
  Batch nothing(10);
  nothing.names.clear();
  nothing.Gap(OutboxWhy::kAge, 10, 19, 10);
  EXPECT_EQ(node.Ingest(nothing.Get()).ingest.mark, 19);
  EXPECT_EQ(Server().Sql("SELECT string_agg(seq::text, ',' ORDER BY seq) FROM roost.reading"),
            "3,4,9");
  EXPECT_EQ(Server().Sql("SELECT sum(numbers) FROM roost.gap"), "16");
  EXPECT_EQ(Missing(), "0");
}

// ---- round trips and bytes ----------------------------------------------------------------------

TEST_F(PoolServerTest, AHelloAndABatchTakeOneRoundTripEach) {
  support::TcpProxy proxy(Server().port());
  proxy.Delay(2ms);
  Node node(UriThrough(proxy));
  node.Hello();
  proxy.ClearCounts();
  EXPECT_TRUE(node.Hello().status.ok());
  EXPECT_EQ(proxy.counts().round_trips, 1);
  for (int i = 0; i < 3; ++i) {
    proxy.ClearCounts();
    EXPECT_TRUE(node.Ingest(Many(1 + 100 * i, 100).Get()).status.ok());
    EXPECT_EQ(proxy.counts().round_trips, 1) << "also the first, which is prepared";
  }
}

TEST_F(PoolServerTest, ARowTakesTwelveBytes) {
  support::TcpProxy proxy(Server().port());
  Node node(UriThrough(proxy));
  node.Hello();
  node.Ingest(Many(1, 500).Get());
  proxy.ClearCounts();
  const uint64_t before = node.server().link_bytes();
  EXPECT_EQ(node.Ingest(Many(501, 500).Get()).ingest.mark, 1000);
  const auto full = proxy.counts();
  const auto counted = static_cast<int64_t>(node.server().link_bytes() - before);
  EXPECT_LE(full.up, 500 * 12);
  EXPECT_GE(counted, full.up + full.down);
  EXPECT_LE(counted, full.up + full.down + 20 * 52) << "with the heads of some packets";
  proxy.ClearCounts();
  EXPECT_EQ(node.Ingest(Many(1001, 1).Get()).ingest.mark, 1001);
  RecordProperty("bytes_of_500", static_cast<int>(full.up));
  RecordProperty("bytes_of_1", static_cast<int>(proxy.counts().up));
  EXPECT_LE(proxy.counts().up, 420);
}

// ---- what goes wrong ----------------------------------------------------------------------------

TEST_F(PoolServerTest, AWrongTokenHoldsAndIsNotTold) {
  const support::TempDir dir;
  std::ofstream(dir.File("wrong")) << "a-wrong-secret\n";
  const std::string file = dir.File("wrong");
  Node node(Uri(), {.token_file = file});
  const Answer& answer = node.Hello();
  EXPECT_EQ(answer.hand, OutboxHand::kHold);
  EXPECT_FALSE(answer.has_no_schema);
  EXPECT_FALSE(answer.is_unknown);
  EXPECT_THAT(answer.status.ToString(), HasSubstr("unknown node or wrong token"));
  EXPECT_THAT(answer.status.ToString(), Not(HasSubstr("a-wrong-secret")));
  std::ofstream(file) << kToken;
  EXPECT_TRUE(node.Hello().status.ok()) << "the file is read again";
}

TEST_F(PoolServerTest, AMachineWithoutAnIdIsNoError) {
  Node node(Uri(), {.machine_id_file = "/none/of/this"});
  EXPECT_TRUE(node.Hello().status.ok());
  EXPECT_EQ(Server().Sql("SELECT machine IS NULL FROM roost.node"), "t");
}

TEST_F(PoolServerTest, ADisabledNodeHolds) {
  Node node(Uri());
  node.Hello();
  Server().Sql("UPDATE roost.node SET enabled = false");
  const Answer& answer = node.Ingest(Many(1, 5).Get());
  EXPECT_EQ(answer.hand, OutboxHand::kHold);
  EXPECT_THAT(answer.status.ToString(), HasSubstr("disabled"));
  EXPECT_EQ(Count("roost.reading"), "0");
}

TEST_F(PoolServerTest, TokenFilesThatCannotBeReadHold) {
  const support::TempDir dir;
  std::ofstream(dir.File("empty")) << "\n";
  std::ofstream(dir.File("blank")) << "two words\n";
  for (const char* name : {"none", "empty", "blank"}) {
    const std::string file = dir.File(name);
    Node node(Uri(), {.token_file = file});
    const Answer& answer = node.Hello();
    EXPECT_EQ(answer.hand, OutboxHand::kHold) << name;
    EXPECT_THAT(answer.status.ToString(), HasSubstr(file));
    EXPECT_THAT(answer.status.ToString(), Not(HasSubstr("two words")));
  }
}

TEST_F(PoolServerTest, AServerWithoutTheSchemaIsAStateOfItsOwn) {
  std::string uri = Server().Uri("sslmode=disable", "node");
  uri.replace(uri.find("/postgres?"), 10, "/bare?");
  Node node(uri);
  const Answer& answer = node.Hello();
  EXPECT_TRUE(answer.has_no_schema) << answer.status;
  EXPECT_EQ(answer.hand, OutboxHand::kHold);
}

TEST_F(PoolServerTest, AMissingPartitionHolds) {
  Node node(Uri());
  node.Hello();
  Server().Sql(
      "ALTER TABLE roost.reading RENAME TO parked; CREATE TABLE roost.reading (LIKE roost.parked "
      "INCLUDING ALL) PARTITION BY RANGE (arrived); ALTER TABLE roost.reading OWNER TO "
      "roost_owner; "
      "UPDATE roost.upkeep SET own = false");
  const Answer& answer = node.Ingest(Many(1, 5).Get());
  Server().Sql(
      "DROP TABLE roost.reading; ALTER TABLE roost.parked RENAME TO reading; UPDATE roost.upkeep "
      "SET own = true");
  EXPECT_EQ(answer.hand, OutboxHand::kHold) << answer.status;
  EXPECT_EQ(Count("roost.reject"), "0");
}

TEST_F(PoolServerTest, AServerThatIsAwayIsWaitedFor) {
  support::TcpProxy proxy(Server().port());
  proxy.Reset();
  Node node(UriThrough(proxy));
  const Answer& answer = node.Hello({}, 500ms);
  EXPECT_EQ(answer.hand, OutboxHand::kWait) << answer.status;
  EXPECT_FALSE(answer.is_unknown) << "nothing was sent";
  EXPECT_GT(proxy.counts().attempts, 0) << "the end before the first byte is no other error";
}

TEST_F(PoolServerTest, AnAnswerThatIsLostIsAskedFor) {
  support::TcpProxy proxy(Server().port());
  Node node(UriThrough(proxy));
  node.Hello();
  Server().Sql("BEGIN; SELECT FROM roost.mark; LOCK TABLE roost.mark");
  Batch batch = Many(1, 50);
  node.server().Ingest(batch.Get(), node.In(20s));
  TurnUntilInside(node);
  proxy.Reset();
  const Answer* answer = &node.Finish();
  EXPECT_EQ(answer->hand, OutboxHand::kWait) << answer->status;
  EXPECT_TRUE(answer->is_unknown);
  Server().Sql("COMMIT");
  proxy.Heal();
  answer = &node.Ingest(batch.Get());
  EXPECT_TRUE(answer->needs_hello) << "another connection";
  EXPECT_EQ(answer->hand, OutboxHand::kNone);
  answer = &node.Hello({{kEpoch, 1}});
  ASSERT_TRUE(answer->status.ok()) << answer->status;
  const std::optional<int64_t> mark = answer->hello.marks[0].seq;
  EXPECT_EQ(std::to_string(mark.value_or(0)), Count("roost.reading")) << "all of it or nothing";
  EXPECT_EQ(node.Ingest(batch.Get()).ingest.mark, 50);
  EXPECT_EQ(Count("roost.reading"), "50");
  EXPECT_EQ(Missing(), "0");
}

TEST_F(PoolServerTest, TheLoopTurnsWhileTheServerThinksAndTheDeadlineEndsIt) {
  Node node(Uri());
  node.Hello();
  Server().Sql("BEGIN; LOCK TABLE roost.mark");
  Batch batch = Many(1, 50);
  const int waits = node.machine.waits();
  node.server().Ingest(batch.Get(), node.In(20s));
  TurnUntilInside(node);
  const int turns = node.turns;
  for (int i = 0; i < 50; ++i) EXPECT_EQ(node.Turn(Duration::zero()), nullptr);
  EXPECT_EQ(node.turns, turns + 50);
  EXPECT_EQ(node.machine.waits(), waits) << "nothing waited but the loop";
  node.machine.Forward(20s);
  const Answer& answer = node.Finish();
  EXPECT_EQ(answer.hand, OutboxHand::kWait);
  EXPECT_TRUE(answer.is_unknown);
  EXPECT_EQ(node.machine.waits(), waits);
  Server().Sql("COMMIT");
}

// ---- leases -------------------------------------------------------------------------------------

TEST_F(PoolServerTest, ALeaseGoesBackWhenNothingIsDue) {
  Node node(Uri());
  EXPECT_TRUE(node.Ingest(Many(1, 5).Get()).needs_hello) << "nothing was sent";
  EXPECT_EQ(Count("roost.reading"), "0");
  const uint64_t first = node.Hello().connection;
  EXPECT_EQ(node.pool().stats().in_use, 1);
  node.server().Rest();
  EXPECT_EQ(node.pool().stats().in_use, 0);
  EXPECT_TRUE(node.Ingest(Many(1, 5).Get()).status.ok()) << "the same connection knows us still";
  node.server().Rest();
  node.pool().InvalidateAll();
  EXPECT_TRUE(node.Ingest(Many(6, 5).Get()).needs_hello) << "the pool has opened another one";
  EXPECT_NE(node.Hello().connection, first);
  EXPECT_EQ(node.Ingest(Many(6, 5).Get()).ingest.mark, 10);
}

TEST_F(PoolServerTest, SessionSettingsDoNotMatter) {
  Server().Sql(
      "ALTER ROLE roost_node SET timezone = 'Asia/Kathmandu'; ALTER ROLE roost_node SET datestyle "
      "= "
      "'SQL, DMY'; ALTER ROLE roost_node SET intervalstyle = 'sql_standard'; ALTER ROLE roost_node "
      "SET extra_float_digits = -10");
  {
    Node node(Uri());
    node.Hello();
    EXPECT_EQ(node.Ingest(Batch(1).Row(0.1234567890123456, kT0).Get()).ingest.mark, 1);
  }
  Server().Sql("ALTER ROLE roost_node RESET ALL");
  EXPECT_EQ(Server().Sql("SELECT (extract(epoch FROM t) * 1000)::bigint || ' ' || v FROM "
                         "roost.reading"),
            "1800000000000 0.1234567890123456");
}

TEST_F(PoolServerTest, WhatIsTooLargeIsSaidBeforeItIsSent) {
  Node node(Uri(), {.batch = 10});
  node.Hello();
  EXPECT_EQ(node.Ingest(Many(1, 11).Get()).hand, OutboxHand::kTooLarge);
  Batch wide(1);
  wide.Row(1, kT0).Row(2, kT0 + int64_t{86'400'000} * 60);
  EXPECT_EQ(node.Ingest(wide.Get()).hand, OutboxHand::kTooLarge) << "two months apart";
  EXPECT_EQ(node.Ingest(Many(1, 10).Get()).ingest.mark, 10);
}

TEST_F(PoolServerTest, WrongOptionsShowInTheFirstAnswer) {
  Node node(Uri(), {.batch = 5001});
  EXPECT_EQ(node.Hello().status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(node.Hello().hand, OutboxHand::kHold);
  Node table(Uri(), {.kind = ServerKind::kTable});
  EXPECT_THAT(table.Hello().status.ToString(), HasSubstr("ServerTable::table"));
}

// ---- the whole way ------------------------------------------------------------------------------

constexpr char kLocal[] =
    "CREATE TABLE reading(seq INTEGER PRIMARY KEY, epoch INTEGER, t INTEGER, clock INTEGER, name "
    "TEXT, unit "
    "TEXT, v REAL) STRICT;";
constexpr OutboxSource kSource{
    .rows =
        Sql("SELECT seq, epoch, t, clock, name, unit, v FROM reading WHERE seq > $1 AND seq <= $2 "
            "ORDER BY seq LIMIT $3"),
    .newest = Sql("SELECT max(seq) FROM reading")};

TEST_F(PoolServerTest, WhatWasSealedArrivesOnceOverCutsAndAServerThatGoesBack) {
  support::TcpProxy proxy(Server().port());
  Node node(UriThrough(proxy));
  const support::TempDir dir;
  const std::string schema = std::string(kLocal) + kOutboxSchema;
  SqliteBackend sqlite({.path = dir.File("node.db"), .schema = schema});
  PoolFor<profiles::RaspberryPi> local(sqlite);
  int64_t seq = 0;
  const auto seal = [&](int count) {
    absl::StatusOr<Lease> lease = local.Acquire(kWrite, local.In(10s));
    ASSERT_TRUE(lease.ok()) << lease.status();
    absl::StatusOr<Transaction> transaction = lease->Begin(Durability::kSealed);
    for (int i = 0; i < count; ++i) {
      ++seq;
      ASSERT_TRUE(lease
                      ->Run(Sql("INSERT INTO reading VALUES ($1, $2, $3, 0, $4, 'C', $5)"), seq,
                            kEpoch, kT0 * 1000 + seq * 1'000'000, seq % 2 == 0 ? "a" : "b",
                            0.25 * double(seq))
                      .ok());
    }
    ASSERT_TRUE(transaction->Commit().ok());
  };
  seal(1200);
  Outbox outbox(local, node.server(), kSource,
                {.epoch = kEpoch, .linger = Duration::zero(), .back_off_min = 100ms, .spread = 0s});
  ASSERT_TRUE(outbox.Start(local.In(10s)).ok());
  ASSERT_TRUE(outbox.Drain(local.In(20s)).ok()) << outbox.stats(node.machine.Now()).reason;
  EXPECT_EQ(Count("roost.reading"), "1200");
  // As the application's loop does, but for the spread after an outage, which is 10 s.
  const auto deliver = [&] {
    for (int turn = 0; turn < 2000; ++turn) {
      const OutboxStats stats = outbox.stats(node.machine.Now());
      if (stats.waiting == 0 && turn > 5) return;
      if (stats.state == OutboxState::kWaiting && stats.next_try > node.machine.Now())
        outbox.Retry();
      const TimePoint next = outbox.Turn(node.machine.Now());
      std::array<DescriptorWait, 8> waits;
      const size_t count = outbox.Descriptors(waits);
      NativePlatform().WaitForDescriptors(std::span(waits).first(count), Deadline::At(next));
    }
    ADD_FAILURE() << outbox.stats(node.machine.Now()).reason;
  };
  proxy.Reset();
  proxy.Heal();
  seal(300);
  outbox.RowsSealed();
  deliver();
  EXPECT_EQ(Count("roost.reading"), "1500");
  // A standby takes over that had not got the last 500.
  proxy.Reset();
  proxy.Heal();
  Server().Sql(
      "DELETE FROM roost.reading WHERE seq > 1000; "
      "UPDATE roost.mark SET seq = greatest(lo - 1, least(seq, 1000))");
  seal(10);
  outbox.RowsSealed();
  deliver();
  EXPECT_EQ(Server().Sql("SELECT count(*) || ' ' || count(DISTINCT seq) || ' ' || max(seq) FROM "
                         "roost.reading"),
            "1510 1510 1510");
  EXPECT_EQ(Missing(), "0");
  EXPECT_GE(outbox.stats(node.machine.Now()).rewinds, 1u);
}

// ---- a table of one's own -----------------------------------------------------------------------

constexpr ServerTable kMine{
    .table = "public.mine", .time = "at", .name = "label", .unit = "un it", .value = "v"};

TEST_F(PoolServerTest, ATableOfOnesOwnTakesBatchesByItsKey) {
  Node node(Server().Uri("sslmode=disable", "node"), {.kind = ServerKind::kTable, .table = kMine});
  const Answer* answer = &node.Hello({{kEpoch, 1}});
  ASSERT_TRUE(answer->status.ok()) << answer->status;
  EXPECT_EQ(answer->hello.marks[0].seq, std::nullopt);
  EXPECT_GT(answer->hello.server_time.count, 0);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(node.Ingest(Many(1, 20).Get()).ingest.mark, 20);
  Batch nothing(21);
  nothing.names.clear();
  EXPECT_EQ(node.Ingest(nothing.Gap(OutboxWhy::kAge, 21, 25, 5).Get()).ingest.mark, 25);
  EXPECT_EQ(Count("mine"), "20");
  EXPECT_EQ(node.Hello({{kEpoch, 1}, {3, 1}}).hello.marks[0].seq, 20);
  EXPECT_EQ(Server().Sql("SELECT concat_ws(' ', label, \"un it\", v, (extract(epoch FROM at) * "
                         "1000)::bigint) FROM mine WHERE seq = 7"),
            "hum \"x\" % 20.43 1800000010000");
}

TEST_F(PoolServerTest, WhatATableRefusesIsFoundByHalves) {
  Server().Sql("ALTER TABLE mine ADD CONSTRAINT sane CHECK (v <> 13)");
  Node node(Server().Uri("sslmode=disable", "node"), {.kind = ServerKind::kTable, .table = kMine});
  node.Hello();
  Batch batch = Many(1, 20);
  batch.rows[3].value = 13;
  EXPECT_EQ(node.Ingest(batch.Get()).hand, OutboxHand::kSetAside);
  Server().Sql("ALTER TABLE mine DROP CONSTRAINT sane");
  EXPECT_EQ(Count("mine"), "0");
  Server().Sql("REVOKE INSERT ON mine FROM node");
  EXPECT_EQ(node.Ingest(batch.Get()).hand, OutboxHand::kHold);
  Server().Sql("GRANT INSERT ON mine TO node");
}

}  // namespace
}  // namespace roost::outbox
