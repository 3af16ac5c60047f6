// telemetry/journal_observer.h - a pool's events in systemd's journal, at a rate that a journal can bear.
//
// An entry tells a change: a database that goes away and comes back, a caller that timed out, a connection that was
// found broken, a lease held too long. What repeats within kAgain is counted, and the next entry, or Flush, says how
// often; what goes on repeating is told after twice as long each time, and once an hour at last. A pool has kBurst entries at once and then one in kRefill. Of what is routine, such as a connection that is
// replaced because of its age, nothing is told: a healthy hour has no entry.
//
// Each entry has a MESSAGE_ID, so that `journalctl --catalog` explains it (deploy/systemd/roostpool.catalog), and
// fields to select by: `journalctl ROOST_POOL=remote ROOST_EVENT=timeout`.
//
// Threads:  any
// Blocks:   for a lock held for microseconds, never across a write
// Memory:   some 3 KB
// Errors:   what the journal does not take is counted, and the next entry says so
#ifndef ROOST_TELEMETRY_JOURNAL_OBSERVER_H_
#define ROOST_TELEMETRY_JOURNAL_OBSERVER_H_

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "roost/internal/mutex.h"
#include "roost/observer.h"
#include "roost/status.h"
#include "telemetry/journal.h"

namespace roost::telemetry {

// What the catalogue explains.
struct JournalKind {
  const char* id;     // MESSAGE_ID
  const char* event;  // ROOST_EVENT; null: the event's own, or ROOST_STATE is there
  int priority;       // of syslog
  const char* says;   // behind the name of the pool
};
std::span<const JournalKind> JournalKinds();

class JournalObserver final : public Observer {
 public:
  static constexpr Duration kAgain = std::chrono::seconds(60);
  static constexpr Duration kAgainAtMost = std::chrono::hours(1);
  static constexpr int kBurst = 20;
  static constexpr Duration kRefill = std::chrono::seconds(1);
  static constexpr size_t kPools = 4;  // those beyond share the last place

  // `program`: SYSLOG_IDENTIFIER. `next`, if given, hears every event, too. REQUIRES: all outlive this.
  JournalObserver(JournalSocket& journal, const char* program, Observer* next = nullptr);

  void OnEvent(const Event& event) override;
  bool wants_leases() const override { return next_ != nullptr && next_->wants_leases(); }
  // Tells what was counted and not told, where its time has passed. A program calls it now and then.
  void Flush(TimePoint now);
  // Tells how the program is, if that differs from the last time.
  void Say(Health health, std::string_view text);

 private:
  // What is told of one kind of event, or counted.
  struct Repeated {
    TimePoint told = TimePoint::min();
    Duration again = kAgain;  // after `told`
    uint64_t more = 0;        // since
  };
  struct PoolPlace {
    std::string_view name{};
    bool away = false;
    TimePoint away_since{};
    absl::StatusCode away_with = absl::StatusCode::kOk;
    uint64_t failed = 0;  // opens, while it is away
    int tokens = kBurst;
    TimePoint refilled = TimePoint::min();
    uint64_t left_out = 0;  // for want of tokens
    std::array<Repeated, kEventKinds> kinds{};
  };
  // What an entry says besides the event.
  struct Told {
    bool now = false;
    uint64_t more = 0;
    Duration in{};  // the time of `more`
    uint64_t left_out = 0;
    uint64_t failed = 0;
    Duration away{};
  };

  PoolPlace& PlaceOf(std::string_view pool) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Told Decide(const Event& event);
  static void ToldAt(Repeated& repeated, TimePoint now);
  static bool TakeToken(PoolPlace& place, TimePoint now);
  void Send(const Event& event, const Told& told);

  JournalSocket& journal_;
  const char* const program_;
  Observer* const next_;
  internal::Mutex mu_;
  std::array<PoolPlace, kPools> places_ ABSL_GUARDED_BY(mu_){};
  size_t place_count_ ABSL_GUARDED_BY(mu_) = 0;
  bool said_ ABSL_GUARDED_BY(mu_) = false;
  Health health_ ABSL_GUARDED_BY(mu_) = Health::kStarting;
};

}  // namespace roost::telemetry

#endif  // ROOST_TELEMETRY_JOURNAL_OBSERVER_H_
