#include "backends/postgres/conninfo.h"

#include <algorithm>
#include <utility>

#include "backends/common/password.h"
#include "base/utf8.h"
#include "statements/text.h"

namespace roost::postgres {
namespace {

using internal::Concat;

constexpr std::string_view kSchemes[] = {"postgresql://", "postgres://"};

constexpr std::string_view kBareAt =
    "an @ stands behind the user and the password; a user or a password with @, / or : in it has "
    "to be written with %40, %2F, %3A";
constexpr std::string_view kEmptyValue =
    "a value is missing: the next KEY=VALUE is taken for it; write KEY='' or leave KEY out";

// What may stand behind a value that is missing.
constexpr std::string_view kKeys[] = {
    "host",    "hostaddr", "port",    "dbname",           "user",       "password",
    "service", "passfile", "sslmode", "sslpassword",      "options",    "connect_timeout",
    "sslkey",  "sslcert",  "pooler",  "application_name", "sslrootcert"};

bool BeginsWithKey(std::string_view value) {
  const size_t sign = value.find('=');
  return sign != std::string_view::npos &&
         std::find(std::begin(kKeys), std::end(kKeys), value.substr(0, sign)) != std::end(kKeys);
}

bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// A wrong escape stays as it is: libpq will refuse the whole.
std::string Unescaped(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool escape = text[i] == '%' && i + 2 < text.size() && HexDigit(text[i + 1]) >= 0 &&
                        HexDigit(text[i + 2]) >= 0;
    if (!escape) {
      plain.push_back(text[i]);
      continue;
    }
    plain.push_back(static_cast<char>(HexDigit(text[i + 1]) * 16 + HexDigit(text[i + 2])));
    i += 2;
  }
  return plain;
}

// Reads "key = value" pairs from left to right.
class PairScanner {
 public:
  explicit PairScanner(std::string_view text) : text_(text) {}

  Conninfo Scan() {
    Conninfo found;
    SkipSpace();
    while (at_ < text_.size() && found.readable) {
      ConninfoOption option;
      option.begin = at_;
      found.readable = TakeKey(option.key) && TakeValue(option.value);
      if (missing_) found.mistake = kEmptyValue;
      option.end = at_;
      if (found.readable) found.options.push_back(std::move(option));
      SkipSpace();
    }
    return found;
  }

 private:
  void SkipSpace() {
    while (at_ < text_.size() && IsSpace(text_[at_])) ++at_;
  }

  bool TakeKey(std::string& key) {
    while (at_ < text_.size() && text_[at_] != '=' && !IsSpace(text_[at_])) {
      key.push_back(text_[at_++]);
    }
    SkipSpace();
    if (at_ == text_.size() || text_[at_] != '=') return false;
    const size_t sign = at_++;
    SkipSpace();
    missing_ = at_ > sign + 1 && BeginsWithKey(text_.substr(at_));
    return true;
  }

  bool TakeValue(std::string& value) {
    const bool quoted = at_ < text_.size() && text_[at_] == '\'';
    if (quoted) ++at_;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (quoted && c == '\'') break;
      if (!quoted && IsSpace(c)) return true;
      if (c != '\\') {
        value.push_back(c);
      } else if (at_ + 1 < text_.size()) {
        value.push_back(text_[++at_]);
      }
    }
    if (!quoted) return true;
    if (at_ == text_.size()) return false;
    ++at_;
    return true;
  }

  const std::string_view text_;
  size_t at_ = 0;
  bool missing_ = false;  // the value of the pair that was read last
};

// Reads a uri: SCHEME [USER[:PASSWORD]@] [HOST[:PORT],...] [/DATABASE] [?KEY=VALUE&...].
class UriScanner {
 public:
  UriScanner(std::string_view text, size_t scheme) : text_(text), at_(scheme) {}

  Conninfo Scan() {
    found_.is_uri = true;
    TakeUser();
    TakeHosts();
    if (At('/')) {
      ++at_;
      Add("dbname", Until("?"));
    }
    if (At('?')) ++at_;
    TakeParameters();
    return std::move(found_);
  }

 private:
  bool At(char c) const { return at_ < text_.size() && text_[at_] == c; }

  std::string_view Until(std::string_view ends) {
    const size_t begin = at_;
    at_ = std::min(text_.find_first_of(ends, at_), text_.size());
    return text_.substr(begin, at_ - begin);
  }

  void Add(std::string_view key, std::string_view value) {
    if (value.empty()) return;
    found_.options.push_back({.key = std::string(key), .value = Unescaped(value)});
  }

  void TakeUser() {
    const size_t end = text_.find_first_of("@/", at_);
    if (end == std::string_view::npos || text_[end] != '@') return;
    Add("user", Until(":@"));
    may_have_password_ = At(':');
    if (may_have_password_) {
      ++at_;
      Add("password", Until("@"));
    }
    ++at_;
  }

  void TakeHosts() {
    const size_t begin = at_;
    std::string hosts;
    std::string ports;
    while (true) {
      if (At('[')) {
        ++at_;
        hosts.append(Until("]"));
        if (At(']')) ++at_;
      } else {
        hosts.append(Until(":/?,"));
      }
      if (At(':')) {
        ++at_;
        ports.append(Until("/?,"));
      }
      if (!At(',')) break;
      ++at_;
      hosts.push_back(',');
      ports.push_back(',');
    }
    Add("host", hosts);
    if (ports.find_first_not_of(',') != std::string::npos) Add("port", ports);
    // A password with a slash ends up in here.
    const std::string_view database = text_.substr(at_, text_.find('?', at_) - at_);
    found_.readable = ports.find_first_not_of("0123456789,") == std::string::npos &&
                      database.find('@') == std::string_view::npos;
    // Where a password stands, its rest may be anywhere behind it.
    const std::string_view rest = text_.substr(begin);
    const size_t end = may_have_password_ ? rest.size() : rest.find('?');
    if (rest.substr(0, end).find('@') != std::string_view::npos) found_.mistake = kBareAt;
  }

  void TakeParameters() {
    while (at_ < text_.size()) {
      ConninfoOption option;
      option.begin = at_;
      const std::string_view pair = Until("&");
      option.end = at_;
      if (At('&')) ++at_;
      const size_t sign = pair.find('=');
      if (sign == std::string_view::npos) {
        found_.readable = false;
        return;
      }
      option.key = Unescaped(pair.substr(0, sign));
      option.value = Unescaped(pair.substr(sign + 1));
      found_.options.push_back(std::move(option));
    }
  }

  const std::string_view text_;
  size_t at_;
  bool may_have_password_ = false;
  Conninfo found_;
};

// The last one counts, as in libpq.
std::string_view Find(const Conninfo& conninfo, std::string_view key) {
  std::string_view value;
  for (const ConninfoOption& option : conninfo.options) {
    if (option.key == key) value = option.value;
  }
  return value;
}

bool IsSecret(std::string_view key) { return key.find("password") != std::string_view::npos; }

// The keys that cannot be the rest of a password with a space in it.
bool IsHarmlessKey(const Conninfo& conninfo, std::string_view name) {
  for (const ConninfoOption& option : conninfo.options) {
    if (IsSecret(option.key) && !(conninfo.is_uri && option.end == 0)) return false;
    if (option.key == name) return true;
  }
  return false;
}

bool MayBeShown(const Conninfo& conninfo, std::string_view name) {
  return name.size() <= 1 ||
         (conninfo.readable && conninfo.mistake.empty() && IsHarmlessKey(conninfo, name));
}

std::string FromEnvironment(std::string_view value, const char* name,
                            char* (*environment)(const char*)) {
  if (!value.empty()) return std::string(value);
  const char* const found = environment(name);
  return found != nullptr ? found : "";
}

}  // namespace

std::vector<std::string> SplitList(std::string_view list) {
  std::vector<std::string> elements;
  size_t begin = 0;
  while (true) {
    const size_t comma = list.find(',', begin);
    elements.emplace_back(list.substr(begin, comma - begin));
    if (comma == std::string_view::npos) return elements;
    begin = comma + 1;
  }
}

Conninfo ScanConninfo(std::string_view text) {
  for (const std::string_view scheme : kSchemes) {
    if (text.substr(0, scheme.size()) == scheme) return UriScanner(text, scheme.size()).Scan();
  }
  return PairScanner(text).Scan();
}

absl::StatusOr<OwnOptions> TakeOwnOptions(std::string_view text) {
  text = backends::WithoutLineEnd(text);
  const Conninfo conninfo = ScanConninfo(text);
  OwnOptions own{.conninfo = std::string(text)};
  // From the end, so that the places of the others stay right.
  for (size_t i = conninfo.options.size(); i-- > 0;) {
    const ConninfoOption& option = conninfo.options[i];
    if (option.key != "pooler" || option.end == 0) continue;
    if (option.value != "transaction" && option.value != "session") {
      return absl::InvalidArgumentError(
          Concat({"the connection string says pooler=", internal::PlainText(option.value),
                  "; may be transaction or session"}));
    }
    own.transaction_pooler = own.transaction_pooler || option.value == "transaction";
    size_t end = option.end;
    size_t begin = option.begin;
    if (conninfo.is_uri && end < text.size())
      ++end;  // the '&' after it
    else if (conninfo.is_uri)
      --begin;  // the '?' or '&' before it
    own.conninfo.erase(begin, end - begin);
  }
  return own;
}

std::string DescribeTarget(std::string_view text, char* (*environment)(const char* name)) {
  const Conninfo conninfo = ScanConninfo(backends::WithoutLineEnd(text));
  constexpr char kUnreadable[] = "an unreadable connection string";
  if (!conninfo.readable || !conninfo.mistake.empty()) return kUnreadable;
  const auto value = [&](std::string_view key, const char* variable) {
    return FromEnvironment(Find(conninfo, key), variable, environment);
  };
  std::string hosts = value("host", "PGHOST");
  if (hosts.empty()) hosts = value("hostaddr", "PGHOSTADDR");
  const std::vector<std::string> ports = SplitList(value("port", "PGPORT"));
  std::string target;
  size_t index = 0;
  for (const std::string& host : SplitList(hosts)) {
    // No host has one, but behind the first character that of an abstract socket; a rest of a password has.
    if (host.find('@', 1) != std::string::npos) return kUnreadable;
    const std::string& port = index < ports.size() ? ports[index] : ports.back();
    if (index++ > 0) target.push_back(',');
    const bool bracket = host.find(':') != std::string::npos;
    target += Concat({bracket ? "[" : "", host.empty() ? "local socket" : host, bracket ? "]" : "",
                      ":", port.empty() ? "5432" : port});
  }
  const std::string database = value("dbname", "PGDATABASE");
  return internal::PlainText(database.empty() ? target : Concat({target, "/", database}));
}

std::string WithoutSecrets(std::string_view sentence, std::string_view text) {
  while (!sentence.empty() && IsSpace(sentence.back())) sentence.remove_suffix(1);
  // In other languages quotes look otherwise.
  const bool plain = std::all_of(sentence.begin(), sentence.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0x80) == 0;
  });
  if (!plain) return "libpq does not understand the connection string";
  const Conninfo conninfo = ScanConninfo(text);
  size_t from = sentence.find('"');
  while (from != std::string_view::npos) {
    const size_t to = sentence.find('"', from + 1);
    if (to == std::string_view::npos) break;
    if (!MayBeShown(conninfo, sentence.substr(from + 1, to - from - 1))) break;
    from = sentence.find('"', to + 1);
  }
  if (from == std::string_view::npos) return std::string(sentence);
  // What is shown may have quotes of its own: nothing up to the last one is libpq's for sure.
  return Concat({sentence.substr(0, from), "\"...\"", sentence.substr(sentence.rfind('"') + 1)});
}

}  // namespace roost::postgres
