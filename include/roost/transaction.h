// include/roost/transaction.h - a function as a transaction, run again when it lost a race.
//
// Threads:  any; the function runs in the caller's thread
// Blocks:   up to the deadline: for a connection, on the database, and between two attempts
// Memory:   none of ours but for an error
// Errors:   those of Pool::Acquire, Connection::Begin, the function and Transaction::Commit
// Example:
//   const absl::Status moved = roost::RunInTransaction(
//       pool, roost::kWrite, pool.In(2s), [&](roost::Connection& connection) -> absl::Status {
//         absl::Status status = connection.Run(kTake, amount, from);
//         if (!status.ok()) return status;
//         return connection.Run(kGive, amount, to);
//       });
#ifndef ROOST_TRANSACTION_H_
#define ROOST_TRANSACTION_H_

#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "roost/connection.h"
#include "roost/deadline.h"
#include "roost/pool.h"
#include "roost/source_line.h"
#include "roost/statement.h"

#pragma GCC visibility push(default)
namespace roost {

namespace internal {

// The pauses between attempts of one transaction.
class RetryPause {
 public:
  // Waits, with no connection held: half of a millisecond to a millisecond at first, twice as long
  // each time, up to 100 ms; at random, so that two that met do not meet again. False: `deadline`
  // passed.
  bool Wait(Platform& platform, Deadline deadline);

 private:
  int attempts_ = 0;
};

}  // namespace internal

// **`function` may run several times**: what it changes outside of the database has to bear that. It
// gets the connection of a lease from `pool`, inside of a transaction, and returns an absl::Status.
//
// OK commits. Another code rolls back and is returned, but kAborted: then, and where the commit says
// kAborted, everything was rolled back, and the whole runs again on a new lease after a pause, until
// `deadline`. A kUnknown is never run again: the commit may have happened. An exception rolls back
// and passes.
//
// Where the database has given up the transaction for a statement whose error the function kept to
// itself, the code and the message of that error are returned: PostgreSQL gives up for each error, SQLite
// for a full disk or INSERT OR ROLLBACK, MySQL for a lost race.
//
// `deadline` bounds all attempts together. When it passed, the last kAborted is returned, or
// kDeadlineExceeded. `durability`: see Durability. REQUIRES: the function neither commits nor rolls
// back, and keeps neither the connection nor its rows.
template <class F>
absl::Status RunInTransaction(Pool& pool, Intent intent, Deadline deadline, F&& function,
                              Durability durability = Durability::kDefault,
                              SourceLine where = SourceLine::Here()) {
  static_assert(std::is_same_v<std::invoke_result_t<F&, Connection&>, absl::Status>,
                "RunInTransaction: the function takes a roost::Connection& and returns an "
                "absl::Status");
  internal::RetryPause pause;
  for (;;) {
    absl::StatusOr<Lease> lease = pool.Acquire(intent, deadline, where);
    if (!lease.ok()) return lease.status();
    absl::Status status;
    {
      absl::StatusOr<Transaction> transaction = lease->Begin(durability);
      status = transaction.ok() ? function(**lease) : transaction.status();
      if (status.ok()) status = transaction->Commit();
    }
    lease->Return();
    if (!absl::IsAborted(status) || !pause.Wait(pool.platform(), deadline)) return status;
  }
}

}  // namespace roost
#pragma GCC visibility pop

#endif  // ROOST_TRANSACTION_H_
