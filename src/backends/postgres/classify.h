// What each SQLSTATE, and a link that broke, mean for the caller and for the connections. Pure.
#ifndef ROOST_BACKENDS_POSTGRES_CLASSIFY_H_
#define ROOST_BACKENDS_POSTGRES_CLASSIFY_H_

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "roost/backend.h"

namespace roost::postgres {

// What was being done when it happened. (Before a session is ready: startup_error.h.)
enum class Operation : uint8_t {
  kIdle,       // nothing: the server said it by itself, or the probe saw it
  kStatement,  // something that could not commit: it reads, or a transaction is open
  kCommit,     // COMMIT, or a writing statement that is a transaction of its own
};

// What stopped it.
enum class Cause : uint8_t {
  kServer,    // the server said a SQLSTATE
  kLink,      // the link broke, or libpq gave up
  kDeadline,  // our own deadline, with the answer still to come
};

struct Evidence {
  Cause cause = Cause::kServer;
  std::string_view sqlstate{};  // of Cause::kServer; five characters
  Operation operation = Operation::kStatement;
  // The server is a standby and the connection was meant for a primary: what 25006 then says.
  bool lost_role = false;
};

struct Finding {
  absl::StatusCode code = absl::StatusCode::kUnknown;
  FaultScope fault_scope = FaultScope::kStatement;
  std::string_view advice{};  // what to do; may be empty
};

// A SQLSTATE in no table is judged by its class, and an unknown class is kInternal with a dead
// connection. REQUIRES: evidence.sqlstate is not 00000.
Finding Classify(const Evidence& evidence);

// The connection lacks the prepared statement, has another one of that name, or keeps a plan whose
// columns have changed since: preparing again helps.
bool WantsPreparing(std::string_view sqlstate);

// The message of such an error may repeat a value that was bound.
bool MayQuoteValues(std::string_view sqlstate);

}  // namespace roost::postgres

#endif  // ROOST_BACKENDS_POSTGRES_CLASSIFY_H_
