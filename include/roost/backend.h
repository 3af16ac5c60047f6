// include/roost/backend.h - for a new database: what a driver adapter must do.
//
// An adapter is three classes: a Backend that opens, a Connection (connection.h), and a Statement
// (statement.h). src/backends/common has what every adapter needs. tests/contract is the suite that
// it has to pass.
//
// What a Connection overrides for applications: Prepare, RunScript, Seal, BeginTransaction,
// CommitTransaction, RollbackTransaction, RawHandle; see connection.h. What it overrides for the
// pool, all of it private there and called through internal::ConnectionAccess:
//
//   Advance(now)        Goes on with what Backend::Open or BeginPing began, as far as it can without
//                       waiting. May be called at any time, also when nothing has happened. An error
//                       ends it: kDeadlineExceeded when the deadline passed. After a failed open,
//                       fault_scope() says what the error means for the connections that exist, and
//                       the pool calls Close and the destructor.
//   Inspect()           Asks the driver, never the server, what the last user left behind. Cost:
//                       tens of ns.
//   Reset(deadline)     Undoes what Inspect called dirty. An error: the pool closes the connection.
//   Probe()             Says what can be known about the connection without a round trip. Cost: at
//                       most one system call that does not wait.
//   Ping(deadline)      Proves the connection by one round trip. An error: the pool closes it.
//   BeginPing(deadline) The same for a caller that must not wait: sends the question, and Advance
//                       takes the answer. Left alone it is a whole Ping.
//   Maintain(deadline)  Does the work for a quiet moment while the connection is idle: checkpoints,
//                       gives memory back, keeps the link alive. An error: the pool closes it.
//   WantsMaintenance()  True if Maintain is wanted before the connection is lent again. No I/O.
//   Close()             Ends the connection at the database. The pool then calls the destructor.
//   Abandon()           Forgets the driver's handle without touching the server or a file: after a
//                       fork, in the child.
//   Detach()            Gives the driver's handle away, without the adapter's hooks and statements.
//                       The pool then calls the destructor, not Close.
//
// Threads:  a Backend may be asked to open by several threads at once; a Connection belongs to one
//           thread at a time: the holder of its slot
// Blocks:   Open of a local database, Ping, Reset, Maintain, and statements, up to their deadline;
//           the others never
// Memory:   a Connection is constructed in memory of the pool (ConnectionMemory), with its statement
//           cache; what the driver allocates for itself is the driver's
// Errors:   the table of codes in lease.h
#ifndef ROOST_BACKEND_H_
#define ROOST_BACKEND_H_

#include <cstddef>
#include <string_view>

#include "absl/status/statusor.h"
#include "roost/connection.h"
#include "roost/profile.h"
#include "roost/types.h"

namespace roost {

// Memory for one connection and its statement cache, in the pool. Aligned to std::max_align_t.
struct ConnectionMemory {
  std::byte* data = nullptr;
  size_t bytes = 0;
  int statements = 0;  // capacity of the statement cache, 1 to 256
};

struct OpenRequest {
  Role role = Role::kAny;
  ConnectionMemory memory{};
  Platform* platform = nullptr;
  Deadline deadline{};     // for the whole open
  TcpTimers tcp_timers{};  // of the profile
};

class Backend {
 public:
  Backend() = default;
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;
  virtual ~Backend() = default;

  // "sqlite", "postgresql", ...
  virtual std::string_view kind() const = 0;
  // What it connects to, fit for a log: a path, a host. Never a password.
  virtual std::string_view target() const = 0;
  // How a pool divides its slots. Constant.
  virtual LanePlan lanes() const = 0;
  // Bytes of memory that a connection needs with a cache of `statements`. Constant.
  virtual size_t ConnectionBytes(int statements) const = 0;

  // Opens a connection, constructed in `request.memory`. On error the memory is free again. What
  // takes round trips is only begun here, and Connection::Advance goes on with it.
  //
  // The code of an error decides when the pool tries again. kUnavailable, kDeadlineExceeded and
  // kResourceExhausted (the server has no room) pass by themselves: after growing pauses.
  // kInvalidArgument, kNotFound, kPermissionDenied, kUnauthenticated, kFailedPrecondition and
  // kDataLoss need a person: after the longest pause.
  virtual absl::StatusOr<Connection*> Open(const OpenRequest& request) = 0;
};

}  // namespace roost

#endif  // ROOST_BACKEND_H_
