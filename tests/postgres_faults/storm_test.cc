// A hundred callers with 100 ms to spare, and a server that is away for ten seconds: silent for the
// first half, answering with RST for the second. A proxy counts what reaches it.

#include <gtest/gtest.h>

#include <atomic>
#include <cstdio>
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

TEST(StormTest, AHundredCallersAndAServerThatIsAway) {
  support::PostgresServer server;
  support::TcpProxy proxy(server.port());
  Node node(server.UriThrough(proxy.port(), "sslmode=disable"));
  ASSERT_TRUE(node.Ask(5s).status.ok());
  proxy.Reset();  // what was open is gone; only attempts are counted below
  proxy.Cut();
  proxy.ClearCounts();
  Callers callers(node, 100);

  Pass(5s);
  const support::TcpProxy::Counts silent = proxy.counts();
  EXPECT_LE(silent.most_open, 1) << "one attempt at a time";
  EXPECT_LE(silent.attempts, 5) << "each takes the whole of the open time-out, 2 s";
  proxy.Reset();
  proxy.ClearCounts();
  Pass(5s);
  const support::TcpProxy::Counts torn = proxy.counts();
  // 5 s of pauses of at least half of 400 ms, and the first few shorter ones.
  EXPECT_LE(torn.attempts, 5000 / 200 + 6);
  EXPECT_EQ(callers.answered(), 0);
  EXPECT_LT(callers.longest(), Callers::kPatience + kGrace) << "all were refused in time";

  proxy.ClearCounts();
  proxy.Heal();
  const TimePoint healed = NativePlatform().Now();
  EXPECT_TRUE(support::WaitUntil([&] { return callers.answered() > 0; }));
  const Duration back = Since(healed);
  EXPECT_LT(back, Remote::kBackoffMax + kGrace) << "within one step of the back-off";
  EXPECT_TRUE(support::WaitUntil([&] { return callers.answered() > 1000; }));
  callers.Leave();
  EXPECT_LE(proxy.counts().attempts, 2 + 1) << "no more than the pool has slots, and one refused";
  EXPECT_LE(proxy.counts().most_open, 2);
  EXPECT_EQ(callers.strange(), 0);
  EXPECT_EQ(node.pool().stats().waiting, 0);
  printf(
      "%d calls refused, the slowest after %lld ms; %d attempts while silent, %d while torn; the "
      "first answer %lld ms after the server was back\n",
      callers.refused(), InMs(callers.longest()), silent.attempts, torn.attempts, InMs(back));
}

}  // namespace
}  // namespace roost::faults
