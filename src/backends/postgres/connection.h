// PostgresConnection: one session of PostgreSQL in a slot of the pool.
//
// While it opens, a ConnectAttempt does the work; then a PqConnection. Each exchange begins with BeginExchange,
// which puts in front what was put off until now (BEGIN, DEALLOCATE), and ends with EndExchange. An
// error that leaves the connection in doubt condemns it: from then on every call gives the same
// status, and the pool closes it.
#ifndef ROOST_BACKENDS_POSTGRES_CONNECTION_H_
#define ROOST_BACKENDS_POSTGRES_CONNECTION_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/postgres/backend_state.h"
#include "backends/postgres/classify.h"
#include "backends/postgres/connect_attempt.h"
#include "backends/postgres/pq_connection.h"
#include "backends/postgres/statement.h"
#include "roost/backend.h"
#include "roost/postgres.h"
#include "statements/statement_cache.h"

namespace roost::postgres {

// What an exchange is about, for its errors.
struct Doing {
  std::string_view sql{};
  Operation operation = Operation::kStatement;
};

// Aligned so that the statement cache can begin where the object ends.
class alignas(std::max_align_t) PostgresConnection final : public Connection {
 public:
  // Bytes of memory for a connection with a cache of `statements`.
  static size_t BytesFor(int statements);

  // REQUIRES: request.memory holds BytesFor(request.memory.statements) bytes, and this is
  // constructed at its beginning; backend outlives this.
  PostgresConnection(BackendState& backend, const OpenRequest& request);
  ~PostgresConnection() override;

  // Begins to open; Advance goes on. After an error there is only the destructor.
  absl::Status Start();

  // ---- For the holder of a lease ----
  absl::StatusOr<Statement*> Prepare(const Sql& sql) override;
  absl::Status RunScript(std::string_view sql) override;
  absl::Status Seal() override;

  // ---- For the pool ----
  absl::StatusOr<Step> Advance(TimePoint now) override;
  SessionState Inspect() override;
  absl::Status Reset(Deadline deadline) override;
  Liveness Probe() override;
  absl::Status Ping(Deadline deadline) override;
  absl::StatusOr<Step> BeginPing(Deadline deadline) override;
  absl::Status Maintain(Deadline deadline) override;
  void Close() override;
  void Abandon() override;
  NativeHandle Detach() override;

  // ---- For PostgresStatement ----
  PqConnection& link() { return link_; }
  const Libpq& pq() const { return link_.pq(); }
  // Statements are not kept between transactions: they have no name.
  bool pooler() const { return backend_.transaction_pooler(); }
  bool InTransaction() const { return in_transaction_ || begin_pending_; }
  // Whether something may be sent now: the connection is good, nobody reads, there is time.
  absl::Status Ready();
  // Begins an exchange and queues what was put off. False: Lost() says why.
  // BEGIN stays put off unless it has to come before what follows.
  bool BeginExchange(bool with_begin);
  // Queues the end of the exchange and sends it.
  bool SendExchange();
  // Takes the answers to what came before the commands of this exchange.
  absl::Status TakePutOff(const Doing& doing);
  // Takes the answers of one command; the last of them.
  absl::StatusOr<Result> TakeCommand(const Doing& doing);
  // Takes everything up to the end of the exchange. `judge`: an error in it counts; else it only
  // follows from one that has been reported.
  absl::Status EndExchange(const Doing& doing, bool judge);
  // The status of an answer that is not what it should be; draws its consequences.
  absl::Status Fail(const Reply& reply, const Doing& doing);
  absl::Status FailWith(const Result& result, const Doing& doing);
  // libpq refused to send.
  absl::Status Lost(const Doing& doing);
  // The end of a reading that its user left early: takes what is left, within bounds.
  void EndReading(const Doing& doing);

  void Started(PostgresStatement& statement);
  void Finished(PostgresStatement& statement);
  void NoteTransaction();
  void Taint() { SetDirty(kDirtyTainted); }
  uint32_t NextSerial() { return ++serials_; }
  // The session is to forget this name, some time.
  void Deallocate(StatementName name);

 private:
  absl::Status BeginTransaction(Durability durability) override;
  absl::Status CommitTransaction() override;
  absl::Status RollbackTransaction() override;
  absl::StatusOr<Statement*> PrepareToRun(const Sql& sql) override;
  void* RawHandle() override;

  absl::StatusOr<PostgresStatement*> FindOrAdd(const Sql& sql);
  absl::StatusOr<Step> AdvanceOpen(TimePoint now);
  absl::StatusOr<Step> AdvancePing(TimePoint now);
  void Adopt();

  // Nothing can be relied on any more; `status` is what every call says from now on.
  absl::Status CondemnFor(absl::Status status, FaultScope scope);
  absl::Status Break(const Finding& finding, std::string_view sqlstate, std::string_view message,
                     std::string_view sql);
  absl::Status Late(const Doing& doing);
  void TakeRest();
  bool LostItsRole(std::string_view sqlstate) const;
  std::string Where() const;

  bool QueueBegin();
  bool QueueUnwanted();
  // Takes answers that are owed until only `left` exchanges are; what they say is only looked at for
  // the connection's sake, and for that of what was sent behind them. False: not all had come by the
  // deadline.
  absl::StatusOr<bool> TakeOwed(int left, Deadline deadline,
                                const Doing& behind = {.operation = Operation::kIdle});
  absl::Status JudgeOwed(const Result& result, const Doing& behind);
  // An exchange of one command, answered. REQUIRES: Ready() said OK.
  absl::StatusOr<Result> Ask(const char* sql, const Doing& doing);
  // The same, with the answer owed.
  absl::Status SendAlone(const char* sql);
  // Nothing is owed or put off any more, so that the handle is an ordinary one.
  absl::Status Settle(const Doing& doing);
  absl::Status RunSettled(std::string_view sql, const Doing& doing);
  absl::Status CheckSql(std::string_view sql, SqlTraits traits) const;
  // False: its user left the handle in the middle of a query, a COPY or a pipeline.
  bool HandleIsIdle() const;
  absl::Status CheckAlive();
  absl::Status UndoSession();
  void DropStatements();

  // Constant after Adopt.
  BackendState& backend_;
  Platform& platform_;
  const Role role_;
  bool wants_primary_ = false;
  int endpoint_ = -1;

  // While it opens. Apart, because it is larger than all the rest, and opening takes memory anyway.
  std::unique_ptr<ConnectAttempt> attempt_;
  PqConnection link_;
  StatementCache<PostgresStatement> cache_;
  PostgresStatement* reader_ = nullptr;    // whose rows are being read
  absl::Status condemned_;                 // OK: it is not
  Deadline ping_deadline_{};               // of the ping that Advance goes on with
  std::array<StatementName, 2> unwanted_;  // that the session still has
  uint32_t serials_ = 0;
  uint8_t begin_commands_ = 0;       // in front of the exchange that goes on
  bool in_transaction_ = false;      // at the server, as far as it has answered
  bool our_transaction_ = false;     // a Transaction lives, even if the server rolled it back
  bool begin_pending_ = false;       // BEGIN travels with the next statement
  bool seal_commit_ = false;         // it asked for Durability::kSealed
  bool on_connect_pending_ = false;  // DISCARD ALL took what it had set
};

}  // namespace roost::postgres

#endif  // ROOST_BACKENDS_POSTGRES_CONNECTION_H_
