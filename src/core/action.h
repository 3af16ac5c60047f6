// core/action.h - what the core wants done to a slot, and how it ended.
#ifndef ROOST_CORE_ACTION_H_
#define ROOST_CORE_ACTION_H_

#include <cstdint>

#include "roost/deadline.h"
#include "roost/types.h"

namespace roost::core {

enum class ActionKind : uint8_t { kNone, kOpen, kPing, kMaintain, kReset, kClose };

// Something to be done to a slot while the lock is free. The performer has the slot to itself until
// it calls LaneCore::OnActionDone.
struct Action {
  ActionKind kind = ActionKind::kNone;
  uint8_t slot = 0;
  CloseReason reason = CloseReason::kNone;  // for kClose
  explicit operator bool() const { return kind != ActionKind::kNone; }
};

// How an Action ended.
struct ActionResult {
  bool ok = false;
  bool permanent = false;  // kOpen: the error needs a person
  bool crowded = false;    // kOpen: the server has no room for one more session
  // kOpen, kPing: the caller's own deadline ended it; that says nothing about the database.
  bool cut_short = false;
  bool wants_maintenance = false;  // kReset: the connection asks for it before it is lent again
  TimePoint began_at;              // kOpen: when the open began
  uint32_t random = 0;             // kOpen: for the age limit or the pause
  // kOpen that failed: which existing connections the error concerns. For the pool.
  FaultScope fault_scope = FaultScope::kStatement;
};

// How a lease ended.
enum class ReturnAs : uint8_t { kClean, kWantsMaintenance, kDirty, kBroken };

// Why a newcomer may not enter the wait queue.
enum class Refusal : uint8_t { kNone, kClosed, kFull, kAway };

}  // namespace roost::core

#endif  // ROOST_CORE_ACTION_H_
