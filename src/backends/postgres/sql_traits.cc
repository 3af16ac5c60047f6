#include "backends/postgres/sql_traits.h"

#include <algorithm>
#include <cstddef>

namespace roost::postgres {
namespace {

bool IsLetter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool IsTokenPart(char c) { return IsLetter(c) || (c >= '0' && c <= '9') || c == '$'; }
char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// Compares a token in any case with a token in lower case.
bool Is(std::string_view token, std::string_view lower) {
  return std::equal(token.begin(), token.end(), lower.begin(), lower.end(),
                    [](char a, char b) { return Lower(a) == b; });
}
bool StartsWith(std::string_view token, std::string_view lower) {
  return token.size() >= lower.size() && Is(token.substr(0, lower.size()), lower);
}
bool Contains(std::string_view token, std::string_view lower) {
  for (size_t i = 0; i + lower.size() <= token.size(); ++i) {
    if (StartsWith(token.substr(i), lower)) return true;
  }
  return false;
}
template <size_t kCount>
bool IsOneOf(std::string_view token, const std::string_view (&tokens)[kCount]) {
  return std::any_of(tokens, tokens + kCount,
                     [token](std::string_view each) { return Is(token, each); });
}

// Gives the tokens of a text, without comments, strings and quoted names. The body between dollar
// quotes counts as text: it is what DO runs.
class Lexer {
 public:
  explicit Lexer(std::string_view sql) : rest_(sql) {}

  // The next token; empty at the end.
  std::string_view Next() {
    while (!rest_.empty()) {
      if (IsLetter(rest_.front())) return TakeToken();
      if (SkipComment() || SkipQuoted()) continue;
      if (rest_.front() == ';') begins_ = true;
      rest_.remove_prefix(1);
    }
    return {};
  }
  // The last token was the first of a statement.
  bool first() const { return first_; }

 private:
  std::string_view TakeToken() {
    size_t size = 1;
    while (size < rest_.size() && IsTokenPart(rest_[size])) ++size;
    const std::string_view token = rest_.substr(0, size);
    rest_.remove_prefix(size);
    first_ = begins_;
    begins_ = Is(token, "begin");  // in the body of a DO
    return token;
  }
  bool SkipComment() {
    if (rest_.starts_with("--")) {
      rest_.remove_prefix(std::min(rest_.find('\n'), rest_.size()));
      return true;
    }
    if (!rest_.starts_with("/*")) return false;
    int depth = 0;
    do {
      const bool opens = rest_.starts_with("/*");
      const bool closes = rest_.starts_with("*/");
      depth += opens ? 1 : 0;
      depth -= closes ? 1 : 0;
      rest_.remove_prefix(opens || closes ? 2 : 1);
    } while (depth > 0 && !rest_.empty());
    return true;
  }
  // A quote without its end is taken for an apostrophe in a dollar-quoted text. A backslash before
  // a quote is left alone: it ends an E'' string too early, which shows more tokens, not fewer.
  bool SkipQuoted() {
    const char quote = rest_.front();
    if (quote != '\'' && quote != '"') return false;
    const size_t end = rest_.find(quote, 1);
    if (end == std::string_view::npos) return false;
    rest_.remove_prefix(end + 1);
    begins_ = false;
    return true;
  }

  std::string_view rest_;
  bool begins_ = true;  // the next token is the first of a statement
  bool first_ = false;
};

constexpr std::string_view kReading[] = {"select", "values", "table", "show", "with", "fetch"};
// "into" makes a table of a SELECT; "update" also stands in FOR UPDATE, where it does no harm here.
constexpr std::string_view kWriting[] = {"insert", "update", "delete",  "merge", "into",
                                         "call",   "do",     "analyze", "copy"};
constexpr std::string_view kLeaving[] = {"listen",  "load",    "reset", "prepare",
                                         "declare", "discard", "set"};
constexpr std::string_view kLocal[] = {"local", "constraints", "transaction"};

// TEMP after CREATE, OR REPLACE, LOCAL, GLOBAL, or the INTO of a SELECT, and not the column or
// table of a node that measures a temperature.
bool IsTemporary(std::string_view token, std::string_view before, std::string_view before_that) {
  if (!Is(token, "temp") && !Is(token, "temporary")) return false;
  constexpr std::string_view kBefore[] = {"create", "replace", "local", "global"};
  if (IsOneOf(before, kBefore)) return true;
  return Is(before, "into") && !Is(before_that, "insert") && !Is(before_that, "merge");
}

bool IsSessionFunction(std::string_view token) {
  if (Is(token, "set_config")) return true;
  return StartsWith(token, "pg_") && Contains(token, "advisory_lock") && !Contains(token, "xact");
}

}  // namespace

SqlTraits ReadTraits(std::string_view sql) {
  SqlTraits traits{.reads = true, .taints = false};
  Lexer lexer(sql);
  std::string_view before;
  std::string_view before_that;
  bool sets = false;  // the last token was a SET that begins a statement
  for (std::string_view token = lexer.Next(); !token.empty(); token = lexer.Next()) {
    if (sets && !IsOneOf(token, kLocal)) traits.taints = true;
    sets = lexer.first() && Is(token, "set");
    if (lexer.first() && !IsOneOf(token, kReading)) traits.reads = false;
    if (IsOneOf(token, kWriting)) traits.reads = false;
    if (lexer.first() && !sets && IsOneOf(token, kLeaving)) traits.taints = true;
    if (IsTemporary(token, before, before_that) || IsSessionFunction(token)) traits.taints = true;
    before_that = before;
    before = token;
  }
  return traits;
}

}  // namespace roost::postgres
