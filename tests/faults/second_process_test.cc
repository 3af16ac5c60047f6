// Another process may read while the pool writes, and may write: then our writer waits for it, in
// the database, until its own deadline and not longer.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <optional>
#include <string>

#include "roost/pool.h"
#include "roost/sqlite.h"
#include "tests/faults/reading.h"
#include "tests/support/temp_dir.h"

namespace roost::faults {
namespace {

using namespace std::chrono_literals;

// The program second_process, at the other end of two pipes.
class SecondProcess {
 public:
  explicit SecondProcess(const std::string& path) {
    int to[2];
    int from[2];
    EXPECT_EQ(::pipe2(to, O_CLOEXEC), 0);
    EXPECT_EQ(::pipe2(from, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, to[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, from[1], STDOUT_FILENO);
    std::string program = ROOST_SECOND_PROCESS;
    std::string argument = path;
    char* arguments[] = {program.data(), argument.data(), nullptr};
    EXPECT_EQ(::posix_spawn(&process_, program.c_str(), &actions, nullptr, arguments, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    ::close(to[0]);
    ::close(from[1]);
    commands_ = ::fdopen(to[1], "w");
    answers_ = ::fdopen(from[0], "r");
  }
  ~SecondProcess() {
    std::fclose(commands_);
    std::fclose(answers_);
    int status = -1;
    EXPECT_EQ(::waitpid(process_, &status, 0), process_);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "status " << status;
  }
  SecondProcess(const SecondProcess&) = delete;
  SecondProcess& operator=(const SecondProcess&) = delete;

  std::string Ask(const std::string& command) {
    std::fprintf(commands_, "%s\n", command.c_str());
    std::fflush(commands_);
    char line[256] = "";
    if (std::fgets(line, sizeof(line), answers_) == nullptr) return "(it has ended)";
    const std::string answer = line;
    return answer.substr(0, answer.find('\n'));
  }

 private:
  pid_t process_ = -1;
  std::FILE* commands_ = nullptr;
  std::FILE* answers_ = nullptr;
};

class SecondProcessTest : public ::testing::Test {
 protected:
  SecondProcessTest()
      : backend_({.path = folder_.File("node.db"), .schema = kSchema}), pool_(backend_) {
    EXPECT_TRUE(pool_.Fill(2, pool_.In(20s)).ok());
    other_.emplace(folder_.File("node.db"));
  }

  absl::Status Store(int64_t id, Duration patience = 20s) {
    absl::StatusOr<Lease> lease = pool_.Acquire(kWrite, pool_.In(patience));
    if (!lease.ok()) return lease.status();
    absl::StatusOr<Transaction> batch = (*lease)->Begin();
    if (!batch.ok()) return batch.status();
    const absl::Status status = (*lease)->Run(kInsert, id, nullptr);
    return status.ok() ? batch->Commit() : status;
  }
  int64_t Count() {
    absl::StatusOr<Lease> lease = pool_.Acquire(kRead, pool_.In(20s));
    if (!lease.ok()) return -1;
    Rows rows = (*(*lease)->Prepare(kCount))->Query();
    return rows.Next() ? rows.Get<int64_t>(0) : -1;
  }

  const support::TempDir folder_;
  SqliteBackend backend_;
  PoolFor<profiles::RaspberryPi> pool_;
  std::optional<SecondProcess> other_;
};

TEST_F(SecondProcessTest, ReadsWhileThePoolWrites) {
  for (int i = 0; i < 20; ++i) {
    absl::StatusOr<Lease> lease = pool_.Acquire(kWrite, pool_.In(20s));
    ASSERT_TRUE(lease.ok()) << lease.status();
    absl::StatusOr<Transaction> batch = (*lease)->Begin();
    ASSERT_TRUE(batch.ok()) << batch.status();
    ASSERT_TRUE((*lease)->Run(kInsert, i, nullptr).ok());
    EXPECT_EQ(other_->Ask("count"), std::to_string(i)) << "what is not committed is not there";
    ASSERT_TRUE(batch->Commit().ok());
    EXPECT_EQ(other_->Ask("count"), std::to_string(i + 1));
  }
}

TEST_F(SecondProcessTest, HoldingTheWriteLockDelaysOurWriterUpToItsDeadlineOnly) {
  ASSERT_EQ(other_->Ask("lock"), "ok");
  const TimePoint asked = pool_.platform().Now();
  const absl::Status refused = Store(1, 60ms);
  EXPECT_EQ(refused.code(), absl::StatusCode::kDeadlineExceeded) << refused;
  EXPECT_EQ(SqliteCode(refused) & 0xFF, SQLITE_BUSY);
  EXPECT_GE(pool_.platform().Now() - asked, 60ms) << "it did not wait";
  EXPECT_EQ(Count(), 0) << "readers do not wait for it";
  EXPECT_EQ(other_->Ask("unlock"), "ok");
  EXPECT_TRUE(Store(1).ok()) << "the connection went on";
  EXPECT_EQ(pool_.stats().opens, 2u) << "nothing was wrong with it";
}

TEST_F(SecondProcessTest, GivingTheWriteLockBackLetsOurWriterGoOn) {
  ASSERT_EQ(other_->Ask("lock"), "ok");
  ASSERT_EQ(other_->Ask("unlock-later 30"), "ok");
  const absl::Status stored = Store(1);
  EXPECT_TRUE(stored.ok()) << stored;
  EXPECT_EQ(other_->Ask("count"), "1");
}

TEST_F(SecondProcessTest, BothWriteAndNothingIsLost) {
  constexpr int kRows = 200;
  ASSERT_EQ(other_->Ask("store 1001 1200"), "ok");
  for (int i = 1; i <= kRows; ++i) {
    const absl::Status stored = Store(i);
    ASSERT_TRUE(stored.ok()) << stored;
  }
  EXPECT_EQ(other_->Ask("wait"), "ok");
  EXPECT_EQ(Count(), 2 * kRows);
}

// Opens at once, and again after a failure.
struct Impatient : profiles::RaspberryPi {
  static constexpr Duration kBackoffMin = 1ns;
  static constexpr Duration kBackoffMax = 1ns;
};

// Whatever lock another program holds when the pool opens: a sentence by the deadline, and the pool
// goes on when the lock is given back.
TEST(SecondProcessLocksTest, EachLockHoldsTheOpenUpUntilItsDeadlineOnly) {
  const struct {
    const char* before;
    const char* lock;
    const char* unlock;
  } locks[] = {
      {"CREATE TABLE other(a)", "BEGIN EXCLUSIVE", "ROLLBACK"},
      {"CREATE TABLE other(a)", "BEGIN IMMEDIATE; INSERT INTO other VALUES (1)", "ROLLBACK"},
      {"CREATE TABLE other(a)", "BEGIN; SELECT count(*) FROM other", "ROLLBACK"},
      {"PRAGMA journal_mode=WAL; CREATE TABLE other(a)", "BEGIN EXCLUSIVE", "ROLLBACK"},
      {"PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; CREATE TABLE other(a)", "SELECT 1",
       "PRAGMA journal_mode=DELETE; PRAGMA locking_mode=NORMAL; SELECT count(*) FROM other"},
  };
  for (const auto& one : locks) {
    SCOPED_TRACE(one.before + std::string("; ") + one.lock);
    const support::TempDir folder;
    SecondProcess other(folder.File("node.db"));
    other.Ask(std::string("sql ") + one.before);
    other.Ask(std::string("sql ") + one.lock);
    SqliteBackend backend({.path = folder.File("node.db"), .schema = kSchema});
    PoolFor<Impatient> pool(backend);
    const auto store = [&pool](int64_t id, Duration patience) {
      absl::StatusOr<Lease> lease = pool.Acquire(kWrite, pool.In(patience));
      return lease.ok() ? lease->Run(kInsert, id, nullptr) : lease.status();
    };
    const TimePoint asked = pool.platform().Now();
    const absl::Status refused = store(1, 100ms);
    EXPECT_TRUE(absl::IsUnavailable(refused) || absl::IsDeadlineExceeded(refused)) << refused;
    EXPECT_NE(std::string(refused.message()).find("another process"), std::string::npos) << refused;
    EXPECT_LT(pool.platform().Now() - asked, 2s);
    other.Ask(std::string("sql ") + one.unlock);
    const absl::Status stored = store(1, 20s);
    EXPECT_TRUE(stored.ok()) << stored;
  }
}

}  // namespace
}  // namespace roost::faults
