#include "backends/mysql/sql_lexer.h"

#include <algorithm>

namespace roost::mysql {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
// Of a name without quotes.
bool IsNamePart(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || IsDigit(c) || c == '_' || c == '$' ||
         static_cast<unsigned char>(c) >= 0x80;
}
// What the server takes for white space, and for the end of "--".
bool IsBlank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool IsControl(char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; }

// "$1" to "$999"; no leading zero.
bool IsPlaceholder(std::string_view text) {
  return text.size() >= 2 && text.size() <= 4 && text[0] == '$' && text[1] != '0' &&
         std::all_of(text.begin() + 1, text.end(), IsDigit);
}

}  // namespace

Token SqlLexer::Fail() {
  place_ = sql_.size();
  sound_ = false;
  return {};
}

Token SqlLexer::Next() {
  while (SkipBlank()) {
  }
  if (place_ >= sql_.size()) return {};
  const char c = sql_[place_];
  if (c == '\'') return TakeQuoted(Token::Kind::kString, mode_.backslash_escapes);
  if (c == '`') return TakeQuoted(Token::Kind::kName, false);
  if (c == '"') {
    if (mode_.ansi_quotes) return TakeQuoted(Token::Kind::kName, false);
    const Token token = TakeQuoted(Token::Kind::kString, mode_.backslash_escapes);
    if (token.text.find('\\') != std::string_view::npos || !sound_) saw_odd_ = true;
    return token;
  }
  if (c == '@') return TakeVariable();
  if (IsNamePart(c)) return TakeWord();
  const size_t begin = place_++;
  return Make(Token::Kind::kSign, begin);
}

// ---- between tokens -----------------------------------------------------------------------------

// "--" begins a comment where a blank, a control character or the end follows.
bool SqlLexer::SkipBlank() {
  const std::string_view rest = sql_.substr(std::min(place_, sql_.size()));
  if (rest.empty()) return false;
  const bool dashes =
      rest.starts_with("--") && (rest.size() == 2 || IsBlank(rest[2]) || IsControl(rest[2]));
  if (rest[0] == '#' || dashes) {
    SkipLine();
  } else if (rest.starts_with("/*")) {
    SkipComment();
  } else if (IsBlank(rest[0])) {
    ++place_;
  } else {
    return false;
  }
  return true;
}

void SqlLexer::SkipLine() {
  while (place_ < sql_.size() && sql_[place_] != '\n') ++place_;
}

void SqlLexer::SkipComment() {
  const std::string_view rest = sql_.substr(place_);
  if (rest.starts_with("/*!") || rest.starts_with("/*M!") || rest.starts_with("/*m!")) {
    saw_executed_ = true;
  }
  const size_t end = sql_.find("*/", place_ + 2);
  if (end == std::string_view::npos) {
    Fail();
  } else {
    place_ = end + 2;
  }
}

// ---- tokens -------------------------------------------------------------------------------------

Token SqlLexer::TakeQuoted(Token::Kind kind, bool escapes) {
  const size_t begin = place_;
  const char quote = sql_[place_++];
  for (; place_ < sql_.size(); ++place_) {
    if (escapes && sql_[place_] == '\\') {
      ++place_;
    } else if (sql_[place_] == quote) {
      if (At(place_ + 1) != quote) break;
      ++place_;
    }
  }
  if (place_ >= sql_.size()) return Fail();
  ++place_;
  return Make(kind, begin);
}

// A name may begin with digits, and behind a dot with anything: t.$1 is a column.
Token SqlLexer::TakeWord() {
  const size_t begin = place_;
  while (place_ < sql_.size() && IsNamePart(sql_[place_])) ++place_;
  const Token token = Make(Token::Kind::kWord, begin);
  const bool of_name = begin > 0 && sql_[begin - 1] == '.';
  if (of_name || !IsPlaceholder(token.text)) return token;
  return Make(Token::Kind::kPlaceholder, begin);
}

// @a, @`a b`, @'a b', @@global.a.
Token SqlLexer::TakeVariable() {
  const size_t begin = place_++;
  const bool of_server = At(place_) == '@';
  if (of_server) ++place_;
  const char c = At(place_);
  if (!of_server && (c == '`' || c == '\'' || c == '"')) {
    TakeQuoted(Token::Kind::kName, c != '`' && mode_.backslash_escapes);
    if (!sound_) return {};
  } else {
    while (place_ < sql_.size() && (IsNamePart(sql_[place_]) || sql_[place_] == '.')) ++place_;
  }
  return Make(Token::Kind::kVariable, begin);
}

}  // namespace roost::mysql
