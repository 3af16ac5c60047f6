// Spans of time as people write them in arguments.
#include "tools/common/duration.h"

#include <gtest/gtest.h>

namespace roost::tools {
namespace {

using namespace std::chrono_literals;

TEST(ParseDurationTest, TakesEveryUnit) {
  EXPECT_EQ(ParseDuration("10ns").value(), 10ns);
  EXPECT_EQ(ParseDuration("100us").value(), 100us);
  EXPECT_EQ(ParseDuration("50ms").value(), 50ms);
  EXPECT_EQ(ParseDuration("2s").value(), 2s);
  EXPECT_EQ(ParseDuration("5m").value(), 5min);
  EXPECT_EQ(ParseDuration("1h").value(), 1h);
  EXPECT_EQ(ParseDuration("2d").value(), 48h);
  EXPECT_EQ(ParseDuration("50 ms").value(), 50ms);
}

TEST(ParseDurationTest, TakesFractionsAndZero) {
  EXPECT_EQ(ParseDuration("1.5s").value(), 1500ms);
  EXPECT_EQ(ParseDuration("0.1ms").value(), 100us);
  EXPECT_EQ(ParseDuration("0s").value(), 0s);
}

TEST(ParseDurationTest, SaysWhatIsWrongAndWhatWouldBeRight) {
  const struct {
    const char* text;
    const char* says;
  } cases[] = {
      {"", "is not a span of time"},
      {"fast", "has to begin with a number"},
      {"5", "has no unit"},
      {"5 ", "has no unit"},
      {"5 sec", "unknown unit (\"sec\")"},
      {"50msec", "unknown unit"},
      {"-1s", "is negative"},
      {"infs", "begin with a number"},
      {"nans", "begin with a number"},
      {"1e300d", "longer than 292 years"},
      {"1e999s", "begin with a number"},
      {"1s2", "unknown unit (\"s2\")"},
  };
  for (const auto& [text, says] : cases) {
    const auto parsed = ParseDuration(text);
    ASSERT_FALSE(parsed.ok()) << text;
    const std::string message(parsed.status().message());
    EXPECT_NE(message.find(says), std::string::npos) << message;
    EXPECT_NE(message.find("write a number and a unit: 50ms, 2s, 5m, 1h"), std::string::npos);
  }
}

}  // namespace
}  // namespace roost::tools
