// tests/telemetry/exposition_test.cc - Prometheus' text.
#include "telemetry/exposition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace roost::telemetry {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

std::string TextOf(const ProgramSample& program, std::span<const PoolSample> pools) {
  std::string text;
  std::array<char, 512> buffer;
  Exposition out(
      buffer,
      {[](void* to, std::string_view part) { static_cast<std::string*>(to)->append(part); }, &text},
      program.name);
  WriteExposition(out, program, pools);
  return text;
}

std::vector<std::string> LinesOf(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// Every counter is 1 and every reason has one.
PoolSample Busy(std::string_view name) {
  PoolSample pool{.name = name, .backend = "sqlite", .target = "/var/lib/node.db"};
  pool.settings.profile = "raspberry_pi";
  pool.settings.hold_times = true;
  ForEachMetric(pool.details.stats, [](const Metric&, auto& member) {
    using Member = std::remove_reference_t<decltype(member)>;
    if constexpr (std::is_same_v<Member, Histogram>) {
      for (int i = 0; i < Histogram::kBuckets - 1; ++i) member.Add(Histogram::Bound(i));
      member.Add(100s);
    } else if constexpr (std::is_same_v<Member, Duration>) {
      member = 1500ms;
    } else if constexpr (std::is_integral_v<Member>) {
      member = 1;
    } else {
      member.fill(1);
    }
  });
  pool.details.stats.timeouts = 3;
  pool.details.lane_count = 1;
  pool.details.lanes[0].away = true;
  pool.details.lanes[0].away_for = 61s;
  pool.details.lanes[0].oldest_wait = 250ms;
  return pool;
}

const ProgramSample kNode{.name = "node7",
                          .version = "1.0",
                          .healthy = true,
                          .started_unix_us = 1'700'000'000'500'000,
                          .events = 9};

TEST(ExpositionTest, HasTheConventionsNamesWithTheirLabels) {
  const PoolSample pool = Busy("local");
  const std::string text = TextOf(kNode, {&pool, 1});
  const std::string labels = "{roost_node=\"node7\",db_client_connection_pool_name=\"local\"";
  EXPECT_THAT(text, HasSubstr("\ndb_client_connection_count" + labels +
                              ",db_client_connection_state=\"idle\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\ndb_client_connection_max" + labels + "} 1\n"));
  EXPECT_THAT(text, HasSubstr("\ndb_client_connection_timeouts_total" + labels +
                              ",cause=\"exhausted\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\nroost_pool_longest_hold_seconds" + labels + "} 1.5\n"));
  EXPECT_THAT(text, HasSubstr("\nroost_pool_oldest_wait_seconds" + labels + "} 0.25\n"));
  EXPECT_THAT(text, HasSubstr("\nroost_pool_away_seconds" + labels + "} 61\n"));
  EXPECT_THAT(text,
              HasSubstr("roost_node_start_time_seconds{roost_node=\"node7\"} 1700000000.5\n"));
}

// Envoy's buckets left out the spans that were exactly a bound.
TEST(ExpositionTest, ABucketHasTheSpansOfExactlyItsBound) {
  const PoolSample pool = Busy("local");
  const std::string text = TextOf(kNode, {&pool, 1});
  const std::string bucket =
      "db_client_connection_wait_time_seconds_bucket{roost_node=\"node7\","
      "db_client_connection_pool_name=\"local\",le=\"";
  EXPECT_THAT(text, HasSubstr(bucket + "0.000001\"} 1\n"));
  EXPECT_THAT(text, HasSubstr(bucket + "0.000004\"} 3\n"));
  EXPECT_THAT(text, HasSubstr(bucket + "4.194304\"} 23\n"));
  EXPECT_THAT(text, HasSubstr(bucket + "67.108864\"} 27\n"));
  EXPECT_THAT(text, HasSubstr(bucket + "+Inf\"} 28\n"));
  EXPECT_THAT(text, HasSubstr("wait_time_seconds_count{roost_node=\"node7\","
                              "db_client_connection_pool_name=\"local\"} 28\n"));
}

TEST(ExpositionTest, WhatIsNotMeasuredHasNoSeries) {
  PoolSample pool = Busy("local");
  pool.settings.hold_times = false;
  EXPECT_THAT(TextOf(kNode, {&pool, 1}), Not(HasSubstr("use_time")));
  EXPECT_THAT(TextOf(kNode, {}), Not(HasSubstr("db_client")));
}

// One value that is not escaped costs the whole scrape.
TEST(ExpositionTest, NoNameCanBreakALine) {
  PoolSample pool = Busy("a\"b\\c\nd\xff");
  pool.target = "x\"} 1\nroost_pool_away 7";
  const std::string text = TextOf(kNode, {&pool, 1});
  EXPECT_THAT(text, HasSubstr("pool_name=\"a\\\"b\\\\c\\nd\xef\xbf\xbd\""));
  for (const std::string& line : LinesOf(text)) {
    EXPECT_TRUE(line.starts_with("# ") || line.starts_with("db_client_connection_") ||
                line.starts_with("roost_"))
        << line;
    EXPECT_FALSE(line.starts_with("roost_pool_away 7"));
  }
}

TEST(ExpositionTest, EachFamilyStandsTogetherAndNoSeriesTwice) {
  const std::array pools{Busy("local"), Busy("remote")};
  std::set<std::string> families, series;
  std::string family;
  for (const std::string& line : LinesOf(TextOf(kNode, pools))) {
    if (line.starts_with("# HELP ")) {
      family = line.substr(7, line.find(' ', 7) - 7);
      EXPECT_TRUE(families.insert(family).second) << family << " twice";
    } else if (!line.starts_with("#")) {
      EXPECT_TRUE(line.starts_with(family)) << line << " stands in " << family;
      EXPECT_TRUE(series.insert(line.substr(0, line.rfind(' '))).second) << line << " twice";
    }
  }
  EXPECT_LE(series.size(), 400u);
  EXPECT_GT(series.size(), 150u);
}

TEST(ExpositionTest, TwoBusyPoolsFitIntoWhatASocketTakesAtOnce) {
  const std::array pools{Busy("local"), Busy("remote")};
  EXPECT_LE(TextOf(kNode, pools).size(), 48u * 1024);
}

}  // namespace
}  // namespace roost::telemetry
