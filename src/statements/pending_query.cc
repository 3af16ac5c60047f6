// A statement in steps, on a connection of any backend.
#include <utility>

#include "roost/async.h"
#include "roost/internal/check.h"
#include "roost/internal/connection_access.h"

namespace roost {

absl::StatusOr<Step> PendingQuery::StartWith(Connection& connection, const Sql& sql,
                                             std::span<const Value> values) {
  using internal::ConnectionAccess;
  ROOST_CHECK(state_ == State::kNone,
              "PendingQuery::Start: it is pending, or its rows were not taken");
  const absl::StatusOr<Statement*> statement = ConnectionAccess::PrepareToRun(connection, sql);
  if (!statement.ok()) return statement.status();
  absl::StatusOr<Step> step = ConnectionAccess::StartRowsInSteps(**statement, values);
  if (!step.ok()) return step;
  rows_.emplace(Rows(*statement, absl::OkStatus()));
  return Note(std::move(step));
}

absl::StatusOr<Step> PendingQuery::Advance(TimePoint now) {
  ROOST_CHECK(state_ == State::kPending, "PendingQuery::Advance: it is not pending");
  rows_->CheckLease();
  return Note(internal::ConnectionAccess::AdvanceRows(*rows_->statement_, now));
}

absl::StatusOr<Step> PendingQuery::Note(absl::StatusOr<Step> step) {
  state_ = !step.ok() ? State::kNone : step->done ? State::kReady : State::kPending;
  if (!step.ok()) rows_.reset();
  return step;
}

Rows PendingQuery::Take() {
  ROOST_CHECK(state_ == State::kReady, "PendingQuery::Take: there are no rows");
  state_ = State::kNone;
  Rows rows = *std::move(rows_);
  rows_.reset();
  return rows;
}

void PendingQuery::Cancel() {
  state_ = State::kNone;
  rows_.reset();
}

}  // namespace roost
