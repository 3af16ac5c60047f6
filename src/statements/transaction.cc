// Connection::Begin and Transaction: an open transaction ends exactly once.
#include <utility>

#include "roost/backend.h"
#include "roost/internal/check.h"

namespace roost {

absl::StatusOr<Transaction> Connection::Begin(Durability durability) {
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

// A rollback that fails makes the pool close the connection. A destructor has no caller to tell.
Transaction::~Transaction() {
  if (connection_ != nullptr) TakeConnection()->RollbackTransaction().IgnoreError();
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
  absl::Status committed = connection->CommitTransaction();
  if (!committed.ok()) connection->RollbackTransaction().IgnoreError();
  return committed;
}

absl::Status Transaction::Rollback() {
  ROOST_CHECK(connection_ != nullptr, "a transaction was rolled back after it was over");
  return TakeConnection()->RollbackTransaction();
}

}  // namespace roost
