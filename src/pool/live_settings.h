// pool/live_settings.h - the settings in force: those of the profile, as Tune has changed them.
#ifndef ROOST_POOL_LIVE_SETTINGS_H_
#define ROOST_POOL_LIVE_SETTINGS_H_

#include <atomic>
#include <optional>

#include "pool/pool_lock.h"
#include "roost/profile.h"

namespace roost::internal {

// A span of time that Tune may change, by its name.
struct TunableSpan {
  const char* name;
  std::optional<Duration> Tuning::*wish;
  Duration PoolSettings::*setting;
  bool may_be_zero;
};
inline constexpr TunableSpan kTunableSpans[] = {
    {"pool_timeout", &Tuning::pool_timeout, &PoolSettings::pool_timeout, false},
    {"pool_recycle", &Tuning::pool_recycle, &PoolSettings::pool_recycle, true},
    {"open_timeout", &Tuning::open_timeout, &PoolSettings::open_timeout, false},
    {"backoff_min", &Tuning::backoff_min, &PoolSettings::backoff_min, false},
    {"backoff_max", &Tuning::backoff_max, &PoolSettings::backoff_max, false},
    {"ping_after", &Tuning::ping_after, &PoolSettings::ping_after, true},
    {"ping_timeout", &Tuning::ping_timeout, &PoolSettings::ping_timeout, false},
    {"reset_timeout", &Tuning::reset_timeout, &PoolSettings::reset_timeout, false},
    {"keep_alive", &Tuning::keep_alive, &PoolSettings::keep_alive, true},
    {"idle_limit", &Tuning::idle_limit, &PoolSettings::idle_limit, true},
    {"linger", &Tuning::linger, &PoolSettings::linger, true},
    {"leak_after", &Tuning::leak_after, &PoolSettings::leak_after, true},
};

// Written under the pool's lock, by Set alone. Who has the lock reads everything; without it, only
// what has a function of its own may be read: the members that Tune may change are then read as
// atomics, so that an action that begins while they change has the old or the new value.
class LiveSettings {
 public:
  explicit LiveSettings(const PoolSettings& profile) : settings_(profile) {}
  LiveSettings(const LiveSettings&) = delete;
  LiveSettings& operator=(const LiveSettings&) = delete;

  // ---- Under the pool's lock ----

  const PoolSettings& get() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock) { return settings_; }
  // Takes over what Tune may change.
  void Set(const PoolSettings& wished) ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock) {
    Store(settings_.pool_size, wished.pool_size);
    Store(settings_.max_overflow, wished.max_overflow);
    Store(settings_.pre_ping, wished.pre_ping);
    for (const TunableSpan& span : kTunableSpans) {
      Store(settings_.*span.setting, wished.*span.setting);
    }
  }

  // ---- Any thread: Tune changes none of these ----

  // For what is told of it before another thread knows it, in the child of a fork, and for members
  // that have no function here and that Tune does not change.
  const PoolSettings& constants() const { return settings_; }

  // ---- Any thread ----

  // Connections at the most.
  int capacity() const { return Load(settings_.pool_size) + Load(settings_.max_overflow); }
  PrePing pre_ping() const { return Load(settings_.pre_ping); }
  Duration pool_timeout() const { return Load(settings_.pool_timeout); }
  Duration open_timeout() const { return Load(settings_.open_timeout); }
  Duration ping_timeout() const { return Load(settings_.ping_timeout); }
  Duration reset_timeout() const { return Load(settings_.reset_timeout); }
  Duration leak_after() const { return Load(settings_.leak_after); }

 private:
  // Relaxed: nothing else is read because of such a value.
  template <class T>
  static T Load(T& member) {
    return std::atomic_ref<T>(member).load(std::memory_order_relaxed);
  }
  template <class T>
  static void Store(T& member, T value) {
    std::atomic_ref<T>(member).store(value, std::memory_order_relaxed);
  }

  mutable PoolSettings settings_;  // mutable: an atomic_ref of a constant does not exist
};

}  // namespace roost::internal

#endif  // ROOST_POOL_LIVE_SETTINGS_H_
