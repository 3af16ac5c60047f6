// backends/postgres/connection.h - one session of PostgreSQL in a slot of the pool.
//
// While it opens, a ConnectAttempt does the work. Then it talks through a Pipeline. What is known
// of the session stands in backends::Session.
#ifndef ROOST_BACKENDS_POSTGRES_CONNECTION_H_
#define ROOST_BACKENDS_POSTGRES_CONNECTION_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/common/session.h"
#include "backends/postgres/backend_state.h"
#include "backends/postgres/connect_attempt.h"
#include "backends/postgres/pipeline.h"
#include "backends/postgres/statement.h"
#include "roost/postgres.h"
#include "statements/statement_cache.h"

namespace roost::postgres {

// Aligned so that the statement cache can begin where the object ends.
class alignas(std::max_align_t) PostgresConnection final : public backends::Session {
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

 private:
  absl::Status BeginTransaction(Durability durability) override;
  absl::Status CommitTransaction() override;
  absl::Status RollbackTransaction() override;
  absl::StatusOr<Statement*> PrepareToRun(const Sql& sql) override;
  void* RawHandle() override;

  void NoteTransaction();
  absl::StatusOr<uint64_t> AskWhichTransaction();
  absl::StatusOr<PostgresStatement*> FindOrAdd(const Sql& sql);
  absl::StatusOr<PostgresStatement*> Add(const Sql& sql);
  absl::Status CheckSql(std::string_view sql, SqlTraits traits) const;
  absl::StatusOr<Step> AdvanceOpen(TimePoint now);
  absl::StatusOr<Step> AdvancePing(TimePoint now);
  // What a ping waits for.
  Step AwaitPing();
  // OK: open, and no error has condemned it.
  absl::Status CheckOpen() const;
  void FinishReader();
  absl::Status UndoSession();
  void DropStatements();
  const Libpq& pq() const { return pipeline_.pq(); }
  PqConnection& link() { return pipeline_.link(); }

  // While it opens. Apart, because it is larger than all the rest, and opening takes memory anyway.
  std::unique_ptr<ConnectAttempt> attempt_;
  backends::ServerNotes& notes_;
  Pipeline pipeline_;
  ServerSessions::Place place_;
  StatementCache<PostgresStatement> cache_;
  uint64_t which_ = 0;  // the server's transaction, where the raw handle may end it; 0: not asked
  Deadline ping_deadline_{};  // of the ping that Advance goes on with
};

}  // namespace roost::postgres

#endif  // ROOST_BACKENDS_POSTGRES_CONNECTION_H_
