// include/roost/profile.h - compile-time settings of a pool for a kind of node.
//
// A profile is a type of static constants. A firmware writes its own as a struct of a few lines,
// which derives from one of these and shadows what differs. Numbers that cannot work stop the build
// with a sentence. So does a constant whose name is that of a setting but for one letter behind the k that
// is left out, doubled or swapped with its neighbour, or that is written kPoolsize or pool_size; Describe
// (settings.h) shows the rest.
// The build chooses one profile as roost::SelectedProfile: see selected_profile.h.
//
// profiles::Default has every setting, with its unit, its range, its special values and its price.
// A derived profile mentions only what it changes.
//
// Which setting to change for what:
//
//   wanted                               settings
//   fewer time-outs                      kPoolSize, kMaxOverflow, kPoolTimeout; or hold leases for
//                                        less time
//   cheaper leases                       kPrePing, lanes of at most seven slots, no observer
//   a short longest wait                 kMaxOvertakes = 0
//   dead links found sooner              kTcpTimers, kKeepAlive, kPrePing
//   links that a carrier does not drop   kKeepAlive and keepalive_idle below the carrier's limit
//   fewer sessions on the server         kMaxOverflow, kLinger, kIdleLimit
//   less memory                          kPoolSize, kMaxOverflow, kStatements, and SQLite's two
//   a fleet that does not return at      kBackoffMin, kBackoffMax
//     once after an outage
//
// Threads:  constants
// Blocks:   never
// Memory:   the profile fixes the size of the pool object; `roostctl profiles` prints it
// Errors:   static_assert
// Example:
//   struct Node : roost::profiles::RaspberryPi {
//     static constexpr const char* kName = "node";
//     static constexpr int kMaxOverflow = 2;
//   };
//   roost::PoolFor<Node> pool(backend);
#ifndef ROOST_PROFILE_H_
#define ROOST_PROFILE_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>

#include "roost/deadline.h"
#include "roost/internal/misspelt.h"

#pragma GCC visibility push(default)
namespace roost {

// When a connection must answer a round trip before it is lent. A connection that was opened for
// the caller that gets it does not have to, nor does one that goes from its holder straight to a
// waiter. One that was opened ahead (Pool::Fill, the housekeeper) has to like any other idle one,
// and one that is suspected of being dead always has to.
enum class PrePing : uint8_t {
  // Never: SQLAlchemy's pool_pre_ping=False. A connection that was idle for kPingAfter is checked
  // without a round trip (Connection::Probe).
  kNever,
  // After kPingAfter of idle time. Before that each lease of an idle connection checks without a
  // round trip.
  kAfterIdle,
  // Before every lease of an idle connection: SQLAlchemy's pool_pre_ping=True.
  kAlways,
};

// Which thread opens connections.
enum class OpenBy : uint8_t {
  // The caller that needs the connection. Right where an open costs microseconds (SQLite).
  kCaller,
  // The one that calls Pool::Tick, in steps. Callers wait on the pool only, and leave at their
  // deadline. Right where an open takes round trips. Up to four connections are opened at a time, one
  // while the database is away. The pool then needs a Housekeeper, or a loop that calls Tick.
  kHousekeeper,
};

// What callers are told while no connection exists and opening fails.
enum class WhenAway : uint8_t {
  // The database's own error, at once. A caller whose own open fails gets it even while other
  // connections are lent, unless the server has no room for one more (kResourceExhausted): then the
  // caller waits for one that comes back. While none exists, every caller gets it until the next
  // attempt.
  kRefuse,
  // Nothing: they wait in the queue until their deadline, and attempts go on.
  kWait,
};

// How the kernel finds out that a TCP link is dead. Both kinds are needed: without user_timeout a
// query that is sent into a cut link waits for minutes; without keep-alives one that was sent
// before the cut waits for its answer as long.
struct TcpTimers {
  // TCP_USER_TIMEOUT: how long sent data may stay unacknowledged. Whole milliseconds, 1 s to 2 h.
  Duration user_timeout{};
  // TCP_KEEPIDLE: how long the link is silent before the first probe. Whole seconds, 1 s to 2 h.
  Duration keepalive_idle{};
  // TCP_KEEPINTVL: the time between probes. Whole seconds, 1 s to 2 h.
  Duration keepalive_interval{};
  // TCP_KEEPCNT: how many probes stay unanswered until the link is dead. 1 to 100.
  int keepalive_count = 0;
};

namespace profiles {
using namespace std::chrono_literals;

// The default settings, and the meaning of every setting.
struct Default {
  // The profile's name, for reports and `roostctl profiles`. A literal.
  static constexpr const char* kName = "default";

  // ---- The settings of SQLAlchemy's QueuePool, by their names there ----

  // Connections that stay open once they were needed. 1 to 254; kPoolSize + kMaxOverflow at most
  // 254. Each costs its memory in the pool object, and what the driver allocates.
  //
  // The number of slots of a lane decides what a lease costs. A lane of up to seven slots can lend
  // without a lock, if kPrePing is kNever, kPingAfter is above 0, and the pool has no observer. A
  // larger lane takes the lock for each lease: some 100 ns more. A pool of PostgreSQL or MySQL has
  // one lane of kPoolSize + kMaxOverflow slots; a SQLite pool has one of a single slot for the
  // writer and one for the readers, which has one slot less than the whole pool.
  static constexpr int kPoolSize = 10;
  // Connections above kPoolSize, opened while all others are lent. 0 to 254; 0: none. Memory as for
  // kPoolSize. SQLAlchemy's "unlimited" does not exist.
  static constexpr int kMaxOverflow = 5;
  // How long an Acquire without a deadline waits. Above 0.
  static constexpr Duration kPoolTimeout = 30s;
  // The age at which an idle connection is closed, to be opened anew when one is needed. A lent one
  // is closed when it comes back. 0: never. Up to a tenth is taken off at random for each
  // connection, so that connections do not age in unison. Price: one open for each connection and
  // span.
  static constexpr Duration kPoolRecycle = 1800s;
  // Whether a round trip is made before a connection is lent. Anything but kNever also costs each
  // lease the lock, two readings of the clock and a check of the socket.
  static constexpr PrePing kPrePing = PrePing::kAlways;
  // Writes the pool's events to standard error (EchoObserver). For debugging: it counts as an
  // observer, and costs one write(2) for each event.
  static constexpr bool kEchoPool = false;

  // ---- Waiting ----

  // The most callers in the wait queue of a lane (a SQLite pool has two lanes); one more is refused
  // with kResourceExhausted. Callers for whom a connection is being opened, pinged or reset do not
  // count. 1 to 65535. Costs no memory: a waiter's node is on its own stack.
  static constexpr int kMaxWaiters = 256;
  // What callers are told while no connection exists and opening fails.
  static constexpr WhenAway kWhenAway = WhenAway::kRefuse;
  // How many newcomers may barge past the first waiter, while that waiter's thread wakes up. 0 to
  // 255; 0: none. Applies where most leases are held for less than 200 us. 0 is for a real-time
  // profile: it gives the shortest longest wait, and costs, with more threads than connections and
  // short holds, up to a third of the leases per second.
  static constexpr int kMaxOvertakes = 16;

  // ---- Opening ----

  // Which thread opens connections.
  static constexpr OpenBy kOpenBy = OpenBy::kCaller;
  // The longest time that one open may take. Above 0. With OpenBy::kCaller the caller's deadline
  // bounds the open, too.
  static constexpr Duration kOpenTimeout = 10s;
  // The pause after the second failed open in a row, in which nothing is opened. Above 0. It
  // doubles with each further failure, up to kBackoffMax; half of each pause is fixed, the rest
  // drawn at random, so that nodes do not come back in unison. The first failure is tried again at
  // once.
  static constexpr Duration kBackoffMin = 100ms;
  // The longest pause; also the pause after an error that needs a person, such as a wrong password.
  // At least kBackoffMin. Longer spares the link and the server; shorter finds the database back
  // sooner.
  static constexpr Duration kBackoffMax = 30s;

  // ---- Idle connections ----

  // The idle time after which a connection is checked before it is lent: by a round trip with
  // PrePing::kAfterIdle, by a check of the local file with PrePing::kNever. 0: before every lease,
  // which then takes the lock.
  static constexpr Duration kPingAfter = 30s;
  // The longest time that a ping, and a maintenance, may take. Above 0.
  static constexpr Duration kPingTimeout = 2s;
  // The longest time that a reset may take, at the end of a lease that left something behind. Above
  // 0.
  static constexpr Duration kResetTimeout = 2s;
  // The idle time after which Tick maintains a connection (Connection::Maintain: a checkpoint, a
  // sign of life on the link). 0: never. Up to a tenth is taken off at random for each connection.
  // Below kIdleLimit, if that is not 0.
  static constexpr Duration kKeepAlive = 0s;
  // The idle time after which Tick closes a connection. 0: never. At most kPoolRecycle, if that is
  // not 0. Price: the next caller waits for an open.
  static constexpr Duration kIdleLimit = 0s;
  // How long an overflow connection stays open after its return, in case the burst continues; the
  // next Tick closes it then. 0: it is closed at once, as SQLAlchemy does.
  static constexpr Duration kLinger = 0s;

  // ---- The link to a remote database ----

  // Shorter times find a cut link sooner; longer ones survive an interruption without a reconnect.
  // keepalive_idle should be below the time after which a carrier forgets a silent connection.
  // Ranges: see TcpTimers. A local database ignores them.
  static constexpr TcpTimers kTcpTimers{
      .user_timeout = 5s, .keepalive_idle = 5s, .keepalive_interval = 2s, .keepalive_count = 3};

  // ---- Watching ----

  // Tick reports a lease that is held for longer (EventKind::kLeak), once. 0: never.
  static constexpr Duration kLeakAfter = 60s;
  // Fills Stats::hold. Where a lane lends without a lock, it times a choice of the leases: each, where
  // a slot is lent less than a thousand times a second; else about a thousand a second, drawn at
  // random, and at least one of 255. The others count as the timed one before them in their slot. Price:
  // a timed lease takes the lock and reads the clock, 0.3 us in all; shared out, some 2 ns a lease
  // where leases follow each other without a pause. Elsewhere every lease is timed, at no more cost.
  static constexpr bool kHoldTimes = true;
  // Refuses an Acquire that could only deadlock: its thread holds a lease, and every connection
  // that could serve it is held by threads that wait. Costs a scan of slots times waiters when a
  // holder is about to wait.
  static constexpr bool kNestedCheck = true;
  // Counts statements by their code, and their time, in Stats, and tells them to
  // PoolOptions::statement_observer. Price: see observer.h; memory in the pool object, some 160 bytes
  // for each connection and 80 for each of its kStatements. False: there is no code for it, not even a
  // branch.
  static constexpr bool kWatchStatements = false;
  // A statement that takes as long or longer is slow: Stats::slow_statements counts it, and its event
  // says so. 0: none is. Above 0 it needs kWatchStatements.
  static constexpr Duration kSlowStatement = 0s;

  // ---- SQLite's memory, for programs that bound it (sqlite_memory.h) ----

  // The arena for everything but pages, in KiB. 64 to 1048576.
  static constexpr int kSqliteArenaKib = 1024;
  // Pages of 4 KiB that all connections share. 8 to 65536.
  static constexpr int kSqlitePages = 512;

  // ---- Statements ----

  // Prepared statements that each connection keeps. 1 to 256. One more displaces the one unused
  // longest, which is then prepared again when it is needed. `roostctl profiles` prints the bytes.
  static constexpr int kStatements = 16;
};

// For a programmer's machine: few connections, every event on standard error. The events cost each
// lease the lock and a system call: measure with another profile.
struct Development : Default {
  static constexpr const char* kName = "development";
  static constexpr int kPoolSize = 5;
  static constexpr int kMaxOverflow = 0;
  static constexpr PrePing kPrePing = PrePing::kNever;
  static constexpr Duration kPoolRecycle = 3600s;
  static constexpr bool kEchoPool = true;
};

// For tests: one connection, so that code that needs two at a time shows at once, as a refusal
// (kNestedCheck) or a time-out.
struct Testing : Default {
  static constexpr const char* kName = "testing";
  static constexpr int kPoolSize = 1;
  static constexpr int kMaxOverflow = 0;
  static constexpr PrePing kPrePing = PrePing::kNever;
  static constexpr Duration kPoolRecycle = 3600s;
};

// For a trial run of a server program: the pings of production, fewer connections.
struct Staging : Default {
  static constexpr const char* kName = "staging";
  static constexpr int kPoolSize = 15;
  static constexpr int kMaxOverflow = 10;
};

// For a server program with many threads. A PostgreSQL server must allow 75 sessions for each
// process.
struct Production : Default {
  static constexpr const char* kName = "production";
  static constexpr int kPoolSize = 50;
  static constexpr int kMaxOverflow = 25;
  static constexpr Duration kPoolTimeout = 60s;
};

// For a small virtual server.
struct VpsLite : Default {
  static constexpr const char* kName = "vps_lite";
  static constexpr int kPoolSize = 20;
  static constexpr int kMaxOverflow = 10;
};

// A board with a local SQLite database: one writer, one reader, one more reader under load. The one
// profile here that lends without a lock.
struct RaspberryPi : Default {
  static constexpr const char* kName = "raspberry_pi";
  static constexpr int kPoolSize = 2;
  static constexpr int kMaxOverflow = 1;
  static constexpr PrePing kPrePing = PrePing::kNever;
  static constexpr Duration kPoolRecycle = 3600s;
  // A node has few threads; a longer queue would only hide that one of them is stuck.
  static constexpr int kMaxWaiters = 16;
  // Checkpoints while the writer is idle.
  static constexpr Duration kKeepAlive = 30s;
  // A burst of reads opens its reader once.
  static constexpr Duration kLinger = 1s;
  // Enough for three connections with eight statements each.
  static constexpr int kSqliteArenaKib = 130;
  static constexpr int kSqlitePages = 22;
  static constexpr int kStatements = 8;
};

// The same board's connection to a database elsewhere. A reconnect over a mobile link costs seven
// round trips, so that overflow lingers for a minute; a connection that was idle proves itself
// before it is lent, and the housekeeper opens.
struct RaspberryPiRemote : RaspberryPi {
  static constexpr const char* kName = "raspberry_pi_remote";
  static constexpr int kPoolSize = 1;
  static constexpr int kMaxOverflow = 1;
  // A connection that was in use a moment ago is lent without a round trip.
  static constexpr PrePing kPrePing = PrePing::kAfterIdle;
  static constexpr Duration kPingAfter = 30s;
  static constexpr Duration kPoolRecycle = 1800s;
  // No caller's deadline has to be as long as an open takes.
  static constexpr OpenBy kOpenBy = OpenBy::kHousekeeper;
  static constexpr Duration kOpenTimeout = 30s;
  // A link may be away for hours; an attempt costs data volume.
  static constexpr Duration kBackoffMin = 1s;
  static constexpr Duration kBackoffMax = 300s;
  // Keeps carriers and firewalls from forgetting the connection.
  static constexpr Duration kKeepAlive = 60s;
  static constexpr Duration kLinger = 60s;
  // A mobile link is silent for seconds without being cut.
  static constexpr TcpTimers kTcpTimers{
      .user_timeout = 15s, .keepalive_idle = 10s, .keepalive_interval = 5s, .keepalive_count = 3};
};

// For a server program with many short requests: callers give up early, and many may wait. A
// server must allow 150 sessions for each process; by default PostgreSQL allows 100 in all, MySQL
// and MariaDB 151.
struct HighTrafficWeb : Default {
  static constexpr const char* kName = "high_traffic_web";
  static constexpr int kPoolSize = 100;
  static constexpr int kMaxOverflow = 50;
  static constexpr Duration kPoolTimeout = 10s;
  static constexpr int kMaxWaiters = 1024;
};

// For jobs that may wait for minutes. No overflow: the database never sees more sessions than
// planned.
struct BackgroundJobs : Default {
  static constexpr const char* kName = "background_jobs";
  static constexpr int kPoolSize = 20;
  static constexpr int kMaxOverflow = 0;
  static constexpr Duration kPoolTimeout = 300s;
  static constexpr Duration kPoolRecycle = 3600s;
};

// For a small service whose callers retry: the default with a short wait.
struct Microservice : Default {
  static constexpr const char* kName = "microservice";
  static constexpr int kPoolSize = 10;
  static constexpr int kMaxOverflow = 5;
  static constexpr Duration kPoolTimeout = 5s;
};

// Calls `visit.template operator()<P>()` for every profile P of this header, in the order above.
// For tables of all profiles, and to find one by its name.
template <class Visitor>
constexpr void ForEach(Visitor&& visit) {
  visit.template operator()<Default>();
  visit.template operator()<Development>();
  visit.template operator()<Testing>();
  visit.template operator()<Staging>();
  visit.template operator()<Production>();
  visit.template operator()<VpsLite>();
  visit.template operator()<RaspberryPi>();
  visit.template operator()<RaspberryPiRemote>();
  visit.template operator()<HighTrafficWeb>();
  visit.template operator()<BackgroundJobs>();
  visit.template operator()<Microservice>();
}

}  // namespace profiles

// A profile's numbers as data. The pool's code exists once for all profiles, and reads them from
// here. Made by SettingsOf; each member has the meaning, unit and range of the constant of the same
// name in profiles::Default. Of a pool's copy, Pool::Tune changes what Tuning names.
struct PoolSettings {
  // kName.
  const char* profile = "";

  // The settings of SQLAlchemy's QueuePool.
  int pool_size = 0;
  int max_overflow = 0;
  Duration pool_timeout{};
  Duration pool_recycle{};
  PrePing pre_ping{};
  bool echo_pool = false;

  // Waiting.
  int max_waiters = 0;
  int max_overtakes = 0;
  WhenAway when_away{};

  // Opening.
  OpenBy open_by{};
  Duration open_timeout{};
  Duration backoff_min{};
  Duration backoff_max{};

  // Idle connections.
  Duration ping_after{};
  Duration ping_timeout{};
  Duration reset_timeout{};
  Duration keep_alive{};
  Duration idle_limit{};
  Duration linger{};

  // The link to a remote database.
  TcpTimers tcp_timers{};

  // Watching.
  Duration leak_after{};
  bool hold_times = false;
  bool nested_check = false;
  bool watch_statements = false;
  Duration slow_statement{};

  // SQLite's memory. A pool does not read these.
  int sqlite_arena_kib = 0;
  int sqlite_pages = 0;

  // Statements of each connection.
  int statements = 0;

  // The most connections at a time.
  constexpr int capacity() const { return pool_size + max_overflow; }
};

// Settings that Pool::Tune changes while the pool works. What is left out stays as it is. Each has
// the meaning, unit and range of the constant of the same name in profiles::Default, and two more
// bounds: pool_size + max_overflow is at most Pool::capacity(), because the memory of a connection is
// compiled in; and pool_size is at least 2 in a pool of a writer and readers. What is not here
// decides memory or code (statements, lanes, who opens), or how the queue is kept: the profile fixes
// it.
//
//   pool.Tune({.pool_size = 3, .max_overflow = 0, .pool_timeout = 2s});
struct Tuning {
  // Of connections that stay open.
  std::optional<int> pool_size{};
  // Of connections beyond them.
  std::optional<int> max_overflow{};
  // Counts from the next Acquire on.
  std::optional<Duration> pool_timeout{};
  // Counts for connections that exist, by their age.
  std::optional<Duration> pool_recycle{};
  // kNever opens the lock-free way of a lease, where the rest of the profile allows it.
  std::optional<PrePing> pre_ping{};

  // Opening. Count from the next open, and the next pause, on.
  std::optional<Duration> open_timeout{};
  std::optional<Duration> backoff_min{};
  std::optional<Duration> backoff_max{};

  // Idle connections. Each counts for those that are idle already, by their idle time.
  std::optional<Duration> ping_after{};
  std::optional<Duration> ping_timeout{};
  std::optional<Duration> reset_timeout{};
  std::optional<Duration> keep_alive{};
  std::optional<Duration> idle_limit{};
  std::optional<Duration> linger{};

  // Counts for leases that are out, by their age.
  std::optional<Duration> leak_after{};
};

namespace internal {
template <class... T>
constexpr bool kAreSpans = (std::is_convertible_v<T, Duration> && ...);
}  // namespace internal

// Stops the build, with a sentence, when the numbers of P cannot work, or when a constant has one of
// the slips that the head of this file names. SettingsOf, PoolFor and SelectedProfile call it; a
// firmware may, to learn earlier. Always true.
template <class P>
constexpr bool CheckProfile() {
  static_assert(
      internal::kAreSpans<decltype(P::kPoolTimeout), decltype(P::kPoolRecycle),
                          decltype(P::kOpenTimeout), decltype(P::kBackoffMin),
                          decltype(P::kBackoffMax), decltype(P::kPingAfter),
                          decltype(P::kPingTimeout), decltype(P::kResetTimeout),
                          decltype(P::kKeepAlive), decltype(P::kIdleLimit), decltype(P::kLinger),
                          decltype(P::kLeakAfter), decltype(P::kSlowStatement)>,
      "roost profile: a time, such as kPoolTimeout or kPoolRecycle, is a span of std::chrono: "
      "write "
      "30s, not 30");
  static_assert(std::is_convertible_v<decltype(P::kPrePing), PrePing>,
                "roost profile: kPrePing is one of PrePing::kNever, PrePing::kAfterIdle and "
                "PrePing::kAlways");
  static_assert(P::kPoolSize >= 1,
                "roost profile: kPoolSize must be at least 1; a pool of none serves no caller "
                "(SQLAlchemy's 0 = unlimited does not exist here)");
  static_assert(
      P::kMaxOverflow >= 0,
      "roost profile: kMaxOverflow must not be negative; unlimited overflow does not exist "
      "here, because capacity is fixed storage");
  static_assert(
      P::kPoolSize + P::kMaxOverflow <= 254,
      "roost profile: kPoolSize + kMaxOverflow must be at most 254; a slot's number is one "
      "byte");
  static_assert(
      P::kPoolTimeout > Duration::zero(),
      "roost profile: kPoolTimeout must be above zero; to take only what is free now, call "
      "TryAcquire");
  static_assert(P::kSlowStatement >= Duration::zero() &&
                    (P::kWatchStatements || P::kSlowStatement == Duration::zero()),
                "roost profile: kSlowStatement must not be negative, and needs kWatchStatements = "
                "true; without that no statement is timed");
  static_assert(P::kPoolRecycle >= Duration::zero(),
                "roost profile: kPoolRecycle must not be negative; 0 switches recycling off");
  static_cast<void>(internal::CheckSpelling<P>());
  static_assert(P::kMaxWaiters >= 1 && P::kMaxWaiters <= 65535,
                "roost profile: kMaxWaiters must be 1 to 65535; callers at the end of a wait queue "
                "without a bound are never served in time");
  static_assert(
      P::kMaxOvertakes >= 0 && P::kMaxOvertakes <= 255,
      "roost profile: kMaxOvertakes must be 0 to 255; 0 lends strictly in order of arrival");
  static_assert(
      P::kOpenTimeout > Duration::zero() && P::kPingTimeout > Duration::zero() &&
          P::kResetTimeout > Duration::zero(),
      "roost profile: kOpenTimeout, kPingTimeout and kResetTimeout must be above zero; every "
      "call that can wait ends");
  static_assert(
      P::kBackoffMin > Duration::zero(),
      "roost profile: kBackoffMin must be above zero; without a pause, a database that is "
      "away is hammered");
  static_assert(P::kBackoffMin <= P::kBackoffMax,
                "roost profile: kBackoffMin must not be above kBackoffMax");
  static_assert(
      P::kKeepAlive >= Duration::zero() && P::kIdleLimit >= Duration::zero() &&
          P::kLinger >= Duration::zero() && P::kLeakAfter >= Duration::zero() &&
          P::kPingAfter >= Duration::zero(),
      "roost profile: kKeepAlive, kIdleLimit, kLinger, kLeakAfter and kPingAfter must not be "
      "negative; 0 switches each off");
  static_assert(
      P::kIdleLimit == Duration::zero() || P::kKeepAlive < P::kIdleLimit,
      "roost profile: kKeepAlive must be shorter than kIdleLimit; else every connection is "
      "closed before its first maintenance");
  static_assert(
      P::kPoolRecycle == Duration::zero() || P::kIdleLimit <= P::kPoolRecycle,
      "roost profile: kIdleLimit must not be above kPoolRecycle; recycling would always come "
      "first");
  static_assert(P::kTcpTimers.user_timeout >= std::chrono::seconds(1) &&
                    P::kTcpTimers.keepalive_idle >= std::chrono::seconds(1) &&
                    P::kTcpTimers.keepalive_interval >= std::chrono::seconds(1) &&
                    P::kTcpTimers.user_timeout <= std::chrono::hours(2) &&
                    P::kTcpTimers.keepalive_idle <= std::chrono::hours(2) &&
                    P::kTcpTimers.keepalive_interval <= std::chrono::hours(2) &&
                    P::kTcpTimers.keepalive_count >= 1 && P::kTcpTimers.keepalive_count <= 100,
                "roost profile: each time of kTcpTimers must be 1 s to 2 h, and keepalive_count 1 "
                "to 100; with one of the timers off, a cut link is not noticed for minutes");
  static_assert(P::kStatements >= 1 && P::kStatements <= 256,
                "roost profile: kStatements must be 1 to 256; each takes memory in every slot");
  return true;
}

// The numbers of P as data, checked.
template <class P>
constexpr PoolSettings SettingsOf() {
  static_assert(CheckProfile<P>());
  return PoolSettings{
      .profile = P::kName,
      .pool_size = P::kPoolSize,
      .max_overflow = P::kMaxOverflow,
      .pool_timeout = P::kPoolTimeout,
      .pool_recycle = P::kPoolRecycle,
      .pre_ping = P::kPrePing,
      .echo_pool = P::kEchoPool,
      .max_waiters = P::kMaxWaiters,
      .max_overtakes = P::kMaxOvertakes,
      .when_away = P::kWhenAway,
      .open_by = P::kOpenBy,
      .open_timeout = P::kOpenTimeout,
      .backoff_min = P::kBackoffMin,
      .backoff_max = P::kBackoffMax,
      .ping_after = P::kPingAfter,
      .ping_timeout = P::kPingTimeout,
      .reset_timeout = P::kResetTimeout,
      .keep_alive = P::kKeepAlive,
      .idle_limit = P::kIdleLimit,
      .linger = P::kLinger,
      .tcp_timers = P::kTcpTimers,
      .leak_after = P::kLeakAfter,
      .hold_times = P::kHoldTimes,
      .nested_check = P::kNestedCheck,
      .watch_statements = P::kWatchStatements,
      .slow_statement = P::kSlowStatement,
      .sqlite_arena_kib = P::kSqliteArenaKib,
      .sqlite_pages = P::kSqlitePages,
      .statements = P::kStatements,
  };
}

}  // namespace roost
#pragma GCC visibility pop

#endif  // ROOST_PROFILE_H_
