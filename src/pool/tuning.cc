// pool/tuning.cc - the rules of CheckProfile (profile.h) for values that come at run time, and the
// moment in which they count.

#include "pool/tuning.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "base/duration.h"
#include "base/text.h"

namespace roost::internal {
namespace {

// What was fixed when the pool was made.
struct TuningLimits {
  const char* pool = "";        // its name
  int slots = 0;                // connections at the most
  bool keeps_a_reader = false;  // of its pool_size, one connection writes, and the others read
};

template <class... Pieces>
absl::Status Refuse(const TuningLimits& limits, const Pieces&... pieces) {
  std::array<char, 384> buffer;
  Text text(buffer);
  text.Add("pool '", limits.pool, "': ", pieces...);
  return absl::InvalidArgumentError(absl::string_view(text.view().data(), text.view().size()));
}

absl::Status CheckSizes(const PoolSettings& s, const TuningLimits& limits) {
  if (limits.keeps_a_reader && s.pool_size < 2) {
    return Refuse(limits, "pool_size ", s.pool_size,
                  " is below 2: one connection writes, and one has to be kept to read with");
  }
  if (s.pool_size < 1) {
    return Refuse(limits, "pool_size ", s.pool_size,
                  " is below 1: a pool of none serves no caller; to lend nothing for a while, call "
                  "Pause");
  }
  if (s.max_overflow < 0) {
    return Refuse(limits, "max_overflow ", s.max_overflow,
                  " is below 0; unlimited overflow does not exist");
  }
  const int64_t wanted = int64_t{s.pool_size} + s.max_overflow;
  if (wanted <= limits.slots) return absl::OkStatus();
  return Refuse(limits, "pool_size ", s.pool_size, " and max_overflow ", s.max_overflow, " make ",
                wanted, " connections, and there is memory for ", limits.slots, " (profile ",
                s.profile, "); lower one of the two, or build with a larger profile");
}

// Rules about one span.
absl::Status CheckSpans(const PoolSettings& s, const TuningLimits& limits) {
  for (const TunableSpan& span : kTunableSpans) {
    const Duration given = s.*span.setting;
    if (given < Duration::zero()) {
      return Refuse(limits, span.name, " ", Seconds{given}, " s is below 0",
                    !span.may_be_zero                           ? ""
                    : span.setting == &PoolSettings::ping_after ? "; 0 checks before every lease"
                                                                : "; 0 switches it off");
    }
    if (given == Duration::zero() && !span.may_be_zero) {
      return Refuse(limits, span.name, " 0 s is not above 0: ",
                    span.setting == &PoolSettings::pool_timeout
                        ? "to wait for nothing call TryAcquire"
                        : "every call that can wait ends");
    }
  }
  return absl::OkStatus();
}

// Rules about two of them.
absl::Status CheckPairs(const PoolSettings& s, const TuningLimits& limits) {
  const bool closes_idle = s.idle_limit > Duration::zero();
  if (closes_idle && s.keep_alive >= s.idle_limit) {
    return Refuse(limits, "keep_alive ", Seconds{s.keep_alive}, " s is not below idle_limit ",
                  Seconds{s.idle_limit},
                  " s: every connection would be closed before its first maintenance");
  }
  if (s.pool_recycle > Duration::zero() && s.idle_limit > s.pool_recycle) {
    return Refuse(limits, "idle_limit ", Seconds{s.idle_limit}, " s is above pool_recycle ",
                  Seconds{s.pool_recycle}, " s: recycling would always come first");
  }
  if (s.backoff_min > s.backoff_max) {
    return Refuse(limits, "backoff_min ", Seconds{s.backoff_min}, " s is above backoff_max ",
                  Seconds{s.backoff_max}, " s");
  }
  return absl::OkStatus();
}

// `now` with what `wish` changes. kInvalidArgument: names a setting that cannot have the value, the
// value, and what would do.
absl::StatusOr<PoolSettings> TunedSettings(const PoolSettings& now, const Tuning& wish,
                                           const TuningLimits& limits) {
  PoolSettings wished = now;
  wished.pool_size = wish.pool_size.value_or(now.pool_size);
  wished.max_overflow = wish.max_overflow.value_or(now.max_overflow);
  wished.pre_ping = wish.pre_ping.value_or(now.pre_ping);
  for (const TunableSpan& span : kTunableSpans) {
    if ((wish.*span.wish).has_value()) wished.*span.setting = *(wish.*span.wish);
  }
  if (wished.pre_ping > PrePing::kAlways) {
    return Refuse(limits, "pre_ping ", int{static_cast<uint8_t>(wished.pre_ping)},
                  " is none of PrePing::kNever, kAfterIdle and kAlways");
  }
  // A pool may have been built with sizes that Tune refuses: they may stay.
  if (wish.pool_size.has_value() || wish.max_overflow.has_value()) {
    const absl::Status sizes = CheckSizes(wished, limits);
    if (!sizes.ok()) return sizes;
  }
  for (const auto check : {CheckSpans, CheckPairs}) {
    const absl::Status status = check(wished, limits);
    if (!status.ok()) return status;
  }
  return wished;
}

// Nothing that Tune may change differs.
bool HaveSameTuning(const PoolSettings& a, const PoolSettings& b) {
  const auto same = [&a, &b](const TunableSpan& span) {
    return a.*span.setting == b.*span.setting;
  };
  return a.pool_size == b.pool_size && a.max_overflow == b.max_overflow &&
         a.pre_ping == b.pre_ping && std::ranges::all_of(kTunableSpans, same);
}

}  // namespace

PoolSettings Tuner::settings() const {
  if (pool_.Forked()) return pool_.config.settings.constants();
  PoolMutexLock lock(pool_.lanes.mu());
  return pool_.config.settings.get();
}

// What is asked for is checked, and texts are written, with the lock free. Another Tune that comes
// between sends this one round again.
absl::Status Tuner::Tune(const Tuning& wish) {
  if (pool_.Forked()) return pool_.refusals.forked;
  const TuningLimits limits{.pool = pool_.config.name,
                            .slots = pool_.executor.slots(),
                            .keeps_a_reader = pool_.lanes.all().size() > 1};
  for (;;) {
    PoolSettings now;
    uint32_t turn = 0;
    {
      PoolMutexLock lock(pool_.lanes.mu());
      if (pool_.lanes.is_closed()) return pool_.refusals.closed;
      now = pool_.config.settings.get();
      turn = tunes_;
    }
    const absl::StatusOr<PoolSettings> wished = TunedSettings(now, wish, limits);
    if (!wished.ok()) return wished.status();
    if (HaveSameTuning(now, *wished)) return absl::OkStatus();
    if (PutInForce(*wished, turn)) break;
  }
  if (pool_.recorder.watched()) {
    pool_.recorder.Emit(EventKind::kTuned, {}, pool_.config.platform.Now());
  }
  pool_.executor.CloseEvicted();
  return absl::OkStatus();
}

// False: another Tune, or Close, came first.
bool Tuner::PutInForce(const PoolSettings& wished, uint32_t turn) {
  auto limits = std::make_unique<const LimitRefusals>(wished);
  LaneGuard guard(pool_.lanes);
  if (pool_.lanes.is_closed() || tunes_ != turn) return false;
  ++tunes_;
  LiveSettings& settings = pool_.config.settings;
  const PoolSettings& before = settings.get();
  const bool ages_changed =
      before.pool_recycle != wished.pool_recycle || before.ping_after != wished.ping_after;
  settings.Set(wished);
  std::swap(pool_.refusals.limits, limits);
  pool_.recorder.TakeShape(wished);
  pool_.lanes.Tune(ages_changed);
  // Its next Tick was promised by the settings before.
  guard.wakes().Add(pool_.lanes.housekeeper());
  return true;
}

}  // namespace roost::internal
