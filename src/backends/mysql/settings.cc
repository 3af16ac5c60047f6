#include "backends/mysql/settings.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <optional>
#include <tuple>
#include <utility>

#include "backends/common/password.h"
#include "backends/common/resolver.h"
#include "statements/text.h"

namespace roost::mysql {
namespace {

using backends::IsAddress;
using backends::IsLocalhost;
using backends::IsLoopback;
using internal::Concat;

constexpr std::string_view kSchemes[] = {"mysql://", "mariadb://"};
// Of the path of a socket on Linux.
constexpr size_t kMostSocketPath = 107;
constexpr std::string_view kWriteEncoded =
    " (a password with @, / or : in it has to be written with %40, %2F, %3A)";

absl::Status Wrong(std::string_view what) {
  return absl::InvalidArgumentError(Concat({"the address of the database ", what}));
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// Nothing: a percent sign without two digits, or a zero byte.
std::optional<std::string> Decode(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded.push_back(text[i]);
      continue;
    }
    const int high = i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? HexDigit(text[i + 2]) : -1;
    if (high < 0 || low < 0 || high * 16 + low == 0) return std::nullopt;
    decoded.push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  return decoded;
}

// Takes what is in front of `sign` off `text`, with the sign; all of it where there is none.
std::string_view TakeUntil(std::string_view& text, char sign) {
  const size_t end = std::min(text.find(sign), text.size());
  const std::string_view taken = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return taken;
}

bool IsHost(std::string_view host) {
  return !host.empty() && std::none_of(host.begin(), host.end(), [](char c) {
    return static_cast<unsigned char>(c) <= ' ' ||
           std::string_view("@/='\"\\%").find(c) != std::string_view::npos;
  });
}

// "host", "host:port", "[::1]:port".
absl::StatusOr<Endpoint> ParseHost(std::string_view text) {
  Endpoint endpoint;
  std::string_view port;
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == std::string_view::npos) return Wrong("has a bracket without its end");
    endpoint.host = text.substr(1, end - 1);
    std::string_view rest = text.substr(end + 1);
    if (!rest.empty() && !rest.starts_with(':')) return Wrong("has something behind a bracket");
    port = rest.substr(std::min<size_t>(rest.size(), 1));
    if (!IsAddress(endpoint.host)) return Wrong("has no address in its brackets");
  } else {
    endpoint.host = TakeUntil(text, ':');
    port = text;
    if (!IsHost(endpoint.host)) return Wrong(Concat({"has a host that is none", kWriteEncoded}));
  }
  if (!port.empty()) {
    const auto [end, error] =
        std::from_chars(port.data(), port.data() + port.size(), endpoint.port);
    if (error != std::errc() || end != port.data() + port.size() || endpoint.port < 1 ||
        endpoint.port > 65535) {
      return Wrong(Concat({"has a port that is no number from 1 to 65535", kWriteEncoded}));
    }
  }
  if (IsAddress(endpoint.host)) endpoint.address = endpoint.host;
  return endpoint;
}

std::optional<Encryption> ParseEncryption(std::string_view mode) {
  static constexpr std::pair<std::string_view, Encryption> kModes[] = {
      {"disable", Encryption::kNone},
      {"require", Encryption::kAny},
      {"verify-ca", Encryption::kAuthority},
      {"verify-full", Encryption::kHost},
  };
  for (const auto& [name, encryption] : kModes) {
    if (mode == name) return encryption;
  }
  return std::nullopt;
}

// Takes "mysql://..." apart, piece by piece.
class UriReader {
 public:
  absl::StatusOr<Settings> Read(std::string_view text) {
    text = backends::WithoutLineEnd(text);
    if (!IsMysqlUri(text)) return Wrong("begins with mysql:// or mariadb://");
    TakeUntil(text, '/');
    TakeUntil(text, '/');
    if (text.find('#') != std::string_view::npos) {
      return Wrong(Concat({"has a # in it", kWriteEncoded}));
    }
    std::string_view before = TakeUntil(text, '?');
    std::string_view authority = TakeUntil(before, '/');
    if (before.find('@') != std::string_view::npos || text.find('@') != std::string_view::npos ||
        std::count(authority.begin(), authority.end(), '@') > 1) {
      return Wrong(Concat({"has an @ where none belongs", kWriteEncoded}));
    }
    if (before.find('/') != std::string_view::npos) {
      return Wrong(Concat({"has a / too many", kWriteEncoded}));
    }
    absl::Status status = TakeText(before, settings_.database);
    if (status.ok()) status = TakeParameters(text);
    if (status.ok()) status = TakeAuthority(authority);
    if (!status.ok()) return status;
    return std::move(settings_);
  }
  const std::string& passfile() const { return passfile_; }

 private:
  static absl::Status TakeText(std::string_view text, std::string& out) {
    std::optional<std::string> decoded = Decode(text);
    if (!decoded.has_value()) return Wrong("has a % that is not followed by two digits of a byte");
    out = *std::move(decoded);
    return absl::OkStatus();
  }

  absl::Status TakeAuthority(std::string_view authority) {
    if (authority.find('@') != std::string_view::npos) {
      std::string_view login = TakeUntil(authority, '@');
      const std::string_view user = TakeUntil(login, ':');
      absl::Status status = TakeText(user, settings_.user);
      if (status.ok()) status = TakeText(login, settings_.password);
      if (!status.ok()) return status;
    }
    if (!socket_.empty()) {
      if (!authority.empty() && !IsLocalhost(std::string(authority))) {
        return Wrong("has a host and a socket: leave one out");
      }
      if (socket_.size() > kMostSocketPath) return Wrong("has a socket with too long a path");
      Add({.socket = socket_, .encryption = encryption_.value_or(Encryption::kNone)});
      return absl::OkStatus();
    }
    while (!authority.empty()) {
      absl::StatusOr<Endpoint> endpoint = ParseHost(TakeUntil(authority, ','));
      if (!endpoint.ok()) return endpoint.status();
      const bool here = IsLocalhost(endpoint->host) || IsLoopback(endpoint->address);
      endpoint->encryption = encryption_.value_or(here ? Encryption::kNone : Encryption::kHost);
      endpoint->chosen = encryption_.has_value();
      Add(*std::move(endpoint));
    }
    if (settings_.endpoints.empty()) return Wrong("has no host");
    return absl::OkStatus();
  }

  void Add(Endpoint endpoint) {
    const std::string place = endpoint.host.empty()
                                  ? endpoint.socket
                                  : Concat({endpoint.host.find(':') != std::string::npos
                                                ? Concat({"[", endpoint.host, "]"})
                                                : endpoint.host,
                                            ":", internal::Digits(endpoint.port)});
    endpoint.where = settings_.database.empty() ? place : Concat({place, "/", settings_.database});
    settings_.endpoints.push_back(std::move(endpoint));
  }

  absl::Status TakeParameters(std::string_view text) {
    while (!text.empty()) {
      std::string_view value = TakeUntil(text, '&');
      const std::string_view name = TakeUntil(value, '=');
      absl::Status status = TakeParameter(name, value);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status TakeParameter(std::string_view name, std::string_view value) {
    if (name == "sslmode") {
      encryption_ = ParseEncryption(value);
      if (encryption_.has_value()) return absl::OkStatus();
      return Wrong("has an sslmode that is none of disable, require, verify-ca, verify-full");
    }
    const std::tuple<std::string_view, std::string_view, std::string_view, bool*> choices[] = {
        {"target_session_attrs", "any", "read-write", &settings_.writable},
        {"pooler", "session", "transaction", &settings_.transaction_pooler},
    };
    for (const auto& [known, off, on, out] : choices) {
      if (name != known) continue;
      *out = value == on;
      if (value == off || value == on) return absl::OkStatus();
      return Wrong(Concat({"has a ", known, " that is neither ", off, " nor ", on}));
    }
    const std::pair<std::string_view, std::string*> texts[] = {
        {"ssl-ca", &settings_.authorities}, {"ssl-cert", &settings_.certificate},
        {"ssl-key", &settings_.key},        {"socket", &socket_},
        {"passfile", &passfile_},
    };
    for (const auto& [known, out] : texts) {
      if (name == known) return TakeText(value, *out);
    }
    return Wrong(
        "has a parameter that is none of sslmode, ssl-ca, ssl-cert, ssl-key, socket, passfile, "
        "target_session_attrs, pooler");
  }

  Settings settings_;
  std::string socket_;
  std::string passfile_;
  std::optional<Encryption> encryption_;
};

absl::Status TakePasswordFrom(const std::string& file, Settings& settings) {
  absl::StatusOr<std::string> password = backends::ReadPasswordFile(file);
  if (!password.ok()) return absl::UnauthenticatedError(password.status().message());
  settings.password = *std::move(password);
  settings.password_from = file;
  return absl::OkStatus();
}

absl::Status FindPassword(const MysqlOptions& options, const std::string& passfile,
                          Settings& settings) {
  if (!options.password_file.empty()) return TakePasswordFrom(options.password_file, settings);
  if (!settings.password.empty()) return absl::OkStatus();
  if (!passfile.empty()) return TakePasswordFrom(passfile, settings);
  const char* const said = std::getenv("MYSQL_PWD");
  if (said != nullptr) settings.password = said;
  return absl::OkStatus();
}

absl::Status CheckReadable(const std::string& file) {
  if (file.empty() || access(file.c_str(), R_OK) == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(Concat({"cannot read ", file}));
}

absl::Status FindCertificates(Settings& settings) {
  const bool verifies =
      std::any_of(settings.endpoints.begin(), settings.endpoints.end(), [](const Endpoint& each) {
        return each.encryption == Encryption::kHost || each.encryption == Encryption::kAuthority;
      });
  if (settings.authorities.empty() && verifies) settings.authorities = kSystemCertificates;
  absl::Status status = CheckReadable(settings.authorities);
  if (status.ok()) status = CheckReadable(settings.certificate);
  return status.ok() ? CheckReadable(settings.key) : status;
}

}  // namespace

bool IsMysqlUri(std::string_view text) {
  return std::any_of(std::begin(kSchemes), std::end(kSchemes),
                     [text](std::string_view scheme) { return text.starts_with(scheme); });
}

absl::StatusOr<Settings> ParseUri(std::string_view text) { return UriReader().Read(text); }

bool HasPassword(std::string_view text) {
  const absl::StatusOr<Settings> settings = ParseUri(text);
  if (settings.ok()) return !settings->password.empty();
  const size_t colon = text.find(':', std::min(text.find("://"), text.size() - 1) + 1);
  return text.find('@', std::min(colon, text.size())) != std::string_view::npos ||
         text.find('%') != std::string_view::npos;
}

absl::StatusOr<Settings> ReadSettings(const MysqlOptions& options) {
  if (options.on_connect.find('\0') != std::string::npos ||
      options.uri.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError("uri or on_connect has a zero byte in it");
  }
  UriReader reader;
  absl::StatusOr<Settings> settings = reader.Read(options.uri);
  if (!settings.ok()) return settings;
  absl::Status status = FindPassword(options, reader.passfile(), *settings);
  if (status.ok()) status = FindCertificates(*settings);
  if (!status.ok()) return status;
  return settings;
}

std::string DescribeTarget(std::string_view text) {
  const absl::StatusOr<Settings> settings = ParseUri(text);
  if (!settings.ok()) return "(an address that cannot be read)";
  std::string target;
  for (const Endpoint& endpoint : settings->endpoints) {
    target += Concat({target.empty() ? "" : ",", endpoint.where});
  }
  return target;
}

}  // namespace roost::mysql
