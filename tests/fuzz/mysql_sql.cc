// MySQL's placeholders beside another reading of the text: each $n of the SQL becomes a ?, none in a text, a name
// or a comment does, and nothing else changes.
#include <algorithm>
#include <optional>
#include <string>

#include "backends/mysql/sql_text.h"
#include "tests/fuzz/targets.h"

namespace roost::fuzz {
namespace {

using mysql::SqlMode;

bool IsNamePart(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x80 || byte == '_' || byte == '$' || (byte >= '0' && byte <= '9') ||
         ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z');
}

// What is at `at`: the length of a comment or of something quoted; 0: neither. Nothing: it has no end.
std::optional<size_t> SkipOpaque(std::string_view sql, size_t at, SqlMode mode) {
  const std::string_view rest = sql.substr(at);
  if (rest[0] == '#' ||
      (rest.starts_with("--") &&
       (rest.size() == 2 || static_cast<unsigned char>(rest[2]) <= ' ' || rest[2] == '\x7f'))) {
    return std::min(rest.find('\n'), rest.size());
  }
  if (rest.starts_with("/*")) {
    const size_t end = rest.find("*/", 2);
    if (end == std::string_view::npos) return std::nullopt;
    return end + 2;
  }
  if (rest[0] != '\'' && rest[0] != '"' && rest[0] != '`') return 0;
  const bool is_name = rest[0] == '`' || (rest[0] == '"' && mode.ansi_quotes);
  for (size_t i = 1; i < rest.size(); ++i) {
    if (rest[i] == '\\' && mode.backslash_escapes && !is_name) {
      ++i;
    } else if (rest[i] == rest[0]) {
      if (i + 1 >= rest.size() || rest[i + 1] != rest[0]) return i + 1;
      ++i;
    }
  }
  return std::nullopt;
}

// The text with its placeholders written as ?; nothing where a quote or a comment is open.
std::optional<std::string> Written(std::string_view sql, SqlMode mode) {
  std::string written;
  for (size_t at = 0; at < sql.size();) {
    const std::optional<size_t> opaque = SkipOpaque(sql, at, mode);
    if (!opaque.has_value()) return std::nullopt;
    if (*opaque > 0) {
      written += sql.substr(at, *opaque);
      at += *opaque;
      continue;
    }
    if (!IsNamePart(sql[at])) {
      written += sql[at++];
      continue;
    }
    size_t end = at;
    while (end < sql.size() && IsNamePart(sql[end])) ++end;
    const std::string_view name = sql.substr(at, end - at);
    const bool digits =
        name.size() >= 2 && name.size() <= 4 && name[0] == '$' && name[1] != '0' &&
        std::all_of(name.begin() + 1, name.end(), [](char c) { return c >= '0' && c <= '9'; });
    const bool of_name = at > 0 && (sql[at - 1] == '.' || sql[at - 1] == '@');
    written += digits && !of_name ? "?" : name;
    at = end;
  }
  return written;
}

}  // namespace

std::string CheckMysqlSql(std::string_view bytes) {
  if (bytes.empty()) return "";
  const SqlMode mode{.backslash_escapes = (bytes[0] & 1) == 0, .ansi_quotes = (bytes[0] & 2) != 0};
  const std::string_view sql = bytes.substr(1, bytes.find('\0', 1) - 1);
  const mysql::SqlTraits traits = mysql::ReadTraits(sql, mode);
  if (traits.empty && traits.inserts) return "nothing that inserts";
  if (traits.reads && traits.inserts) return "an insert that only reads";
  const std::string script = mysql::WithoutEmptyStatements(sql, mode);
  if (script.size() > sql.size()) return "a script that has grown";
  const absl::StatusOr<mysql::Translation> translation = mysql::Translate(sql, mode);
  if (!translation.ok()) return "";
  if (sql.find('@') != std::string_view::npos) return "";  // @a.$1 is one name, and @'a' quoted
  const std::optional<std::string> written = Written(sql, mode);
  if (!written.has_value()) return "";  // the server refuses it
  if (translation->text != *written) return "another translation";
  const auto count = std::count(written->begin(), written->end(), '?');
  if (translation->places.size() > static_cast<size_t>(count)) return "a value without a place";
  return "";
}

}  // namespace roost::fuzz
