// Connection::Begin and Transaction: an open transaction ends exactly once.
#include <utility>

#include "roost/backend.h"
#include "roost/internal/check.h"

namespace roost {

absl::StatusOr<Transaction> Connection::Begin(Durability durability) {
  if (IsMarked(kMarkTransaction)) {
    return absl::FailedPreconditionError(
        "a transaction is open on this connection already: commit it or roll it back first");
  }
  absl::Status begun = BeginTransaction(durability);
  if (!begun.ok()) return begun;
  return Transaction(this);
}

Transaction::Transaction(Transaction&& other) noexcept
    : connection_(std::exchange(other.connection_, nullptr)) {}

// A rollback that fails condemns the connection; there is nobody here to tell.
Transaction::~Transaction() {
  if (connection_ != nullptr) connection_->RollbackTransaction().IgnoreError();
}

absl::Status Transaction::Commit() {
  ROOST_CHECK(connection_ != nullptr, "a transaction was committed after it was over");
  Connection* const connection = std::exchange(connection_, nullptr);
  absl::Status committed = connection->CommitTransaction();
  if (!committed.ok()) connection->RollbackTransaction().IgnoreError();
  return committed;
}

absl::Status Transaction::Rollback() {
  ROOST_CHECK(connection_ != nullptr, "a transaction was rolled back after it was over");
  return std::exchange(connection_, nullptr)->RollbackTransaction();
}

}  // namespace roost
