// backends/postgres/sign_in.h - the part of an open in which libpq reads what a server says before
// a session is ready: requests for authentication, parameters, notices.
//
// libpq bounds neither their number nor what it does for one of them. Here each step reads a few
// kilobytes, kMostBytes in all, and an exchange of SCRAM with more than kMostIterations is refused
// before libpq sees it: libpq 15 would compute it within one call, on the thread of the loop, for
// minutes if the server says so. So is a request for the password itself on a link that others can read.
//
// 10,000 iterations take 10 ms on a desktop and some 50 ms on a Raspberry Pi 4, during which its loop
// stands still, so that an open in front of such a server may be late by that. PostgreSQL's default is
// 4096.
//
// Threads:  one at a time, the one that has the connection
// Blocks:   for as long as libpq computes; never for the server
#ifndef ROOST_BACKENDS_POSTGRES_SIGN_IN_H_
#define ROOST_BACKENDS_POSTGRES_SIGN_IN_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "backends/postgres/libpq.h"
#include "backends/postgres/valve.h"

namespace roost::postgres {

// What a server asks for while it signs a client in, as its bytes come; and what it says then.
class SignInReader {
 public:
  // The iterations that a SCRAM exchange asks for in what has come so far; 0: none does.
  int64_t Take(std::string_view bytes);
  // The server has asked for the password as it is.
  bool wants_password() const { return wants_password_; }
  // The client is in, or will not be let in: no request follows.
  bool done() const { return done_; }
  // For a cancel request, once the session is ready: the body of BackendKeyData. Empty: none came.
  const std::string& key() const { return key_; }
  // Nothing of interest follows.
  bool over() const { return over_; }
  // Not all bytes can be shown any more.
  void Stop() { done_ = over_ = true; }

 private:
  int64_t TakeMessage(char type, std::string_view body);

  std::string pending_;
  std::string key_;
  bool done_ = false;
  bool over_ = false;
  bool wants_password_ = false;
};

class SignIn {
 public:
  static constexpr size_t kMostBytes = size_t{32} * 1024;
  static constexpr int64_t kMostIterations = 10'000;

  // `private_link`: nobody else reads what goes to the server, a link without TLS though it may be.
  explicit SignIn(bool private_link) : private_link_(private_link) {}

  // As PQconnectPoll. Failed: also when the server was refused; then refusal() says why.
  PostgresPollingStatusType Poll(const Libpq& pq, PGconn* handle);
  std::string_view refusal() const { return refusal_; }
  // See SignInReader.
  const std::string& key() const { return reader_.key(); }

 private:
  PostgresPollingStatusType PollEntered(const Libpq& pq, PGconn* handle, std::string_view bytes);
  enum class Link : bool { kOpen, kPrivate };
  bool Refuses(std::string_view bytes, Link link);
  bool RefusesTls(const Libpq& pq, PGconn* handle);

  const bool private_link_;
  Valve valve_{Valve::Writes::kSentOn};
  SignInReader reader_;
  size_t received_ = 0;
  std::string_view refusal_;
};

}  // namespace roost::postgres

#endif  // ROOST_BACKENDS_POSTGRES_SIGN_IN_H_
