// core/checks.h - what a connection's age and idle time ask for. Free functions of its slot.
#ifndef ROOST_CORE_CHECKS_H_
#define ROOST_CORE_CHECKS_H_

#include "core/sizing.h"
#include "core/slot.h"
#include "roost/profile.h"

namespace roost::core {

// How many connections may be being opened at a time. A database that fails is tried by one. Callers
// that open for themselves bring their own number; the housekeeper opens a few at a time, so that one
// open that hangs does not hold up every caller, and the server does not meet a herd.
inline int MostOpens(const PoolSettings& settings, int failures) {
  constexpr int kByHousekeeper = 4;
  if (failures > 0) return 1;
  return settings.open_by == OpenBy::kHousekeeper ? kByHousekeeper : settings.capacity();
}

// True if the connection must answer a ping before it is lent.
inline bool NeedsPing(const Slot& slot, const PoolSettings& settings, TimePoint now) {
  if (slot.suspect) return true;
  if (slot.fresh) return false;
  switch (settings.pre_ping) {
    case PrePing::kNever:
      return false;
    case PrePing::kAlways:
      return true;
    case PrePing::kAfterIdle:
      return now - slot.maintained_at >= settings.ping_after;
  }
  return false;
}

// True if the connection must pass a check that costs no round trip. Where pings are off (a local
// file) only after an idle period; a connection that comes straight from another user needs none.
inline bool NeedsProbe(const Slot& slot, const PoolSettings& settings, TimePoint now) {
  if (slot.fresh) return false;
  return settings.pre_ping != PrePing::kNever || now - slot.verified_at >= settings.ping_after;
}

// What was drawn at the open of a connection. The seed's 16 bits in both halves: the least and the
// most stay what they were.
inline uint32_t RandomOf(const Slot& slot) { return slot.jitter_seed * uint32_t{0x10001}; }

// `bits`, each of which changes half of the result: a draw that needs no generator.
inline uint32_t Scramble(uint32_t bits) {
  bits = (bits ^ bits >> 16) * 0x85ebca6bu;
  bits = (bits ^ bits >> 13) * 0xc2b2ae35u;
  return bits ^ bits >> 16;
}

// The idle time after which a connection gets maintenance. Up to a tenth is taken off, so that
// connections opened together do not speak together. REQUIRES: keep_alive > 0.
inline Duration KeepAliveAge(const Slot& slot, const PoolSettings& settings) {
  return settings.keep_alive - TenthOf(settings.keep_alive, RandomOf(slot));
}

// When an open connection is recycled: later than this. max(): never.
inline TimePoint ExpiryOf(const Slot& slot, const PoolSettings& settings) {
  if (settings.pool_recycle == Duration::zero()) return TimePoint::max();
  return Later(slot.opened_at, RecycleAge(settings.pool_recycle, RandomOf(slot)));
}

}  // namespace roost::core

#endif  // ROOST_CORE_CHECKS_H_
