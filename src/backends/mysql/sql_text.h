// backends/mysql/sql_text.h - what has to be known of a SQL text before it is sent. Pure.
//
// By the lexical rules of MySQL and MariaDB: strings in ' and " with doubled quotes and, unless
// NO_BACKSLASH_ESCAPES is set, backslashes; names in `; comments from # and from "-- " to the end of
// the line, and between /* and */, which do not nest; names that begin with digits or hold dollar
// signs.
//
// It knows the tokens of SQL and the beginnings of statements, not its grammar. Where it cannot tell,
// it says the safe thing. What a function, a procedure or a trigger does, it cannot see.
#ifndef ROOST_BACKENDS_MYSQL_SQL_TEXT_H_
#define ROOST_BACKENDS_MYSQL_SQL_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace roost::mysql {

// How the session reads quotes.
struct SqlMode {
  bool backslash_escapes = true;  // without NO_BACKSLASH_ESCAPES
  bool ansi_quotes = false;       // "..." is a name
  friend bool operator==(const SqlMode&, const SqlMode&) = default;
};

struct SqlTraits {
  // Only reads: when its answer is lost, nothing can have been committed.
  bool reads = false;
  // May leave session state behind: SET, USE, a temporary table, a lock by name or of a table, a variable
  // of the user, PREPARE, HANDLER, CALL, DO.
  bool taints = false;
  // Begins or ends a transaction (not a savepoint), as DDL does, or may do so.
  bool bounds_transaction = false;
  // One INSERT or REPLACE of one list of values, which gives no rows.
  bool inserts = false;
  // No statement is in it: nothing but blanks, comments and semicolons.
  bool empty = false;
};

// Of one statement or several. Cost: one pass over the text.
SqlTraits ReadTraits(std::string_view sql, SqlMode mode);

// The longest list of placeholders.
inline constexpr size_t kMostPlaceholders = 255;

struct Translation {
  std::string text{};             // with ? for each placeholder
  std::vector<uint8_t> places{};  // for each ?, which value it takes, from 0
  int parameters = 0;             // how many values there are
};

// $1, $2, ... to ?. kInvalidArgument: a ? of its own, a number left out, more than kMostPlaceholders, a
// comment that is executed (/*! ... */), or a text that this and the server may read differently.
absl::StatusOr<Translation> Translate(std::string_view sql, SqlMode mode);

// Where an error of a script belongs.
struct ScriptPlace {
  size_t at = 0;                 // the byte of the script
  std::string_view statement{};  // the one that it is in
  bool exact = true;             // else in this one or in a later one
};

// `results`: how many results of the script have come to their end. Not exact behind a statement that
// may give several (CALL, EXECUTE), or that may have semicolons inside (a routine, a trigger, BEGIN).
// Cost: one pass over the text.
ScriptPlace PlaceIn(std::string_view script, size_t results, SqlMode mode);

// The same script without statements that are empty, which the server takes for an error.
std::string WithoutEmptyStatements(std::string_view script, SqlMode mode);

}  // namespace roost::mysql

#endif  // ROOST_BACKENDS_MYSQL_SQL_TEXT_H_
