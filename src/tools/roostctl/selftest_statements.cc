// The round trip of a statement: prepared once, run many times.
#include <utility>

#include "tools/common/text.h"
#include "tools/roostctl/selftest_checks.h"
#include "tools/roostctl/selftest_database.h"

namespace roost::tools::selftest {
namespace {

using namespace std::chrono_literals;

constexpr int kRows = 200;
// A prepared statement took 4 to 20 us on a PC (backends: mallocs per operation), ten times as much
// on the slowest board; the guide allows 1 to 2 ms for a mere ping.
constexpr Duration kUsual = 1ms;

// Rows in one transaction, so that the card is synced once.
absl::Status Insert(Context& context, Lease& lease, std::vector<Duration>& spans) {
  absl::StatusOr<Transaction> transaction = lease.Begin();
  if (!transaction.ok()) return transaction.status();
  for (int i = 1; i <= kRows; ++i) {
    const TimePoint start = context.Now();
    if (absl::Status run = lease.Run(kScratchInsert, "selftest", i * 0.5); !run.ok()) return run;
    spans.push_back(context.Now() - start);
  }
  return transaction->Commit();
}

absl::Status Select(Context& context, Statement& find, std::vector<Duration>& spans) {
  for (int i = 1; i <= kRows; ++i) {
    const TimePoint start = context.Now();
    Rows rows = find.Query(i);
    const bool found = rows.Next() && rows.Get<std::string_view>(0) == "selftest" &&
                       rows.Get<double>(1) == i * 0.5;
    spans.push_back(context.Now() - start);
    if (!rows.status().ok()) return rows.status();
    if (!found) return absl::DataLossError(Format("row %d came back different", i));
  }
  return absl::OkStatus();
}

Result MeasureStatements(Context& context, const std::string& path) {
  SqliteBackend backend(ScratchOptions(path));
  PoolFor<ScratchProfile> pool(backend, {.platform = &context.platform});
  absl::StatusOr<Lease> lease = pool.Acquire(kWrite, context.deadline);
  if (!lease.ok()) return Broken("acquire", lease.status());
  std::vector<Duration> inserts;
  std::vector<Duration> selects;
  absl::Status status = Insert(context, *lease, inserts);
  const absl::StatusOr<Statement*> first = lease->Prepare(kScratchFind);
  status.Update(first.status());
  if (status.ok()) status = Select(context, **first, selects);
  if (!status.ok()) return Broken("a statement", status);
  const absl::StatusOr<Statement*> second = lease->Prepare(kScratchFind);
  const bool kept = second.ok() && *first == *second;
  return JudgeStatements(PercentilesOf(std::move(inserts)), PercentilesOf(std::move(selects)),
                         kept);
}

}  // namespace

Result JudgeStatements(const Percentiles& inserts, const Percentiles& selects, bool kept) {
  const std::string measured =
      "insert " + FormatDuration(inserts.p50) + ", select " + FormatDuration(selects.p50);
  const std::string bound = "p50 " + FormatDuration(kUsual) + " each, prepared once";
  Result result = Pass(measured, bound);
  if (!kept) {
    result = Fail(measured + ", prepared anew", bound,
                  "the statement cache does not keep statements: report it with this line");
  } else if (inserts.p50 > kUsual || selects.p50 > kUsual) {
    result =
        Warn(measured, bound, "the CPU is slow: look at board.throttling, board.governor and top");
  }
  AddFigures(result, inserts, "insert_");
  AddFigures(result, selects, "select_");
  return std::move(result).With("prepared_once", kept);
}

Result CheckStatements(Context& context) {
  return OnBoth(context, "statements.db", MeasureStatements);
}

}  // namespace roost::tools::selftest
