#include "tests/fuzz/reference_sql.h"

#include <algorithm>
#include <cctype>

namespace roost::fuzz {
namespace {

bool IsStart(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_' ||
         (static_cast<unsigned char>(c) & 0x80) != 0;
}
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsPart(char c) { return IsStart(c) || IsDigit(c) || c == '$'; }
bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'; }

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

class Lexer {
 public:
  explicit Lexer(std::string_view sql) : sql_(sql) {}

  std::optional<std::vector<Token>> Run() {
    while (at_ < sql_.size() && good_) TakeOne();
    if (!good_) return std::nullopt;
    return std::move(tokens_);
  }

 private:
  char Peek(size_t ahead = 0) const { return at_ + ahead < sql_.size() ? sql_[at_ + ahead] : '\0'; }
  bool Sees(std::string_view text) const { return sql_.substr(at_).starts_with(text); }
  void Add(Token::Kind kind, std::string text) { tokens_.push_back({kind, std::move(text)}); }

  void TakeOne() {
    const char c = Peek();
    if (IsSpace(c)) {
      ++at_;
    } else if (Sees("--")) {
      SkipLineComment();
    } else if (Sees("/*")) {
      SkipComment();
    } else if (c == '\'') {
      TakeString(/*escapes=*/false);
    } else if (c == '"') {
      TakeQuotedName();
    } else if (c == '$' && IsDollarQuote()) {
      TakeDollarQuote();
    } else if (c == '$' && IsDigit(Peek(1))) {
      TakeParameter();
    } else if (IsDigit(c) || (c == '.' && IsDigit(Peek(1)))) {
      TakeNumber();
    } else if (IsStart(c)) {
      TakeWord();
    } else {
      Add(Token::Kind::kSign, std::string(1, c));
      ++at_;
    }
  }

  void SkipLineComment() {
    while (at_ < sql_.size() && Peek() != '\n' && Peek() != '\r') ++at_;
  }
  void SkipComment() {
    int depth = 0;
    do {
      if (Sees("/*")) {
        ++depth;
        at_ += 2;
      } else if (Sees("*/")) {
        --depth;
        at_ += 2;
      } else {
        ++at_;
      }
    } while (depth > 0 && at_ < sql_.size());
    good_ = depth == 0;
  }

  // Behind a string: blanks and comments with a line end among them, and another quote, which goes
  // on with the string.
  bool GoesOn() {
    const size_t before = at_;
    bool line_end = false;
    for (;;) {
      if (IsSpace(Peek()) && at_ < sql_.size()) {
        line_end = line_end || Peek() == '\n' || Peek() == '\r';
        ++at_;
      } else if (Sees("--")) {
        SkipLineComment();
      } else {
        break;
      }
    }
    if (line_end && Peek() == '\'') return true;
    at_ = before;
    return false;
  }
  void TakeString(bool escapes) {
    std::string inside;
    do {
      ++at_;
      for (;;) {
        if (at_ >= sql_.size()) {
          good_ = false;
          return;
        }
        if (Sees("''")) {
          inside += '\'';
          at_ += 2;
        } else if (Peek() == '\'') {
          ++at_;
          break;
        } else if (escapes && Peek() == '\\' && at_ + 1 < sql_.size()) {
          inside += sql_.substr(at_, 2);
          at_ += 2;
        } else {
          inside += sql_[at_++];
        }
      }
    } while (GoesOn());
    Add(Token::Kind::kString, inside);
  }
  void TakeQuotedName() {
    std::string inside;
    for (++at_;;) {
      if (at_ >= sql_.size()) {
        good_ = false;
        return;
      }
      if (Sees("\"\"")) {
        inside += '"';
        at_ += 2;
      } else if (Peek() == '"') {
        ++at_;
        break;
      } else {
        inside += sql_[at_++];
      }
    }
    Add(Token::Kind::kQuotedName, inside);
  }

  // The length of "$tag$" here; 0: there is none.
  size_t DollarTag() const {
    size_t size = 1;
    if (IsStart(Peek(size))) {
      while (IsStart(Peek(size)) || IsDigit(Peek(size))) ++size;
    }
    return Peek(size) == '$' ? size + 1 : 0;
  }
  bool IsDollarQuote() const { return DollarTag() > 0; }
  void TakeDollarQuote() {
    const std::string_view tag = sql_.substr(at_, DollarTag());
    const size_t begin = at_ + tag.size();
    const size_t end = sql_.find(tag, begin);
    if (end == std::string_view::npos) {
      good_ = false;
      return;
    }
    Add(Token::Kind::kString, std::string(sql_.substr(begin, end - begin)));
    at_ = end + tag.size();
  }

  // A letter right behind a number or a parameter is an error since PostgreSQL 15.
  void TakeParameter() {
    ++at_;
    while (IsDigit(Peek())) ++at_;
    if (IsStart(Peek())) good_ = false;
    Add(Token::Kind::kSign, "$n");
  }
  void TakeNumber() {
    while (IsDigit(Peek()) || Peek() == '.') {
      if (Sees("..")) break;
      ++at_;
    }
    const size_t sign = Peek(1) == '+' || Peek(1) == '-' ? 1 : 0;
    if ((Peek() == 'e' || Peek() == 'E') && IsDigit(Peek(1 + sign))) {
      at_ += 1 + sign;
      while (IsDigit(Peek())) ++at_;
    }
    if (IsStart(Peek())) good_ = false;
    Add(Token::Kind::kSign, "0");
  }

  void TakeWord() {
    const char first = Lower(Peek());
    if ((first == 'e' || first == 'b' || first == 'x' || first == 'n') && Peek(1) == '\'') {
      ++at_;
      return TakeString(/*escapes=*/first == 'e');
    }
    if (first == 'u' && Peek(1) == '&' && (Peek(2) == '\'' || Peek(2) == '"')) {
      at_ += 2;
      return Peek() == '"' ? TakeQuotedName() : TakeString(/*escapes=*/false);
    }
    std::string word;
    while (at_ < sql_.size() && IsPart(Peek())) word += Lower(sql_[at_++]);
    Add(Token::Kind::kWord, word);
  }

  const std::string_view sql_;
  size_t at_ = 0;
  bool good_ = true;
  std::vector<Token> tokens_;
};

}  // namespace

std::optional<std::vector<Token>> Tokens(std::string_view sql) { return Lexer(sql).Run(); }

std::vector<std::vector<Token>> Statements(const std::vector<Token>& tokens) {
  std::vector<std::vector<Token>> statements(1);
  for (const Token& token : tokens) {
    if (token.kind == Token::Kind::kSign && token.text == ";") {
      statements.emplace_back();
    } else {
      statements.back().push_back(token);
    }
  }
  std::erase_if(statements, [](const auto& statement) { return statement.empty(); });
  return statements;
}

}  // namespace roost::fuzz
