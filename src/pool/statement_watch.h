// pool/statement_watch.h - times, counts and tells the statements of a pool whose profile has
// kWatchStatements.
//
// Every connection of such a pool stands in its slot as a WatchedConnection, which passes each call on
// to the driver's. Statements come out of it as WatchedStatements. So no driver has code for it, and a
// pool that does not watch has none of this at all: not even a branch.
#ifndef ROOST_POOL_STATEMENT_WATCH_H_
#define ROOST_POOL_STATEMENT_WATCH_H_

#include <atomic>
#include <cstdint>
#include <span>
#include <string_view>

#include "pool/executor.h"
#include "pool/pool_parts.h"
#include "roost/internal/connection_access.h"
#include "roost/observer.h"

namespace roost::internal {

class StatementWatch;
class WatchedConnection;

// A statement of the driver's cache, by its address there.
class WatchedStatement final : public Statement {
 public:
  explicit WatchedStatement(WatchedConnection& connection) : connection_(connection) {}

  absl::Status Execute(std::span<const Value> values) override;
  int parameters() const override { return inner_->parameters(); }
  int columns() const override { return inner_->columns(); }
  std::string_view column_name(int column) const override { return inner_->column_name(column); }
  int64_t changes() const override { return inner_->changes(); }
  std::string_view sql() const override { return inner_->sql(); }

  const Statement* inner() const { return inner_; }
  bool reading() const { return reading_; }
  // It stands for `inner`, which preparing under `name` took so long for.
  void Prepared(Statement& inner, const char* name, Duration took);
  // The pool ends the reading, by a call of the driver's connection that follows: the driver's
  // statement is not asked, because that could take until the lease's deadline.
  void CutOff();

 private:
  absl::Status ExecuteAll(const ManyRows& rows) override;
  absl::Status Start(std::span<const Value> values) override;
  absl::StatusOr<roost::Step> StartInSteps(std::span<const Value> values) override;
  absl::StatusOr<roost::Step> Advance(TimePoint now) override;
  absl::StatusOr<bool> Step() override;
  void Finish() override;
  Value column(int column) const override { return ConnectionAccess::Column(*inner_, column); }

  // Times `call`, a call of the driver that runs the statement, and tells it as one event.
  template <class Call>
  absl::Status TimeRun(Call call);
  void Tell(StatementKind kind, Duration took, int64_t rows, const absl::Status& status);
  void TellReading(int64_t rows);
  void EndSteps(TimePoint now);
  // What a start gave, after `took`: a reading begins, or is told as one that failed.
  absl::Status NoteStart(absl::Status status, Duration took);

  WatchedConnection& connection_;
  Statement* inner_ = nullptr;  // null: it was never used
  const char* name_ = nullptr;  // Sql::name
  Duration prepare_{};          // of the next run
  Duration spent_{};       // of the reading; while it starts in steps, less the clock's time then
  int64_t rows_ = 0;       // of the reading
  absl::Status status_;    // of the reading
  bool reading_ = false;   // between Start and Finish
  bool stepping_ = false;  // it starts in steps
};

class WatchedConnection final : public Connection {
 public:
  WatchedConnection(StatementWatch& watch, int slot, Connection& inner,
                    std::span<WatchedStatement> statements)
      : watch_(watch), inner_(inner), statements_(statements), slot_(slot) {
    ConnectionAccess::Join(*this, inner);
  }
  ~WatchedConnection() override;

  absl::StatusOr<Statement*> Prepare(const Sql& sql) override;
  absl::Status RunScript(std::string_view sql) override;
  absl::Status Seal() override;

  TimePoint Now() const;
  void Tell(const StatementEvent& event);

 private:
  absl::Status BeginTransaction(Durability durability) override;
  absl::Status CommitTransaction() override;
  absl::Status RollbackTransaction() override;
  absl::StatusOr<Statement*> PrepareToRun(const Sql& sql) override;
  void* RawHandle() override { return ConnectionAccess::RawHandle(inner_); }

  absl::StatusOr<Step> Advance(TimePoint now) override {
    return ConnectionAccess::Advance(inner_, now);
  }
  SessionState Inspect() override { return ConnectionAccess::Inspect(inner_); }
  absl::Status Reset(Deadline deadline) override;
  Liveness Probe() override { return ConnectionAccess::Probe(inner_); }
  absl::Status Ping(Deadline deadline) override { return ConnectionAccess::Ping(inner_, deadline); }
  absl::StatusOr<Step> BeginPing(Deadline deadline) override {
    return ConnectionAccess::BeginPing(inner_, deadline);
  }
  absl::Status Maintain(Deadline deadline) override {
    return ConnectionAccess::Maintain(inner_, deadline);
  }
  bool WantsMaintenance() const override { return ConnectionAccess::WantsMaintenance(inner_); }
  void Close() override;
  void Abandon() override { ConnectionAccess::Abandon(inner_); }
  NativeHandle Detach() override;

  // Times `call`, a call of the driver, and tells it.
  template <class Call>
  absl::Status Time(StatementKind kind, std::string_view sql, Call call);
  // What stands for the driver's statement that `prepared` has; tells an error, as one of `kind`.
  absl::StatusOr<Statement*> Wrap(const absl::StatusOr<Statement*>& prepared, const Sql& sql,
                                  StatementKind kind, Duration took);
  WatchedStatement& StandInFor(const Statement* inner);
  // As the driver does with its own: rows that are used after this stop the program.
  void CutOffRows();

  StatementWatch& watch_;
  Connection& inner_;
  const std::span<WatchedStatement> statements_;
  const int slot_;  // the pool's number
};

// What the connections of one pool share.
class StatementWatch final : public ConnectionWrapper {
 public:
  StatementWatch(PoolParts& pool, const WatchStorageView& storage);
  Connection* Wrap(int slot, Connection& connection) override;

  TimePoint Now() const { return pool_.config.platform.Now(); }
  // Counts `event`, and tells it, unless this thread is inside of the observer already.
  void Record(StatementEvent event);

 private:
  // Lies in the storage for as long as the pool does; the connection and its statements behind it.
  struct Place {
    std::atomic<uintptr_t> teller{0};  // the thread that is inside of the observer; 0: none
  };

  Place& PlaceOf(int slot) const;
  bool IsTelling(uintptr_t thread) const;

  PoolParts& pool_;
  std::byte* const places_;
  const size_t place_bytes_;
};

}  // namespace roost::internal

#endif  // ROOST_POOL_STATEMENT_WATCH_H_
