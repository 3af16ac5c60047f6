#include "backends/mysql/connect_attempt.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

#include "backends/common/password.h"
#include "backends/common/resolver.h"
#include "backends/mysql/backend_state.h"
#include "backends/mysql/errnos.h"
#include "backends/mysql/errors.h"
#include "statements/text.h"

namespace roost::mysql {
namespace {

using internal::Concat;

// What kSetUpToWrite provokes.
constexpr unsigned kNoSuchTimeZone = 1298;

// Steps of one Advance. An open takes some ten, most of which wait.
constexpr int kTurns = 64;

// Those that send a proof of the password.
constexpr char kProofs[] = "mysql_native_password,client_ed25519,parsec";
// This one sends a proof, too, but the password itself where the server does not remember the user: without TLS
// under a key that whoever answers has sent, which OpeningWatch::refused_password ends. Without TLS it is for
// this machine.
constexpr char kProofsAndCaching[] =
    "mysql_native_password,client_ed25519,parsec,caching_sha2_password";
// sha256_password sends the password itself, and takes such a key unasked.
constexpr char kAllSignIns[] =
    "mysql_native_password,client_ed25519,parsec,caching_sha2_password,sha256_password";
// The library's, for a way to sign in that is not in the list.
constexpr unsigned kNotAllowed = 5010;
constexpr unsigned kTlsFailed = 2026;

backends::HostAddress HostOf(const Endpoint& endpoint) {
  return {.name = endpoint.host, .address = endpoint.address, .socket = !endpoint.socket.empty()};
}

const char* OrNull(const std::string& text) { return text.empty() ? nullptr : text.c_str(); }

// Finds the session among those of the server that was reached, which need not be the one that has it: a
// balancer may have chosen another. It is ours if it comes from where this connection comes from, by the
// same user, and from the port of its own.
std::string FindGivenUp(const GivenUp& session) {
  constexpr char kHost[] =
      "LEFT(me.host, CHAR_LENGTH(me.host) - CHAR_LENGTH(SUBSTRING_INDEX(me.host, ':', -1)))";
  const std::string from =
      session.local_port == 0
          ? std::string("me.host")
          : Concat({"CONCAT(", kHost, ", ", internal::Digits(session.local_port), ")"});
  return Concat(
      {"SET @given_up = (SELECT it.id FROM information_schema.processlist AS it, "
       "information_schema.processlist AS me WHERE me.id = CONNECTION_ID() AND it.id = ",
       internal::Digits(static_cast<int64_t>(session.id)),
       " AND it.user = me.user AND it.host = ", from, ")"});
}

// Kills nothing where nothing was found.
constexpr char kKillGivenUp[] = "KILL CONNECTION @given_up";

int RoundedUp(Duration span, Duration unit) {
  return static_cast<int>(std::max<int64_t>((span + unit - Duration(1)) / unit, 1));
}

// The value of a variable that the last answer tells; empty: it does not. The server tells names and values
// by turns.
std::string_view FindTold(const Libmariadb& lib, MYSQL* handle, std::string_view name) {
  const char* data = nullptr;
  size_t size = 0;
  bool next_is_it = false;
  bool more =
      lib.mysql_session_track_get_first(handle, SESSION_TRACK_SYSTEM_VARIABLES, &data, &size) == 0;
  for (int taken = 0; more && taken < 64; ++taken) {
    const std::string_view text(data, size);
    if (next_is_it) return text;
    next_is_it = taken % 2 == 0 && text == name;
    more =
        lib.mysql_session_track_get_next(handle, SESSION_TRACK_SYSTEM_VARIABLES, &data, &size) == 0;
  }
  return {};
}

void SetNumber(int fd, int level, int option, int number) {
  setsockopt(fd, level, option, &number, sizeof number);  // where the system has it
}

}  // namespace

absl::Status CheckLeftByOnConnect(const Libmariadb& lib, MYSQL* handle) {
  if ((handle->server_status & SERVER_STATUS_IN_TRANS) != 0) {
    return absl::InvalidArgumentError("on_connect leaves a transaction open: end it with COMMIT");
  }
  if ((handle->server_status & SERVER_STATUS_AUTOCOMMIT) == 0) {
    return absl::InvalidArgumentError(
        "on_connect leaves autocommit off, and no statement would commit itself: leave it on, and "
        "use a Transaction");
  }
  const std::string_view completion = FindTold(lib, handle, "completion_type");
  if (!completion.empty() && completion != "NO_CHAIN" && completion != "0") {
    return absl::InvalidArgumentError(
        "on_connect sets completion_type, and a COMMIT would begin another transaction, or end the "
        "session: leave it NO_CHAIN");
  }
  return absl::OkStatus();
}

ConnectAttempt::ConnectAttempt(BackendState& backend, const OpenRequest& request, GivenUp ends)
    : backend_(backend),
      platform_(*request.platform),
      deadline_(request.deadline),
      timers_(request.tcp_timers),
      ends_(ends),
      first_(ends.id == 0 ? backend.options().on_connect : kKillGivenUp),
      link_(platform_) {}

absl::Status ConnectAttempt::Start() {
  absl::StatusOr<std::shared_ptr<const Settings>> settings = backend_.Read();
  if (!settings.ok()) return settings.status();
  settings_ = *std::move(settings);
  set_up_ = Concat({kSetUp, settings_->writable && ends_.id == 0 ? kSetUpToWrite : ""});
  index_ =
      std::min(backend_.endpoints().Choose(), static_cast<int>(settings_->endpoints.size()) - 1);
  LookUp();
  return absl::OkStatus();
}

void ConnectAttempt::GoTo(int endpoint) {
  const int count = static_cast<int>(settings_->endpoints.size());
  index_ = std::min(endpoint, count - 1);
  endpoints_tried_ = count;
  LookUp();
}

void ConnectAttempt::LookUp() {
  addresses_.emplace(HostOf(target()), backend_.resolver(), backend_.addresses(), platform_,
                     deadline_);
}

void ConnectAttempt::Abandon() {
  link_.Abandon();
  if (addresses_.has_value()) addresses_->Abandon();
}

absl::StatusOr<Step> ConnectAttempt::Advance(TimePoint now) {
  for (int turn = 0; phase_ != Phase::kDone; ++turn) {
    if (deadline_.HasPassed(now)) return Give(OutOfTime());
    if (turn == kTurns) return Step{.at = Deadline::At(now)};
    wait_ = {};
    wait_deadline_ = deadline_;
    absl::StatusOr<Next> next = RunPhase(now);
    if (!next.ok()) return Give(next.status());
    if (*next == Next::kWait) {
      return Step{.wait = wait_, .at = std::min(wait_deadline_, deadline_)};
    }
    now = std::max(now, platform_.Now());  // the step may have taken a while
  }
  return Step{.done = true};
}

absl::Status ConnectAttempt::Give(const absl::Status& status) {
  link_.Close();
  addresses_.reset();
  if (ends_.id == 0) backend_.endpoints().Failed(index_);
  return status;
}

absl::StatusOr<ConnectAttempt::Next> ConnectAttempt::RunPhase(TimePoint now) {
  switch (phase_) {
    case Phase::kLookUp:
      return TakeAddress(now);
    case Phase::kConnect:
    case Phase::kFind:
    case Phase::kFirst:
      return GoOn(now);
    case Phase::kDone:
      break;
  }
  return Next::kContinue;
}

// ---- the address --------------------------------------------------------------------------------

absl::StatusOr<ConnectAttempt::Next> ConnectAttempt::TakeAddress(TimePoint now) {
  switch (addresses_->Next(now, address_)) {
    case backends::AddressQueue::State::kReady:
      address_deadline_ =
          Deadline::After(now, addresses_->ShareOf(deadline_.Left(now) / (FurtherEndpoints() + 1)));
      return BeginConnect();
    case backends::AddressQueue::State::kPending:
      wait_ = addresses_->wait();
      wait_deadline_ = addresses_->wait_deadline();
      return Next::kWait;
    case backends::AddressQueue::State::kNone:
      break;
  }
  if (failure_.ok()) {
    const int error = addresses_->error();
    const bool unknown = error == EAI_NONAME || error == EAI_NODATA;
    failure_ = MakeStatus(
        unknown ? absl::StatusCode::kNotFound : absl::StatusCode::kUnavailable, 0,
        {.where = WhereNow(),
         .message = Concat({"looking up ", target().host, ": ", addresses_->message()}),
         .advice = unknown ? "correct the host" : "the name service is away: retry later"});
  }
  if (!absl::IsUnavailable(failure_) || !TakeNextEndpoint()) return failure_;
  return Next::kContinue;
}

// Those of the list that are to be tried within this open.
int ConnectAttempt::FurtherEndpoints() const {
  return std::max(static_cast<int>(settings_->endpoints.size()) - endpoints_tried_ - 1, 0);
}

// Nobody was reached here: goes on to the next host of the list within the same open. False: each was
// tried.
bool ConnectAttempt::TakeNextEndpoint() {
  const int count = static_cast<int>(settings_->endpoints.size());
  if (++endpoints_tried_ >= count) return false;
  backend_.endpoints().Failed(index_);
  index_ = (index_ + 1) % count;
  LookUp();
  failure_ = absl::OkStatus();
  return true;
}

// ---- the connect --------------------------------------------------------------------------------

// localhost is a name like others, and may lead to another machine.
Encryption ConnectAttempt::EncryptionHere() const {
  const bool here = !target().socket.empty() || backends::IsLoopback(address_);
  return target().chosen || here ? target().encryption : Encryption::kHost;
}

const char* ConnectAttempt::SignIns() const {
  if (encryption_ != Encryption::kNone || !target().socket.empty()) return kAllSignIns;
  return backends::IsLoopback(address_) ? kProofsAndCaching : kProofs;
}

absl::StatusOr<ConnectAttempt::Next> ConnectAttempt::BeginConnect() {
  encryption_ = EncryptionHere();
  const bool names_host = target().address.empty();
  if (!link_.Make(
          backend_.lib(),
          {.certified = names_host ? target().host.c_str() : nullptr,
           .any_name = encryption_ == Encryption::kAny || encryption_ == Encryption::kAuthority},
          static_cast<size_t>(backend_.options().max_result_bytes))) {
    return absl::ResourceExhaustedError("libmariadb has no memory for a connection");
  }
  SetOptions();
  phase_ = Phase::kConnect;
  const bool socket = !target().socket.empty();
  link_.Connect({.host = socket ? nullptr : address_.c_str(),
                 .socket = OrNull(target().socket),
                 .port = target().port,
                 .user = OrNull(settings_->user),
                 .password = OrNull(settings_->password),
                 .database = ends_.id == 0 ? OrNull(settings_->database) : nullptr});
  return Next::kContinue;
}

void ConnectAttempt::SetOptions() {
  const auto set = [this](enum mysql_option option, const void* value) {
    backend_.lib().mysql_optionsv(link_.handle(), option, value);
  };
  const unsigned protocol = target().socket.empty() ? MYSQL_PROTOCOL_TCP : MYSQL_PROTOCOL_SOCKET;
  const unsigned off = 0;
  const auto most = static_cast<size_t>(backend_.options().max_result_bytes);
  set(MYSQL_OPT_PROTOCOL, &protocol);
  set(MYSQL_OPT_LOCAL_INFILE, &off);
  set(MYSQL_OPT_MAX_ALLOWED_PACKET, &most);
  set(MYSQL_SET_CHARSET_NAME, "utf8mb4");
  set(MYSQL_INIT_COMMAND, set_up_.c_str());
  set(MARIADB_OPT_RESTRICTED_AUTH, SignIns());
  if (!backend_.options().application_name.empty()) {
    backend_.lib().mysql_optionsv(link_.handle(), MYSQL_OPT_CONNECT_ATTR_ADD, "program_name",
                                  backend_.options().application_name.c_str());
  }
  if (encryption_ == Encryption::kNone) return;
  const my_bool on = 1;
  set(MYSQL_OPT_SSL_ENFORCE, &on);
  set(MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &on);
  if (encryption_ != Encryption::kAny) {
    const std::string& file = settings_->authorities;
    set(MYSQL_OPT_SSL_CA, file.empty() ? kSystemCertificates : file.c_str());
  }
  if (!settings_->certificate.empty()) set(MYSQL_OPT_SSL_CERT, settings_->certificate.c_str());
  if (!settings_->key.empty()) set(MYSQL_OPT_SSL_KEY, settings_->key.c_str());
}

absl::StatusOr<ConnectAttempt::Next> ConnectAttempt::GoOn(TimePoint now) {
  link_.Advance();
  if (link_.pending()) {
    const bool connects = phase_ == Phase::kConnect && !link_.wanted().readable;
    if (connects && (addresses_->HasMore() || FurtherEndpoints() > 0)) {
      if (address_deadline_.HasPassed(now)) {
        failure_ =
            MakeStatus(absl::StatusCode::kUnavailable, 0,
                       {.where = WhereNow(), .message = "no answer to the attempt to connect"});
        link_.Close();
        phase_ = Phase::kLookUp;
        return Next::kContinue;
      }
      wait_deadline_ = address_deadline_;
    }
    wait_ = {.fd = link_.descriptor(), .wanted = link_.wanted()};
    return Next::kWait;
  }
  if (link_.overran() || link_.code() != 0) return Failed();
  if (phase_ == Phase::kConnect) return Connected();
  return phase_ == Phase::kFind ? RunFirst() : FirstDone();
}

absl::StatusOr<ConnectAttempt::Next> ConnectAttempt::Connected() {
  SetTimers();
  ReadWaitTimeout();
  if (target().address.empty() && target().socket.empty()) {
    backend_.addresses().Remember(target().host, address_);
  }
  // Numbers of sessions grow while a server lives. One that was started anew has ended all of them.
  if (ends_.id != 0 && link_.handle()->thread_id <= ends_.id) return Finish();
  if (ends_.id != 0) {
    phase_ = Phase::kFind;
    link_.Query(FindGivenUp(ends_));
    return Next::kContinue;
  }
  return first_.empty() ? Finish() : RunFirst();
}

absl::StatusOr<ConnectAttempt::Next> ConnectAttempt::RunFirst() {
  phase_ = Phase::kFirst;
  link_.Query(first_);
  return Next::kContinue;
}

void ConnectAttempt::SetTimers() {
  const int fd = link_.descriptor();
  if (!target().socket.empty()) return;
  using std::chrono::milliseconds;
  using std::chrono::seconds;
  if (timers_.user_timeout > Duration::zero()) {
    SetNumber(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, RoundedUp(timers_.user_timeout, milliseconds(1)));
  }
  if (timers_.keepalive_idle > Duration::zero()) {
    SetNumber(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    SetNumber(fd, IPPROTO_TCP, TCP_KEEPIDLE, RoundedUp(timers_.keepalive_idle, seconds(1)));
  }
  if (timers_.keepalive_interval > Duration::zero()) {
    SetNumber(fd, IPPROTO_TCP, TCP_KEEPINTVL, RoundedUp(timers_.keepalive_interval, seconds(1)));
  }
  if (timers_.keepalive_count > 0) {
    SetNumber(fd, IPPROTO_TCP, TCP_KEEPCNT, timers_.keepalive_count);
  }
}

void ConnectAttempt::ReadWaitTimeout() {
  const std::string_view text = FindTold(link_.lib(), link_.handle(), "wait_timeout");
  int64_t seconds = 0;
  std::from_chars(text.data(), text.data() + text.size(), seconds);
  constexpr int64_t kMost = int64_t{365} * 24 * 3600;
  wait_timeout_ = std::chrono::seconds(std::clamp<int64_t>(seconds, 0, kMost));
}

absl::StatusOr<ConnectAttempt::Next> ConnectAttempt::FirstDone() {
  if (link_.lib().mysql_field_count(link_.handle()) != 0) {
    return absl::InvalidArgumentError(
        Concat({"on_connect at ", target().where, " gives rows, and nobody would read them"}));
  }
  if (ends_.id == 0) {
    absl::Status status = CheckLeftByOnConnect(link_.lib(), link_.handle());
    if (!status.ok()) return status;
  }
  return Finish();
}

absl::StatusOr<ConnectAttempt::Next> ConnectAttempt::Finish() {
  if (ends_.id == 0) backend_.endpoints().Succeeded(index_);
  phase_ = Phase::kDone;
  return Next::kContinue;
}

// The server says what it should not. Another address may do better.
absl::StatusOr<ConnectAttempt::Next> ConnectAttempt::LeaveImpostor(std::string_view what) {
  failure_ = MakeStatus(
      absl::StatusCode::kUnavailable, 0,
      {.where = WhereNow(),
       .message = what,
       .advice =
           "the other end is no server of MySQL, or somebody on the way adds to what it says"});
  link_.Close();
  phase_ = Phase::kLookUp;
  return Next::kContinue;
}

// The server refused, or was not reached: then another address may still do better.
absl::StatusOr<ConnectAttempt::Next> ConnectAttempt::Failed() {
  if (link_.greeting() != GreetingReader::Verdict::kGood) {
    return LeaveImpostor(WhatIsWrong(link_.greeting()));
  }
  if (link_.overran()) return LeaveImpostor("the server says more than one that signs a client in");
  MYSQL* const handle = link_.handle();
  const Libmariadb& lib = link_.lib();
  const Evidence evidence{.number = lib.mysql_errno(handle),
                          .sqlstate = lib.mysql_sqlstate(handle),
                          .message = lib.mysql_error(handle)};
  if (phase_ == Phase::kConnect && settings_->writable && evidence.number == kNoSuchTimeZone) {
    failure_ = MakeStatus(absl::StatusCode::kUnavailable, 0,
                          {.where = WhereNow(),
                           .message = "the server only reads (read_only)",
                           .advice = "target_session_attrs=read-write looks for another host"});
    link_.Close();
    phase_ = Phase::kLookUp;
    return Next::kContinue;
  }
  if (link_.refused_password()) {
    failure_ =
        MakeStatus(absl::StatusCode::kFailedPrecondition, 0,
                   {.where = WhereNow(),
                    .message = "the server wants the password itself, and the link is not "
                               "encrypted",
                    .advice = "say sslmode=verify-full or sslmode=require, or use a socket"});
    return failure_;
  }
  const Finding finding = ClassifyAtStartup(evidence);
  std::string advice(finding.advice);
  if (evidence.number == 1045) {
    advice = backends::PasswordAdvice(settings_->password_from, finding.advice);
  }
  if (evidence.number == kTlsFailed && (handle->server_capabilities & CLIENT_SSL) == 0) {
    advice = "the server offers no TLS: set it up there, or accept plain text with sslmode=disable";
  }
  if (evidence.number == kNotAllowed && SignIns() != kAllSignIns) {
    advice = "without TLS no password goes out: give sslmode=verify-full";
  }
  fault_scope_ = std::max(fault_scope_, finding.fault_scope);
  failure_ = MakeStatus(finding.code, evidence.number,
                        {.where = WhereNow(), .message = evidence.message, .advice = advice});
  link_.Close();
  const bool unreached = evidence.number >= 2002 && evidence.number <= 2006;
  if (!unreached && evidence.number != 2013) return failure_;
  phase_ = Phase::kLookUp;
  return Next::kContinue;
}

std::string ConnectAttempt::WhereNow() const {
  switch (phase_) {
    case Phase::kLookUp:
      return target().where;
    case Phase::kConnect:
      return Concat({"connecting to ", target().where});
    default:
      return Concat({"on_connect at ", target().where});
  }
}

absl::Status ConnectAttempt::OutOfTime() const {
  std::string what;
  if (phase_ == Phase::kLookUp) {
    what = Concat({"out of time while looking up ", target().host, " for ", target().where});
  } else if (phase_ == Phase::kFirst) {
    what = Concat({"out of time while running on_connect at ", target().where});
  } else if (link_.pending() && !link_.wanted().readable) {
    what = Concat({"out of time while connecting to ", target().where});
  } else {
    what = Concat({"out of time while signing in at ", target().where});
  }
  return absl::DeadlineExceededError(what);
}

}  // namespace roost::mysql
