// telemetry/status_socket.h - the socket of a StatusServer: its folder, its lock, its clients.
//
// A client sends one line of at most kMostRequest bytes, gets an answer, and is closed. Nothing that a
// client does or leaves undone keeps the program: there are kMaxClients of them, each for kPatience; a
// fifth is told so and closed; kMostAccepts are taken in kPeriod, and the others wait in the kernel.
//
// NAME.lock is locked by the process that serves NAME. The lock decides who may replace NAME.sock; a name is
// never taken from a process that lives.
//
// Threads:  one at a time
// Blocks:   never
// Memory:   some 500 bytes; an answer goes through the caller's buffer into the socket's memory
// Errors:   Open: what was wrong, where, and what would be right
#ifndef ROOST_TELEMETRY_STATUS_SOCKET_H_
#define ROOST_TELEMETRY_STATUS_SOCKET_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "base/text.h"
#include "roost/platform.h"
#include "telemetry/path_lock.h"

namespace roost::telemetry {

// A client's socket, to write an answer into.
class AnswerStream {
 public:
  explicit AnswerStream(int fd) : fd_(fd) {}
  // What the socket's memory does not take is left out, with all that follows.
  void Write(std::string_view text);
  bool failed() const { return failed_; }

 private:
  const int fd_;
  bool failed_ = false;
};

class StatusSocket {
 public:
  static constexpr int kMaxClients = 4;
  static constexpr size_t kMostRequest = 64;
  static constexpr int kMostAccepts = 8;
  static constexpr Duration kPeriod = std::chrono::milliseconds(100);
  static constexpr Duration kPatience = std::chrono::seconds(1);
  static constexpr size_t kMostName = 52;

  StatusSocket() = default;
  ~StatusSocket();
  StatusSocket(const StatusSocket&) = delete;
  StatusSocket& operator=(const StatusSocket&) = delete;

  // `folder`: null: as status.h says.
  absl::Status Open(std::string_view name, const char* folder, unsigned mode, int group);
  // In the child of a fork: closes its copies, and removes nothing.
  void Abandon();

  // Reads what clients ask, and calls `answer(verb, AnswerStream&)` for each whole request. Returns when
  // it has to be called again though no descriptor is ready.
  TimePoint Serve(TimePoint now, auto&& answer) {
    Expire(now);
    Accept(now);
    for (Client& client : clients_) {
      if (client.fd < 0 || !Read(client)) continue;
      AnswerStream stream(client.fd);
      if (client.too_long) {
        stream.Write("{\"error\": \"a request is one line of at most 64 bytes\"}\n");
      } else if (client.size > 0) {
        answer(std::string_view(client.request.data(), client.size), stream);
      }
      Close(client);
    }
    return Next(now);
  }
  int Descriptors(std::span<DescriptorWait> out) const;

  std::string_view path() const { return path_; }
  // NAME.box; -1: there is none.
  int box() const { return box_; }
  // Why there is none.
  const absl::Status& box_status() const { return box_status_; }
  // How many clients are served now.
  int clients() const;

 private:
  using Path = internal::BoundedText<107>;  // of a socket, by unix(7)
  struct Client {
    int fd = -1;
    bool too_long = false;
    size_t size = 0;
    TimePoint until{};
    std::array<char, kMostRequest> request{};
  };

  absl::Status FindFolder(const char* given, Path& folder) const;
  absl::Status Lock();
  absl::Status Bind();
  void OpenBox();
  bool SetAccess(int fd, const char* path) const;
  bool MayRead(int fd) const;
  void Expire(TimePoint now);
  void Accept(TimePoint now);
  // True: the client has asked, or has ended.
  static bool Read(Client& client);
  static void Close(Client& client);
  TimePoint Next(TimePoint now) const;
  Path Beside(std::string_view suffix) const;

  Path base_;  // FOLDER/NAME
  Path path_;  // empty: there is no socket
  unsigned mode_ = 0;
  int group_ = -1;
  PathLock lock_;
  int listener_ = -1;
  int box_ = -1;
  absl::Status box_status_;
  uint64_t device_ = 0;  // of the socket that was made here
  uint64_t inode_ = 0;
  std::array<Client, kMaxClients> clients_{};
  TimePoint period_began_ = TimePoint::min();
  int accepted_ = 0;  // in the period
};

}  // namespace roost::telemetry

#endif  // ROOST_TELEMETRY_STATUS_SOCKET_H_
