// outbox/batch_values.h - a batch as the values that an ingest is called with.
//
// Times go as milliseconds after the row before, numbers as places behind the first, names once in a batch:
// a row of two decimals takes some ten bytes. On PostgreSQL each list is an array, which goes as text and is cast
// by the statement; on MariaDB it is a text of JSON.
//
// Threads:  one
// Blocks:   never
// Memory:   taken by the constructor; the lists point into it and into the batch
// Errors:   a batch that does not fit
#ifndef ROOST_OUTBOX_BATCH_VALUES_H_
#define ROOST_OUTBOX_BATCH_VALUES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "roost/outbox.h"
#include "roost/outbox_server.h"
#include "roost/statement.h"

namespace roost::outbox {

class BatchValues {
 public:
  static constexpr size_t kMost = 20;

  BatchValues(ServerKind kind, size_t rows);

  // Takes the batch. False: it has more rows than there is room for, or its times lie too far apart for
  // milliseconds in 32 bits. REQUIRES: `batch`, `node` and `token` stay valid while values() is used.
  bool Take(const OutboxBatch& batch, std::string_view node, std::string_view token);
  // The values of the last one, for ServerSql::ingest.
  std::span<const Value> values() const { return {values_.data(), count_}; }
  // What they take on a link, about.
  uint64_t bytes() const { return bytes_; }

 private:
  static constexpr size_t kMostNames = 255;

  void TakeNames(const OutboxBatch& batch);
  void TakeGaps(const OutboxBatch& batch);
  bool TakeRows(const OutboxBatch& batch);
  template <class T>
  Value List(std::span<const T> elements);
  // A list as JSON.
  template <class T>
  Value Json(std::span<const T> elements);
  void Add(const Value& value) { values_[count_++] = value; }
  void AddRows(const OutboxBatch& batch);

  const ServerKind kind_;
  const size_t most_;
  // Of each row: numbers behind the first, milliseconds after the one before, place of the name from 1.
  std::vector<int32_t> offsets_;
  std::vector<int32_t> steps_;
  std::vector<int32_t> places_;
  std::vector<double> readings_;
  // The numbers and times themselves, for a table.
  std::vector<int64_t> seqs_;
  std::vector<int64_t> times_;
  std::array<std::string_view, kMostNames> names_;
  std::array<std::string_view, kMostNames> units_;
  std::array<int32_t, kOutboxWhys> gap_why_{};
  std::array<int64_t, kOutboxWhys> gap_lo_{};
  std::array<int64_t, kOutboxWhys> gap_hi_{};
  std::array<int64_t, kOutboxWhys> gap_numbers_{};
  size_t gaps_ = 0;
  bool consecutive_ = true;
  std::string json_;
  std::array<Value, kMost> values_;
  size_t count_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace roost::outbox

#endif  // ROOST_OUTBOX_BATCH_VALUES_H_
