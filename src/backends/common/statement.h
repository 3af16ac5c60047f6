// backends/common/statement.h - the part of a Statement that is alike for every backend.
#ifndef ROOST_BACKENDS_COMMON_STATEMENT_H_
#define ROOST_BACKENDS_COMMON_STATEMENT_H_

#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "roost/statement.h"

namespace roost::backends {

// S is the backend's statement, a final class: its functions are then called directly and not
// through the virtual table.
template <class S>
class StatementBase : public Statement {
 public:
  using Statement::EndRows;

  absl::Status Execute(std::span<const Value> values) final {
    S& statement = static_cast<S&>(*this);
    absl::Status status = statement.StartBorrowing(values);
    if (!status.ok()) return status;
    absl::StatusOr<bool> more = true;
    while (more.ok() && *more) more = statement.Step();
    statement.Finish();
    return more.status();
  }
  // Start, where text and blobs in `values` stay valid until Finish. A statement that would have to
  // copy them for Start has one of its own.
  absl::Status StartBorrowing(std::span<const Value> values) {
    return static_cast<S&>(*this).Start(values);
  }
};

}  // namespace roost::backends

#endif  // ROOST_BACKENDS_COMMON_STATEMENT_H_
