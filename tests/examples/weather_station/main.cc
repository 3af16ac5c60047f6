// A weather station: sampler, aggregator, reader on a socket and forwarder, each in a thread.
// Arguments: FILE SOCKET ARCHIVE PERIOD_MS; ARCHIVE is a postgresql:// address or another file.
#include <signal.h>
#include <sys/eventfd.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <thread>

#include "roost/housekeeper.h"
#include "roost/postgres.h"
#include "roost/sqlite.h"
#include "roost/sqlite_memory.h"
#include "station.h"

using namespace std::chrono_literals;
struct Local : roost::profiles::RaspberryPi {
  static constexpr int kSqliteArenaKib = 256;  // for two databases
  static constexpr int kSqlitePages = 48;
};
static std::unique_ptr<roost::Backend> MakeArchive(const std::string& where) {
  if (where.starts_with("postgresql://"))
    return std::make_unique<roost::PostgresBackend>(
        roost::PostgresOptions{.uri = where, .on_connect = kArchive});
  return std::make_unique<roost::SqliteBackend>(
      roost::SqliteOptions{.path = where, .schema = kArchive});
}

int main(int count, char** arguments) {
  if (count != 5) return 2;
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // before any thread is started
  static roost::SqliteMemoryFor<Local> memory;
  roost::SqliteBackend file({.path = arguments[1], .schema = kTables});
  const std::unique_ptr<roost::Backend> remote = MakeArchive(arguments[3]);
  roost::PoolFor<Local> local(file, {.name = "local"});
  roost::PoolFor<roost::profiles::RaspberryPiRemote> archive(*remote, {.name = "archive"});
  roost::Housekeeper keeper;
  keeper.Add(local);
  keeper.Add(archive);
  keeper.Start();

  const Station station{local, archive, eventfd(0, EFD_CLOEXEC), std::atoi(arguments[4])};
  std::thread threads[] = {std::thread(Sample, station), std::thread(Aggregate, station),
                           std::thread(Answer, station, arguments[2]),
                           std::thread(Forward, station)};
  int signal = 0;
  sigwait(&signals, &signal);
  eventfd_write(station.stop, 1);
  for (std::thread& thread : threads) thread.join();
  const bool closed = local.Close(local.In(2s)).ok() && archive.Close(archive.In(2s)).ok();
  keeper.Stop();
  return closed ? 0 : 1;
}
