// tests/support/mariadb_server.h - a throw-away MariaDB server for a test.
//
// Its data is in a folder of its own under the temporary folder, it listens on a free port of 127.0.0.1 and
// on a unix socket in that folder, and it is stopped at the end of the object. When the test program ends
// without one (abort, kill -9), a watcher process stops the server and removes the folder. There are the
// administrator "root", who has no password and may come from this machine only, and a user "node" with
// the password "open sesame", whose database is "farm".
//
// Threads:  one at a time
// Blocks:   Start, Stop and Restart until it is done; none longer than kLongest
// Memory:   the heap; 30 MB of disk a server
// Errors:   Fail, with the server's log
// Time:     the first server of a program 5 s (mariadb-install-db), each more 1 s
// Example:
//   support::MariadbServer server;
//   MysqlBackend backend({.uri = server.Uri()});
#ifndef ROOST_TESTS_SUPPORT_MARIADB_SERVER_H_
#define ROOST_TESTS_SUPPORT_MARIADB_SERVER_H_

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "tests/support/loopback_port.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace roost::support {

class MariadbServer {
 public:
  struct Options {
    // More options of the server, such as "--max-connections=5". The last one of a name counts.
    std::vector<std::string> settings{};
    // Run by the administrator once the first start is done.
    std::string script{};
    // It begins with a copy of the data of this one, which is stopped, and is not started: users and
    // tables are there.
    const MariadbServer* copy_of = nullptr;
  };

  MariadbServer() : MariadbServer(Options{}) {}
  explicit MariadbServer(Options options);
  ~MariadbServer();
  MariadbServer(const MariadbServer&) = delete;
  MariadbServer& operator=(const MariadbServer&) = delete;

  int port() const { return port_.number(); }
  pid_t pid() const { return process_.pid(); }
  std::string socket() const { return dir_.File("s"); }
  // "mysql://node:...@127.0.0.1:PORT/farm", and what follows the question mark.
  std::string Uri(std::string_view parameters = "", std::string_view user = "node") const;
  // The same through a proxy on another port.
  std::string UriThrough(int port, std::string_view parameters = "",
                         std::string_view user = "node") const;

  void Start();
  void Stop();
  void Restart();
  // SIGKILL: as a crash.
  void Kill();
  void Signal(int number) const { process_.Signal(number); }
  bool running() const { return process_.pid() != 0; }

  // Runs it as the administrator. The first column of the first row; Fail when it goes wrong.
  std::string Sql(const std::string& sql) const;
  // Numbers of the sessions of "node".
  std::vector<unsigned long> Sessions() const;
  bool WaitForSessions(size_t count) const;
  std::string Log() const { return ReadFile(dir_.File("log")); }

 private:
  bool IsReady() const;

  const Options options_;
  const TempDir dir_{};
  Process watcher_{};
  int watcher_pipe_ = -1;
  const LoopbackPort port_{};
  Process process_{};
};

}  // namespace roost::support

#endif  // ROOST_TESTS_SUPPORT_MARIADB_SERVER_H_
