// backends/postgres/sql_lexer.h - takes SQL apart into tokens, as the server's own lexer does. Pure.
//
// By https://www.postgresql.org/docs/15/sql-syntax-lexical.html: comments that nest, lines of
// comment, plain, E'', U&'', B'', X'' and N'' strings and what continues them behind a line end,
// dollar quotes with tags, quoted names, numbers, parameters.
//
// How a backslash in a plain string is read depends on a setting of the session,
// standard_conforming_strings. A text with one is to be read both ways.
#ifndef ROOST_BACKENDS_POSTGRES_SQL_LEXER_H_
#define ROOST_BACKENDS_POSTGRES_SQL_LEXER_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace roost::postgres {

struct Token {
  enum class Kind : uint8_t {
    kEnd,
    kWord,    // a keyword or a name, as written
    kName,    // between double quotes
    kString,  // between apostrophes or dollar quotes
    kSign,    // any other character, a number or a parameter
  };
  Kind kind = Kind::kEnd;
  // What is written says something else than it seems to: escapes, or parts that are joined.
  bool spelled_oddly = false;
  // Without the quotes around it.
  std::string_view text{};
};

// Cost: one pass over the text; nothing is copied.
class SqlLexer {
 public:
  // `backslash_escapes`: in plain strings, as with standard_conforming_strings = off.
  SqlLexer(std::string_view sql, bool backslash_escapes)
      : rest_(sql), backslash_escapes_(backslash_escapes) {}

  // The next token; Kind::kEnd for ever from the end on, or from an error on.
  Token Next();
  // False: a quote or a comment has no end, or servers of different versions disagree.
  bool is_sound() const { return sound_; }
  // A plain string has had a backslash in it.
  bool saw_backslash() const { return saw_backslash_; }

 private:
  bool SkipBlank();
  void SkipLineComment();
  void SkipComment();
  // Whether a string goes on behind a line end, with the apostrophe as the next character.
  bool TakeContinuation();
  // What is between `quote` here and the next one that is not doubled.
  std::string_view TakeQuoted(char quote, bool escapes);
  // REQUIRES: the next character is the apostrophe.
  Token TakeString(bool escapes, bool odd);
  Token TakePlainString();
  Token TakeWord();
  Token TakeDollar();
  Token TakeNumber();
  Token TakeSign(size_t size = 1);
  Token Fail();
  std::string_view Take(size_t size);
  char At(size_t place) const { return place < rest_.size() ? rest_[place] : '\0'; }

  std::string_view rest_;
  const bool backslash_escapes_;
  bool sound_ = true;
  bool saw_backslash_ = false;
};

}  // namespace roost::postgres

#endif  // ROOST_BACKENDS_POSTGRES_SQL_LEXER_H_
