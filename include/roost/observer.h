// include/roost/observer.h - the pool's events and statements, for a program that watches its pool.
//
// The order of events is SQLAlchemy's: first connect, connect, checkout, reset, checkin; or
// checkout, invalidate, close, checkin; or checkout, detach. A close always gives its reason.
//
// Threads:  OnEvent and OnStatement are called by the thread that caused the event, by several threads
//           at once
// Blocks:   OnEvent may, because no lock is held; it then delays the thread that caused the event
// Memory:   an Event and a StatementEvent are valid during the call
// Errors:   none; an observer cannot refuse an event
// Time:     one virtual call for each event. A pool that is observed takes its lock and reads a
//           clock for each lease, unless the observer wants no leases: see PoolOptions::observer. A pool without kWatchStatements has no code
//           for statements; with it each costs two readings of the clock, each row two more, and the
//           pool's lock once at its end
// Example:
//   struct Counter : roost::Observer {
//     void OnEvent(const roost::Event& event) override {
//       if (event.kind == roost::EventKind::kTimeout) ++timeouts;
//     }
//     std::atomic<int> timeouts = 0;
//   };
//   struct Node : roost::profiles::RaspberryPi {
//     static constexpr const char* kName = "node";
//     static constexpr bool kWatchStatements = true;
//     static constexpr roost::Duration kSlowStatement = 50ms;
//   };
//   Counter counter;
//   roost::EchoStatements echo;
//   roost::PoolFor<Node> pool(backend, {.observer = &counter, .statement_observer = &echo});
#ifndef ROOST_OBSERVER_H_
#define ROOST_OBSERVER_H_

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "roost/deadline.h"
#include "roost/source_line.h"
#include "roost/types.h"

#pragma GCC visibility push(default)
namespace roost {

// What happened. `span`, `status`, `where` and `reason` are members of Event.
enum class EventKind : uint8_t {
  // The first connection of this pool is open.
  kFirstConnect,
  // A connection is open.
  kConnect,
  // An open failed. status: the error; span: the time until the next attempt.
  kConnectFailed,
  // A connection was lent. span: how long the caller waited; where: the caller's line.
  kCheckout,
  // A connection was given back. span: how long it was held; where: the line that acquired it.
  kCheckin,
  // What the last user left behind is undone. Told for a clean return, too.
  kReset,
  // A connection was found unusable: by its user, by an error, by a failed ping, reset or
  // maintenance. reason: which.
  kInvalidate,
  // InvalidateAll was called: every connection is replaced at its next return or check.
  kSoftInvalidate,
  // A connection is too old; it is closed now and opened anew when one is needed.
  kRecycle,
  // A user took a connection out of the pool.
  kDetach,
  // A connection was closed. reason: why.
  kClose,
  // A caller's deadline passed in the wait queue. span: how long the caller waited.
  kTimeout,
  // A caller was refused for another reason. status: what it was told; span: how long it waited.
  kRefused,
  // A lease is held for longer than the profile's kLeakAfter. where: the line that acquired it;
  // span: how long it is held. Told once for each lease.
  kLeak,
  // A lease that was reported as a leak ended. span: how long it was held.
  kLeakReturned,
  // Tick was called far later than it had asked for. span: how much later.
  kLateTick,
  // Pool::Tune changed settings: Pool::settings has them.
  kTuned,
};
inline constexpr int kEventKinds = 17;

// The name of the kind for logs, in SQLAlchemy's spelling where it has the event: "checkout",
// "first_connect", ... A literal.
std::string_view Name(EventKind kind);

// One event. Valid during the call of OnEvent; copy what has to live longer.
struct Event {
  // What happened.
  EventKind kind{};
  // For kClose, kInvalidate and kSoftInvalidate; else kNone.
  CloseReason reason = CloseReason::kNone;
  // The pool's number of the slot, 0 to capacity - 1; -1: the event is about the pool or a caller.
  int slot = -1;
  // PoolOptions::name.
  std::string_view pool{};
  // When it happened, on the platform's monotonic clock.
  TimePoint at{};
  // See EventKind; else zero.
  Duration span{};
  // Of an event about a connection: how long ago its open began; for kConnect how long the open took.
  // kConnectFailed: zero.
  Duration age{};
  // How long ago its last use ended, or its open, if it was not used: for kCheckout, and for
  // kInvalidate, kRecycle and kClose of a connection that is not lent. Else zero.
  Duration idle{};
  // The line that acquired or asked for the lease, where one is concerned.
  SourceLine where{};
  // The error, where there is one; else null.
  const absl::Status* status = nullptr;
};

// Receives the events of one pool or of several. The program owns it; it outlives the pools.
class Observer {
 public:
  virtual ~Observer() = default;
  // Called once for each event, with no lock held. REQUIRES: returns soon, does not throw, and does
  // not acquire from the same pool.
  virtual void OnEvent(const Event& event) = 0;
  // Whether it wants the events of a lease: kCheckout, kCheckin, kLeakReturned, and the kReset of a
  // clean return. An observer that does not want them leaves the idle stack open, so that a lease
  // costs what it costs without an observer. The pool asks in its constructor, and keeps the answer.
  virtual bool wants_leases() const { return true; }
};

// Writes each event as one line to standard error, with the journal's priority prefix
// (sd-daemon(3)), as SQLAlchemy's echo_pool does. A pool of a profile with kEchoPool has one
// already. Blocks for the write. Allocates nothing: a line is cut at 512 bytes.
class EchoObserver final : public Observer {
 public:
  // `next`, if given, receives every event after it was written. REQUIRES: `next` outlives this.
  explicit EchoObserver(Observer* next = nullptr) : next_(next) {}
  void OnEvent(const Event& event) override;

 private:
  Observer* next_;  // null: none
};

// ---- Acquires, for tracing ----

// The begin or the end of an acquire. Valid during the call; copy what has to live longer.
struct AcquireEvent {
  // PoolOptions::name.
  std::string_view pool{};
  // What the caller gave the pool with its acquire: AcquireOptions::context.
  uint64_t context = 0;
  // At the end, what OnAcquireBegin returned; at the begin 0.
  uint64_t span = 0;
  // When it began or ended, on the platform's monotonic clock.
  TimePoint at{};
  // The line that acquires.
  SourceLine where{};
  // What the caller is going to do with the connection.
  Intent intent = Intent::kWrite;
  // At the end, the time since the begin.
  Duration took{};
  // At the end, whether the caller slept on the way, or its loop went on without it. Where neither
  // was, `took` is the work of an open or a ping of its own.
  bool waited = false;
  // At the end, the pool's number of the slot, 0 to capacity - 1; -1: there is no lease.
  int slot = -1;
  // At the end, OK or what the caller is told; null at the begin.
  const absl::Status* status = nullptr;
};

// Receives the begin and the end of the acquires of one pool or of several: Pool::Acquire,
// PendingAcquire, AcquireOn. TryAcquire does not wait and is not told. The program owns it; it outlives
// the pools. Each begin has one end, also where the acquire is given up, and both are told with no lock
// held.
class AcquireObserver {
 public:
  virtual ~AcquireObserver() = default;
  // Called by the thread that acquires. What it returns comes back as AcquireEvent::span: a span's
  // number, or a pointer. REQUIRES: returns soon, does not throw, and does not acquire from the same pool.
  virtual uint64_t OnAcquireBegin(const AcquireEvent& event) = 0;
  // Called by the thread that ends the acquire. REQUIRES: as above.
  virtual void OnAcquireEnd(const AcquireEvent& event) = 0;
};

// ---- Statements ----

// What a program asked the database to do.
enum class StatementKind : uint8_t {
  // Statement::Run and Execute, Connection::Run.
  kRun,
  // Statement::Query and ExecuteQuery.
  kQuery,
  // Connection::Prepare, told only if it failed.
  kPrepare,
  // Connection::RunScript: the whole script is one event.
  kScript,
  // Connection::Begin.
  kBegin,
  // Transaction::Commit.
  kCommit,
  // The end of a Transaction that was not committed, or whose commit failed.
  kRollback,
  // Connection::Seal.
  kSeal,
};
inline constexpr int kStatementKinds = 8;

// "run", "query", ...: a literal.
std::string_view Name(StatementKind kind);

// A statement that has ended. Valid during the call of OnStatement; copy what has to live longer.
//
// It has neither the bound values nor a literal of the SQL, so that it can be logged: values belong
// into $1, $2, ..., and what stands in quotes is shown as '?'. Numbers and comments are shown.
struct StatementEvent {
  // What has ended.
  StatementKind kind{};
  // took >= the profile's kSlowStatement, and that is not 0.
  bool slow = false;
  // The pool's number of the slot, 0 to capacity - 1.
  int slot = -1;
  // PoolOptions::name.
  std::string_view pool{};
  // Sql::name; empty: the Sql has none. A label for metrics, because a program has few of them.
  std::string_view name{};
  // The SQL on one line of plain text, cut after kMostSql bytes, with a "?" for everything from its
  // first quote (', " or $$) to its last one. "BEGIN", "COMMIT", "ROLLBACK", "SEAL" for the kinds of
  // these names.
  std::string_view sql{};
  static constexpr int kMostSql = 120;
  // When it ended, on the platform's monotonic clock.
  TimePoint at{};
  // Time inside the database's calls: of preparing it for this run, of starting it, and of each Next.
  // What the program does between two rows does not count.
  Duration took{};
  // Rows that were read; of a statement that gives none, rows that it changed.
  int64_t rows = 0;
  // OK, or the error of the database; what the program meets when it reads a column is not told. Null only in an event that a program makes.
  const absl::Status* status = nullptr;
};

// Receives the statements of one pool or of several. The program owns it; it outlives the pools.
class StatementObserver {
 public:
  virtual ~StatementObserver() = default;
  // Called once for each statement that has ended, with no lock held, by the thread that holds the
  // lease. A query ends with its Rows, also where these were not read to the end. SQL by the raw
  // handle is not seen, nor is what the pool itself asks the database (Observer).
  //
  // It may acquire from the same pool and run statements of its own: these are counted in Stats, and
  // not told, so that they cannot call it again. REQUIRES: does not throw, and does not end the lease
  // whose statement it is told of.
  virtual void OnStatement(const StatementEvent& event) = 0;
};

// Writes statements as lines to standard error, with the journal's priority prefix: those that failed
// or were slow, or all, as SQLAlchemy's echo does:
//
//   <4>roost: pool=node statement=query took=0.061034 rows=500 slow sql="SELECT * FROM reading"
//
// Blocks for the write. Allocates nothing: a line is cut at 512 bytes.
class EchoStatements final : public StatementObserver {
 public:
  // Which statements are written: those that failed or were slow, or all.
  enum class Which : uint8_t { kTrouble, kAll };
  // `which`: for all statements of all pools that it is given to.
  explicit EchoStatements(Which which = Which::kTrouble) : which_(which) {}
  void OnStatement(const StatementEvent& event) override;

 private:
  const Which which_;
};

}  // namespace roost
#pragma GCC visibility pop

#endif  // ROOST_OBSERVER_H_
