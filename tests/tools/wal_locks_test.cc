// tests/tools/wal_locks_test.cc - another process that holds SQLite's locks is named.
#include "tools/roostctl/wal_locks.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "tests/support/temp_dir.h"
#include "tests/tools/open_transaction.h"

namespace roost::tools {
namespace {

using Other = testing::OpenTransaction;
TEST(WalLocksTest, NamesWhoWritesAndWhoReads) {
  const support::TempDir dir;
  const std::string path = dir.File("node.db");
  EXPECT_TRUE(WalLocks(path, 0).empty()) << "there is no such database";
  const Other maker(path, "PRAGMA journal_mode=WAL; CREATE TABLE t(x); INSERT INTO t VALUES (1)");
  EXPECT_TRUE(WalLocks(path, 0).empty()) << "who does nothing holds nothing";
  const Other reader(path, "BEGIN; SELECT * FROM t");
  const Other writer(path, "BEGIN IMMEDIATE");
  const std::vector<WalLock> locks = WalLocks(path, 0);
  ASSERT_GE(locks.size(), 2u);
  for (const WalLock& lock : locks) {
    EXPECT_TRUE(lock.pid == reader.pid() || lock.pid == writer.pid()) << lock.pid;
    EXPECT_FALSE(lock.command.empty());
    if (lock.what.starts_with("writes")) {
      EXPECT_EQ(lock.pid, writer.pid());
    }
  }
  EXPECT_TRUE(std::any_of(locks.begin(), locks.end(),
                          [](auto& lock) { return lock.what.starts_with("writes"); }));
  EXPECT_TRUE(std::any_of(locks.begin(), locks.end(),
                          [](auto& lock) { return lock.what.starts_with("reads"); }));
  for (const WalLock& lock : WalLocks(path, writer.pid()))
    EXPECT_NE(lock.pid, writer.pid()) << "the node itself";
}

TEST(WalLocksTest, LinesOfAnotherFormAreLeftOut) {
  const support::TempDir dir;
  std::ofstream(dir.File("node.db-shm")) << "x";
  std::ofstream(dir.File("locks"))
      << "\n1:\n2: POSIX ADVISORY WRITE x y z\n3: POSIX ADVISORY WRITE -1 0:0:0 120 EOF\n";
  EXPECT_TRUE(WalLocks(dir.File("node.db"), 0, dir.File("locks")).empty());
  EXPECT_TRUE(WalLocks(dir.File("node.db"), 0, dir.File("none")).empty());
}

}  // namespace
}  // namespace roost::tools
