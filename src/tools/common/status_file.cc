#include "src/tools/common/status_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <iterator>

#include "src/tools/common/duration.h"

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

SpanSummary SummaryOf(const Histogram& spans) {
  return {.count = spans.total(),
          .p50 = spans.Percentile(0.5),
          .p99 = spans.Percentile(0.99),
          .max = spans.max()};
}

std::string Trouble(const NodeStatus& status, int64_t now_boot_us) {
  const Duration age = Since(status.written_boot_us, now_boot_us);
  if (age > 2 * status.every + kMostLate) {
    return "the status is " + FormatDuration(age) + " old: the node has stopped, or hangs";
  }
  if (!status.ready) return "it is not ready: " + status.text;
  if (!status.refused.empty()) return "the database refuses: " + status.refused;
  const WatchdogStatus& watchdog = status.watchdog;
  if (watchdog.period > Duration::zero()) {
    if (watchdog.feeds == 0) return "the watchdog has not been fed yet";
    const Duration hungry = Since(watchdog.fed_boot_us, now_boot_us);
    if (hungry > watchdog.period) {
      return "the watchdog was fed " + FormatDuration(hungry) + " ago";
    }
  }
  if (status.readings.sealed == 0) return "no reading has been sealed yet";
  return "";
}

absl::Status WriteStatusFile(const std::string& path, const NodeStatus& status) {
  // A name with bytes that are no UTF-8 is shown with a substitute instead of not at all.
  const std::string text =
      ToJson(status).dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  const std::string next = path + ".new";
  const int fd = open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (fd < 0) return Failed("cannot write", next);
  // Operators read it without root, whatever the umask of the service. It is not synced: it says
  // what is going on now, and in /run nothing survives a power cut.
  const bool written = fchmod(fd, 0644) == 0 && WriteAll(fd, text);
  absl::Status result = written ? absl::OkStatus() : Failed("cannot write", next);
  if (close(fd) != 0 && result.ok()) result = Failed("cannot write", next);
  if (result.ok() && rename(next.c_str(), path.c_str()) != 0) result = Failed("cannot write", path);
  if (!result.ok()) unlink(next.c_str());
  return result;
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
