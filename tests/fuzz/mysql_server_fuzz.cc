// mysql_server_fuzz [--seconds N] [--texts N] [--seed N]: compares MySQL's placeholders with what a real MariaDB
// makes of the same text.
//
// It makes up SELECTs of texts, names, comments and placeholders, in each sql_mode that decides what a quote
// is. The server has to see as many values as the backend, and to give back each text as it was meant, with
// a $1 in it or without. Exit code 1: it did not, and each such text is printed.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "roost/mysql.h"
#include "roost/platform.h"
#include "roost/query.h"
#include "tests/support/held_connection.h"
#include "tests/support/mariadb_server.h"

namespace roost::fuzz {
namespace {

using support::HeldConnection;

struct Mode {
  const char* name;
  bool backslashes;
  bool ansi_quotes;
};
constexpr Mode kModes[] = {{"", true, false},
                           {"NO_BACKSLASH_ESCAPES", false, false},
                           {"ANSI_QUOTES", true, true},
                           {"ANSI_QUOTES,NO_BACKSLASH_ESCAPES", false, true}};

// A SELECT, and what it has to give.
struct Text {
  std::string sql{};
  std::vector<std::string> columns{};
  int values = 0;
};

class Maker {
 public:
  explicit Maker(uint64_t seed) : random_(seed) {}

  Text Make(const Mode& mode) {
    Text text{.sql = "SELECT " + Blank()};
    const size_t columns = 1 + Below(4);
    for (size_t i = 0; i < columns; ++i) {
      if (i > 0) text.sql += "," + Blank();
      AddColumn(mode, text);
      text.sql += Blank();
    }
    return text;
  }

 private:
  size_t Below(size_t most) { return std::uniform_int_distribution<size_t>(0, most - 1)(random_); }
  template <size_t kCount>
  std::string OneOf(const char* const (&texts)[kCount]) {
    return texts[Below(kCount)];
  }

  // What stands in texts, names and comments.
  std::string Inside() {
    static constexpr const char* kPieces[] = {
        "$1",  "$2", "a", "'", "\"", "`",  "\\", "#",        "--",
        "-- ", "/*", "?", ";", " ",  "\n", "$",  "\xc3\xa9", "\xf0\x9f\x90\xa6",
        "/*!", "@",  "%"};
    std::string inside;
    for (size_t left = Below(6); left > 0; --left) inside += OneOf(kPieces);
    return inside;
  }
  std::string Blank() {
    switch (Below(12)) {
      case 0:
        return " # " + WithoutLines(Inside()) + "\n";
      case 1:
        return " -- " + WithoutLines(Inside()) + "\n";
      case 2:
        return " --\n";
      case 3:
        return " /* " + Commented(Inside()) + " */ ";
      case 4:
        return " /* /* $1 */ ";
      case 5:
        return " --\t$1\n";
      default:
        return " ";
    }
  }
  static std::string WithoutLines(std::string text) {
    std::erase(text, '\n');
    return text;
  }
  static std::string Commented(std::string text) {
    std::erase(text, '/');
    std::erase(text, '!');
    return text;
  }

  // As a text between such quotes.
  std::string Quoted(const std::string& text, char quote, bool backslashes) {
    std::string quoted(1, quote);
    for (const char c : text) {
      if (c == quote) {
        quoted += backslashes && Below(2) == 0 ? std::string("\\") + c : std::string(2, c);
      } else if (c == '\\' && backslashes) {
        quoted += "\\\\";
      } else {
        quoted += c;
      }
    }
    return quoted + quote;
  }

  void AddColumn(const Mode& mode, Text& text) {
    std::string inside = Inside();
    switch (Below(8)) {
      case 0:
      case 1:
        text.sql += Quoted(inside, '\'', mode.backslashes);
        text.columns.push_back(inside);
        return;
      case 2:
        if (mode.ansi_quotes) break;
        text.sql += Quoted(inside, '"', mode.backslashes);
        text.columns.push_back(inside);
        return;
      case 3:
        text.sql += "_utf8mb4" + Blank() + Quoted(inside, '\'', mode.backslashes);
        text.columns.push_back(inside);
        return;
      case 4:
        text.sql += "5" + std::string(Below(2) == 0 ? "--" : "- -") + "2";
        text.columns.emplace_back("7");
        return;
      case 5: {
        // A name has characters of three bytes at most.
        for (size_t at; (at = inside.find('\xf0')) != std::string::npos;) inside.erase(at, 4);
        const char quote = mode.ansi_quotes && Below(2) == 0 ? '"' : '`';
        text.sql += "3 AS " + Quoted("x" + inside + "x", quote, false);
        text.columns.emplace_back("3");
        return;
      }
      default:
        break;
    }
    const int number = text.values == 0 || Below(2) == 0 ? ++text.values : 1;
    text.sql += "CONCAT($" + std::to_string(number) + ", '')";
    text.columns.push_back("value " + std::to_string(number));
  }

  std::mt19937_64 random_;
};

std::string Shown(std::string_view sql) {
  std::string shown;
  for (const char c : sql) {
    char text[8];
    std::snprintf(text, sizeof text, "\\x%02x", static_cast<unsigned char>(c));
    shown += c >= 0x20 && c <= 0x7e && c != '\\' ? std::string(1, c) : std::string(text);
  }
  return shown;
}

class Comparison {
 public:
  Comparison(support::MariadbServer& server, const Mode& mode)
      : mode_(mode),
        backend_(
            {.uri = server.Uri(), .on_connect = std::string("SET sql_mode = '") + mode.name + "'"}),
        held_(backend_, NativePlatform(), Role::kAny, 8, InTime()) {
    if (!held_.ok()) support::Fail(std::string(held_.status().message()));
  }

  void Try(const Text& text) {
    ++tried_;
    held_->set_deadline(InTime());
    absl::StatusOr<Statement*> statement = held_->Prepare(Sql(text.sql));
    if (!statement.ok()) {
      // Double quotes with a backslash are refused where ANSI_QUOTES would matter: in doubt, and rightly so.
      const std::string why(statement.status().message());
      if (why.find("in double quotes") != std::string::npos) {
        ++doubted_;
      } else {
        Tell("refused", text, why);
      }
      return;
    }
    std::vector<std::string> values;
    for (int i = 1; i <= text.values; ++i) values.push_back("value " + std::to_string(i));
    if ((*statement)->parameters() != text.values) return Tell("values", text, "");
    const std::vector<Value> given(values.begin(), values.end());
    Rows rows = (*statement)->ExecuteQuery(given);
    if (!rows.Next()) return Tell("no row", text, std::string(rows.status().message()));
    for (size_t i = 0; i < text.columns.size(); ++i) {
      const auto column = static_cast<int>(i);
      const Value value = rows.Get<Value>(column);
      const std::string read = value.type() == Value::Type::kInt64
                                   ? std::to_string(value.int64())
                                   : std::string(rows.Get<std::string_view>(column));
      if (read != text.columns[i]) return Tell("another text", text, read);
    }
  }
  int findings() const { return findings_; }
  int tried() const { return tried_; }
  int doubted() const { return doubted_; }

 private:
  static Deadline InTime() {
    return Deadline::After(NativePlatform().Now(), std::chrono::seconds(20));
  }
  void Tell(const char* what, const Text& text, const std::string& why) {
    if (++findings_ > 20) return;
    std::printf("%s, sql_mode '%s': %s\n    %s\n", what, mode_.name, Shown(text.sql).c_str(),
                Shown(why).c_str());
    std::fflush(stdout);
  }

  const Mode mode_;
  MysqlBackend backend_;
  HeldConnection held_;
  int tried_ = 0;
  int doubted_ = 0;
  int findings_ = 0;
};

int Main(int count, char** words) {
  int64_t seconds = 10;
  uint64_t texts = std::numeric_limits<uint64_t>::max();
  uint64_t seed = std::random_device{}();
  for (int i = 1; i + 1 < count; i += 2) {
    if (std::strcmp(words[i], "--seconds") == 0) seconds = std::atoll(words[i + 1]);
    if (std::strcmp(words[i], "--texts") == 0) texts = std::strtoull(words[i + 1], nullptr, 10);
    if (std::strcmp(words[i], "--seed") == 0) seed = std::strtoull(words[i + 1], nullptr, 10);
  }
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  support::MariadbServer server;
  std::vector<std::unique_ptr<Comparison>> comparisons;
  for (const Mode& mode : kModes) {
    comparisons.push_back(std::make_unique<Comparison>(server, mode));
  }
  Maker maker(seed);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  for (uint64_t i = 0; i < texts && std::chrono::steady_clock::now() < end; ++i) {
    const size_t which = i % comparisons.size();
    comparisons[which]->Try(maker.Make(kModes[which]));
  }
  int tried = 0;
  int doubted = 0;
  int findings = 0;
  for (const std::unique_ptr<Comparison>& each : comparisons) {
    tried += each->tried();
    doubted += each->doubted();
    findings += each->findings();
  }
  std::printf("%d texts, %d refused in doubt; %d findings\n", tried, doubted, findings);
  return findings == 0 && doubted < tried / 2 ? 0 : 1;
}

}  // namespace
}  // namespace roost::fuzz

int main(int count, char** words) { return roost::fuzz::Main(count, words); }
