// backends/postgres/pipeline.h - the exchanges of a session with its server.
//
// An exchange is what is sent together and answered together. Begin puts in front what was put off
// until now (BEGIN, DEALLOCATE), Send ends and sends it, End takes what is left of its answers. An
// exchange whose answers no caller waits for is owed: the next one takes them before its own.
//
// Threads:  one at a time
// Blocks:   what takes answers, up to the deadline of the lease
#ifndef ROOST_BACKENDS_POSTGRES_PIPELINE_H_
#define ROOST_BACKENDS_POSTGRES_PIPELINE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/common/session.h"
#include "backends/postgres/backend_state.h"
#include "backends/postgres/failures.h"
#include "backends/postgres/pq_connection.h"
#include "backends/postgres/result.h"
#include "backends/postgres/statement_name.h"
#include "backends/postgres/stepped_run.h"
#include "roost/statement.h"

namespace roost::postgres {

class ConnectAttempt;

class Pipeline {
 public:
  // REQUIRES: both outlive this.
  Pipeline(backends::Session& session, BackendState& backend)
      : session_(session),
        backend_(backend),
        link_(session.platform()),
        failures_(session, link_, backend) {}
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  // Takes the handle over. REQUIRES: the attempt is done.
  void Adopt(ConnectAttempt& attempt);

  backends::Session& session() { return session_; }
  PqConnection& link() { return link_; }
  const PqConnection& link() const { return link_; }
  Failures& failures() { return failures_; }
  const absl::Status& condemned() const { return failures_.condemned(); }
  const Libpq& pq() const { return link_.pq(); }
  // Statements are not kept between transactions: they have no name.
  bool pooler() const { return backend_.transaction_pooler(); }
  Farewell::Peer peer() const { return backend_.peer(); }

  // The server may be inside of what was given up. An answer that is merely owed comes at once.
  // REQUIRES: the link is connected.
  bool IsGivenUp() const { return !link_.IsIdle() || (link_.owed() > 0 && !condemned().ok()); }

  // ---- The transaction, as the server has it ----

  bool InTransaction() const { return in_transaction_ || begin_pending_; }
  // A statement in it has failed: the server refuses everything but its end.
  bool HasFailedTransaction() const {
    return pq().PQtransactionStatus(link_.handle()) == PQTRANS_INERROR;
  }
  // BEGIN goes with the next statement.
  void PutOffBegin() { begin_pending_ = true; }
  // BEGIN is not sent any more. False: it has been.
  bool CancelBegin();
  // The transaction is over for us. `tell_server`: ROLLBACK is sent if the server has one.
  absl::Status LeaveTransaction(bool tell_server);
  // Asks the handle whether a transaction is open, and tells the session.
  void RecordTransaction();

  // ---- What the session keeps ----

  // A number for StatementName that the session has not seen.
  uint32_t NextSerial() { return ++serials_; }
  // The server is to forget this name; the next exchange says so.
  void Deallocate(StatementName name);
  // Sends what Deallocate has put off, as an exchange of its own. False: libpq refused to send.
  bool SendDeallocations();
  // DISCARD ALL was sent: the session has no statements, and on_connect is to be run again.
  void RecordDiscard();

  // The statement whose rows are being read; nullptr: none. PostgreSQL does one thing at a time.
  Statement* reader() const { return reader_; }
  void RecordStart(Statement& statement);
  void RecordFinish(const Statement& statement);
  // The reader is gone without having been finished.
  void DropReader() { reader_ = nullptr; }

  // ---- An exchange ----

  // Whether something may be sent now: the connection is good, no rows are being read, there is time.
  // `reads`: for what only reads, the socket of a connection that has answered a moment ago is not looked
  // at, which is a system call. If it is dead, that shows in the answer.
  absl::Status Ready(bool reads = false);
  // A check without a round trip, before anything is sent: what was not sent, because the
  // connection is known to be dead, has certainly not happened.
  absl::Status CheckAlive();
  // Nothing has to go in front of a statement: it may be sent alone.
  bool IsClear() const {
    return link_.owed() == 0 && !begin_pending_ && !settings_pending_ && unwanted_[0].empty();
  }
  // Begins an exchange and queues what was put off. BEGIN stays put off unless it has to come
  // before what follows. False: Lost() says why.
  bool Begin(bool with_begin);
  // Queues the end of the exchange and sends it.
  bool Send() { return link_.Sync(); }
  // The next answer, up to the deadline of the lease.
  Reply Receive() { return link_.Receive(session_.deadline()); }
  // Takes the answers to what came before the commands of this exchange.
  absl::Status TakePutOff(const Doing& doing);
  // Takes the answers of one command; the last of them.
  absl::StatusOr<Result> TakeCommand(const Doing& doing);
  // Takes everything up to the end of the exchange. `judge`: an error in it counts; else it only
  // follows from one that has been reported.
  // `commands` of the exchange may answer on the way.
  absl::Status End(const Doing& doing, bool judge, size_t commands = 1);
  // The end of a reading that its user left early: takes what is left, within bounds.
  void EndReading(const Doing& doing);

  // ---- Whole exchanges ----

  // One command, answered. REQUIRES: Ready() said OK.
  absl::StatusOr<Result> Ask(const char* sql, const Doing& doing);
  // The same, with the answer owed.
  absl::Status SendAlone(const char* sql);
  // Takes answers that are owed until only `left` exchanges are. An error in them concerns the
  // connection, and what was sent behind them. False: not all had come by the deadline.
  absl::StatusOr<bool> TakeOwed(int left, Deadline deadline,
                                const Doing& behind = {.operation = Operation::kIdle});
  // Nothing is owed or put off any more, so that the handle is an ordinary one.
  absl::Status Settle(const Doing& doing);
  // By the simple protocol, which takes several statements at once. REQUIRES: Settle said OK.
  absl::Status RunSettled(std::string_view sql, const Doing& doing);

 private:
  friend class SteppedRun;

  bool QueueBegin();
  bool SendSettings();
  void RecordDoom();
  absl::Status JudgeOwed(const Reply& reply, const Doing& behind);
  absl::Status RunOnConnect();

  backends::Session& session_;
  BackendState& backend_;
  PqConnection link_;
  Failures failures_;
  Statement* reader_ = nullptr;
  SteppedRun stepped_;
  std::array<StatementName, 2> unwanted_;  // that the session still has
  uint32_t serials_ = 0;
  uint8_t begin_commands_ = 0;       // in front of the exchange that goes on
  bool in_transaction_ = false;      // at the server, as far as it has answered
  bool begin_pending_ = false;       // BEGIN travels with the next statement
  bool on_connect_pending_ = false;  // DISCARD ALL took what it had set
  bool settings_pending_ = false;    // the session has not been told how to write values
  bool sets_date_style_ = false;     // role or database have another one than ISO
};

}  // namespace roost::postgres

#endif  // ROOST_BACKENDS_POSTGRES_PIPELINE_H_
