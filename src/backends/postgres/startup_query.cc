#include "backends/postgres/startup_query.h"

#include <charconv>

#include "backends/postgres/sqlstates.h"
#include "base/utf8.h"

namespace roost::postgres {

namespace {

// Results of one Advance.
constexpr int kResults = 64;
// Of an error, as much as anybody reads.
constexpr size_t kMostText = 2048;

}  // namespace

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
  if (pq_.PQisBusy(conn_) == 1 && !valve_.Consume(pq_, conn_, received_)) return State::kBroken;
  const State state = TakeResults();
  while (PGnotify* const notification = pq_.PQnotifies(conn_)) pq_.PQfreemem(notification);
  return state == State::kUnderWay && received_ > most_ ? State::kTooMuch : state;
}

StartupQuery::State StartupQuery::TakeResults() {
  pq_.PQsetSingleRowMode(conn_);  // nothing is gathered in memory
  for (int taken = 0; pq_.PQisBusy(conn_) == 0; ++taken) {
    if (taken == kResults) return error_.empty() ? State::kMore : State::kAnswered;
    PGresult* const result = pq_.PQgetResult(conn_);
    if (result == nullptr) return State::kAnswered;
    received_ = 0;
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
  const bool rows = status == PGRES_TUPLES_OK || status == PGRES_SINGLE_TUPLE;
  if (rows && value_.empty() && pq_.PQntuples(result) > 0) {
    value_ = pq_.PQgetvalue(result, 0, 0);
  }
  const bool failed = status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE;
  if (!error_.empty()) return;
  if (!failed) {
    if (status != PGRES_SINGLE_TUPLE) ++done_;
    return;
  }
  const auto field = [&](int code) {
    const char* const text = pq_.PQresultErrorField(result, code);
    return std::string(internal::CutUtf8(text != nullptr ? text : "", kMostText));
  };
  sqlstate_ = field(PG_DIAG_SQLSTATE);
  if (!IsSqlState(sqlstate_)) sqlstate_.clear();
  const std::string position = field(PG_DIAG_STATEMENT_POSITION);
  std::from_chars(position.data(), position.data() + position.size(), position_);
  error_ = field(PG_DIAG_MESSAGE_PRIMARY);
  if (error_.empty()) error_ = internal::CutUtf8(pq_.PQresultErrorMessage(result), kMostText);
}

}  // namespace roost::postgres
