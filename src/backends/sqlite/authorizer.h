// backends/sqlite/authorizer.h - what SQL may do to the session of a pooled connection.
//
// Pure. SQLite asks it when it prepares a statement.
#ifndef ROOST_BACKENDS_SQLITE_AUTHORIZER_H_
#define ROOST_BACKENDS_SQLITE_AUTHORIZER_H_

#include <cstdint>

namespace roost::sqlite {

// What a statement leaves behind in the session.
enum class Trace : uint8_t {
  kNothing,
  kTemporary,  // temporary tables, views, triggers: can be dropped
  kSession,    // settings that only a new connection undoes
};

struct Permit {
  bool allowed = true;
  Trace trace = Trace::kNothing;
  const char* reason = nullptr;     // why it is not allowed; a literal
  bool bounds_transaction = false;  // begins or ends one; savepoints lie inside
};

// The arguments are those of sqlite3_set_authorizer's callback; either text may be null.
Permit Authorize(int action, const char* first, const char* second);

}  // namespace roost::sqlite

#endif  // ROOST_BACKENDS_SQLITE_AUTHORIZER_H_
