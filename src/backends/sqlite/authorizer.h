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

// What is done to rows. Ordered: of the parts of one statement the later one counts.
enum class RowChange : uint8_t {
  kNone,
  kDeletes,  // and nothing else, so that it frees pages
  kWrites,
};

struct Permit {
  bool allowed = true;
  Trace trace = Trace::kNothing;
  const char* reason = nullptr;     // why it is not allowed; a literal
  bool bounds_transaction = false;  // begins or ends one; savepoints lie inside
  RowChange rows = RowChange::kNone;
};

// The arguments are those of sqlite3_set_authorizer's callback; either text may be null.
// `is_marked`: the backend marks the file as its own, which SQL then may not.
Permit Authorize(int action, const char* first, const char* second, bool is_marked);

}  // namespace roost::sqlite

#endif  // ROOST_BACKENDS_SQLITE_AUTHORIZER_H_
