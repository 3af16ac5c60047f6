// tests/core/world.cc - the events of a World, and its state as bytes.
#include "tests/core/world.h"

#include <algorithm>

#include "core/checks.h"
#include "roost/internal/check.h"

namespace roost::core {

const char* Name(What what) {
  constexpr const char* kNames[kWhats] = {"arrive",
                                          "arrive late",
                                          "recheck",
                                          "time out",
                                          "take instead",
                                          "done ok",
                                          "done failed",
                                          "done for good",
                                          "done cut short",
                                          "done crowded",
                                          "lend from the idle stack",
                                          "return to the idle stack",
                                          "swap in the idle stack",
                                          "return unused",
                                          "return clean",
                                          "return for maintenance",
                                          "return dirty",
                                          "return broken",
                                          "detach",
                                          "hold long",
                                          "grow old",
                                          "rest long",
                                          "linger end",
                                          "maintenance",
                                          "fill",
                                          "retry time",
                                          "suspect older",
                                          "evict older",
                                          "evict all",
                                          "close evicted",
                                          "pause",
                                          "resume",
                                          "cancel",
                                          "close",
                                          "tune"};
  return kNames[static_cast<int>(what)];
}

World::World(const WorldSettings& settings) : settings_(settings) {
  core_.Init(settings_.lane, settings.lane.pool_size,
             std::span(slots_.data(), static_cast<size_t>(settings.lane.capacity())));
  stack_room_ = core_.slots().most_idle();
}

// A waiter whose own thread is inside an open.
bool World::OpensForItself(size_t caller) const {
  return callers_[caller].where == Where::kInLine &&
         std::any_of(jobs_.begin(), jobs_.end(), [caller](const Job& job) {
           return job.action.kind == ActionKind::kOpen && job.performer == static_cast<int>(caller);
         });
}

int World::FreeCaller() const {
  for (int i = 0; i < settings_.waiters; ++i) {
    if (callers_[static_cast<size_t>(i)].where == Where::kAbsent) return i;
  }
  return -1;
}

std::vector<Step> World::Possible() const {
  std::vector<Step> steps;
  const auto add = [&](What what, size_t index = 0) {
    if (Happens(what)) steps.push_back({what, static_cast<uint8_t>(index)});
  };
  if (FreeCaller() >= 0) {
    add(What::kArrive);
    add(What::kArriveLate);
  }
  for (size_t i = 0; i < callers_.size(); ++i) {
    const Caller& caller = callers_[i];
    if (caller.where != Where::kInLine || caller.node.performing) continue;
    add(What::kRecheck, i);  // also for no reason: a wait may end early
    add(What::kTimeOut, i);
  }
  for (size_t i = 0; i < callers_.size(); ++i) {
    if (callers_[i].where == Where::kInLine) add(What::kCancel, i);
    if (OpensForItself(i)) add(What::kTakeInstead, i);
  }
  const auto count = core_.slots().size();
  for (size_t i = 0; i < count; ++i) {
    const Slot& s = slots_[i];
    if (jobs_[i].action) {
      add(What::kDoneOk, i);
      if (jobs_[i].action.kind != ActionKind::kClose) add(What::kDoneFailed, i);
      if (jobs_[i].action.kind == ActionKind::kOpen) add(What::kDoneForGood, i);
      if (jobs_[i].action.kind == ActionKind::kOpen) add(What::kDoneCrowded, i);
      if (jobs_[i].action.kind == ActionKind::kPing || jobs_[i].action.kind == ActionKind::kOpen)
        add(What::kDoneCut, i);
    }
    if (s.state == SlotState::kLeased) {
      for (const What what : {What::kReturnClean, What::kReturnForMaintenance, What::kReturnDirty,
                              What::kReturnBroken, What::kDetach, What::kReturnUnused}) {
        add(what, i);
      }
    }
    if (StackTakes(static_cast<uint8_t>(i))) add(What::kFastPush, i);
    if (IsShort(s)) add(What::kHoldLong, i);
    const bool rests = s.state == SlotState::kIdle;
    if ((rests || s.state == SlotState::kLeased) && s.expires_at >= now_) add(What::kGrowOld, i);
    if (rests && s.maintained_at > TimePoint::min()) add(What::kRestLong, i);
    if (rests && s.lingers && s.linger_until > now_) add(What::kLingerEnd, i);
  }
  if (core_.FastPathAllowed()) {
    const size_t idle = IdleTopFirst().size();
    if (idle > 0) add(What::kFastPop);
    if (idle > 1) add(What::kFastSwap);
  }
  add(What::kMaintenance);
  add(What::kFill);
  if (core_.availability().retry_at() > now_) add(What::kRetryTime);
  if (core_.slots().open() > 0) {
    add(What::kSuspectOlder);
    add(What::kEvictOlder);
    add(What::kEvictAll);
    add(What::kCloseEvicted);
  }
  add(core_.paused() ? What::kResume : What::kPause);
  if (!core_.closed()) add(What::kClose);
  for (size_t i = 0; i < settings_.tunings.size(); ++i) {
    const Tuned& wish = settings_.tunings[i];
    const bool none = wish.core_size + wish.overflow == 0;
    if (!none && !core_.closed() && !(wish == Sizes())) add(What::kTune, i);
  }
  return steps;
}

void World::Take(const Step& step) {
  const uint8_t i = step.index;
  const ActionResult ok{.ok = true, .began_at = now_};
  switch (step.what) {
    case What::kArrive:
    case What::kArriveLate:
      Arrive(step.what == What::kArriveLate);
      break;
    case What::kRecheck:
      Recheck(i);
      break;
    case What::kTimeOut: {
      Waiter& node = callers_[i].node;
      const Action action = core_.ActionFor(node, now_);
      Start(action, i);
      node.may_ping = false;
      if (!action) SleepOrLeave(i);
      break;
    }
    case What::kTakeInstead:
      core_.TakeInstead(callers_[i].node, now_);
      break;
    case What::kDoneOk:
      Finish(i, ok);
      break;
    case What::kDoneFailed:
      Finish(i, {.ok = false, .began_at = now_});
      break;
    case What::kDoneForGood:
      Finish(i, {.ok = false, .permanent = true, .began_at = now_});
      break;
    case What::kDoneCut:
      Finish(i, {.ok = false, .cut_short = true, .began_at = now_});
      break;
    case What::kDoneCrowded:
      Finish(i, {.ok = false, .crowded = true, .began_at = now_});
      break;
    case What::kFastPop:
    case What::kFastPush:
    case What::kFastSwap:
      Fast(step.what, i);
      break;
    case What::kReturnUnused:
      core_.ReturnUnused(i, now_);
      break;
    case What::kReturnClean:
      Return(i, ReturnAs::kClean);
      break;
    case What::kReturnForMaintenance:
      Return(i, ReturnAs::kWantsMaintenance);
      break;
    case What::kReturnDirty:
      Return(i, ReturnAs::kDirty);
      break;
    case What::kReturnBroken:
      Return(i, ReturnAs::kBroken);
      break;
    case What::kDetach:
      core_.Detach(i, now_);
      break;
    case What::kHoldLong:
      slots_[i].leased_at = now_ - kShortHold;
      break;
    case What::kGrowOld:
      slots_[i].expires_at = now_ - Duration(1);
      break;
    case What::kRestLong:
      slots_[i].maintained_at = TimePoint::min();
      break;
    case What::kLingerEnd:
      slots_[i].linger_until = now_;
      break;
    case What::kMaintenance:
      Start(core_.NextMaintenance(now_), -1);
      break;
    case What::kFill:
      Start(core_.NextFill(settings_.lane.pool_size, now_), -1);
      break;
    case What::kRetryTime:
      now_ = core_.availability().retry_at();
      break;
    case What::kSuspectOlder:
      core_.slots().SuspectOlder(now_);
      break;
    case What::kEvictOlder:
      core_.slots().EvictOlder(now_, CloseReason::kSuspect);
      break;
    case What::kEvictAll:
      core_.slots().EvictAll(CloseReason::kInvalidated);
      break;
    case What::kCloseEvicted:
      Start(core_.NextEvicted(), -1);
      break;
    case What::kPause:
      core_.Pause();
      break;
    case What::kResume:
      core_.Resume(now_);
      break;
    case What::kCancel:
      core_.Cancel(callers_[i].node.cancel, now_);
      break;
    case What::kClose:
      core_.Close(now_);
      break;
    case What::kTune:
      Tune(settings_.tunings[i]);
      break;
  }
  Settle();
}

// What the idle stack does: see idle_stack.h. Each time the core learns of it at once.
void World::Fast(What what, uint8_t slot) {
  std::vector<uint8_t> idle = IdleTopFirst();
  uint8_t used = what == What::kFastPush ? kNoSlot : idle.front();
  if (what == What::kFastPush) idle.insert(idle.begin(), slot);
  if (what == What::kFastPop) idle.erase(idle.begin());
  if (what == What::kFastSwap) std::swap(idle[0], idle[1]);
  Reconcile(idle, used);
}

void World::Tune(const Tuned& wish) {
  settings_.lane.pool_size = wish.core_size;
  settings_.lane.max_overflow = wish.overflow;
  settings_.lane.linger = wish.linger;
  core_.Tune(wish.core_size, wish.core_size + wish.overflow, /*ages_changed=*/false, now_);
}

// A leased slot may go to the idle stack: not marked since it was lent, and a place is free.
bool World::StackTakes(uint8_t slot) const {
  const Slot& s = slots_[slot];
  const bool room = core_.slots().count(SlotState::kIdle) < stack_room_;
  return s.state == SlotState::kLeased && s.epoch == core_.slots().epoch() &&
         core_.FastPathAllowed() && room;
}

// So far a short hold, of which it matters that it is one.
bool World::IsShort(const Slot& slot) const {
  return settings_.lane.max_overtakes > 0 && slot.state == SlotState::kLeased &&
         now_ - slot.leased_at < kShortHold;
}

std::vector<uint8_t> World::IdleTopFirst() const {
  std::vector<uint8_t> idle;
  for (uint8_t slot = core_.slots().idle_top(); slot != kNoSlot; slot = slots_[slot].idle_below) {
    idle.push_back(slot);
  }
  return idle;
}

void World::Reconcile(const std::vector<uint8_t>& top_first, uint8_t used) {
  const std::vector<uint8_t> bottom_first(top_first.rbegin(), top_first.rend());
  core_.slots().Reconcile(bottom_first, used == kNoSlot ? 0 : uint64_t{1} << used, now_);
}

void World::Arrive(bool late) {
  uint8_t slot = 0;
  bool probe = false;
  if (core_.TryLend(now_, 1, {}, slot, probe)) return;
  if (core_.Admit(now_) != Refusal::kNone) return;
  const int i = FreeCaller();
  Caller& caller = callers_[static_cast<size_t>(i)];
  caller.node = Waiter{};
  caller.node.cancel = &caller;
  caller.node.may_ping = !late;
  caller.where = Where::kInLine;
  core_.queue().Enqueue(caller.node);
  const Action action = core_.ActionFor(caller.node, now_);
  Start(action, i);
  if (!action) SleepOrLeave(i);
}

void World::Recheck(int i) {
  const Action action = core_.ActionFor(callers_[static_cast<size_t>(i)].node, now_);
  Start(action, i);
  if (!action) SleepOrLeave(i);
}

// A caller without work: one whose deadline has passed does not sleep.
void World::SleepOrLeave(int i) {
  Caller& caller = callers_[static_cast<size_t>(i)];
  if (caller.node.outcome != Outcome::kWaiting) return;
  if (caller.node.may_ping) {
    core_.Sleep(caller.node, TimePoint::max());
    return;
  }
  Settle();
  core_.Remove(caller.node, now_);
  caller.where = Where::kAbsent;
}

// Delivers the core's notices, as the pool does before it frees the lock. A decided caller that is
// not at work is gone.
void World::Settle() {
  while (core_.queue().NextNotification() != nullptr) {
  }
  for (Caller& caller : callers_) {
    if (caller.where == Where::kAbsent) continue;
    if (caller.node.outcome == Outcome::kWaiting) continue;
    caller.where = caller.node.performing ? Where::kDecided : Where::kAbsent;
  }
}

void World::Start(const Action& action, int performer) {
  if (settings_.in_steps && action.kind == ActionKind::kPing && performer >= 0) {
    callers_[static_cast<size_t>(performer)].node.performing = false;
    performer = -1;
  }
  if (action) jobs_[action.slot] = {action, performer};
  const SlotTable& slots = core_.slots();
  if (action.kind == ActionKind::kOpen &&
      slots.open() + slots.count(SlotState::kOpening) > settings_.lane.capacity()) {
    opened_too_many_ = true;
  }
}

void World::Finish(int slot, const ActionResult& result) {
  const Job job = jobs_[static_cast<size_t>(slot)];
  jobs_[static_cast<size_t>(slot)] = {};
  Waiter* const performer =
      job.performer < 0 ? nullptr : &callers_[static_cast<size_t>(job.performer)].node;
  const Action next = core_.OnActionDone(job.action, result, performer, now_);
  Start(next, job.performer);
}

void World::Return(uint8_t slot, ReturnAs as) {
  Start(core_.Return(slot, as, CloseReason::kBroken, now_), -1);
}

std::string World::SlotKey(uint8_t slot) const {
  const Slot& s = slots_[slot];
  const Job& job = jobs_[slot];
  std::string key(1, static_cast<char>('a' + static_cast<int>(s.state)));
  const bool exists = s.state != SlotState::kEmpty && s.state != SlotState::kBackingOff;
  if (!exists) return key;
  key += s.evict_reason != CloseReason::kNone ? 'E' : '-';
  key += s.suspect ? 'S' : '-';
  // A leased slot that was marked is told apart from one lent after the mark.
  key += s.state == SlotState::kLeased && s.epoch != core_.slots().epoch() ? 'M' : '-';
  if (settings_.lane.max_overtakes > 0 && s.state == SlotState::kLeased) {
    key += IsShort(s) ? '-' : 'H';
    key += s.leased_at_is_upper_bound ? 'e' : '-';
  }
  // Freshness matters only where it saves a ping.
  key += s.fresh && settings_.lane.pre_ping != PrePing::kNever ? 'F' : '-';
  key += s.lingers ? (s.linger_until <= now_ ? 'L' : 'l') : '-';
  key += s.expires_at < now_ ? 'O' : '-';
  key += s.maintained_at == TimePoint::min() ? 'R' : '-';
  key += static_cast<char>('0' + static_cast<int>(job.action.kind));
  if (job.performer < 0) {
    key += '.';
  } else if (callers_[static_cast<size_t>(job.performer)].where == Where::kDecided) {
    key += '!';
  } else {
    int place = 0;
    for (const Waiter* w = core_.queue().front();
         w != &callers_[static_cast<size_t>(job.performer)].node; w = w->next) {
      ++place;
    }
    key += static_cast<char>('A' + place);
  }
  return key;
}

std::string World::Key() const {
  std::vector<std::string> parts;
  const auto count = static_cast<uint8_t>(core_.slots().size());
  uint8_t top = kNoSlot;
  for (uint8_t i = 0; i < count; ++i) {
    if (slots_[i].state != SlotState::kIdle) parts.push_back(SlotKey(i));
    if (slots_[i].state == SlotState::kIdle && slots_[i].idle_above == kNoSlot) top = i;
  }
  std::sort(parts.begin(), parts.end());
  std::string key;
  for (const std::string& part : parts) key += part + ' ';
  for (; top != kNoSlot; top = slots_[top].idle_below) key += SlotKey(top) + '>';
  key += '|';
  const bool retry = core_.availability().retry_at() > now_;
  for (const Waiter* w = core_.queue().front(); w != nullptr; w = w->next) {
    key += w->performing                                             ? 'd'
           : w->awake                                                ? 'w'
           : retry && w->wakes_at <= core_.availability().retry_at() ? 't'
                                                                     : 's';
    if (!w->may_ping) key += '\'';
    if (w->woken_to_recheck) key += 'p';
    if (w->barged > 0) key += static_cast<char>('0' + w->barged);
  }
  if (settings_.lane.max_overtakes > 0) key += static_cast<char>('0' + core_.holds().score());
  key += core_.closed() ? 'C' : '-';
  key += core_.paused() ? 'P' : '-';
  key += core_.availability().is_away() ? 'A' : '-';
  key += retry ? 'R' : '-';
  key += static_cast<char>('0' + std::min(core_.availability().failures(), 2));
  for (size_t i = 0; i < settings_.tunings.size(); ++i) {
    if (settings_.tunings[i] == Sizes()) key += static_cast<char>('0' + i);
  }
  return key;
}

int World::IdleToStay() const {
  int count = 0;
  for (const uint8_t slot : IdleTopFirst()) {
    if (slots_[slot].evict_reason == CloseReason::kNone) ++count;
  }
  return count;
}

// A waiter sleeps that is short of a connection, which its own thread could open.
bool World::MayOpenForASleeper() const {
  const SlotTable& slots = core_.slots();
  const bool is_short = core_.queue().length() > slots.coming();
  const bool sleeps = std::ranges::any_of(callers_, [](const Caller& caller) {
    return caller.where == Where::kInLine && !caller.node.awake;
  });
  return is_short && sleeps && slots.count(SlotState::kIdle) == 0 && HasRoom(slots) &&
         core_.availability().retry_at() <= now_ && settings_.lane.open_by == OpenBy::kCaller &&
         slots.count(SlotState::kOpening) <
             MostOpens(settings_.lane, core_.availability().failures());
}

const char* World::Wrong() const {
  if (const char* broken = core_.CheckInvariants()) return broken;
  if (opened_too_many_) return "an open began above the limit in force";
  if (settings_.lane.linger == Duration::zero() &&
      IdleToStay() > std::max(settings_.lane.pool_size, 1)) {
    return "more idle slots than are kept, and nothing lingers";
  }
  if (core_.queue().front() == nullptr || core_.paused()) return nullptr;
  if (core_.closed()) return "somebody waits in a closed lane";
  if (MayOpenForASleeper() && !core_.queue().SomeoneWillCheck(now_)) {
    return "one more connection may be opened, and no waiter is about to do it";
  }
  // A caller waits. Then another thread must be on the way to end that: a worker, a holder, a waiter
  // that is awake or will wake for the retry, or the housekeeper that was told when to come.
  for (size_t i = 0; i < core_.slots().size(); ++i) {
    if (jobs_[i].action || slots_[i].state == SlotState::kLeased) return nullptr;
  }
  for (const Waiter* w = core_.queue().front(); w != nullptr; w = w->next) {
    if (w->awake || w->wakes_at < TimePoint::max()) return nullptr;
  }
  if (settings_.lane.open_by == OpenBy::kHousekeeper && core_.NextDue() < TimePoint::max()) {
    return nullptr;
  }
  return "a waiter is forgotten: nothing is under way that would end its wait";
}

}  // namespace roost::core
