// tests/bench/contention.cc - runs the threads of a contention and collects their waits.
#include "tests/bench/contention.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <barrier>
#include <bit>
#include <cmath>
#include <fstream>
#include <numeric>
#include <sstream>
#include <string>
#include <thread>

namespace roost::bench {

Nanos Now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * Nanos{1'000'000'000} + now.tv_nsec;
}

// ---- waits --------------------------------------------------------------------------------------

size_t Waits::BucketOf(Nanos span) {
  const auto value = static_cast<uint64_t>(std::max<Nanos>(span, 0));
  if (value < kFine) return static_cast<size_t>(value);
  const int above = std::bit_width(value) - 5;  // bits below the four after the leading one
  return static_cast<size_t>((above + 1) * kFine) + static_cast<size_t>((value >> above) - kFine);
}

Nanos Waits::UpperBound(size_t bucket) {
  if (bucket < kFine) return static_cast<Nanos>(bucket);
  const size_t above = bucket / kFine - 1;
  return static_cast<Nanos>(((bucket % kFine + kFine + 1) << above) - 1);
}

void Waits::Add(Nanos span) {
  ++counts_[BucketOf(span)];
  ++total_;
  max_ = std::max(max_, span);
}

void Waits::Add(const Waits& other) {
  for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  total_ += other.total_;
  max_ = std::max(max_, other.max_);
}

Nanos Waits::Percentile(double share) const {
  const auto wanted = static_cast<uint64_t>(std::ceil(share * static_cast<double>(total_)));
  uint64_t seen = 0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    seen += counts_[i];
    if (seen >= wanted) return std::min(UpperBound(i), max_);
  }
  return max_;
}

// ---- work ---------------------------------------------------------------------------------------

namespace {

void Compute(int64_t steps) {
  uint64_t value = 1;
  for (int64_t i = 0; i < steps; ++i) {
    value = value * 6364136223846793005u + 1442695040888963407u;
    asm volatile("" : "+r"(value));
  }
}

// Steps of Compute in 20 us of a processor that nothing else uses.
int64_t Calibrate() {
  constexpr int64_t kSteps = 20'000;
  Nanos best = INT64_MAX;
  for (int i = 0; i < 50; ++i) {
    const Nanos start = Now();
    Compute(kSteps);
    best = std::min(best, Now() - start);
  }
  return kSteps * 20'000 / best;
}

int64_t StepsIn20us() {
  static const int64_t steps = Calibrate();
  return steps;
}

void Sleep(Nanos span) {
  const timespec pause{.tv_sec = 0, .tv_nsec = span};
  clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, nullptr);
}

}  // namespace

void Work(Hold hold) {
  switch (hold) {
    case Hold::kNone:
      return;
    case Hold::kCpu20us:
      return Compute(StepsIn20us());
    case Hold::kSleep20us:
      return Sleep(20'000);
    case Hold::kSleep500us:
      return Sleep(500'000);
  }
}

// ---- a run --------------------------------------------------------------------------------------

uint64_t Contention::cycles() const {
  return std::accumulate(takes.begin(), takes.end(), uint64_t{0});
}

double Contention::MinOverMax() const {
  const auto [least, most] = std::minmax_element(takes.begin(), takes.end());
  return *most == 0 ? 0 : static_cast<double>(*least) / static_cast<double>(*most);
}

double Contention::Jain() const {
  double sum = 0;
  double squares = 0;
  for (const uint64_t take : takes) {
    sum += static_cast<double>(take);
    squares += static_cast<double>(take) * static_cast<double>(take);
  }
  return squares == 0 ? 0 : sum * sum / (static_cast<double>(takes.size()) * squares);
}

Contention RunThreads(const Shape& shape, const std::function<void(Turn&)>& body) {
  StepsIn20us();  // before the threads disturb each other
  std::atomic<bool> stop{false};
  std::barrier start(shape.threads + 1);
  std::vector<Turn::Seen> all(static_cast<size_t>(shape.threads));
  std::vector<std::thread> threads;
  for (Turn::Seen& seen : all) {
    threads.emplace_back([&] {
      prctl(PR_SET_TIMERSLACK, 1);  // else 20 us of sleep become 70
      Turn turn(shape, stop);       // on this thread's stack: no line shared with another's
      start.arrive_and_wait();
      body(turn);
      seen = turn.seen();
    });
  }
  Contention result;
  start.arrive_and_wait();
  const ForeignUse foreign;
  const Nanos begin = Now();
  std::this_thread::sleep_for(shape.run);
  stop.store(true, std::memory_order_relaxed);
  result.seconds = static_cast<double>(Now() - begin) * 1e-9;
  result.foreign = foreign.share();
  for (std::thread& thread : threads) thread.join();
  for (const Turn::Seen& seen : all) {
    result.takes.push_back(seen.takes);
    result.waits.Add(seen.waits);
  }
  return result;
}

// ---- others -------------------------------------------------------------------------------------

ForeignUse::ForeignUse() : start_(Read()) {}

ForeignUse::Reading ForeignUse::Read() {
  std::ifstream file("/proc/stat");
  std::string line;
  std::getline(file, line);
  std::istringstream fields(line.substr(line.find(' ')));
  // user nice system idle iowait irq softirq steal
  std::array<double, 8> ticks{};
  for (double& tick : ticks) fields >> tick;
  const double second = static_cast<double>(sysconf(_SC_CLK_TCK));
  Reading reading;
  reading.all = std::accumulate(ticks.begin(), ticks.end(), 0.0) / second;
  reading.busy = reading.all - (ticks[3] + ticks[4]) / second;
  rusage use;
  getrusage(RUSAGE_SELF, &use);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  reading.own = seconds(use.ru_utime) + seconds(use.ru_stime);
  return reading;
}

double ForeignUse::share() const {
  const Reading now = Read();
  const double all = now.all - start_.all;
  if (all <= 0) return 0;
  return std::max(0.0, (now.busy - start_.busy) - (now.own - start_.own)) / all;
}

}  // namespace roost::bench
