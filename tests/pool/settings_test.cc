// tests/pool/settings_test.cc - the settings as text: each once, with its unit and meaning.
#include "roost/settings.h"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "tests/pool/pool_test_support.h"

namespace roost {
namespace {

TEST(ForEachSettingTest, VisitsEveryMemberOfPoolSettings) {
  // Members follow each other without a gap: one that is not visited would leave one.
  const PoolSettings settings;
  const auto* const begin = reinterpret_cast<const char*>(&settings);
  size_t end = 0;
  ForEachSetting(settings, [&]<class T>(const Setting& setting, const T& member) {
    size_t alignment = alignof(T);
    // The first of a struct in the struct.
    if (setting.name == "tcp_user_timeout") alignment = alignof(TcpTimers);
    const auto offset = static_cast<size_t>(reinterpret_cast<const char*>(&member) - begin);
    // The struct of the TCP times is as long as its alignment wants.
    if (setting.name == "leak_after") end = offsetof(PoolSettings, tcp_timers) + sizeof(TcpTimers);
    EXPECT_EQ(offset, (end + alignment - 1) / alignment * alignment) << "before " << setting.name;
    end = offset + sizeof member;
  });
  constexpr size_t kAlignment = alignof(PoolSettings);
  EXPECT_EQ((end + kAlignment - 1) / kAlignment * kAlignment, sizeof settings);
}

TEST(ForEachSettingTest, EachHasAnUnmistakableDescription) {
  std::set<std::string_view> names, meanings;
  ForEachSetting(PoolSettings(), [&]<class T>(const Setting& setting, const T&) {
    EXPECT_TRUE(names.insert(setting.name).second) << setting.name;
    EXPECT_TRUE(meanings.insert(setting.meaning).second) << setting.meaning;
    EXPECT_EQ(setting.unit == "s", (std::is_same_v<T, Duration>)) << setting.name;
    EXPECT_EQ(setting.unit.empty(), !(std::is_same_v<T, Duration> || std::is_same_v<T, int>))
        << setting.name;
    EXPECT_FALSE(setting.meaning.ends_with(".")) << setting.name;
  });
}

std::vector<std::string> Lines(const PoolSettings& settings) {
  std::array<char, kDescriptionBytes> buffer;
  std::vector<std::string> lines;
  std::string text(Describe(settings, buffer));
  for (size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
    lines.push_back(text.substr(at, text.find('\n', at) - at));
  }
  return lines;
}

TEST(DescribeTest, ShowsValuesWithUnitsAndWhatZeroMeans) {
  PoolSettings settings = SettingsOf<profiles::RaspberryPi>();
  settings.backoff_min = 1500us;
  const std::vector<std::string> lines = Lines(settings);
  for (const char* line : {
           "profile                 raspberry_pi     The profile's kName",
           "pool_size               2 connections    Stay open once they were needed",
           "pool_timeout            30 s             How long an Acquire without a deadline waits",
           "pool_recycle            3600 s           Age at which an idle one is closed",
           "pre_ping                never            When one has to answer before it is lent",
           "echo_pool               no               Writes the pool's events to standard error",
           "when_away               refuse           What callers get while the database is away",
           "open_by                 caller           Which thread opens connections",
           "backoff_min             0.0015 s         Pause after the second failed open in a row",
           "idle_limit              never            Idle time after which one is closed",
           "tcp_keepalive_count     3 probes         Stay unanswered until the link is dead",
           "slow_statement          none is          A statement that takes it is slow",
           "statements              8 statements     Kept prepared by each connection",
       }) {
    EXPECT_THAT(lines, ::testing::Contains(line));
  }
}

TEST(DescribeTest, EachProfileFitsItsBufferAndAScreen) {
  profiles::ForEach([]<class P>() {
    const std::vector<std::string> lines = Lines(SettingsOf<P>());
    EXPECT_EQ(lines.size(), 32u);
    for (const std::string& line : lines) EXPECT_LE(line.size(), 90u) << line;
    EXPECT_TRUE(lines.back().starts_with("statements ")) << "it was cut";
  });
  PoolSettings large = SettingsOf<profiles::Default>();
  ForEachSetting(large, []<class T>(const Setting&, const T& member) {
    if constexpr (std::is_same_v<T, Duration>) const_cast<T&>(member) = -Duration::max();
    if constexpr (std::is_same_v<T, int>) const_cast<T&>(member) = INT32_MIN;
  });
  EXPECT_TRUE(Lines(large).back().starts_with("statements "));
}

TEST(DescribeTest, ATextThatDoesNotFitIsCut) {
  std::array<char, 40> buffer;
  EXPECT_EQ(Describe(SettingsOf<profiles::Default>(), buffer),
            "profile                 default        ");
  EXPECT_EQ(Describe(SettingsOf<profiles::Default>(), {}), "");
}

}  // namespace
}  // namespace roost
