// Every call to the card fails in turn; a card that turns read-only; a full card; a sync that
// fails.
//
// ROOST_IO_FAILS=write:17 runs the sweep for the 17th write alone.
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>

#include "tests/faults/reading.h"
#include "tests/faults/sqlite_scenario.h"
#include "tests/support/connection_access.h"
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

Result LiveWith(const IoFault& fault) {
  Result result;
  PowerCutVfs card;
  SqliteScenario scenario(card);
  card.Inject(fault);
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
    const int64_t calls = LiveWith({.call = call, .nth = 0}).calls;
    EXPECT_GT(calls, 0) << Name(call) << " is never called";
    std::map<std::string, int> codes;
    for (int64_t nth = 1; nth <= calls; ++nth) {
      const std::string label = std::string(Name(call)) + ":" + std::to_string(nth);
      if (!alone.empty() && alone != label) continue;
      SCOPED_TRACE("this call alone: ROOST_IO_FAILS='" + label + "'");
      const Result result = LiveWith({.call = call, .nth = nth, .from_then_on = from_then_on});
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
  const Result result = LiveWith({.nth = 0});
  EXPECT_GT(result.calls, 100);
  EXPECT_TRUE(result.failures.empty()) << result.failures.front().status;
  EXPECT_EQ(result.wrong, "");
}

TEST(SqliteIoFaults, EachCallFailsOnce) { Sweep(false); }

TEST(SqliteIoFaults, EachCallFailsAndAllAfterIt) { Sweep(true); }

TEST(SqliteIoFaults, EachWriteFindsTheCardFull) {
  const int64_t writes = LiveWith({.call = IoCall::kWrite, .nth = 0}).calls;
  for (int64_t nth = 1; nth <= writes; ++nth) {
    for (const bool from_then_on : {false, true}) {
      SCOPED_TRACE("write " + std::to_string(nth));
      const Result result = LiveWith(
          {.call = IoCall::kWrite, .nth = nth, .from_then_on = from_then_on, .code = SQLITE_FULL});
      EXPECT_EQ(result.wrong, "");
      for (const SqliteScenario::Failure& failure : result.failures) {
        EXPECT_EQ(failure.status.code(), absl::StatusCode::kResourceExhausted)
            << failure.step << ": " << failure.status;
      }
    }
  }
}

// ---- a card with one writer and one reader ------------------------------------------------------

constexpr Sql kDelete{"DELETE FROM reading WHERE id <= $1"};

class SqliteCard : public ::testing::Test {
 protected:
  SqliteCard() { Start({}); }

  void Start(SqliteOptions options) {
    reader_.reset();
    writer_.reset();
    options.path = "/node.db";
    options.schema = kSchema;
    options.vfs = card_.name();
    backend_.emplace(options);
    OpenWriter();
    reader_.emplace(*backend_, NativePlatform(), Role::kReader);
    ASSERT_TRUE(reader_->ok()) << reader_->status();
  }
  void OpenWriter() {
    writer_.reset();
    writer_.emplace(*backend_, NativePlatform(), Role::kWriter);
    ASSERT_TRUE(writer_->ok()) << writer_->status();
  }
  absl::Status Store(int64_t id, size_t bytes = 100) {
    const std::string body(bytes, 'r');
    return (*writer_)->Run(kInsert, id, std::as_bytes(std::span(body)));
  }
  int64_t Count(HeldConnection& held) {
    Rows rows = (*held->Prepare(kCount))->Query();
    return rows.Next() ? rows.Get<int64_t>(0) : -1;
  }
  // Stores until it is refused; the refusal.
  absl::Status StoreUntilRefused(int64_t& id) {
    absl::Status status;
    while (status.ok() && id < 10'000) {
      status = Store(id + 1, 1000);
      if (status.ok()) ++id;
    }
    return status;
  }

  PowerCutVfs card_;
  std::optional<SqliteBackend> backend_;
  std::optional<HeldConnection> writer_;
  std::optional<HeldConnection> reader_;
};

TEST_F(SqliteCard, ReadOnlyItRefusesWritesAtOnceAndReadsGoOn) {
  ASSERT_TRUE(Store(1).ok());
  card_.set_read_only(true);
  EXPECT_EQ(Store(2).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ConnectionAccess::Inspect(**writer_), SessionState::kBroken)
      << "its next holder would fail, too";
  EXPECT_EQ(Count(*reader_), 1);
  EXPECT_EQ(ConnectionAccess::Inspect(**reader_), SessionState::kClean);

  writer_.reset();
  const HeldConnection refused(*backend_, NativePlatform(), Role::kWriter);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition) << refused.status();
  EXPECT_EQ(Count(*reader_), 1);

  card_.set_read_only(false);
  OpenWriter();
  EXPECT_TRUE(Store(2).ok());
  EXPECT_EQ(Count(*reader_), 2);
}

TEST_F(SqliteCard, FullItRefusesWritesKeepsWhatIsThereAndRecovers) {
  card_.set_capacity(card_.used_bytes() + 256 * 1024);
  int64_t stored = 0;
  EXPECT_EQ(StoreUntilRefused(stored).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_GT(stored, 10);
  EXPECT_EQ(ConnectionAccess::fault_scope(**writer_), FaultScope::kStatement)
      << "a full card passes";
  EXPECT_NE(ConnectionAccess::Inspect(**writer_), SessionState::kBroken);
  EXPECT_EQ(Count(*reader_), stored);

  card_.set_capacity(card_.used_bytes() + 512 * 1024);  // somebody deleted a file
  EXPECT_TRUE((*writer_)->Run(kDelete, stored / 2).ok());
  EXPECT_TRUE(Store(stored + 1).ok());
  EXPECT_EQ(Count(*reader_), stored - stored / 2 + 1);
}

TEST_F(SqliteCard, AtTheBoundOfTheFileDeletesStillWork) {
  Start({.max_kib = 64});
  int64_t stored = 0;
  EXPECT_EQ(StoreUntilRefused(stored).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_GT(stored, 10);
  EXPECT_EQ(ConnectionAccess::fault_scope(**writer_), FaultScope::kStatement);
  EXPECT_TRUE((*writer_)->Run(kDelete, stored / 2).ok());
  EXPECT_TRUE(Store(stored + 1, 1000).ok());
}

TEST_F(SqliteCard, AFailedSealIsNotRepeatedOnTheSameConnection) {
  ASSERT_TRUE(Store(1).ok());
  card_.Inject({.call = IoCall::kSync, .file = FileKind::kWal});
  EXPECT_EQ((*writer_)->Seal().code(), absl::StatusCode::kDataLoss);
  card_.ClearFaults();
  const support::IoCounts before = card_.counts(FileKind::kWal);
  EXPECT_FALSE((*writer_)->Seal().ok()) << "the card said once that it did not keep it";
  EXPECT_EQ((card_.counts(FileKind::kWal) - before).syncs, 0u);
  EXPECT_EQ(ConnectionAccess::fault_scope(**writer_), FaultScope::kAllOlder);
  EXPECT_EQ(ConnectionAccess::Inspect(**writer_), SessionState::kBroken);
}

TEST_F(SqliteCard, ASealedCommitWhoseSyncFailsIsOfUnknownOutcome) {
  card_.Inject({.call = IoCall::kSync, .file = FileKind::kWal});
  absl::StatusOr<Transaction> batch = (*writer_)->Begin(Durability::kSealed);
  ASSERT_TRUE(batch.ok());
  ASSERT_TRUE(Store(1).ok());
  EXPECT_EQ(batch->Commit().code(), absl::StatusCode::kUnknown);
  EXPECT_EQ(ConnectionAccess::fault_scope(**writer_), FaultScope::kAllOlder);
}

}  // namespace
}  // namespace roost::faults
