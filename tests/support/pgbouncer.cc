#include "tests/support/pgbouncer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <string>

namespace roost::support {
namespace {

// As a service it would be started again where it dies; here it ends with its shell, which ends with the test.
constexpr char kAgain[] =
    "while :; do setpriv --pdeathsig KILL /usr/sbin/pgbouncer \"$1\"; echo >>\"$2\"; done";

bool TakesConnections(int port) {
  const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool taken =
      ::connect(client, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(client);
  return taken;
}

std::string Deaths() {
  const char* const file = ::getenv(kPoolerDeaths);
  if (file == nullptr) Fail("a program with PgBouncer links roost_pooler_main");
  return file;
}

}  // namespace

PgBouncer::PgBouncer(const PostgresServer& server, int sessions) {
  GiveToServerUser(dir_.path());
  WriteFile(dir_.File("users"), "\"node\" \"\"\n");
  WriteFile(
      dir_.File("ini"),
      "[databases]\n* = host=" + server.socket_folder() + " port=" + std::to_string(server.port()) +
          "\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = " +
          std::to_string(port_.number()) +
          "\nunix_socket_dir =\nauth_type = trust\nauth_file = " + dir_.File("users") +
          "\npool_mode = transaction\ndefault_pool_size = " + std::to_string(sessions) + "\n");
  for (const char* file : {"users", "ini"}) GiveToServerUser(dir_.File(file));
  process_ = Process({.words = {"/bin/sh", "-c", kAgain, "pgbouncer", dir_.File("ini"), Deaths()},
                      .as_server_user = true,
                      .output = dir_.File("log")});
  const bool up = WaitUntil([this] {
    return ReadFile(dir_.File("log")).find("process up") != std::string::npos ||
           process_.Wait(std::chrono::milliseconds(0));
  });
  if (!up || process_.pid() == 0) {
    Fail("PgBouncer (package pgbouncer) does not start:\n" + ReadFile(dir_.File("log")));
  }
}

int PgBouncer::port() const {
  if (!WaitUntil([this] { return TakesConnections(port_.number()); })) {
    Fail("PgBouncer takes no connections:\n" + ReadFile(dir_.File("log")));
  }
  return port_.number();
}

void PgBouncer::Crash() {
  const std::string shell = std::to_string(process_.pid());
  const std::string child = ReadFile("/proc/" + shell + "/task/" + shell + "/children");
  if (child.empty()) Fail("PgBouncer does not run");
  ::kill(std::stoi(child), SIGKILL);
}

}  // namespace roost::support
