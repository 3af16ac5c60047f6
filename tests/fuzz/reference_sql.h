// SQL taken apart as the server does it, by
// https://www.postgresql.org/docs/15/sql-syntax-lexical.html with standard_conforming_strings on.
// Slow and simple: what the backend's lexer is compared with.
#ifndef ROOST_TESTS_FUZZ_REFERENCE_SQL_H_
#define ROOST_TESTS_FUZZ_REFERENCE_SQL_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace roost::fuzz {

struct Token {
  enum class Kind { kWord, kQuotedName, kString, kSign };
  Kind kind;
  std::string text;  // of a word in lower case; of a sign itself; else what is inside, as it stands
};

// Nothing: the server refuses the whole text (an open quote or comment, a number with letters).
std::optional<std::vector<Token>> Tokens(std::string_view sql);

// Statements, without their semicolons; none is empty.
std::vector<std::vector<Token>> Statements(const std::vector<Token>& tokens);

}  // namespace roost::fuzz

#endif  // ROOST_TESTS_FUZZ_REFERENCE_SQL_H_
