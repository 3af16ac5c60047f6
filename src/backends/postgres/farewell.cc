#include "backends/postgres/farewell.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <utility>

namespace roost::postgres {
namespace {

using std::chrono::milliseconds;

// The first looks are close together: most sessions end within milliseconds of the request.
constexpr Duration kFirstPause = milliseconds(2);
constexpr Duration kLastPause = milliseconds(100);
constexpr Duration kRequestWithin = milliseconds(3000);
constexpr Duration kRequestAgain = milliseconds(1000);
// A pooler's server that said nothing for so long has nothing to say at the moment.
constexpr Duration kSilence = milliseconds(20);
// For what the server says of the cancelled statement. It costs a session that never was in one so much
// time. Behind a pooler a good-bye before the answer may end the pooler: see farewell.h.
constexpr Duration kLastAnswer = milliseconds(500);
constexpr Duration kLastAnswerThroughPooler = milliseconds(3000);

// Reads of one step.
constexpr int kReads = 16;

// Of the protocol: length, code, and the body of the server's BackendKeyData.
std::string CancelPacket(std::string_view key) {
  constexpr uint32_t kCancelCode = 80877102;
  std::string packet;
  for (const uint32_t number : {static_cast<uint32_t>(key.size() + 8), kCancelCode}) {
    for (const int shift : {24, 16, 8, 0}) {
      packet.push_back(static_cast<char>(number >> shift & 0xff));
    }
  }
  return packet.append(key);
}

bool WouldWait() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

}  // namespace

Farewell::Farewell(const Libpq& pq, PGconn* handle, Terms terms, TimePoint now)
    : pq_(pq),
      handle_(handle),
      descriptor_(pq.PQsocket(handle)),
      key_(std::move(terms.key)),
      peer_(terms.peer),
      process_(getpid()),
      end_(Deadline::After(now, terms.longest)),
      due_(now),
      pause_(kFirstPause),
      request_at_(peer_ == Peer::kPooler ? now + kSilence : now) {}

Farewell::~Farewell() {
  if (request_ >= 0) close(request_);
  const bool ours = process_ == getpid();
  if (ours && handle_ != nullptr) {
    pq_.PQfinish(handle_);
  } else if (descriptor_ >= 0) {
    close(descriptor_);
  }
}

bool Farewell::Advance(TimePoint now) {
  if (process_ != getpid() || HasEnded() || end_.HasPassed(now)) return true;
  RequestCancel(now);
  if (handle_ != nullptr && IsTimeForGoodbye(now) && !SayGoodbye()) return true;
  due_ = now + pause_;
  pause_ = std::min(pause_ * 2, kLastPause);
  return false;
}

// Below libpq, whose buffers nobody reads any more.
bool Farewell::HasEnded() {
  std::array<char, 4096> dropped;
  for (int read = 0; read < kReads; ++read) {
    const ssize_t size = recv(descriptor_, dropped.data(), dropped.size(), MSG_DONTWAIT);
    if (size == 0) return true;
    if (size < 0) return !WouldWait();
    received_ += static_cast<size_t>(size);
    if (received_ > kMostBytes) return true;
  }
  return false;
}

// ---- the request --------------------------------------------------------------------------------

void Farewell::RequestCancel(TimePoint now) {
  if (!MayCancel() || now < request_at_) return;
  if (request_ < 0 && !BeginRequest(now)) return EndRequest(now);
  if (!sent_) {
    const std::string packet = CancelPacket(key_);
    const ssize_t size = send(request_, packet.data(), packet.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    sent_ = size == static_cast<ssize_t>(packet.size());
    if (!sent_ && (size >= 0 || !WouldWait())) return EndRequest(now);
    if (sent_) received_before_ = received_;
  }
  if (sent_) {
    char none = 0;
    const ssize_t size = recv(request_, &none, 1, MSG_DONTWAIT);
    // The server closes it once the session has been told.
    if (size >= 0 || !WouldWait()) {
      taken_ = true;
      return EndRequest(now);
    }
  }
  if (request_deadline_.HasPassed(now)) EndRequest(now);
}

// Where the session's own socket leads, whichever of the addresses of a name that was.
bool Farewell::BeginRequest(TimePoint now) {
  sockaddr_storage server{};
  socklen_t length = sizeof(server);
  if (getpeername(descriptor_, reinterpret_cast<sockaddr*>(&server), &length) != 0) return false;
  request_ = socket(server.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (request_ < 0) return false;
  sent_ = false;
  request_deadline_ = Deadline::After(now, kRequestWithin);
  const int connected = connect(request_, reinterpret_cast<const sockaddr*>(&server), length);
  return connected == 0 || errno == EINPROGRESS;
}

void Farewell::EndRequest(TimePoint now) {
  if (request_ >= 0) close(std::exchange(request_, -1));
  if (!std::exchange(tried_, true)) tried_at_ = now;
  request_at_ = now + kRequestAgain;
}

// ---- the good-bye -------------------------------------------------------------------------------

bool Farewell::MayCancel() const {
  const bool talks = received_ > 0;
  return !key_.empty() && (tried_ || peer_ == Peer::kServer || !talks);
}

bool Farewell::IsTimeForGoodbye(TimePoint now) const {
  if (!MayCancel()) return true;
  if (!tried_ || (taken_ && received_ > received_before_)) return tried_;
  if (peer_ == Peer::kPooler) return now - tried_at_ > kLastAnswerThroughPooler;
  return !taken_ || now - tried_at_ > kLastAnswer;
}

// False: the process has no descriptor left to see the end with.
bool Farewell::SayGoodbye() {
  const int kept = fcntl(descriptor_, F_DUPFD_CLOEXEC, 0);
  pq_.PQfinish(std::exchange(handle_, nullptr));
  descriptor_ = kept;
  if (kept < 0) return false;
  shutdown(kept, SHUT_WR);
  return true;
}

}  // namespace roost::postgres
