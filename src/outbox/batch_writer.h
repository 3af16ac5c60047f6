// outbox/batch_writer.h - writes the rows of a Buffer into a table, a batch at a time, each row
// once.
//
// A batch is one sealed transaction: when Seal says OK, a power cut takes none of it. A commit
// whose outcome is not known is looked for by the key of its first row before it is tried again, so
// that no row is there twice. A number that was given out is not given out again, also where its row
// was deleted meanwhile, or the table begun anew.
//
//   outbox::BatchWriter writer({.next_seq = kNextSeq, .find = kFind}, epoch);
//   const absl::StatusOr<size_t> sealed = writer.Seal(
//       **lease, buffer, 500,
//       [&](outbox::Key key, const Row& row) { return Insert(**lease, key, row); });
//
// Threads:  one; the only writer of its epoch
// Blocks:   as the connection's statements
// Memory:   none of its own
// Errors:   those of the statements; all rows are still in the buffer then
#ifndef ROOST_OUTBOX_BATCH_WRITER_H_
#define ROOST_OUTBOX_BATCH_WRITER_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "outbox/buffer.h"
#include "outbox/key.h"
#include "roost/connection.h"
#include "roost/statement.h"

namespace roost::outbox {

class BatchWriter {
 public:
  // What is asked of the table.
  struct Statements {
    Sql next_seq;  // gives one row: a number greater than each seq that the table knows of
    Sql find;      // $1 seq, $2 epoch: gives a row if there is one of this key
  };
  BatchWriter(const Statements& statements, int64_t epoch)
      : statements_(statements), epoch_(epoch) {}

  // Seals at most `most` of the oldest rows and forgets them; returns how many. `insert(key, row)`
  // inserts one row and returns an absl::Status. REQUIRES: the buffer is not empty.
  template <class Row, class Insert>
  absl::StatusOr<size_t> Seal(Connection& connection, Buffer<Row>& buffer, size_t most,
                              const Insert& insert) {
    const absl::StatusOr<std::optional<uint64_t>> settled = Settle(connection);
    if (!settled.ok()) return settled.status();
    if (settled->has_value()) return buffer.ForgetBefore(**settled);
    const uint64_t end = std::min(buffer.begin() + most, buffer.end());
    absl::StatusOr<Transaction> transaction = connection.Begin(Durability::kSealed);
    if (!transaction.ok()) return transaction.status();
    const absl::StatusOr<int64_t> first = NextSeq(connection);
    if (!first.ok()) return first.status();
    for (uint64_t number = buffer.begin(); number < end; ++number) {
      const Key key{epoch_, *first + static_cast<int64_t>(number - buffer.begin())};
      if (absl::Status status = insert(key, buffer.at(number)); !status.ok()) return status;
    }
    const Uncertain batch{.first_seq = *first,
                          .next_seq = *first + static_cast<int64_t>(end - buffer.begin()),
                          .end = end};
    if (absl::Status status = Commit(*transaction, batch); !status.ok()) return status;
    return buffer.ForgetBefore(end);
  }

  // The key of the first row that was sealed. seq 0: none was.
  Key first() const { return {epoch_, first_seq_}; }

 private:
  // A commit that failed in a way that leaves open whether it happened.
  struct Uncertain {
    int64_t first_seq = 0;  // 0: there is none
    int64_t next_seq = 0;   // after its last
    uint64_t end = 0;       // number of the row after its last
  };

  // Whether the uncertain commit happened: then it is sealed, and its end is returned. Nothing:
  // there is none, or it did not happen.
  absl::StatusOr<std::optional<uint64_t>> Settle(Connection& connection);
  absl::StatusOr<bool> IsThere(Connection& connection, int64_t seq) const;
  absl::StatusOr<int64_t> NextSeq(Connection& connection) const;
  absl::Status Commit(Transaction& transaction, const Uncertain& batch);
  void NoteGivenOut(const Uncertain& batch);

  const Statements statements_;
  const int64_t epoch_;
  int64_t first_seq_ = 0;
  int64_t next_seq_ = 1;  // greater than each that this writer has given out
  Uncertain uncertain_;
};

}  // namespace roost::outbox

#endif  // ROOST_OUTBOX_BATCH_WRITER_H_
