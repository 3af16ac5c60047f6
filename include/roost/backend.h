// include/roost/backend.h - for a new database: what a driver adapter must do.
//
// A driver adapter is three classes: a Backend, which opens connections, a Connection
// (connection.h), and a Statement (statement.h). src/backends/common has what every adapter needs.
// An adapter has to pass the suite in tests/contract.
//
// What a Connection overrides for applications: Prepare, RunScript, Seal, BeginTransaction,
// CommitTransaction, RollbackTransaction, RawHandle; see connection.h. What it overrides for the
// pool, all of it private there and called through internal::ConnectionAccess:
//
//   Advance(now)        Continues what Backend::Open or BeginPing began, as far as it can without
//                       waiting. May be called at any time, also when nothing has happened. An
//                       error ends the action: kDeadlineExceeded when the deadline passed. After a
//                       failed open, fault_scope() says which existing connections the error
//                       concerns, and the pool calls Close and the destructor.
//   Inspect()           Asks the driver, never the server, what the last user left behind. Cost:
//                       tens of ns.
//   Reset(deadline)     Undoes what Inspect called dirty. An error: the pool closes the connection.
//   Probe()             Says what is known about the connection without a round trip. Never waits.
//                       Cost while nothing has changed: at most three system calls (SQLite looks up
//                       three names).
//   Ping(deadline)      Proves the connection by one round trip. An error: the pool closes it.
//   BeginPing(deadline) The same for a caller that must not wait: sends the question; Advance takes
//                       the answer. The default is a whole Ping.
//   Maintain(deadline)  Does what is best done while the connection is idle: checkpoints, gives
//                       memory back, keeps the link alive. An error: the pool closes it.
//   WantsMaintenance()  True if Maintain is wanted before the connection is lent again. No I/O.
//   Close()             Ends the connection at the database. The pool then calls the destructor.
//   Abandon()           Forgets the driver's handle without touching the server or a file: after a
//                       fork, in the child.
//   Detach()            Gives the driver's handle away, without the adapter's hooks and statements.
//                       The pool then calls the destructor, not Close.
//
// Threads:  a Backend may be asked to open by several threads at once; a Connection belongs to one
//           thread at a time: the holder of its slot
// Blocks:   Open of a local database, Ping, Reset, Maintain, Detach, RawHandle, and statements, up
//           to their deadline; Close while SQLite copies its log; the others never
// Memory:   a Connection is constructed in memory of the pool (ConnectionMemory), with its
//           statement cache; what the driver allocates for itself is the driver's
// Errors:   the table of codes in lease.h
#ifndef ROOST_BACKEND_H_
#define ROOST_BACKEND_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"
#include "roost/connection.h"
#include "roost/profile.h"
#include "roost/stats.h"
#include "roost/types.h"

#pragma GCC visibility push(default)
namespace roost {

// Memory for one connection and its statement cache, in the pool. Aligned to std::max_align_t. The
// pool owns it; the connection has it from Open until its destructor has run.
struct ConnectionMemory {
  // Where it begins, and how much it is.
  std::byte* data = nullptr;
  size_t bytes = 0;
  // Capacity of the statement cache, 1 to 256.
  int statements = 0;
};

// Which pool a connection is for.
struct PoolShare {
  // Tells pools apart; nobody looks into it.
  const void* pool = nullptr;
  // The most connections that it has at a time. 0: not known.
  int capacity = 0;
};

// What the pool wants opened.
struct OpenRequest {
  // What the connection is for: kAny in a pool of one lane, kWriter or kReader in a pool of two.
  Role role = Role::kAny;
  ConnectionMemory memory{};
  PoolShare pool{};
  // Outlives the connection. Never null.
  Platform* platform = nullptr;
  // Bounds the whole open, every step of it.
  Deadline deadline{};
  // The profile's kTcpTimers, for a backend that has a TCP link.
  TcpTimers tcp_timers{};
  // Where an Open that fails tells which existing connections its error concerns. May be null.
  FaultScope* fault_scope = nullptr;
};

// What a server takes: kPrimary writes, kReadOnly and kStandby only reads.
enum class ServerRole : uint8_t { kUnknown, kPrimary, kReadOnly, kStandby };

// "unknown", "primary", "read-only", "standby": a literal.
std::string_view Name(ServerRole role);

// What a server told the latest connection that was opened. The texts end with a zero and are fit for
// a log; an empty one is not known.
struct ServerFacts {
  // Its version, as it says it.
  std::array<char, 48> version{};
  // Whom it takes this program for.
  std::array<char, 64> user{};
  // "TLSv1.3", or "none".
  std::array<char, 16> tls{};
  // As it was when the connection was opened.
  ServerRole role = ServerRole::kUnknown;
  // What the kernel makes of the latest open or ping; zero: not known, as where there is no network.
  Duration round_trip{};
};

// A database that connections can be opened to. The program owns it; it outlives the pools over it.
class Backend {
 public:
  Backend() = default;
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;
  virtual ~Backend() = default;

  // The kind of database: "sqlite", "postgresql". Constant.
  virtual std::string_view kind() const = 0;
  // What the connections lead to, fit for a log: a path, a host. Never a password.
  virtual std::string_view target() const = 0;
  // How a pool divides its slots into lanes. Constant.
  virtual LanePlan lanes() const = 0;
  // Bytes of memory that a connection needs with a cache of `statements`. Constant. A pool whose
  // slots have less aborts when it is made.
  virtual size_t ConnectionBytes(int statements) const = 0;

  // Constructs a connection in `request.memory` and opens it. After an error the memory is free
  // again. An open that takes round trips is only begun here; Connection::Advance continues it.
  //
  // The code of an error decides when the pool tries again. After kUnavailable, kDeadlineExceeded
  // and kResourceExhausted (the server has no room), which pass by themselves, it tries after
  // pauses that grow (kBackoffMin to kBackoffMax). After kInvalidArgument, kNotFound,
  // kPermissionDenied, kUnauthenticated, kFailedPrecondition and kDataLoss, which need a person, it
  // tries after the longest pause.
  virtual absl::StatusOr<Connection*> Open(const OpenRequest& request) = 0;

  // Goes on with what goes on beside connections, such as ending sessions that were given up. Called
  // by Pool::Tick and after a close. Never waits. Returns when it wants to be called again; max():
  // there is nothing to do.
  virtual TimePoint Continue(TimePoint /*now*/) { return TimePoint::max(); }
  // What keeps `pool` (PoolShare::pool) from opening, though nothing fails: OK, or the error of a
  // caller that waited for it up to its deadline.
  virtual absl::Status Hindrance(const void* /*pool*/) const { return absl::OkStatus(); }
  // Adds what it counts beside Stats, of all its connections since it was made. Called by any
  // thread. Answers from memory: operators ask while a database hangs. `now`: of the platform's Now().
  virtual void AddFigures(TimePoint /*now*/, Figures& /*out*/) const {}
  // Of the latest connection, for operators. Called by any thread; answers from memory, as AddFigures.
  virtual ServerFacts server() const { return {}; }
};

}  // namespace roost
#pragma GCC visibility pop

#endif  // ROOST_BACKEND_H_
