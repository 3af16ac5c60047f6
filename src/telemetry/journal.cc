#include "telemetry/journal.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

namespace roost::telemetry {

void JournalEntry::Append(std::string_view text) {
  size_ += text.copy(bytes_.data() + size_, bytes_.size() - size_);
}

void JournalEntry::Add(std::string_view name, std::string_view value) {
  constexpr size_t kLength = 8;  // bytes, the lowest first
  const size_t around = name.size() + 2 + kLength;
  if (size_ + around >= bytes_.size()) return;
  value = value.substr(0, bytes_.size() - size_ - around);
  Append(name);
  if (value.find('\n') == std::string_view::npos) {
    Append("=");
  } else {
    Append("\n");
    std::array<char, kLength> length;
    uint64_t left = value.size();
    for (char& byte : length) {
      byte = static_cast<char>(left & 0xff);
      left >>= 8;
    }
    Append({length.data(), length.size()});
  }
  Append(value);
  Append("\n");
}

void JournalEntry::Add(std::string_view name, uint64_t value) {
  std::array<char, 20> digits;
  const auto result = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  Add(name, std::string_view(digits.data(), static_cast<size_t>(result.ptr - digits.data())));
}

JournalSocket::JournalSocket(std::string_view path)
    : path_(path), fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {}

JournalSocket::~JournalSocket() {
  if (fd_ >= 0) close(fd_);
}

bool JournalSocket::Send(const JournalEntry& entry) {
  // Addressed each time: the journal may have been started anew.
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string_view path(path_);
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const std::string_view bytes = entry.bytes();
  ssize_t sent = -1;
  do {
    sent = sendto(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL,
                  reinterpret_cast<const sockaddr*>(&address), sizeof address);
  } while (sent < 0 && errno == EINTR);
  if (sent == static_cast<ssize_t>(bytes.size())) return true;
  dropped_.fetch_add(1, std::memory_order_relaxed);
  return false;
}

}  // namespace roost::telemetry
