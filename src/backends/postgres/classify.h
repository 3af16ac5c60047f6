// backends/postgres/classify.h - what an error of a session means for caller and connections. Pure.
//
// A SQLSTATE's own meaning is in sqlstates.h. Here is what depends on the moment: the cause, what
// was being done, and whether the server has lost its role.
#ifndef ROOST_BACKENDS_POSTGRES_CLASSIFY_H_
#define ROOST_BACKENDS_POSTGRES_CLASSIFY_H_

#include <cstdint>
#include <string_view>

#include "backends/postgres/sqlstates.h"

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

// Why a write was refused with 25006.
enum class ReadsOnly : uint8_t {
  kTransaction,  // it, or what is not known
  kStandby,      // the server, whatever target_session_attrs takes
  kLostRole,     // the server, which target_session_attrs wanted to take writes
};

struct Evidence {
  Cause cause = Cause::kServer;
  std::string_view sqlstate{};  // of Cause::kServer; five characters
  Operation operation = Operation::kStatement;
  ReadsOnly reads_only = ReadsOnly::kTransaction;  // for 25006
};

// A SQLSTATE of a class that is in no table is kInternal, and ends the connection. REQUIRES:
// evidence.sqlstate is not 00000.
Finding Classify(const Evidence& evidence);

// The connection lacks the prepared statement, has another one of that name, or keeps a plan whose
// columns have changed since: preparing again helps.
bool WantsPreparing(std::string_view sqlstate);

// The types of parameters, or of what they are compared with and stored in, may have changed since
// the statement was prepared: preparing and describing again helps, if that is so.
bool WantsDescribing(std::string_view sqlstate);

// The message of such an error may repeat a value that was bound.
bool MayQuoteValues(std::string_view sqlstate);

}  // namespace roost::postgres

#endif  // ROOST_BACKENDS_POSTGRES_CLASSIFY_H_
