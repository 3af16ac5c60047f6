// What a remote of MariaDB costs a process, and whether anybody meets "server has gone away".
//
//   mysql_figures            the memory of libmariadb and of a connection; 10,000 leases over 60 s from a
//                            server that ends a session that was idle for 2 s
//   mysql_figures --seconds N --leases N
//
// Fails when a lease failed, or a connection costs more than 72 KiB.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "roost/housekeeper.h"
#include "roost/mysql.h"
#include "roost/pool.h"
#include "roost/query.h"
#include "tests/support/held_connection.h"
#include "tests/support/mariadb_server.h"

namespace roost {
namespace {

using support::HeldConnection;
using support::MariadbServer;
using namespace std::chrono_literals;

// In KiB, of this process.
int64_t Memory(std::string_view name) {
  std::ifstream in("/proc/self/smaps_rollup");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(name)) return std::atoll(line.c_str() + name.size());
  }
  return 0;
}
int64_t Resident() { return Memory("Rss:"); }
int64_t Dirty() { return Memory("Private_Dirty:"); }

bool Connections(MysqlBackend& backend) {
  constexpr int kCount = 20;
  const int64_t resident = Resident();
  const int64_t dirty = Dirty();
  std::vector<std::unique_ptr<HeldConnection>> held;
  const auto add = [&] {
    held.push_back(std::make_unique<HeldConnection>(backend, NativePlatform()));
    return held.back()->ok() && QueryOne<int64_t>(**held.back(), Sql("SELECT 1")).ok();
  };
  if (!add()) return false;
  std::printf("libmariadb and the first connection: %lld KiB resident, %lld KiB of them private\n",
              static_cast<long long>(Resident() - resident),
              static_cast<long long>(Dirty() - dirty));
  const int64_t before = Dirty();
  for (int i = 0; i < kCount; ++i) {
    if (!add()) return false;
  }
  const double each = static_cast<double>(Dirty() - before) / kCount;
  std::printf("each connection more: %.1f KiB private\n", each);
  return each <= 72;
}

struct Leased : profiles::RaspberryPiRemote {
  static constexpr const char* kName = "leased";
  static constexpr OpenBy kOpenBy = OpenBy::kCaller;
};

// Bursts with pauses of up to 4 s between them, so that some sessions are ended by the server.
bool Leases(MysqlBackend& backend, int seconds, int count) {
  PoolFor<Leased> pool(backend);
  Housekeeper housekeeper;
  housekeeper.Add(pool);
  housekeeper.Start();
  constexpr int kBursts = 30;
  std::mt19937 random(7);
  std::uniform_int_distribution<int> pause(0, 2 * seconds * 1000 / kBursts);
  int failed = 0;
  for (int i = 0; i < count; ++i) {
    if (i % (count / kBursts) == 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(pause(random)));
    }
    absl::StatusOr<Lease> lease = pool.Acquire(kWrite, pool.In(20s));
    absl::Status status = lease.status();
    if (status.ok()) status = lease->Run(Sql("SELECT 1"));
    if (status.ok()) continue;
    ++failed;
    std::printf("%s\n", status.ToString().c_str());
  }
  std::printf("%d leases: %d failed, %llu opens\n", count, failed,
              static_cast<unsigned long long>(pool.stats().opens));
  return failed == 0;
}

int Main(int seconds, int count) {
  MariadbServer server({.settings = {"--wait-timeout=2"}});
  MysqlBackend backend({.uri = server.Uri()});
  const bool small = Connections(backend);
  const bool there = Leases(backend, seconds, count);
  return small && there ? 0 : 1;
}

}  // namespace
}  // namespace roost

int main(int count, char** arguments) {
  int seconds = 60;
  int leases = 10'000;
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string_view name = arguments[i];
    if (name == "--seconds") seconds = std::atoi(arguments[i + 1]);
    if (name == "--leases") leases = std::atoi(arguments[i + 1]);
  }
  return roost::Main(seconds, leases);
}
