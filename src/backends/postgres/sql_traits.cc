#include "backends/postgres/sql_traits.h"

#include <algorithm>
#include <cstddef>

#include "backends/postgres/sql_lexer.h"

namespace roost::postgres {
namespace {

using Kind = Token::Kind;

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// Compares a text in any case with one in lower case.
bool Is(std::string_view text, std::string_view lower) {
  return std::equal(text.begin(), text.end(), lower.begin(), lower.end(),
                    [](char a, char b) { return Lower(a) == b; });
}
bool StartsWith(std::string_view text, std::string_view lower) {
  return text.size() >= lower.size() && Is(text.substr(0, lower.size()), lower);
}
bool Contains(std::string_view text, std::string_view lower) {
  for (size_t i = 0; i + lower.size() <= text.size(); ++i) {
    if (StartsWith(text.substr(i), lower)) return true;
  }
  return false;
}
template <size_t kCount>
bool IsOneOf(const Token& token, const std::string_view (&texts)[kCount]) {
  return token.kind == Kind::kWord &&
         std::any_of(texts, texts + kCount,
                     [&](std::string_view each) { return Is(token.text, each); });
}
bool IsWord(const Token& token, std::string_view lower) {
  return token.kind == Kind::kWord && Is(token.text, lower);
}
bool IsSign(const Token& token, char sign) {
  return token.kind == Kind::kSign && token.text.size() == 1 && token.text.front() == sign;
}
// A name, with quotes or without.
bool Names(const Token& token) { return token.kind == Kind::kWord || token.kind == Kind::kName; }

constexpr std::string_view kReading[] = {"select", "values", "table", "show", "with", "fetch"};
// "into" makes a table of a SELECT; "update" also stands in FOR UPDATE, where it does no harm here.
constexpr std::string_view kWriting[] = {"insert", "update", "delete",  "merge", "into",
                                         "call",   "do",     "analyze", "copy"};
// Statements that leave something in the session, may do so (DO, CALL), or run what was prepared.
constexpr std::string_view kLeaving[] = {"reset",   "discard", "load", "listen", "prepare",
                                         "execute", "declare", "do",   "call"};
constexpr std::string_view kBounding[] = {"begin", "start", "commit", "end", "rollback", "abort"};
constexpr std::string_view kLocal[] = {"local", "constraints", "transaction"};
constexpr std::string_view kChanging[] = {"insert", "update", "merge"};

// TEMP after CREATE, OR REPLACE, LOCAL, GLOBAL, or the INTO of a SELECT, and not the column or
// table of a node that measures a temperature.
bool IsTemporary(const Token& token, const Token& before, const Token& before_that) {
  if (!IsWord(token, "temp") && !IsWord(token, "temporary")) return false;
  constexpr std::string_view kBefore[] = {"create", "replace", "local", "global"};
  if (IsOneOf(before, kBefore)) return true;
  // CREATE OR TEMP is an error, but not one that this has to know.
  if (IsWord(before, "or")) return IsWord(before_that, "create");
  return IsWord(before, "into") && !IsWord(before_that, "insert") && !IsWord(before_that, "merge");
}

bool IsTemporarySchema(std::string_view name) {
  return Is(name, "pg_temp") || StartsWith(name, "pg_temp_");
}

// Functions of the server that change the session, or run a text as SQL.
bool IsSessionFunction(std::string_view name) {
  constexpr std::string_view kFunctions[] = {"set_config", "ts_stat", "ts_rewrite",
                                             "pg_replication_origin_session_setup",
                                             "pg_replication_origin_session_reset"};
  const auto is_name = [name](std::string_view each) { return Is(name, each); };
  if (std::any_of(std::begin(kFunctions), std::end(kFunctions), is_name)) return true;
  if (StartsWith(name, "query_to_xml") || StartsWith(name, "cursor_to_xml")) return true;
  return StartsWith(name, "pg_") && Contains(name, "advisory_lock") && !Contains(name, "xact");
}

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
    before_that_ = before_;
    before_ = token;
  }
  SqlTraits End(bool sound) {
    EndStatement();
    // The server refuses a whole text that it cannot take apart, but does it see what is seen here?
    if (!sound)
      traits_ = {.reads = false, .taints = true, .bounds_transaction = true, .empty = false};
    return traits_;
  }

 private:
  void Begin(const Token& token) {
    if (IsSign(token, '(')) return;
    begun_ = true;
    traits_.empty = false;
    if (!IsOneOf(token, kReading)) traits_.reads = false;
    sets_ = IsWord(token, "set");
    if (!sets_ && IsOneOf(token, kLeaving)) traits_.taints = true;
    LookAtBounds(token);
    Go(token);
  }
  // END closes the body of a function that began with BEGIN ATOMIC.
  void LookAtBounds(const Token& token) {
    bounds_ = IsOneOf(token, kBounding) && !(in_body_ && IsWord(token, "end"));
    if (IsWord(token, "end")) in_body_ = false;
    rolls_back_ = IsWord(token, "rollback");
  }
  // ROLLBACK [WORK | TRANSACTION] TO a savepoint, and PREPARE TRANSACTION.
  void LookBehindFirst(const Token& token) {
    if (rolls_back_ && IsWord(token, "to")) bounds_ = false;
    if (IsWord(before_, "prepare") && IsWord(token, "transaction")) bounds_ = true;
    if (IsWord(before_, "begin") && IsWord(token, "atomic")) in_body_ = true;
  }
  void Go(const Token& token) {
    LookBehindFirst(token);
    if (IsOneOf(token, kWriting)) traits_.reads = false;
    changes_ = changes_ || IsOneOf(token, kChanging);
    if (sets_) LookAtSet(token);
    if (token.kind == Kind::kName && token.spelled_oddly) traits_.taints = true;
    if (IsTemporary(token, before_, before_that_)) traits_.taints = true;
    if (IsSign(token, '.') && Names(before_) && IsTemporarySchema(before_.text)) {
      traits_.taints = true;
    }
    if (!Names(token)) return;
    if (IsSessionFunction(token.text)) traits_.taints = true;
    names_settings_ = names_settings_ || Is(token.text, "pg_settings");
  }
  // SET LOCAL a.b, and not SET local.b. With pg_temp in the search path, what is created is
  // temporary.
  void LookAtSet(const Token& token) {
    if (IsWord(before_, "set") && !IsOneOf(token, kLocal)) traits_.taints = true;
    if (IsWord(before_that_, "set") && IsSign(token, '.')) traits_.taints = true;
    const bool odd = token.kind == Kind::kString && token.spelled_oddly;
    if (odd || (token.kind != Kind::kSign && Contains(token.text, "pg_temp"))) {
      traits_.taints = true;
    }
  }
  void EndStatement() {
    if (IsWord(before_, "set") && sets_) traits_.taints = true;
    // The view has a rule that makes a SET of it.
    if (names_settings_ && changes_) traits_.taints = true;
    traits_.bounds_transaction = traits_.bounds_transaction || bounds_;
    begun_ = sets_ = bounds_ = rolls_back_ = changes_ = names_settings_ = false;
  }

  SqlTraits traits_{.reads = true, .empty = true};
  Token before_;
  Token before_that_;
  bool begun_ = false;           // the first token of the statement was seen
  bool sets_ = false;            // it is SET
  bool changes_ = false;         // it changes rows somewhere
  bool bounds_ = false;          // it begins or ends a transaction
  bool rolls_back_ = false;      // it is ROLLBACK
  bool in_body_ = false;         // between BEGIN ATOMIC and END
  bool names_settings_ = false;  // it names pg_settings
};

// Tells where a statement ends: not at a semicolon between parentheses (CREATE RULE), nor at one between
// BEGIN ATOMIC and its END.
class EndFinder {
 public:
  // True: `token` ends the statement.
  bool Take(const Token& token) {
    const bool ends = IsSign(token, ';') && parentheses_ <= 0 && bodies_ == 0;
    if (IsSign(token, '(')) ++parentheses_;
    if (IsSign(token, ')')) --parentheses_;
    if (IsWord(before_, "begin") && IsWord(token, "atomic")) bodies_ = 1;
    if (bodies_ > 0 && IsWord(token, "case")) ++bodies_;
    if (bodies_ > 0 && IsWord(token, "end")) --bodies_;
    if (ends) parentheses_ = 0;
    before_ = token;
    return ends;
  }

 private:
  Token before_;
  int parentheses_ = 0;
  int bodies_ = 0;  // that have begun, a CASE in one, too
};

// The byte of the character with this number, from 1.
size_t ByteOf(std::string_view text, size_t position) {
  size_t byte = 0;
  for (; byte < text.size(); ++byte) {
    const bool begins = (static_cast<unsigned char>(text[byte]) & 0xC0) != 0x80;
    if (begins && --position == 0) break;
  }
  return byte;
}

SqlTraits ReadAs(SqlLexer& lexer) {
  Observer observer;
  for (Token token = lexer.Next(); token.kind != Kind::kEnd; token = lexer.Next()) {
    observer.Take(token);
  }
  return observer.End(lexer.is_sound());
}

}  // namespace

SqlTraits ReadTraits(std::string_view sql) {
  SqlLexer lexer(sql, /*backslash_escapes=*/false);
  SqlTraits traits = ReadAs(lexer);
  if (!lexer.saw_backslash()) return traits;
  // What a server with standard_conforming_strings = off takes for an open quote, it refuses.
  SqlLexer escaping(sql, /*backslash_escapes=*/true);
  const SqlTraits otherwise = ReadAs(escaping);
  if (!escaping.is_sound()) return traits;
  traits.reads = traits.reads && otherwise.reads;
  traits.taints = traits.taints || otherwise.taints;
  traits.bounds_transaction = traits.bounds_transaction || otherwise.bounds_transaction;
  return traits;
}

ScriptPlace PlaceIn(std::string_view script, size_t done, size_t position) {
  const size_t named = position == 0 ? script.size() : ByteOf(script, position);
  SqlLexer lexer(script, /*backslash_escapes=*/false);
  EndFinder ends;
  ScriptPlace place;
  size_t begin = 0;
  size_t ended = 0;
  bool begun = false;
  for (Token token = lexer.Next(); token.kind != Kind::kEnd; token = lexer.Next()) {
    const auto here = static_cast<size_t>(token.text.data() - script.data());
    const bool is_end = ends.Take(token);
    if (is_end && !begun) continue;
    if (is_end) {
      begun = false;
      ++ended;
      place.statement = script.substr(begin, here - begin);
      if (position == 0 ? ended > done : here >= named) break;
      continue;
    }
    if (begun) continue;
    begun = true;
    begin = place.at = here;
    place.statement = script.substr(here);
  }
  if (position != 0) place.at = named;
  return place;
}

}  // namespace roost::postgres
