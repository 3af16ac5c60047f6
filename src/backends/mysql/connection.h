// backends/mysql/connection.h - one session of MySQL in a slot of the pool.
//
// While it opens, a ConnectAttempt does the work. Then it talks through a Wire. What is known of the
// session stands in backends::Session.
#ifndef ROOST_BACKENDS_MYSQL_CONNECTION_H_
#define ROOST_BACKENDS_MYSQL_CONNECTION_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/common/session.h"
#include "backends/mysql/backend_state.h"
#include "backends/mysql/connect_attempt.h"
#include "backends/mysql/statement.h"
#include "backends/mysql/wire.h"
#include "roost/mysql.h"
#include "statements/statement_cache.h"

namespace roost::mysql {

// Aligned so that the statement cache can begin where the object ends.
class alignas(std::max_align_t) MysqlConnection final : public backends::Session {
 public:
  // Bytes of memory for a connection with a cache of `statements`.
  static size_t BytesFor(int statements);

  // REQUIRES: request.memory holds BytesFor(request.memory.statements) bytes, and this is
  // constructed at its beginning; backend outlives this.
  MysqlConnection(BackendState& backend, const OpenRequest& request);
  ~MysqlConnection() override;

  // Begins to open; Advance goes on. After an error there is only the destructor.
  absl::Status Start();

  Wire& wire() { return wire_; }

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

  // ---- The transaction of a RunAll ----
  absl::Status BeginRows() { return BeginTransaction(Durability::kDefault); }
  absl::Status CommitRows() { return CommitTransaction(); }
  // How many rows are in, by the server's answer. Waits for it, up to the lease's deadline.
  backends::RowsFate RollBackRows();

 private:
  absl::Status BeginTransaction(Durability durability) override;
  absl::Status CommitTransaction() override;
  absl::Status RollbackTransaction() override;
  absl::StatusOr<Statement*> PrepareToRun(const Sql& sql) override;
  void* RawHandle() override;

  enum class PingState : uint8_t { kNone, kWanted, kAsked };

  void NoteTransaction();
  absl::StatusOr<uint64_t> AskWhichTransaction();
  absl::StatusOr<MysqlStatement*> FindOrAdd(const Sql& sql);
  absl::StatusOr<MysqlStatement*> Add(const Sql& sql);
  absl::StatusOr<Step> AdvanceOpen(TimePoint now);
  absl::StatusOr<Step> AdvancePing(TimePoint now);
  // OK: open, and no error has condemned it.
  absl::Status CheckOpen() const;
  absl::Status CheckDurable();
  absl::Status LeaveTransaction();
  absl::Status UndoSession();
  void FinishReader();
  bool IsLeftInTheMiddle() const;

  // While it opens. Apart, because it is larger than all the rest, and opening takes memory anyway.
  std::unique_ptr<ConnectAttempt> attempt_;
  const TcpTimers timers_;
  Wire wire_;
  StatementCache<MysqlStatement> cache_;
  Deadline ping_deadline_{};
  PingState ping_ = PingState::kNone;
  uint64_t which_ = 0;    // the server's transaction, where the raw handle may end it; 0: not asked
  bool durable_ = false;  // the server syncs its log at each commit
};

}  // namespace roost::mysql

#endif  // ROOST_BACKENDS_MYSQL_CONNECTION_H_
