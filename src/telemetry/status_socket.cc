#include "telemetry/status_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/utf8.h"

namespace roost::telemetry {
namespace {

// For messages: names and paths come from the program's user and from the environment.
std::string Concat(std::initializer_list<std::string_view> parts) {
  return internal::PlainText(internal::Concat(parts));
}

absl::Status Failed(std::string_view what, std::string_view path) {
  const int error = errno;
  const std::string message = Concat({what, " ", path, ": ", std::strerror(error)});
  return error == ENOENT ? absl::NotFoundError(message) : absl::UnavailableError(message);
}

bool IsNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

absl::Status CheckName(std::string_view name) {
  if (!name.empty() && name.size() <= StatusSocket::kMostName && name.front() != '.' &&
      std::all_of(name.begin(), name.end(), IsNameCharacter)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      Concat({"the name '", name,
              "' cannot be that of a status socket: it takes 1 to 52 letters, digits, '.', '_' and "
              "'-', and no '.' at its begin"}));
}

sockaddr_un Address(std::string_view path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return address;
}

// The process that listens at `path`; 0: none does, or it cannot be asked.
pid_t ListenerAt(std::string_view path) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return 0;
  const sockaddr_un address = Address(path);
  ucred listener{};
  socklen_t size = sizeof listener;
  const bool known =
      connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
      getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &listener, &size) == 0;
  close(fd);
  return known ? listener.pid : 0;
}

bool IsFolder(const char* path) {
  struct stat found {};
  return stat(path, &found) == 0 && S_ISDIR(found.st_mode);
}

void CloseFd(int& fd) {
  if (fd >= 0) close(fd);
  fd = -1;
}

}  // namespace

void AnswerStream::Write(std::string_view text) {
  while (!failed_ && !text.empty()) {
    const ssize_t sent = send(fd_, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    failed_ = sent <= 0;
    if (sent > 0) text.remove_prefix(static_cast<size_t>(sent));
  }
}

StatusSocket::~StatusSocket() {
  struct stat found {};
  // Somebody may have removed ours and put another in its place.
  if (listener_ >= 0 && lstat(path_.c_str(), &found) == 0 && found.st_dev == device_ &&
      found.st_ino == inode_) {
    unlink(path_.c_str());
  }
  Abandon();
}

void StatusSocket::Abandon() {
  for (Client& client : clients_) Close(client);
  CloseFd(listener_);
  CloseFd(box_);
  lock_.Release();
}

StatusSocket::Path StatusSocket::Beside(std::string_view suffix) const {
  return Path(base_).Add(suffix);
}

absl::Status StatusSocket::Open(std::string_view name, const char* folder, unsigned mode,
                                int group) {
  if (absl::Status named = CheckName(name); !named.ok()) return named;
  if (mode != 0600 && mode != 0660 && mode != 0666) {
    return absl::InvalidArgumentError("the mode of a status socket is 0600, 0660 or 0666");
  }
  mode_ = mode;
  group_ = group;
  Path found;
  if (absl::Status known = FindFolder(folder, found); !known.ok()) return known;
  base_ = Path(found).Add("/", name);
  const Path path = Beside(".sock");
  if (static_cast<std::string_view>(path).size() !=
      static_cast<std::string_view>(found).size() + 1 + name.size() + 5) {
    return absl::InvalidArgumentError(Concat(
        {"the path of the status socket in ", found,
         " would be longer than the 107 bytes that a Unix socket has: give a shorter folder"}));
  }
  path_ = path;
  absl::Status opened = Lock();
  if (opened.ok()) opened = Bind();
  if (opened.ok()) {
    OpenBox();
  } else {
    Abandon();
    path_.clear();
  }
  return opened;
}

absl::Status StatusSocket::FindFolder(const char* given, Path& folder) const {
  if (given != nullptr) {
    folder.Add(given);
    return absl::OkStatus();
  }
  if (const char* unit = std::getenv("RUNTIME_DIRECTORY"); unit != nullptr && *unit == '/') {
    const std::string_view all = unit;  // of several the first
    folder.Add(all.substr(0, all.find(':')));
    return absl::OkStatus();
  }
  if (const char* user = std::getenv("XDG_RUNTIME_DIR"); user != nullptr && *user == '/') {
    folder.Add(user, "/roost");
    mkdir(folder.c_str(), 0700);
  }
  if (!folder.empty() && IsFolder(folder.c_str())) return absl::OkStatus();
  return absl::NotFoundError(
      "there is no folder for the status socket: set $XDG_RUNTIME_DIR, or RuntimeDirectory= in the "
      "unit, or name a folder");
}

absl::Status StatusSocket::Lock() {
  const Path path = Beside(".lock");
  // Before the lock is touched: to open and close its file would release the lock of this very process.
  if (ListenerAt(path_) == getpid()) {
    return absl::AlreadyExistsError(
        Concat({"this program serves ", path_, " already: give the second server another name"}));
  }
  absl::Status taken = lock_.Take(path.c_str());
  if (!absl::IsAlreadyExists(taken)) return taken;
  return absl::AlreadyExistsError(
      Concat({path_, " is served by ", lock_.holder(), ": give one of the two another name"}));
}

absl::Status StatusSocket::Bind() {
  struct stat found {};
  if (lstat(path_.c_str(), &found) == 0) {
    if (!S_ISSOCK(found.st_mode)) {
      return absl::AlreadyExistsError(
          Concat({path_, " is there and is no socket: remove it, or choose another name"}));
    }
    unlink(path_.c_str());  // its process is dead: the lock was free
  }
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return Failed("cannot make", path_);
  const sockaddr_un address = Address(path_);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    absl::Status failed = Failed("cannot make", path_);
    close(fd);
    return failed;
  }
  // The mode before anybody can connect, whatever the umask.
  if (!SetAccess(-1, path_.c_str()) || listen(fd, kMostAccepts) != 0 ||
      lstat(path_.c_str(), &found) != 0) {
    absl::Status failed = Failed("cannot open to others", path_);
    close(fd);
    unlink(path_.c_str());
    return failed;
  }
  device_ = found.st_dev;
  inode_ = found.st_ino;
  listener_ = fd;
  return absl::OkStatus();
}

// The box of the process before is kept as NAME.last: a service is started again at once.
void StatusSocket::OpenBox() {
  const Path path = Beside(".box");
  rename(path.c_str(), Beside(".last").c_str());
  box_ = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (box_ >= 0 && SetAccess(box_, nullptr)) return;
  box_status_ = Failed("cannot make the box", path);
  CloseFd(box_);
}

bool StatusSocket::SetAccess(int fd, const char* path) const {
  const auto group = static_cast<gid_t>(group_);
  if (group_ >= 0 && (fd >= 0 ? fchown(fd, static_cast<uid_t>(-1), group)
                              : chown(path, static_cast<uid_t>(-1), group)) != 0) {
    return false;
  }
  return (fd >= 0 ? fchmod(fd, mode_ & 0644) : chmod(path, mode_)) == 0;
}

// The kernel has looked at the socket's mode; that of the folder's owner may have changed it since.
bool StatusSocket::MayRead(int fd) const {
  if ((mode_ & 0006) != 0) return true;
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  if (peer.uid == 0 || peer.uid == geteuid()) return true;
  if ((mode_ & 0060) == 0) return false;
  const gid_t wanted = group_ >= 0 ? static_cast<gid_t>(group_) : getegid();
  if (peer.gid == wanted) return true;
  // A group that is not a user's first one counts as well.
  std::array<gid_t, 64> groups{};
  size = sizeof groups;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) != 0) return false;
  const auto end = groups.begin() + static_cast<std::ptrdiff_t>(size / sizeof(gid_t));
  return std::find(groups.begin(), end, wanted) != end;
}

void StatusSocket::Expire(TimePoint now) {
  for (Client& client : clients_) {
    if (client.fd >= 0 && now >= client.until) Close(client);
  }
}

void StatusSocket::Accept(TimePoint now) {
  if (listener_ < 0) return;
  if (now - kPeriod >= period_began_) {
    period_began_ = now;
    accepted_ = 0;
  }
  while (accepted_ < kMostAccepts) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    ++accepted_;
    const auto free = std::find_if(clients_.begin(), clients_.end(),
                                   [](const Client& client) { return client.fd < 0; });
    AnswerStream stream(fd);
    if (!MayRead(fd)) {
      stream.Write("{\"error\": \"only root, the program's own user and its group may read\"}\n");
      close(fd);
    } else if (free == clients_.end()) {
      stream.Write("{\"error\": \"busy: four others are being served; try again\"}\n");
      close(fd);
    } else {
      *free = {.fd = fd, .until = Deadline::After(now, kPatience).time()};
    }
  }
}

bool StatusSocket::Read(Client& client) {
  std::array<char, kMostRequest + 1> bytes;
  const ssize_t got = recv(client.fd, bytes.data(), bytes.size() - client.size, MSG_DONTWAIT);
  if (got < 0) {
    if (errno == EAGAIN || errno == EINTR) return false;
    client.size = 0;
    return true;
  }
  const std::string_view more(bytes.data(), static_cast<size_t>(got));
  const size_t end = more.find('\n');
  const std::string_view line = more.substr(0, end);
  client.too_long = client.size + line.size() > client.request.size();
  if (!client.too_long) {
    line.copy(client.request.data() + client.size, line.size());
    client.size += line.size();
  }
  return got == 0 || client.too_long || end != std::string_view::npos;
}

void StatusSocket::Close(Client& client) {
  CloseFd(client.fd);
  client = {};
}

TimePoint StatusSocket::Next(TimePoint now) const {
  TimePoint next = TimePoint::max();
  for (const Client& client : clients_) {
    if (client.fd >= 0) next = std::min(next, client.until);
  }
  if (listener_ >= 0 && accepted_ >= kMostAccepts) {
    next = std::min(next, std::max(now, Deadline::After(period_began_, kPeriod).time()));
  }
  return next;
}

int StatusSocket::Descriptors(std::span<DescriptorWait> out) const {
  size_t count = 0;
  const auto add = [&](int fd) {
    if (fd < 0) return;
    if (count < out.size()) out[count] = {.fd = fd, .wanted = {.readable = true}};
    ++count;
  };
  if (accepted_ < kMostAccepts) add(listener_);
  for (const Client& client : clients_) add(client.fd);
  return static_cast<int>(count);
}

int StatusSocket::clients() const {
  return static_cast<int>(std::count_if(clients_.begin(), clients_.end(),
                                        [](const Client& client) { return client.fd >= 0; }));
}

}  // namespace roost::telemetry
