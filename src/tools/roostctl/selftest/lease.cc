// tools/roostctl/selftest/lease.cc - checks of what a lease gives: no wait for itself, a clean
// connection, statements that are prepared once.
#include <utility>

#include "tools/common/text.h"
#include "tools/roostctl/selftest/checks.h"
#include "tools/roostctl/selftest/scratch.h"

namespace roost::tools::selftest {
namespace {

using namespace std::chrono_literals;

// A refusal of a holder that would wait for itself has to come at once.
constexpr Duration kAtOnce = 100ms;

}  // namespace

// ---- Nested acquire, reset ----------------------------------------------------------------------

namespace {

Result MeasureNested(Context& context, const std::string& path) {
  SqliteBackend backend(ScratchOptions(path));
  PoolFor<OneSlot> pool(backend, {.platform = &context.platform});
  absl::StatusOr<Lease> held = pool.Acquire(kWrite, context.deadline);
  if (!held.ok()) return Broken("acquire", held.status());
  const TimePoint start = context.Now();
  const absl::Status refused = pool.Acquire(kWrite, Deadline::After(start, 1s)).status();
  const Duration took = context.Now() - start;
  const std::string measured = "refused after " + FormatDuration(took);
  const std::string bound = "at most " + FormatDuration(kAtOnce);
  Result result =
      absl::IsFailedPrecondition(refused) && took <= kAtOnce
          ? Pass(measured, bound)
          : Fail(std::string(refused.message()) + ", " + measured, bound,
                 "a wait that can only deadlock was not seen: report it with this line");
  return std::move(result).With("took_s", InSeconds(took));
}

constexpr Sql kLeftRows{"SELECT count(*) FROM reading WHERE name = 'left behind'"};
constexpr Sql kLeftTables{"SELECT count(*) FROM sqlite_temp_master"};

Result MeasureReset(Context& context, const std::string& path) {
  SqliteBackend backend(ScratchOptions(path));
  PoolFor<OneSlot> pool(backend, {.platform = &context.platform});
  absl::StatusOr<Lease> lease = pool.Acquire(kWrite, context.deadline);
  if (!lease.ok()) return Broken("acquire", lease.status());
  const absl::Status dirty = lease->RunScript(
      "CREATE TEMP TABLE left_behind(a); BEGIN;"
      "INSERT INTO reading(name, value) VALUES ('left behind', 1)");
  lease->Return();
  if (!dirty.ok()) return Broken("making a connection dirty", dirty);
  lease = pool.Acquire(kWrite, context.deadline);
  if (!lease.ok()) return Broken("acquire after a dirty return", lease.status());
  const absl::StatusOr<int64_t> rows = QueryNumber(*lease, kLeftRows);
  if (!rows.ok()) return Broken("reading after a dirty return", rows.status());
  const absl::StatusOr<int64_t> tables = QueryNumber(*lease, kLeftTables);
  if (!tables.ok()) return Broken("reading after a dirty return", tables.status());
  lease->Return();
  const Stats stats = pool.stats();
  Result result = *rows + *tables == 0 && stats.resets + stats.invalidations > 0
                      ? Pass("nothing left", "nothing left")
                      : Fail(Format("%lld rows, %lld tables left", static_cast<long long>(*rows),
                                    static_cast<long long>(*tables)),
                             "nothing left", "a connection came back dirty: report it");
  return std::move(result).With("resets", stats.resets);
}

}  // namespace

Result CheckPoolNested(Context& context) { return OnBoth(context, "nested.db", MeasureNested); }
Result CheckPoolReset(Context& context) { return OnBoth(context, "reset.db", MeasureReset); }

// ---- The round trip of a statement --------------------------------------------------------------

namespace {

constexpr int kRows = 200;
// A prepared statement took 4 to 20 us on a PC, ten times as much on the slowest board; 1 to 2 ms
// are usual for a mere ping of a server.
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
