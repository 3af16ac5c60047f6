#include "tests/fakes/fake_platform.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "gtest/gtest.h"

namespace roost::fakes {
namespace {

thread_local Actor* current_actor = nullptr;

// How long one turn of an actor may take on the real clock before the program is stopped: the
// pool's lock is held while a backend is called, or a thread does not come back.
constexpr std::chrono::seconds kTurn{60};

[[noreturn]] void Stop(const char* sentence) {
  std::fprintf(stderr, "fake platform: %s\n", sentence);
  std::abort();
}

}  // namespace

FakePlatform::~FakePlatform() {
  EXPECT_TRUE(script_.empty()) << script_.size()
                               << " scripted actions were never run: nobody waited";
}

void FakePlatform::Advance(Duration span) { now_ += span.count(); }

void FakePlatform::AdvanceTo(TimePoint at) {
  if (at > Now()) now_ = at.time_since_epoch().count();
}

void FakePlatform::WakeForNoReason() {
  std::lock_guard lock(mu_);
  if (sleep_ == nullptr) Stop("WakeForNoReason was called, but nobody waits");
  sleep_->woken = true;
}

bool FakePlatform::Wait(const std::atomic<uint32_t>& word, uint32_t value, Deadline deadline) {
  ++waits_;
  if (word.load() != value) return true;
  if (current_actor != nullptr) return WaitAsActor(*current_actor, word, deadline);
  return WaitScripted(word, value, deadline);
}

bool FakePlatform::WaitScripted(const std::atomic<uint32_t>& word, uint32_t value,
                                Deadline deadline) {
  Sleep sleep{&word, false, nullptr};
  {
    std::lock_guard lock(mu_);
    sleep.outer = std::exchange(sleep_, &sleep);
  }
  bool in_time = true;
  while (true) {
    if (sleep.woken) break;
    if (word.load() != value) {
      ADD_FAILURE() << "lost wake-up: the word was changed, but Wake was not called";
      break;
    }
    if (deadline.HasPassed(Now())) {
      in_time = false;
      break;
    }
    if (!script_.empty()) {
      std::function<void()> action = std::move(script_.front());
      script_.pop_front();
      action();
    } else if (NextRunnable() != nullptr) {
      Run();
    } else {
      const Deadline next = EarliestDeadline(deadline);
      if (next.IsNever()) Stop("a wait without a deadline that nothing can end");
      AdvanceTo(next.time());
    }
  }
  std::lock_guard lock(mu_);
  sleep_ = sleep.outer;
  return in_time;
}

bool FakePlatform::WaitAsActor(Actor& self, const std::atomic<uint32_t>& word, Deadline deadline) {
  std::unique_lock lock(mu_);
  self.word_ = &word;
  self.deadline_ = deadline;
  self.woken_ = false;
  self.order_ = ++wake_order_;
  self.state_ = Actor::State::kWaiting;
  turn_.notify_all();
  turn_.wait(lock, [&] { return self.state_ == Actor::State::kRunning; });
  return self.woken_;
}

void FakePlatform::Wake(const std::atomic<uint32_t>* word) {
  ++wakes_;
  std::lock_guard lock(mu_);
  for (Sleep* sleep = sleep_; sleep != nullptr; sleep = sleep->outer) {
    if (sleep->word == word) sleep->woken = true;
  }
  for (Actor* actor : actors_) {
    if (actor->state_ == Actor::State::kWaiting && actor->word_ == word && !actor->woken_) {
      actor->woken_ = true;
      actor->order_ = ++wake_order_;
    }
  }
}

Actor* FakePlatform::NextRunnable() {
  std::lock_guard lock(mu_);
  Actor* next = nullptr;
  for (Actor* actor : actors_) {
    if (actor->state_ != Actor::State::kWaiting) continue;
    if (!actor->woken_ && !actor->deadline_.HasPassed(Now())) continue;
    if (next == nullptr || actor->order_ < next->order_) next = actor;
  }
  return next;
}

Deadline FakePlatform::EarliestDeadline(Deadline own) {
  std::lock_guard lock(mu_);
  for (const Actor* actor : actors_) {
    if (actor->state_ == Actor::State::kWaiting) own = std::min(own, actor->deadline_);
  }
  return own;
}

void FakePlatform::Run() {
  while (Actor* actor = NextRunnable()) Resume(*actor);
}

void FakePlatform::Resume(Actor& actor) {
  std::unique_lock lock(mu_);
  actor.state_ = Actor::State::kRunning;
  turn_.notify_all();
  if (!turn_.wait_for(lock, kTurn, [&] { return actor.state_ != Actor::State::kRunning; })) {
    Stop("an actor is stuck outside the platform: is a lock held across a call?");
  }
}

void FakePlatform::WaitForDescriptors(std::span<DescriptorWait> waits, Deadline deadline) {
  bool rung = false;
  for (DescriptorWait& wait : waits) {
    wait.seen = {};
    if (wait.fd < kFirstEvent) continue;
    wait.seen.readable = wait.wanted.readable && rung_[wait.fd - kFirstEvent].load();
    rung = rung || wait.seen.readable;
  }
  const Deadline until = rung ? Deadline::Past() : deadline;
  bool answered = false;
  for (DescriptorWait& wait : waits) {
    if (wait.fd < 0 || wait.fd >= kFirstEvent || !descriptor_) continue;
    wait.seen = descriptor_(wait.fd, wait.wanted, until);
    answered = true;
  }
  if (rung || answered) return;
  if (deadline.IsNever()) Stop("a wait for a descriptor without a deadline, and no answer is set");
  AdvanceTo(deadline.time());
}

int FakePlatform::OpenEvent() {
  const int event = bells_made_.fetch_add(1);
  if (event >= kEvents) Stop("more events than FakePlatform::kEvents");
  ++open_bells_;
  return kFirstEvent + event;
}

void FakePlatform::SignalEvent(int event) { rung_[event - kFirstEvent].store(true); }

void FakePlatform::ClearEvent(int event) { rung_[event - kFirstEvent].store(false); }

void FakePlatform::CloseEvent(int) { --open_bells_; }

uint32_t FakePlatform::Random() {
  if (randoms_.empty()) return random_;
  const uint32_t value = randoms_.front();
  randoms_.pop_front();
  return value;
}

Actor::Actor(FakePlatform& platform, std::function<void()> body) : platform_(platform) {
  {
    std::lock_guard lock(platform_.mu_);
    platform_.actors_.push_back(this);
  }
  thread_ = std::thread([this, body = std::move(body)] {
    current_actor = this;
    body();
    std::lock_guard lock(platform_.mu_);
    state_ = State::kEnded;
    platform_.turn_.notify_all();
  });
  std::unique_lock lock(platform_.mu_);
  if (!platform_.turn_.wait_for(lock, kTurn, [&] { return state_ != State::kRunning; })) {
    Stop("an actor is stuck outside the platform: is a lock held across a call?");
  }
}

Actor::~Actor() {
  if (waiting()) {
    ADD_FAILURE() << "a test ended while one of its actors still waits";
    RunOut();
  }
  thread_.join();
  std::lock_guard lock(platform_.mu_);
  std::erase(platform_.actors_, this);
}

// A test that failed half-way: opens its gates and lets the deadlines of its actors pass, so that
// the other tests are run.
void Actor::RunOut() {
  for (Gate* gate : platform_.gates_) gate->Open();
  for (int i = 0; waiting() && i < 100; ++i) {
    const Deadline next = platform_.EarliestDeadline(Deadline::Never());
    if (!next.IsNever()) platform_.AdvanceTo(next.time());
    platform_.Run();
  }
  if (waiting()) Stop("an actor waits for ever");
}

bool Actor::ended() const {
  std::lock_guard lock(platform_.mu_);
  return state_ == State::kEnded;
}

void Actor::WakeForNoReason() {
  {
    std::lock_guard lock(platform_.mu_);
    if (state_ != State::kWaiting) Stop("WakeForNoReason: the actor does not wait");
    woken_ = true;
  }
  platform_.Run();
}

Gate::Gate(FakePlatform& platform) : platform_(platform) { platform_.gates_.push_back(this); }

Gate::~Gate() { std::erase(platform_.gates_, this); }

void Gate::Pass() {
  while (open_.load() == 0) platform_.Wait(open_, 0, Deadline::Never());
}

void Gate::Open() {
  open_ = 1;
  platform_.Wake(&open_);
}

}  // namespace roost::fakes
