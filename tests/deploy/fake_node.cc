// fake_node.cc - stands in for roost-node and roostctl in tests of the deployment: a real program with
// a real status file, whose behaviour is the last line of its own file, so that one build gives as many
// versions, good and bad, as a test wants. A \n in it stands for a line end.
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

// What follows `name=` in the behaviour: what is to be printed or told.
std::string Word(const std::string& behaviour, const std::string& name) {
  const size_t at = behaviour.find(name + "=");
  return at == std::string::npos ? "" : behaviour.substr(at + name.size() + 1);
}

void PrintLines(std::string text) {
  for (size_t at; (at = text.find("\\n")) != std::string::npos;) text.replace(at, 2, "\n");
  std::fputs(text.c_str(), stdout);
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

std::string Root() {
  const char* root = std::getenv("ROOST_ROOT");
  return root == nullptr ? "" : root;
}

std::string Content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

bool Refuses(const std::string& behaviour, const std::string& config) {
  return behaviour == "knows-no-every" && Content(config).find("every = 9s") != std::string::npos;
}

// What goes wrong before it is ready: the exit code, or -1.
int FailAtStart(const std::string& behaviour) {
  if (behaviour == "fails-at-start") {
    std::puts("fake node: cannot open the database");
    return 1;
  }
  if (const std::string said = Word(behaviour, "says-and-ends"); !said.empty()) {
    PrintLines(said);
    return 1;
  }
  return Refuses(behaviour, Root() + "/etc/roost/roost-node.conf") ? 2 : -1;
}

// Serves until SIGTERM, telling its status again and again, as the real one does.
int Serve(const std::string& behaviour) {
  sigset_t end;
  sigemptyset(&end);
  sigaddset(&end, SIGTERM);
  sigprocmask(SIG_BLOCK, &end, nullptr);
  if (const int code = FailAtStart(behaviour); code >= 0) return code;
  const std::string path = Root() + roost::telemetry::kStatusFile;
  roost::telemetry::NodeStatus status;
  status.pid = getpid();
  status.ready = true;
  status.readings.sealed = behaviour == "never-seals" ? 0 : 7;
  const timespec tick{.tv_sec = 0, .tv_nsec = 50'000'000};
  for (int ticks = 0;; ++ticks) {
    status.written_boot_us = roost::BootMicros();
    status.refused = Content(Root() + "/run/refused");  // a test may write it
    if (!roost::telemetry::WriteStatusFile(path, status).ok()) return 1;
    if (ticks == 0 && behaviour != "never-ready" && !SayReady()) return 1;
    if (sigtimedwait(&end, nullptr, &tick) == SIGTERM) break;
    const bool demanded = access((Root() + "/run/crash").c_str(), F_OK) == 0;
    // Later: long enough to look healthy once, too short to look so twice.
    if ((behaviour == "crashes-later" && ticks == 10) ||
        (behaviour == "crashes-on-demand" && demanded)) {
      std::puts("fake node: out of luck");
      return 1;
    }
  }
  PrintLines(Word(behaviour, "says-at-end"));
  unlink(path.c_str());
  return 0;
}

// As roostctl status --file PATH.
int ShowStatus(const std::string& behaviour, const char* path) {
  if (behaviour == "unhealthy-without-a-word") return 1;
  const absl::StatusOr<roost::telemetry::NodeStatus> status =
      roost::telemetry::ReadStatusFile(path);
  if (!status.ok()) {
    std::printf("fake roostctl: %s\n", std::string(status.status().message()).c_str());
    return absl::IsNotFound(status.status()) ? 3 : 4;
  }
  const std::string trouble = roost::telemetry::Trouble(*status, roost::BootMicros());
  std::printf("node       fake: %s\n", trouble.empty() ? "healthy" : trouble.c_str());
  return trouble.empty() ? 0 : 1;
}

// As roost-node --config FILE --db :memory: --for 2s, which is how a version is tried out.
int TryOut(const std::string& behaviour, const char* config) {
  if (behaviour == "fails-anywhere") {
    std::puts("fake node: no such table: reading");
    return 1;
  }
  if (Refuses(behaviour, config)) {
    std::printf("%s:1: unknown setting every\n", config);
    return 2;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string behaviour = Behaviour();
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  if (argc == 1) return Serve(behaviour);
  if (std::string_view(argv[1]) == "--version") {
    std::puts("fake node 1.0");
    PrintLines(Word(behaviour, "version-says"));
    return behaviour == "does-not-run" ? 127 : 0;
  }
  const std::string_view verb = argv[1];
  if (argc == 4 && verb == "status") return ShowStatus(behaviour, argv[3]);
  if (argc > 3 && verb == "--config") return TryOut(behaviour, argv[2]);
  // As roostctl selftest: say what was asked, and end with the code that a test wants.
  for (int i = 1; i < argc; ++i) std::printf("%s%s", argv[i], i + 1 < argc ? " " : "\n");
  return behaviour == "unfit-board" ? 1 : 0;
}
