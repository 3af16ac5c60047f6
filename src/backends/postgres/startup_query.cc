#include "backends/postgres/startup_query.h"

namespace roost::postgres {

bool StartupQuery::Send(const std::string& sql) {
  unsent_ = true;
  return pq_.PQsendQuery(conn_, sql.c_str()) == 1;
}

StartupQuery::State StartupQuery::Advance() {
  if (unsent_) {
    const int left = pq_.PQflush(conn_);
    if (left < 0) return State::kBroken;
    unsent_ = left > 0;
  }
  if (pq_.PQconsumeInput(conn_) != 1) return State::kBroken;
  while (pq_.PQisBusy(conn_) == 0) {
    PGresult* const result = pq_.PQgetResult(conn_);
    if (result == nullptr) return State::kAnswered;
    Keep(result);
    const ExecStatusType status = pq_.PQresultStatus(result);
    pq_.PQclear(result);
    // The other half of a COPY would be awaited for ever.
    if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH) {
      error_ = "COPY cannot be used here";
      sqlstate_ = "0A000";
      return State::kAnswered;
    }
  }
  return pq_.PQstatus(conn_) == CONNECTION_OK ? State::kUnderWay : State::kBroken;
}

void StartupQuery::Keep(const PGresult* result) {
  const ExecStatusType status = pq_.PQresultStatus(result);
  if (status == PGRES_TUPLES_OK && value_.empty() && pq_.PQntuples(result) > 0) {
    value_ = pq_.PQgetvalue(result, 0, 0);
  }
  const bool failed = status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE;
  if (!failed || !error_.empty()) return;
  const auto field = [&](int code) {
    const char* const text = pq_.PQresultErrorField(result, code);
    return std::string(text != nullptr ? text : "");
  };
  sqlstate_ = field(PG_DIAG_SQLSTATE);
  error_ = field(PG_DIAG_MESSAGE_PRIMARY);
  if (error_.empty()) error_ = pq_.PQresultErrorMessage(result);
}

}  // namespace roost::postgres
