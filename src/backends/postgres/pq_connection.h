// backends/postgres/pq_connection.h - one PGconn, which never waits longer than a deadline.
//
// A statement that goes alone is an exchange of libpq's usual kind. Everything else goes through libpq's
// pipeline mode: commands are queued, a Sync ends an exchange, and the answers come in the same order.
// An exchange whose answers no caller waits for is owed. The pipeline is on exactly while something
// that was queued is owed, so that between two exchanges the handle is an ordinary one.
//
// What the server sends is bounded whatever it is: the first read of an exchange fills libpq's
// buffer, each further one goes through a Valve, results come row by row, notifications are dropped
// as they come, and more bytes than Adopt allows without a result, a row, a notice or a
// notification end the connection.
#ifndef ROOST_BACKENDS_POSTGRES_PQ_CONNECTION_H_
#define ROOST_BACKENDS_POSTGRES_PQ_CONNECTION_H_

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "backends/postgres/libpq.h"
#include "backends/postgres/result.h"
#include "backends/postgres/valve.h"
#include "roost/backend.h"
#include "roost/deadline.h"
#include "roost/platform.h"

namespace roost::postgres {

struct Reply {
  enum class Kind : uint8_t {
    kResult,  // of the current command: a row, its end, or an error
    kEnd,     // of the current command
    kSync,    // the end of an exchange
    kLate,    // the deadline passed; more will come
    kLost,    // nothing more will come
  };
  Kind kind = Kind::kLost;
  ExecStatusType status = PGRES_EMPTY_QUERY;  // of the result
  Result result{};                            // of kResult

  bool failed() const {
    return status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE ||
           status == PGRES_NONFATAL_ERROR;
  }
  bool copies() const {
    return status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH;
  }
  // A result that is neither an error nor the beginning of a COPY.
  bool good() const { return kind == Kind::kResult && !failed() && !copies(); }
};

// A connection that has answered within this, and from which nothing was heard since, is not asked
// whether it lives: that would cost each statement a system call. A few ticks of the coarse clock.
inline constexpr Duration kRest = std::chrono::milliseconds(10);

// Why a connection is used no longer, though the server would go on.
enum class Refusal : uint8_t {
  kNone,
  kTooMuch,     // more bytes than Adopt allows, and nothing came of them
  kOutOfOrder,  // messages that answer nothing
};

class PqConnection {
 public:
  explicit PqConnection(Platform& platform) : platform_(platform) {}
  PqConnection(const PqConnection&) = delete;
  PqConnection& operator=(const PqConnection&) = delete;

  // Takes a handle that is ready and non-blocking. `most`: bytes of one message. REQUIRES: `pq` and
  // this outlive its use here.
  void Adopt(const Libpq& pq, PGconn* handle, size_t most);
  // The notice receiver, anew: a user of the handle may have taken it.
  void Listen();
  // Gives the handle away, without our notice receiver.
  PGconn* Release();
  // Closes it without waiting.
  void Close();
  // Closes our descriptor of it and nothing else: the server hears nothing. The handle's memory
  // stays, because libpq can only free it with a farewell to the server.
  void Abandon();

  const Libpq& pq() const { return *pq_; }
  PGconn* handle() const { return handle_; }
  bool open() const { return handle_ != nullptr; }
  int descriptor() const { return pq_->PQsocket(handle_); }
  // False: a user of the handle left it in the middle of a query, a COPY or a pipeline.
  bool IsIdle() const;
  // There is a server to say good-bye to, as far as is known.
  bool IsConnected() const;

  // ---- Sending: queues, never waits ----

  // Before the first command of an exchange. False: libpq refuses.
  bool Enter();
  // A command without parameters that gives no rows of interest.
  bool Command(const char* sql);
  // So many bytes are queued for this exchange by others than this class.
  void CountQueued(size_t bytes);
  // Ends an exchange and sends as much as the socket takes.
  bool Sync();
  // A statement was sent alone, outside of the pipeline: an exchange that kSync ends. `gathers`: its
  // rows come in one result, within the bound on what is received; else one by one. REQUIRES: nothing
  // is owed.
  void RecordAlone(bool gathers);
  // Outside of the pipeline, by the simple protocol. REQUIRES: nothing is owed.
  bool SendScript(const char* sql);
  // Exchanges that are not answered yet, and since when the oldest is.
  int owed() const { return owed_; }
  TimePoint owed_since() const { return owed_since_; }
  // Something waits for the socket to take it.
  bool Unsent() { return pq_->PQflush(handle_) == 1; }

  // ---- Receiving ----

  // What comes next. Outside of the pipeline kEnd is the end of everything. Past the deadline it
  // gives what has come already, but no more than kPiecesPastDeadline until the next exchange.
  static constexpr int kPiecesPastDeadline = 64;
  Reply Receive(Deadline deadline);
  // The same as far as it has come already, with at most one read of the socket; kLate: not yet.
  // `gathers`: the rows of a command in the pipeline come in one result.
  Reply ReceiveNow(bool gathers);
  // This exchange is taken so: nothing is waited for.
  bool IsStepped() const { return stepped_; }
  // Nobody has looked at it since its last answer, behind which may have come the beginning of
  // anything: the next read, too, goes through the valve.
  void Meter() { metered_ = true; }
  // What can be known for nothing: reads what has come, drops notifications. Unknown: more keeps
  // coming.
  Liveness Look();
  // Whether the server has answered within `rest` before `now`, by the coarse clock, and has said
  // nothing since that is known of. Then a look is not worth a system call.
  bool HasAnsweredWithin(Duration rest, TimePoint now) const {
    return owed_ == 0 && !IsDoomed() && now - heard_at_ < rest;
  }
  // What the server said outside of any answer: kStatement, or why the connection is dead.
  FaultScope notice() const { return notice_; }
  const char* notice_sqlstate() const { return notice_sqlstate_; }
  // Why nothing more is taken from this server.
  Refusal refusal() const { return refusal_; }
  // It is not to be used again: it was refused, or the server has said that it ends.
  bool IsDoomed() const { return notice_ != FaultScope::kStatement || refusal_ != Refusal::kNone; }
  // Its buffers, which libpq never gives back, have grown beyond what a connection at rest may keep.
  bool grown() const { return grown_; }

 private:
  static void OnNotice(void* self, const PGresult* result);
  bool HasAnswer();
  Reply Wait(Deadline deadline);
  Reply AfterFailedRead() const;
  bool Read();
  Reply Take();
  void TakeEndOfAlone();
  void EndAlone();
  void EndExchange();
  void Rest();
  void FinishExchanges();
  void DropNotifications();

  Platform& platform_;
  const Libpq* pq_ = nullptr;
  PGconn* handle_ = nullptr;
  TimePoint owed_since_{};
  TimePoint heard_at_{};  // not later than the last answer came
  size_t most_ = 0;
  size_t received_ = 0;  // since anything came of it
  size_t queued_ = 0;    // for this exchange
  Valve valve_{Valve::Writes::kKept};
  int owed_ = 0;
  int late_pieces_ = 0;      // that were given past their deadline
  bool alone_ = false;       // what is owed was sent outside of the pipeline
  bool unanswered_ = false;  // nothing was read since it was sent
  bool metered_ = true;      // libpq may hold the beginning of a message
  bool roomy_ = false;       // libpq's buffer is larger than at first
  bool streaming_ = false;   // the last read was as much as one takes
  bool parsing_ = false;
  bool gathering_ = false;  // for this piece
  bool stepped_ = false;    // this exchange is taken by ReceiveNow
  bool grown_ = false;
  Refusal refusal_ = Refusal::kNone;
  FaultScope notice_ = FaultScope::kStatement;
  char notice_sqlstate_[6] = "";
};

}  // namespace roost::postgres

#endif  // ROOST_BACKENDS_POSTGRES_PQ_CONNECTION_H_
