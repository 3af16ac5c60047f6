#include <algorithm>
#include <array>
#include <cctype>

#include "tools/roostctl/doctor/facts.h"

namespace roost::tools::doctor {
namespace {

constexpr std::string_view kHidden = "***";

// Behind one of these, and "=" or ":", stands a secret up to a blank, a quote, "&" or ";".
constexpr std::array<std::string_view, 6> kSecrets{"password", "passwd", "pgpassword",
                                                   "secret",   "token",  "mysql_pwd"};

bool IsEnd(char c) {
  return std::isspace(static_cast<unsigned char>(c)) != 0 || c == '&' || c == ';' || c == ',' ||
         c == ')' || c == '}';
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

// In "scheme://user:secret@host": what stands between the colon and the last "@" before a blank.
void HideInAddresses(std::string& text) {
  for (size_t at = text.find("://"); at != std::string::npos; at = text.find("://", at + 3)) {
    const size_t from = at + 3;
    size_t end = from;
    while (end < text.size() && std::isspace(static_cast<unsigned char>(text[end])) == 0) ++end;
    const size_t slash = std::min(text.find('?', from), end);
    const size_t host = text.rfind('@', slash);
    if (host == std::string::npos || host < from) continue;
    const size_t colon = text.find(':', from);
    if (colon == std::string::npos || colon > host) continue;
    text.replace(colon + 1, host - colon - 1, kHidden);
  }
}

// The end of the value that begins at `from`: of a quoted one its second quote.
size_t EndOfValue(const std::string& text, size_t& from) {
  while (from < text.size() && text[from] == ' ') ++from;
  if (from < text.size() && text[from] == '\\') ++from;
  if (from < text.size() && (text[from] == '"' || text[from] == '\'')) {
    const char quote = text[from++];
    return std::min(text.find(quote, from), text.size());
  }
  size_t end = from;
  while (end < text.size() && !IsEnd(text[end]) && text[end] != '"' && text[end] != '\'') ++end;
  return end;
}

void HideBehind(std::string& text, std::string_view key) {
  std::string lower = Lower(text);
  for (size_t at = lower.find(key); at != std::string::npos; at = lower.find(key, at + 1)) {
    size_t from = at + key.size();
    // "password": "..." in JSON, password = ... in a configuration
    while (from < text.size() && (text[from] == '"' || text[from] == ' ' || text[from] == '\\'))
      ++from;
    if (from >= text.size() || (text[from] != '=' && text[from] != ':')) continue;
    ++from;
    const size_t end = EndOfValue(text, from);
    if (end <= from) continue;
    text.replace(from, end - from, kHidden);
    lower = Lower(text);
  }
}

}  // namespace

std::string Redact(std::string_view text) {
  std::string hidden(text);
  HideInAddresses(hidden);
  for (const std::string_view key : kSecrets) HideBehind(hidden, key);
  return hidden;
}

}  // namespace roost::tools::doctor
