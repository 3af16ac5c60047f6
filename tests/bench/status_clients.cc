// tests/bench/status_clients.cc - what a thousand hostile clients of a status socket cost a program.
//
//   status_clients [--seconds N] [--clients N] [--json]
//
// A thread acquires and returns connections of a database that does nothing, of two pools by turns: of one
// that nobody can see, while the clients rest; and of one with a StatusServer that a Housekeeper serves, while
// the clients, in a process of their own, connect and say nothing, send half a line, flood it, ask and never
// read, ask and read, or leave at once. The turns are short and stand in the order ABBA, so that what else the
// machine does falls on both; the ratio is the median of the pairs'.
//
// Ends with 1 when descriptors stay open, when the process has grown by more than 256 KiB, or when the server
// has closed no client. Four silent ones keep the others out for a second: most are told that it is busy. The ratio is printed, and means something on a machine with a core for each of the two processes.
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "roost/housekeeper.h"
#include "roost/platform.h"
#include "roost/pool.h"
#include "roost/status.h"
#include "tests/bench/nothing_backend.h"
#include "tests/support/temp_dir.h"

namespace {

using namespace std::chrono_literals;
using roost::Duration;
using roost::TimePoint;

constexpr Duration kTurn = 250ms;
constexpr size_t kMostGrowthKib = 256;

struct Options {
  std::chrono::seconds seconds{10};
  int clients = 1000;
  bool json = false;
};

// ---- The clients, in a process of their own ----

struct Told {
  uint64_t connected = 0;
  uint64_t answered = 0;  // a whole answer
  uint64_t closed = 0;    // by the server
};

class Client {
 public:
  enum class Kind : uint8_t { kSilent, kHalfALine, kFlood, kNeverReads, kReads, kLeaves };
  static constexpr int kKinds = 6;

  explicit Client(Kind kind) : kind_(kind) {}
  ~Client() { Leave(); }
  Client(Client&& other) noexcept : kind_(other.kind_), fd_(std::exchange(other.fd_, -1)) {}
  Client(const Client&) = delete;

  // Goes on as far as it can without waiting.
  void Go(const sockaddr_un& address, Told& told) {
    if (fd_ < 0 && !Connect(address)) return;
    if (!begun_) {
      begun_ = true;
      ++told.connected;
      Begin();
    }
    Say();
    if (kind_ == Kind::kLeaves) return Leave();
    if (kind_ == Kind::kNeverReads && looks_ < 20) {
      ++looks_;
      return;
    }
    if (!IsClosed()) return;
    ++told.closed;
    if (got_ > 2000) ++told.answered;
    Leave();
  }
  void Leave() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
    begun_ = false;
    looks_ = 0;
    got_ = 0;
  }

 private:
  bool Connect(const sockaddr_un& address) {
    fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return true;
    Leave();  // the queue is full
    return false;
  }
  void Send(std::string_view text) { (void)!send(fd_, text.data(), text.size(), MSG_NOSIGNAL); }
  void Begin() {
    if (kind_ == Kind::kHalfALine) Send("sta");
    if (kind_ == Kind::kReads) Send("status\n");
    if (kind_ == Kind::kNeverReads) Send("metrics\n");
  }
  void Say() {
    static const std::string kMuch(16384, 'x');
    if (kind_ == Kind::kFlood) Send(kMuch);
  }
  bool IsClosed() {
    static std::array<char, 65536> bytes;
    for (;;) {
      const ssize_t got = recv(fd_, bytes.data(), bytes.size(), 0);
      if (got < 0) return errno != EAGAIN && errno != EINTR;
      if (got == 0) return true;
      got_ += static_cast<size_t>(got);
    }
  }

  const Kind kind_;
  int fd_ = -1;
  bool begun_ = false;
  int looks_ = 0;
  size_t got_ = 0;
};

// Reads orders from `in`: 'g' go, 's' stop, and at its end tells what it saw to `out`.
[[noreturn]] void RunClients(const std::string& path, int count, int in, int out) {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  std::vector<Client> clients;
  clients.reserve(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i)
    clients.emplace_back(static_cast<Client::Kind>(i % Client::kKinds));
  Told told;
  bool active = false;
  for (;;) {
    pollfd order{in, POLLIN, 0};
    // Each client acts some thirty times a second, so that they do not take the core that they share.
    poll(&order, 1, active ? 33 : -1);
    char word = 0;
    if (order.revents != 0) {
      if (read(in, &word, 1) != 1) break;
      active = word == 'g';
      if (!active) {
        for (Client& client : clients) client.Leave();
      }
      (void)!write(out, &word, 1);  // done
    }
    if (!active) continue;
    for (Client& client : clients) client.Go(address, told);
  }
  (void)!write(out, &told, sizeof told);
  _exit(0);
}

class Crowd {
 public:
  // That it has here until its end.
  static constexpr size_t kDescriptors = 2;

  Crowd(const std::string& path, int count) {
    int orders[2];
    int reports[2];
    if (pipe(orders) != 0 || pipe(reports) != 0) std::abort();
    pid_ = fork();
    if (pid_ == 0) {
      close(orders[1]);
      close(reports[0]);
      RunClients(path, count, orders[0], reports[1]);
    }
    close(orders[0]);
    close(reports[1]);
    orders_ = orders[1];
    reports_ = reports[0];
  }
  void Order(char word) {
    char done = 0;
    if (write(orders_, &word, 1) != 1 || read(reports_, &done, 1) != 1) std::abort();
  }
  Told End() {
    Told told;
    close(orders_);
    if (read(reports_, &told, sizeof told) != ssize_t{sizeof told}) std::abort();
    close(reports_);
    waitpid(pid_, nullptr, 0);
    return told;
  }

 private:
  pid_t pid_ = -1;
  int orders_ = -1;
  int reports_ = -1;
};

// ---- The program ----

size_t OpenDescriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<size_t>(std::distance(begin(all), end(all)));
}

size_t ResidentKib() {
  std::FILE* const file = std::fopen("/proc/self/statm", "r");
  unsigned long pages = 0;
  if (file == nullptr || std::fscanf(file, "%*u %lu", &pages) != 1) std::abort();
  std::fclose(file);
  return pages * static_cast<size_t>(sysconf(_SC_PAGESIZE)) / 1024;
}

// Leases a second.
double Rate(roost::Pool& pool) {
  constexpr int kAtOnce = 1000;
  roost::Platform& platform = roost::NativePlatform();
  const TimePoint start = platform.Now();
  int64_t done = 0;
  Duration took{};
  for (; took < kTurn; took = platform.Now() - start) {
    const roost::Deadline deadline = roost::Deadline::After(start, 10s);
    for (int i = 0; i < kAtOnce; ++i) {
      if (!pool.Acquire(roost::kWrite, deadline).ok()) std::abort();
    }
    done += kAtOnce;
  }
  return static_cast<double>(done) / std::chrono::duration<double>(took).count();
}

double Median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

int Run(const Options& options) {
  const roost::support::TempDir folder;
  Crowd crowd(folder.File("bench.sock"), options.clients);  // before there is a thread
  roost::bench::NothingBackend backend;
  roost::StatusServer status({.name = "bench", .folder = folder.path().c_str()});
  using Profile = roost::profiles::RaspberryPi;
  roost::PoolFor<Profile> unseen(backend, {.name = "unseen"});
  roost::PoolFor<Profile> seen(backend, {.name = "seen", .observer = &status});
  status.Add(seen);
  roost::Housekeeper keeper;
  keeper.Add(unseen);
  keeper.Add(seen);
  keeper.Add(status);
  keeper.Start();
  Rate(unseen);
  Rate(seen);
  const size_t descriptors = OpenDescriptors() - Crowd::kDescriptors;
  crowd.Order('g');
  Rate(seen);
  crowd.Order('s');
  const size_t resident = ResidentKib();

  std::vector<double> without, with, ratios;
  const auto quiet = [&] { without.push_back(Rate(unseen)); };
  const auto loud = [&] {
    crowd.Order('g');
    with.push_back(Rate(seen));
    crowd.Order('s');
  };
  const auto pairs = std::max<int64_t>(options.seconds / (4 * kTurn), 2);
  for (int64_t i = 0; i < pairs; ++i) {
    quiet(), loud(), loud(), quiet();
    for (const size_t back : {2u, 1u}) {
      ratios.push_back(with[with.size() - back] / without[without.size() - back]);
    }
  }
  const size_t grown = std::max(ResidentKib(), resident) - resident;
  const Told told = crowd.End();
  // Those who left are seen at the next look.
  roost::Platform& platform = roost::NativePlatform();
  const std::atomic<uint32_t> nobody{0};
  const TimePoint patience = platform.Now() + 60s;
  while (OpenDescriptors() > descriptors && platform.Now() < patience) {
    platform.Wait(nobody, 0, roost::Deadline::After(platform.Now(), 20ms));
  }
  const size_t left = OpenDescriptors() > descriptors ? OpenDescriptors() - descriptors : 0;
  keeper.Stop();
  const double ratio = Median(ratios);
  std::printf(
      options.json
          ? "{\"clients\": %d, \"without_per_s\": %.0f, \"with_per_s\": %.0f, \"ratio\": %.4f, "
            "\"connected\": %llu, \"answered\": %llu, \"closed\": %llu, \"grown_kib\": %zu, "
            "\"left_open\": %zu}\n"
          : "%d hostile clients: %.0f leases a second without a status server, %.0f with it and "
            "them, ratio %.4f\n  connected %llu times, answered %llu, closed %llu; resident + %zu "
            "KiB; %zu descriptors left open\n",
      options.clients, Median(without), Median(with), ratio,
      static_cast<unsigned long long>(told.connected),
      static_cast<unsigned long long>(told.answered), static_cast<unsigned long long>(told.closed),
      grown, left);
  if (left > 0) std::fprintf(stderr, "status_clients: descriptors of clients stay open\n");
  if (told.closed == 0) std::fprintf(stderr, "status_clients: no client was got rid of\n");
  if (grown > kMostGrowthKib) std::fprintf(stderr, "status_clients: the process has grown\n");
  return left > 0 || told.closed == 0 || grown > kMostGrowthKib ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--json") {
      options.json = true;
    } else if (word == "--seconds" && i + 1 < argc) {
      options.seconds = std::chrono::seconds(std::atoi(argv[++i]));
    } else if (word == "--clients" && i + 1 < argc) {
      options.clients = std::atoi(argv[++i]);
    } else {
      std::fprintf(stderr, "usage: status_clients [--seconds N] [--clients N] [--json]\n");
      return 2;
    }
  }
  return Run(options);
}
