// The wall clock jumps by an hour while a node connects, and while it waits for a server that says
// nothing. libpq's own connect_timeout would then end at once, or an hour late.

#include "tests/support/wall_clock.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <thread>

#include "tests/postgres_faults/node.h"
#include "tests/support/postgres_server.h"
#include "tests/support/tcp_proxy.h"

namespace roost::faults {
namespace {

class WallClockTest : public ::testing::TestWithParam<int64_t> {
 protected:
  static void SetUpTestSuite() { server_ = std::make_unique<support::PostgresServer>(); }
  static void TearDownTestSuite() { server_.reset(); }
  ~WallClockTest() override { support::wall_clock_jump_s = 0; }

  // Asks, and lets the clock jump as soon as a connection is being opened.
  Answer AskAndJump(Node& node, support::TcpProxy& proxy, Duration limit) {
    std::thread jumper([&] {
      support::WaitUntil([&] { return proxy.counts().attempts > 0; });
      support::wall_clock_jump_s = GetParam();
    });
    Answer answer = node.Ask(limit);
    jumper.join();
    return answer;
  }

  static std::unique_ptr<support::PostgresServer> server_;
};
std::unique_ptr<support::PostgresServer> WallClockTest::server_;

TEST_P(WallClockTest, AConnectThatTakesItsTimeSucceeds) {
  support::TcpProxy proxy(server_->port());
  proxy.Delay(200ms);
  // The time-out is libpq's, in its own whole seconds: we do not rely on it.
  Node node(server_->UriThrough(proxy.port(), "sslmode=disable&connect_timeout=5"));
  const Answer answer = AskAndJump(node, proxy, 10s);
  EXPECT_TRUE(answer.status.ok()) << answer.status;
  EXPECT_EQ(node.pool().stats().opens, 1u);
}

TEST_P(WallClockTest, AConnectIntoSilenceEndsAtTheDeadline) {
  support::TcpProxy proxy(server_->port());
  proxy.Cut();
  Node node(server_->UriThrough(proxy.port(), "sslmode=disable&connect_timeout=5"));
  const Answer answer = AskAndJump(node, proxy, 500ms);
  EXPECT_EQ(answer.status.code(), absl::StatusCode::kDeadlineExceeded) << answer.status;
  EXPECT_GE(answer.after, 500ms);
  EXPECT_LT(answer.after, 500ms + kGrace);
  proxy.Heal();
  EXPECT_LT(node.Recover(), Remote::kOpenTimeout + Remote::kBackoffMax + kGrace);
}

TEST_P(WallClockTest, AnOpenIntoSilenceIsGivenUpAfterItsOwnTime) {
  support::TcpProxy proxy(server_->port());
  proxy.Cut();
  Node node(server_->UriThrough(proxy.port(), "sslmode=disable"));
  const TimePoint start = NativePlatform().Now();
  AskAndJump(node, proxy, 500ms);
  EXPECT_TRUE(support::WaitUntil([&] { return node.pool().stats().open_failures > 0; }));
  EXPECT_GE(Since(start), Remote::kOpenTimeout - 100ms);
  EXPECT_LT(Since(start), Remote::kOpenTimeout + kGrace);
}

TEST_P(WallClockTest, AStatementEndsAtItsDeadline) {
  Node node(server_->Uri());
  ASSERT_TRUE(node.Ask(5s).status.ok());
  std::thread jumper([&] {
    support::WaitUntil([&] { return node.pool().stats().in_use > 0; });
    support::wall_clock_jump_s = GetParam();
  });
  const Answer answer = node.Ask(500ms, kLongQuestion);
  jumper.join();
  EXPECT_EQ(answer.status.code(), absl::StatusCode::kDeadlineExceeded) << answer.status;
  EXPECT_GE(answer.after, 500ms);
  EXPECT_LT(answer.after, 500ms + kGrace);
}

TEST(WallClockOfThisProgramTest, IsOursForLibpqToo) {
  support::wall_clock_jump_s = 3600;
  timespec real;
  syscall(SYS_clock_gettime, CLOCK_REALTIME, &real);
  EXPECT_GE(time(nullptr), real.tv_sec + 3600);
  support::wall_clock_jump_s = 0;
}

std::string JumpName(const ::testing::TestParamInfo<int64_t>& jump) {
  return jump.param < 0 ? "BackAnHour" : "AheadAnHour";
}
INSTANTIATE_TEST_SUITE_P(Jumps, WallClockTest, ::testing::Values(3600, -3600), JumpName);

}  // namespace
}  // namespace roost::faults
