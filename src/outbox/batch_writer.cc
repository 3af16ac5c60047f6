#include "outbox/batch_writer.h"

#include <algorithm>
#include <utility>

namespace roost::outbox {

absl::StatusOr<std::optional<uint64_t>> BatchWriter::Settle(Connection& connection) {
  if (uncertain_.first_seq == 0) return std::nullopt;
  const absl::StatusOr<bool> is_there = IsThere(connection, uncertain_.first_seq);
  if (!is_there.ok()) return is_there.status();
  if (*is_there) {
    if (absl::Status status = connection.Seal(); !status.ok()) return status;
  }
  const Uncertain attempt = std::exchange(uncertain_, {});
  if (!*is_there) return std::nullopt;
  NoteGivenOut(attempt);
  return attempt.end;
}

absl::StatusOr<bool> BatchWriter::IsThere(Connection& connection, int64_t seq) const {
  const absl::StatusOr<Statement*> find = connection.Prepare(statements_.find);
  if (!find.ok()) return find.status();
  Rows rows = (*find)->Query(seq, epoch_);
  const bool is_there = rows.Next();
  if (!rows.status().ok()) return rows.status();
  return is_there;
}

absl::StatusOr<int64_t> BatchWriter::NextSeq(Connection& connection) const {
  const absl::StatusOr<Statement*> next = connection.Prepare(statements_.next_seq);
  if (!next.ok()) return next.status();
  Rows rows = (*next)->Query();
  if (rows.Next()) return std::max(rows.Get<int64_t>(0), next_seq_);
  if (!rows.status().ok()) return rows.status();
  return absl::InternalError("the statement for the next number gave no row");
}

absl::Status BatchWriter::Commit(Transaction& transaction, const Uncertain& batch) {
  absl::Status status = transaction.Commit();
  if (!status.ok()) {
    uncertain_ = batch;
  } else {
    NoteGivenOut(batch);
  }
  return status;
}

void BatchWriter::NoteGivenOut(const Uncertain& batch) {
  if (first_seq_ == 0) first_seq_ = batch.first_seq;
  next_seq_ = batch.next_seq;
}

}  // namespace roost::outbox
