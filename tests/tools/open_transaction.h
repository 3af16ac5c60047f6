// tests/tools/open_transaction.h - another process with a transaction open on a SQLite database.
#ifndef ROOST_TESTS_TOOLS_OPEN_TRANSACTION_H_
#define ROOST_TESTS_TOOLS_OPEN_TRANSACTION_H_

#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

namespace roost::testing {

// A process that has run `sql` on `path` and keeps its transaction open. REQUIRES: no other thread.
class OpenTransaction {
 public:
  OpenTransaction(const std::string& path, const char* sql) {
    int ready[2];
    EXPECT_EQ(pipe(ready), 0);
    pid_ = fork();
    if (pid_ == 0) {
      sqlite3* handle = nullptr;
      const bool done = sqlite3_open(path.c_str(), &handle) == SQLITE_OK &&
                        sqlite3_exec(handle, sql, nullptr, nullptr, nullptr) == SQLITE_OK;
      const char said = done ? 'y' : 'n';
      if (write(ready[1], &said, 1) != 1) _exit(1);
      for (;;) pause();
    }
    char said = 0;
    EXPECT_EQ(read(ready[0], &said, 1), 1);
    EXPECT_EQ(said, 'y') << sql;
    close(ready[0]);
    close(ready[1]);
  }
  ~OpenTransaction() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
};

}  // namespace roost::testing

#endif  // ROOST_TESTS_TOOLS_OPEN_TRANSACTION_H_
