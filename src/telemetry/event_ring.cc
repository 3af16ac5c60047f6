#include "telemetry/event_ring.h"

#include <errno.h>
#include <unistd.h>

#include "base/text.h"
#include "roost/next_step.h"

namespace roost::telemetry {
namespace {

template <size_t N>
void Store(std::array<char, N>& out, std::string_view text) {
  internal::Text(out).Add(text);  // cut between two characters, with a zero behind it
}

}  // namespace

std::string_view FileName(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

void EventRing::Add(const Event& event, int64_t boot_us, int box) {
  // Of a connection that was found dead it is the rest that tells why.
  const Duration span = event.kind == EventKind::kInvalidate ? event.idle : event.span;
  EventRecord record{.boot_us = boot_us,
                     .span_ns = span.count(),
                     .line = event.where.line,
                     .slot = static_cast<int16_t>(event.slot),
                     .kind = static_cast<uint8_t>(event.kind),
                     .reason = static_cast<uint8_t>(event.reason)};
  Store(record.pool, event.pool);
  Store(record.file, FileName(event.where.file));
  if (event.status != nullptr) {
    record.code = static_cast<uint8_t>(event.status->code());
    // What a driver advises stands on lines of its own.
    const std::string_view text = internal::MessageOf(*event.status);
    Store(record.text, text.substr(0, text.find('\n')));
  }
  size_t place = 0;
  {
    internal::MutexLock lock(mu_);
    record.number = ++total_;
    place = (record.number - 1) % kEvents;
    records_[place] = record;
  }
  if (box < 0) return;
  const auto offset = static_cast<off_t>(kFirstRecord + place * sizeof record);
  const ssize_t written = pwrite(box, &record, sizeof record, offset);
  const bool whole = written == static_cast<ssize_t>(sizeof record);
  box_error_.store(whole ? 0 : (written < 0 ? errno : ENOSPC), std::memory_order_relaxed);
}

size_t EventRing::Copy(std::array<EventRecord, kEvents>& out) {
  internal::MutexLock lock(mu_);
  const size_t count = total_ < kEvents ? static_cast<size_t>(total_) : kEvents;
  const size_t first = total_ < kEvents ? 0 : static_cast<size_t>(total_ % kEvents);
  for (size_t i = 0; i < count; ++i) out[i] = records_[(first + i) % kEvents];
  return count;
}

void EventRing::FindFailures(std::string_view pool, std::span<SlotFailure> out) {
  decltype(EventRecord::pool) name{};
  Store(name, pool);
  internal::MutexLock lock(mu_);
  for (const EventRecord& record : records_) {
    const auto kind = static_cast<EventKind>(record.kind);
    const bool failed = kind == EventKind::kConnectFailed || kind == EventKind::kInvalidate;
    const auto slot = static_cast<size_t>(record.slot);  // none is far above
    if (record.number == 0 || !failed || slot >= out.size() || record.pool != name) continue;
    if (record.number < out[slot].number) continue;
    out[slot] = {.number = record.number,
                 .boot_us = record.boot_us,
                 .reason = record.reason,
                 .code = record.code};
  }
}

uint64_t EventRing::total() {
  internal::MutexLock lock(mu_);
  return total_;
}

}  // namespace roost::telemetry
