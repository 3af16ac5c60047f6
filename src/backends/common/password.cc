#include "backends/common/password.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "statements/text.h"

namespace roost::backends {
namespace {

using internal::Concat;

absl::Status CannotRead(const std::string& path) {
  return absl::InvalidArgumentError(
      Concat({"cannot read the password file ", path, ": ", std::strerror(errno)}));
}

absl::Status CheckFile(int fd, const std::string& path) {
  struct stat seen {};
  if (fstat(fd, &seen) != 0) return CannotRead(path);
  if (!S_ISREG(seen.st_mode)) {
    return absl::InvalidArgumentError(
        Concat({path, " is not a file; the password has to be the first line of one"}));
  }
  if ((seen.st_mode & S_IROTH) != 0) {
    return absl::InvalidArgumentError(
        Concat({path, " can be read by every user; run: chmod o= ", path}));
  }
  return absl::OkStatus();
}

// The first line of what `fd` begins with.
absl::StatusOr<std::string> FirstLine(int fd, const std::string& path) {
  std::array<char, kMostPassword + 2> bytes;  // and its line end
  size_t size = 0;
  while (size < bytes.size()) {
    const ssize_t got = read(fd, bytes.data() + size, bytes.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return CannotRead(path);
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  std::string_view line(bytes.data(), size);
  line = line.substr(0, line.find('\n'));
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.empty()) {
    return absl::InvalidArgumentError(
        Concat({path, " is empty; its first line has to be the password"}));
  }
  if (line.size() > kMostPassword || line.find('\0') != std::string_view::npos) {
    return absl::InvalidArgumentError(Concat({path, " does not begin with a password: that is a ",
                                              "line of at most 1024 bytes without zeros"}));
  }
  return std::string(line);
}

}  // namespace

absl::StatusOr<std::string> ReadPasswordFile(const std::string& path) {
  // A pipe in its place has no beginning to wait for.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return CannotRead(path);
  const absl::Status usable = CheckFile(fd, path);
  absl::StatusOr<std::string> line = usable.ok() ? FirstLine(fd, path) : usable;
  close(fd);
  return line;
}

std::string_view WithoutLineEnd(std::string_view address) {
  return address.substr(0, address.find_last_not_of("\r\n") + 1);
}

std::string PasswordAdvice(std::string_view file, std::string_view otherwise) {
  if (file.starts_with("/run/credentials/")) {
    return "give the right password in the file of the service's credential and restart the "
           "service: systemd made a copy when it started";
  }
  if (!file.empty()) {
    return Concat({"give the right password in ", file, ", which the next try reads again"});
  }
  return std::string(otherwise);
}

}  // namespace roost::backends
