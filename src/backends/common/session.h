// backends/common/session.h - Session: the part of a Connection that is alike for every backend.
//
// It knows what a caller of the lease has begun and not ended: the transaction, the statements that
// are being read, the lease's deadline. It keeps the dirty flags of the Connection right, so that
// IsPristine() tells the truth.
//
// Threads:  one at a time, as for a Connection
// Blocks:   never
#ifndef ROOST_BACKENDS_COMMON_SESSION_H_
#define ROOST_BACKENDS_COMMON_SESSION_H_

#include <string_view>

#include "absl/status/status.h"
#include "roost/backend.h"

namespace roost::backends {

// The transaction that Connection::Begin began.
class TransactionState {
 public:
  // `seal_commit`: its commit has to survive a power cut (Durability::kSealed).
  void Begin(bool seal_commit) {
    ours_ = true;
    seal_commit_ = seal_commit;
    Forgive();
  }
  void End() { ours_ = false; }

  // `status` is of the statement for which the database has ended the transaction, or takes nothing
  // but its end.
  void NoteFailure(const absl::Status& status) { failure_ = status; }
  // The transaction goes on: a savepoint was gone back to.
  void Forgive() {
    if (!failure_.ok()) failure_ = absl::OkStatus();
  }
  // OK: no statement is known to have failed it. Stays until the next one begins.
  const absl::Status& failure() const { return failure_; }

  // A Transaction lives, even if the database ended its transaction by itself.
  bool ours() const { return ours_; }
  bool seal_commit() const { return seal_commit_; }
  // The database ended it by itself (`open`: it has one): what follows would commit one by one.
  bool IsLost(bool open) const { return ours_ && !open; }

 private:
  absl::Status failure_;
  bool ours_ = false;
  bool seal_commit_ = false;
};

class Session : public Connection {
 public:
  // REQUIRES: request.platform outlives this.
  explicit Session(const OpenRequest& request)
      : platform_(*request.platform), role_(request.role) {}

  Platform& platform() const { return platform_; }
  Role role() const { return role_; }

  // Whether the lease's deadline has passed, to a tick of the coarse clock.
  bool IsLate() const { return !deadline().IsNever() && IsLateAt(platform_.CoarseNow()); }
  // The same by a reading of that clock.
  bool IsLateAt(TimePoint now) const { return deadline().HasPassed(now); }
  // The error of a statement that was not begun, because the deadline has passed.
  static absl::Status TooLate();
  // The error of a commit that was not begun for the same reason.
  static absl::Status TooLateToCommit();
  // The error of `sql`, which begins or ends a transaction while a Transaction lives: that one would
  // not know of it. It was not run.
  static absl::Status BoundsTransaction(std::string_view sql);
  // The error of a commit, or of a statement, in a transaction that has failed: the code and the message
  // of the statement for which it has, so that only what lost a race is run again.
  absl::Status FailedBefore() const;
  // The error of a commit whose transaction was ended behind our back, where another one stands in its
  // place.
  static absl::Status Replaced();

  // kUnknown: the transaction that lives was ended by something else than its Transaction.
  static absl::Status EndedByOthers();

  TransactionState& transaction() { return transaction_; }
  const TransactionState& transaction() const { return transaction_; }
  // Call after whatever may have begun or ended a transaction. `open`: the database has one.
  void RecordTransaction(bool open) {
    if (transaction_.ours() || open) {
      SetDirty(kDirtyTransaction);
    } else {
      ClearDirty(kDirtyTransaction);
    }
  }

  // A statement begins and ends to be read.
  void RecordStart() {
    ++reading_;
    SetDirty(kDirtyReading);
  }
  void RecordFinish() {
    if (--reading_ == 0) ClearDirty(kDirtyReading);
  }
  bool IsReading() const { return reading_ > 0; }

  // The session has something that Reset has to undo.
  void Taint() { SetDirty(kDirtyTainted); }
  bool IsTainted() const { return IsDirty(kDirtyTainted); }
  // The raw handle was taken.
  bool IsRaw() const { return IsDirty(kDirtyRaw); }

  using Connection::IsForked;
  using Connection::IsPristine;
  using Connection::MarkFailed;
  using Connection::UsedAfterFork;

 protected:
  // What Inspect answers for a connection that is not broken. `open`: the database has a
  // transaction.
  SessionState InspectFlags(bool open) const;

 private:
  Platform& platform_;
  const Role role_;
  TransactionState transaction_;
  int reading_ = 0;  // statements between RecordStart and RecordFinish
};

}  // namespace roost::backends

#endif  // ROOST_BACKENDS_COMMON_SESSION_H_
