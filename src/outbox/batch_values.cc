#include "outbox/batch_values.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <limits>
#include <type_traits>

namespace roost::outbox {
namespace {

constexpr size_t kJsonOfRow = 64;
constexpr size_t kJsonOfNames = 8192;
// About what a number takes on the link.
constexpr uint64_t kBytesOfRow = 12;
constexpr uint64_t kBytesOfCall = 160;

template <class T>
void PutJson(std::string& out, T number) {
  std::array<char, 40> room;
  out.append(room.data(), std::to_chars(room.data(), room.data() + room.size(), number).ptr);
}

void PutJson(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < ' ') {
      std::array<char, 8> escape;
      std::snprintf(escape.data(), escape.size(), "\\u%04x", static_cast<unsigned>(c));
      out += escape.data();
      continue;
    }
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
}

}  // namespace

BatchValues::BatchValues(ServerKind kind, size_t rows)
    : kind_(kind), most_(rows), places_(rows), readings_(rows) {
  if (kind == ServerKind::kTable) {
    seqs_.resize(rows);
    times_.resize(rows);
  } else {
    offsets_.resize(rows);
    steps_.resize(rows);
  }
  if (kind == ServerKind::kMariadb) json_.reserve(rows * kJsonOfRow + kJsonOfNames);
}

bool BatchValues::TakeRows(const OutboxBatch& batch) {
  if (batch.rows.size() > most_) return false;
  consecutive_ = true;
  int64_t before = batch.rows.empty() ? 0 : batch.rows[0].ms;
  for (size_t i = 0; i < batch.rows.size(); ++i) {
    const OutboxRow& row = batch.rows[i];
    places_[i] = row.place + 1;
    readings_[i] = row.value;
    if (kind_ == ServerKind::kTable) {
      seqs_[i] = row.seq;
      times_[i] = row.ms;
      continue;
    }
    const int64_t step = row.ms - before;
    const int64_t offset = row.seq - batch.first;
    before = row.ms;
    constexpr int64_t kFar = std::numeric_limits<int32_t>::max();
    if (step > kFar || step < -kFar || offset > kFar || offset < 0) return false;
    steps_[i] = static_cast<int32_t>(step);
    offsets_[i] = static_cast<int32_t>(offset);
    consecutive_ = consecutive_ && offset == static_cast<int64_t>(i);
  }
  return true;
}

void BatchValues::TakeNames(const OutboxBatch& batch) {
  for (size_t i = 0; i < batch.names.size(); ++i) {
    names_[i] = batch.names[i].name;
    units_[i] = batch.names[i].unit;
    bytes_ += names_[i].size() + units_[i].size() + 6;
  }
}

void BatchValues::TakeGaps(const OutboxBatch& batch) {
  gaps_ = batch.gaps.size();
  for (size_t i = 0; i < gaps_; ++i) {
    gap_why_[i] = static_cast<int32_t>(batch.gaps[i].why);
    gap_lo_[i] = batch.gaps[i].lo;
    gap_hi_[i] = batch.gaps[i].hi;
    gap_numbers_[i] = batch.gaps[i].numbers;
  }
}

template <class T>
Value BatchValues::Json(std::span<const T> elements) {
  const size_t begin = json_.size();
  json_ += '[';
  for (size_t i = 0; i < elements.size(); ++i) {
    if (i > 0) json_ += ',';
    PutJson(json_, elements[i]);
  }
  json_ += ']';
  return std::string_view(json_.data() + begin, json_.size() - begin);
}

template <class T>
Value BatchValues::List(std::span<const T> elements) {
  return kind_ == ServerKind::kMariadb ? Json(elements) : Value(elements);
}

bool BatchValues::Take(const OutboxBatch& batch, std::string_view node, std::string_view token) {
  bytes_ = kBytesOfCall + kBytesOfRow * batch.rows.size() + node.size() + token.size();
  count_ = 0;
  json_.clear();
  if (batch.names.size() > kMostNames || batch.gaps.size() > kOutboxWhys || !TakeRows(batch)) {
    return false;
  }
  TakeNames(batch);
  TakeGaps(batch);
  // The lists lie in one text, which is not to move: what names with escapes may take is known.
  if (kind_ == ServerKind::kMariadb) {
    json_.reserve(batch.rows.size() * kJsonOfRow + kJsonOfNames + 6 * static_cast<size_t>(bytes_));
  }
  if (kind_ == ServerKind::kTable) {
    Add(node);
    Add(batch.segment.epoch);
    Add(int32_t{batch.clock});
    Add(Value(std::span<const std::string_view>(names_.data(), batch.names.size())));
    Add(Value(std::span<const std::string_view>(units_.data(), batch.names.size())));
    const size_t rows = batch.rows.size();
    Add(Value(std::span<const int64_t>(seqs_.data(), rows)));
    Add(Value(std::span<const int64_t>(times_.data(), rows)));
    Add(Value(std::span<const int32_t>(places_.data(), rows)));
    Add(Value(std::span<const double>(readings_.data(), rows)));
    return true;
  }
  Add(node);
  Add(token);
  AddRows(batch);
  return true;
}

void BatchValues::AddRows(const OutboxBatch& batch) {
  const size_t rows = batch.rows.size();
  Add(batch.segment.epoch);
  Add(batch.segment.lo);
  Add(batch.first);
  Add(batch.last);
  Add(rows == 0 ? int64_t{0} : batch.rows[0].ms);
  Add(int32_t{batch.clock});
  Add(consecutive_ ? Value() : List(std::span<const int32_t>(offsets_.data(), rows)));
  Add(List(std::span<const int32_t>(steps_.data(), rows)));
  Add(List(std::span<const int32_t>(places_.data(), rows)));
  Add(List(std::span<const double>(readings_.data(), rows)));
  Add(List(std::span<const std::string_view>(names_.data(), batch.names.size())));
  Add(List(std::span<const std::string_view>(units_.data(), batch.names.size())));
  Add(List(std::span<const int32_t>(gap_why_.data(), gaps_)));
  Add(List(std::span<const int64_t>(gap_lo_.data(), gaps_)));
  Add(List(std::span<const int64_t>(gap_hi_.data(), gaps_)));
  Add(List(std::span<const int64_t>(gap_numbers_.data(), gaps_)));
  Add(batch.backlog);
  Add(batch.oldest.count);
}

}  // namespace roost::outbox
