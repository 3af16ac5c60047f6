// pool_state.cc - how a pool is put together and taken apart.

#include "pool/pool_state.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#include "base/duration.h"
#include "base/text.h"

namespace roost::internal {
namespace {

core::LaneSettings LaneSettingsOf(const PoolSettings& s, int kept, int overflow) {
  return core::LaneSettings{
      .kept = kept,
      .overflow = overflow,
      .max_waiters = s.max_waiters,
      .max_overtakes = s.max_overtakes,
      .pre_ping = s.pre_ping,
      .open_by = s.open_by,
      .when_away = s.when_away,
      .pool_recycle = s.pool_recycle,
      .ping_after = s.ping_after,
      .keep_alive = s.keep_alive,
      .idle_limit = s.idle_limit,
      .linger = s.linger,
      .backoff_min = s.backoff_min,
      .backoff_max = s.backoff_max,
  };
}

// The shortest of the periods by which things at rest fall due; zero: none do.
Duration ShortestPeriod(const PoolSettings& s) {
  Duration shortest = Duration::max();
  for (const Duration d :
       {s.keep_alive, s.idle_limit, s.linger, s.leak_after, s.pool_recycle - s.pool_recycle / 10}) {
    if (d > Duration::zero()) shortest = std::min(shortest, d);
  }
  return shortest == Duration::max() ? Duration::zero() : shortest;
}

absl::Status Refusal(absl::StatusCode code, std::initializer_list<std::string_view> pieces) {
  std::string text;
  for (const std::string_view piece : pieces) text.append(piece);
  return {code, text};
}

// The parts of the slots share the slot storage.
FastSlot* FastSlotsIn(const PoolMemoryView& memory) {
  return reinterpret_cast<FastSlot*>(memory.slots);
}
core::Slot* SlotsIn(const PoolMemoryView& memory) {
  return reinterpret_cast<core::Slot*>(FastSlotsIn(memory) + memory.capacity);
}
SlotConnection* ConnectionsIn(const PoolMemoryView& memory) {
  return reinterpret_cast<SlotConnection*>(SlotsIn(memory) + memory.capacity);
}

static_assert(sizeof(FastSlot) + sizeof(core::Slot) + sizeof(SlotConnection) <= kSlotBytes,
              "kSlotBytes in pool_memory.h is too small for a slot");
static_assert(sizeof(FastSlot) == 64 && sizeof(FastLane) == 64, "more than a cache line");
static_assert(alignof(PoolState) <= 64 && alignof(FastSlot) % alignof(core::Slot) == 0);
static_assert(sizeof(PoolState) <= kPoolStateBytes,
              "kPoolStateBytes in pool_memory.h is too small for PoolState");
static_assert(sizeof(core::Slot) % alignof(SlotConnection) == 0);

}  // namespace

PoolState::PoolState(Backend& backend, const PoolSettings& settings, const PoolOptions& options,
                     const PoolMemoryView& memory)
    : backend_(backend),
      platform_(options.platform != nullptr ? *options.platform : NativePlatform()),
      settings_(settings),
      name_(options.name),
      echo_(options.observer),
      observer_(settings.echo_pool ? &echo_ : options.observer),
      on_work_(options.on_work),
      words_(settings.pre_ping == PrePing::kNever && settings.ping_after > Duration::zero() &&
             !settings.hold_times && observer_ == nullptr),
      shortest_period_(ShortestPeriod(settings)),
      connection_bytes_(memory.connection_bytes),
      work_waker_(options.on_work) {
  ROOST_CHECK(backend.ConnectionBytes(settings.statements) <= memory.connection_bytes,
              "the backend needs more memory for a connection than a slot has "
              "(kConnectionBytes in roost/internal/pool_memory.h)");
  forks = &platform_.Forks();
  fork_generation = forks->load(std::memory_order_relaxed);
  MakeRefusals();

  const auto capacity = static_cast<size_t>(memory.capacity);
  fast_slots_ = std::span(FastSlotsIn(memory), capacity);
  std::uninitialized_value_construct_n(fast_slots_.data(), capacity);
  core::Slot* const slots = SlotsIn(memory);
  std::uninitialized_value_construct_n(slots, capacity);
  connections_ = std::span(ConnectionsIn(memory), capacity);
  std::uninitialized_value_construct_n(connections_.data(), capacity);
  for (size_t i = 0; i < capacity; ++i) {
    connections_[i].memory = memory.connections + i * memory.connection_bytes;
  }

  const core::LaneSplit split =
      core::SplitLanes(backend.lanes(), settings.pool_size, settings.max_overflow);
  lane_count_ = split.lanes;
  role_ = {split.role[0], split.role[1]};
  MutexLock lock(mu_);
  suspended_ = platform_.Suspended();
  for (size_t lane = 0; lane < 2; ++lane) {
    const int count = split.kept[lane] + split.overflow[lane];
    lanes_[lane].Init(LaneSettingsOf(settings, split.kept[lane], split.overflow[lane]),
                      std::span(slots + lane_base_[lane], static_cast<size_t>(count)));
    MakeFastLane(lane, count, settings.linger > Duration::zero() ? count : split.kept[lane]);
    lane_base_[lane + 1] = lane_base_[lane] + count;
  }
  lane_for[static_cast<size_t>(Intent::kWrite)] = &fast_[LaneFor(Intent::kWrite)];
  lane_for[static_cast<size_t>(Intent::kRead)] = &fast_[LaneFor(Intent::kRead)];
  stats_.pool_size = settings.pool_size;
  stats_.max_overflow = settings.max_overflow;
  stats_.capacity = settings.capacity();
}

// Copied when they are needed: a refusal then takes no memory.
void PoolState::MakeRefusals() {
  using enum absl::StatusCode;
  std::array<char, 96> limit_buffer;
  Text limit(limit_buffer);
  limit.Add("QueuePool limit of size ", settings_.pool_size, " overflow ", settings_.max_overflow,
            " reached, ");
  std::array<char, 32> timeout_buffer;
  Text timeout(timeout_buffer);
  timeout.Add(Seconds{settings_.pool_timeout});
  timeout_default_ =
      Refusal(kDeadlineExceeded, {limit.view(), "connection timed out, timeout ", timeout.view()});
  timeout_deadline_ =
      Refusal(kDeadlineExceeded, {limit.view(), "connection timed out at the caller's deadline"});
  nothing_free_ = Refusal(kDeadlineExceeded, {limit.view(), "and TryAcquire does not wait"});

  std::array<char, 16> waiters_buffer;
  Text waiters(waiters_buffer);
  waiters.Add(settings_.max_waiters);
  const auto named = [this](absl::StatusCode code, std::string_view number,
                            std::string_view words) {
    return Refusal(code, {"pool '", name_, "': ", number, words});
  };
  full_ = named(kResourceExhausted, waiters.view(),
                " callers stand in line already (kMaxWaiters); shed load");
  dying_ = named(kUnavailable, "",
                 "connection after connection was dead when it was looked at; retry later");
  fill_late_ = named(kDeadlineExceeded, "",
                     "Fill ended before as many connections were open: its deadline passed, or the "
                     "pool is paused");
  closed_ = named(kFailedPrecondition, "", "is closed");
  forked_ = named(kFailedPrecondition, "",
                  "was made before fork() and cannot be used in the child; let the child exec, or "
                  "fork before the pool is made");
  nested_ = named(kFailedPrecondition, "",
                  "this thread holds a lease, and every connection is held by threads that wait: "
                  "one more wait could only deadlock; return the lease first, or take a larger "
                  "pool_size");
  cancelled_ = named(kCancelled, "", "the caller cancelled");
  still_out_ = named(kDeadlineExceeded, "",
                     "leases are still out at the deadline of Close; they are closed when they "
                     "return");
}

// `room`: how many may rest in the word; what comes above that is closed at its return.
void PoolState::MakeFastLane(size_t lane, int slots, int room) {
  FastLane& fast = fast_[lane];
  fast.pool = this;
  fast.first = static_cast<uint8_t>(lane_base_[lane]);
  fast.slots = fast_slots_.data() + lane_base_[lane];
  fast.linked = slots > InWord::kMaxSlots;
  fast.full = InWord::OfDepth(std::min(room, InWord::kMaxSlots));
  fast.linked_full = Linked::OfDepth(room);
  for (int slot = 0; slot < slots; ++slot) {
    fast.slots[slot].number = static_cast<uint8_t>(slot);
  }
}

PoolState::~PoolState() {
  if (Forked()) {
    // What the parent opened is the parent's to close. The lock may be held by a thread that does
    // not exist here; nobody else does either.
    for (FastSlot& slot : fast_slots_) Abandon(slot);
    return;
  }
  Close(Deadline::Past()).IgnoreError();
  Monitor monitor(mu_, *this, kBothLanes);
  if (Drained()) return;
  std::array<char, 256> buffer;
  Text text(buffer);
  text.Add("pool '", name_, "' was destroyed while a lease is out");
  for (const core::LaneCore& lane : lanes_) {
    for (const core::Slot& s : lane.slots()) {
      if (s.state != core::SlotState::kLeased) continue;
      text.Add(" (taken at ", s.where.file, ":", s.where.line, ")");
    }
  }
  Misuse(buffer.data());
}

bool PoolState::LockIsFree() const {
  if (!mu_.TryLock()) return false;
  mu_.Unlock();
  return true;
}

const char* PoolState::CheckInvariants() {
  Monitor monitor(mu_, *this, kBothLanes);
  for (const core::LaneCore& lane : lanes_) {
    if (const char* broken = lane.CheckInvariants()) return broken;
  }
  return nullptr;
}

}  // namespace roost::internal
