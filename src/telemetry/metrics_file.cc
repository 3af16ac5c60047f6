#include "telemetry/metrics_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "base/utf8.h"

namespace roost::telemetry {

// The process's number is in the name: another one that writes the same path has its own. What a killed
// process left is taken by the next one of its number.
MetricsFile::MetricsFile(std::string_view path) : path_(path) {
  constexpr size_t kSuffix = 24;
  if (path.empty() || path.size() + kSuffix > Path::kMost) {
    status_ = absl::InvalidArgumentError(
        internal::Concat({"the path of a metrics file has 1 to ",
                          internal::Digits(static_cast<int64_t>(Path::kMost - kSuffix)),
                          " bytes, not ", internal::Digits(static_cast<int64_t>(path.size()))}));
    return;
  }
  aside_ = Path(path).Add(".", getpid(), ".new");
  fd_ = open(aside_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
  // The collector is another user, and the service has a umask.
  if (fd_ < 0 || fchmod(fd_, 0644) != 0) Fail("cannot write");
}

MetricsFile::~MetricsFile() {
  if (fd_ < 0) return;
  close(fd_);
  unlink(aside_.c_str());
}

void MetricsFile::Fail(std::string_view what) {
  const int error = errno;
  if (!status_.ok()) return;
  const std::string message =
      internal::PlainText(internal::Concat({what, " ", path_, ": ", std::strerror(error)}));
  status_ = error == ENOENT ? absl::NotFoundError(message) : absl::UnavailableError(message);
}

void MetricsFile::Write(std::string_view text) {
  while (status_.ok() && !text.empty()) {
    const ssize_t written = write(fd_, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Fail("cannot write");
    text.remove_prefix(static_cast<size_t>(written));
  }
}

absl::Status MetricsFile::Finish() {
  if (fd_ < 0) return status_;
  // A full disk may show here.
  if (close(fd_) != 0) Fail("cannot write");
  fd_ = -1;
  if (status_.ok() && rename(aside_.c_str(), path_.c_str()) != 0) Fail("cannot rename to");
  if (!status_.ok()) unlink(aside_.c_str());
  return status_;
}

}  // namespace roost::telemetry
