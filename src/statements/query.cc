// The errors of QueryOne.
#include "roost/query.h"

#include "roost/next_step.h"
#include "statements/text.h"

namespace roost::internal {

absl::Status NoRow(std::string_view sql) {
  return AdviseToStop(absl::NotFoundError(Concat({"no row for ", Quoted(sql)})));
}

absl::Status SecondRow(std::string_view sql) {
  return absl::InvalidArgumentError(
      Concat({Quoted(sql), " has more than one row: ask for one, with LIMIT 1 or by a key"}));
}

}  // namespace roost::internal
