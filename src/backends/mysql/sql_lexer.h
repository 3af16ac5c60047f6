// backends/mysql/sql_lexer.h - takes SQL apart into tokens, as the server's own lexer does. Pure.
#ifndef ROOST_BACKENDS_MYSQL_SQL_LEXER_H_
#define ROOST_BACKENDS_MYSQL_SQL_LEXER_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "backends/mysql/sql_text.h"

namespace roost::mysql {

struct Token {
  enum class Kind : uint8_t {
    kEnd,
    kWord,         // a keyword, a name or a number, as written
    kName,         // between backticks, or between double quotes with ANSI_QUOTES
    kString,       // between apostrophes or double quotes
    kPlaceholder,  // $1
    kVariable,     // @name; @@name is a variable of the server
    kSign,         // any other character
  };
  Kind kind = Kind::kEnd;
  // Where it stands, with its quotes.
  size_t begin = 0;
  size_t end = 0;
  std::string_view text{};  // as written
};

// Cost: one pass over the text; nothing is copied.
class SqlLexer {
 public:
  SqlLexer(std::string_view sql, SqlMode mode) : sql_(sql), mode_(mode) {}

  // The next token; Kind::kEnd for ever from the end on, or from an error on.
  Token Next();
  // False: a quote or a comment has no end.
  bool is_sound() const { return sound_; }
  // A comment that a server executes was met, /*! or /*M!, and passed over.
  bool saw_executed_comment() const { return saw_executed_; }
  // A double quote with a backslash inside: what it is depends on ANSI_QUOTES.
  bool saw_odd_quotes() const { return saw_odd_; }

 private:
  bool SkipBlank();
  void SkipLine();
  void SkipComment();
  Token TakeQuoted(Token::Kind kind, bool escapes);
  Token TakeWord();
  Token TakeVariable();
  Token Make(Token::Kind kind, size_t begin) const {
    return {kind, begin, place_, sql_.substr(begin, place_ - begin)};
  }
  Token Fail();
  char At(size_t place) const { return place < sql_.size() ? sql_[place] : '\0'; }

  const std::string_view sql_;
  const SqlMode mode_;
  size_t place_ = 0;
  bool sound_ = true;
  bool saw_executed_ = false;
  bool saw_odd_ = false;
};

}  // namespace roost::mysql

#endif  // ROOST_BACKENDS_MYSQL_SQL_LEXER_H_
