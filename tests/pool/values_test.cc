// tests/pool/values_test.cc - what the headers alone decide: the numbers of each profile, the buckets of a
// histogram, the visit of the members of Stats. Needs no library, so that a change of a header is tried fast.
#include <map>
#include <string>
#include <type_traits>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "roost/profile.h"
#include "roost/stats.h"
#include "tests/support/counting_allocator.h"

namespace roost {
namespace {

using namespace std::chrono_literals;

struct GuideRow {
  int pool_size;
  int max_overflow;
  std::chrono::seconds pool_timeout;
  std::chrono::seconds pool_recycle;
  bool pre_ping;
  bool echo_pool;
};

// The guide's tables. What a section leaves out is the default's: 30 s and 1800 s.
const std::map<std::string, GuideRow>& Guide() {
  static const std::map<std::string, GuideRow> rows{
      {"default", {10, 5, 30s, 1800s, true, false}},
      {"development", {5, 0, 30s, 3600s, false, true}},
      {"testing", {1, 0, 30s, 3600s, false, false}},
      {"staging", {15, 10, 30s, 1800s, true, false}},
      {"production", {50, 25, 60s, 1800s, true, false}},
      {"vps_lite", {20, 10, 30s, 1800s, true, false}},
      {"raspberry_pi", {2, 1, 30s, 3600s, false, false}},
      {"high_traffic_web", {100, 50, 10s, 1800s, true, false}},
      {"background_jobs", {20, 0, 300s, 3600s, true, false}},
      {"microservice", {10, 5, 5s, 1800s, true, false}},
  };
  return rows;
}

struct Collect {
  std::vector<PoolSettings>* all;
  template <class P>
  void operator()() const {
    all->push_back(SettingsOf<P>());
  }
};

std::vector<PoolSettings> AllProfiles() {
  std::vector<PoolSettings> all;
  profiles::ForEach(Collect{&all});
  return all;
}

TEST(ProfilesTest, HaveTheGuidesNumbers) {
  int found = 0;
  for (const PoolSettings& settings : AllProfiles()) {
    const auto row = Guide().find(settings.profile);
    if (row == Guide().end()) continue;
    SCOPED_TRACE(settings.profile);
    ++found;
    EXPECT_EQ(settings.pool_size, row->second.pool_size);
    EXPECT_EQ(settings.max_overflow, row->second.max_overflow);
    EXPECT_EQ(settings.pool_timeout, row->second.pool_timeout);
    EXPECT_EQ(settings.pool_recycle, row->second.pool_recycle);
    EXPECT_EQ(settings.pre_ping, row->second.pre_ping ? PrePing::kAlways : PrePing::kNever);
    EXPECT_EQ(settings.echo_pool, row->second.echo_pool);
    // The guide's overflow is closed on return. The board's lingers, which its comment explains.
    if (row->first != "raspberry_pi") {
      EXPECT_EQ(settings.linger, 0s);
    }
  }
  EXPECT_EQ(found, 10);
}

TEST(ProfilesTest, TheRemoteBoardIsOneAndOneAndPingsAfterARest) {
  const PoolSettings settings = SettingsOf<profiles::RaspberryPiRemote>();
  EXPECT_EQ(settings.pool_size, 1);
  EXPECT_EQ(settings.max_overflow, 1);
  EXPECT_EQ(settings.pre_ping, PrePing::kAfterIdle);
  EXPECT_EQ(settings.linger, 1min);
  EXPECT_EQ(settings.open_by, OpenBy::kHousekeeper);
}

TEST(ProfilesTest, TheyAreElevenInTheOrderOfTheHeader) {
  std::vector<std::string> names;
  for (const PoolSettings& settings : AllProfiles()) names.push_back(settings.profile);
  EXPECT_THAT(names,
              ::testing::ElementsAre("default", "development", "testing", "staging", "production",
                                     "vps_lite", "raspberry_pi", "raspberry_pi_remote",
                                     "high_traffic_web", "background_jobs", "microservice"));
}

// What a firmware writes: a struct of a few lines.
struct Node : profiles::RaspberryPi {
  static constexpr const char* kName = "node";
  static constexpr int kMaxOverflow = 2;
  static constexpr Duration kPoolTimeout = 500ms;
};

TEST(ProfilesTest, AStructThatShadowsAFewNumbersIsAProfile) {
  constexpr PoolSettings kSettings = SettingsOf<Node>();
  static_assert(kSettings.capacity() == 4);
  EXPECT_STREQ(kSettings.profile, "node");
  EXPECT_EQ(kSettings.pool_timeout, 500ms);
  EXPECT_EQ(kSettings.pool_recycle, 3600s);
}

// ---- Stats ----

TEST(HistogramTest, BucketsDoubleFromOneMicrosecond) {
  EXPECT_EQ(Histogram::BucketOf(-1s), 0);
  EXPECT_EQ(Histogram::BucketOf(999ns), 0);
  EXPECT_EQ(Histogram::BucketOf(1us), 0) << "a bound counts in its own bucket";
  EXPECT_EQ(Histogram::BucketOf(1001ns), 1);
  EXPECT_EQ(Histogram::BucketOf(2us), 1);
  EXPECT_EQ(Histogram::BucketOf(2001ns), 2);
  EXPECT_EQ(Histogram::BucketOf(67s), Histogram::kBuckets - 2) << "a pool_timeout of a minute";
  EXPECT_EQ(Histogram::BucketOf(1h), Histogram::kBuckets - 1);
  for (int i = 0; i < Histogram::kBuckets - 1; ++i) {
    EXPECT_EQ(Histogram::BucketOf(Histogram::Bound(i)), i);
    EXPECT_EQ(Histogram::BucketOf(Histogram::Bound(i) + 1ns), i + 1);
  }
  EXPECT_EQ(Histogram::Bound(Histogram::kBuckets - 1), Duration::max());
}

TEST(ForEachMetricTest, AllocatesNothing) {
  const Stats stats;
  size_t characters = 0;
  const support::AllocationCount count;
  ForEachMetric(stats,
                [&](const Metric& metric, const auto&) { characters += metric.help.size(); });
  EXPECT_EQ(count.this_thread(), 0u);
  EXPECT_GT(characters, 100u);
}

}  // namespace
}  // namespace roost
