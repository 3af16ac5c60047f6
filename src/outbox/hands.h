// outbox/hands.h - what a failed call of the server leads to.
//
// The server's own code decides: the SQLSTATE of PostgreSQL, the number of MySQL. Without one the status
// does: the link broke, nothing answered in time, the pool was full. What no table has is kWait, never
// kSetAside: a row is given up only for what is known to be its own fault.
//
// Threads:  pure
// Blocks:   never
// Memory:   none
// Errors:   none
#ifndef ROOST_OUTBOX_HANDS_H_
#define ROOST_OUTBOX_HANDS_H_

#include <string_view>

#include "absl/status/status.h"
#include "roost/deadline.h"
#include "roost/outbox.h"

namespace roost::outbox {

struct Verdict {
  OutboxHand hand = OutboxHand::kWait;
  bool has_no_schema = false;
  // The server has no room: no attempt before that.
  Duration not_before{};
};

// `sqlstate`: what PostgreSQL said; empty: nothing. REQUIRES: status is not OK.
Verdict JudgePostgres(const absl::Status& status, std::string_view sqlstate);
// `number`: what MySQL or its library said; 0: nothing. REQUIRES: status is not OK.
Verdict JudgeMysql(const absl::Status& status, int number);

// Whether a call that was sent and failed with this may have happened: the server did not say that it
// did not.
bool MayHaveHappened(const absl::Status& status, std::string_view sqlstate, int number);

}  // namespace roost::outbox

#endif  // ROOST_OUTBOX_HANDS_H_
