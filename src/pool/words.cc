// words.cc - the words of roost/internal/fast_lane.h: closing them, opening them, and what does not
// fit in a header.

#include <algorithm>

#include "pool/pool_state.h"

namespace roost::internal {
namespace {

int64_t Nanoseconds(TimePoint at) { return at.time_since_epoch().count(); }

}  // namespace

// ---- A lane of more slots than a word holds -----------------------------------------------------

FastSlot* TakeIdleLinked(FastLane& lane) {
  // Acquire, here and where the swap fails: what the top slot says is below it has to be as new as
  // the word that makes it the top.
  Linked::Word word = lane.linked_word.load(std::memory_order_acquire);
  Linked::Word rest = 0;
  do {
    if (Linked::HasNone(word)) return nullptr;
    rest = Linked::Pop(word, lane.slots[Linked::Top(word)].below.load(std::memory_order_relaxed));
  } while (!lane.linked_word.compare_exchange_weak(word, rest, std::memory_order_acquire,
                                                   std::memory_order_acquire));
  return &lane.slots[Linked::Top(word)];
}

bool RestLinked(FastLane& lane, FastSlot& slot) {
  if (slot.epoch != lane.epoch.load(std::memory_order_relaxed)) return false;
  slot.holder.store(0, std::memory_order_relaxed);
  Linked::Word word = lane.linked_word.load(std::memory_order_relaxed);
  do {
    if (Linked::AtLeast(word, lane.linked_full)) return false;
    // Before the swap, which releases it.
    slot.below.store(Linked::Below(word), std::memory_order_relaxed);
  } while (!lane.linked_word.compare_exchange_weak(
      word, Linked::Push(word, slot.number), std::memory_order_release, std::memory_order_relaxed));
  return true;
}

bool PoolState::Claim(FastSlot& slot, Deadline not_after, SourceLine where) {
  const size_t lane = LaneOf(Number(slot));
  const int new_peak = slot.new_peak;
  if (new_peak != 0) {
    MutexLock lock(mu_);
    Prepare(lane, slot.number);
  }
  if (!IsGood(fast_[lane], slot, not_after) && !LookAgain(slot)) return false;
  Sign(slot, where);
  if (new_peak != 0) {
    MutexLock lock(mu_);
    peak_[lane] = std::max(peak_[lane], new_peak);
  }
  return true;
}

// By the coarse clock. False: the core has it back.
bool PoolState::LookAgain(FastSlot& slot) {
  const size_t lane = LaneOf(Number(slot));
  if (slot.epoch == fast_[lane].epoch.load(std::memory_order_relaxed) &&
      Nanoseconds(platform_.CoarseNow()) < slot.good_from + static_cast<int64_t>(slot.good_for)) {
    return true;
  }
  Wakes wakes;
  {
    Monitor monitor(mu_, *this, Only(lane));
    const TimePoint now = platform_.Now();
    lanes_[lane].PutBack(slot.number, now);
    Collect(lane, wakes);
  }
  Deliver(wakes);
  // Close has closed what was at rest then, and waits for this one; or others came to rest meanwhile.
  CloseEvicted(lane);
  return false;
}

// ---- Under the lock -----------------------------------------------------------------------------

void PoolState::CloseWords(unsigned lanes) {
  for (size_t lane = 0; lane < 2; ++lane) {
    if ((lanes & Only(lane)) != 0 && word_is_open_[lane]) CloseWord(lane);
  }
}

void PoolState::OpenWords(unsigned lanes) {
  for (size_t lane = 0; lane < 2; ++lane) {
    if ((lanes & Only(lane)) == 0) continue;
    peak_[lane] = std::max(peak_[lane], lanes_[lane].count(core::SlotState::kLeased));
    if (words_ && !lanes_[lane].slots().empty() && lanes_[lane].Undisturbed()) OpenWord(lane);
  }
}

size_t PoolState::TakeFromWord(size_t lane, std::span<uint8_t> slots) {
  FastLane& fast = fast_[lane];
  size_t count = 0;
  if (!fast.linked) {
    // Acquire: what the holders wrote before they returned.
    InWord::Word word = fast.word.exchange(InWord::kClosed, std::memory_order_acquire);
    for (; !InWord::HasNone(word); word = InWord::Pop(word)) slots[count++] = InWord::Top(word);
    return count;
  }
  const Linked::Word word = fast.linked_word.exchange(Linked::kClosed, std::memory_order_acquire);
  last_word_[lane] = word;
  for (uint8_t top = Linked::Below(word); top != Linked::kBottom;
       top = fast.slots[top - 1].below.load(std::memory_order_relaxed)) {
    slots[count++] = static_cast<uint8_t>(top - 1);
  }
  return count;
}

void PoolState::CloseWord(size_t lane) {
  std::array<uint8_t, Linked::kMaxSlots> buffer;
  core::LaneCore& core = lanes_[lane];
  const size_t count = TakeFromWord(lane, buffer);
  word_is_open_[lane] = false;
  const TimePoint now = platform_.Now();
  core.BeginResync();
  for (size_t i = count; i-- > 0;) core.AtRest(buffer[i], NoteLeases(lane, buffer[i]), now);
  NoteHolders(lane, now);
  core.EndResync();
}

// Whose lease each one is, for the core. Also of slots that were taken out of the word before it was
// closed, and signed after that.
void PoolState::NoteHolders(size_t lane, TimePoint now) {
  for (size_t i = 0; i < lanes_[lane].slots().size(); ++i) {
    const auto slot = static_cast<uint8_t>(i);
    if (lanes_[lane].WasOut(slot)) NoteHolder(lane, slot, now);
  }
}

void PoolState::NoteHolder(size_t lane, uint8_t slot, TimePoint now) {
  const FastSlot& fast = fast_[lane].slots[slot];
  const bool anew = NoteLeases(lane, slot);
  lanes_[lane].IsLent(
      slot, anew, fast.holder.load(std::memory_order_relaxed),
      {fast.file.load(std::memory_order_relaxed), fast.line.load(std::memory_order_relaxed)}, now);
}

// Counts the leases given through the word since the last look. True: there were some. Counts right
// if there were fewer than 2^32.
bool PoolState::NoteLeases(size_t lane, uint8_t slot) {
  // Acquire: who sees the count sees whose lease it is, or a later one.
  const uint32_t leases = fast_[lane].slots[slot].leases.load(std::memory_order_acquire);
  uint32_t& seen = At(Global(lane, slot)).leases;
  const uint32_t more = leases - seen;
  seen = leases;
  stats_.checkouts += more;
  stats_.wait.Add(Duration::zero(), more);
  return more != 0;
}

// What has to be known of a slot to lend it without the core.
void PoolState::Prepare(size_t lane, uint8_t slot) {
  const core::Slot& s = lanes_[lane].slots()[slot];
  FastSlot& fast = fast_[lane].slots[slot];
  const TimePoint until =
      std::min(core::Later(s.expires, Duration(1)), core::Later(s.looked, settings_.ping_after));
  fast.good_from = Nanoseconds(s.rested);
  fast.good_for = until > s.rested ? static_cast<uint64_t>((until - s.rested).count()) : 0;
  fast.new_peak = 0;
}

void PoolState::OpenWord(size_t lane) {
  std::array<uint8_t, Linked::kMaxSlots> buffer;
  const core::LaneCore& core = lanes_[lane];
  size_t count = 0;
  for (uint8_t slot = core.idle_top(); slot != core::kNoSlot;
       slot = core.slots()[slot].idle_below) {
    buffer[count++] = slot;
  }
  // Nothing but lending and returning happens while the word is open. So whoever takes one of the
  // lowest `spare` slots makes more leases at a time than there ever were, and nothing but that
  // changes which slots are the lowest.
  const int existing = core.count(core::SlotState::kIdle) + core.count(core::SlotState::kLeased);
  const auto spare = static_cast<size_t>(std::max(0, existing - peak_[lane]));
  FastLane& fast = fast_[lane];
  for (size_t i = 0; i < count; ++i) {
    FastSlot& slot = fast.slots[buffer[i]];
    Prepare(lane, slot.number);
    slot.epoch = core.epoch();
    const size_t below = count - 1 - i;
    if (below >= spare) continue;
    slot.new_peak = static_cast<uint8_t>(static_cast<size_t>(existing) - below);
    slot.good_for = 0;
  }
  fast.epoch.store(core.epoch(), std::memory_order_relaxed);
  word_is_open_[lane] = true;
  GiveToWord(lane, std::span(buffer.data(), count));
}

void PoolState::GiveToWord(size_t lane, std::span<const uint8_t> slots) {
  FastLane& fast = fast_[lane];
  if (!fast.linked) {
    InWord::Word word = InWord::kEmpty;
    for (size_t i = slots.size(); i-- > 0;) word = InWord::Push(word, slots[i]);
    // Release: what was written to the slots and the lane while the core had them.
    fast.word.store(word, std::memory_order_release);
    return;
  }
  Linked::Word word = Linked::Reopened(last_word_[lane]);
  for (size_t i = slots.size(); i-- > 0;) {
    fast.slots[slots[i]].below.store(Linked::Below(word), std::memory_order_relaxed);
    word = Linked::Push(word, slots[i]);
  }
  fast.linked_word.store(word, std::memory_order_release);
}

bool PoolState::HoldsSomething() const {
  return std::any_of(fast_slots_.begin(), fast_slots_.end(), [](const FastSlot& slot) {
    return slot.holder.load(std::memory_order_relaxed) == ThisThread();
  });
}

}  // namespace roost::internal
