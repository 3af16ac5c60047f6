// backends/mysql/wire.h - what a session is asked, up to the lease's deadline, and what goes wrong in it.
//
// One question at a time. A ROLLBACK is sent and its answer is owed: the next question takes it first. An
// error that leaves the connection in doubt condemns it: from then on every call gives the same status, and
// the pool closes it.
#ifndef ROOST_BACKENDS_MYSQL_WIRE_H_
#define ROOST_BACKENDS_MYSQL_WIRE_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "backends/common/session.h"
#include "backends/mysql/backend_state.h"
#include "backends/mysql/errnos.h"
#include "backends/mysql/link.h"
#include "backends/mysql/sql_text.h"

namespace roost::mysql {

// What a question is about, for its errors.
struct Doing {
  std::string_view sql{};
  Operation operation = Operation::kStatement;
};

// What is at the other end.
struct Peer {
  // Each transaction may have another session of the server.
  bool is_pooler = false;
  // It may be given a statement together with its values, and the values of many rows together.
  bool runs_at_once = false;
  // It says which row an error of such a run is about.
  bool names_rows = false;
};

class Wire {
 public:
  // REQUIRES: both outlive this.
  Wire(backends::Session& session, BackendState& backend)
      : session_(session), backend_(backend), link_(session.platform()) {}
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  // Takes over what `attempt` has opened.
  void Adopt(ConnectAttempt& attempt);

  backends::Session& session() const { return session_; }
  BackendState& backend() const { return backend_; }
  const Libmariadb& lib() const { return backend_.lib(); }
  Link& link() { return link_; }
  MYSQL* handle() const { return link_.handle(); }
  int endpoint() const { return endpoint_; }
  const Peer& peer() const { return peer_; }

  // ---- State ----

  // By the server's last answer; a ROLLBACK that is owed counts as done.
  bool InTransaction() const;
  void RecordTransaction() { session_.RecordTransaction(InTransaction()); }
  // How the session reads SQL.
  SqlMode mode() const;
  const absl::Status& condemned() const { return condemned_; }
  // A call was given up in the middle: the server may still be at it.
  bool gave_up() const { return gave_up_; }
  void NoteGivenUp() { gave_up_ = true; }
  // What is run without a transaction is committed at once.
  bool CommitsEach() const;
  // The database in use is another one than at first.
  bool has_moved() const;
  // Idle for so long that the server may end the session before it is used.
  bool is_stale(TimePoint now) const;

  // The statement whose rows are being read.
  Statement* reader() const { return reader_; }
  void RecordStart(Statement& statement);
  void RecordFinish(const Statement& statement);
  void DropReader() { reader_ = nullptr; }

  // ---- Asking ----

  // Whether a question can be asked. Takes what is owed.
  absl::Status Ready();
  // Takes what is owed, up to the lease's deadline.
  absl::Status Settle();
  // Waits for the call that was begun on link(). OK: it has ended, well or not.
  absl::Status Finish(const Doing& doing);
  // Asks by text, and throws rows away. `sql` is one statement, unless several are allowed.
  absl::Status Ask(std::string_view sql, const Doing& doing) { return AskFor(sql, doing, nullptr); }
  // The same, and the first value of the first row as text.
  absl::Status AskFor(std::string_view sql, const Doing& doing, std::string* value);
  // Every statement of a script.
  absl::Status AskScript(std::string_view sql, const Doing& doing);
  // How many results of the last question have come to their end.
  size_t results() const { return results_; }
  // ROLLBACK, if there is anything to roll back. Does not wait.
  absl::Status SendRollback();
  // The session as it was opened, but for its prepared statements, which are gone.
  absl::Status ResetSession();
  // The server has answered just now.
  void NoteAnswer();
  // Whether what is owed has come. Never waits.
  bool TakeOwed();
  bool owes() const { return owes_; }
  // The last ROLLBACK left rows in tables without transactions.
  bool kept_rows() const { return kept_rows_; }

  // ---- What went wrong: each makes the status, and draws its consequences ----

  // The last call on the handle, or on a statement, has failed.
  absl::Status Fail(const Doing& doing);
  absl::Status Fail(MYSQL_STMT* statement, const Doing& doing);
  // The deadline passed before the answer came.
  absl::Status Late(const Doing& doing);
  // Nothing can be relied on any more. The first status stays.
  absl::Status Condemn(absl::Status status, FaultScope scope);
  // The link, as poll sees it; kDead condemns.
  Liveness Look();
  // The transaction that lives was rolled back for an error, or ended behind our back, and nobody knows how.
  absl::Status CheckTransaction() const;
  // Behind a statement or a script that went well: the transaction that lives lives on, and the server opened
  // none of its own, which would be rolled back at the return. `may_open`: it was open before, or the SQL
  // may have opened it.
  absl::Status CheckLeft(bool may_open);

 private:
  absl::Status Report(const Evidence& evidence, const Doing& doing);
  absl::Status TakeRows(const Doing& doing, std::string* value);
  absl::Status Overran(const Doing& doing);

  backends::Session& session_;
  BackendState& backend_;
  Link link_;
  Peer peer_;
  absl::Status condemned_;
  Statement* reader_ = nullptr;
  TimePoint answered_{};
  TimePoint owed_since_{};
  Duration wait_timeout_{};
  size_t results_ = 0;
  int endpoint_ = -1;
  bool owes_ = false;
  bool gave_up_ = false;
  bool was_undone_ = false;    // the transaction that lives, by an error
  bool was_replaced_ = false;  // the transaction that lives: another one stands in its place
  bool kept_rows_ = false;
};

}  // namespace roost::mysql

#endif  // ROOST_BACKENDS_MYSQL_WIRE_H_
