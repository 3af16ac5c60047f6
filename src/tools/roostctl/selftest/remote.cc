// tools/roostctl/selftest/remote.cc - checks of the remote database: whether it is reached,
// what it is, how far away.
#include "tools/roostctl/selftest/remote.h"

#include <utility>

#include "tools/common/make_backend.h"
#include "tools/common/text.h"
#include "tools/roostctl/selftest/checks.h"
#include "tools/roostctl/selftest/scratch.h"

namespace roost::tools::selftest {
namespace {

using namespace std::chrono_literals;

// The oldest that is still mended by its makers (postgresql.org, mariadb.org and mysql.com on
// versions). The backends are tested with those of Debian 12, PostgreSQL 15 and MariaDB 10.11.
struct Product {
  const char* name;
  int64_t oldest;
  const char* full;    // its code for having no more sessions
  const char* pooler;  // what spares it some
};
const Product& ProductOf(Server server) {
  static constexpr Product kPostgres{"PostgreSQL", 140000, "53300", "PgBouncer"};
  static constexpr Product kMariadb{"MariaDB", 101100, "1040", "MaxScale"};
  static constexpr Product kMysql{"MySQL", 80400, "1040", "ProxySQL"};
  switch (server) {
    case Server::kPostgres:
      return kPostgres;
    case Server::kMariadb:
      return kMariadb;
    case Server::kMysql:
      return kMysql;
  }
  return kPostgres;
}

// "15.20", "10.11.19"
std::string VersionText(Server server, int64_t version) {
  const auto part = [version](int64_t unit, int64_t modulus) {
    return std::to_string(version / unit % modulus);
  };
  if (server == Server::kPostgres) return part(10000, 10000) + "." + part(1, 10000);
  return part(10000, 100) + "." + part(100, 100) + "." + part(1, 100);
}

// What its makers count: "14", "10.11"
std::string MajorText(Server server, int64_t version) {
  const std::string text = VersionText(server, version);
  return text.substr(0, text.rfind('.'));
}

// roost-node gives a statement on the remote 1 s; half of it leaves room for one packet lost.
constexpr Duration kFar = 500ms;
constexpr int kTrips = 20;
// A pool takes 20 to 30 % of max_connections at the most (as `roostctl size` says).
constexpr double kShare = 0.3;
// A node's own pool at the remote.
constexpr int kOurs =
    profiles::RaspberryPiRemote::kPoolSize + profiles::RaspberryPiRemote::kMaxOverflow;

constexpr Sql kOne{"SELECT 1"};

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
  const absl::StatusOr<ServerFacts> facts = QueryServerFacts(*lease, context.remote.IsMysql());
  return facts.ok() ? judge(*facts) : NotReached(facts.status());
}

const char* AdviceFor(const absl::Status& status, bool mysql) {
  if (absl::IsUnauthenticated(status) || absl::IsPermissionDenied(status)) {
    return mysql ? "the server refuses this user: look at the password (passfile= in the address) "
                   "and at the server's CREATE USER and GRANT for this host"
                 : "the server refuses this user: look at the password (~/.pgpass, "
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

bool RemoteDatabase::IsMysql() const { return backend_->kind() == "mysql"; }

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
    return Fail(FirstLine(lease.status()), "a session is opened",
                AdviceFor(lease.status(), remote.IsMysql()))
        .With("target", remote.target())
        .With(remote.IsMysql() ? "errno" : "sqlstate", ServerCode(lease.status()));
  }
  const Duration took = remote.opened_in().value_or(Duration::zero());
  return Pass(remote.target() + " in " + FormatDuration(took), "a session is opened")
      .With("target", remote.target())
      .With("connect_s", InSeconds(took));
}

Result JudgeRemoteServer(const ServerFacts& facts) {
  const std::string role = facts.standby ? "standby" : facts.read_only ? "read-only" : "primary";
  const Product& product = ProductOf(facts.server);
  const std::string measured =
      std::string(product.name) + " " + VersionText(facts.server, facts.version) + ", " + role;
  const std::string bound = MajorText(facts.server, product.oldest) + " or later, primary";
  Result result = Pass(measured, bound);
  if (facts.standby || facts.read_only) {
    result = Fail(measured, bound,
                  facts.server == Server::kPostgres
                      ? "it takes no writes: name the primary, or all hosts with "
                        "target_session_attrs=read-write in the address"
                      : "it takes no writes: name the primary, or all hosts, separated by commas, "
                        "in the address");
  } else if (facts.version < product.oldest) {
    result = Warn(measured, bound, "this version is mended no more: plan its upgrade");
  }
  return std::move(result).With("version", facts.version).With("role", role);
}

Result CheckRemoteServer(Context& context) { return JudgeFacts(context, JudgeRemoteServer); }

Result JudgeRemoteTls(const ServerFacts& facts) {
  const std::string measured = facts.encrypted ? facts.protocol : "not encrypted";
  const std::string where = facts.local ? ", on this machine" : "";
  const char* bound = "encrypted, unless on this machine";
  Result result =
      facts.encrypted || facts.local
          ? Pass(measured + where, bound)
          : Warn(measured, bound,
                 "who listens on the link reads everything: sslmode=verify-full in the "
                 "address, with the server's certificate authority in " +
                     std::string(facts.server == Server::kPostgres ? "sslrootcert" : "ssl-ca"));
  return std::move(result).With("encrypted", facts.encrypted).With("protocol", facts.protocol);
}

Result CheckRemoteTls(Context& context) { return JudgeFacts(context, JudgeRemoteTls); }

Result JudgeRemoteSessions(const ServerFacts& facts, int ours) {
  const Product& product = ProductOf(facts.server);
  const int64_t most = facts.max_connections - facts.reserved;
  const std::string measured =
      Format("%lld of %lld taken, a node takes up to %d", static_cast<long long>(facts.sessions),
             static_cast<long long>(most), ours);
  const std::string bound = Format("room for a node, which is at most %.0f %%", kShare * 100);
  Result result = Pass(measured, bound);
  if (facts.sessions + ours > most) {
    result = Warn(measured, bound,
                  Format("the server refuses sessions soon (%s): raise max_connections, or put "
                         "%s before it",
                         product.full, product.pooler));
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
