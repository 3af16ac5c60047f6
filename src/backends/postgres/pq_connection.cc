#include "backends/postgres/pq_connection.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "backends/postgres/classify.h"
#include "backends/postgres/sqlstates.h"

namespace roost::postgres {
namespace {

// Beside what was read at first, and less than half of what makes libpq read again and again.
constexpr size_t kFewBytes = 8192;
// What a connection at rest may keep in buffers.
constexpr size_t kKeptBytes = size_t{1} << 20;

// The notices of its time come from what is parsed, and not from a wrong call.
class Parsing {
 public:
  explicit Parsing(bool& flag) : flag_(flag) { flag_ = true; }
  ~Parsing() { flag_ = false; }
  Parsing(const Parsing&) = delete;
  Parsing& operator=(const Parsing&) = delete;

 private:
  bool& flag_;
};

// Of the longest row's message: type, length, number of columns, and the length and value of each.
size_t BytesOfRow(const Libpq& pq, const PGresult* result) {
  size_t most = 0;
  for (int row = 0; row < pq.PQntuples(result); ++row) {
    size_t bytes = 7;
    for (int i = 0; i < pq.PQnfields(result); ++i) {
      bytes += 4 + static_cast<size_t>(pq.PQgetlength(result, row, i));
    }
    most = std::max(most, bytes);
  }
  return most;
}

void IgnoreNotice(void* /*self*/, const PGresult* /*result*/) {}

}  // namespace

void PqConnection::Adopt(const Libpq& pq, PGconn* handle, size_t most) {
  pq_ = &pq;
  handle_ = handle;
  most_ = most;
  Listen();
}

void PqConnection::Listen() {
  pq_->PQsetnonblocking(handle_, 1);
  pq_->PQsetErrorVerbosity(handle_, PQERRORS_DEFAULT);
  pq_->PQsetNoticeReceiver(handle_, &OnNotice, this);
}

PGconn* PqConnection::Release() {
  valve_.Shut();
  pq_->PQsetNoticeReceiver(handle_, &IgnoreNotice, nullptr);
  return std::exchange(handle_, nullptr);
}

void PqConnection::Close() {
  if (handle_ == nullptr) return;
  valve_.Shut();
  // A handle that blocks would wait until the socket took its farewell.
  pq_->PQsetnonblocking(handle_, 1);
  pq_->PQfinish(std::exchange(handle_, nullptr));
}

void PqConnection::Abandon() {
  if (handle_ == nullptr) return;
  valve_.Shut();
  const int descriptor = pq_->PQsocket(std::exchange(handle_, nullptr));
  if (descriptor >= 0) ::close(descriptor);
}

bool PqConnection::IsIdle() const {
  if (owed_ > 0) return true;
  const PGTransactionStatusType state = pq_->PQtransactionStatus(handle_);
  return pq_->PQpipelineStatus(handle_) == PQ_PIPELINE_OFF && state != PQTRANS_ACTIVE &&
         state != PQTRANS_UNKNOWN;
}

bool PqConnection::IsConnected() const {
  return handle_ != nullptr && pq_->PQstatus(handle_) == CONNECTION_OK &&
         pq_->PQsocket(handle_) >= 0;
}

// What the server says outside of an answer: the only place where an idle connection learns why it
// ends. 57P02, to every session of a server that lost one to a crash, and 57P01 of an immediate
// shutdown come as warnings.
void PqConnection::OnNotice(void* self, const PGresult* result) {
  PqConnection& link = *static_cast<PqConnection*>(self);
  link.received_ = 0;
  const char* const sqlstate = link.pq_->PQresultErrorField(result, PG_DIAG_SQLSTATE);
  // From libpq itself: it has dropped a message.
  if (sqlstate == nullptr && link.parsing_) link.refusal_ = Refusal::kOutOfOrder;
  const char* const severity = link.pq_->PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
  if (sqlstate == nullptr || !IsSqlState(sqlstate)) return;
  const bool ends = std::strncmp(sqlstate, "57P", 3) == 0 ||
                    (severity != nullptr && std::strcmp(severity, "FATAL") == 0);
  if (!ends) return;
  const Finding finding = Classify({.sqlstate = sqlstate, .operation = Operation::kIdle});
  if (finding.fault_scope < link.notice_) return;
  link.notice_ = std::max(finding.fault_scope, FaultScope::kConnection);
  std::memcpy(link.notice_sqlstate_, sqlstate, sizeof(link.notice_sqlstate_));
}

bool PqConnection::Enter() {
  return pq_->PQpipelineStatus(handle_) != PQ_PIPELINE_OFF ||
         pq_->PQenterPipelineMode(handle_) == 1;
}

bool PqConnection::Command(const char* sql) {
  return pq_->PQsendQueryParams(handle_, sql, 0, nullptr, nullptr, nullptr, nullptr, 0) == 1;
}

// libpq copies what it sends into a buffer that grows up to the longest message.
void PqConnection::CountQueued(size_t bytes) {
  queued_ += bytes;
  if (queued_ > kKeptBytes) grown_ = true;
}

bool PqConnection::Sync() {
  queued_ = 0;
  if (pq_->PQpipelineSync(handle_) != 1) return false;
  if (owed_++ == 0) owed_since_ = platform_.CoarseNow();
  late_pieces_ = 0;
  return true;
}

void PqConnection::RecordAlone(bool gathers) {
  queued_ = 0;
  late_pieces_ = 0;
  owed_ = 1;
  alone_ = true;
  unanswered_ = true;
  if (!gathers) pq_->PQsetSingleRowMode(handle_);
}

bool PqConnection::SendScript(const char* sql) {
  late_pieces_ = 0;
  CountQueued(std::strlen(sql));
  queued_ = 0;
  return pq_->PQsendQuery(handle_, sql) == 1;
}

// ---- receiving ----------------------------------------------------------------------------------

// libpq reads once, unless it holds more than 32 KB, and no more than it has room for. At the
// beginning of an exchange that is a buffer of its usual size, unless a long message has come
// before. Later it may hold the beginning of a message, for which it has made as much room as was
// announced. Then only the valve bounds a read, but for a few bytes, of which libpq reads once.
bool PqConnection::Read() {
  if (!std::exchange(metered_, true)) return pq_->PQconsumeInput(handle_) == 1;
  if (!streaming_) {
    const size_t few = received_ + Valve::Waiting(pq_->PQsocket(handle_), kFewBytes + 1);
    if (few <= kFewBytes) {
      received_ = few;
      return pq_->PQconsumeInput(handle_) == 1;
    }
  }
  const size_t before = received_;
  const bool read = valve_.Consume(*pq_, handle_, received_);
  streaming_ = received_ - before == Valve::kMost;
  if (received_ > Valve::kMost) roomy_ = true;
  if (received_ > kKeptBytes) grown_ = true;
  return read;
}

// Whether an answer is there already. Not asked for a statement that has just been sent alone: what
// was left of the exchange before it has been parsed.
bool PqConnection::HasAnswer() {
  if (std::exchange(unanswered_, false)) return false;
  // Whatever answers: nothing is gathered in memory that nobody wants so.
  if (!alone_ && !gathering_) pq_->PQsetSingleRowMode(handle_);
  return pq_->PQisBusy(handle_) == 0;
}

// kResult: something is there to be taken.
Reply PqConnection::Wait(Deadline deadline) {
  while (!HasAnswer()) {
    if (received_ > most_) {
      refusal_ = Refusal::kTooMuch;
      return {.kind = Reply::Kind::kLost};
    }
    const bool unsent = pq_->PQflush(handle_) == 1;
    const int descriptor = pq_->PQsocket(handle_);
    if (descriptor < 0) break;  // what comes is of libpq's own making
    const IoEvents seen =
        platform_.WaitForDescriptor(descriptor, {.readable = true, .writable = unsent}, deadline);
    if (!seen.any() && deadline.HasPassed(platform_.Now())) return {.kind = Reply::Kind::kLate};
    const bool reads = seen.readable || seen.hung_up;
    if (reads && !Read()) return AfterFailedRead();
    if (pq_->PQisBusy(handle_) == 0) break;
    DropNotifications();
    // A server that goes on talking does not prolong anybody's deadline.
    if (deadline.HasPassed(platform_.Now())) return {.kind = Reply::Kind::kLate};
  }
  return {.kind = Reply::Kind::kResult};
}

// It may have left nothing for PQgetResult to give, which would wait then.
Reply PqConnection::AfterFailedRead() const {
  const bool waits = pq_->PQisBusy(handle_) == 1 && pq_->PQsocket(handle_) >= 0;
  return {.kind = waits ? Reply::Kind::kLost : Reply::Kind::kResult};
}

Reply PqConnection::Take() {
  // But for the first read, which is not counted.
  const bool may_be_long = received_ + Valve::kMost > most_;
  PGresult* const result = pq_->PQgetResult(handle_);
  received_ = 0;
  if (result == nullptr) {
    if (pq_->PQstatus(handle_) == CONNECTION_BAD) return {.kind = Reply::Kind::kLost};
    if (alone_) {
      EndAlone();
      return {.kind = Reply::Kind::kSync};
    }
    if (owed_ == 0) EndExchange();
    return {.kind = Reply::Kind::kEnd};
  }
  if (may_be_long && BytesOfRow(*pq_, result) > most_) {
    pq_->PQclear(result);
    refusal_ = Refusal::kTooMuch;
    return {.kind = Reply::Kind::kLost};
  }
  const ExecStatusType status = pq_->PQresultStatus(result);
  if (alone_ && status != PGRES_SINGLE_TUPLE) TakeEndOfAlone();
  if (status != PGRES_PIPELINE_SYNC) {
    return {.kind = Reply::Kind::kResult, .status = status, .result = Result(*pq_, result)};
  }
  pq_->PQclear(result);
  if (--owed_ == 0) FinishExchanges();
  return {.kind = Reply::Kind::kSync};
}

// Mostly it has come with the statement's last answer. Or an error has: a commit may fail after the
// statement has said that it is complete. That is left for the next Receive.
void PqConnection::TakeEndOfAlone() {
  const bool over = pq_->PQisBusy(handle_) == 0 && pq_->PQstatus(handle_) == CONNECTION_OK &&
                    pq_->PQtransactionStatus(handle_) != PQTRANS_ACTIVE;
  if (!over) return;
  PGresult* const none = pq_->PQgetResult(handle_);
  if (none == nullptr) return EndAlone();
  pq_->PQclear(none);
  refusal_ = Refusal::kOutOfOrder;
}

// What else has come already was parsed with the end of the exchange.
void PqConnection::EndAlone() {
  owed_ = 0;
  alone_ = false;
  Rest();
}

Reply PqConnection::Receive(Deadline deadline) {
  if (refusal_ != Refusal::kNone) return {.kind = Reply::Kind::kLost};
  heard_at_ = platform_.CoarseNow();
  const bool late = deadline.HasPassed(heard_at_);
  if (late && late_pieces_ >= kPiecesPastDeadline) return {.kind = Reply::Kind::kLate};
  const Parsing parsing(parsing_);
  Reply reply = Wait(deadline);
  if (reply.kind != Reply::Kind::kResult) return reply;
  if (late) ++late_pieces_;
  return Take();
}

Reply PqConnection::ReceiveNow(bool gathers) {
  if (refusal_ != Refusal::kNone) return {.kind = Reply::Kind::kLost};
  heard_at_ = platform_.CoarseNow();
  const Parsing parsing(parsing_);
  stepped_ = true;
  gathering_ = gathers;
  Reply reply = Wait(Deadline::Past());
  gathering_ = false;
  return reply.kind == Reply::Kind::kResult ? Take() : std::move(reply);
}

void PqConnection::FinishExchanges() {
  if (pq_->PQexitPipelineMode(handle_) != 1) refusal_ = Refusal::kOutOfOrder;
  EndExchange();
}

// Nothing is owed. What else has come already, nobody asked for.
void PqConnection::EndExchange() {
  Rest();
  pq_->PQisBusy(handle_);
}

void PqConnection::Rest() {
  valve_.Shut();
  metered_ = roomy_;
  streaming_ = false;
  stepped_ = false;
}

Liveness PqConnection::Look() {
  const Parsing parsing(parsing_);
  // Each turn reads what has come; only a server that never stops talking needs more than two.
  for (int turn = 0; turn < 4; ++turn) {
    const int descriptor = pq_->PQsocket(handle_);
    if (descriptor < 0 || pq_->PQstatus(handle_) == CONNECTION_BAD) return Liveness::kDead;
    const IoEvents seen =
        platform_.WaitForDescriptor(descriptor, {.readable = true}, Deadline::Past());
    if (!seen.any()) return IsDoomed() ? Liveness::kDead : Liveness::kAlive;
    Meter();
    const bool read = Read();
    // Parses: outside of an answer what the server says goes to the notice receiver.
    pq_->PQisBusy(handle_);
    if (!read || seen.hung_up || IsDoomed()) return Liveness::kDead;
    DropNotifications();
    if (received_ > most_) refusal_ = Refusal::kTooMuch;
  }
  return IsDoomed() ? Liveness::kDead : Liveness::kUnknown;
}

void PqConnection::DropNotifications() {
  while (PGnotify* const notification = pq_->PQnotifies(handle_)) {
    pq_->PQfreemem(notification);
    received_ = 0;
  }
}

}  // namespace roost::postgres
