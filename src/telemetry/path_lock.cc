#include "telemetry/path_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "base/text.h"
#include "base/utf8.h"

namespace roost::telemetry {
namespace {

using internal::Concat;

// A file that is removed, or a lock that is given back, between two looks at it.
constexpr int kMostTries = 3;

absl::Status Failed(const char* what, const char* path) {
  const int error = errno;
  // The file stays when its process ends, and a process of another user cannot lock it.
  const std::string_view advice =
      error == EACCES ? "; remove it, if no program of another user has it" : "";
  const std::string message =
      internal::PlainText(Concat({what, " ", path, ": ", std::strerror(error), advice}));
  return error == ENOENT ? absl::NotFoundError(message) : absl::UnavailableError(message);
}

struct flock Whole() {
  struct flock whole {};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  return whole;
}

// The open file is still the one of this name.
bool HasName(int fd, const char* path) {
  struct stat open {};
  struct stat named {};
  return fstat(fd, &open) == 0 && lstat(path, &named) == 0 && open.st_dev == named.st_dev &&
         open.st_ino == named.st_ino;
}

}  // namespace

absl::Status PathLock::Take(const char* path) {
  for (int i = 0; i < kMostTries; ++i) {
    if (fd_ < 0) fd_ = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd_ < 0) return Failed("cannot open", path);
    struct flock whole = Whole();
    if (fcntl(fd_, F_SETLK, &whole) == 0) {
      if (HasName(fd_, path)) return absl::OkStatus();
    } else if (errno != EACCES && errno != EAGAIN) {
      absl::Status failed = Failed("cannot lock", path);
      Release();
      return failed;
    } else if (fcntl(fd_, F_GETLK, &whole) == 0 && whole.l_type != F_UNLCK) {
      holder_ = whole.l_pid;
      Release();
      return absl::AlreadyExistsError(internal::PlainText(Concat({holder(), " has ", path})));
    }
    Release();
  }
  return absl::UnavailableError(
      internal::PlainText(Concat({"cannot lock ", path, ": others make it anew all the time"})));
}

std::string PathLock::holder() const {
  return holder_ > 0 ? Concat({"process ", internal::Digits(holder_)})
                     : std::string("a process of another container");
}

void PathLock::Release() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

}  // namespace roost::telemetry
