#include "backends/postgres/sign_in.h"

#include <algorithm>
#include <array>

namespace roost::postgres {
namespace {

// Of the protocol: the head of a message, and what libpq takes for a request at most.
constexpr size_t kHead = 5;
constexpr size_t kMostRequest = 2000;
constexpr int64_t kClearPassword = 3;
constexpr int64_t kSaslContinue = 11;
// What libpq has room for at each read, at least.
constexpr size_t kRoom = 8192;

constexpr char kTalks[] = "the server goes on talking, and never says that the session is ready";

int64_t ReadInt32(std::string_view bytes) {
  int64_t value = 0;
  for (const char c : bytes.substr(0, 4)) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

// "r=...,s=...,i=4096". What libpq's strtol passes over is passed over, too.
int64_t IterationsOf(std::string_view text) {
  constexpr int64_t kBeyondAll = int64_t{1} << 40;
  int64_t most = 0;
  for (size_t at = text.find(",i="); at != std::string_view::npos; at = text.find(",i=", at + 1)) {
    const std::string_view field = text.substr(at + 3, text.find(',', at + 1) - at - 3);
    int64_t number = 0;
    for (const char c : field) {
      if (c >= '0' && c <= '9') number = std::min(number * 10 + (c - '0'), kBeyondAll);
    }
    most = std::max(most, number);
  }
  return most;
}

}  // namespace

int64_t SignInReader::TakeMessage(char type, std::string_view body) {
  if (type == 'K' && body.size() > sizeof(int32_t)) key_ = body;
  if (type == 'K' || type == 'Z' || type == 'E') Stop();
  const bool request = type == 'R' && body.size() >= 4 && body.size() + 4 <= kMostRequest;
  if (!request || done_) return 0;
  if (ReadInt32(body) == 0) done_ = true;
  if (ReadInt32(body) == kClearPassword) wants_password_ = true;
  return ReadInt32(body) == kSaslContinue ? IterationsOf(body.substr(4)) : 0;
}

int64_t SignInReader::Take(std::string_view bytes) {
  int64_t iterations = 0;
  if (!over_) pending_.append(bytes);
  while (!over_ && pending_.size() >= kHead) {
    const std::string_view pending = pending_;
    const int64_t length = ReadInt32(pending.substr(1));
    const size_t size = 1 + static_cast<size_t>(length);
    // libpq ends the attempt upon such a length, or takes it for the text of an old server.
    if (length < 4 || size > SignIn::kMostBytes) Stop();
    if (over_ || pending_.size() < size) break;
    iterations =
        std::max(iterations, TakeMessage(pending_[0], pending.substr(kHead, size - kHead)));
    pending_.erase(0, size);
  }
  if (over_) pending_.clear();
  return iterations;
}

bool SignIn::Refuses(std::string_view bytes, Link link) {
  if (reader_.Take(bytes) > kMostIterations) {
    refusal_ =
        "the server wants more than 10000 iterations of SCRAM, which would stop this program for "
        "as long as they take: set the role's password anew with fewer (scram_iterations)";
  } else if (reader_.wants_password() && link == Link::kOpen) {
    refusal_ =
        "the server asks for the password itself, without TLS, so that everybody on the way could "
        "read it: leave sslmode out or set verify-full, or let the server ask by scram-sha-256";
  } else if (received_ > kMostBytes) {
    refusal_ = kTalks;
  }
  return !refusal_.empty();
}

// The next read of libpq gives what SSL_peek gives, the rest of one record, if that is less than it
// has room for; no request of a server is as long.
bool SignIn::RefusesTls(const Libpq& pq, PGconn* handle) {
  void* const ssl = pq.PQsslStruct(handle, "OpenSSL");
  if (reader_.over() || ssl == nullptr || pq.SSL_peek == nullptr) {
    return Refuses({}, Link::kPrivate);
  }
  std::array<char, kRoom> room;
  const int size = pq.SSL_peek(ssl, room.data(), static_cast<int>(room.size()));
  if (size == static_cast<int>(room.size())) {
    if (!reader_.done()) refusal_ = kTalks;
    reader_.Stop();
  }
  return !refusal_.empty() ||
         Refuses({room.data(), static_cast<size_t>(std::max(size, 0))}, Link::kPrivate);
}

PostgresPollingStatusType SignIn::PollEntered(const Libpq& pq, PGconn* handle,
                                              std::string_view bytes) {
  const bool tls = pq.PQsslInUse(handle) == 1;
  const Link link = private_link_ ? Link::kPrivate : Link::kOpen;
  PostgresPollingStatusType polled = PGRES_POLLING_FAILED;
  do {
    if (tls ? RefusesTls(pq, handle) : Refuses(bytes, link)) return PGRES_POLLING_FAILED;
    bytes = {};
    polled = pq.PQconnectPoll(handle);
  } while (polled == PGRES_POLLING_READING && valve_.HasLeft());
  return polled;
}

PostgresPollingStatusType SignIn::Poll(const Libpq& pq, PGconn* handle) {
  const ConnStatusType status = pq.PQstatus(handle);
  if (status != CONNECTION_AWAITING_RESPONSE && status != CONNECTION_AUTH_OK) {
    // On the way to a server; maybe anew, without TLS.
    reader_ = {};
    received_ = 0;
    return pq.PQconnectPoll(handle);
  }
  std::array<char, Valve::kMost> room;
  const Valve::Flow flow = valve_.Enter(pq, handle, room);
  received_ += flow.bytes;
  switch (flow.state) {
    case Valve::State::kNothing:
      return PGRES_POLLING_READING;
    case Valve::State::kFailed:
      refusal_ = "the process has no descriptor left";
      return PGRES_POLLING_FAILED;
    case Valve::State::kEnded:
      return pq.PQconnectPoll(handle);
    case Valve::State::kEntered:
      break;
  }
  const PostgresPollingStatusType polled = PollEntered(pq, handle, {room.data(), flow.bytes});
  if (!valve_.Leave(pq, handle)) {
    refusal_ = "the server does not take what it asks for";
    return PGRES_POLLING_FAILED;
  }
  return polled;
}

}  // namespace roost::postgres
