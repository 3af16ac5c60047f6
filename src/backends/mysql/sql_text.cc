#include "backends/mysql/sql_text.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <utility>

#include "backends/mysql/sql_lexer.h"
#include "statements/text.h"

namespace roost::mysql {
namespace {

using internal::Concat;
using internal::Digits;
using internal::Quoted;
using Kind = Token::Kind;

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool Is(std::string_view text, std::string_view lower) {
  return std::equal(text.begin(), text.end(), lower.begin(), lower.end(),
                    [](char a, char b) { return Lower(a) == b; });
}
bool IsWord(const Token& token, std::string_view lower) {
  return token.kind == Kind::kWord && Is(token.text, lower);
}
template <size_t kCount>
bool IsOneOf(const Token& token, const std::string_view (&texts)[kCount]) {
  return std::any_of(texts, texts + kCount,
                     [&](std::string_view each) { return IsWord(token, each); });
}
bool IsSign(const Token& token, char sign) {
  return token.kind == Kind::kSign && token.text.front() == sign;
}
// autocommit, `autocommit`, @@session.AUTOCOMMIT.
bool NamesAutocommit(const Token& token) {
  constexpr std::string_view kName = "autocommit";
  const std::string_view text = token.text;
  return token.kind != Kind::kString &&
         std::search(text.begin(), text.end(), kName.begin(), kName.end(),
                     [](char a, char b) { return Lower(a) == b; }) != text.end();
}

constexpr std::string_view kReading[] = {"select", "values", "table",   "show",
                                         "with",   "desc",   "explain", "describe"};
constexpr std::string_view kWriting[] = {"insert", "update", "delete", "replace",
                                         "into",   "call",   "do"};
// Statements that leave something in the session, or may do so.
constexpr std::string_view kLeaving[] = {"set",        "use",     "prepare", "execute",
                                         "deallocate", "handler", "call",    "do",
                                         "lock",       "unlock",  "flush",   "xa"};
// Statements that begin or end a transaction. DDL commits what is open before it and itself.
// Of a procedure only its end tells whether it has committed. What EXECUTE runs, nobody sees here.
constexpr std::string_view kBounding[] = {
    "begin",    "start",    "commit", "end",     "alter",     "create", "drop",
    "rename",   "truncate", "grant",  "revoke",  "lock",      "unlock", "analyze",
    "optimize", "repair",   "check",  "install", "uninstall", "flush",  "reset",
    "xa",       "cache",    "change", "stop",    "backup",    "import", "execute"};
// Functions that leave a lock by name, or a number, in the session.
constexpr std::string_view kLeavingFunctions[] = {"get_lock", "release_lock", "release_all_locks",
                                                  "last_insert_id", "setval"};

// An INSERT with one of these takes or gives as many rows as it likes.
constexpr std::string_view kOfSeveralRows[] = {"select", "table", "with", "returning"};

// Looks at one token after the other.
class Observer {
 public:
  void Take(const Token& token) {
    if (IsSign(token, ';')) {
      EndStatement();
    } else if (!begun_) {
      Begin(token);
    } else {
      Go(token);
    }
  }
  SqlTraits End(bool sound) {
    EndStatement();
    if (!sound) return {.reads = false, .taints = true, .bounds_transaction = true, .empty = false};
    traits_.inserts = inserts_ && statements_ == 1;
    return traits_;
  }

 private:
  void Begin(const Token& token) {
    if (IsSign(token, '(')) return;
    begun_ = true;
    traits_.empty = false;
    ++statements_;
    if (IsWord(token, "insert") || IsWord(token, "replace")) inserts_ = true;
    if (!IsOneOf(token, kReading)) traits_.reads = false;
    if (IsOneOf(token, kLeaving)) traits_.taints = true;
    bounds_ = IsOneOf(token, kBounding);
    rolls_back_ = IsWord(token, "rollback");
    creates_ = IsWord(token, "create") || IsWord(token, "drop");
    sets_ = IsWord(token, "set");
    words_ = 0;
    if (rolls_back_) bounds_ = true;
    Go(token);
  }
  void Go(const Token& token) {
    ++words_;
    if (rolls_back_ && IsWord(token, "to")) bounds_ = false;
    if (IsOneOf(token, kWriting)) traits_.reads = false;
    if (IsOneOf(token, kOfSeveralRows) || IsAnotherList(token)) inserts_ = false;
    // A temporary table commits nothing, and stays in the session: CREATE OR REPLACE TEMPORARY, DROP
    // TEMPORARY. Further on it is the name of a column.
    if (creates_ && words_ > 1 && IsWord(token, "temporary")) {
      bounds_ = false;
      traits_.taints = true;
    }
    if (creates_ && words_ > 1 && !IsWord(token, "or") && !IsWord(token, "replace")) {
      creates_ = false;
    }
    if (sets_) GoInSet(token);
    // A value may have a FOR in it, so that every one counts.
    if (sets_for_one_ && IsWord(token, "for")) EndPart();
    const bool of_user = token.kind == Kind::kVariable && !token.text.starts_with("@@");
    if (of_user || IsOneOf(token, kLeavingFunctions)) traits_.taints = true;
  }
  // "), (": behind a list of values another one.
  bool IsAnotherList(const Token& token) {
    const char sign = token.kind == Kind::kSign ? token.text.front() : 'a';
    const bool another = sign == '(' && last_ == ',' && before_ == ')';
    before_ = std::exchange(last_, sign);
    return another;
  }
  // SET autocommit = 1 commits, SET PASSWORD and SET DEFAULT ROLE, too. SET STATEMENT ... FOR runs what
  // stands behind it.
  void GoInSet(const Token& token) {
    const bool second = words_ == 2;
    if (second && IsWord(token, "statement")) sets_for_one_ = true;
    if (NamesAutocommit(token) || IsWord(token, "password") ||
        (second && IsWord(token, "default"))) {
      bounds_ = true;
    }
  }
  void EndStatement() {
    EndPart();
    bounds_ = rolls_back_ = creates_ = sets_ = sets_for_one_ = false;
  }
  // The next token begins a statement.
  void EndPart() {
    traits_.bounds_transaction = traits_.bounds_transaction || bounds_;
    begun_ = false;
  }

  SqlTraits traits_{.reads = true, .empty = true};
  int statements_ = 0;
  char last_ = 'a';  // the sign in front, and the one in front of that; a: no sign
  char before_ = 'a';
  bool inserts_ = false;       // it is INSERT or REPLACE of one row
  bool begun_ = false;         // the first token of the statement was seen
  bool bounds_ = false;        // it begins or ends a transaction
  bool rolls_back_ = false;    // it is ROLLBACK
  bool creates_ = false;       // it is CREATE or DROP, so far
  bool sets_ = false;          // it is SET
  bool sets_for_one_ = false;  // it is SET STATEMENT
  int words_ = 0;              // its tokens so far
};

absl::Status Refused(std::string_view sql, std::string_view what) {
  return absl::InvalidArgumentError(
      Concat({Quoted(sql), ": ", what, "; placeholders are $1, $2, ..., $",
              Digits(static_cast<int64_t>(kMostPlaceholders))}));
}

absl::Status CheckNumbers(std::string_view sql, const Translation& translation) {
  for (int i = 0; i < translation.parameters; ++i) {
    if (std::find(translation.places.begin(), translation.places.end(), i) !=
        translation.places.end()) {
      continue;
    }
    return Refused(sql, Concat({"$", Digits(i + 1), " is left out"}));
  }
  return absl::OkStatus();
}

absl::StatusOr<Translation> TranslateAs(std::string_view sql, SqlLexer& lexer) {
  Translation translation;
  size_t copied = 0;
  for (Token token = lexer.Next(); token.kind != Kind::kEnd; token = lexer.Next()) {
    if (IsSign(token, '?')) return Refused(sql, "a ? stands in it");
    if (token.kind != Kind::kPlaceholder) continue;
    int number = 0;
    std::from_chars(token.text.data() + 1, token.text.data() + token.text.size(), number);
    if (number > static_cast<int>(kMostPlaceholders) ||
        translation.places.size() >= kMostPlaceholders) {
      return Refused(sql, "it has too many placeholders");
    }
    translation.places.push_back(static_cast<uint8_t>(number - 1));
    translation.parameters = std::max(translation.parameters, number);
    translation.text.append(sql.substr(copied, token.begin - copied)).push_back('?');
    copied = token.end;
  }
  if (lexer.saw_executed_comment()) {
    return absl::InvalidArgumentError(
        Concat({Quoted(sql),
                " has a comment that a server executes (/*!): leave it out, or run it "
                "by RunScript"}));
  }
  translation.text.append(sql.substr(copied));
  absl::Status status = CheckNumbers(sql, translation);
  if (!status.ok()) return status;
  return translation;
}

}  // namespace

SqlTraits ReadTraits(std::string_view sql, SqlMode mode) {
  SqlLexer lexer(sql, mode);
  Observer observer;
  for (Token token = lexer.Next(); token.kind != Kind::kEnd; token = lexer.Next()) {
    observer.Take(token);
  }
  return observer.End(lexer.is_sound() && !lexer.saw_executed_comment() && !lexer.saw_odd_quotes());
}

absl::StatusOr<Translation> Translate(std::string_view sql, SqlMode mode) {
  SqlLexer lexer(sql, mode);
  absl::StatusOr<Translation> translation = TranslateAs(sql, lexer);
  if (!translation.ok() || !lexer.saw_odd_quotes() || mode.ansi_quotes) return translation;
  // What on_connect may have made of double quotes, nobody says here.
  mode.ansi_quotes = true;
  SqlLexer otherwise(sql, mode);
  const absl::StatusOr<Translation> other = TranslateAs(sql, otherwise);
  if (other.ok() && other->text == translation->text) return translation;
  return Refused(sql, "a backslash in double quotes makes it unclear; use apostrophes");
}

ScriptPlace PlaceIn(std::string_view script, size_t results, SqlMode mode) {
  constexpr std::string_view kSeveral[] = {"call", "execute", "if",  "case",
                                           "loop", "while",   "for", "repeat"};
  constexpr std::string_view kWithBody[] = {"procedure", "function", "trigger", "event", "package"};
  SqlLexer lexer(script, mode);
  ScriptPlace place;
  size_t ended = 0;
  bool begun = false;
  bool creates = false;
  bool begins = false;   // the token before was the BEGIN of a statement, or of a transaction
  bool unclear = false;  // what stands behind this statement
  for (Token token = lexer.Next(); token.kind != Kind::kEnd; token = lexer.Next()) {
    if (IsSign(token, ';')) {
      if (!begun) continue;
      place.statement = script.substr(place.at, token.begin - place.at);
      place.exact = ended++ == results;
      if (ended > results || unclear) return place;
      begun = begins = false;
      continue;
    }
    unclear = unclear || (begins && !IsWord(token, "work"));
    begins = false;
    if (!begun) {
      begun = true;
      place.at = token.begin;
      place.statement = script.substr(place.at);
      creates = IsWord(token, "create");
      begins = IsWord(token, "begin");
      unclear = IsOneOf(token, kSeveral);
    }
    unclear = unclear || (creates && IsOneOf(token, kWithBody));
  }
  place.exact = begun && ended == results;
  return place;
}

std::string WithoutEmptyStatements(std::string_view script, SqlMode mode) {
  SqlLexer lexer(script, mode);
  std::string cleaned;
  size_t copied = 0;
  bool empty = true;  // the statement so far
  size_t last = 0;    // the end of the last token that counts
  for (Token token = lexer.Next(); token.kind != Kind::kEnd; token = lexer.Next()) {
    if (!IsSign(token, ';')) {
      empty = false;
      last = token.end;
      continue;
    }
    if (empty) {
      cleaned.append(script.substr(copied, token.begin - copied));
    } else {
      cleaned.append(script.substr(copied, token.end - copied));
    }
    copied = token.end;
    empty = true;
  }
  // Comments may be executed, and an open quote is the server's to refuse.
  if (!lexer.is_sound() || lexer.saw_executed_comment()) return std::string(script);
  if (!empty) cleaned.append(script.substr(copied, last - copied));
  while (!cleaned.empty() && (cleaned.back() == ';' || cleaned.back() == ' ' ||
                              cleaned.back() == '\n' || cleaned.back() == '\t')) {
    cleaned.pop_back();
  }
  return cleaned;
}

}  // namespace roost::mysql
