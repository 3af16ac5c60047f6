// The SQL lexer: it may see too much, but what the server would take for a write or for session state
// it never takes for nothing.
#include <algorithm>
#include <array>
#include <string>

#include "backends/postgres/sql_traits.h"
#include "tests/fuzz/reference_sql.h"
#include "tests/fuzz/targets.h"

namespace roost::fuzz {
namespace {

using Statement = std::vector<Token>;

bool IsWord(const Token& token, std::string_view word) {
  return token.kind == Token::Kind::kWord && token.text == word;
}
template <size_t kCount>
bool IsOneOf(const Token& token, const std::array<std::string_view, kCount>& words) {
  return std::any_of(words.begin(), words.end(),
                     [&token](std::string_view word) { return IsWord(token, word); });
}
bool Has(const Statement& statement, std::string_view word) {
  return std::any_of(statement.begin(), statement.end(),
                     [word](const Token& token) { return IsWord(token, word); });
}

// "pg_temp.": what is created there is temporary. A table may be called pg_temp, too.
bool NamesTemporarySchema(const Statement& statement) {
  for (size_t i = 1; i < statement.size(); ++i) {
    const bool dot = statement[i].kind == Token::Kind::kSign && statement[i].text == ".";
    if (dot && IsWord(statement[i - 1], "pg_temp")) return true;
  }
  return false;
}

// A statement that begins with one of these and has none of kWriting in it only reads.
constexpr std::array<std::string_view, 7> kReading = {"select", "values", "table",  "show",
                                                      "with",   "fetch",  "explain"};
constexpr std::array<std::string_view, 4> kWriting = {"insert", "update", "delete", "merge"};
constexpr std::array<std::string_view, 3> kLocal = {"local", "constraints", "transaction"};
constexpr std::array<std::string_view, 5> kLeaving = {"listen", "load", "prepare", "declare",
                                                      "reset"};

bool Writes(const Statement& statement) {
  const Token& first = statement.front();
  const bool may_read = IsOneOf(first, kReading) || first.text == "(";
  if (first.kind == Token::Kind::kWord && !may_read) return true;
  if (IsWord(first, "with")) {
    for (const Token& token : statement) {
      if (IsOneOf(token, kWriting)) return true;
    }
  }
  return IsWord(first, "select") && Has(statement, "into");
}

bool Taints(const Statement& statement) {
  const Token& first = statement.front();
  if (IsWord(first, "set")) return statement.size() < 2 || !IsOneOf(statement[1], kLocal);
  if (IsOneOf(first, kLeaving)) return true;
  if (IsWord(first, "create") && (Has(statement, "temp") || Has(statement, "temporary"))) {
    // CREATE [OR REPLACE] [LOCAL | GLOBAL] TEMP
    for (size_t i = 1; i < std::min<size_t>(statement.size(), 5); ++i) {
      if (IsWord(statement[i], "temp") || IsWord(statement[i], "temporary")) return true;
      if (!IsWord(statement[i], "or") && !IsWord(statement[i], "replace") &&
          !IsWord(statement[i], "local") && !IsWord(statement[i], "global")) {
        break;
      }
    }
  }
  return IsWord(first, "create") && NamesTemporarySchema(statement);
}

}  // namespace

std::string CheckSql(std::string_view bytes) {
  // Before a zero it is what the server is given, and no text that has one is sent.
  const std::string_view sql = bytes.substr(0, bytes.find('\0'));
  const postgres::SqlTraits traits = postgres::ReadTraits(sql);
  const auto tokens = Tokens(sql);
  if (!tokens.has_value()) return "";
  for (const Statement& statement : Statements(*tokens)) {
    if (traits.reads && Writes(statement)) return "a write that is taken for a read";
    if (!traits.taints && Taints(statement)) return "session state that is not seen";
  }
  return "";
}

}  // namespace roost::fuzz
