#include "outbox/batch.h"

#include <algorithm>
#include <cstring>

namespace roost::outbox {
namespace {

// Rounded down, also before 1970.
int64_t ToMillis(Micros time) {
  const int64_t whole = time.count / 1000;
  return time.count % 1000 < 0 ? whole - 1 : whole;
}

}  // namespace

Batch::Batch(size_t most)
    : most_(most),
      rows_(std::make_unique<OutboxRow[]>(most)),
      names_(std::make_unique<OutboxName[]>(kMostNames)),
      text_(std::make_unique<char[]>(kTextBytes)) {}

size_t Batch::bytes() const {
  return sizeof(*this) + most_ * sizeof(OutboxRow) + kMostNames * sizeof(OutboxName) + kTextBytes;
}

void Batch::Begin(const OutboxSegment& segment, int64_t sent) {
  row_count_ = name_count_ = text_used_ = last_place_ = omitted_count_ = 0;
  accounted_ = 0;
  by_why_.fill({});
  batch_ = {.segment = segment, .first = sent + 1, .last = sent};
}

int Batch::PlaceOf(std::string_view name, std::string_view unit) {
  // Names mostly come in the same order again and again.
  for (size_t i = 0; i < name_count_; ++i) {
    const size_t place = (last_place_ + 1 + i) % name_count_;
    if (names_[place].name != name || names_[place].unit != unit) continue;
    last_place_ = place;
    return static_cast<int>(place);
  }
  if (name_count_ == kMostNames || text_used_ + name.size() + unit.size() > kTextBytes) return -1;
  const auto keep = [this](std::string_view text) {
    char* const at = text_.get() + text_used_;
    if (!text.empty()) std::memcpy(at, text.data(), text.size());
    text_used_ += text.size();
    return std::string_view(at, text.size());
  };
  const std::string_view kept = keep(name);
  names_[name_count_] = {kept, keep(unit)};
  last_place_ = name_count_;
  return static_cast<int>(name_count_++);
}

Batch::Added Batch::Add(int64_t seq, Micros time, double value, std::string_view name,
                        std::string_view unit) {
  if (name.size() > kTextBytes || unit.size() > kTextBytes - name.size()) return Added::kNever;
  const int place = PlaceOf(name, unit);
  if (place < 0) return Added::kNoRoom;
  rows_[row_count_++] = {
      .seq = seq, .ms = ToMillis(time), .value = value, .place = static_cast<uint8_t>(place)};
  ++accounted_;
  batch_.last = seq;
  return Added::kYes;
}

void Batch::Omit(int64_t seq) {
  omitted_[omitted_count_++] = seq;
  batch_.last = seq;
  Count(OutboxWhy::kSetAside, seq, seq, 1);
}

void Batch::Count(OutboxWhy why, int64_t lo, int64_t hi, int64_t numbers) {
  OutboxGap& gap = GapOf(why);
  gap.lo = gap.numbers == 0 ? lo : std::min(gap.lo, lo);
  gap.hi = gap.numbers == 0 ? hi : std::max(gap.hi, hi);
  gap.why = why;
  gap.numbers += numbers;
  accounted_ += numbers;
}

int64_t Batch::RowsWithin(int64_t lo, int64_t hi) const {
  const OutboxRow* const begin = rows_.get();
  const OutboxRow* const end = begin + row_count_;
  const auto is_before = [](const OutboxRow& row, int64_t seq) { return row.seq < seq; };
  const auto is_after = [](int64_t seq, const OutboxRow& row) { return seq < row.seq; };
  const int64_t rows =
      std::upper_bound(begin, end, hi, is_after) - std::lower_bound(begin, end, lo, is_before);
  return rows + std::count_if(omitted_.begin(),
                              omitted_.begin() + static_cast<std::ptrdiff_t>(omitted_count_),
                              [&](int64_t seq) { return lo <= seq && seq <= hi; });
}

void Batch::AddGap(OutboxWhy why, int64_t lo, int64_t hi) {
  lo = std::max(lo, batch_.first);
  hi = std::min(hi, batch_.last);
  if (lo > hi) return;
  // Records of two epochs may overlap where a power cut took numbers that were given out again.
  const int64_t numbers = std::min(hi - lo + 1 - RowsWithin(lo, hi), Missing());
  if (numbers > 0) Count(why, lo, hi, numbers);
}

void Batch::AddRest(OutboxWhy why) {
  if (Missing() > 0) Count(why, batch_.first, batch_.last, Missing());
}

bool Batch::has_gaps_of_table() const {
  return by_why_[static_cast<size_t>(OutboxWhy::kFull)].numbers > 0 ||
         by_why_[static_cast<size_t>(OutboxWhy::kAge)].numbers > 0 ||
         by_why_[static_cast<size_t>(OutboxWhy::kThin)].numbers > 0;
}

const OutboxBatch& Batch::Finish() {
  size_t gaps = 0;
  for (const OutboxGap& gap : by_why_) {
    if (gap.numbers > 0) gaps_[gaps++] = gap;
  }
  batch_.rows = {rows_.get(), row_count_};
  batch_.names = {names_.get(), name_count_};
  batch_.gaps = {gaps_.data(), gaps};
  return batch_;
}

}  // namespace roost::outbox
