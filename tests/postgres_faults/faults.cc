#include "tests/postgres_faults/faults.h"

#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "tests/support/pool_test_peer.h"

namespace roost::faults {
namespace {

using support::Fail;
using support::WaitUntil;

// A transaction that stays open: the connection's own way to begin one.
constexpr Sql kBegin{"BEGIN"};

Lease Borrow(Node& node) {
  absl::StatusOr<Lease> lease = node.pool().Acquire(kWrite, node.pool().In(10s));
  if (!lease.ok()) Fail("no lease to begin with: " + lease.status().ToString());
  const absl::Status asked = lease->Run(kQuestion);
  if (!asked.ok()) Fail("no answer to begin with: " + asked.ToString());
  return *std::move(lease);
}

// The first caller, whose lease was taken before.
Answer AskThrough(Lease lease, Duration limit, const Sql& question) {
  const TimePoint start = NativePlatform().Now();
  lease->set_deadline(Deadline::After(start, limit));
  absl::Status status = lease.Run(question);
  const Duration after = Since(start);
  return {std::move(status), after};
}

Answer StrikeWhileAsked(const Fault& fault, World& world) {
  Lease lease = Borrow(world.node);
  std::thread striker([&] {
    const bool asked = WaitUntil([&] {
      return world.server.Sql(
                 "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND "
                 "query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()") == "1";
    });
    if (!asked) Fail("the question never arrived");
    fault.strike(world);
  });
  Answer answer = AskThrough(std::move(lease), fault.limit, kLongQuestion);
  striker.join();
  return answer;
}

Answer StrikeWhileLent(const Fault& fault, World& world) {
  Lease lease = Borrow(world.node);
  if (fault.moment == Moment::kTransaction) {
    const absl::Status begun = lease.RunScript(kBegin.text());
    if (!begun.ok()) Fail("no transaction to begin with: " + begun.ToString());
  }
  fault.strike(world);
  return AskThrough(std::move(lease), fault.limit, kQuestion);
}

Answer Strike(const Fault& fault, World& world) {
  switch (fault.moment) {
    case Moment::kNone:
      fault.strike(world);
      return world.node.Ask(fault.limit);
    case Moment::kResting:
      Borrow(world.node).Return();
      fault.strike(world);
      return world.node.Ask(fault.limit);
    case Moment::kLent:
    case Moment::kTransaction:
      return StrikeWhileLent(fault, world);
    case Moment::kAsked:
      return StrikeWhileAsked(fault, world);
  }
  Fail("a moment that does not exist");
}

// "closed (broken), opened anew", from what the pool has counted.
std::string How(const Stats& stats) {
  std::string how;
  for (int i = 0; i < kCloseReasons; ++i) {
    if (stats.closes[static_cast<size_t>(i)] == 0) continue;
    how += (how.empty() ? "closed (" : ", ") + std::string(Name(static_cast<CloseReason>(i)));
  }
  if (!how.empty()) how += "), ";
  if (stats.opens > 1 || stats.open_failures > 0) how += "opened anew";
  if (stats.open_failures > 0) how += " after " + std::to_string(stats.open_failures) + " failed";
  if (how.ends_with(", ")) how.resize(how.size() - 2);
  return how.empty() ? "nothing to do" : how;
}

void Examine(World& world, Observation& seen) {
  const Stats stats = world.node.pool().stats();
  seen.how = How(stats);
  seen.same_connection = stats.opens == 1 && stats.open_failures == 0;
  const char* const broken = PoolTestPeer::BrokenInvariant(world.node.pool());
  seen.broken_invariant = broken == nullptr ? "" : broken;
  const auto open = static_cast<size_t>(stats.open);
  seen.leaked_sessions =
      stats.in_use != 0 || stats.waiting != 0 || !world.server.WaitForSessions(open, 10s);
}

}  // namespace

support::PostgresServer::Options ServerOptions() {
  return {.settings = {"tcp_keepalives_idle = 1", "tcp_keepalives_interval = 1",
                       "tcp_keepalives_count = 2", "tcp_user_timeout = 1000",
                       "client_connection_check_interval = 100ms"}};
}

support::PostgresServer::Options ServerOptions(const support::OtherHost& host) {
  support::PostgresServer::Options options = ServerOptions();
  options.address = host.address();
  options.network = host.network();
  return options;
}

Observation Observe(const Fault& fault, support::PostgresServer& server, support::OtherHost* host) {
  if (fault.prepare) fault.prepare(server);
  server.LetGo();
  const int descriptors = Descriptors();
  Observation seen;
  {
    Node node(server.Uri("sslmode=disable"));
    World world{.server = server, .host = host, .node = node};
    seen.first = Strike(fault, world);
    if (world.later.joinable()) world.later.join();
    if (fault.mend && !fault.recovers_unmended) fault.mend(world);
    seen.recovery = node.Recover();
    if (fault.mend && fault.recovers_unmended) fault.mend(world);
    Examine(world, seen);
  }
  seen.leaked_sessions = seen.leaked_sessions || !server.WaitForSessions(0, 10s);
  server.LetGo();
  seen.leaked_descriptors = Descriptors() - descriptors;
  return seen;
}

}  // namespace roost::faults
