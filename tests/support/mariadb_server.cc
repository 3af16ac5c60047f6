#include "tests/support/mariadb_server.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sstream>
#include <utility>

namespace roost::support {
namespace {

// Reading ends when the test program ends, however that comes. A process number alone proves
// nothing, the folder that it works in does.
constexpr const char* kWatch =
    "read -r _; cd /; pid=$(cat \"$1/pid\" 2>/dev/null); "
    "if [ -n \"$pid\" ] && [ \"$(readlink \"/proc/$pid/cwd\")\" = \"$1/data\" ]; then "
    "kill -CONT \"$pid\"; kill -KILL \"$pid\"; fi; rm -rf \"$1\"";

// A new folder of data that each server of this program starts from a copy of.
class Template {
 public:
  Template() {
    GiveToServerUser(dir_.path());
    // On a busy machine the server that it starts for this now and then ends before all tables are made.
    Finished made{.exit = 1};
    for (int tries = 0; tries < 3 && made.exit != 0; ++tries) {
      std::filesystem::remove_all(data());
      made = RunToEnd({.words = {"mariadb-install-db", "--no-defaults", "--datadir=" + data(),
                                 "--auth-root-authentication-method=normal", "--skip-test-db",
                                 "--skip-name-resolve", "--innodb-log-file-size=4M",
                                 "--innodb-flush-method=nosync"},
                       .as_server_user = true});
    }
    if (made.exit != 0 || !std::filesystem::exists(data() + "/mysql")) {
      Fail("mariadb-install-db does not work; install the package mariadb-server:\n" + made.output);
    }
  }
  std::string data() const { return dir_.File("data"); }

 private:
  TempDir dir_{};
};

std::string Encoded(std::string_view text) {
  std::string encoded;
  for (const char c : text) encoded += c == ' ' ? "%20" : std::string(1, c);
  return encoded;
}

}  // namespace

MariadbServer::MariadbServer(Options options) : options_(std::move(options)) {
  static const Template data;
  GiveToServerUser(dir_.path());
  chmod(dir_.path().c_str(), 0755);  // the socket is in it
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) Fail("no pipe for the watcher of a server");
  watcher_pipe_ = ends[1];
  watcher_ = Process({.words = {"sh", "-c", kWatch, "watcher", dir_.path()},
                      .input_fd = ends[0],
                      .dies_with_us = false});
  close(ends[0]);
  const MariadbServer* const other = options_.copy_of;
  RunOrFail(
      {.words = {"cp", "-a", "--reflink=auto",
                 other == nullptr ? data.data() : other->dir_.File("data"), dir_.File("data")},
       .as_server_user = true});
  if (other != nullptr) return;
  Start();
  Sql("CREATE DATABASE farm; CREATE USER node@'%' IDENTIFIED BY 'open sesame'; "
      "GRANT ALL ON farm.* TO node@'%'");
  if (!options_.script.empty()) Sql(options_.script);
}

MariadbServer::~MariadbServer() {
  if (running()) {
    Signal(SIGCONT);
    process_.Kill();
  }
  close(watcher_pipe_);
  if (!watcher_.Wait()) watcher_.Kill();
}

bool MariadbServer::IsReady() const {
  return RunToEnd({.words = {"mariadb-admin", "--no-defaults", "--socket=" + socket(),
                             "--user=root", "ping"}})
             .exit == 0;
}

void MariadbServer::Start() {
  if (running()) Fail("the server is running already");
  std::vector<std::string> words = {"mariadbd",
                                    "--no-defaults",
                                    "--datadir=" + dir_.File("data"),
                                    "--port=" + std::to_string(port()),
                                    "--bind-address=127.0.0.1",
                                    "--socket=" + socket(),
                                    "--pid-file=" + dir_.File("pid"),
                                    "--skip-name-resolve",
                                    "--innodb-flush-method=nosync",
                                    "--character-set-server=utf8mb4",
                                    "--innodb-buffer-pool-size=8M",
                                    "--innodb-log-file-size=4M",
                                    "--aria-pagecache-buffer-size=1M",
                                    "--key-buffer-size=64K",
                                    "--max-connections=30",
                                    "--table-open-cache=64"};
  words.insert(words.end(), options_.settings.begin(), options_.settings.end());
  process_ = Process(
      {.words = words, .as_server_user = true, .output = dir_.File("log"), .dies_with_us = false});
  const bool decided =
      WaitUntil([this] { return IsReady() || process_.Wait(std::chrono::milliseconds(0)); });
  if (!decided || !running()) Fail("the server does not start:\n" + Log());
}

void MariadbServer::Stop() {
  Signal(SIGTERM);
  if (!process_.Wait()) Fail("the server does not stop:\n" + Log());
}

void MariadbServer::Restart() {
  Stop();
  Start();
}

void MariadbServer::Kill() { process_.Kill(); }

std::string MariadbServer::Uri(std::string_view parameters, std::string_view user) const {
  return UriThrough(port(), parameters, user);
}

std::string MariadbServer::UriThrough(int port, std::string_view parameters,
                                      std::string_view user) const {
  std::string uri = "mysql://" + std::string(user) + ":" + Encoded("open sesame") +
                    "@127.0.0.1:" + std::to_string(port) + "/farm";
  if (!parameters.empty()) uri += "?" + std::string(parameters);
  return uri;
}

std::string MariadbServer::Sql(const std::string& sql) const {
  const Finished finished =
      RunToEnd({.words = {"mariadb", "--no-defaults", "--socket=" + socket(), "--user=root",
                          "--batch", "--skip-column-names", "--execute=" + sql}});
  if (finished.exit != 0) Fail("the administrator's \"" + sql + "\": " + finished.output + Log());
  return finished.output.substr(0, finished.output.find_first_of("\t\n"));
}

std::vector<unsigned long> MariadbServer::Sessions() const {
  std::istringstream in(
      Sql("SELECT GROUP_CONCAT(id ORDER BY id SEPARATOR ' ') FROM information_schema.processlist "
          "WHERE user = 'node'"));
  std::vector<unsigned long> sessions;
  for (unsigned long id = 0; in >> id;) sessions.push_back(id);
  return sessions;
}

bool MariadbServer::WaitForSessions(size_t count) const {
  return WaitUntil([&] { return Sessions().size() == count; });
}

}  // namespace roost::support
