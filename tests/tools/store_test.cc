// Store over a pool on SQLite in memory, with a backend that fails commits in both possible ways.
#include "tools/roost-node/store.h"

#include <gtest/gtest.h>

#include <chrono>
#include <deque>
#include <filesystem>
#include <string>

#include "roost/pool.h"
#include "roost/sqlite.h"
#include "tests/fakes/fake_platform.h"
#include "tests/support/connection_access.h"
#include "tests/support/temp_dir.h"

namespace roost::tools {
namespace {

enum class Commits : uint8_t {
  kWork,
  kHappenAndSayUnknown,  // the answer was lost
  kFailAndSayUnknown,    // the request was lost
};

// A connection that passes everything on but commits.
class ForgetfulConnection : public Connection {
 public:
  ForgetfulConnection(Connection* real, const Commits* commits) : real_(real), commits_(commits) {}
  ~ForgetfulConnection() override { ConnectionAccess::Destroy(*real_); }

  absl::StatusOr<Statement*> Prepare(const Sql& sql) override { return real_->Prepare(sql); }
  absl::Status RunScript(std::string_view sql) override { return real_->RunScript(sql); }
  absl::Status Seal() override { return real_->Seal(); }
  SessionState Inspect() override { return ConnectionAccess::Inspect(*real_); }
  absl::Status Reset(Deadline deadline) override {
    return ConnectionAccess::Reset(*real_, deadline);
  }
  Liveness Probe() override { return ConnectionAccess::Probe(*real_); }
  absl::Status Ping(Deadline deadline) override { return ConnectionAccess::Ping(*real_, deadline); }
  absl::Status Maintain(Deadline deadline) override {
    return ConnectionAccess::Maintain(*real_, deadline);
  }
  void Close() override { ConnectionAccess::Close(*real_); }
  void Abandon() override { ConnectionAccess::Abandon(*real_); }
  NativeHandle Detach() override { return ConnectionAccess::Detach(*real_); }

 private:
  absl::Status BeginTransaction(Durability durability) override {
    absl::StatusOr<Transaction> begun = real_->Begin(durability);
    if (!begun.ok()) return begun.status();
    transaction_.emplace(*std::move(begun));
    return absl::OkStatus();
  }
  absl::Status CommitTransaction() override {
    if (*commits_ == Commits::kFailAndSayUnknown) {
      EXPECT_TRUE(transaction_->Rollback().ok());
    } else {
      EXPECT_TRUE(transaction_->Commit().ok());
    }
    transaction_.reset();
    return *commits_ == Commits::kWork ? absl::OkStatus() : absl::UnknownError("no answer");
  }
  absl::Status RollbackTransaction() override {
    transaction_.reset();
    return absl::OkStatus();
  }
  void* RawHandle() override { return real_->Raw(); }

  Connection* const real_;
  const Commits* const commits_;
  std::optional<Transaction> transaction_;
};

class ForgetfulBackend : public Backend {
 public:
  Commits commits = Commits::kWork;

  std::string_view kind() const override { return "forgetful"; }
  std::string_view target() const override { return real_.target(); }
  LanePlan lanes() const override { return real_.lanes(); }
  size_t ConnectionBytes(int statements) const override {
    return real_.ConnectionBytes(statements);
  }
  absl::StatusOr<Connection*> Open(const OpenRequest& request) override {
    absl::StatusOr<Connection*> real = real_.Open(request);
    if (!real.ok()) return real.status();
    // The pool runs the destructor; the memory stays here.
    memory_.emplace_back();
    return new (memory_.back().bytes) ForgetfulConnection(*real, &commits);
  }

 private:
  struct Memory {
    alignas(ForgetfulConnection) std::byte bytes[sizeof(ForgetfulConnection)];
  };
  SqliteBackend real_{{.path = ":memory:", .schema = NodeSchema()}};
  std::deque<Memory> memory_;
};

class StoreTest : public ::testing::Test {
 protected:
  void Take(int count) {
    for (int i = 0; i < count; ++i) {
      Reading reading;
      reading.name = decltype(reading.name)("n");
      reading.value = static_cast<double>(taken_++);
      buffer.Push(reading);
    }
  }
  Deadline Soon() { return pool.In(std::chrono::seconds(10)); }
  int64_t Rows(const char* what) {
    absl::StatusOr<Lease> lease = pool.Acquire(kRead, Soon());
    const std::string sql = std::string("SELECT ") + what + " FROM reading";
    absl::StatusOr<Statement*> statement = (*lease)->Prepare(Sql(sql));
    EXPECT_TRUE(statement.ok()) << statement.status();
    Rows_ rows = (*statement)->Query();
    EXPECT_TRUE(rows.Next());
    return rows.Get<int64_t>(0);
  }
  using Rows_ = roost::Rows;

  ForgetfulBackend backend;
  PoolFor<profiles::RaspberryPi> pool{backend};
  Store store{pool, 7};
  ReadingBuffer buffer{100};

 private:
  int taken_ = 0;
};

TEST_F(StoreTest, SealsTheOldestFirstAndForgetsThem) {
  Take(10);
  EXPECT_EQ(store.Seal(buffer, 4, Soon()).value(), 4u);
  EXPECT_EQ(buffer.size(), 6u);
  EXPECT_EQ(Rows("max(seq)"), 4);
  EXPECT_EQ(store.Seal(buffer, 100, Soon()).value(), 6u);
  EXPECT_TRUE(buffer.empty());
  EXPECT_EQ(Rows("count(*)"), 10);
}

TEST_F(StoreTest, ACommitThatHappenedUnknownIsNotRepeated) {
  Take(5);
  backend.commits = Commits::kHappenAndSayUnknown;
  EXPECT_EQ(store.Seal(buffer, 3, Soon()).status().code(), absl::StatusCode::kUnknown);
  EXPECT_EQ(buffer.size(), 5u);
  backend.commits = Commits::kWork;
  EXPECT_EQ(store.Seal(buffer, 5, Soon()).value(), 3u);  // those that were there
  EXPECT_EQ(store.Seal(buffer, 5, Soon()).value(), 2u);
  EXPECT_EQ(Rows("count(*)"), 5);
  EXPECT_EQ(Rows("count(DISTINCT value)"), 5);
  EXPECT_EQ(store.ReadBack(Soon())->at(0).count, 5);
}

TEST_F(StoreTest, ACommitThatFailedUnknownIsRepeated) {
  Take(5);
  backend.commits = Commits::kFailAndSayUnknown;
  EXPECT_FALSE(store.Seal(buffer, 5, Soon()).ok());
  EXPECT_FALSE(store.Seal(buffer, 5, Soon()).ok());
  backend.commits = Commits::kWork;
  EXPECT_EQ(store.Seal(buffer, 5, Soon()).value(), 5u);
  EXPECT_EQ(Rows("count(*)"), 5);
}

TEST_F(StoreTest, AnotherWriterWithTheSameNumbersIsNotTakenForThisOne) {
  Take(2);
  backend.commits = Commits::kFailAndSayUnknown;
  EXPECT_FALSE(store.Seal(buffer, 2, Soon()).ok());
  backend.commits = Commits::kWork;
  Store other(pool, 8);
  ReadingBuffer others(10);
  others.Push(buffer.at(0));
  EXPECT_EQ(other.Seal(others, 1, Soon()).value(), 1u);  // takes seq 1
  EXPECT_EQ(store.Seal(buffer, 2, Soon()).value(), 2u);
  EXPECT_EQ(Rows("count(*)"), 3);
  EXPECT_EQ(store.ReadBack(Soon())->at(0).count, 2);
}

TEST_F(StoreTest, WhatWasDroppedMeanwhileIsNotForgottenTwice) {
  ReadingBuffer small(3);
  for (int i = 0; i < 3; ++i) small.Push({});
  backend.commits = Commits::kHappenAndSayUnknown;
  EXPECT_FALSE(store.Seal(small, 3, Soon()).ok());
  backend.commits = Commits::kWork;
  small.Push({});  // drops the first of those that are stored
  EXPECT_EQ(store.Seal(small, 3, Soon()).value(), 2u);
  EXPECT_EQ(small.size(), 1u);
  EXPECT_EQ(store.Seal(small, 3, Soon()).value(), 1u);
  EXPECT_EQ(Rows("count(*)"), 4);
}

// A card that an earlier version has filled: nothing of it is lost, and its readings have no source.
TEST(StoreUpgradeTest, ADatabaseWithoutTimeSourcesGetsThem) {
  const support::TempDir folder;
  const std::string path = folder.File("node.db");
  SqliteBackend old({.path = path, .schema = R"sql(
CREATE TABLE sensor(id INTEGER PRIMARY KEY, name TEXT NOT NULL, unit TEXT NOT NULL, UNIQUE(name, unit));
CREATE TABLE reading(seq INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, t_boot INTEGER NOT NULL,
  t_wall INTEGER NOT NULL, synced INTEGER NOT NULL, sensor INTEGER NOT NULL REFERENCES sensor(id),
  value REAL NOT NULL);
CREATE VIEW readings AS SELECT r.seq, s.name, r.value FROM reading r JOIN sensor s ON s.id = r.sensor;
INSERT INTO sensor VALUES (1, 'n', 'C');
INSERT INTO reading VALUES (1, 5, 1, 1700000000000000, 1, 1, 21.5);
)sql"});
  {
    PoolFor<profiles::RaspberryPi> pool(old);
    ASSERT_TRUE(pool.Acquire(kWrite, pool.In(std::chrono::seconds(10))).ok());
  }
  SqliteBackend backend({.path = path, .schema = NodeSchema()});
  PoolFor<profiles::RaspberryPi> pool(backend);
  Store store(pool, 7);
  ASSERT_TRUE(store.Check(pool.In(std::chrono::seconds(10))).ok());
  ASSERT_TRUE(store.Check(pool.In(std::chrono::seconds(10))).ok()) << "once is enough";
  ReadingBuffer buffer(10);
  for (const TimeSource source :
       {TimeSource::kBoard, TimeSource::kArrival, TimeSource::kLine, TimeSource::kLate}) {
    Reading reading;
    reading.source = source;
    buffer.Push(reading);
  }
  ASSERT_EQ(store.Seal(buffer, 10, pool.In(std::chrono::seconds(10))).value(), 4u);
  absl::StatusOr<Lease> lease = pool.Acquire(kRead, pool.In(std::chrono::seconds(10)));
  const absl::StatusOr<Statement*> all =
      lease->Prepare(Sql("SELECT group_concat(seq || name || time_from) FROM readings"));
  ASSERT_TRUE(all.ok()) << all.status();
  Rows rows = (*all)->Query();
  ASSERT_TRUE(rows.Next());
  EXPECT_EQ(rows.Get<std::string_view>(0), "1nboard,2board,3arrival,4line,5late");
}

// Met by a seal, and by the look at a connection that was idle, which has nobody to tell.
TEST(StoreFileTest, ReadingsThatWentWithTheFileAreToldOnceAndNothingIsSealedIntoIt) {
  for (const auto idle : {std::chrono::seconds(1), std::chrono::seconds(120)}) {
    support::TempDir folder;
    fakes::FakePlatform platform;
    const std::string path = folder.File("node.db");
    SqliteBackend backend({.path = path, .schema = NodeSchema()});
    PoolFor<profiles::RaspberryPi> pool(backend, {.platform = &platform});
    Store store(pool, 7);
    ReadingBuffer buffer(100);
    const auto seal = [&] { return store.Seal(buffer, 10, pool.In(std::chrono::seconds(10))); };
    for (int i = 0; i < 5; ++i) buffer.Push({});
    EXPECT_EQ(seal().value(), 5u);
    for (const char* end : {"", "-wal", "-shm"}) std::filesystem::remove(path + end);
    platform.Advance(idle);
    for (int i = 0; i < 3; ++i) buffer.Push({});
    const absl::Status told = seal().status();
    EXPECT_EQ(told.code(), absl::StatusCode::kUnavailable) << told;
    EXPECT_NE(std::string(told.message()).find("deleted"), std::string::npos) << told;
    EXPECT_NE(std::string(told.message()).find("; 5 readings that this run"), std::string::npos)
        << told;
    EXPECT_EQ(buffer.size(), 3u);
    platform.Advance(std::chrono::seconds(1));
    EXPECT_EQ(seal().value(), 3u);
    EXPECT_EQ(store.ReadBack(pool.In(std::chrono::seconds(10)))->at(0).count, 3);
  }
}

TEST_F(StoreTest, CheckRefusesTablesOfAnotherShape) {
  EXPECT_TRUE(store.Check(Soon()).ok());
  SqliteBackend other({.path = ":memory:", .schema = "CREATE TABLE reading(other)"});
  PoolFor<profiles::Testing> other_pool(other);
  EXPECT_EQ(Store(other_pool, 1).Check(Soon()).code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace roost::tools
