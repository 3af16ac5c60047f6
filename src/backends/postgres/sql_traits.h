// backends/postgres/sql_traits.h - what can be read off a SQL text before it is sent. Pure.
//
// Whether it can change anything, and whether it leaves something behind in the session.
//
// A lexer, not a parser: it knows comments, quotes and the beginnings of statements. Where it
// cannot tell, it says the safe thing. What a function of the server does, it cannot see.
#ifndef ROOST_BACKENDS_POSTGRES_SQL_TRAITS_H_
#define ROOST_BACKENDS_POSTGRES_SQL_TRAITS_H_

#include <string_view>

namespace roost::postgres {

struct SqlTraits {
  // Only reads: when its answer is lost, nothing can have been committed.
  bool reads = false;
  // Leaves session state behind: SET (not SET LOCAL), LISTEN, a temporary object, a session's
  // advisory lock, PREPARE, DECLARE, LOAD.
  bool taints = false;
};

// Of one statement or several. Cost: one pass over the text.
SqlTraits ReadTraits(std::string_view sql);

}  // namespace roost::postgres

#endif  // ROOST_BACKENDS_POSTGRES_SQL_TRAITS_H_
