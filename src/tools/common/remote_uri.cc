#include "tools/common/remote_uri.h"

#include <errno.h>
#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstring>
#include <fstream>

namespace roost::tools {
namespace {

constexpr std::string_view kSchemes[] = {"postgresql://", "postgres://"};

// What follows the scheme; empty data() when `uri` has none of PostgreSQL's.
std::string_view AfterScheme(std::string_view uri) {
  for (const std::string_view scheme : kSchemes) {
    if (uri.starts_with(scheme)) return uri.substr(scheme.size());
  }
  return {};
}

bool IsUri(std::string_view uri) { return AfterScheme(uri).data() != nullptr; }

bool IsSecret(std::string_view key) { return key == "password" || key == "sslpassword"; }

// "%70assword" as "password".
std::string Decode(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned byte = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::sscanf(std::string(text.substr(i + 1, 2)).c_str(), "%2x", &byte) == 1) {
      plain += static_cast<char>(byte);
      i += 2;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

// user:password@, or ?password=. Wider than libpq reads it: a password with a slash that should have
// been written as %2F is one, too.
bool UriHasPassword(std::string_view rest) {
  const size_t at = rest.find('@');
  if (at != std::string_view::npos && (at < rest.find('/') || at < rest.find('?'))) {
    const size_t colon = rest.substr(0, at).find(':');
    if (colon != std::string_view::npos && colon + 1 < at) return true;
    rest.remove_prefix(at + 1);
  }
  size_t begin = rest.find('?');
  while (begin != std::string_view::npos) {
    const std::string_view parameter =
        rest.substr(begin + 1, rest.find('&', begin + 1) - begin - 1);
    const size_t equals = std::min(parameter.find('='), parameter.size());
    if (IsSecret(Decode(parameter.substr(0, equals))) && equals + 1 < parameter.size()) return true;
    begin = rest.find('&', begin + 1);
  }
  return false;
}

// Skips a value: quoted, where a backslash protects one character, or up to a blank.
size_t EndOfValue(std::string_view text, size_t at) {
  const bool quoted = at < text.size() && text[at] == '\'';
  for (size_t i = quoted ? at + 1 : at; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (quoted ? text[i] == '\'' : std::isspace(static_cast<unsigned char>(text[i])) != 0) {
      return quoted ? i + 1 : i;
    }
  }
  return text.size();
}

// "host=... password='...'"
bool KeywordsHavePassword(std::string_view text) {
  constexpr std::string_view kSpace = " \t\n\r\f\v";
  while (true) {
    const size_t begin = text.find_first_not_of(kSpace);
    const size_t equals = text.find('=');
    if (begin == std::string_view::npos || equals == std::string_view::npos) return false;
    std::string_view key = text.substr(begin, equals - begin);
    key = key.substr(0, key.find_last_not_of(kSpace) + 1);
    const size_t value = std::min(text.find_first_not_of(kSpace, equals + 1), text.size());
    const size_t end = EndOfValue(text, value);
    if (IsSecret(key) && end > value) return true;
    text.remove_prefix(end);
  }
}

}  // namespace

absl::Status CheckRemoteUri(std::string_view uri) {
  if (IsUri(uri)) return absl::OkStatus();
  const size_t scheme = uri.find("://");
  const size_t equals = uri.find('=');
  if (equals != std::string_view::npos && (scheme == std::string_view::npos || equals < scheme)) {
    return absl::OkStatus();
  }
  // The text itself may hold a password and is not shown.
  return absl::InvalidArgumentError(
      "is not the address of a PostgreSQL database; write postgresql://USER@HOST/DATABASE");
}

bool HasPassword(std::string_view uri) {
  return IsUri(uri) ? UriHasPassword(AfterScheme(uri)) : KeywordsHavePassword(uri);
}

std::string WithPassword(const std::string& uri, std::string_view password) {
  if (!IsUri(uri)) {
    std::string with = uri + " password='";
    for (const char c : password) {
      if (c == '\'' || c == '\\') with += '\\';
      with += c;
    }
    return with + "'";
  }
  std::string with = uri + (uri.find('?') == std::string::npos ? "?password=" : "&password=");
  for (const char c : password) {
    char escaped[4];
    std::snprintf(escaped, sizeof escaped, "%%%02X", static_cast<unsigned char>(c));
    with += escaped;
  }
  return with;
}

absl::StatusOr<std::string> ReadPassword(const std::string& path) {
  struct stat seen {};
  if (stat(path.c_str(), &seen) != 0) {
    return absl::InvalidArgumentError("cannot read " + path + ": " + std::strerror(errno));
  }
  if ((seen.st_mode & S_IROTH) != 0) {
    return absl::InvalidArgumentError(path + " can be read by every user; run: chmod o= " + path);
  }
  errno = 0;
  std::ifstream file(path);
  if (!file) return absl::InvalidArgumentError("cannot read " + path + ": " + std::strerror(errno));
  std::string password;
  std::getline(file, password);
  if (!password.empty() && password.back() == '\r') password.pop_back();
  if (password.empty()) {
    return absl::InvalidArgumentError(path + " is empty; its first line has to be the password");
  }
  return password;
}

}  // namespace roost::tools
