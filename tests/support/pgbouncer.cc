#include "tests/support/pgbouncer.h"

#include <string>

namespace roost::support {

PgBouncer::PgBouncer(const PostgresServer& server, int sessions) {
  GiveToServerUser(dir_.path());
  WriteFile(dir_.File("users"), "\"node\" \"\"\n");
  WriteFile(
      dir_.File("ini"),
      "[databases]\n* = host=" + server.socket_folder() + " port=" + std::to_string(server.port()) +
          "\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = " + std::to_string(port()) +
          "\nunix_socket_dir =\nauth_type = trust\nauth_file = " + dir_.File("users") +
          "\npool_mode = transaction\ndefault_pool_size = " + std::to_string(sessions) + "\n");
  for (const char* file : {"users", "ini"}) GiveToServerUser(dir_.File(file));
  process_ = Process({.words = {"/usr/sbin/pgbouncer", dir_.File("ini")},
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

}  // namespace roost::support
