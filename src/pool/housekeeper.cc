// housekeeper.cc - the optional thread that calls Tick.

#include "roost/housekeeper.h"

#include <algorithm>
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
      fork_generation_(platform_.ForkGeneration()) {}

Housekeeper::~Housekeeper() { Stop(); }

void Housekeeper::Add(Pool& pool) {
  ROOST_CHECK(!started_, "Housekeeper::Add was called after Start");
  ROOST_CHECK(count_ < kMaxPools, "Housekeeper: more pools than kMaxPools (8)");
  pools_[static_cast<size_t>(count_++)] = &pool;
  pool.state_->SetHousekeeper(this);
}

void Housekeeper::Start() {
  ROOST_CHECK(!started_, "Housekeeper::Start was called twice");
  started_ = true;
  fork_generation_ = platform_.ForkGeneration();
  stopping_.store(false);
  new (thread_) std::thread([this] { Run(); });
}

void Housekeeper::Stop() {
  if (platform_.ForkGeneration() != fork_generation_) {
    // The thread does not exist here, and a pool's lock may be held by one that does not either.
    started_ = false;
    count_ = 0;
    return;
  }
  stopping_.store(true);
  Wake();
  if (started_) {
    started_ = false;
    ThreadIn(thread_).join();
    std::destroy_at(&ThreadIn(thread_));
  }
  // A thread of the program's own that is inside Run still looks at the pools.
  for (uint32_t inside = running_.load(); inside != 0; inside = running_.load()) {
    platform_.Wait(running_, inside, Deadline::Never());
  }
  for (int i = 0; i < count_; ++i) pools_[static_cast<size_t>(i)]->state_->SetHousekeeper(nullptr);
  count_ = 0;
}

void Housekeeper::Run() {
  // Either this sees that Stop was called, or Stop sees this: all four accesses are in one order.
  running_.fetch_add(1);
  Platform& platform = platform_;
  TakeTurns();
  // From here on Stop may return and this be gone.
  running_.fetch_sub(1);
  platform.Wake(&running_);
}

void Housekeeper::TakeTurns() {
  for (;;) {
    // Read before the look at the flag and the pools: a Wake after it ends the wait below.
    const uint32_t seen = calls_.load(std::memory_order_acquire);
    if (stopping_.load()) return;
    TimePoint next = TimePoint::max();
    for (int i = 0; i < count_; ++i) {
      next = std::min(next, pools_[static_cast<size_t>(i)]->Tick(platform_.Now()));
    }
    platform_.Wait(calls_, seen, Deadline::At(next));
  }
}

void Housekeeper::Wake() { platform_.Wake(NoteCall()); }

const std::atomic<uint32_t>* Housekeeper::NoteCall() {
  calls_.fetch_add(1, std::memory_order_release);
  return &calls_;
}

}  // namespace roost
