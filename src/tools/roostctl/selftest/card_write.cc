// tools/roostctl/selftest/card_write.cc - checks of the card that write to it: what a sync
// costs, and whether the write-ahead log and the settings that survive a power cut took effect.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <utility>

#include "tools/common/text.h"
#include "tools/roostctl/selftest/checks.h"
#include "tools/roostctl/selftest/scratch.h"

namespace roost::tools::selftest {

// ---- Syncs --------------------------------------------------------------------------------------

namespace {

using namespace std::chrono_literals;

constexpr size_t kPage = 4096;  // what one small commit adds to the log
constexpr int kSyncs = 100;     // 400 KiB at the most
// Cards take 5 to 50 ms for a sync, with stalls of seconds.
constexpr Duration kUsual = 50ms;
constexpr Duration kLongWarn = 500ms;
// roost-node's Node::kStoreWithin: a batch has to be stored in this time, with its one sync.
constexpr Duration kLongFail = 2s;
// To write a page of flash takes 200 us and more; disks with a battery answer in some 20.
constexpr Duration kTooGood = 10us;

class File {
 public:
  explicit File(int fd) : fd_(fd) {}
  ~File() {
    if (fd_ >= 0) close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

// A file that has lost its name: it is gone when it is closed, whatever happens.
int OpenNameless(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd >= 0) unlink(path.c_str());
  return fd;
}

Result CannotWrite(const std::string& what, int error) {
  return Fail(what + ": " + std::strerror(error), "a page is written and synced",
              "the card does not take writes: look at dmesg");
}

}  // namespace

Result JudgeCardSync(const Percentiles& syncs, uint64_t bytes_written) {
  const std::string measured = FormatPercentiles(syncs) +
                               Format(" of %zu; wrote ", static_cast<size_t>(syncs.count)) +
                               FormatBytes(bytes_written);
  const std::string bound = "p50 " + FormatDuration(kUsual) + ", p99 " + FormatDuration(kLongWarn);
  Result result = Pass(measured, bound);
  if (syncs.p99 > kLongFail) {
    result = Fail(measured, "p99 " + FormatDuration(kLongFail),
                  "a node gives a batch 2 s: readings wait in memory and may be dropped; replace "
                  "the card by one of class A1 or better");
  } else if (syncs.p50 > kUsual || syncs.p99 > kLongWarn) {
    result = Warn(measured, bound,
                  "a slow card: seal less often (roost-node --seal-every 30s), look whether "
                  "another program writes (iotop), consider a card of class A1 or better");
  } else if (syncs.p50 < kTooGood) {
    result = Warn(measured, "not below " + FormatDuration(kTooGood),
                  "no medium is that fast: syncs do not reach it (memory, or a virtual disk "
                  "without flushes), and a power cut may take what was sealed");
  }
  AddFigures(result, syncs);
  return std::move(result).With("written_bytes", bytes_written);
}

Result CheckCardSync(Context& context) {
  const absl::StatusOr<std::string> path = context.scratch.File("sync");
  if (!path.ok()) return Skip(std::string(path.status().message()));
  const File file(OpenNameless(*path));
  if (file.fd() < 0) return CannotWrite("open", errno);
  std::array<char, kPage> page;
  std::vector<Duration> syncs;
  for (int i = 0; i < kSyncs && !context.IsOver(); ++i) {
    page.fill(static_cast<char>(i));
    const TimePoint start = context.Now();
    const ssize_t written = pwrite(file.fd(), page.data(), kPage, off_t{i} * off_t{kPage});
    if (written != ssize_t{kPage}) return CannotWrite("write", written < 0 ? errno : ENOSPC);
    if (fdatasync(file.fd()) != 0) return CannotWrite("fdatasync", errno);
    syncs.push_back(context.Now() - start);
  }
  const uint64_t bytes = syncs.size() * kPage;
  return JudgeCardSync(PercentilesOf(std::move(syncs)), bytes);
}

// ---- The log, by a scratch database of the node's kind ------------------------------------------

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
