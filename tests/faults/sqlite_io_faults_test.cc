// Every call to the card fails in turn; a card that turns read-only; a full card; a sync that fails.
//
// ROOST_IO_FAILS=write:17 runs the sweep for the 17th write alone.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

#include "tests/faults/sqlite_scenario.h"
#include "tests/support/power_cut_disk.h"

namespace roost::faults {
namespace {

using support::FileKind;
using support::HeldConnection;
using support::IoCall;
using support::IoFault;
using support::PowerCutVfs;

constexpr IoCall kCalls[] = {IoCall::kOpen, IoCall::kRead,   IoCall::kWrite,  IoCall::kTruncate,
                             IoCall::kSync, IoCall::kDelete, IoCall::kSize,   IoCall::kAccess,
                             IoCall::kLock, IoCall::kShmMap, IoCall::kShmLock};

struct Result {
  int64_t calls = 0;
  int64_t failed = 0;
  std::vector<SqliteScenario::Failure> failures;
  std::string wrong;
};

Result LiveWith(IoCall call, int64_t nth, bool from_then_on) {
  Result result;
  PowerCutVfs card;
  SqliteScenario scenario(card);
  card.Inject({.call = call, .nth = nth, .from_then_on = from_then_on});
  scenario.Live();
  result.calls = card.matched_calls();
  result.failed = card.failed_calls();
  card.ClearFaults();
  result.wrong = scenario.Examine();
  result.failures = scenario.failures();
  return result;
}

bool IsClean(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:         // the card gave an error: later
    case absl::StatusCode::kFailedPrecondition:  // it does not take writes
    case absl::StatusCode::kResourceExhausted:   // it is full
    case absl::StatusCode::kDataLoss:            // it did not confirm what was written
    case absl::StatusCode::kUnknown:             // of a commit
    case absl::StatusCode::kDeadlineExceeded:    // a lock that cannot be had
      return !status.message().empty();
    default:
      return false;
  }
}

void Sweep(bool from_then_on) {
  const char* const wish = std::getenv("ROOST_IO_FAILS");
  const std::string alone = wish == nullptr ? "" : wish;
  for (const IoCall call : kCalls) {
    const int64_t calls = LiveWith(call, 0, false).calls;
    EXPECT_GT(calls, 0) << Name(call) << " is never called";
    std::map<std::string, int> codes;
    for (int64_t nth = 1; nth <= calls; ++nth) {
      const std::string label = std::string(Name(call)) + ":" + std::to_string(nth);
      if (!alone.empty() && alone != label) continue;
      SCOPED_TRACE("this call alone: ROOST_IO_FAILS='" + label + "'");
      const Result result = LiveWith(call, nth, from_then_on);
      EXPECT_GT(result.failed, 0);
      EXPECT_EQ(result.wrong, "");
      for (const SqliteScenario::Failure& failure : result.failures) {
        EXPECT_TRUE(IsClean(failure.status)) << failure.step << ": " << failure.status;
        ++codes[absl::StatusCodeToString(failure.status.code())];
      }
      if (::testing::Test::HasFailure()) return;
    }
    std::printf("%-8s %4lld calls failed in turn:", Name(call), static_cast<long long>(calls));
    for (const auto& [code, count] : codes) std::printf(" %d x %s", count, code.c_str());
    std::printf("\n");
  }
}

TEST(SqliteIoFaults, WithoutAFaultTheScenarioGoesThrough) {
  const Result result = LiveWith(IoCall::kAny, 0, false);
  EXPECT_GT(result.calls, 100);
  EXPECT_TRUE(result.failures.empty()) << result.failures.front().status;
  EXPECT_EQ(result.wrong, "");
}

TEST(SqliteIoFaults, EachCallFailsOnce) { Sweep(false); }

TEST(SqliteIoFaults, EachCallFailsAndAllAfterIt) { Sweep(true); }

}  // namespace
}  // namespace roost::faults
