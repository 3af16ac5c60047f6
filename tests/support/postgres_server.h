// tests/support/postgres_server.h - a throw-away PostgreSQL server for a test.
//
// Its cluster is a folder of its own under the temporary folder, it listens on a free port of
// 127.0.0.1 and on a unix socket in that folder, and it is stopped at the end of the object. When
// the test program ends without one (abort, kill -9), a watcher process stops the server and
// removes the folder. Everybody may log in as anybody unless Options::hba says otherwise; there are
// the superuser "postgres" and a role "node" that is none.
//
// Threads:  one at a time
// Blocks:   Start, Stop and Restart until it is done; none longer than kLongest
// Memory:   the heap; 28 MB of disk a server
// Errors:   Fail, with the server's log
// Time:     the first server of a program 1.2 s (initdb), each more 0.2 s; a restart 0.1 s
// Example:
//   support::PostgresServer server;
//   PostgresBackend backend({.uri = server.Uri()});
#ifndef ROOST_TESTS_SUPPORT_POSTGRES_SERVER_H_
#define ROOST_TESTS_SUPPORT_POSTGRES_SERVER_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/loopback_port.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

struct pg_conn;

namespace roost::support {

// A process that waits for this object's end or this program's, then stops the server whose data is
// in the folder, if one runs, and removes the folder.
class FolderWatcher {
 public:
  explicit FolderWatcher(const std::string& folder);
  ~FolderWatcher();
  FolderWatcher(const FolderWatcher&) = delete;
  FolderWatcher& operator=(const FolderWatcher&) = delete;

 private:
  Process process_{};
  int pipe_ = -1;
};

class PostgresServer {
 public:
  struct Options {
    // More lines of postgresql.conf, such as "max_connections = 5". The last one of a name counts.
    std::vector<std::string> settings{};
    // Lines of pg_hba.conf for TCP; the unix socket always trusts.
    std::string hba = "host all all all trust\n";
    // Run by the administrator once the first start is done.
    std::string script{};
    // Where it listens, and the file of the network namespace that has this address; empty: ours.
    std::string address = "127.0.0.1";
    std::string network{};
    bool start = true;  // in the constructor
  };
  // Fast sends sessions away with 57P01, immediate ends them as a crash does (57P02).
  enum class Shutdown { kFast, kImmediate };

  PostgresServer() : PostgresServer(Options{}) {}
  explicit PostgresServer(Options options);
  ~PostgresServer();
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;

  // A hot standby that follows `primary` by streaming replication. REQUIRES: primary outlives it
  // or is told to stop only.
  static std::unique_ptr<PostgresServer> StandbyOf(PostgresServer& primary);
  // Makes a standby the primary; returns when it takes writes.
  void Promote();
  // A standby has replayed everything that the primary has written.
  bool HasCaughtUpWith(PostgresServer& primary);

  // Ready for sessions when it returns.
  void Start();
  // Only starts it: what a client sees while a server comes up.
  void StartAndGo();
  void WaitUntilReady();
  // Stops it, and starts it as a server that is still recovering: it refuses sessions with 57P03
  // until Promote.
  void StartAsRecovering();
  void Stop(Shutdown how = Shutdown::kFast);
  void Restart(Shutdown how = Shutdown::kFast);
  // SIGKILL for the postmaster. Its sessions notice and end by themselves.
  void Kill();
  // SIGKILL for the process of a session, which the server takes for a crash: it ends every other
  // session with 57P02 and recovers. Returns when it has ended them; from then on, whoever gets a
  // session has one that lasts.
  void KillSession(pid_t session);
  // Keeps a copy of everything that is committed now; and goes back to it, as a server does that was
  // restored from a backup, or a standby that had not replayed the rest. Each stops the server and starts it.
  void Backup();
  void Restore();
  // To the postmaster: SIGSTOP, SIGCONT.
  void Signal(int number);
  bool running() const { return postmaster_.pid() != 0; }

  // "postgresql://node@127.0.0.1:PORT/postgres"; `parameters` such as "sslmode=disable" follow.
  std::string Uri(std::string_view parameters = {}, std::string_view user = "node") const;
  // The same with another port of that address: a TcpProxy's, a PgBouncer's.
  std::string UriThrough(int port, std::string_view parameters = {},
                         std::string_view user = "node") const;
  int port() const { return port_.number(); }
  const std::string& address() const { return options_.address; }
  const std::string& socket_folder() const { return dir_.path(); }
  pid_t postmaster() const { return postmaster_.pid(); }
  std::string Log() const { return ReadFile(dir_.File("log")); }

  // Runs SQL as the administrator over the unix socket, in a session that is not counted below.
  // Returns the first column of the first row, or "". Fail when the server refuses it. A server that
  // comes up is waited for; SQL that met its crash is run again, but not inside of a transaction.
  std::string Sql(const std::string& sql);
  // Ends the administrator's session, before the postmaster is stopped by hand.
  void LetGo();
  // Client sessions besides the administrator's, by process id.
  std::vector<pid_t> Sessions();
  bool WaitForSessions(size_t count, std::chrono::milliseconds limit = kLongest);

 private:
  void MakeCluster();
  void Configure();
  // False: the session is gone, or there was none.
  bool TrySql(const std::string& sql, std::string& value);
  bool IsReady() const;
  std::string StatusLine() const;
  std::string Data() const { return dir_.File("data"); }
  void ReplaceData(const std::string& from, const std::string& to) const;

  const Options options_;
  const TempDir dir_{};
  const FolderWatcher watcher_;
  const LoopbackPort port_{};
  Process postmaster_{};
  pg_conn* administrator_ = nullptr;
};

}  // namespace roost::support

#endif  // ROOST_TESTS_SUPPORT_POSTGRES_SERVER_H_
