// Small pieces of messages that every backend words alike.
#ifndef ROOST_STATEMENTS_TEXT_H_
#define ROOST_STATEMENTS_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace roost::internal {

// How much of a statement's text a message shows.
inline constexpr size_t kShownSql = 120;

// The pieces in one string. (The absl::StrCat of Debian 12 does not take std::string_view.)
std::string Concat(std::initializer_list<std::string_view> pieces);

// A whole number. (std::to_string is inline: half a kilobyte in every file that calls it.)
std::string Digits(int64_t number);

// `sql` in double quotes on one line, cut after kShownSql bytes, never inside a UTF-8 character.
std::string Quoted(std::string_view sql);

}  // namespace roost::internal

#endif  // ROOST_STATEMENTS_TEXT_H_
