// tests/postgres_faults/node.h - a node that uses a remote PostgreSQL.
//
// Backend, pool, housekeeper, and a caller's questions, with times short enough for a test.
#ifndef ROOST_TESTS_POSTGRES_FAULTS_NODE_H_
#define ROOST_TESTS_POSTGRES_FAULTS_NODE_H_

#include <chrono>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "roost/housekeeper.h"
#include "roost/pool.h"
#include "roost/postgres.h"

namespace roost::faults {

using namespace std::chrono_literals;

// A remote node's pool. TCP's timers count in whole seconds, the others need not.
struct Remote : profiles::RaspberryPiRemote {
  static constexpr const char* kName = "faults";
  static constexpr Duration kPoolTimeout = 1s;
  static constexpr Duration kOpenTimeout = 2s;
  static constexpr Duration kBackoffMin = 50ms;
  static constexpr Duration kBackoffMax = 400ms;
  static constexpr Duration kPingTimeout = 500ms;
  static constexpr Duration kResetTimeout = 500ms;
  static constexpr Duration kKeepAlive = 0s;
  static constexpr TcpTimers kTcpTimers{
      .user_timeout = 1s, .keepalive_idle = 1s, .keepalive_interval = 1s, .keepalive_count = 2};
};

// The same, with each connection pinged before it is lent.
struct RemotePinged : Remote {
  static constexpr PrePing kPrePing = PrePing::kAlways;
};

inline constexpr Sql kQuestion{"SELECT 1"};
inline constexpr Sql kLongQuestion{"SELECT pg_sleep(30)"};

// Far more than an answer needs on a loaded machine: ends a hang, and a call that ignores its
// deadline.
inline constexpr Duration kGrace = 5s;

struct Answer {
  absl::Status status{};
  Duration after{};  // how long the caller waited for it
};

inline Duration Since(TimePoint start) { return NativePlatform().Now() - start; }

template <class Profile>
class NodeFor {
 public:
  explicit NodeFor(PostgresOptions options) : backend_(std::move(options)), pool_(backend_) {
    keeper_.Add(pool_);
    keeper_.Start();
  }
  explicit NodeFor(const std::string& uri) : NodeFor(PostgresOptions{.uri = uri}) {}
  ~NodeFor() {
    pool_.Close(pool_.In(10s)).IgnoreError();
    keeper_.Stop();
  }
  NodeFor(const NodeFor&) = delete;
  NodeFor& operator=(const NodeFor&) = delete;

  Pool& pool() { return pool_; }

  // Takes a lease, asks, gives it back; all of it within `limit`.
  Answer Ask(Duration limit, const Sql& question = kQuestion) {
    const TimePoint start = NativePlatform().Now();
    absl::StatusOr<Lease> lease = pool_.Acquire(kWrite, pool_.In(limit));
    if (!lease.ok()) return {lease.status(), Since(start)};
    absl::Status status = lease->Run(question);
    return {std::move(status), Since(start)};
  }

  // Asks until it is answered. How long that took; Duration::max(): never.
  Duration Recover();

 private:
  PostgresBackend backend_;
  PoolFor<Profile> pool_;
  Housekeeper keeper_{};
};

using Node = NodeFor<Remote>;

// Open descriptors of this process.
int Descriptors();

template <class Profile>
Duration NodeFor<Profile>::Recover() {
  const TimePoint start = NativePlatform().Now();
  while (Since(start) < 20s) {
    if (Ask(250ms).status.ok()) return Since(start);
    // A pool that knows that its database is away refuses at once; a caller comes again later.
    NativePlatform().WaitForDescriptors({}, pool_.In(5ms));
  }
  return Duration::max();
}

}  // namespace roost::faults

#endif  // ROOST_TESTS_POSTGRES_FAULTS_NODE_H_
