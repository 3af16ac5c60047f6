// pool/lane.cc - joins a lane's idle stack with its core; tells waiters.

#include "pool/lane.h"

#include <algorithm>
#include <optional>

#include "core/checks.h"
#include "roost/internal/connection_access.h"

namespace roost::internal {
namespace {

int64_t Nanoseconds(TimePoint at) { return at.time_since_epoch().count(); }

// A lease needs neither a ping nor a clock.
bool LendsWithoutClock(const PoolSettings& settings) {
  return settings.pre_ping == PrePing::kNever && settings.ping_after > Duration::zero();
}

}  // namespace

// ---- Lane ---------------------------------------------------------------------------------------

// No other thread knows the lane yet.
void Lane::Init(const PoolConfig& config, Recorder& recorder, PoolState& owner, Role role,
                int core_size, std::span<core::Slot> slots,
                int first_slot) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  config_ = &config;
  recorder_ = &recorder;
  role_ = role;
  slots_ = slots;
  pool = &owner;
  first = static_cast<uint8_t>(first_slot);
  const PoolSettings& settings = config.settings.get();
  has_stack_ = !recorder.watches_leases() && config.acquire_observer == nullptr && !slots.empty() &&
               slots.size() <= SlotStack::kMaxSlots;
  times_leases_ = has_stack_ && settings.hold_times;
  fast_path_enabled_.store(has_stack_ && LendsWithoutClock(settings), std::memory_order_relaxed);
  for (size_t i = 0; i < slots.size(); ++i) slots[i].number = static_cast<uint8_t>(i);
  core_.Init(settings, core_size, slots);
  idle.Init(slots.data(), has_stack_ ? core_.slots().most_idle() : 0);
}

// Called with the stack closed. The guard's end opens it, if it may be open with these settings.
void Lane::Tune(int core_size, int limit, bool ages_changed, TimePoint now) {
  fast_path_enabled_.store(has_stack_ && LendsWithoutClock(config_->settings.get()),
                           std::memory_order_relaxed);
  core_.Tune(core_size, limit, ages_changed, now);
}

bool Lane::MayBeOwner(uintptr_t thread) const {
  return std::any_of(slots_.begin(), slots_.end(), [thread](const core::Slot& slot) {
    return slot.owner.load(std::memory_order_relaxed) == thread;
  });
}

bool Lane::IsCurrentByClock(const SlotHead& slot) const {
  return idle.IsCurrent(slot) && Nanoseconds(config_->platform.CoarseNow()) <
                                     slot.good_from + static_cast<int64_t>(slot.good_for);
}

void Lane::AbandonConnections() {
  for (core::Slot& slot : slots_) ConnectionAccess::AbandonAndDestroy(slot.connection);
}

void Lane::PrepareReturn(uint8_t slot) {
  if (!has_stack_) return;
  leases_seen_[slot] = slots_[slot].LeasesSoFar();
  PrepareToLend(slot);
  if (times_leases_) ChooseNextTimed(slots_[slot]);
}

void Lane::BeginTimed(SlotHead& slot, SourceLine where, TimePoint now) {
  core::Slot& s = slots_[slot.number];
  RecordOwner(s, NumberThisThread(), where, s.LeasesSoFar());
  leases_seen_[s.number] = s.LeasesSoFar();
  recorder_->CountFastCheckouts(1);
  holds_.End(s.number, recorder_->hold());  // the one before
  s.leased_at = now;
  s.leased_at_is_upper_bound = s.leak_reported = false;
  ChooseNextTimed(s);
}

void Lane::ReturnUnused(uint8_t slot, TimePoint now) {
  if (times_leases_) holds_.End(slot, recorder_->hold());  // the one before
  core_.ReturnUnused(slot, now);
}

void Lane::ChooseNextTimed(core::Slot& s) {
  // Without a generator of its own: what was drawn at the open, and the number of the lease.
  const uint32_t leases = s.LeasesSoFar();
  const uint32_t chance = core::Scramble(leases ^ core::RandomOf(s));
  const uint8_t next = holds_.UntilNext(s.number, leases, chance, s.leased_at);
  s.timed_next = static_cast<uint8_t>(leases + next - 1);
  // Not the lane's, now and in this lease's life.
  s.epoch = ~core_.slots().epoch();
}

Duration Lane::HeldAtReturn(uint8_t slot, Duration held) {
  return times_leases_ ? holds_.Return(slot, held, !slots_[slot].leased_at_is_upper_bound) : held;
}

void Lane::SeeHeld(const core::Slot& s, TimePoint now) {
  // Without an owner it may have come back, and be taken anew without a record of it yet.
  const bool is_out = s.owner.load(std::memory_order_relaxed) != 0;
  if (times_leases_ && is_out && s.leased_at_is_upper_bound) {
    holds_.See(s.number, now - s.leased_at);
  }
}

bool Lane::CountFastLeases(uint8_t slot) {
  if (!has_stack_) return false;
  // Acquire: a thread that sees the count sees the lease's owner, or a later one.
  const uint32_t leases = slots_[slot].leases.load(std::memory_order_acquire);
  const uint32_t more = leases - leases_seen_[slot];
  leases_seen_[slot] = leases;
  recorder_->CountFastCheckouts(more);
  if (times_leases_) holds_.Begin(slot, more, recorder_->hold());
  return more != 0;
}

void Lane::ReportFastLeases(TimePoint now) {
  if (!has_stack_) return;
  for (const core::Slot& s : slots_) {
    if (s.state != core::SlotState::kLeased) continue;
    if (CountFastLeases(s.number)) {
      core_.slots().RecordFastLease(s.number, now);
    } else {
      SeeHeld(s, now);
    }
  }
}

void Lane::PrepareToLend(uint8_t slot) {
  core::Slot& s = slots_[slot];
  const TimePoint until = std::min(core::Later(s.expires_at, Duration(1)),
                                   core::Later(s.verified_at, config_->settings.get().ping_after));
  s.good_from = Nanoseconds(s.idle_since);
  s.good_for = until > s.idle_since ? static_cast<uint64_t>((until - s.idle_since).count()) : 0;
  s.new_peak = 0;
}

void Lane::CloseFastPath() {
  if (!fast_path_open_) return;
  fast_path_open_ = false;
  std::array<uint8_t, SlotStack::kMaxSlots> buffer;
  size_t count = 0;
  for (SlotStack::Value stack = idle.Close(); !SlotStack::HasNone(stack);
       stack = SlotStack::Pop(stack)) {
    buffer[count++] = SlotStack::Top(stack);
  }
  std::reverse(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(count));
  looked_at_ = config_->platform.Now();
  uint64_t used = 0;
  for (const core::Slot& s : slots_) {
    if (CountFastLeases(s.number)) {
      used |= uint64_t{1} << s.number;
    } else if (s.state == core::SlotState::kLeased) {
      SeeHeld(s, looked_at_);
    }
  }
  const std::span on_stack(buffer.data(), count);
  if (times_leases_) {
    for (const uint8_t slot : on_stack) holds_.End(slot, recorder_->hold());
  }
  core_.slots().Reconcile(on_stack, used, looked_at_);
}

void Lane::OpenFastPath() {
  const core::SlotTable& table = core_.slots();
  RecordPeak(table.count(core::SlotState::kLeased));
  if (!fast_path_enabled() || !core_.FastPathAllowed()) return;
  std::array<uint8_t, SlotStack::kMaxSlots> buffer;
  size_t count = 0;
  for (uint8_t slot = table.idle_top(); slot != core::kNoSlot; slot = table[slot].idle_below) {
    buffer[count++] = slot;
  }
  std::reverse(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(count));
  // Nothing but lending and returning happens while the stack is open. So a thread that takes one
  // of the lowest `spare` slots makes more leases at a time than there ever were, and nothing but
  // that changes which slots are the lowest.
  const int existing = table.count(core::SlotState::kIdle) + table.count(core::SlotState::kLeased);
  const auto spare = static_cast<size_t>(std::max(0, existing - peak_));
  for (size_t depth = 0; depth < count; ++depth) {
    core::Slot& s = slots_[buffer[depth]];
    PrepareToLend(s.number);
    s.epoch = table.epoch();
    if (times_leases_ && holds_.IsDue(s.number, looked_at_)) {
      s.timed_next = static_cast<uint8_t>(s.LeasesSoFar());
    }
    if (depth >= spare) continue;
    s.new_peak = static_cast<uint8_t>(static_cast<size_t>(existing) - depth);
    s.good_for = 0;
  }
  fast_path_open_ = true;
  idle.Open(std::span(buffer.data(), count), table.epoch());
}

bool Lane::NeedsNoOpen(PoolWaiter& waiter, bool may_take, TimePoint now) {
  return waiter.outcome != core::Outcome::kWaiting || (may_take && core_.TakeInstead(waiter, now));
}

void Lane::Notify(WakeList& wakes, Waker& housekeeper) {
  while (core::Waiter* const node = core_.queue().NextNotification()) {
    auto* const waiter = static_cast<PoolWaiter*>(node);
    const bool decided = waiter->outcome != core::Outcome::kWaiting;
    if (waiter->outcome == core::Outcome::kGranted) {
      PrepareReturn(waiter->slot);
      if (waiter->probe) {
        slots_[waiter->slot].probing = true;
      } else {
        recorder_->CountCheckout(config_->platform.Now() - waiter->since, waiter->has_slept,
                                 waiter->handed_off);
      }
    }
    // A waiter whose thread runs takes the lock before it sleeps, and sees its outcome then.
    std::optional<WakeList::Target> target;
    if (waiter->must_be_woken) target = WakeList::TargetOf(waiter->word, waiter->waker);
    waiter->must_be_woken = false;
    // Release: the owner reads the outcome without the lock. The last access to a decided node.
    waiter->word.store(decided ? PoolWaiter::kDecided : PoolWaiter::kRecheck,
                       std::memory_order_release);
    if (target.has_value()) wakes.Add(*target);
  }
  if (core_.queue().TakeHousekeeperNotification()) wakes.Add(housekeeper);
}

// ---- Lanes --------------------------------------------------------------------------------------

Lanes::Lanes(const PoolConfig& config, Recorder& recorder, PoolState& owner,
             std::span<core::Slot> slots, WakeCallback on_work)
    : config_(config), housekeeper_(on_work) {
  const PoolSettings& settings = config.settings.constants();
  const core::LaneSplit split =
      core::SplitLanes(config.backend.lanes(), settings.pool_size, settings.max_overflow);
  count_ = static_cast<size_t>(split.lanes);
  reader_ = count_ - 1;
  size_t first = 0;
  for (size_t i = 0; i < lanes_.size(); ++i) {
    const int count = split.core_size[i] + split.overflow[i];
    const auto size = static_cast<size_t>(count);
    lanes_[i].Init(config, recorder, owner, split.role[i], split.core_size[i],
                   slots.subspan(first, size), static_cast<int>(first));
    first += size;
  }
}

bool Lanes::MayBeOwner(uintptr_t thread) const {
  return lanes_[0].MayBeOwner(thread) || lanes_[1].MayBeOwner(thread);
}

int Lanes::waiting() const {
  return lanes_[0].core().queue().length() + lanes_[1].core().queue().length();
}

int Lanes::leased() const {
  return lanes_[0].core().slots().count(core::SlotState::kLeased) +
         lanes_[1].core().slots().count(core::SlotState::kLeased);
}

int Lanes::limit() const {
  return lanes_[0].core().slots().limit() + lanes_[1].core().slots().limit();
}

bool Lanes::is_drained() const {
  return lanes_[0].core().slots().is_drained() && lanes_[1].core().slots().is_drained();
}

void Lanes::MarkSiblings(FaultScope scope, TimePoint now) {
  for (Lane& lane : lanes_) {
    core::SlotTable& slots = lane.core().slots();
    if (scope == FaultScope::kConnectionSuspectOlder) slots.SuspectOlder(now);
    if (scope == FaultScope::kAllOlder) slots.EvictOlder(now, CloseReason::kSuspect);
  }
}

// The lanes are those of the profile, also where other sizes would make another number of them.
void Lanes::Tune(bool ages_changed) {
  const PoolSettings& settings = config_.settings.get();
  const core::LaneSplit split =
      core::SplitLanes(config_.backend.lanes(), settings.pool_size, settings.max_overflow);
  const TimePoint now = config_.platform.Now();
  for (size_t i = 0; i < count_; ++i) {
    lanes_[i].Tune(split.core_size[i], split.core_size[i] + split.overflow[i], ages_changed, now);
  }
}

void Lanes::WakeCloserIfDrained(WakeList& wakes) {
  if (!is_closed() || !is_drained()) return;
  drained_.fetch_add(1, std::memory_order_release);
  wakes.Add(drained_);
}

}  // namespace roost::internal
