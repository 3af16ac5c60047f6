// pool/housekeeper.cc - the optional thread that calls Tick.

#include "roost/housekeeper.h"

#include <algorithm>
#include <array>
#include <memory>
#include <new>
#include <thread>

#include "pool/pool_state.h"

namespace roost {
namespace {

std::thread& ThreadIn(std::byte* memory) {
  static_assert(sizeof(std::thread) <= sizeof(void*));
  return *std::launder(reinterpret_cast<std::thread*>(memory));
}

}  // namespace

Housekeeper::Housekeeper(Platform* platform)
    : platform_(platform != nullptr ? *platform : NativePlatform()),
      fork_generation_(platform_.Forks().load(std::memory_order_relaxed)) {}

Housekeeper::~Housekeeper() { Stop(); }

void Housekeeper::Add(Pool& pool) {
  ROOST_CHECK(!started_, "Housekeeper::Add was called after Start");
  ROOST_CHECK(count_ < kMaxPools, "Housekeeper: more pools than kMaxPools (8)");
  pools_[static_cast<size_t>(count_++)] = &pool;
  if (event_ == -1 && pool.settings().open_by == OpenBy::kHousekeeper)
    event_ = platform_.OpenEvent();
  pool.state_->SetHousekeeper(
      {.function = [](void* keeper) { static_cast<Housekeeper*>(keeper)->Wake(); },
       .context = this});
}

void Housekeeper::Add(HousekeeperTask& task) {
  ROOST_CHECK(!started_, "Housekeeper::Add was called after Start");
  ROOST_CHECK(task_ == nullptr, "Housekeeper: a second task was added");
  task_ = &task;
  if (event_ == -1) event_ = platform_.OpenEvent();
}

void Housekeeper::Start() {
  ROOST_CHECK(!started_, "Housekeeper::Start was called twice");
  started_ = true;
  fork_generation_ = platform_.Forks().load(std::memory_order_relaxed);
  stopping_.store(false);
  new (thread_) std::thread([this] { Run(); });
}

void Housekeeper::Stop() {
  if (platform_.Forks().load(std::memory_order_relaxed) != fork_generation_) {
    // The thread does not exist here, and a pool's lock may be held by one that does not either.
    started_ = false;
    count_ = 0;
    task_ = nullptr;
    return;
  }
  stopping_.store(true);
  Wake();
  if (started_) {
    started_ = false;
    ThreadIn(thread_).join();
    std::destroy_at(&ThreadIn(thread_));
  }
  // A thread of the program's own that is inside Run still uses the pools.
  for (uint32_t inside = running_.load(); inside != 0; inside = running_.load()) {
    platform_.Wait(running_, inside, Deadline::Never());
  }
  for (int i = 0; i < count_; ++i) {
    pools_[static_cast<size_t>(i)]->state_->SetHousekeeper({});
  }
  count_ = 0;
  task_ = nullptr;
  if (event_ != -1) platform_.CloseEvent(event_);
  event_ = -1;
}

void Housekeeper::Run() {
  // Either this thread sees that Stop was called, or Stop sees this thread: all four accesses are
  // in one order.
  running_.fetch_add(1);
  Platform& platform = platform_;
  TakeTurns();
  // From here on Stop may return and this be gone.
  running_.fetch_sub(1);
  platform.Wake(&running_);
}

void Housekeeper::TakeTurns() {
  for (;;) {
    // Read before the flag and the pools are: a Wake after that ends the wait below.
    const uint32_t seen = calls_.load(std::memory_order_acquire);
    if (stopping_.load()) return;
    TimePoint next = TimePoint::max();
    for (int i = 0; i < count_; ++i) {
      next = std::min(next, pools_[static_cast<size_t>(i)]->Tick(platform_.Now()));
    }
    if (task_ != nullptr) next = std::min(next, task_->Turn(platform_.Now()));
    Sleep(seen, next);
  }
}

// Sleeps until Wake is called, a descriptor of a pool is ready, or `until`.
void Housekeeper::Sleep(uint32_t seen, TimePoint until) {
  std::array<DescriptorWait, 1 + kMaxDescriptors> waits;
  size_t count = 1;
  const auto add = [&](const auto& source) {
    const std::span<DescriptorWait> left = std::span(waits).subspan(count);
    const auto wanted = static_cast<size_t>(source.Descriptors(left));
    count += std::min(wanted, left.size());
    if (wanted > left.size()) {
      until = std::min(until, Deadline::After(platform_.Now(), kGlance).time());
    }
  };
  for (int i = 0; i < count_; ++i) add(*pools_[static_cast<size_t>(i)]);
  if (task_ != nullptr) add(*task_);
  if (count == 1 || event_ == -1 || listens_.exchange(true)) {
    // No descriptor was left for an event; or a second thread is in Run, and the first may not know of
    // all descriptors.
    if (count > 1) until = std::min(until, Deadline::After(platform_.Now(), kGlance).time());
    platform_.Wait(calls_, seen, Deadline::At(until));
    return;
  }
  waits[0] = {.fd = event_, .wanted = {.readable = true}};
  // Either this thread sees the call, or Wake sees listens_: all four accesses are in one order.
  if (calls_.load() == seen) {
    platform_.WaitForDescriptors(std::span(waits).first(count), Deadline::At(until));
  }
  // In this order: what rings for the next listener is not swallowed.
  platform_.ClearEvent(event_);
  listens_.store(false);
}

void Housekeeper::Wake() {
  calls_.fetch_add(1);
  if (listens_.load()) platform_.SignalEvent(event_);
  platform_.Wake(&calls_);
}

}  // namespace roost
