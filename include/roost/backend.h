// include/roost/backend.h - what a driver adapter must do: open, and be a connection.
//
// An application uses the first half of Connection (Prepare, Run, Begin, Seal) through its Lease.
// The pool uses the second half. A new database needs these two classes and a Statement;
// tests/contract is the suite that it has to pass.
//
// Threads:  a Backend may be asked to open from several threads at once; a Connection belongs to
//           one thread at a time: the holder of its slot
// Blocks:   Open of a local database, Ping, Reset, Maintain, and statements, up to their deadline;
//           the others never
// Memory:   a Connection is constructed in memory that the pool owns (ConnectionMemory), with its
//           statement cache; what the driver takes for itself is the driver's
// Errors:   the table of codes in lease.h
#ifndef ROOST_BACKEND_H_
#define ROOST_BACKEND_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "roost/deadline.h"
#include "roost/internal/lease_record.h"
#include "roost/platform.h"
#include "roost/profile.h"
#include "roost/statement.h"

namespace roost {

// What a caller is going to do, declared at acquire; chooses the lane.
enum class Intent : uint8_t { kRead, kWrite };
inline constexpr Intent kRead = Intent::kRead;
inline constexpr Intent kWrite = Intent::kWrite;

// What a slot's connection is for.
enum class Role : uint8_t {
  kAny,     // reads and writes
  kWriter,  // the one that writes, where readers are apart
  kReader,  // cannot write
};

// How a pool over this backend divides its slots.
enum class LanePlan : uint8_t {
  kOne,               // every connection is like the other
  kWriterAndReaders,  // slot 0 writes, the others read (one slot alone does both)
};

// What is known about the life of a connection without asking the server.
enum class Liveness : uint8_t {
  kAlive,
  kDead,
  kUnknown,  // only a round trip tells
};

// What an error said about this connection and its siblings.
enum class FaultScope : uint8_t {
  kStatement,               // nothing: the error was about the statement
  kConnection,              // this connection must not be used again
  kConnectionSuspectOlder,  // and all that were opened before now have to prove that they live
  kAllOlder,                // and so are all that were opened before now
};

// How much of a connection its last user has left behind.
enum class SessionState : uint8_t {
  kClean,   // nothing: lend it again
  kDirty,   // Reset() can undo it
  kBroken,  // close it
};

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

// How far a work has come that goes on in steps.
struct Step {
  bool done = false;
  // Else: go on when this descriptor is ready, or at `at` if nothing happens before.
  DescriptorWait wait{};
  Deadline at = Deadline::Never();
};

// The driver's own handle after Lease::Detach, now the caller's to close.
struct NativeHandle {
  void* handle = nullptr;
};

class Connection {
 public:
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // ---- For the holder of a lease ----

  // The prepared form of `sql`, from the connection's cache, else from the database. Owned by the
  // connection; valid until the lease ends or until more other statements than the cache holds have
  // been prepared since. kInvalidArgument: the SQL is wrong. kResourceExhausted: every cached
  // statement is being read at this moment. Cost when cached: a search of the cache by hash.
  virtual absl::StatusOr<Statement*> Prepare(const Sql& sql) = 0;
  // Prepare, bind, run; rows, if any, are thrown away.
  template <class... Args>
  absl::Status Run(const Sql& sql, const Args&... args) {
    absl::StatusOr<Statement*> statement = PrepareToRun(sql);
    if (!statement.ok()) return statement.status();
    return (*statement)->Run(args...);
  }
  // Runs one or more statements that are not worth keeping (a schema), separated by semicolons.
  virtual absl::Status RunScript(std::string_view sql) = 0;

  // Begins a transaction: one that will write where the connection may, else a stable snapshot to
  // read. kFailedPrecondition when one is open already.
  absl::StatusOr<Transaction> Begin(Durability durability = Durability::kDefault);
  // Makes everything committed so far survive a power cut. REQUIRES: no open transaction.
  virtual absl::Status Seal() = 0;

  // The driver's handle, for what this interface does not offer. Still owned by the connection.
  // From now on the pool trusts no memory of ours about it: at return the driver itself is asked.
  void* Raw() {
    SetDirty(kDirtyRaw);
    return RawHandle();
  }

  // By when statements have to end. Set at acquire to the lease's deadline.
  Deadline deadline() const { return record_->work_by; }
  void set_deadline(Deadline deadline) { record_->work_by = deadline; }

  // ---- For the pool ----

  // Goes on with what Backend::Open or BeginPing has begun, as far as it can without waiting. May
  // be called at any time, also when nothing has happened. An error, past the deadline
  // kDeadlineExceeded, ends it. An open that failed: fault_scope() tells what it means for the
  // connections that exist; the pool calls Close and the destructor.
  virtual absl::StatusOr<Step> Advance(TimePoint now) {
    static_cast<void>(now);
    return Step{.done = true};
  }
  // From now on the record of its leases lies in `place`. REQUIRES: outlives the connection.
  void KeepRecordIn(internal::LeaseRecord& place) {
    place.work_by = record_->work_by;
    place.dirty_flags = record_->dirty_flags;
    record_ = &place;
  }
  // A lease of a connection that no pool has begins: its statements end by `work_by`. A pool writes
  // that into its record.
  void StartLease(Deadline work_by) {
    record_->work_by = work_by;
    record_->CountLease();
  }
  // A lease ends. What it leaves alive (a Transaction) is recognised as not the next one's.
  void EndLease() { ClearDirty(kDirtyBegan); }
  // Nothing was done that could leave anything behind: the next holder can have it. No call, no
  // I/O.
  bool IsPristine() const { return (record_->dirty_flags & ~kDirtyBegan) == 0; }
  // Asks the driver (never the server) what the last user left behind. Cost: tens of ns.
  virtual SessionState Inspect() = 0;
  // Undoes what Inspect called dirty. An error: close the connection.
  virtual absl::Status Reset(Deadline deadline) = 0;
  // What can be known for nothing. Cost: at most one system call that does not wait.
  virtual Liveness Probe() = 0;
  // One round trip that proves the connection. An error: close it.
  virtual absl::Status Ping(Deadline deadline) = 0;
  // The same for a caller that must not wait: sends the question, and Advance takes the answer.
  // Left alone it is a whole Ping.
  virtual absl::StatusOr<Step> BeginPing(Deadline deadline) {
    absl::Status answer = Ping(deadline);
    if (!answer.ok()) return answer;
    return Step{.done = true};
  }
  // Work for a quiet moment while the connection is idle: checkpoint, give memory back, keep the
  // link alive. An error: close it.
  virtual absl::Status Maintain(Deadline deadline) = 0;
  // Tells whether Maintain is wanted now, before the connection is lent again. No I/O.
  virtual bool WantsMaintenance() const { return false; }
  // What the errors since the last reset mean.
  FaultScope fault_scope() const { return fault_scope_; }

  // Ends the connection: closes it at the database. The pool then calls the destructor.
  virtual void Close() = 0;
  // Forgets the driver's handle without touching the server or a file: after fork, in the child.
  virtual void Abandon() = 0;
  // Gives the driver's handle away, without our hooks and statements. The pool then calls the
  // destructor, not Close.
  virtual NativeHandle Detach() = 0;

  virtual ~Connection() = default;

 protected:
  Connection() = default;

  // Why a connection cannot be lent again without a look. Backends set them as things happen.
  enum DirtyFlag : uint8_t {
    kDirtyTransaction = 1,   // a transaction is open
    kDirtyReading = 2,       // a statement has been started and not finished
    kDirtyTainted = 4,       // session state was changed (a pragma, a temporary table, SET, ...)
    kDirtyRaw = 8,           // the raw handle was taken
    kDirtyError = 16,        // an error with a fault scope other than kStatement
    kDirtyMaintenance = 32,  // Maintain is wanted before the next user
    kDirtyBegan = 64,        // Begin was called in this lease; by itself no reason for a look
  };
  void SetDirty(DirtyFlag flag) {
    record_->dirty_flags = static_cast<uint8_t>(record_->dirty_flags | flag);
  }
  void ClearDirty(DirtyFlag flag) {
    record_->dirty_flags = static_cast<uint8_t>(record_->dirty_flags & ~flag);
  }
  bool IsDirty(DirtyFlag flag) const { return (record_->dirty_flags & flag) != 0; }
  // Tells the leases of this connection apart.
  uint32_t lease() const { return record_->leases.load(std::memory_order_relaxed); }
  void ClearDirtyFlags() {
    record_->dirty_flags = static_cast<uint8_t>(record_->dirty_flags & kDirtyBegan);
    fault_scope_ = FaultScope::kStatement;
  }
  // Keeps the worst fault scope.
  void MarkFailed(FaultScope scope) {
    if (scope > fault_scope_) fault_scope_ = scope;
    if (fault_scope_ != FaultScope::kStatement) SetDirty(kDirtyError);
  }

 private:
  friend class Transaction;
  virtual absl::Status BeginTransaction(Durability durability) = 0;
  virtual absl::Status CommitTransaction() = 0;
  // Prepare for a statement that is run at once: where preparing takes a round trip, it may go
  // along with the run, which then finds wrong SQL.
  virtual absl::StatusOr<Statement*> PrepareToRun(const Sql& sql) { return Prepare(sql); }
  virtual absl::Status RollbackTransaction() = 0;
  virtual void* RawHandle() = 0;

  FaultScope fault_scope_ = FaultScope::kStatement;
  internal::LeaseRecord own_;
  internal::LeaseRecord* record_ = &own_;
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
  virtual LanePlan lanes() const = 0;
  // Bytes of memory a connection needs with a cache of `statements`. Constant.
  virtual size_t ConnectionBytes(int statements) const = 0;

  // Opens a connection, constructed in `request.memory`; on error the memory is free again. What
  // takes round trips is only begun here, and Connection::Advance goes on with it. Codes that pass
  // by themselves (kUnavailable, kDeadlineExceeded, kResourceExhausted: the server has no room) make
  // the pool retry with growing pauses; kInvalidArgument, kNotFound, kPermissionDenied,
  // kUnauthenticated, kFailedPrecondition and kDataLoss need a person: the pool retries at its
  // longest pause.
  virtual absl::StatusOr<Connection*> Open(const OpenRequest& request) = 0;
};

}  // namespace roost

#endif  // ROOST_BACKEND_H_
