#include "statements/text.h"

namespace roost::internal {
namespace {

bool IsBlank(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

// The longest prefix of at most `size` bytes that does not end inside a UTF-8 character.
std::string_view CutText(std::string_view text, size_t size) {
  if (text.size() <= size) return text;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) --size;
  return text.substr(0, size);
}

}  // namespace

std::string Concat(std::initializer_list<std::string_view> pieces) {
  size_t size = 0;
  for (const std::string_view piece : pieces) size += piece.size();
  std::string text;
  text.reserve(size);
  for (const std::string_view piece : pieces) text.append(piece);
  return text;
}

std::string Digits(int64_t number) { return std::to_string(number); }

std::string Quoted(std::string_view sql) {
  while (!sql.empty() && IsBlank(sql.front())) sql.remove_prefix(1);
  while (!sql.empty() && IsBlank(sql.back())) sql.remove_suffix(1);
  const std::string_view shown = CutText(sql, kShownSql);
  std::string text = "\"";
  for (const char c : shown) text.push_back(IsBlank(c) ? ' ' : c);
  text.append(shown.size() < sql.size() ? "...\"" : "\"");
  return text;
}

}  // namespace roost::internal
