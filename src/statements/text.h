// statements/text.h - how every backend shows a statement and a column in a message.
#ifndef ROOST_STATEMENTS_TEXT_H_
#define ROOST_STATEMENTS_TEXT_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "base/text.h"

namespace roost::internal {

// How much of a statement's text a message shows.
inline constexpr size_t kShownSql = 120;

// How much of a column's name a message shows, and of a list of them.
inline constexpr size_t kShownName = 63;  // the longest that PostgreSQL has
inline constexpr size_t kShownNames = 512;

// A name that a database gave, in double quotes: plain text, cut after kShownName bytes.
std::string QuotedName(std::string_view name);

// `sql` in double quotes on one line, cut after kShownSql bytes, never inside a UTF-8 character.
std::string Quoted(std::string_view sql);

}  // namespace roost::internal

#endif  // ROOST_STATEMENTS_TEXT_H_
