// A hundred callers with 100 ms to spare, and a server that is away for ten seconds: silent for the
// first half, answering with RST for the second. A proxy counts what reaches it.

#include <gtest/gtest.h>

#include <atomic>
#include <cstdio>
#include <numeric>
#include <thread>
#include <vector>

#include "tests/postgres_faults/node.h"
#include "tests/support/postgres_server.h"
#include "tests/support/tcp_proxy.h"

namespace roost::faults {
namespace {

// The callers of a node, each asking again and again until told to leave.
class Callers {
 public:
  Callers(Node& node, int count) : node_(node) {
    for (int i = 0; i < count; ++i) threads_.emplace_back([this] { Call(); });
  }
  ~Callers() { Leave(); }
  Callers(const Callers&) = delete;
  Callers& operator=(const Callers&) = delete;

  void Leave() {
    leaving_ = true;
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
  }

  int answered() const { return answered_; }
  int refused() const { return refused_; }
  int strange() const { return strange_; }
  Duration longest() const { return Duration(longest_.load()); }

  static constexpr Duration kPatience = 100ms;

 private:
  void Call() {
    while (!leaving_) {
      const Answer answer = node_.Ask(kPatience);
      Count(answer);
      NativePlatform().WaitForDescriptors({}, node_.pool().In(20ms));
    }
  }
  void Count(const Answer& answer) {
    for (int64_t longest = longest_; answer.after.count() > longest;) {
      if (longest_.compare_exchange_weak(longest, answer.after.count())) break;
    }
    switch (answer.status.code()) {
      case absl::StatusCode::kOk:
        ++answered_;
        break;
      case absl::StatusCode::kUnavailable:
      case absl::StatusCode::kDeadlineExceeded:
      case absl::StatusCode::kResourceExhausted:
        ++refused_;
        break;
      default:
        ++strange_;
        ADD_FAILURE() << answer.status;
    }
  }

  Node& node_;
  std::atomic<bool> leaving_ = false;
  std::atomic<int> answered_ = 0;
  std::atomic<int> refused_ = 0;
  std::atomic<int> strange_ = 0;
  std::atomic<int64_t> longest_ = 0;
  std::vector<std::thread> threads_{};
};

long long InMs(Duration span) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(span).count();
}

void Pass(Duration span) {
  NativePlatform().WaitForDescriptors({}, Deadline::After(NativePlatform().Now(), span));
}

// Connections that the pool has closed.
uint64_t Closed(const Stats& stats) {
  return std::accumulate(stats.closes.begin(), stats.closes.end(), uint64_t{0});
}

class StormTest : public ::testing::Test {
 protected:
  StormTest() {
    EXPECT_TRUE(node.Ask(5s).status.ok());
    proxy.Reset();  // what was open is gone; only attempts are counted below
    proxy.Cut();
    proxy.ClearCounts();
  }

  // Attempts while the server says nothing.
  int Silence() {
    Pass(5s);
    const support::TcpProxy::Counts counts = proxy.counts();
    EXPECT_LE(counts.most_open, 2) << "a slot each, until the first has failed";
    EXPECT_LE(counts.attempts, 5) << "each takes the whole of the open time-out, 2 s";
    return counts.attempts;
  }
  // Attempts while it tears every connection.
  int Tear() {
    proxy.Reset();
    proxy.ClearCounts();
    Pass(5s);
    const int attempts = proxy.counts().attempts;
    EXPECT_LE(attempts, 5000 / 200 + 6)
        << "pauses of at least half of 400 ms, and the first few shorter ones";
    return attempts;
  }
  // How long the server was back until somebody was answered.
  Duration Return(const Callers& callers) {
    proxy.ClearCounts();
    proxy.Heal();
    const TimePoint healed = NativePlatform().Now();
    EXPECT_TRUE(support::WaitUntil([&] { return callers.answered() > 0; }));
    const Duration back = Since(healed);
    EXPECT_LT(back, Remote::kBackoffMax + kGrace) << "within one step of the back-off";
    EXPECT_TRUE(support::WaitUntil([&] { return callers.answered() > 1000; }));
    return back;
  }

  support::PostgresServer server{};
  support::TcpProxy proxy{server.port()};
  Node node{server.UriThrough(proxy.port(), "sslmode=disable")};
};

TEST_F(StormTest, AHundredCallersAndAServerThatIsAway) {
  Callers callers(node, 100);
  const int silent = Silence();
  const int torn = Tear();
  EXPECT_EQ(callers.answered(), 0);
  EXPECT_LT(callers.longest(), Callers::kPatience + kGrace) << "all were refused in time";
  const uint64_t closed = Closed(node.pool().stats());

  const Duration back = Return(callers);
  callers.Leave();
  // On a machine with no time to spare an answer may come too late, which costs its connection.
  const auto replaced = static_cast<int>(Closed(node.pool().stats()) - closed);
  // A cancel request counts from its connect on, and is known for one by what it sends.
  const auto attempts = [this] { return proxy.counts().attempts - proxy.counts().cancel_requests; };
  EXPECT_TRUE(support::WaitUntil([&] { return attempts() <= 2 + 1 + replaced; }, 5s))
      << attempts() << ": two slots, and a try that just failed, and " << replaced;
  EXPECT_EQ(callers.strange(), 0);
  EXPECT_EQ(node.pool().stats().waiting, 0);
  printf(
      "%d calls refused, the slowest after %lld ms; %d attempts while silent, %d while torn; the "
      "first answer %lld ms after the server was back\n",
      callers.refused(), InMs(callers.longest()), silent, torn, InMs(back));
}

}  // namespace
}  // namespace roost::faults
