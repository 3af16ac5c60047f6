// backends/postgres/failures.h - what goes wrong in a session, and what it means for it.
//
// An error that leaves the connection in doubt condemns it: from then on every call gives the same
// status, and the pool closes it.
#ifndef ROOST_BACKENDS_POSTGRES_FAILURES_H_
#define ROOST_BACKENDS_POSTGRES_FAILURES_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "backends/common/session.h"
#include "backends/postgres/backend_state.h"
#include "backends/postgres/classify.h"
#include "backends/postgres/pq_connection.h"
#include "backends/postgres/settings.h"

namespace roost::postgres {

// What an exchange is about, for its errors.
struct Doing {
  std::string_view sql{};
  Operation operation = Operation::kStatement;
};

class Failures {
 public:
  // REQUIRES: all outlive this.
  Failures(backends::Session& session, PqConnection& link, BackendState& backend)
      : session_(session), link_(link), backend_(backend) {}
  Failures(const Failures&) = delete;
  Failures& operator=(const Failures&) = delete;

  // The connection is to `endpoint` (ConnectAttempt::endpoint). `wanted`: whether it is of use when that
  // server only reads.
  void Adopt(int endpoint, WantedRole wanted) {
    endpoint_ = endpoint;
    wanted_ = wanted;
  }

  // OK, or the status that every call gives from now on.
  const absl::Status& condemned() const { return condemned_; }
  // Nothing can be relied on any more. The first status stays.
  absl::Status Condemn(absl::Status status, FaultScope scope);

  // Each of these makes the status of a failure, and draws its consequences for the connection.

  // An answer that is not what it should be.
  absl::Status Fail(const Reply& reply, const Doing& doing);
  // The server's error, of a reply that failed().
  absl::Status FailWith(const Result& result, const Doing& doing);
  // The link broke, or libpq refused to send.
  absl::Status Lost(const Doing& doing);
  // Answers that answer nothing, or more of them than there can be.
  absl::Status OutOfOrder(const Doing& doing);
  // The deadline passed before the answer came.
  absl::Status Late(const Doing& doing);

  // "host:port/database". REQUIRES: the connection is open.
  std::string Where() const;

 private:
  absl::Status Report(const Finding& finding, std::string_view sqlstate, std::string_view message,
                      std::string_view sql);
  absl::Status Refused(const Doing& doing);
  void TakeRest();
  bool WantsPrimary() const {
    return wanted_ == WantedRole::kPrimary || wanted_ == WantedRole::kReadWrite;
  }
  ReadsOnly WhyReadOnly() const;
  const Libpq& pq() const { return link_.pq(); }

  backends::Session& session_;
  PqConnection& link_;
  BackendState& backend_;
  absl::Status condemned_;
  int endpoint_ = -1;
  WantedRole wanted_ = WantedRole::kAny;
};

}  // namespace roost::postgres

#endif  // ROOST_BACKENDS_POSTGRES_FAILURES_H_
