// tests/postgres_faults/faults_test_body.h - what is asserted of every row of faults.h.
#ifndef ROOST_TESTS_POSTGRES_FAULTS_FAULTS_TEST_BODY_H_
#define ROOST_TESTS_POSTGRES_FAULTS_FAULTS_TEST_BODY_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/postgres_faults/faults.h"

namespace roost::faults {

inline void ExpectAsPromised(const Fault& fault, const Observation& seen) {
  EXPECT_THAT(fault.sees, ::testing::Contains(seen.first.status.code())) << seen.first.status;
  if (!fault.sqlstate.empty()) {
    EXPECT_EQ(PostgresSqlState(seen.first.status), fault.sqlstate) << seen.first.status;
  }
  EXPECT_LT(seen.first.after, fault.limit + kGrace) << "the caller's deadline";
  EXPECT_LT(seen.recovery, kGrace + Remote::kBackoffMax) << "within one step of the back-off";
  EXPECT_EQ(seen.same_connection, fault.same_connection) << seen.how;
  EXPECT_EQ(seen.leaked_descriptors, 0);
  EXPECT_FALSE(seen.leaked_sessions);
  EXPECT_EQ(seen.broken_invariant, "");
}

inline std::string NameOf(const ::testing::TestParamInfo<Fault>& info) { return info.param.name; }

}  // namespace roost::faults

#endif  // ROOST_TESTS_POSTGRES_FAULTS_FAULTS_TEST_BODY_H_
