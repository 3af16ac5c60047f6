// tests/fakes/fake_platform.h - a machine whose clock is turned by hand, and threads that take
// turns.
//
// Two ways to have somebody else act while a caller waits:
//
//   1. One thread. Wait() runs the next action of the script (WhileWaiting): return a lease,
//   advance
//      the clock, cancel. With an empty script it turns the clock to the deadline.
//   2. Actors. Each is a thread of its own, but only one runs at a time: it runs until it waits on
//   the
//      platform or ends, then the test goes on. So every interleaving is written down in the test,
//      and the sanitizers see real threads.
//
// A wait that nothing can end stops the program with a sentence instead of hanging. A word that was
// changed without a Wake is a lost wake-up: an actor stays asleep, the test's own thread fails the
// test.
#ifndef ROOST_TESTS_FAKES_FAKE_PLATFORM_H_
#define ROOST_TESTS_FAKES_FAKE_PLATFORM_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "roost/platform.h"

namespace roost::fakes {

class Actor;
class Gate;

class FakePlatform : public Platform {
 public:
  static constexpr TimePoint kStart{std::chrono::seconds(1000)};

  FakePlatform() = default;
  // Fails the test when actions of the script were never run.
  ~FakePlatform() override;

  // ---- The clock ----
  void Advance(Duration span);
  void AdvanceTo(TimePoint at);
  // How far CoarseNow() is behind Now().
  void set_coarse_lag(Duration lag) { coarse_lag_ = lag; }
  // Every reading of the clock takes so long.
  void set_cost_of_clock(Duration cost) { clock_cost_ = cost; }
  // How often Yield was called.
  int yields() const { return yields_; }
  // The machine sleeps for `span`: the monotonic clock stands still.
  void Suspend(Duration span) { suspended_ += span; }
  // How often a clock was read.
  int clock_reads() const { return clock_reads_; }
  void set_unix_micros(int64_t micros) { unix_micros_ = micros; }

  // ---- Waiting ----
  // `action` is run by the next Wait of a thread that is no actor; one action a wait, in order.
  void WhileWaiting(std::function<void()> action) { script_.push_back(std::move(action)); }
  // Makes the Wait in which it is called return early, for no reason.
  void WakeForNoReason();
  // Runs every actor that was woken or whose deadline has passed, in the order of waking, until all
  // wait or have ended.
  void Run();
  int waits() const { return waits_.load(); }
  int wakes() const { return wakes_.load(); }
  // Answers for each descriptor of a WaitForDescriptors that is no event. Without it: nothing happens
  // until the deadline.
  void set_descriptor(std::function<IoEvents(int fd, IoEvents wanted, Deadline deadline)> answer) {
    descriptor_ = std::move(answer);
  }

  // ---- Chance and forks ----
  void set_random(uint32_t value) { random_ = value; }
  // Comes before the constant value.
  void push_random(uint32_t value) { randoms_.push_back(value); }
  void Fork() { ++forks_; }

  // ---- Platform ----
  TimePoint Now() override {
    ++clock_reads_;
    return TimePoint(Duration(now_ += clock_cost_.count()));
  }
  TimePoint CoarseNow() override { return Now() - coarse_lag_; }
  Duration Suspended() override { return suspended_; }
  int64_t UnixMicros() override { return unix_micros_; }
  void Yield() override { ++yields_; }
  bool Wait(const std::atomic<uint32_t>& word, uint32_t value, Deadline deadline) override;
  void Wake(const std::atomic<uint32_t>* word) override;
  void WaitForDescriptors(std::span<DescriptorWait> waits, Deadline deadline) override;
  // Events are numbers from kFirstEvent on; a signalled one ends a wait for it at once.
  static constexpr int kFirstEvent = 1'000'000;
  int OpenEvent() override;
  void SignalEvent(int event) override;
  void ClearEvent(int event) override;
  void CloseEvent(int event) override;
  int open_bells() const { return open_bells_.load(); }
  uint32_t Random() override;
  const std::atomic<uint32_t>& Forks() override { return forks_; }

 private:
  friend class Actor;
  friend class Gate;
  // One wait under way of a thread that is no actor; they nest when an action waits in its turn.
  struct Sleep {
    const std::atomic<uint32_t>* word;
    bool woken = false;
    Sleep* outer;
  };
  bool WaitScripted(const std::atomic<uint32_t>& word, uint32_t value, Deadline deadline);
  bool WaitAsActor(Actor& self, const std::atomic<uint32_t>& word, Deadline deadline);
  Actor* NextRunnable();
  Deadline EarliestDeadline(Deadline own);
  void Resume(Actor& actor);

  std::atomic<int64_t> now_{kStart.time_since_epoch().count()};
  std::atomic<int> clock_reads_{0};
  Duration coarse_lag_{};
  Duration clock_cost_{};
  std::atomic<int> yields_{0};
  Duration suspended_{};
  int64_t unix_micros_ = 1'700'000'000'000'000;
  std::deque<std::function<void()>> script_;
  std::function<IoEvents(int, IoEvents, Deadline)> descriptor_;
  std::deque<uint32_t> randoms_;
  uint32_t random_ = 0;
  std::atomic<uint32_t> forks_{0};
  std::atomic<int> waits_{0};
  std::atomic<int> wakes_{0};
  static constexpr int kEvents = 16;
  std::atomic<bool> rung_[kEvents] = {};
  std::atomic<int> bells_made_{0};
  std::atomic<int> open_bells_{0};

  std::mutex mu_;  // guards what follows, and the state of every actor
  std::condition_variable turn_;
  std::vector<Actor*> actors_;
  std::vector<Gate*> gates_;
  Sleep* sleep_ = nullptr;
  uint64_t wake_order_ = 0;
};

// A thread that runs only when it is its turn. Runs `body` at once, until it waits or ends.
class Actor {
 public:
  Actor(FakePlatform& platform, std::function<void()> body);
  // Fails the test when the body has not ended: run the platform until it has.
  ~Actor();
  Actor(const Actor&) = delete;
  Actor& operator=(const Actor&) = delete;

  bool ended() const;
  bool waiting() const { return !ended(); }
  // Wakes it for no reason, and runs it.
  void WakeForNoReason();

 private:
  friend class FakePlatform;
  enum class State { kRunning, kWaiting, kEnded };
  void RunOut();

  FakePlatform& platform_;
  State state_ = State::kRunning;
  const std::atomic<uint32_t>* word_ = nullptr;
  Deadline deadline_;
  bool woken_ = false;
  uint64_t order_ = 0;
  std::thread thread_;
};

// A door that stays shut until the test opens it: lets an actor stop inside a backend's call.
class Gate {
 public:
  explicit Gate(FakePlatform& platform);
  ~Gate();
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;
  void Pass();
  void Open();

 private:
  FakePlatform& platform_;
  std::atomic<uint32_t> open_{0};
};

}  // namespace roost::fakes

#endif  // ROOST_TESTS_FAKES_FAKE_PLATFORM_H_
