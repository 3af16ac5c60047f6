#include "tests/support/postgres_server.h"

#include <fcntl.h>
#include <libpq-fe.h>
#include <signal.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <utility>

namespace roost::support {
namespace {

// Durability is no matter here, and nothing may happen by itself in the middle of a test.
constexpr std::string_view kSettings =
    "fsync = off\n"
    "full_page_writes = off\n"
    "shared_buffers = 8MB\n"
    "max_connections = 20\n"
    "max_wal_size = 64MB\n"
    "max_parallel_workers = 0\n"
    "dynamic_shared_memory_type = mmap\n"
    "autovacuum = off\n"
    "jit = off\n"
    "lc_messages = C\n"
    "restart_after_crash = on\n";

// Reading ends when the test program ends, however that comes. A process number alone proves
// nothing, the folder it works in does.
constexpr const char* kWatch =
    "read -r _; cd /; pid=$(head -n 1 \"$1/data/postmaster.pid\" 2>/dev/null); "
    "if [ \"$(readlink \"/proc/$pid/cwd\")\" = \"$1/data\" ]; then "
    "kill -CONT $pid; kill -QUIT $pid; n=0; "
    "while [ -e \"$1/data/postmaster.pid\" ] && [ $n -lt 100 ]; do sleep 0.1; n=$((n+1)); done; "
    "fi; rm -rf \"$1\"";

std::string FindPrograms() {
  for (const int version : {18, 17, 16, 15, 14}) {
    const std::string folder = "/usr/lib/postgresql/" + std::to_string(version) + "/bin/";
    if (std::filesystem::exists(folder + "postgres")) return folder;
  }
  Fail("no PostgreSQL server under /usr/lib/postgresql; install the package postgresql-15");
}

std::string ProgramPath(std::string_view name) {
  static const std::string folder = FindPrograms();
  return folder + std::string(name);
}

}  // namespace

FolderWatcher::FolderWatcher(const std::string& folder) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) Fail("no pipe for the watcher of a server");
  pipe_ = ends[1];
  process_ = Process({.words = {"sh", "-c", kWatch, "watcher", folder},
                      .input_fd = ends[0],
                      .dies_with_us = false});
  close(ends[0]);
}

FolderWatcher::~FolderWatcher() {
  close(pipe_);
  if (!process_.Wait()) process_.Kill();
}

namespace {

// A new cluster that each server of this program starts from a copy of.
class Template {
 public:
  Template() {
    GiveToServerUser(dir_.path());
    RunOrFail({.words = {ProgramPath("initdb"), "--pgdata", data(), "--no-sync", "--auth=trust",
                         "--username=postgres", "--locale=C", "--encoding=UTF8", "--wal-segsize=1"},
               .as_server_user = true});
  }
  std::string data() const { return dir_.File("data"); }

 private:
  TempDir dir_{};
  FolderWatcher watcher_{dir_.path()};
};

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// A postmaster that was killed leaves the shared memory segment behind that guards its folder.
void RemoveSharedMemory(const std::string& pid_file) {
  const std::vector<std::string> lines = Lines(pid_file);
  unsigned long key = 0;
  int id = -1;
  if (lines.size() < 7 || !(std::istringstream(lines[6]) >> key >> id)) return;
  shmctl(id, IPC_RMID, nullptr);
}

}  // namespace

PostgresServer::PostgresServer(Options options)
    : options_(std::move(options)), watcher_(dir_.path()) {
  GiveToServerUser(dir_.path());
  chmod(dir_.path().c_str(), 0755);  // the socket is in it
  MakeCluster();
  if (!options_.start) return;
  Start();
  Sql("CREATE ROLE node LOGIN; GRANT ALL ON SCHEMA public TO node");
  if (!options_.script.empty()) Sql(options_.script);
}

PostgresServer::~PostgresServer() {
  LetGo();
  if (running()) {
    Signal(SIGCONT);
    Stop(Shutdown::kImmediate);
  }
}

void PostgresServer::MakeCluster() {
  static const Template cluster;
  RunOrFail(
      {.words = {"cp", "-a", "--reflink=auto", cluster.data(), Data()}, .as_server_user = true});
  Configure();
}

void PostgresServer::Configure() {
  std::ostringstream text;
  text << kSettings << "listen_addresses = '" << options_.address << "'\nport = " << port()
       << "\nunix_socket_directories = '" << dir_.path() << "'\n";
  for (const std::string& line : options_.settings) text << line << "\n";
  WriteFile(Data() + "/postgresql.conf", text.str());
  WriteFile(Data() + "/pg_hba.conf",
            "local all all trust\nlocal replication all trust\n" + options_.hba);
}

void PostgresServer::StartAndGo() {
  if (running()) Fail("the server is running already");
  postmaster_ = Process({.words = {ProgramPath("postgres"), "-D", Data()},
                         .as_server_user = true,
                         .network = options_.network,
                         .output = dir_.File("log"),
                         .dies_with_us = false});
}

// The postmaster itself says in the last line of this file whether it takes sessions: "ready", or
// "standby" when it only recovers.
std::string PostgresServer::StatusLine() const {
  const std::vector<std::string> lines = Lines(ReadFile(Data() + "/postmaster.pid"));
  const bool ours = lines.size() >= 8 && lines[0] == std::to_string(postmaster());
  return ours ? lines[7] : "";
}

bool PostgresServer::IsReady() const {
  return StatusLine().starts_with("ready") || StatusLine().starts_with("standby");
}

void PostgresServer::WaitUntilReady() {
  const bool decided =
      WaitUntil([this] { return IsReady() || postmaster_.Wait(std::chrono::milliseconds(0)); });
  if (!decided || !running()) Fail("the server does not start:\n" + Log());
}

void PostgresServer::Start() {
  StartAndGo();
  WaitUntilReady();
}

void PostgresServer::Stop(Shutdown how) {
  LetGo();
  Signal(how == Shutdown::kFast ? SIGINT : SIGQUIT);
  if (!postmaster_.Wait()) Fail("the server does not stop:\n" + Log());
}

void PostgresServer::Restart(Shutdown how) {
  Stop(how);
  Start();
}

void PostgresServer::ReplaceData(const std::string& from, const std::string& to) const {
  std::filesystem::remove_all(to);
  RunOrFail({.words = {"cp", "-a", "--reflink=auto", from, to}, .as_server_user = true});
}

void PostgresServer::Backup() {
  Stop();
  ReplaceData(Data(), dir_.File("backup"));
  Start();
}

void PostgresServer::Restore() {
  Stop(Shutdown::kImmediate);
  ReplaceData(dir_.File("backup"), Data());
  Start();
}

void PostgresServer::Kill() {
  LetGo();
  const std::string pid_file = ReadFile(Data() + "/postmaster.pid");
  postmaster_.Kill();
  RemoveSharedMemory(pid_file);
}

// The administrator's session is the witness: until the postmaster has noticed the crash, it gives out
// sessions that it ends a moment later. A session that the signal of the postmaster finds in the middle
// of an allocation may never end by itself, and the postmaster's own SIGKILL for such comes after 5 s, or
// 60 s where its sleep has begun before.
void PostgresServer::KillSession(pid_t session) {
  constexpr std::chrono::seconds kPatience{10};
  const pid_t witness = std::stoi(Sql("SELECT pg_backend_pid()"));
  if (session <= 0 || kill(session, SIGKILL) != 0) Fail("no session to kill");
  const auto has_ended = [witness] { return kill(witness, 0) != 0; };
  if (!WaitUntil(has_ended, kPatience)) kill(witness, SIGKILL);
  if (!WaitUntil(has_ended)) {
    Fail("the server does not notice that a session was killed:\n" + Log());
  }
  LetGo();
}

void PostgresServer::Signal(int number) { postmaster_.Signal(number); }

std::string PostgresServer::Uri(std::string_view parameters, std::string_view user) const {
  return UriThrough(port(), parameters, user);
}

std::string PostgresServer::UriThrough(int port, std::string_view parameters,
                                       std::string_view user) const {
  std::string uri = "postgresql://" + std::string(user) + "@" + options_.address + ":" +
                    std::to_string(port) + "/postgres";
  if (!parameters.empty()) uri += "?" + std::string(parameters);
  return uri;
}

bool PostgresServer::TrySql(const std::string& sql, std::string& value) {
  if (administrator_ == nullptr) {
    const std::string where = "host=" + dir_.path() + " port=" + std::to_string(port()) +
                              " user=postgres dbname=postgres application_name=test_administrator";
    administrator_ = PQconnectdb(where.c_str());
  }
  // What a transaction has done is gone with its session, and would be missed.
  const bool in_transaction = PQtransactionStatus(administrator_) == PQTRANS_INTRANS;
  PGresult* result = PQexec(administrator_, sql.c_str());
  const ExecStatusType status = PQresultStatus(result);
  const bool good = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
  if (good && PQntuples(result) > 0 && PQnfields(result) > 0) value = PQgetvalue(result, 0, 0);
  PQclear(result);
  if (good) return true;
  const bool gone = PQstatus(administrator_) == CONNECTION_BAD;
  if (gone && !in_transaction && running()) {
    LetGo();
    return false;
  }
  Fail("the administrator's \"" + sql + "\": " + PQerrorMessage(administrator_) + Log());
}

// The server that a test has crashed ends this session, too, and takes no other for a while.
std::string PostgresServer::Sql(const std::string& sql) {
  std::string value;
  if (!WaitUntil([&] { return TrySql(sql, value); })) {
    Fail("the administrator finds no server for \"" + sql + "\":\n" + Log());
  }
  return value;
}

void PostgresServer::LetGo() {
  if (administrator_ != nullptr) PQfinish(administrator_);
  administrator_ = nullptr;
}

std::vector<pid_t> PostgresServer::Sessions() {
  const std::string pids =
      Sql("SELECT string_agg(pid::text, ' ' ORDER BY backend_start) FROM pg_stat_activity "
          "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()");
  std::vector<pid_t> sessions;
  std::istringstream in(pids);
  for (pid_t pid = 0; in >> pid;) sessions.push_back(pid);
  return sessions;
}

bool PostgresServer::WaitForSessions(size_t count, std::chrono::milliseconds limit) {
  return WaitUntil([&] { return Sessions().size() == count; }, limit);
}

std::unique_ptr<PostgresServer> PostgresServer::StandbyOf(PostgresServer& primary) {
  Options options = primary.options_;
  options.start = false;
  auto standby = std::make_unique<PostgresServer>(std::move(options));
  std::filesystem::remove_all(standby->Data());
  RunOrFail({.words = {ProgramPath("pg_basebackup"), "--pgdata", standby->Data(), "--host",
                       primary.dir_.path(), "--port", std::to_string(primary.port()), "--username",
                       "postgres", "--checkpoint=fast", "--no-sync", "--wal-method=stream",
                       "--write-recovery-conf"},
             .as_server_user = true});
  standby->Configure();
  standby->Start();
  return standby;
}

void PostgresServer::StartAsRecovering() {
  if (running()) Stop();
  WriteFile(Data() + "/standby.signal", "");
  WriteFile(Data() + "/postgresql.conf",
            ReadFile(Data() + "/postgresql.conf") + "hot_standby = off\n");
  Start();
}

void PostgresServer::Promote() {
  WriteFile(Data() + "/promote", "");
  Signal(SIGUSR1);
  const bool promoted = WaitUntil([this] {
    return StatusLine().starts_with("ready") && Sql("SELECT pg_is_in_recovery()") == "f";
  });
  if (!promoted) Fail("not promoted:\n" + Log());
}

bool PostgresServer::HasCaughtUpWith(PostgresServer& primary) {
  const std::string written = primary.Sql("SELECT pg_current_wal_lsn()");
  return WaitUntil(
      [&] { return Sql("SELECT pg_last_wal_replay_lsn() >= '" + written + "'::pg_lsn") == "t"; });
}

}  // namespace roost::support
