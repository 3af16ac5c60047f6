// backends/postgres/sql_traits.h - what can be read off a SQL text before it is sent. Pure.
//
// Whether it can change anything, leaves something behind in the session, or begins or ends a
// transaction.
//
// It knows the tokens of SQL and the beginnings of statements, not its grammar. Where it cannot
// tell, it says the safe thing. What a function, a rule, a trigger or a default of the database
// does, it cannot see.
#ifndef ROOST_BACKENDS_POSTGRES_SQL_TRAITS_H_
#define ROOST_BACKENDS_POSTGRES_SQL_TRAITS_H_

#include <cstddef>
#include <string_view>

namespace roost::postgres {

struct SqlTraits {
  // Only reads: when its answer is lost, nothing can have been committed.
  bool reads = false;
  // May leave session state behind: SET (not SET LOCAL) or an UPDATE of pg_settings, LISTEN, a
  // temporary object, a session's advisory lock, PREPARE, DECLARE, LOAD, DISCARD; DO and CALL,
  // which may do any of it; a quote without an end.
  bool taints = false;
  // Begins or ends a transaction (not a savepoint), or may do so.
  bool bounds_transaction = false;
  // No statement is in it: nothing but blanks, comments and semicolons.
  bool empty = false;
};

// Of one statement or several. Cost: one pass over the text; two where a backslash stands in a
// plain string.
SqlTraits ReadTraits(std::string_view sql);

// Where an error of a script belongs.
struct ScriptPlace {
  size_t at = 0;                 // the byte of the script
  std::string_view statement{};  // the one that it is in
};

// `done`: how many of its statements the server has done. `position`: the character of the script that
// it named, from 1; 0: it named none. Cost: one pass over the text.
ScriptPlace PlaceIn(std::string_view script, size_t done, size_t position);

}  // namespace roost::postgres

#endif  // ROOST_BACKENDS_POSTGRES_SQL_TRAITS_H_
