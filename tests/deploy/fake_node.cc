// fake_node.cc - stands in for roost-node and roostctl in tests of the deployment: a real program with
// a real status file, whose behaviour is the last line of its own file, so that one build gives as many
// versions, good and bad, as a test wants.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "platform/rpi/board_health.h"
#include "telemetry/status_file.h"

namespace {

// The text behind the last "\nbehaviour=".
std::string Behaviour() {
  std::ifstream self("/proc/self/exe", std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(self)), std::istreambuf_iterator<char>());
  const std::string mark = std::string("\nbehav") + "iour=";
  const size_t at = bytes.rfind(mark);
  return at == std::string::npos ? "" : bytes.substr(at + mark.size());
}

bool SayReady() {
  const char* path = std::getenv("NOTIFY_SOCKET");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path == nullptr || std::strlen(path) >= sizeof address.sun_path) return false;
  std::strcpy(address.sun_path, path);
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const bool sent =
      sendto(fd, "READY=1", 7, 0, reinterpret_cast<sockaddr*>(&address), sizeof address) == 7;
  close(fd);
  return sent;
}

// Serves until SIGTERM, telling its status again and again, as the real one does.
int Serve(const std::string& behaviour) {
  sigset_t end;
  sigemptyset(&end);
  sigaddset(&end, SIGTERM);
  sigprocmask(SIG_BLOCK, &end, nullptr);
  if (behaviour == "fails-at-start") {
    std::puts("fake node: cannot open the database");
    return 1;
  }
  const char* root = std::getenv("ROOST_ROOT");
  const std::string path = std::string(root == nullptr ? "" : root) + roost::telemetry::kStatusFile;
  roost::telemetry::NodeStatus status;
  status.pid = getpid();
  status.ready = true;
  status.readings.sealed = behaviour == "never-seals" ? 0 : 7;
  // Long enough to look healthy once, too short to look so twice.
  const timespec pause{.tv_sec = 0, .tv_nsec = 500'000'000};
  for (bool first = true;; first = false) {
    status.written_boot_us = roost::BootMicros();
    if (!roost::telemetry::WriteStatusFile(path, status).ok()) return 1;
    if (first && !SayReady()) return 1;
    if (sigtimedwait(&end, nullptr, &pause) == SIGTERM) break;
    if (behaviour == "crashes-later") {
      std::puts("fake node: out of luck");
      return 1;
    }
  }
  roost::telemetry::RemoveStatusFile(path);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string behaviour = Behaviour();
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  if (argc == 1) return Serve(behaviour);
  if (std::string_view(argv[1]) == "--version") {
    std::puts("fake node 1.0");
    return behaviour == "does-not-run" ? 127 : 0;
  }
  // As roostctl: say what was asked, and end with the code that a test wants.
  for (int i = 1; i < argc; ++i) std::printf("%s%s", argv[i], i + 1 < argc ? " " : "\n");
  return behaviour == "unfit-board" ? 1 : 0;
}
