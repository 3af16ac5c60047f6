#include "backends/postgres/sql_lexer.h"

#include <algorithm>

namespace roost::postgres {
namespace {

bool IsLetter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsTagPart(char c) { return IsLetter(c) || IsDigit(c); }
bool IsWordPart(char c) { return IsTagPart(c) || c == '$'; }
bool IsLineEnd(char c) { return c == '\n' || c == '\r'; }
bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\f' || c == '\v' || IsLineEnd(c); }
char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

std::string_view SqlLexer::Take(size_t size) {
  const std::string_view taken = rest_.substr(0, size);
  rest_.remove_prefix(std::min(size, rest_.size()));
  return taken;
}

Token SqlLexer::Fail() {
  rest_ = {};
  sound_ = false;
  return {};
}

Token SqlLexer::Next() {
  while (SkipBlank()) {
  }
  if (rest_.empty()) return {};
  const char c = rest_.front();
  if (IsLetter(c)) return TakeWord();
  if (IsDigit(c) || (c == '.' && IsDigit(At(1)))) return TakeNumber();
  if (c == '\'') return TakePlainString();
  if (c == '"') return {Token::Kind::kName, false, TakeQuoted('"', /*escapes=*/false)};
  if (c == '$') return TakeDollar();
  return TakeSign();
}

Token SqlLexer::TakeSign(size_t size) { return {Token::Kind::kSign, false, Take(size)}; }

// ---- between tokens -----------------------------------------------------------------------------

bool SqlLexer::SkipBlank() {
  if (rest_.starts_with("--")) {
    SkipLineComment();
  } else if (rest_.starts_with("/*")) {
    SkipComment();
  } else if (!rest_.empty() && IsBlank(rest_.front())) {
    Take(1);
  } else {
    return false;
  }
  return true;
}

void SqlLexer::SkipLineComment() {
  while (!rest_.empty() && !IsLineEnd(rest_.front())) Take(1);
}

void SqlLexer::SkipComment() {
  int64_t depth = 0;
  do {
    const bool opens = rest_.starts_with("/*");
    const bool closes = rest_.starts_with("*/");
    depth += (opens ? 1 : 0) - (closes ? 1 : 0);
    Take(opens || closes ? 2 : 1);
  } while (depth > 0 && !rest_.empty());
  if (depth > 0) Fail();
}

// ---- strings and quoted names -------------------------------------------------------------------

std::string_view SqlLexer::TakeQuoted(char quote, bool escapes) {
  size_t end = 1;
  for (; end < rest_.size(); ++end) {
    if (escapes && rest_[end] == '\\') {
      ++end;
    } else if (rest_[end] == quote) {
      if (At(end + 1) != quote) break;
      ++end;
    }
  }
  if (end >= rest_.size()) {
    Fail();
    return {};
  }
  return Take(end + 1).substr(1, end - 1);
}

bool SqlLexer::TakeContinuation() {
  const std::string_view before = rest_;
  bool line_ended = false;
  for (;;) {
    if (rest_.starts_with("--")) {
      SkipLineComment();
      // Behind the first line end, a comment has to end with its line.
      if (line_ended && rest_.empty()) break;
    } else if (!rest_.empty() && IsBlank(rest_.front())) {
      line_ended = line_ended || IsLineEnd(rest_.front());
      Take(1);
    } else {
      break;
    }
  }
  if (line_ended && At(0) == '\'') return true;
  rest_ = before;
  return false;
}

Token SqlLexer::TakeString(bool escapes, bool odd) {
  Token token{Token::Kind::kString, odd, TakeQuoted('\'', escapes)};
  while (sound_ && TakeContinuation()) {
    token.spelled_oddly = true;
    TakeQuoted('\'', escapes);
  }
  return sound_ ? token : Token{};
}

Token SqlLexer::TakePlainString() {
  const std::string_view before = rest_;
  const Token token = TakeString(backslash_escapes_, /*odd=*/false);
  const std::string_view whole = before.substr(0, before.size() - rest_.size());
  const bool backslash = whole.find('\\') != std::string_view::npos;
  saw_backslash_ = saw_backslash_ || backslash;
  return {token.kind, token.spelled_oddly || backslash, token.text};
}

Token SqlLexer::TakeWord() {
  const char first = Lower(rest_.front());
  if (At(1) == '\'' && (first == 'e' || first == 'b' || first == 'x' || first == 'n')) {
    Take(1);
    if (first == 'n') return TakePlainString();
    return TakeString(/*escapes=*/first == 'e', /*odd=*/true);
  }
  if (first == 'u' && At(1) == '&' && (At(2) == '\'' || At(2) == '"')) {
    Take(2);
    if (At(0) == '\'') return TakeString(/*escapes=*/false, /*odd=*/true);
    return {Token::Kind::kName, true, TakeQuoted('"', /*escapes=*/false)};
  }
  size_t size = 1;
  while (IsWordPart(At(size))) ++size;
  return {Token::Kind::kWord, false, Take(size)};
}

// "$tag$...$tag$" or "$1". A dollar sign alone is an error of the server's.
Token SqlLexer::TakeDollar() {
  size_t size = 1;
  if (IsDigit(At(1))) {
    while (IsDigit(At(size))) ++size;
    return TakeSign(size);
  }
  while (IsTagPart(At(size))) ++size;
  if (At(size) != '$') return TakeSign();
  const std::string_view tag = Take(size + 1);
  const size_t end = rest_.find(tag);
  if (end == std::string_view::npos) return Fail();
  const std::string_view inside = Take(end);
  Take(tag.size());
  return {Token::Kind::kString, false, inside};
}

// A letter behind a number begins a name up to PostgreSQL 14 and is an error or a part of the number
// from then on. Where there is a dollar sign in that name, it matters which.
Token SqlLexer::TakeNumber() {
  size_t size = 0;
  while (IsDigit(At(size)) || (At(size) == '.' && At(size + 1) != '.')) ++size;
  const size_t sign = At(size + 1) == '+' || At(size + 1) == '-' ? 1 : 0;
  if (Lower(At(size)) == 'e' && IsDigit(At(size + 1 + sign))) {
    size += 1 + sign;
    while (IsDigit(At(size))) ++size;
  }
  for (size_t i = size; IsLetter(At(size)) && IsWordPart(At(i)); ++i) {
    if (At(i) == '$') return Fail();
  }
  return TakeSign(size);
}

}  // namespace roost::postgres
