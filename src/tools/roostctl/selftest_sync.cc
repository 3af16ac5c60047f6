// What a sync of the card costs, in the folder of the data.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "tools/common/text.h"
#include "tools/roostctl/selftest_checks.h"
#include "tools/roostctl/selftest_scratch.h"

namespace roost::tools::selftest {
namespace {

using namespace std::chrono_literals;

constexpr size_t kPage = 4096;  // what one small commit adds to the log
constexpr int kSyncs = 100;     // 400 KiB at the most
// Cards take 5 to 50 ms for a sync, with stalls of seconds (backends: field failures of a Pi).
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
  const std::string measured = FormatPercentiles(syncs) + Format(" of %zu; wrote ", syncs.count) +
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

}  // namespace roost::tools::selftest
