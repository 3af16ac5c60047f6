#include "tools/roostctl/selftest/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

namespace roost::tools::selftest {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = ".roostctl-selftest-";

// A descriptor of the folder with the lock on it; -1: another has it.
int Lock(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
  if (fd >= 0) close(fd);
  return -1;
}

// Of runs that were killed.
void RemoveLeftOvers(const std::string& folder) {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    if (!entry.path().filename().string().starts_with(kPrefix)) continue;
    const int lock = Lock(entry.path().string());
    if (lock < 0) continue;
    fs::remove_all(entry.path(), error);
    close(lock);
  }
}

absl::Status Refusal(const std::string& folder, int error) {
  const std::string message = folder + ": " + std::strerror(error);
  if (error == EACCES || error == EPERM) return absl::PermissionDeniedError(message);
  return absl::FailedPreconditionError(message);
}

}  // namespace

absl::Status Scratch::Make() {
  if (folder_.empty()) {
    return absl::FailedPreconditionError(
        "the folder of the data does not exist; name it with --db");
  }
  RemoveLeftOvers(folder_);
  std::string pattern = folder_ + "/" + std::string(kPrefix) + "XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) return Refusal(folder_, errno);
  path_ = pattern;
  lock_ = Lock(path_);
  return absl::OkStatus();
}

absl::StatusOr<std::string> Scratch::File(std::string_view name) {
  const std::lock_guard<std::mutex> guard(mutex_);
  if (path_.empty()) {
    if (const absl::Status made = Make(); !made.ok()) return made;
  }
  return path_ + "/" + std::string(name);
}

void Scratch::Remove() {
  const std::lock_guard<std::mutex> guard(mutex_);
  std::error_code ignored;
  if (!path_.empty()) fs::remove_all(path_, ignored);
  if (lock_ >= 0) close(lock_);
  path_.clear();
  lock_ = -1;
}

// ---- Databases ----------------------------------------------------------------------------------

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
  std::string text(rows.Get<std::string_view>(0));
  if (!rows.status().ok()) return rows.status();
  return text;
}

Result Broken(const char* doing, const absl::Status& status) {
  return Fail(std::string(doing) + ": " + std::string(status.message()), "no error",
              "look at dmesg for errors of the card; else report it with this line");
}

namespace {

Verdict Worse(Verdict a, Verdict b) {
  if (a == Verdict::kSkip) return b;
  if (b == Verdict::kSkip) return a;
  return std::max(a, b);
}

}  // namespace

Result OnBoth(Context& context, const char* file, Measure measure) {
  const Result memory = measure(context, ":memory:");
  const absl::StatusOr<std::string> path = context.scratch.File(file);
  const Result card = path.ok()
                          ? measure(context, *path)
                          : Skip("not written (" + std::string(path.status().message()) + ")");
  const Result& worse = Worse(memory.verdict, card.verdict) == memory.verdict ? memory : card;
  Result both = worse;
  both.measured = "memory " + memory.measured + "; file " + card.measured;
  both.figures = {{"memory", memory.figures}, {"file", card.figures}};
  return both;
}

}  // namespace roost::tools::selftest
