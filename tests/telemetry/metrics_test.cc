// The metrics of a pool: each member of Stats is described once, and is found in every form.
#include "telemetry/metrics.h"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

namespace roost::telemetry {
namespace {

using namespace std::chrono_literals;

TEST(ForEachMetricTest, VisitsEveryMemberOfStats) {
  // Members follow each other without a gap: one that is not visited would leave one.
  Stats stats;
  const auto* const begin = reinterpret_cast<const char*>(&stats);
  size_t end = 0;
  ForEachMetric(stats, [&](const Metric& metric, const auto& member) {
    const size_t alignment = alignof(decltype(member));
    const auto offset = static_cast<size_t>(reinterpret_cast<const char*>(&member) - begin);
    EXPECT_EQ(offset, (end + alignment - 1) / alignment * alignment) << "before " << metric.name;
    end = offset + sizeof member;
  });
  EXPECT_EQ(end, sizeof stats);
}

TEST(ForEachMetricTest, EachHasAnUnmistakableDescription) {
  std::set<std::string_view> names;
  std::set<std::string_view> helps;
  const Stats stats;
  ForEachMetric(stats, [&](const Metric& metric, const auto& member) {
    using Member = std::remove_cvref_t<decltype(member)>;
    EXPECT_TRUE(names.insert(metric.name).second) << metric.name;
    EXPECT_TRUE(helps.insert(metric.help).second) << metric.help;
    const bool is_time = std::is_same_v<Member, Duration> || std::is_same_v<Member, Histogram>;
    EXPECT_EQ(metric.unit == "s", is_time) << metric.name;
    EXPECT_EQ(metric.unit.empty(), (std::is_same_v<Member, bool>)) << metric.name;
    EXPECT_EQ(metric.kind == MetricKind::kHistogram, (std::is_same_v<Member, Histogram>));
    EXPECT_EQ(
        metric.kind == MetricKind::kCounter,
        (std::is_same_v<Member, uint64_t> || std::is_same_v<Member, decltype(Stats::closes)> ||
         std::is_same_v<Member, decltype(Stats::statements)>))
        << metric.name;
  });
}

TEST(WriteMetricsTest, WritesEachOnceAndSpansInSeconds) {
  Stats stats;
  stats.pool_size = 2;
  stats.longest_hold = 250ms;
  stats.away = true;
  stats.checkouts = 77;
  stats.closes[static_cast<size_t>(CloseReason::kIdle)] = 3;
  stats.statements[static_cast<size_t>(absl::StatusCode::kOk)] = 5;
  stats.statements[static_cast<size_t>(absl::StatusCode::kAlreadyExists)] = 1;
  stats.wait.Add(3ms);
  const auto json = nlohmann::json::parse(internal::JsonText([&](internal::JsonWriter& writer) {
    writer.BeginObject();
    WriteMetrics(writer, stats);
    writer.EndObject();
  }));
  EXPECT_EQ(json["pool_size"], 2);
  EXPECT_EQ(json["longest_hold_s"], 0.25);
  EXPECT_EQ(json["away"], true);
  EXPECT_EQ(json["checkouts"], 77);
  EXPECT_EQ(json["closes"], nlohmann::json::parse(R"({"idle": 3})"));
  EXPECT_EQ(json["statements"], nlohmann::json::parse(R"({"ok": 5, "already_exists": 1})"));
  EXPECT_EQ(json["wait_p50_s"], 0.003);
  EXPECT_EQ(json["wait_max_s"], 0.003);
  size_t members = 0;
  ForEachMetric(stats, [&](const Metric& metric, const auto&) {
    members += metric.kind == MetricKind::kHistogram ? 3 : 1;
  });
  EXPECT_EQ(json.size(), members);
}

TEST(ForEachTroubleTest, AddsUpWhatIsSaidAlikeAndSkipsWhatIsNot) {
  Stats stats;
  stats.checkouts = 1000;
  stats.timeouts = 3;
  stats.refused_full = 1;
  stats.refused_away = 2;
  stats.cancelled = 4;
  stats.leaks = 5;
  std::vector<std::string> said;
  ForEachTrouble(stats, [&said](uint64_t count, std::string_view text) {
    said.push_back(std::to_string(count) + " " + std::string(text));
  });
  EXPECT_EQ(said, std::vector<std::string>({"3 timed out", "7 refused", "5 held too long"}));
}

}  // namespace
}  // namespace roost::telemetry
