// Connection strings: what this program reads in them is what libpq reads, and no password gets out.
#include "backends/postgres/conninfo.h"

#include <libpq-fe.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "backends/common/password.h"
#include "base/utf8.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/targets.h"
#include "tools/common/remote_uri.h"

namespace roost::fuzz {
namespace {

using postgres::Conninfo;
using postgres::ConninfoOption;
using postgres::DescribeTarget;
using postgres::ScanConninfo;
using postgres::SplitList;
using postgres::TakeOwnOptions;
using postgres::WithoutSecrets;

using Options = std::map<std::string, std::string>;

// The options that libpq reads, those that are not empty; nothing: it refuses, with `words`.
std::optional<Options> ReadByLibpq(const std::string& text, std::string& words) {
  char* error = nullptr;
  PQconninfoOption* const parsed = PQconninfoParse(text.c_str(), &error);
  if (error != nullptr) words = error;
  PQfreemem(error);
  if (parsed == nullptr) return std::nullopt;
  Options options;
  for (const PQconninfoOption* option = parsed; option->keyword != nullptr; ++option) {
    if (option->val != nullptr && *option->val != '\0') options[option->keyword] = option->val;
  }
  PQconninfoFree(parsed);
  return options;
}

std::string Find(const Options& options, const std::string& key) {
  const auto found = options.find(key);
  return found == options.end() ? "" : found->second;
}

// A list of nothing but commas is no list.
std::string WithoutEmptyList(const std::string& list) {
  return list.find_first_not_of(',') == std::string::npos ? "" : list;
}

std::string FindOurs(const Conninfo& conninfo, std::string_view key) {
  std::string value;
  for (const ConninfoOption& option : conninfo.options) {
    if (option.key == key) value = option.value;
  }
  return value;
}

char* NoVariables(const char*) { return nullptr; }

bool Holds(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// "host:port/database" of what libpq has read.
std::string TargetByLibpq(const Options& options) {
  std::string hosts = Find(options, "host");
  if (hosts.empty()) hosts = Find(options, "hostaddr");
  const std::vector<std::string> ports = SplitList(Find(options, "port"));
  std::string target;
  size_t index = 0;
  for (const std::string& host : SplitList(hosts)) {
    const std::string& port = index < ports.size() ? ports[index] : ports.back();
    if (index++ > 0) target += ',';
    const bool bracket = Holds(host, ":");
    target += (bracket ? "[" : "") + (host.empty() ? "local socket" : host) +
              (bracket ? "]:" : ":") + (port.empty() ? "5432" : port);
  }
  const std::string database = Find(options, "dbname");
  return database.empty() ? target : target + "/" + database;
}

// What stands in brackets is a host, whatever is in it.
std::string OutsideOfBrackets(std::string text) {
  size_t begin = 0;
  while ((begin = text.find('[', begin)) != std::string::npos) {
    const size_t end = text.find(']', begin);
    if (end == std::string::npos) break;
    text.erase(begin, end + 1 - begin);
  }
  return text;
}

// No host has an @ in it but the name of an abstract socket: what stands before it is the end of a
// password that was not escaped.
bool ShowsAnEndOfPassword(const std::string& text, const Options& options,
                          std::string_view target) {
  const bool uri = text.starts_with("postgres");
  if (!uri || std::count(text.begin(), text.end(), '@') < 2) return false;
  const std::vector<std::string> hosts = SplitList(Find(options, "host"));
  const std::string outside = OutsideOfBrackets(text);
  return std::any_of(hosts.begin(), hosts.end(), [&](std::string_view host) {
    const bool has_end = host.find('@', 1) < host.find('/');
    return has_end && Holds(outside, host) && Holds(target, host);
  });
}

std::string JudgeReading(const std::string& text, const Options& options) {
  const std::string target = DescribeTarget(text, NoVariables);
  if (ShowsAnEndOfPassword(text, options, target)) return "a target with the end of a password";
  const Conninfo conninfo = ScanConninfo(text);
  if (!conninfo.mistake.empty()) return "";  // which may show a password
  if (!conninfo.readable) {
    // What may be a password in the wrong place is not shown: an @ in the rest, a port of letters.
    const std::string port = Find(options, "port");
    const bool odd = Holds(text, "@") || port.find_first_not_of("0123456789,") != std::string::npos;
    return odd ? "" : "an unreadable string that libpq reads";
  }
  for (const char* const key : {"user", "password", "host", "hostaddr", "port", "dbname"}) {
    if (WithoutEmptyList(FindOurs(conninfo, key)) != WithoutEmptyList(Find(options, key))) {
      return std::string("another ") + key + " than libpq reads";
    }
  }
  // A host with an @ in it may be the rest of a password.
  const bool at = Holds(Find(options, "host") + Find(options, "hostaddr"), "@");
  if (at && target == "an unreadable connection string") return "";
  return target == internal::PlainText(TargetByLibpq(options)) ? "" : "another target than libpq's";
}

std::string JudgeSecrets(const std::string& text, const Options& options) {
  const bool has = !Find(options, "password").empty() || !Find(options, "sslpassword").empty();
  return has && !tools::HasPassword(text) ? "a password that is not seen" : "";
}

// libpq's own text around what it quotes, which may happen to hold the password.
constexpr std::string_view kRefusalsOfLibpq[] = {
    "missing \"=\" after \"\" in connection info string",
    "unterminated quoted string in connection info string",
    "invalid connection option \"\"",
    "end of string reached when looking for matching \"]\" in IPv6 host address in URI: \"\"",
    "IPv6 host address may not be empty in URI: \"\"",
    "unexpected character \"\" at position 0123456789 in URI (expected \":\" or \"/\"): \"\"",
    "extra key/value separator \"=\" in URI query parameter: \"\"",
    "missing key/value separator \"=\" in URI query parameter: \"\"",
    "invalid URI query parameter: \"\"",
    "invalid percent-encoded token: \"\"",
    "forbidden value %00 in percent-encoded value: \"\"",
    "definition of service \"\" not found",
};

// What is shown of libpq's refusal holds no password that can be told.
std::string JudgeRefusal(const std::string& text, const std::string& words) {
  const std::string shown = WithoutSecrets(words, text);
  const Conninfo conninfo = ScanConninfo(text);
  for (const ConninfoOption& secret : conninfo.options) {
    if (secret.key != "password" || secret.value.size() < 4 || !Holds(shown, secret.value))
      continue;
    bool elsewhere = Holds("libpq does not understand the connection string", secret.value);
    for (const ConninfoOption& option : conninfo.options) {
      const bool other = &option != &secret && Holds(option.value, secret.value);
      // libpq puts the name of an option into quotes.
      elsewhere = elsewhere || other || Holds('"' + option.key + '"', secret.value);
    }
    for (const std::string_view own : kRefusalsOfLibpq) {
      elsewhere = elsewhere || Holds(own, secret.value);
    }
    if (!elsewhere) return "a refusal that shows a password";
  }
  return "";
}

// Without our own option the rest is left as it is.
std::string JudgeOwnOptions(const std::string& text) {
  const auto own = TakeOwnOptions(text);
  if (!own.ok()) return "";
  std::string words;
  const std::optional<Options> options = ReadByLibpq(own->conninfo, words);
  const Conninfo conninfo = ScanConninfo(text);
  if (FindOurs(conninfo, "pooler").empty()) {
    return own->conninfo == text ? "" : "a string that changed without an option of ours";
  }
  if (!options.has_value() || !conninfo.readable) return "";
  for (const ConninfoOption& option : conninfo.options) {
    if (option.key == "pooler" || FindOurs(conninfo, option.key) != option.value) continue;
    // libpq has words of its own for some options of a uri.
    if (option.key == "ssl" || option.key == "requiressl" || option.value.empty()) continue;
    if (Find(*options, option.key) != option.value) return "an option that was lost with ours";
  }
  return "";
}

}  // namespace

std::string CheckConninfo(std::string_view bytes) {
  Input input(bytes);
  // A line break at its end is none of it for us, and part of the last value for libpq.
  const std::string text(backends::WithoutLineEnd(Input(input.TakeLine()).TakeUntil('\0')));
  std::string words;
  const std::optional<Options> options = ReadByLibpq(text, words);
  std::string wrong = JudgeOwnOptions(text);
  if (wrong.empty() && !options.has_value()) return JudgeRefusal(text, words);
  if (wrong.empty()) wrong = JudgeReading(text, *options);
  if (wrong.empty()) wrong = JudgeSecrets(text, *options);
  return wrong;
}

}  // namespace roost::fuzz
