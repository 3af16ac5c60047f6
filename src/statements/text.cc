#include "statements/text.h"

#include "base/utf8.h"

namespace roost::internal {
namespace {

bool IsBlank(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

}  // namespace

std::string Quoted(std::string_view sql) {
  while (!sql.empty() && IsBlank(sql.front())) sql.remove_prefix(1);
  while (!sql.empty() && IsBlank(sql.back())) sql.remove_suffix(1);
  const std::string_view shown = CutUtf8(sql, kShownSql);
  std::string text = "\"";
  text.append(PlainText(shown));
  text.append(shown.size() < sql.size() ? "...\"" : "\"");
  return text;
}

std::string QuotedName(std::string_view name) {
  const std::string_view shown = CutUtf8(name, kShownName);
  return Concat({"\"", PlainText(shown), shown.size() < name.size() ? "...\"" : "\""});
}

}  // namespace roost::internal
