// Whether the write-ahead log and the settings that survive a power cut took effect on this card,
// by a scratch database of the node's kind.
#include <utility>

#include "tools/common/text.h"
#include "tools/roostctl/selftest_checks.h"
#include "tools/roostctl/selftest_database.h"
#include "tools/roostctl/selftest_scratch.h"

namespace roost::tools::selftest {

absl::StatusOr<int64_t> QueryNumber(Lease& lease, const Sql& sql) {
  const absl::StatusOr<Statement*> statement = lease.Prepare(sql);
  if (!statement.ok()) return statement.status();
  Rows rows = (*statement)->Query();
  if (!rows.Next()) {
    return rows.status().ok() ? absl::NotFoundError("no row") : rows.status();
  }
  const auto number = rows.Get<int64_t>(0);
  if (!rows.status().ok()) return rows.status();
  return number;
}

absl::StatusOr<std::string> QueryWord(Lease& lease, const Sql& sql) {
  const absl::StatusOr<Statement*> statement = lease.Prepare(sql);
  if (!statement.ok()) return statement.status();
  Rows rows = (*statement)->Query();
  if (!rows.Next()) {
    return rows.status().ok() ? absl::NotFoundError("no row") : rows.status();
  }
  std::string word(rows.Get<std::string_view>(0));
  if (!rows.status().ok()) return rows.status();
  return word;
}

Result Broken(const char* doing, const absl::Status& status) {
  return Fail(std::string(doing) + ": " + std::string(status.message()), "no error",
              "look at dmesg for errors of the card; else report it with this line");
}

namespace {

// Synchronous as SQLite numbers it (https://www.sqlite.org/pragma.html#pragma_synchronous).
constexpr int64_t kNormal = 1;
constexpr int64_t kFull = 2;
constexpr int64_t kPageBytes = 4096;
constexpr int kBatches = 16;

constexpr Sql kJournalMode{"PRAGMA journal_mode"};
constexpr Sql kSynchronous{"PRAGMA synchronous"};
constexpr Sql kPageSize{"PRAGMA page_size"};
constexpr Sql kQuickCheck{"PRAGMA quick_check"};

// Keeps the first error.
template <class T>
void Take(absl::StatusOr<T> answer, T& into, absl::Status& status) {
  if (answer.ok()) {
    into = *std::move(answer);
  } else {
    status.Update(answer.status());
  }
}

absl::Status WriteAndSeal(Context& context, Lease& lease, LogFacts& facts) {
  std::vector<Duration> commits;
  std::vector<Duration> seals;
  for (int i = 0; i < kBatches && !context.IsOver(); ++i) {
    const TimePoint start = context.Now();
    absl::Status status = lease.Run(kScratchInsert, "selftest", double{1} * i);
    const TimePoint committed = context.Now();
    if (status.ok()) status = lease.Seal();
    if (!status.ok()) return status;
    commits.push_back(committed - start);
    seals.push_back(context.Now() - committed);
    ++facts.rows_expected;
  }
  facts.commits = PercentilesOf(std::move(commits));
  facts.seals = PercentilesOf(std::move(seals));
  return absl::OkStatus();
}

// As a node does: commits without a sync, then a seal.
absl::Status AskBatchPool(Context& context, const std::string& path, LogFacts& facts) {
  SqliteBackend backend(ScratchOptions(path));
  PoolFor<ScratchProfile> pool(backend, {.platform = &context.platform});
  absl::StatusOr<Lease> lease = pool.Acquire(kWrite, context.deadline);
  if (!lease.ok()) return lease.status();
  absl::Status status = WriteAndSeal(context, *lease, facts);
  Take(QueryWord(*lease, kJournalMode), facts.journal_mode, status);
  Take(QueryNumber(*lease, kSynchronous), facts.synchronous, status);
  Take(QueryNumber(*lease, kPageSize), facts.page_bytes, status);
  Take(QueryWord(*lease, kQuickCheck), facts.quick_check, status);
  lease->Return();
  status.Update(pool.Close(context.deadline));
  return status;
}

// Opened anew, with a sync at each commit: what was sealed is there.
absl::Status AskCommitPool(Context& context, const std::string& path, LogFacts& facts) {
  SqliteBackend backend(ScratchOptions(path, SqliteDurability::kCommit));
  PoolFor<ScratchProfile> pool(backend, {.platform = &context.platform});
  absl::StatusOr<Lease> lease = pool.Acquire(kWrite, context.deadline);
  if (!lease.ok()) return lease.status();
  absl::Status status;
  Take(QueryNumber(*lease, kSynchronous), facts.synchronous_of_commit, status);
  Take(QueryNumber(*lease, kScratchCount), facts.rows_found, status);
  lease->Return();
  status.Update(pool.Close(context.deadline));
  return status;
}

}  // namespace

Result JudgeCardLog(const LogFacts& facts) {
  const std::string measured =
      Format("%s, synchronous %lld/%lld, seal p50 ", facts.journal_mode.c_str(),
             static_cast<long long>(facts.synchronous),
             static_cast<long long>(facts.synchronous_of_commit)) +
      FormatDuration(facts.seals.p50) + ", commit " + FormatDuration(facts.commits.p50);
  const std::string bound = Format("wal, synchronous %lld/%lld, pages sound",
                                   static_cast<long long>(kNormal), static_cast<long long>(kFull));
  Result result = Pass(measured, bound);
  if (facts.journal_mode != "wal") {
    result = Fail(measured, bound,
                  "the file system has no shared memory for a write-ahead log: use ext4 or f2fs");
  } else if (facts.synchronous != kNormal || facts.synchronous_of_commit != kFull) {
    result = Fail(measured, bound, "this SQLite does not obey PRAGMA synchronous: use Debian's");
  } else if (facts.quick_check != "ok" || facts.rows_found != facts.rows_expected) {
    result = Fail(
        Format("%lld of %lld rows found, quick_check: ", static_cast<long long>(facts.rows_found),
               static_cast<long long>(facts.rows_expected)) +
            facts.quick_check,
        bound, "the card gives back other bytes than were written: replace it");
  } else if (facts.page_bytes != kPageBytes) {
    result = Warn(measured + Format(", page %lld", static_cast<long long>(facts.page_bytes)),
                  Format("page %lld", static_cast<long long>(kPageBytes)),
                  "this SQLite was built with another page size: limits in pages mean other sizes");
  }
  AddFigures(result, facts.seals, "seal_");
  AddFigures(result, facts.commits, "commit_");
  return std::move(result)
      .With("journal_mode", facts.journal_mode)
      .With("synchronous", facts.synchronous)
      .With("quick_check", facts.quick_check)
      .With("rows", facts.rows_found);
}

Result CheckCardLog(Context& context) {
  const absl::StatusOr<std::string> path = context.scratch.File("log.db");
  if (!path.ok()) return Skip(std::string(path.status().message()));
  LogFacts facts;
  absl::Status status = AskBatchPool(context, *path, facts);
  if (status.ok()) status = AskCommitPool(context, *path, facts);
  return status.ok() ? JudgeCardLog(facts) : Broken("the scratch database", status);
}

}  // namespace roost::tools::selftest
