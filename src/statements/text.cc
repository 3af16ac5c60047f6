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
  for (const char c : shown) text.push_back(IsBlank(c) ? ' ' : c);
  text.append(shown.size() < sql.size() ? "...\"" : "\"");
  return text;
}

}  // namespace roost::internal
