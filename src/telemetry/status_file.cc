#include "telemetry/status_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <string_view>

#include "telemetry/status_json.h"

namespace roost::telemetry {
namespace {

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

}  // namespace

StatusFile::StatusFile(const std::string& path)
    : path_(path), next_(path + ".new"), lock_path_(path + ".lock"), text_(kMostBytes, '\0') {}

absl::Status StatusFile::Write(const NodeStatus& status) {
  const size_t size = WriteJson(status, {text_.data(), text_.size() - 1});
  if (size >= text_.size()) {
    return absl::ResourceExhaustedError("the status has " + std::to_string(size) +
                                        " bytes, which is too long");
  }
  text_[size] = '\n';
  if (absl::Status owned = lock_.Take(lock_path_.c_str()); !owned.ok()) {
    if (!absl::IsAlreadyExists(owned)) return owned;
    return absl::AlreadyExistsError(lock_.holder() + " writes " + path_);
  }
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
  written_ = written_ || result.ok();
  return result;
}

void StatusFile::Remove() {
  if (written_ && lock_.Take(lock_path_.c_str()).ok()) unlink(path_.c_str());
}

absl::Status WriteStatusFile(const std::string& path, const NodeStatus& status) {
  return StatusFile(path).Write(status);
}

}  // namespace roost::telemetry
