#include "backends/postgres/connect_attempt.h"

#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "backends/postgres/backend_state.h"
#include "backends/postgres/errors.h"
#include "backends/postgres/pgpass.h"
#include "statements/text.h"

namespace roost::postgres {
namespace {

using internal::Concat;

// A wall clock before this has not been set since the machine started.
constexpr int64_t kBuiltUnixMicros = int64_t{ROOST_BUILT_UNIX_SECONDS} * 1'000'000;

// The first version that says by itself whether it is a standby.
constexpr int kReportsStandby = 140000;

// Steps of one Advance. An open takes some ten, most of which wait.
constexpr int kTurns = 32;

void DropNotice(void*, const PGresult*) {}

PGconn* StartWith(const Libpq& pq, const std::vector<Option>& parameters) {
  std::vector<const char*> keys;
  std::vector<const char*> values;
  for (const Option& parameter : parameters) {
    keys.push_back(parameter.key.c_str());
    values.push_back(parameter.value.c_str());
  }
  keys.push_back(nullptr);
  values.push_back(nullptr);
  return pq.PQconnectStartParams(keys.data(), values.data(), 0);
}

Phase PhaseOf(ConnStatusType status) {
  switch (status) {
    case CONNECTION_STARTED:
    case CONNECTION_NEEDED:
      return Phase::kConnect;
    case CONNECTION_SSL_STARTUP:
    case CONNECTION_GSS_STARTUP:
      return Phase::kEncrypt;
    default:
      return Phase::kSignIn;
  }
}

backends::HostAddress HostOf(const Endpoint& endpoint) {
  return {.name = endpoint.host, .address = endpoint.address, .socket = endpoint.socket};
}

std::string_view RoleName(bool standby, bool read_only) {
  if (standby) return "it is a standby";
  return read_only ? "it is a primary whose sessions are read-only"
                   : "it is a primary that takes writes";
}

bool Fits(WantedRole wanted, bool standby, bool read_only) {
  switch (wanted) {
    case WantedRole::kAny:
      return true;
    case WantedRole::kReadWrite:
      return !standby && !read_only;
    case WantedRole::kReadOnly:
      return standby || read_only;
    case WantedRole::kPrimary:
      return !standby;
    case WantedRole::kStandby:
    case WantedRole::kPreferStandby:
      return standby;
  }
  return false;
}

}  // namespace

ConnectAttempt::ConnectAttempt(BackendState& backend, const OpenRequest& request)
    : backend_(backend),
      platform_(*request.platform),
      deadline_(request.deadline),
      timers_(request.tcp_timers),
      pool_(request.pool),
      place_(backend.sessions().Add(pool_)) {}

ConnectAttempt::~ConnectAttempt() { Drop(); }

const Libpq& ConnectAttempt::pq() const { return backend_.pq(); }

void ConnectAttempt::Drop() {
  query_.reset();
  sign_in_.reset();
  if (conn_ == nullptr) return;
  // What it was asked may go on at the server without us.
  if (pq().PQstatus(conn_) == CONNECTION_OK && pq().PQtransactionStatus(conn_) == PQTRANS_ACTIVE) {
    place_.End(pq(), std::exchange(conn_, nullptr), ServerSessions::Place::State::kGivenUp,
               backend_.peer(), platform_);
    place_ = backend_.sessions().Add(pool_);
    return;
  }
  // Sends at most a good-bye, into a socket that does not block.
  pq().PQfinish(std::exchange(conn_, nullptr));
}

void ConnectAttempt::Abandon() {
  query_.reset();
  sign_in_.reset();
  if (conn_ != nullptr) {
    const int descriptor = pq().PQsocket(std::exchange(conn_, nullptr));
    if (descriptor >= 0) close(descriptor);
  }
  place_.Abandon();
  if (addresses_.has_value()) addresses_->Abandon();
}

absl::Status ConnectAttempt::Start() {
  absl::StatusOr<std::shared_ptr<const Settings>> settings = backend_.Read();
  if (!settings.ok()) return settings.status();
  settings_ = *std::move(settings);
  index_ =
      std::min(backend_.endpoints().Choose(), static_cast<int>(settings_->endpoints.size()) - 1);
  addresses_.emplace(HostOf(target()), backend_.resolver(), backend_.addresses(), platform_,
                     deadline_);
  return absl::OkStatus();
}

absl::StatusOr<Step> ConnectAttempt::Advance(TimePoint now) {
  for (int turn = 0; phase_ != Phase::kDone; ++turn) {
    // Before anything is tried: what is quick, as a local server is, would be done all the same.
    if (deadline_.HasPassed(now)) return GiveUp(OutOfTime());
    if (turn == kTurns) return Step{.at = Deadline::At(now)};
    wait_deadline_ = deadline_;
    absl::StatusOr<Next> next = RunPhase(now);
    if (!next.ok()) return GiveUp(next.status());
    if (*next == Next::kWait) {
      return Step{.wait = wait_, .at = std::min(wait_deadline_, deadline_)};
    }
    now = std::max(now, platform_.Now());  // the step may have taken a while
  }
  return Step{.done = true};
}

absl::Status ConnectAttempt::GiveUp(absl::Status status) {
  Drop();
  addresses_.reset();
  backend_.endpoints().Failed(index_);
  return status;
}

// Each part does one thing and says whether the next can be done at once.
absl::StatusOr<ConnectAttempt::Next> ConnectAttempt::RunPhase(TimePoint now) {
  switch (phase_) {
    case Phase::kLookUp:
      return TakeAddress(now);
    case Phase::kAwaitRoom:
      return AwaitRoom(now);
    case Phase::kConnect:
    case Phase::kEncrypt:
    case Phase::kSignIn:
      return Connect(now);
    case Phase::kAskRole:
    case Phase::kOnConnect:
      return AdvanceQuery();
    case Phase::kDone:
      break;
  }
  return Next::kContinue;
}

// ---- The address ----

absl::StatusOr<ConnectAttempt::Next> ConnectAttempt::TakeAddress(TimePoint now) {
  switch (addresses_->Next(now, address_)) {
    case AddressQueue::State::kReady:
      address_deadline_ = Deadline::After(now, addresses_->ShareOf(deadline_.Left(now)));
      phase_ = Phase::kAwaitRoom;
      return Next::kContinue;
    case AddressQueue::State::kPending:
      wait_ = addresses_->wait();
      wait_deadline_ = addresses_->wait_deadline();
      return Next::kWait;
    case AddressQueue::State::kNone:
      break;
  }
  if (!failure_.ok()) return failure_;
  const StartupFinding finding = ClassifyLookup(addresses_->error());
  failure_ =
      MakeStatus(finding.code, "",
                 {.where = WhereNow(),
                  .message = Concat({"looking up ", target().host, ": ", addresses_->message()}),
                  .advice = finding.advice});
  const bool away = finding.code == absl::StatusCode::kUnavailable;
  if (!away || !TakeNextEndpoint()) return failure_;
  return Next::kContinue;
}

// Nobody was reached here: goes on to the next host of the list within the same open. False: each was
// tried.
bool ConnectAttempt::TakeNextEndpoint() {
  const int count = static_cast<int>(settings_->endpoints.size());
  if (++endpoints_tried_ >= count) return false;
  backend_.endpoints().Failed(index_);
  index_ = (index_ + 1) % count;
  addresses_.emplace(HostOf(target()), backend_.resolver(), backend_.addresses(), platform_,
                     deadline_);
  failure_ = absl::OkStatus();
  return true;
}

// ---- The sessions that the server has ----

// Sessions end within milliseconds of their good-bye or their cancel request, as a rule.
absl::StatusOr<ConnectAttempt::Next> ConnectAttempt::AwaitRoom(TimePoint now) {
  constexpr Duration kLastGlance = std::chrono::milliseconds(32);
  ServerSessions& sessions = backend_.sessions();
  sessions.Continue(now);
  const std::string& address = target().socket ? target().host : address_;
  if (sessions.Enter(place_, Concat({address, ":", target().port}))) return StartConnecting();
  if (addresses_->HasMore() && address_deadline_.HasPassed(now)) {
    return Fail({.code = absl::StatusCode::kUnavailable, .other_address = true}, "", WhyNoRoom());
  }
  wait_ = {};
  wait_deadline_ = Deadline::After(now, glance_);
  glance_ = std::min(glance_ * 2, kLastGlance);
  return Next::kWait;
}

std::string ConnectAttempt::WhyNoRoom() const {
  const absl::Status hindrance = backend_.sessions().Hindrance(pool_.pool);
  if (!hindrance.ok()) return std::string(internal::MessageOf(hindrance));
  return "out of time while waiting for the end of sessions that were closed";
}

// ---- libpq's part ----

absl::StatusOr<ConnectAttempt::Next> ConnectAttempt::StartConnecting() {
  conn_ = StartWith(pq(), ParametersFor(*settings_, target(), address_, timers_));
  if (conn_ == nullptr) return absl::ResourceExhaustedError("libpq is out of memory");
  // So that the message of a refusal has the SQLSTATE, which libpq gives in no other way.
  pq().PQsetErrorVerbosity(conn_, PQERRORS_VERBOSE);
  pq().PQsetNoticeReceiver(conn_, DropNotice, nullptr);
  // An answer that the socket does not take is an error, and nothing that libpq waits for.
  pq().PQsetnonblocking(conn_, 1);
  sign_in_.emplace(target().local);
  phase_ = Phase::kConnect;
  if (pq().PQstatus(conn_) == CONNECTION_BAD) return StartFailed();
  wanted_ = {.writable = true};
  return Next::kContinue;
}

// The system refused at once, or libpq refuses the options.
absl::StatusOr<ConnectAttempt::Next> ConnectAttempt::StartFailed() {
  if (!AreRefused(pq(), ParametersFor(*settings_, target(), address_, timers_))) {
    return ConnectFailed(true);
  }
  return MakeStatus(absl::StatusCode::kInvalidArgument, "",
                    {.where = WhereNow(), .message = pq().PQerrorMessage(conn_)});
}

absl::StatusOr<ConnectAttempt::Next> ConnectAttempt::Connect(TimePoint now) {
  const int fd = pq().PQsocket(conn_);  // libpq may have taken another one since
  const IoEvents seen = platform_.WaitForDescriptor(fd, wanted_, Deadline::Past());
  if (!seen.any()) {
    if (phase_ == Phase::kConnect && addresses_->HasMore() && address_deadline_.HasPassed(now)) {
      return Fail({.code = absl::StatusCode::kUnavailable, .other_address = true}, "",
                  "no answer to the attempt to connect");
    }
    wait_ = {.fd = fd, .wanted = wanted_};
    if (phase_ == Phase::kConnect && addresses_->HasMore()) wait_deadline_ = address_deadline_;
    return Next::kWait;
  }
  const PostgresPollingStatusType polled = sign_in_->Poll(pq(), conn_);
  if (!sign_in_->refusal().empty()) {
    return Fail({.code = absl::StatusCode::kFailedPrecondition}, "", sign_in_->refusal());
  }
  if (polled == PGRES_POLLING_FAILED) return ConnectFailed(seen.hung_up);
  if (polled == PGRES_POLLING_OK) return CheckRole();
  wanted_ = {.readable = polled == PGRES_POLLING_READING,
             .writable = polled == PGRES_POLLING_WRITING};
  phase_ = PhaseOf(pq().PQstatus(conn_));
  return Next::kContinue;
}

absl::StatusOr<ConnectAttempt::Next> ConnectAttempt::ConnectFailed(bool hung_up) {
  const StartupMessage message = ReadStartupMessage(pq().PQerrorMessage(conn_));
  const StartupEvidence evidence{
      .phase = phase_,
      .sqlstate = message.sqlstate,
      .message = message.text,
      .hung_up = hung_up,
      .needs_password = pq().PQconnectionNeedsPassword(conn_) == 1,
      .clock_unset = platform_.UnixMicros() < kBuiltUnixMicros,
  };
  StartupFinding finding = ClassifyStartup(evidence);
  std::string advice;
  if (finding.code == absl::StatusCode::kUnauthenticated) {
    advice = PasswordAdvice(backend_.options().password_file, settings_->passed_over);
    finding.advice = advice;
  }
  return Fail(finding, message.sqlstate, message.text);
}

// ---- The server's role ----

absl::StatusOr<ConnectAttempt::Next> ConnectAttempt::CheckRole() {
  place_.KeepKey(sign_in_->key());
  sign_in_.reset();
  if (settings_->role == WantedRole::kAny) return RunOnConnect();
  const char* const standby = pq().PQparameterStatus(conn_, "in_hot_standby");
  const char* const read_only = pq().PQparameterStatus(conn_, "default_transaction_read_only");
  if (pq().PQserverVersion(conn_) >= kReportsStandby && standby != nullptr &&
      read_only != nullptr) {
    return JudgeRole(standby == std::string_view("on"), read_only == std::string_view("on"));
  }
  // An older server, or a pooler between: one round trip tells both.
  return Ask(Phase::kAskRole, kRoleQuestion);
}

absl::StatusOr<ConnectAttempt::Next> ConnectAttempt::JudgeRole(bool standby, bool read_only) {
  if (Fits(settings_->role, standby, read_only)) return RunOnConnect();
  if (settings_->role == WantedRole::kPreferStandby && backend_.endpoints().TakesSecondBest()) {
    second_best_ = true;
    return RunOnConnect();
  }
  phase_ = Phase::kAskRole;
  return Fail({.code = absl::StatusCode::kUnavailable,
               .advice = "target_session_attrs wants another one: is there one among the hosts?",
               .other_address = true},
              "", RoleName(standby, read_only));
}

// ---- Queries ----

absl::StatusOr<ConnectAttempt::Next> ConnectAttempt::Ask(Phase phase, const std::string& sql) {
  phase_ = phase;
  query_.emplace(pq(), conn_, static_cast<size_t>(backend_.options().max_result_bytes));
  if (!query_->Send(sql)) return ConnectFailed(true);
  return Next::kContinue;
}

absl::StatusOr<ConnectAttempt::Next> ConnectAttempt::AdvanceQuery() {
  switch (query_->Advance()) {
    case StartupQuery::State::kUnderWay:
      wait_ = {.fd = pq().PQsocket(conn_), .wanted = query_->wanted()};
      return Next::kWait;
    case StartupQuery::State::kMore:
      return Next::kContinue;
    case StartupQuery::State::kTooMuch:
      return Fail({.code = absl::StatusCode::kFailedPrecondition,
                   .advice = "ask for less, or raise max_result_bytes"},
                  "", Concat({Name(phase_), " it: the answer is longer than max_result_bytes"}));
    case StartupQuery::State::kBroken:
      return ConnectFailed(true);
    case StartupQuery::State::kAnswered:
      break;
  }
  if (!query_->error().empty()) {
    const std::string error = query_->error();
    const std::string sqlstate = query_->sqlstate();
    return Fail(ClassifyStartup({.phase = phase_, .sqlstate = sqlstate, .message = error}),
                sqlstate, Concat({Name(phase_), " it: ", error}));
  }
  if (phase_ == Phase::kOnConnect) return JudgeOnConnect();
  const std::string answer = query_->value();
  return JudgeRole(answer.starts_with("true"), answer.ends_with(" on"));
}

// What it must not leave behind: every statement of the next user would be part of its transaction, and
// be undone with it.
absl::StatusOr<ConnectAttempt::Next> ConnectAttempt::JudgeOnConnect() {
  const char* const encoding = pq().PQparameterStatus(conn_, "client_encoding");
  if (pq().PQtransactionStatus(conn_) != PQTRANS_IDLE) {
    return Fail({.code = absl::StatusCode::kInvalidArgument}, "", kOnConnectInTransaction);
  }
  if (encoding != nullptr && encoding != std::string_view("UTF8")) {
    return Fail({.code = absl::StatusCode::kInvalidArgument}, "",
                "on_connect changes client_encoding, which has to stay UTF8");
  }
  return Finish();
}

absl::StatusOr<ConnectAttempt::Next> ConnectAttempt::RunOnConnect() {
  if (backend_.options().on_connect.empty()) return Finish();
  return Ask(Phase::kOnConnect, backend_.options().on_connect);
}

absl::StatusOr<ConnectAttempt::Next> ConnectAttempt::Finish() {
  query_.reset();
  addresses_.reset();
  pq().PQsetErrorVerbosity(conn_, PQERRORS_DEFAULT);
  backend_.endpoints().Succeeded(index_, second_best_);
  if (!target().socket && target().address.empty()) {
    backend_.addresses().Remember(target().host, address_);
  }
  phase_ = Phase::kDone;
  return Next::kContinue;
}

PGconn* ConnectAttempt::Release() { return std::exchange(conn_, nullptr); }

// ---- Failures ----

absl::StatusOr<ConnectAttempt::Next> ConnectAttempt::Fail(const StartupFinding& finding,
                                                          std::string_view sqlstate,
                                                          std::string_view message) {
  fault_scope_ = std::max(fault_scope_, finding.fault_scope);
  failure_ = MakeStatus(finding.code, sqlstate,
                        {.where = WhereNow(), .message = message, .advice = finding.advice});
  if (!finding.other_address || (!addresses_->HasMore() && !TakeNextEndpoint())) return failure_;
  Drop();
  phase_ = Phase::kLookUp;
  return Next::kContinue;
}

absl::Status ConnectAttempt::OutOfTime() const {
  if (phase_ == Phase::kAwaitRoom) {
    return absl::DeadlineExceededError(Concat({target().where, ": ", WhyNoRoom()}));
  }
  const std::string what = phase_ == Phase::kLookUp ? target().host : WhereNow();
  return absl::DeadlineExceededError(
      Concat({target().where, ": out of time while ", Name(phase_), " ", what}));
}

std::string ConnectAttempt::WhereNow() const {
  const bool looked_up = !address_.empty() && address_ != target().host;
  return looked_up ? Concat({target().where, " (", address_, ")"}) : target().where;
}

}  // namespace roost::postgres
