// include/roost/status.h - makes a program visible to its operator: `roostctl status` shows its pools.
//
// A StatusServer answers on a Unix socket FOLDER/NAME.sock. It tells what each pool does, who holds and
// who waits, and the latest events. It has no request that changes something. FOLDER is the
// first of the unit's RuntimeDirectory ($RUNTIME_DIRECTORY), or $XDG_RUNTIME_DIR/roost.
//
// As the observer of a pool it keeps the latest 64 events, and writes each into FOLDER/NAME.box, which
// outlives the process: `roostctl status --last` shows what led to a kill. It wants no leases
// (Observer::wants_leases), so that these stay free of locks and clocks.
//
// Threads:  any, but for Add, which ends when the first Serve begins
// Blocks:   Serve for the pools' locks, and for the writes of an answer into a socket's memory, which
//           does not wait; OnEvent for a lock held for microseconds, and a write into FOLDER, which is
//           in memory (/run)
// Memory:   sizeof(StatusServer), some 15 KB, and 32 KB of stack in Serve. One descriptor for each of
//           the socket, the lock, the box, and the clients, who are four at most
// Errors:   status() says why a program is not seen, box_status() what is wrong with the box. The
//           program works all the same
// Time:     a look costs some 50 us. Clients beyond 8 in 100 ms wait in the kernel's queue
// Example:
//   roost::StatusServer status({.name = "greenhouse"});
//   roost::PoolFor<roost::profiles::RaspberryPi> watched(backend, {.observer = &status});
//   status.Add(watched);
//   roost::Housekeeper watchman;
//   watchman.Add(watched); watchman.Add(status);
//   watchman.Start();
#ifndef ROOST_STATUS_H_
#define ROOST_STATUS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "roost/housekeeper.h"
#include "roost/observer.h"
#include "roost/platform.h"
#include "roost/pool.h"

namespace roost::telemetry {
class StatusState;
}  // namespace roost::telemetry

#pragma GCC visibility push(default)
namespace roost {

// What a program says of itself.
enum class Health : uint8_t {
  kStarting,
  kHealthy,
  // It works, and somebody should look.
  kDegraded,
  kNotHealthy,
  kEnding,
};
// "starting", "healthy", "degraded", "not healthy", "ending": a literal.
std::string_view Name(Health health);

// What a program tells of itself beside its pools: readings, queues, temperatures.
class StatusSource {
 public:
  // Adds its figures to `out`; their group is "node", mostly. Called by the thread that serves, or that writes the
  // metrics. Must not wait. `now`: of the platform's Now().
  virtual void AddFigures(TimePoint now, Figures& out) const = 0;

 protected:
  ~StatusSource() = default;
};

// Where a StatusServer answers, and to whom.
struct StatusOptions {
  // Of the program: 1 to 52 letters, digits, '.', '_' and '-', without a '.' at its begin.
  const char* name = "";
  // The folder of the socket. Null: as above. It has to exist.
  const char* folder = nullptr;
  // The mode of the socket: 0600, 0660 or 0666. The box has it without the writes of others: 0600, 0640
  // or 0644.
  unsigned mode = 0660;
  // The group of both; -1: the process's own.
  int group = -1;
  // The clock. REQUIRES: outlives this. Null: NativePlatform().
  Platform* platform = nullptr;
};

// Tells of a program's pools. See above.
class StatusServer final : public Observer, public HousekeeperTask {
 public:
  // The most pools that one server tells of.
  static constexpr int kMaxPools = 4;
  // The most clients that it answers at once.
  static constexpr int kMaxClients = 4;

  // Opens the socket. A socket that a dead process has left is replaced; one of a process that lives is
  // left alone, and status() names the process.
  explicit StatusServer(const StatusOptions& options);
  // Closes the socket and removes it. The box stays.
  ~StatusServer() override;
  StatusServer(const StatusServer&) = delete;
  StatusServer& operator=(const StatusServer&) = delete;

  // OK: the program can be seen. Else what was wrong, where, and what would be right.
  const absl::Status& status() const;
  // OK: the box keeps what happens. Else why not, as when its folder is full, it was cut, or a file of
  // another user stands in its place; the program is seen all the same. Costs a system call.
  absl::Status box_status() const;
  // The path of the socket; empty without one.
  std::string_view path() const;

  // Tells of `pool`, too. REQUIRES: `pool` outlives the last call of Serve; it is one of kMaxPools.
  void Add(const Pool& pool);
  // Tells of a program's own figures, too; of the last one that was given. REQUIRES: `source` outlives
  // the last call of Serve and WriteMetrics.
  void Add(const StatusSource& source);
  // What the operator reads first: how the program is, and one line of text, which is cut after 120
  // bytes. It may be left out: the pools then speak for the program.
  void Say(Health health, std::string_view text = {});

  // Answers what was asked. Returns the moment by which it is called again, also if no descriptor is
  // ready; TimePoint::max(): no moment. REQUIRES: `now` comes from the platform's Now().
  TimePoint Serve(TimePoint now);
  // Writes the figures for Prometheus, as `roostctl metrics` prints them, into the file `path`: of a folder
  // that node_exporter's textfile collector reads, where only names that end in .prom count. They are
  // written aside and renamed, with mode 0644, so that a reader finds them whole. Not to be called by two
  // threads for one path. Blocks for the writes, which are not synced: `path` belongs into memory (/run).
  // Errors: kNotFound: the folder is not there; kUnavailable: what else the kernel refuses. What was
  // written before stays then.
  absl::Status WriteMetrics(std::string_view path);
  // HousekeeperTask: the same as Serve.
  TimePoint Turn(TimePoint now) override { return Serve(now); }
  // Writes the descriptors that Serve waits for into `out`. Returns how many there are, 0 to 5.
  int Descriptors(std::span<DescriptorWait> out) const override;

  // Observer: keeps the event.
  void OnEvent(const Event& event) override;
  bool wants_leases() const override { return false; }

 private:
  static constexpr size_t kStateBytes = 15360;

  alignas(64) std::byte memory_[kStateBytes];
  telemetry::StatusState* const state_;
};

}  // namespace roost
#pragma GCC visibility pop

#endif  // ROOST_STATUS_H_
