// tests/support/status_macros.h - an absl::Status that has to be OK, shown when it is not.
#ifndef ROOST_TESTS_SUPPORT_STATUS_MACROS_H_
#define ROOST_TESTS_SUPPORT_STATUS_MACROS_H_

#include "absl/status/status.h"
#include "gtest/gtest.h"

#define ASSERT_OK(expression)                    \
  do {                                           \
    const absl::Status assert_ok = (expression); \
    ASSERT_TRUE(assert_ok.ok()) << assert_ok;    \
  } while (false)
#define EXPECT_OK(expression)                    \
  do {                                           \
    const absl::Status expect_ok = (expression); \
    EXPECT_TRUE(expect_ok.ok()) << expect_ok;    \
  } while (false)

#endif  // ROOST_TESTS_SUPPORT_STATUS_MACROS_H_
