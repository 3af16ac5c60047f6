// tools/roostctl/selftest/remote.cc - checks of the remote database: whether it is reached,
// what it is, how far away.
#include "tools/roostctl/selftest/remote.h"

#include <utility>

#include "roost/postgres.h"
#include "tools/common/make_backend.h"
#include "tools/common/text.h"
#include "tools/roostctl/selftest/checks.h"
#include "tools/roostctl/selftest/scratch.h"

namespace roost::tools::selftest {
namespace {

using namespace std::chrono_literals;

// The backend is tested with PostgreSQL 15, Debian's. The oldest that is still mended by its makers
// (postgresql.org, versioning policy).
constexpr int64_t kOldestVersion = 140000;
// roost-node gives a statement on the remote 1 s; half of it leaves room for one packet lost.
constexpr Duration kFar = 500ms;
constexpr int kTrips = 20;
// A pool takes 20 to 30 % of max_connections at the most (as `roostctl size` says).
constexpr double kShare = 0.3;
// A node's own pool at the remote.
constexpr int kOurs =
    profiles::RaspberryPiRemote::kPoolSize + profiles::RaspberryPiRemote::kMaxOverflow;

constexpr Sql kOne{"SELECT 1::bigint"};
// pg_stat_database counts the sessions of all users for everybody; pg_stat_activity does not.
constexpr Sql kFacts{
    "SELECT current_setting('server_version_num')::bigint, pg_is_in_recovery()::int::bigint,"
    " (current_setting('transaction_read_only') = 'on')::int::bigint,"
    " coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false)::int::bigint,"
    " coalesce((SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()), ''),"
    " coalesce(inet_server_addr() << '127.0.0.0/8' OR inet_server_addr() = '::1',"
    " true)::int::bigint,"
    " current_setting('max_connections')::bigint,"
    " current_setting('superuser_reserved_connections')::bigint,"
    " (SELECT sum(numbackends) FROM pg_stat_database)::bigint"};

absl::StatusOr<ServerFacts> QueryFacts(Lease& lease) {
  const absl::StatusOr<Statement*> statement = lease.Prepare(kFacts);
  if (!statement.ok()) return statement.status();
  Rows rows = (*statement)->Query();
  if (!rows.Next()) return rows.status();
  ServerFacts facts;
  facts.version = rows.Get<int64_t>(0);
  facts.standby = rows.Get<int64_t>(1) != 0;
  facts.read_only = rows.Get<int64_t>(2) != 0;
  facts.encrypted = rows.Get<int64_t>(3) != 0;
  facts.protocol = std::string(rows.Get<std::string_view>(4));
  facts.local = rows.Get<int64_t>(5) != 0;
  facts.max_connections = rows.Get<int64_t>(6);
  facts.reserved = rows.Get<int64_t>(7);
  facts.sessions = rows.Get<int64_t>(8);
  if (!rows.status().ok()) return rows.status();
  return facts;
}

constexpr const char* kNotConfigured = "no remote is configured (--remote, --config)";

std::string FirstLine(const absl::Status& status) {
  const std::string text(status.message());
  return text.substr(0, text.find('\n'));
}

Result NotReached(const absl::Status& status) { return Skip("not reached: " + FirstLine(status)); }

// The connection, or the result of a check that cannot go on without it.
absl::StatusOr<Lease> LeaseOrSkip(Context& context, Result& skipped) {
  if (!context.remote.configured()) {
    skipped = Skip(kNotConfigured);
    return absl::NotFoundError("");
  }
  absl::StatusOr<Lease> lease = context.remote.Connect(context.deadline);
  if (!lease.ok()) skipped = NotReached(lease.status());
  return lease;
}

// What most checks begin with.
Result JudgeFacts(Context& context, Result (*judge)(const ServerFacts&)) {
  Result skipped;
  absl::StatusOr<Lease> lease = LeaseOrSkip(context, skipped);
  if (!lease.ok()) return skipped;
  const absl::StatusOr<ServerFacts> facts = QueryFacts(*lease);
  return facts.ok() ? judge(*facts) : NotReached(facts.status());
}

const char* AdviceFor(const absl::Status& status) {
  if (absl::IsUnauthenticated(status) || absl::IsPermissionDenied(status)) {
    return "the server refuses this user: look at the password (~/.pgpass, "
           "passfile= in the address) and at the server's pg_hba.conf";
  }
  if (absl::IsNotFound(status)) return "there is no such database: create it, or mend the address";
  if (absl::IsFailedPrecondition(status) || absl::IsInvalidArgument(status)) {
    return "read the message: it says what to change";
  }
  return "look at the link (ip route, ping), at the name (getent hosts), and whether the server "
         "runs; a node keeps its readings until then";
}

}  // namespace

RemoteDatabase::RemoteDatabase(const std::string& uri, Platform& platform,
                               const std::string& password_file)
    : platform_(platform) {
  if (uri.empty()) return;
  backend_ = MakeRemoteBackend(
      uri, {.application_name = "roostctl selftest", .password_file = password_file});
  pool_ = std::make_unique<PoolFor<RemoteProfile>>(
      *backend_, PoolOptions{.name = "remote", .platform = &platform});
}

RemoteDatabase::~RemoteDatabase() = default;

std::string RemoteDatabase::target() const { return std::string(backend_->target()); }

absl::StatusOr<Lease> RemoteDatabase::Connect(Deadline deadline) {
  const std::lock_guard<std::mutex> guard(mutex_);
  if (!failure_.ok()) return failure_;
  const TimePoint start = platform_.Now();
  absl::StatusOr<Lease> lease = pool_->Acquire(kRead, deadline);
  if (!lease.ok()) failure_ = lease.status();
  if (lease.ok() && !opened_in_.has_value()) opened_in_ = platform_.Now() - start;
  return lease;
}

void RemoteDatabase::Close() {
  if (pool_ == nullptr) return;
  pool_->Close(Deadline::After(platform_.Now(), 1s)).IgnoreError();
}

Result CheckRemoteReach(Context& context) {
  RemoteDatabase& remote = context.remote;
  if (!remote.configured()) return Skip(kNotConfigured);
  const absl::StatusOr<Lease> lease = remote.Connect(context.deadline);
  if (context.setup.password_hidden && absl::IsUnauthenticated(lease.status())) {
    return Skip("this user may not read the service's password of the remote; run it as root");
  }
  if (!lease.ok()) {
    return Fail(FirstLine(lease.status()), "a session is opened", AdviceFor(lease.status()))
        .With("target", remote.target())
        .With("sqlstate", std::string(PostgresSqlState(lease.status())));
  }
  const Duration took = remote.opened_in().value_or(Duration::zero());
  return Pass(remote.target() + " in " + FormatDuration(took), "a session is opened")
      .With("target", remote.target())
      .With("connect_s", InSeconds(took));
}

Result JudgeRemoteServer(const ServerFacts& facts) {
  const std::string role = facts.standby ? "standby" : facts.read_only ? "read-only" : "primary";
  const std::string measured =
      Format("PostgreSQL %lld.%lld, ", static_cast<long long>(facts.version / 10000),
             static_cast<long long>(facts.version % 10000)) +
      role;
  const std::string bound =
      Format("%lld or later, primary", static_cast<long long>(kOldestVersion / 10000));
  Result result = Pass(measured, bound);
  if (facts.standby || facts.read_only) {
    result = Fail(measured, bound,
                  "it takes no writes: name the primary, or all hosts with "
                  "target_session_attrs=read-write in the address");
  } else if (facts.version < kOldestVersion) {
    result = Warn(measured, bound, "this version is mended no more: plan its upgrade");
  }
  return std::move(result).With("version", facts.version).With("role", role);
}

Result CheckRemoteServer(Context& context) { return JudgeFacts(context, JudgeRemoteServer); }

Result JudgeRemoteTls(const ServerFacts& facts) {
  const std::string measured = facts.encrypted ? facts.protocol : "not encrypted";
  const std::string where = facts.local ? ", on this machine" : "";
  const char* bound = "encrypted, unless on this machine";
  Result result = facts.encrypted || facts.local
                      ? Pass(measured + where, bound)
                      : Warn(measured, bound,
                             "who listens on the link reads everything: sslmode=verify-full in the "
                             "address, with the server's certificate authority in sslrootcert");
  return std::move(result).With("encrypted", facts.encrypted).With("protocol", facts.protocol);
}

Result CheckRemoteTls(Context& context) { return JudgeFacts(context, JudgeRemoteTls); }

Result JudgeRemoteSessions(const ServerFacts& facts, int ours) {
  const int64_t most = facts.max_connections - facts.reserved;
  const std::string measured =
      Format("%lld of %lld taken, a node takes up to %d", static_cast<long long>(facts.sessions),
             static_cast<long long>(most), ours);
  const std::string bound = Format("room for a node, which is at most %.0f %%", kShare * 100);
  Result result = Pass(measured, bound);
  if (facts.sessions + ours > most) {
    result = Warn(measured, bound,
                  "the server refuses sessions soon (53300): raise max_connections, or put "
                  "PgBouncer before it");
  } else if (ours > kShare * static_cast<double>(facts.max_connections)) {
    result = Warn(measured, bound, "one node takes too much of it: raise max_connections");
  }
  return std::move(result)
      .With("max_connections", facts.max_connections)
      .With("reserved", facts.reserved)
      .With("sessions", facts.sessions);
}

Result CheckRemoteSessions(Context& context) {
  return JudgeFacts(context,
                    [](const ServerFacts& facts) { return JudgeRemoteSessions(facts, kOurs); });
}

Result JudgeRemoteLatency(const Percentiles& trips) {
  const std::string measured = FormatPercentiles(trips);
  const std::string bound = "p50 " + FormatDuration(kFar);
  Result result = trips.p50 <= kFar
                      ? Pass(measured, bound)
                      : Warn(measured, bound,
                             "statements have 1 s: on such a link batches arrive late; look at the "
                             "signal of the modem, or choose a nearer server");
  AddFigures(result, trips);
  return result;
}

Result CheckRemoteLatency(Context& context) {
  Result skipped;
  absl::StatusOr<Lease> lease = LeaseOrSkip(context, skipped);
  if (!lease.ok()) return skipped;
  std::vector<Duration> trips;
  // The first prepares the statement, which is a trip of its own.
  for (int i = 0; i <= kTrips && !context.IsOver(); ++i) {
    const TimePoint start = context.Now();
    const absl::StatusOr<int64_t> one = QueryNumber(*lease, kOne);
    if (!one.ok()) return NotReached(one.status());
    if (i > 0) trips.push_back(context.Now() - start);
  }
  if (trips.empty()) return NotReached(absl::DeadlineExceededError("no time for a second trip"));
  return JudgeRemoteLatency(PercentilesOf(std::move(trips)));
}

}  // namespace roost::tools::selftest
