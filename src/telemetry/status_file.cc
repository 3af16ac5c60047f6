#include "tools/common/status_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <iterator>

#include "tools/common/text.h"

namespace roost::tools {
namespace {

constexpr Duration kMostLate = std::chrono::seconds(5);  // of a busy board, besides its period

absl::Status Failed(const char* what, const std::string& path) {
  const std::string message = std::string(what) + " " + path + ": " + std::strerror(errno);
  return errno == ENOENT ? absl::NotFoundError(message) : absl::UnavailableError(message);
}

bool WriteAll(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

Duration Since(int64_t boot_us, int64_t now_boot_us) {
  return std::chrono::microseconds(now_boot_us - boot_us);
}

}  // namespace

Percentiles HistogramPercentiles(const Histogram& spans) {
  return {.count = spans.total(),
          .p50 = spans.Percentile(0.5),
          .p99 = spans.Percentile(0.99),
          .max = spans.max()};
}

TextLine TroubleLine(const NodeStatus& status, int64_t now_boot_us) {
  const Duration age = Since(status.written_boot_us, now_boot_us);
  TextLine trouble;
  const WatchdogStatus& watchdog = status.watchdog;
  const Duration hungry = Since(watchdog.fed_boot_us, now_boot_us);
  if (age > 2 * status.every + kMostLate) {
    trouble.Add("the status is ", Brief{age}, " old: the node has stopped, or hangs");
  } else if (!status.ready) {
    trouble.Add("it is not ready: ", status.text);
  } else if (!status.refused.empty()) {
    trouble.Add("the database refuses: ", status.refused);
  } else if (watchdog.period > Duration::zero() && watchdog.feeds == 0) {
    trouble.Add("the watchdog has not been fed yet");
  } else if (watchdog.period > Duration::zero() && hungry > watchdog.period) {
    trouble.Add("the watchdog was fed ", Brief{hungry}, " ago");
  } else if (status.readings.sealed == 0) {
    trouble.Add("no reading has been sealed yet");
  }
  return trouble;
}

std::string Trouble(const NodeStatus& status, int64_t now_boot_us) {
  return std::string(TroubleLine(status, now_boot_us));
}

StatusFile::StatusFile(const std::string& path)
    : path_(path), next_(path + ".new"), text_(kMostBytes, '\0') {}

absl::Status StatusFile::Write(const NodeStatus& status) {
  const size_t size = WriteJson(status, {text_.data(), text_.size() - 1});
  if (size >= text_.size()) {
    return absl::ResourceExhaustedError("the status has " + std::to_string(size) +
                                        " bytes, which is too long");
  }
  text_[size] = '\n';
  const int fd = open(next_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (fd < 0) return Failed("cannot write", next_);
  // Operators read it without root, whatever the umask of the service. It is not synced: it says
  // what is going on now, and in /run nothing survives a power cut.
  const bool written = fchmod(fd, 0644) == 0 && WriteAll(fd, {text_.data(), size + 1});
  absl::Status result = written ? absl::OkStatus() : Failed("cannot write", next_);
  if (close(fd) != 0 && result.ok()) result = Failed("cannot write", next_);
  if (result.ok() && rename(next_.c_str(), path_.c_str()) != 0) {
    result = Failed("cannot write", path_);
  }
  if (!result.ok()) unlink(next_.c_str());
  return result;
}

absl::Status WriteStatusFile(const std::string& path, const NodeStatus& status) {
  return StatusFile(path).Write(status);
}

absl::StatusOr<NodeStatus> ReadStatusFile(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) return Failed("cannot read", path);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const nlohmann::ordered_json json =
      nlohmann::ordered_json::parse(text, nullptr, /*allow_exceptions=*/false);
  absl::StatusOr<NodeStatus> status =
      json.is_object() ? FromJson(json) : absl::InvalidArgumentError("it is not a JSON object");
  if (status.ok()) return status;
  return absl::InvalidArgumentError(path + ": " + std::string(status.status().message()));
}

void RemoveStatusFile(const std::string& path) { unlink(path.c_str()); }

}  // namespace roost::tools
