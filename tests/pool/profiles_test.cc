// tests/pool/profiles_test.cc - profiles: the numbers of each, exactly, and what a pool of each
// costs.
#include <gtest/gtest.h>

#include <map>

#include "tests/pool/pool_test_support.h"

namespace roost {
namespace {

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
  EXPECT_GT(settings.linger, 0s);
  EXPECT_EQ(settings.open_by, OpenBy::kHousekeeper);
}

TEST(ProfilesTest, TheyAreElevenWithNamesOfTheirOwn) {
  std::map<std::string, int> names;
  for (const PoolSettings& settings : AllProfiles()) ++names[settings.profile];
  EXPECT_EQ(names.size(), 11u);
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

// The pool's memory is its object's: it grows by slots and statements, and by nothing else.
TEST(ProfilesTest, TheSizeOfAPoolIsFixedByItsProfile) {
  constexpr size_t kOne = sizeof(PoolFor<Plain<1>>);
  constexpr size_t kTwo = sizeof(PoolFor<Plain<2>>);
  constexpr size_t kThree = sizeof(PoolFor<Plain<2, 1>>);
  EXPECT_NEAR(static_cast<double>(kTwo - kOne), static_cast<double>(kThree - kTwo),
              128.0);  // its alignment
  EXPECT_LT(sizeof(PoolFor<profiles::RaspberryPi>), 16u * 1024);
}

// A driver with large connections enlarges its own pools alone.
struct FatBackend {
  static constexpr internal::ConnectionSize kConnectionSize{.connection = 4096, .statement = 1024};
};

TEST(ProfilesTest, ABackendNamesTheBytesOfItsConnections) {
  constexpr size_t kPlain = sizeof(PoolFor<Plain<2>>);
  constexpr size_t kFat = sizeof(PoolFor<Plain<2>, FatBackend>);
  constexpr size_t kMore = 2 * (FatBackend::kConnectionSize.For(Plain<2>::kStatements) -
                                internal::AnyBackend::kConnectionSize.For(Plain<2>::kStatements));
  EXPECT_EQ(kFat - kPlain, kMore);
}

class EveryProfileTest : public PoolTest {
 protected:
  // Everything is lent, the next caller is refused in time, everything comes back.
  template <class P>
  void Exercise() {
    SCOPED_TRACE(P::kName);
    auto pool = std::make_unique<PoolFor<P>>(backend, Options());
    Actor keeper(platform, [&] {
      if (P::kOpenBy == OpenBy::kCaller) return;
      std::atomic<uint32_t> never{0};
      while (pool->stats().in_use < pool->stats().capacity) {
        pool->Tick(platform.Now());
        platform.Wait(never, 0, pool->In(1ms));
      }
    });
    std::vector<Lease> leases;
    for (int i = 0; i < P::kPoolSize + P::kMaxOverflow; ++i) {
      leases.push_back(Must(pool->Acquire(kWrite, pool->In(1s))));
      leases.back().ReleaseThread();
    }
    platform.Advance(1ms);
    platform.Run();
    const TimePoint start = Now();
    const absl::Status refused = pool->Acquire().status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kDeadlineExceeded) << refused;
    EXPECT_EQ(Now(), start + P::kPoolTimeout);
    leases.clear();
    EXPECT_TRUE(pool->Close(pool->In(1s)).ok());
  }
};

TEST_F(EveryProfileTest, ServesItsCapacityAndTimesOutAfterItsTimeOut) {
  ::testing::internal::CaptureStderr();  // development echoes
  Exercise<profiles::Default>();
  Exercise<profiles::Development>();
  Exercise<profiles::Testing>();
  Exercise<profiles::Staging>();
  Exercise<profiles::Production>();
  Exercise<profiles::VpsLite>();
  Exercise<profiles::RaspberryPi>();
  Exercise<profiles::RaspberryPiRemote>();
  Exercise<profiles::HighTrafficWeb>();
  Exercise<profiles::BackgroundJobs>();
  Exercise<profiles::Microservice>();
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("checkout"));
}

struct Largest : Plain<254> {};

TEST_F(EveryProfileTest, TheLargestPoolHas254Slots) { Exercise<Largest>(); }

}  // namespace
}  // namespace roost
