// ConnectAttempt: one try to connect to one host, in steps that never wait.
//
// Look up the name, if it is one; PQconnectStart with hostaddr; PQconnectPoll; check the server's
// role; run on_connect. A host with several addresses has them tried in turn. The deadline is the
// caller's (OpenRequest), absolute and monotonic.
#ifndef ROOST_BACKENDS_POSTGRES_ATTEMPT_H_
#define ROOST_BACKENDS_POSTGRES_ATTEMPT_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "roost/backend.h"

struct pg_conn;

namespace roost::postgres {

class Endpoints;

class ConnectAttempt {
 public:
  // REQUIRES: endpoints outlives this.
  ConnectAttempt(Endpoints& endpoints, const OpenRequest& request);
  ~ConnectAttempt();  // gives up what is under way, without waiting
  ConnectAttempt(const ConnectAttempt&) = delete;
  ConnectAttempt& operator=(const ConnectAttempt&) = delete;

  // Reads the options, and loads libpq when nobody has yet.
  absl::Status Start();
  // As Connection::Advance. REQUIRES: Start succeeded.
  absl::StatusOr<Step> Advance(TimePoint now);
  // After an error: what it means for the connections that exist.
  Verdict verdict() const { return verdict_; }
  // The connection, non-blocking and ready, with a notice receiver that drops everything and the
  // default verbosity; the caller's to finish. REQUIRES: done.
  pg_conn* Release();
  // Which of the endpoints it reached, for Endpoints::LostRole. REQUIRES: done.
  int endpoint() const { return endpoint_; }

 private:
  Verdict verdict_ = Verdict::kUsable;
  int endpoint_ = -1;
};

}  // namespace roost::postgres

#endif  // ROOST_BACKENDS_POSTGRES_ATTEMPT_H_
