// backends/postgres/pq_connection.h - one PGconn, which never waits longer than a deadline.
//
// Everything goes through libpq's pipeline mode: commands are queued, a Sync ends an exchange, and
// the answers come in the same order. An exchange whose answers no caller waits for is owed. The
// pipeline is on exactly while something is owed, so that between two exchanges the handle is an
// ordinary one.
#ifndef ROOST_BACKENDS_POSTGRES_PQ_CONNECTION_H_
#define ROOST_BACKENDS_POSTGRES_PQ_CONNECTION_H_

#include <cstdint>

#include "backends/postgres/libpq.h"
#include "backends/postgres/result.h"
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
  Result result{};  // of kResult
};

class PqConnection {
 public:
  explicit PqConnection(Platform& platform) : platform_(platform) {}
  PqConnection(const PqConnection&) = delete;
  PqConnection& operator=(const PqConnection&) = delete;

  // Takes a handle that is ready and non-blocking. REQUIRES: `pq` and this outlive its use here.
  void Adopt(const Libpq& pq, PGconn* handle);
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

  // ---- Sending: queues, never waits ----

  // Before the first command of an exchange. False: libpq refuses.
  bool Enter();
  // A command without parameters that gives no rows of interest.
  bool Command(const char* sql);
  // Ends an exchange and sends as much as the socket takes.
  bool Sync();
  // Exchanges that are not answered yet, and since when the oldest is.
  int owed() const { return owed_; }
  TimePoint owed_since() const { return owed_since_; }
  // Something waits for the socket to take it.
  bool Unsent() { return pq_->PQflush(handle_) == 1; }

  // ---- Receiving ----

  // What comes next. Outside of the pipeline kEnd is the end of everything.
  Reply Receive(Deadline deadline);
  // What can be known for nothing: reads what has come, drops notifications. Unknown: more keeps
  // coming.
  Liveness Look();
  // What the server said outside of any answer: kStatement, or why the connection is dead.
  FaultScope notice() const { return notice_; }
  const char* notice_sqlstate() const { return notice_sqlstate_; }

 private:
  static void OnNotice(void* self, const PGresult* result);
  void DropNotifications();

  Platform& platform_;
  const Libpq* pq_ = nullptr;
  PGconn* handle_ = nullptr;
  TimePoint owed_since_{};
  int owed_ = 0;
  FaultScope notice_ = FaultScope::kStatement;
  char notice_sqlstate_[6] = "";
};

}  // namespace roost::postgres

#endif  // ROOST_BACKENDS_POSTGRES_PQ_CONNECTION_H_
