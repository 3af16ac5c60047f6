#include "telemetry/journal_observer.h"

#include <algorithm>
#include <utility>

#include "base/duration.h"
#include "base/text.h"
#include "base/utf8.h"
#include "roost/next_step.h"
#include "roost/stats.h"
#include "telemetry/event_ring.h"

namespace roost::telemetry {
namespace {

using internal::MessageOf;

constexpr int kWarning = 4;
constexpr int kNotice = 5;
constexpr int kInfo = 6;

// From kBack on: no kind of event of the pool's own.
constexpr size_t kBack = 10;
constexpr size_t kState = 11;
constexpr size_t kMore = 12;
constexpr std::array<JournalKind, 13> kKinds{{
    {"a0e37d61228f4a968f194e3a8db4ff5b", "first_connect", kInfo, "its database is reached"},
    {"18b1e4175b9447d2815daefd7d84aac8", "connect_failed", kWarning, "its database is away"},
    {"508cc9d99ce24577b5a64caadb521d0c", "invalidate", kWarning, "a connection was broken"},
    {"e249f43bae4f42898e98c8c1def1b92c", "soft_invalidate", kInfo, "every connection is replaced"},
    {"7c1789b248e248fe9151ed97b1f09b41", "detach", kInfo, "a connection was taken out of the pool"},
    {"162942d87a3246759c1c623af19a6109", "timeout", kWarning, "a caller timed out"},
    {"20e6b32944fa49838c3445bf9ca4485e", "refused", kWarning, "a caller was refused"},
    {"d339f87ef3a04232bec23dd02cf71c0a", "leak", kWarning, "a lease is held too long"},
    {"2ea81f7609c64792be12576a27eb7dfa", "leak_returned", kInfo,
     "a lease that was held too long ended"},
    {"7134e1d7381247dbbc019e600b3925df", "late_tick", kWarning,
     "the program came late to its pool"},
    {"222d9201a8cb4b958c7a83637a91b6df", "back", kNotice, "its database is there again"},
    {"1f9a24e74f3e4d5c929c933a644676f3", nullptr, kNotice, ""},
    {"706d725b074d49b98935323a2602ca7b", nullptr, kWarning, "more times"},
}};

// Null: nothing is told of it.
const JournalKind* KindOf(EventKind kind) {
  const std::string_view name = Name(kind);
  for (size_t i = 0; i < kBack; ++i) {
    if (name == kKinds[i].event) return &kKinds[i];
  }
  return nullptr;
}

// One line, whatever a driver has put into its message.
std::string_view FirstLine(std::string_view text) { return text.substr(0, text.find('\n')); }

using Message = internal::BoundedText<400>;

void AddMessage(JournalEntry& entry, const Message& message) {
  std::array<char, 401> line;
  const size_t size = static_cast<std::string_view>(message).copy(line.data(), line.size());
  entry.Add("MESSAGE", {line.data(), internal::MakePlain({line.data(), size})});
}

}  // namespace

std::span<const JournalKind> JournalKinds() { return kKinds; }

JournalObserver::JournalObserver(JournalSocket& journal, const char* program, Observer* next)
    : journal_(journal), program_(program), next_(next) {}

void JournalObserver::OnEvent(const Event& event) {
  const Told told = Decide(event);
  if (told.now) Send(event, told);
  if (next_ != nullptr) next_->OnEvent(event);
}

JournalObserver::PoolPlace& JournalObserver::PlaceOf(std::string_view pool) {
  for (PoolPlace& place : std::span(places_).first(place_count_)) {
    if (place.name == pool) return place;
  }
  if (place_count_ == kPools) return places_.back();
  PoolPlace& place = places_[place_count_++];
  place.name = pool;
  return place;
}

bool JournalObserver::TakeToken(PoolPlace& place, TimePoint now) {
  if (place.refilled == TimePoint::min()) place.refilled = now;
  const auto whole = std::max<int64_t>((now - place.refilled) / kRefill, 0);
  place.tokens = static_cast<int>(std::min<int64_t>(place.tokens + whole, kBurst));
  place.refilled += whole * kRefill;
  if (place.tokens == 0) return false;
  --place.tokens;
  return true;
}

// What comes again before twice its time has passed goes on, and is told less often.
void JournalObserver::ToldAt(Repeated& repeated, TimePoint now) {
  const bool goes_on =
      repeated.told != TimePoint::min() && now - repeated.told < 2 * repeated.again;
  repeated.again = goes_on ? std::min(2 * repeated.again, kAgainAtMost) : kAgain;
  repeated.told = now;
}

JournalObserver::Told JournalObserver::Decide(const Event& event) {
  Told told;
  internal::MutexLock lock(mu_);
  PoolPlace& place = PlaceOf(event.pool);
  Repeated& repeated = place.kinds[static_cast<size_t>(event.kind)];
  if (event.kind == EventKind::kConnectFailed) {
    // A database that stays away is one change, until it fails in another way.
    const absl::StatusCode code =
        event.status != nullptr ? event.status->code() : absl::StatusCode::kUnknown;
    ++place.failed;
    if (place.away && place.away_with == code) return told;
    if (!std::exchange(place.away, true)) place.away_since = event.at;
    place.away_with = code;
  } else if (event.kind == EventKind::kConnect) {
    if (!std::exchange(place.away, false)) return told;
    told.failed = std::exchange(place.failed, 0);
    told.away = event.at - place.away_since;
    place.away_with = absl::StatusCode::kOk;
  } else if (KindOf(event.kind) == nullptr) {
    return told;
  } else if (repeated.told != TimePoint::min() && event.at - repeated.told < repeated.again) {
    ++repeated.more;
    return told;
  }
  if (!TakeToken(place, event.at)) {
    ++place.left_out;
    return told;
  }
  told.now = true;
  told.more = std::exchange(repeated.more, 0);
  if (told.more > 0) told.in = event.at - repeated.told;
  told.left_out = std::exchange(place.left_out, 0);
  ToldAt(repeated, event.at);
  return told;
}

void JournalObserver::Send(const Event& event, const Told& told) {
  const bool back = event.kind == EventKind::kConnect;
  const JournalKind& kind = back ? kKinds[kBack] : *KindOf(event.kind);
  Message message("pool ");
  message.Add(event.pool, ": ", kind.says);
  if (event.where.line != 0) message.Add(", ", FileName(event.where.file), ":", event.where.line);
  if (back) message.Add(" after ", internal::Brief{told.away}, " and ", told.failed, " tries");
  if (event.reason != CloseReason::kNone) message.Add(" (", Name(event.reason), ")");
  if (event.status != nullptr) message.Add(": ", FirstLine(MessageOf(*event.status)));
  if (told.more > 0) {
    message.Add(" (and ", told.more, " more in ", internal::Brief{told.in}, ")");
  }
  JournalEntry entry;
  AddMessage(entry, message);
  entry.Add("PRIORITY", static_cast<uint64_t>(kind.priority));
  entry.Add("SYSLOG_IDENTIFIER", program_);
  entry.Add("MESSAGE_ID", kind.id);
  entry.Add("ROOST_POOL", event.pool);
  entry.Add("ROOST_EVENT", kind.event);
  if (event.slot >= 0) entry.Add("ROOST_SLOT", static_cast<uint64_t>(event.slot));
  if (event.reason != CloseReason::kNone) entry.Add("ROOST_REASON", Name(event.reason));
  const Duration span = back ? told.away : event.span;
  if (span > Duration::zero()) {
    entry.Add("ROOST_SPAN_US", static_cast<uint64_t>(span / std::chrono::microseconds(1)));
  }
  if (event.where.line != 0) {
    entry.Add("CODE_FILE", event.where.file);
    entry.Add("CODE_LINE", static_cast<uint64_t>(event.where.line));
  }
  if (back) entry.Add("ROOST_TRIES", told.failed);
  if (told.more > 0) entry.Add("ROOST_MORE", told.more);
  if (told.left_out > 0) entry.Add("ROOST_LEFT_OUT", told.left_out);
  if (const uint64_t dropped = journal_.dropped(); dropped > 0) entry.Add("ROOST_DROPPED", dropped);
  if (event.status != nullptr) {
    entry.Add("ROOST_CODE", Name(event.status->code()));
    entry.Add("ROOST_STATUS", MessageOf(*event.status));
  }
  journal_.Send(entry);
}

void JournalObserver::Flush(TimePoint now) {
  for (size_t i = 0; i < kPools; ++i) {
    for (size_t k = 0; k < static_cast<size_t>(kEventKinds); ++k) {
      uint64_t more = 0;
      Duration in;
      std::string_view pool;
      {
        internal::MutexLock lock(mu_);
        if (i >= place_count_) return;
        PoolPlace& place = places_[i];
        Repeated& repeated = place.kinds[k];
        if (repeated.more == 0 || now - repeated.told < repeated.again || !TakeToken(place, now)) {
          continue;
        }
        more = std::exchange(repeated.more, 0);
        in = now - repeated.told;
        ToldAt(repeated, now);
        pool = place.name;
      }
      const JournalKind* const kind = KindOf(static_cast<EventKind>(k));
      if (kind == nullptr) continue;
      Message message("pool ");
      message.Add(pool, ": ", kind->says, ", ", more,
                  more == 1 ? " more time in " : " more times in ", internal::Brief{in});
      JournalEntry entry;
      AddMessage(entry, message);
      entry.Add("PRIORITY", static_cast<uint64_t>(kind->priority));
      entry.Add("SYSLOG_IDENTIFIER", program_);
      // The catalogue's text about the event names fields of one event.
      entry.Add("MESSAGE_ID", kKinds[kMore].id);
      entry.Add("ROOST_POOL", pool);
      entry.Add("ROOST_EVENT", kind->event);
      entry.Add("ROOST_MORE", more);
      entry.Add("ROOST_SPAN_US", static_cast<uint64_t>(in / std::chrono::microseconds(1)));
      journal_.Send(entry);
    }
  }
}

void JournalObserver::Say(Health health, std::string_view text) {
  {
    internal::MutexLock lock(mu_);
    if (said_ && health_ == health) return;
    said_ = true;
    health_ = health;
  }
  const bool bad = health == Health::kNotHealthy || health == Health::kDegraded;
  Message message(Name(health));
  if (!text.empty()) message.Add(": ", text);
  JournalEntry entry;
  AddMessage(entry, message);
  entry.Add("PRIORITY", static_cast<uint64_t>(bad ? kWarning : kInfo));
  entry.Add("SYSLOG_IDENTIFIER", program_);
  entry.Add("MESSAGE_ID", kKinds[kState].id);
  entry.Add("ROOST_STATE", Name(health));
  if (const uint64_t dropped = journal_.dropped(); dropped > 0) entry.Add("ROOST_DROPPED", dropped);
  journal_.Send(entry);
}

}  // namespace roost::telemetry
