// include/roost/profile.h - compile-time settings of a pool for a kind of node.
//
// A profile is a type of static constants. A firmware's own is a struct of a few lines that derives
// from one of these and shadows what differs; what cannot work stops the build with a sentence. The
// build chooses one as roost::SelectedProfile: see selected_profile.h.
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
#include <string_view>

#include "roost/deadline.h"

namespace roost {

// When a connection has to answer a round trip before it is lent. A fresh one never has to.
enum class PrePing : uint8_t {
  kNever,      // pool_pre_ping False
  kAfterIdle,  // when it has rested for kPingAfter; a shorter rest is checked for nothing (Probe)
  kAlways,     // pool_pre_ping True
};

// Who does the work of opening a connection.
enum class OpenBy : uint8_t {
  kCaller,       // the caller that needs it: right where an open costs microseconds (SQLite)
  kHousekeeper,  // Pool::Tick; callers wait on the pool only and leave at their deadline
};

// What callers are told while no connection exists and opening fails.
enum class WhenAway : uint8_t {
  kRefuse,  // the database's own error, at once, until the next try
  kWait,    // stand in line until their deadline; tries go on
};

// How the kernel finds out that a TCP link is dead. Both kinds are needed: without the first a
// query sent into a cut waits for minutes, without the others one that waits for its answer does.
struct TcpTimers {
  Duration user_timeout{};        // TCP_USER_TIMEOUT: how long sent data may stay unacknowledged
  Duration keepalive_idle{};      // TCP_KEEPIDLE: silence before the first probe
  Duration keepalive_interval{};  // TCP_KEEPINTVL: between probes
  int keepalive_count = 0;        // TCP_KEEPCNT: unanswered probes until the link is dead
};

namespace profiles {
using namespace std::chrono_literals;

// The guide's default settings, and the meaning of every setting.
struct Default {
  static constexpr const char* kName = "default";

  // -- The guide's settings --
  // Connections kept open once they were needed. 1 to 254. Each costs its memory in the pool object
  // and what the driver takes. Lanes of up to seven slots cost the least to lend from.
  static constexpr int kPoolSize = 10;
  // Connections above kPoolSize, opened while all are lent. 0 to 254; 0: none. "Unlimited" does not
  // exist.
  static constexpr int kMaxOverflow = 5;
  // How long Acquire without a deadline waits. Above 0.
  static constexpr Duration kPoolTimeout = 30s;
  // Age at which a connection is closed and opened anew, when it rests. 0: never. Up to 10 % of it
  // is taken off at random, so that connections do not die together.
  static constexpr Duration kPoolRecycle = 1800s;
  // A round trip before lending. Anything but kNever also costs each lease the lock, two readings of
  // the clock and a look at the socket.
  static constexpr PrePing kPrePing = PrePing::kAlways;
  // Writes the pool's events to standard error. For debugging: one write(2) an event.
  static constexpr bool kEchoPool = false;

  // -- Waiting --
  // Callers that may stand in line, in each lane (a SQLite pool has two); one more is refused with
  // kResourceExhausted. Those whose connection is being opened or pinged do not count. 1 to 65535.
  static constexpr int kMaxWaiters = 256;
  static constexpr WhenAway kWhenAway = WhenAway::kRefuse;
  // How often newcomers may be quicker than the next in line, while that one's thread wakes up and
  // most connections are held for less than 200 us. 0: never (a real-time profile: the shortest
  // longest wait; with more threads than connections and short holds up to a third fewer leases a
  // second). 0 to 255.
  static constexpr int kMaxOvertakes = 16;

  // -- Opening --
  static constexpr OpenBy kOpenBy = OpenBy::kCaller;
  // Longest time one open may take. Above 0. The caller's deadline cuts it, too, where the caller
  // opens.
  static constexpr Duration kOpenTimeout = 10s;
  // Pause after the second failed open in a row; doubles up to kBackoffMax, and each is drawn at
  // random between half of it and all of it. The first failure is tried again at once.
  static constexpr Duration kBackoffMin = 100ms;
  static constexpr Duration kBackoffMax = 30s;

  // -- Resting --
  // The rest after which a round trip is made (PrePing::kAfterIdle; 0: before every use), or a
  // local file is looked at (PrePing::kNever; 0: before every use).
  static constexpr Duration kPingAfter = 30s;
  // Longest time a ping, and a reset, may take. Above 0.
  static constexpr Duration kPingTimeout = 2s;
  static constexpr Duration kResetTimeout = 2s;
  // Maintain of a connection that has rested this long, less up to a tenth drawn at random
  // (checkpoint; a sign of life on the link), by Tick. 0: never.
  static constexpr Duration kKeepAlive = 0s;
  // Closes a connection that has rested this long, by Tick. 0: never.
  static constexpr Duration kIdleLimit = 0s;
  // How long an overflow connection stays open after its return, in case the burst goes on. 0: it
  // is closed at once (the guide's rule).
  static constexpr Duration kLinger = 0s;

  // -- The link to a remote database --
  // Shorter finds a cut sooner; longer survives a flap without a reconnect. The idle time should be
  // below that after which a carrier forgets a silent connection. Each in whole seconds, 1 s to 2 h
  // (user_timeout in ms); count 1 to 100.
  static constexpr TcpTimers kTcpTimers{
      .user_timeout = 5s, .keepalive_idle = 5s, .keepalive_interval = 2s, .keepalive_count = 3};

  // -- Watching --
  // Reports a lease held longer than this, by Tick. 0: never.
  static constexpr Duration kLeakAfter = 60s;
  // Fills Stats::hold. Costs two readings of the clock, and a lock for each acquire and return: a
  // lease then takes some 100 ns more.
  static constexpr bool kHoldTimes = true;
  // Refuses an Acquire that could only deadlock (a holder waits for a second lease and everything
  // is held by callers that wait). Costs a scan of the slots before a holder joins the line.
  static constexpr bool kNestedCheck = true;

  // -- SQLite's memory --
  // For programs that bound it (sqlite_memory.h): the arena for everything but pages, in KiB, and
  // pages of 4 KiB that all connections share. 64 to 1048576; 8 to 65536.
  static constexpr int kSqliteArenaKib = 1024;
  static constexpr int kSqlitePages = 512;

  // -- Statements --
  // Prepared statements kept by each connection. 1 to 256. See `roostctl profiles` for the bytes.
  static constexpr int kStatements = 16;
};

struct Development : Default {
  static constexpr const char* kName = "development";
  static constexpr int kPoolSize = 5;
  static constexpr int kMaxOverflow = 0;
  static constexpr PrePing kPrePing = PrePing::kNever;
  static constexpr Duration kPoolRecycle = 3600s;
  static constexpr bool kEchoPool = true;
};

struct Testing : Default {
  static constexpr const char* kName = "testing";
  static constexpr int kPoolSize = 1;
  static constexpr int kMaxOverflow = 0;
  static constexpr PrePing kPrePing = PrePing::kNever;
  static constexpr Duration kPoolRecycle = 3600s;
};

struct Staging : Default {
  static constexpr const char* kName = "staging";
  static constexpr int kPoolSize = 15;
  static constexpr int kMaxOverflow = 10;
};

struct Production : Default {
  static constexpr const char* kName = "production";
  static constexpr int kPoolSize = 50;
  static constexpr int kMaxOverflow = 25;
  static constexpr Duration kPoolTimeout = 60s;
};

struct VpsLite : Default {
  static constexpr const char* kName = "vps_lite";
  static constexpr int kPoolSize = 20;
  static constexpr int kMaxOverflow = 10;
};

// A board with a local SQLite database: one writer, one reader, one more reader under load.
struct RaspberryPi : Default {
  static constexpr const char* kName = "raspberry_pi";
  static constexpr int kPoolSize = 2;
  static constexpr int kMaxOverflow = 1;
  static constexpr PrePing kPrePing = PrePing::kNever;
  static constexpr Duration kPoolRecycle = 3600s;
  static constexpr int kMaxWaiters = 16;
  static constexpr bool kHoldTimes = false;    // acquire and return without a lock or a clock
  static constexpr Duration kKeepAlive = 30s;  // checkpoints while the writer rests
  static constexpr Duration kLinger = 1s;      // a burst of reads opens its reader once
  static constexpr int kSqliteArenaKib = 130;  // three connections, each with eight statements
  static constexpr int kSqlitePages = 22;
  static constexpr int kStatements = 8;
};

// The same board's connection to a database elsewhere. A reconnect over a mobile link costs seven
// round trips, so overflow lingers, and a rested connection proves itself before it is lent.
struct RaspberryPiRemote : RaspberryPi {
  static constexpr const char* kName = "raspberry_pi_remote";
  static constexpr int kPoolSize = 1;
  static constexpr int kMaxOverflow = 1;
  static constexpr PrePing kPrePing = PrePing::kAfterIdle;
  static constexpr Duration kPingAfter = 30s;
  static constexpr bool kHoldTimes = true;  // nothing beside a round trip
  static constexpr Duration kPoolRecycle = 1800s;
  static constexpr OpenBy kOpenBy = OpenBy::kHousekeeper;
  static constexpr Duration kOpenTimeout = 30s;
  static constexpr Duration kBackoffMin = 1s;
  static constexpr Duration kBackoffMax = 300s;
  static constexpr Duration kKeepAlive = 60s;
  static constexpr Duration kLinger = 60s;
  static constexpr TcpTimers kTcpTimers{
      .user_timeout = 15s, .keepalive_idle = 10s, .keepalive_interval = 5s, .keepalive_count = 3};
};

struct HighTrafficWeb : Default {
  static constexpr const char* kName = "high_traffic_web";
  static constexpr int kPoolSize = 100;
  static constexpr int kMaxOverflow = 50;
  static constexpr Duration kPoolTimeout = 10s;
  static constexpr int kMaxWaiters = 1024;
};

struct BackgroundJobs : Default {
  static constexpr const char* kName = "background_jobs";
  static constexpr int kPoolSize = 20;
  static constexpr int kMaxOverflow = 0;
  static constexpr Duration kPoolTimeout = 300s;
  static constexpr Duration kPoolRecycle = 3600s;
};

struct Microservice : Default {
  static constexpr const char* kName = "microservice";
  static constexpr int kPoolSize = 10;
  static constexpr int kMaxOverflow = 5;
  static constexpr Duration kPoolTimeout = 5s;
};

// Calls `visit.template operator()<P>()` for every profile of this header, in this order.
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

// A profile's numbers as data, for the pool's one copy of code. Made by SettingsOf.
struct PoolSettings {
  const char* profile = "";
  int pool_size = 0;
  int max_overflow = 0;
  Duration pool_timeout{};
  Duration pool_recycle{};
  PrePing pre_ping{};
  bool echo_pool = false;
  int max_waiters = 0;
  int max_overtakes = 0;
  WhenAway when_away{};
  OpenBy open_by{};
  Duration open_timeout{};
  Duration backoff_min{};
  Duration backoff_max{};
  Duration ping_after{};
  Duration ping_timeout{};
  Duration reset_timeout{};
  Duration keep_alive{};
  Duration idle_limit{};
  Duration linger{};
  TcpTimers tcp_timers{};
  Duration leak_after{};
  bool hold_times = false;
  bool nested_check = false;
  int statements = 0;

  constexpr int capacity() const { return pool_size + max_overflow; }
};

// Stops the build, with a sentence, when the numbers of P cannot work.
template <class P>
constexpr bool CheckProfile() {
  static_assert(P::kPoolSize >= 1,
                "roost profile: kPoolSize must be at least 1; a pool of none serves nobody "
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
  static_assert(P::kPoolRecycle >= Duration::zero(),
                "roost profile: kPoolRecycle must not be negative; 0 switches recycling off");
  static_assert(P::kMaxWaiters >= 1 && P::kMaxWaiters <= 65535,
                "roost profile: kMaxWaiters must be 1 to 65535; a line without a bound is a queue "
                "nobody leaves in time");
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
      .statements = P::kStatements,
  };
}

}  // namespace roost

#endif  // ROOST_PROFILE_H_
