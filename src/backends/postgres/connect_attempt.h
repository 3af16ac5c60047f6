// backends/postgres/connect_attempt.h - one try to connect to one host, in steps that never wait.
//
// Look up the name, if it is one; PQconnectStart with hostaddr; PQconnectPoll; check the server's
// role; run on_connect. A host with several addresses has them tried in turn. The deadline is the
// caller's (OpenRequest), absolute and monotonic.
#ifndef ROOST_BACKENDS_POSTGRES_CONNECT_ATTEMPT_H_
#define ROOST_BACKENDS_POSTGRES_CONNECT_ATTEMPT_H_

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/common/address_queue.h"
#include "backends/postgres/server_sessions.h"
#include "backends/postgres/settings.h"
#include "backends/postgres/sign_in.h"
#include "backends/postgres/startup_error.h"
#include "backends/postgres/startup_query.h"
#include "roost/backend.h"

namespace roost::postgres {

using backends::AddressQueue;

class BackendState;

// Answered "false off" by a primary that takes writes: is it a standby, are sessions read-only. For
// servers that do not say so by themselves.
inline constexpr char kRoleQuestion[] =
    "SELECT pg_catalog.pg_is_in_recovery()::text || ' ' || "
    "pg_catalog.current_setting('default_transaction_read_only')";

// What is wrong with an on_connect that begins a transaction.
inline constexpr char kOnConnectInTransaction[] =
    "on_connect leaves a transaction open: end it with COMMIT";

class ConnectAttempt {
 public:
  // REQUIRES: backend outlives this.
  ConnectAttempt(BackendState& backend, const OpenRequest& request);
  ~ConnectAttempt();  // gives up what is under way, without waiting
  ConnectAttempt(const ConnectAttempt&) = delete;
  ConnectAttempt& operator=(const ConnectAttempt&) = delete;

  // Reads the options, and loads libpq if no attempt has yet.
  absl::Status Start();
  // As Connection::Advance; a server that has more to say than kTurns steps take is gone on with at
  // the next call. REQUIRES: Start succeeded, and no error was returned since.
  absl::StatusOr<Step> Advance(TimePoint now);
  // After an error: what it means for the connections that exist.
  FaultScope fault_scope() const { return fault_scope_; }
  // The connection, non-blocking and ready, with a notice receiver that drops everything and the
  // default verbosity; the caller's to finish. REQUIRES: done.
  PGconn* Release();
  // Its place among the sessions of the backend. REQUIRES: done.
  ServerSessions::Place TakePlace() { return std::move(place_); }
  // Which of the endpoints it is for, for BackendState::LostRole; and its "host:port/database".
  // REQUIRES: Start succeeded.
  int endpoint() const { return index_; }
  const std::string& where() const { return target().where; }
  // What target_session_attrs asks for. REQUIRES: Start succeeded.
  WantedRole wanted() const { return settings_->role; }
  // Forgets the driver's handle without touching the server: after fork, in the child.
  void Abandon();

 private:
  // Continue at once, or wait for wait_ or until wait_deadline_ has passed.
  enum class Next : bool { kWait, kContinue };

  const Endpoint& target() const { return settings_->endpoints[static_cast<size_t>(index_)]; }
  const Libpq& pq() const;
  absl::StatusOr<Next> RunPhase(TimePoint now);
  bool TakeNextEndpoint();
  absl::StatusOr<Next> TakeAddress(TimePoint now);
  absl::StatusOr<Next> AwaitRoom(TimePoint now);
  absl::StatusOr<Next> StartConnecting();
  absl::StatusOr<Next> StartFailed();
  absl::StatusOr<Next> Connect(TimePoint now);
  absl::StatusOr<Next> CheckRole();
  absl::StatusOr<Next> JudgeRole(bool standby, bool read_only);
  absl::StatusOr<Next> Ask(Phase phase, const std::string& sql);
  absl::StatusOr<Next> AdvanceQuery();
  absl::StatusOr<Next> RunOnConnect();
  absl::StatusOr<Next> JudgeOnConnect();
  // The line of on_connect that the error is in, from 1. REQUIRES: the query has failed.
  int64_t LineOfError() const;
  absl::StatusOr<Next> Finish();
  absl::StatusOr<Next> ConnectFailed(bool hung_up);
  // Ends the try of this address; another one may still do better.
  absl::StatusOr<Next> Fail(const StartupFinding& finding, std::string_view sqlstate,
                            std::string_view message);
  absl::Status GiveUp(absl::Status status);
  absl::Status OutOfTime() const;
  void Drop();
  std::string WhereNow() const;
  std::string WhyNoRoom() const;

  BackendState& backend_;
  Platform& platform_;
  const Deadline deadline_;
  const TcpTimers timers_;
  const PoolShare pool_;
  std::shared_ptr<const Settings> settings_;
  int index_ = -1;
  int endpoints_tried_ = 0;

  Phase phase_ = Phase::kLookUp;
  std::optional<AddressQueue> addresses_;
  std::string address_;        // being tried
  Deadline address_deadline_;  // by when it has to be connected
  ServerSessions::Place place_;
  Duration glance_ = std::chrono::milliseconds(1);  // the next look whether there is room
  PGconn* conn_ = nullptr;
  IoEvents wanted_;  // by PQconnectPoll
  std::optional<SignIn> sign_in_;
  std::optional<StartupQuery> query_;
  bool second_best_ = false;

  DescriptorWait wait_;
  Deadline wait_deadline_;
  absl::Status failure_;  // of the last address
  FaultScope fault_scope_ = FaultScope::kStatement;
};

}  // namespace roost::postgres

#endif  // ROOST_BACKENDS_POSTGRES_CONNECT_ATTEMPT_H_
