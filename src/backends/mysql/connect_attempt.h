// backends/mysql/connect_attempt.h - one try to connect, in steps that never wait.
//
// Look up the name, if it is one; connect to its addresses in turn, with TLS, sign-in and the session's
// set-up in the library's one call; run on_connect. The deadline is the caller's (OpenRequest), absolute
// and monotonic.
#ifndef ROOST_BACKENDS_MYSQL_CONNECT_ATTEMPT_H_
#define ROOST_BACKENDS_MYSQL_CONNECT_ATTEMPT_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/common/address_queue.h"
#include "backends/mysql/link.h"
#include "backends/mysql/settings.h"
#include "roost/backend.h"

namespace roost::mysql {

class BackendState;

// What sets a session up, in one statement: with the connect, and again after a reset. Those that track make the
// server say with an answer its wait_timeout, a completion_type, and that a transaction begins or ends. MySQL and
// MariaDB know each of these modes.
inline constexpr char kSetUp[] =
    "SET NAMES utf8mb4, time_zone = '+00:00', autocommit = 1, "
    "sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION', "
    "completion_type = NO_CHAIN, "
    "session_track_system_variables = 'autocommit,completion_type,wait_timeout', "
    "session_track_transaction_info = 'CHARACTERISTICS', "
    "wait_timeout = @@wait_timeout";

// The same for a session that is to write: where the server only reads, there is no such time zone (1298),
// which takes no round trip of its own. Of an option MariaDB 12 says OFF, others 0.
inline constexpr char kSetUpToWrite[] =
    ", time_zone = IF(@@GLOBAL.read_only IN ('0', 'OFF') AND @@GLOBAL.innodb_read_only IN ('0', "
    "'OFF'), "
    "'+00:00', 'read_only')";

// Of a session that an on_connect has just been run in. kInvalidArgument: it has left a transaction open, or
// what would make the server open one: then no statement would commit itself.
absl::Status CheckLeftByOnConnect(const Libmariadb& lib, MYSQL* handle);

// A session that goes on at its server although nobody wants it.
struct GivenUp {
  unsigned long id = 0;  // 0: none
  int local_port = 0;    // of its connection; 0: a Unix socket
};

class ConnectAttempt {
 public:
  // REQUIRES: backend outlives this. `ends`: a session that is to be ended by it, in place of on_connect.
  ConnectAttempt(BackendState& backend, const OpenRequest& request, GivenUp ends = {});

  // Reads the options, and loads libmariadb if no attempt has yet.
  absl::Status Start();
  // As Connection::Advance. REQUIRES: Start succeeded, and no error was returned since.
  absl::StatusOr<Step> Advance(TimePoint now);
  // After an error: what it means for the connections that exist.
  FaultScope fault_scope() const { return fault_scope_; }
  // The connection. REQUIRES: done.
  Link& link() { return link_; }
  // Which of the endpoints it is for, for BackendState::LostRole; and its "host:port/database".
  int endpoint() const { return index_; }
  const std::string& where() const { return target().where; }
  // The server's limit for a session that is idle; zero: not known. REQUIRES: done.
  Duration wait_timeout() const { return wait_timeout_; }
  const std::string& database() const { return settings_->database; }
  // A server that only reads would have been left.
  bool is_writable() const { return settings_->writable; }
  bool transaction_pooler() const { return settings_->transaction_pooler; }
  // Forgets the driver's handle without touching the server: after fork, in the child.
  void Abandon();
  // Only this endpoint: for the end of a session that it has. REQUIRES: Start succeeded.
  void GoTo(int endpoint);

 private:
  enum class Phase : uint8_t { kLookUp, kConnect, kFind, kFirst, kDone };
  // Continue at once, or wait for wait_ or until wait_deadline_ has passed.
  enum class Next : bool { kWait, kContinue };

  const Endpoint& target() const { return settings_->endpoints[static_cast<size_t>(index_)]; }
  absl::StatusOr<Next> RunPhase(TimePoint now);
  void LookUp();
  absl::StatusOr<Next> TakeAddress(TimePoint now);
  int FurtherEndpoints() const;
  bool TakeNextEndpoint();
  absl::StatusOr<Next> BeginConnect();
  Encryption EncryptionHere() const;
  const char* SignIns() const;
  void SetOptions();
  absl::StatusOr<Next> GoOn(TimePoint now);
  absl::StatusOr<Next> Connected();
  absl::StatusOr<Next> RunFirst();
  void SetTimers();
  void ReadWaitTimeout();
  absl::StatusOr<Next> FirstDone();
  absl::StatusOr<Next> Finish();
  absl::StatusOr<Next> LeaveImpostor(std::string_view what);
  absl::StatusOr<Next> Failed();
  absl::Status Give(const absl::Status& status);
  absl::Status OutOfTime() const;
  std::string WhereNow() const;

  BackendState& backend_;
  Platform& platform_;
  const Deadline deadline_;
  const TcpTimers timers_;
  const GivenUp ends_;
  const std::string first_;
  std::string set_up_;
  std::shared_ptr<const Settings> settings_;
  int index_ = 0;
  int endpoints_tried_ = 0;
  Phase phase_ = Phase::kLookUp;
  std::optional<backends::AddressQueue> addresses_;
  std::string address_;
  Deadline address_deadline_;
  Encryption encryption_ = Encryption::kHost;
  Link link_;
  Duration wait_timeout_{};
  DescriptorWait wait_;
  Deadline wait_deadline_;
  absl::Status failure_;  // of the last address
  FaultScope fault_scope_ = FaultScope::kStatement;
};

}  // namespace roost::mysql

#endif  // ROOST_BACKENDS_MYSQL_CONNECT_ATTEMPT_H_
