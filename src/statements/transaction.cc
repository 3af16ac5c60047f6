// Connection::Begin and Transaction: an open transaction ends exactly once.
#include <utility>

#include "roost/backend.h"
#include "roost/internal/check.h"

namespace roost {

absl::Status Connection::UsedAfterFork() {
  return absl::FailedPreconditionError(
      "the connection was opened before fork() and is the parent's: make a pool in the child, or "
      "let "
      "the child exec");
}

absl::StatusOr<Transaction> Connection::Begin(Durability durability) {
  if (IsForked()) return UsedAfterFork();
  if (IsDirty(kDirtyTransaction)) {
    return absl::FailedPreconditionError(
        "a transaction is open on this connection already: commit it or roll it back first");
  }
  absl::Status begun = BeginTransaction(durability);
  if (!begun.ok()) return begun;
  SetDirty(kDirtyBegan);
  return Transaction(this, lease());
}

Transaction::Transaction(Transaction&& other) noexcept
    : connection_(std::exchange(other.connection_, nullptr)), lease_(other.lease_) {}

// A destructor has no caller to tell.
Transaction::~Transaction() {
  if (connection_ == nullptr) return;
  Connection* const connection = TakeConnection();
  if (!connection->IsForked()) TakeBack(*connection).IgnoreError();
}

// Whatever the driver makes of the error: a reset might go well, and keep what was not taken back.
absl::Status Transaction::TakeBack(Connection& connection) {
  absl::Status status = connection.RollbackTransaction();
  if (!status.ok()) connection.MarkFailed(FaultScope::kConnection);
  return status;
}

Connection* Transaction::TakeConnection() {
  ROOST_CHECK(
      connection_->IsDirty(Connection::kDirtyBegan) && connection_->lease() == lease_,
      "a transaction outlived its lease: declare it after the lease, so that it ends before");
  return std::exchange(connection_, nullptr);
}

absl::Status Transaction::Commit() {
  ROOST_CHECK(connection_ != nullptr, "a transaction was committed after it was over");
  Connection* const connection = TakeConnection();
  if (connection->IsForked()) return Connection::UsedAfterFork();
  absl::Status committed = internal::UndoneWithOthers(connection->CommitTransaction());
  if (!committed.ok()) TakeBack(*connection).IgnoreError();
  return committed;
}

absl::Status Transaction::Rollback() {
  ROOST_CHECK(connection_ != nullptr, "a transaction was rolled back after it was over");
  Connection* const connection = TakeConnection();
  return connection->IsForked() ? Connection::UsedAfterFork() : TakeBack(*connection);
}

}  // namespace roost
