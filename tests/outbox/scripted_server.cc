#include "tests/outbox/scripted_server.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace roost::outbox {

using std::chrono::seconds;

void ScriptedServer::LoseLast(size_t count) {
  for (; count > 0 && !done_.empty(); --count) {
    const Done& last = done_.back();
    const auto name = std::pair(last.segment.epoch, last.segment.lo);
    if (last.mark_before.has_value()) {
      marks_[name] = *last.mark_before;
    } else {
      marks_.erase(name);
    }
    for (const Key& key : last.rows) rows_.erase(key);
    for (const Key& key : last.rejects) rejects_.erase(key);
    for (size_t why = 0; why < kOutboxWhys; ++why) gaps_[why] -= last.gaps[why];
    done_.pop_back();
  }
  Disconnect();
}

std::optional<int64_t> ScriptedServer::MarkOf(const OutboxSegment& segment) const {
  const auto found = marks_.find({segment.epoch, segment.lo});
  return found == marks_.end() ? std::nullopt : std::optional<int64_t>(found->second);
}

int64_t ScriptedServer::gap_numbers() const {
  int64_t sum = 0;
  for (const int64_t numbers : gaps_) sum += numbers;
  return sum;
}

int64_t ScriptedServer::accounted() const {
  int64_t sum = 0;
  for (const auto& [name, mark] : marks_) sum += mark - name.second + 1;
  return sum;
}

ScriptedServer::Fate ScriptedServer::NextFate() {
  if (!fates.empty()) {
    Fate fate = fates.front();
    fates.pop_front();
    return fate;
  }
  if (is_away) return {.kind = Fate::Kind::kCutBefore};
  return {};
}

void ScriptedServer::Begin(Deadline deadline, Duration takes) {
  if (is_busy_) Breach("a call began while another was under way");
  is_busy_ = true;
  const TimePoint now = platform_.Now();
  done_at_ = now + takes;
  answer_ = {};
  answer_.connection = connection_;
  if (Deadline::At(done_at_) <= deadline) return;
  done_at_ = now + deadline.Left(now);
  answer_.status = absl::DeadlineExceededError("no answer in time");
  answer_.hand = OutboxHand::kWait;
  answer_.is_unknown = true;
}

void ScriptedServer::Hello(std::span<const OutboxSegment> asked, Deadline deadline) {
  if (asked.size() > kMostAsked) Breach("asked for too many marks");
  calls.push_back({.is_hello = true, .asked = asked.size(), .at = platform_.Now()});
  const Fate fate = NextFate();
  Begin(deadline, fate.takes > Duration::zero() ? fate.takes : latency);
  bytes_ += 200 + 24 * asked.size();
  if (!answer_.status.ok()) return;
  if (fate.kind != Fate::Kind::kServed) {
    if (fate.kind != Fate::Kind::kRefused) Disconnect();
    answer_.status = fate.status;
    answer_.hand = fate.hand;
    answer_.has_no_schema = fate.has_no_schema;
    answer_.not_before = fate.not_before;
    ++lost_calls;
    return;
  }
  has_seen_hello_ = true;
  answer_.connection = connection_;
  marks_of_answer_.clear();
  for (const OutboxSegment& segment : asked) {
    marks_of_answer_.push_back({.segment = segment, .seq = MarkOf(segment)});
  }
  answer_.hello = {.schema_version = schema_version,
                   .server_time = Micros{platform_.UnixMicros()},
                   .spread = spread,
                   .max_rows = max_rows,
                   .clones = clones,
                   .marks = marks_of_answer_};
}

void ScriptedServer::Ingest(const OutboxBatch& batch, Deadline deadline) {
  calls.push_back({.segment = batch.segment,
                   .first = batch.first,
                   .last = batch.last,
                   .rows = batch.rows.size(),
                   .backlog = batch.backlog,
                   .oldest = batch.oldest,
                   .gaps = {batch.gaps.begin(), batch.gaps.end()},
                   .at = platform_.Now()});
  const bool is_reached = fates.empty() ? !is_away : fates.front().kind != Fate::Kind::kCutBefore;
  if (!has_seen_hello_ && is_reached) {
    Begin(deadline, Duration::zero());
    answer_.needs_hello = true;
    answer_.status = absl::UnavailableError("a new connection");
    return;
  }
  const Fate fate = NextFate();
  const auto rows = static_cast<int64_t>(batch.rows.size());
  Begin(deadline, (fate.takes > Duration::zero() ? fate.takes : latency) + a_row * rows);
  bytes_ += 300 + 12 * batch.rows.size();
  if (!answer_.status.ok()) {
    // It is served, too late.
    if (fate.kind != Fate::Kind::kCutBefore) Store(batch);
    Disconnect();
    ++lost_calls;
    return;
  }
  if (fate.kind == Fate::Kind::kServed) return Serve(batch);
  ++lost_calls;
  if (fate.kind == Fate::Kind::kCutAfter) Serve(batch);
  answer_ = {};
  answer_.status = fate.status;
  answer_.hand = fate.hand;
  answer_.has_no_schema = fate.has_no_schema;
  answer_.not_before = fate.not_before;
  if (fate.kind == Fate::Kind::kRefused) return;
  answer_.is_unknown = true;
  Disconnect();
}

void ScriptedServer::Serve(const OutboxBatch& batch) {
  if (batch.rows.size() >= too_large_from) {
    answer_.status = absl::ResourceExhaustedError("the packet is too large");
    answer_.hand = OutboxHand::kTooLarge;
    return;
  }
  const bool has_bad = std::any_of(batch.rows.begin(), batch.rows.end(), [&](const OutboxRow& row) {
    return bad_values.count(row.value) > 0;
  });
  if (has_bad && !isolates) {
    answer_.status = absl::InvalidArgumentError("value out of range");
    answer_.hand = OutboxHand::kSetAside;
    return;
  }
  Store(batch);
}

void ScriptedServer::Store(const OutboxBatch& batch) {
  const auto name = std::pair(batch.segment.epoch, batch.segment.lo);
  const std::optional<int64_t> before = MarkOf(batch.segment);
  const int64_t mark = before.value_or(batch.segment.lo - 1);
  if (!before.has_value()) marks_[name] = mark;
  int64_t sum = static_cast<int64_t>(batch.rows.size());
  for (const OutboxGap& gap : batch.gaps) {
    sum += gap.numbers;
    if (gap.numbers < 1 || gap.lo < batch.first || gap.hi > batch.last ||
        gap.numbers > gap.hi - gap.lo + 1) {
      Breach("a gap that cannot be");
    }
  }
  if (sum != batch.last - batch.first + 1) Breach("the sum is wrong");
  if (batch.first > batch.last) Breach("a batch of nothing");
  if (batch.names.size() > 255 || batch.clock > 2) Breach("names or clock");
  if (batch.first != mark + 1) {
    answer_.ingest.mark = mark;
    return;
  }
  Done done{.segment = batch.segment, .mark_before = before};
  int64_t seq = batch.first - 1;
  for (const OutboxRow& row : batch.rows) {
    if (row.seq <= seq || row.seq > batch.last) Breach("the order of rows");
    if (row.place >= batch.names.size()) Breach("a name that is not there");
    if (!std::isfinite(row.value)) Breach("a value that is not finite");
    seq = row.seq;
    const Key key{.epoch = batch.segment.epoch, .seq = row.seq};
    if (bad_values.count(row.value) > 0) {
      rejects_.insert(key);
      done.rejects.push_back(key);
      ++answer_.ingest.rejected;
    } else {
      if (!rows_.emplace(key, row.value).second) Breach("a row came twice");
      done.rows.push_back(key);
    }
  }
  for (const OutboxGap& gap : batch.gaps) {
    gaps_[static_cast<size_t>(gap.why)] += gap.numbers;
    done.gaps[static_cast<size_t>(gap.why)] += gap.numbers;
  }
  marks_[name] = batch.last;
  answer_.ingest.mark = batch.last;
  done_.push_back(std::move(done));
}

const OutboxServer::Answer* ScriptedServer::Continue(TimePoint now) {
  if (!is_busy_) Breach("Continue without a call");
  if (now < done_at_) return nullptr;
  is_busy_ = false;
  if (before_answer) before_answer();
  return &answer_;
}

size_t ScriptedServer::Descriptors(std::span<DescriptorWait> out) const {
  if (!is_busy_) return 0;
  if (!out.empty()) out[0] = {.fd = 7, .wanted = {.readable = true}};
  return 1;
}

void ScriptedServer::Rest() {
  if (is_busy_) Breach("Rest while a call is under way");
  ++rests;
}

}  // namespace roost::outbox
