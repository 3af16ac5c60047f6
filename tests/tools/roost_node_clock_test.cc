// roost-node while the wall clock is set, as a time service does after a boot without a network.
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>

#include "tests/tools/database.h"
#include "tests/tools/roost_node_simulated.h"

namespace roost::testing {
namespace {

using namespace std::chrono_literals;
using tools::Options;

constexpr int64_t kBefore = 1'700'000'000;  // FakePlatform's
constexpr int64_t kYear = int64_t{365} * 86400;

class RoostNodeClockTest : public ::testing::TestWithParam<int64_t> {};

// Whether a line waited is the monotonic clock's to say; its time is that of the moment at which it is
// taken, by the clock as it is then; and nothing is lost, doubled or put into another order.
TEST_P(RoostNodeClockTest, AStepWhileLinesWaitMarksNoneAsLateAndNoneAsEarly) {
  Options options;
  options.from_stdin = true;
  options.batch = options.buffer = 4;
  options.seal_every = 1ms;
  options.run_for = 60s;
  const PipedInput input;
  SimulatedNode<profiles::RaspberryPi> node(nullptr, options);
  std::unique_ptr<Database> other;
  int stage = 0;
  ::testing::internal::CaptureStderr();
  node.Run([&](Duration ran) {
    if (stage == 0) {
      input.Write("warm 1\n");
      stage = 1;
    } else if (stage == 1 && ran >= 5s) {
      other = std::make_unique<Database>(node.db());
      other->Run("BEGIN IMMEDIATE");
      input.Write("a 1\na 2\na 3\na 4\nb 5\nb 6 C\n");
      stage = 2;
    } else if (stage == 2 && ran >= 10s) {
      node.platform().set_unix_micros((kBefore + GetParam()) * 1'000'000);
      stage = 3;
    } else if (stage == 3 && ran >= 20s) {
      other->Run("COMMIT");
      stage = 4;
    } else if (stage == 4 && ran >= 40s) {
      input.Write("fresh 7\n");
      stage = 5;
    }
  });
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(stage, 5);
  EXPECT_EQ(node.counts().stored, 8u) << said;
  EXPECT_EQ(node.counts().late, 2u) << said;
  Database database(node.db());
  EXPECT_EQ(database.Text("SELECT group_concat(name || value || ' ' || time_from) FROM readings"),
            "warm1.0 arrival,a1.0 arrival,a2.0 arrival,a3.0 arrival,a4.0 arrival,b5.0 late,b6.0 "
            "late,fresh7.0 arrival");
  EXPECT_EQ(database.Text("SELECT group_concat(DISTINCT t_wall / 1000000) FROM reading"),
            std::to_string(kBefore) + "," + std::to_string(kBefore + GetParam()));
  EXPECT_EQ(database.Text("SELECT count(*) FROM reading JOIN (SELECT seq + 1 AS next, t_boot AS "
                          "earlier FROM reading) ON seq = next WHERE t_boot < earlier"),
            "0");
}

INSTANTIATE_TEST_SUITE_P(Steps, RoostNodeClockTest,
                         ::testing::Values(3600, -3600, 10 * kYear, -10 * kYear),
                         [](const auto& test) {
                           return (test.param < 0 ? "Back" : "Ahead") +
                                  std::to_string(std::abs(test.param));
                         });

}  // namespace
}  // namespace roost::testing
