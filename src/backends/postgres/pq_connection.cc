#include "backends/postgres/pq_connection.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "backends/postgres/classify.h"

namespace roost::postgres {
namespace {

void IgnoreNotice(void* /*self*/, const PGresult* /*result*/) {}

}  // namespace

void PqConnection::Adopt(const Libpq& pq, PGconn* handle) {
  pq_ = &pq;
  handle_ = handle;
  Listen();
}

void PqConnection::Listen() {
  pq_->PQsetnonblocking(handle_, 1);
  pq_->PQsetErrorVerbosity(handle_, PQERRORS_DEFAULT);
  pq_->PQsetNoticeReceiver(handle_, &OnNotice, this);
}

PGconn* PqConnection::Release() {
  pq_->PQsetNoticeReceiver(handle_, &IgnoreNotice, nullptr);
  return std::exchange(handle_, nullptr);
}

void PqConnection::Close() {
  if (handle_ == nullptr) return;
  // A handle that blocks would wait until the socket took its farewell.
  pq_->PQsetnonblocking(handle_, 1);
  pq_->PQfinish(std::exchange(handle_, nullptr));
}

void PqConnection::Abandon() {
  if (handle_ == nullptr) return;
  const int descriptor = pq_->PQsocket(std::exchange(handle_, nullptr));
  if (descriptor >= 0) ::close(descriptor);
}

bool PqConnection::IsIdle() const {
  if (owed_ > 0) return true;
  const PGTransactionStatusType state = pq_->PQtransactionStatus(handle_);
  return pq_->PQpipelineStatus(handle_) == PQ_PIPELINE_OFF && state != PQTRANS_ACTIVE &&
         state != PQTRANS_UNKNOWN;
}

// What the server says outside of an answer: the only place where an idle connection learns why it
// ends. 57P02, to every session of a server that lost one to a crash, and 57P01 of an immediate
// shutdown come as warnings.
void PqConnection::OnNotice(void* self, const PGresult* result) {
  PqConnection& link = *static_cast<PqConnection*>(self);
  const char* const sqlstate = link.pq_->PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const char* const severity = link.pq_->PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
  if (sqlstate == nullptr || std::strlen(sqlstate) != 5) return;
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

bool PqConnection::Sync() {
  if (pq_->PQpipelineSync(handle_) != 1) return false;
  if (owed_++ == 0) owed_since_ = platform_.CoarseNow();
  return true;
}

Reply PqConnection::Receive(Deadline deadline) {
  for (;;) {
    const bool unsent = pq_->PQflush(handle_) == 1;
    if (pq_->PQisBusy(handle_) == 0) break;
    const int descriptor = pq_->PQsocket(handle_);
    if (descriptor < 0) break;
    const IoEvents seen =
        platform_.WaitForDescriptor(descriptor, {.readable = true, .writable = unsent}, deadline);
    if (!seen.any()) {
      if (deadline.HasPassed(platform_.Now())) return {.kind = Reply::Kind::kLate};
      continue;
    }
    if ((seen.readable || seen.hung_up) && pq_->PQconsumeInput(handle_) == 0) break;
    // A server that goes on talking does not prolong anybody's deadline.
    if (deadline.HasPassed(platform_.Now()) && pq_->PQisBusy(handle_) == 1) {
      return {.kind = Reply::Kind::kLate};
    }
  }
  PGresult* const result = pq_->PQgetResult(handle_);
  if (result == nullptr) {
    const bool lost = pq_->PQstatus(handle_) == CONNECTION_BAD;
    return {.kind = lost ? Reply::Kind::kLost : Reply::Kind::kEnd};
  }
  if (pq_->PQresultStatus(result) != PGRES_PIPELINE_SYNC) {
    return {.kind = Reply::Kind::kResult, .result = Result(*pq_, result)};
  }
  pq_->PQclear(result);
  if (--owed_ == 0) pq_->PQexitPipelineMode(handle_);
  return {.kind = Reply::Kind::kSync};
}

Liveness PqConnection::Look() {
  // Each turn reads what has come; only a server that never stops talking needs more than two.
  for (int turn = 0; turn < 4; ++turn) {
    const int descriptor = pq_->PQsocket(handle_);
    if (descriptor < 0 || pq_->PQstatus(handle_) == CONNECTION_BAD) return Liveness::kDead;
    const IoEvents seen =
        platform_.WaitForDescriptor(descriptor, {.readable = true}, Deadline::Past());
    if (!seen.any()) return notice_ == FaultScope::kStatement ? Liveness::kAlive : Liveness::kDead;
    const bool read = pq_->PQconsumeInput(handle_) == 1;
    // Parses: outside of an answer what the server says goes to the notice receiver.
    pq_->PQisBusy(handle_);
    if (!read || seen.hung_up || notice_ != FaultScope::kStatement) return Liveness::kDead;
    DropNotifications();
  }
  return Liveness::kUnknown;
}

void PqConnection::DropNotifications() {
  while (PGnotify* const notification = pq_->PQnotifies(handle_)) pq_->PQfreemem(notification);
}

}  // namespace roost::postgres
