// tests/pool/profiles_test.cc - what a pool of each profile costs, and that it works; the numbers of each
// are in values_test.cc.
#include <gtest/gtest.h>

#include "tests/pool/pool_test_support.h"

namespace roost {
namespace {

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
