// backends/mysql/errnos.h - what each error number of MySQL and MariaDB means. Pure.
//
// The number is asked first and the SQLSTATE second: most of those that matter have no state of their
// own (HY000).
#ifndef ROOST_BACKENDS_MYSQL_ERRNOS_H_
#define ROOST_BACKENDS_MYSQL_ERRNOS_H_

#include <cstdint>
#include <string_view>

#include "backends/common/error.h"

namespace roost::mysql {

using backends::Finding;

// What was being done when it happened.
enum class Operation : uint8_t {
  kIdle,       // nothing: the probe or a ping saw it
  kStatement,  // something that could not commit: it reads, or a transaction is open
  kCommit,     // COMMIT, or a writing statement that is a transaction of its own
};

struct Evidence {
  unsigned number = 0;  // of the server, or of the library (2000 and more); not 0
  std::string_view sqlstate{};
  std::string_view message{};  // tells --read-only from other options
  Operation operation = Operation::kStatement;
};

// The library's number for an answer that is longer than it may be.
inline constexpr unsigned kPacketTooLong = 2020;

// In a session. A number that is in no table goes by the class of its SQLSTATE. Without a class, one of the
// server is kFailedPrecondition, about the statement; one of the library is kInternal, and ends the connection.
Finding ClassifyInSession(const Evidence& evidence);
// While a connection opens: `fault_scope` is about those that were opened before.
Finding ClassifyAtStartup(const Evidence& evidence);
// Our own deadline, with the answer still to come.
Finding ClassifyDeadline(Operation operation);

// The server takes no writes: another one may (read_only, super_read_only, a demoted primary).
bool LostRole(const Evidence& evidence);
// The session does not know the prepared statement, or its tables have changed: nothing was done, and
// preparing again helps.
bool WantsPreparing(unsigned number);
// The message of such an error may repeat a value that was bound.
bool MayQuoteValues(unsigned number);
// The server may have rolled the whole transaction back: for a race that it lost, or a full table of locks.
bool UndoesTransaction(unsigned number);

}  // namespace roost::mysql

#endif  // ROOST_BACKENDS_MYSQL_ERRNOS_H_
