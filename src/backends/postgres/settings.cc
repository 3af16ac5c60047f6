#include "backends/postgres/settings.h"

#include <arpa/inet.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <utility>

#include "backends/common/password.h"
#include "backends/common/resolver.h"
#include "backends/postgres/conninfo.h"
#include "backends/postgres/errors.h"
#include "backends/postgres/pgpass.h"
#include "statements/text.h"

namespace roost::postgres {
namespace {

using backends::IsAddress;
using backends::IsLocalhost;
using backends::IsLoopback;
using backends::ReadPasswordFile;

using internal::Concat;

// A password file that cannot be: libpq says nothing of one that is not there.
constexpr char kNoFile[] = "/dev/null/none";
constexpr char kSystemCertificates[] = "/etc/ssl/certs/ca-certificates.crt";

struct FreeOptions {
  const Libpq* pq;
  void operator()(PQconninfoOption* options) const { pq->PQconninfoFree(options); }
};
using LibpqOptions = std::unique_ptr<PQconninfoOption, FreeOptions>;

struct Finish {
  const Libpq* pq;
  void operator()(PGconn* conn) const { pq->PQfinish(conn); }
};
using Probe = std::unique_ptr<PGconn, Finish>;

absl::StatusOr<std::vector<Option>> Parse(const Libpq& pq, const std::string& conninfo) {
  char* error = nullptr;
  const LibpqOptions parsed(pq.PQconninfoParse(conninfo.c_str(), &error), FreeOptions{&pq});
  if (parsed == nullptr) {
    const std::string message = error != nullptr ? error : "out of memory";
    pq.PQfreemem(error);
    return absl::InvalidArgumentError(
        Concat({"the connection string is wrong: ", WithoutSecrets(message, conninfo)}));
  }
  std::vector<Option> given;
  for (const PQconninfoOption* option = parsed.get(); option->keyword != nullptr; ++option) {
    if (option->val != nullptr && *option->val != '\0')
      given.push_back({option->keyword, option->val});
  }
  return given;
}

// libpq told to connect with a value of `key` that it refuses, so that it takes no step. The password
// keeps it from reading ~/.pgpass for that.
Probe StartAndFail(const Libpq& pq, const std::vector<Option>& given, const char* key) {
  std::vector<const char*> keys;
  std::vector<const char*> values;
  for (const Option& option : given) {
    keys.push_back(option.key.c_str());
    values.push_back(option.value.c_str());
  }
  for (const char* const refused : {"password", key}) {
    keys.push_back(refused);
    values.push_back("-");
  }
  keys.push_back(nullptr);
  values.push_back(nullptr);
  return Probe(pq.PQconnectStartParams(keys.data(), values.data(), 0), Finish{&pq});
}

// libpq merges the connection string with the PG* variables and the service file only on the way to
// connecting. It looks at this option after merging.
constexpr char kAfterMerging[] = "channel_binding";
// libpq 15 looks at this one after all others.
constexpr char kLastOption[] = "target_session_attrs";

// The options after merging.
class Merged {
 public:
  Merged(LibpqOptions options, const std::vector<Option>& given)
      : options_(std::move(options)), given_(given) {}

  std::string Value(std::string_view key) const {
    const PQconninfoOption* const option = Find(key);
    return option != nullptr && option->val != nullptr ? option->val : "";
  }

  // The connection string says it.
  bool IsGiven(std::string_view key) const {
    const auto is_key = [key](const Option& option) { return option.key == key; };
    return std::any_of(given_.begin(), given_.end(), is_key);
  }
  // The options say it, even if it is what libpq would take anyway. (A service file that says that
  // cannot be told from one that is silent.)
  bool IsSaid(std::string_view key) const {
    if (IsGiven(key)) return true;
    const PQconninfoOption* const option = Find(key);
    if (option == nullptr) return false;
    const char* const variable = option->envvar != nullptr ? std::getenv(option->envvar) : nullptr;
    if (variable != nullptr && *variable != '\0') return true;
    return Value(key) != (option->compiled != nullptr ? option->compiled : "");
  }

 private:
  const PQconninfoOption* Find(std::string_view key) const {
    for (const PQconninfoOption* o = options_.get(); o != nullptr && o->keyword != nullptr; ++o) {
      if (o->keyword == key) return o;
    }
    return nullptr;
  }

  LibpqOptions options_;
  const std::vector<Option>& given_;
};

// The folder of the server's socket that this libpq was built for.
std::string DefaultHost(const Libpq& pq) {
  const Probe probe =
      StartAndFail(pq, {{"host", ","}, {"hostaddr", ","}, {"port", "5432"}}, kAfterMerging);
  const char* const host = probe != nullptr ? pq.PQhost(probe.get()) : nullptr;
  return host != nullptr && *host != '\0' ? host : "localhost";
}

bool IsPort(const std::string& port) {
  if (port.empty() || port.size() > 5) return false;
  if (port.find_first_not_of("0123456789") != std::string::npos) return false;
  const int number = std::atoi(port.c_str());
  return number >= 1 && number <= 65535;
}

bool IsSocket(const std::string& host) { return host.starts_with('/') || host.starts_with('@'); }

// What may be asked of the name service, and shown. A rest of a password may not.
bool IsHost(const std::string& host) {
  return IsSocket(host) || std::none_of(host.begin(), host.end(), [](char c) {
           return static_cast<unsigned char>(c) <= ' ' ||
                  std::string_view("@='\"\\").find(c) != std::string_view::npos;
         });
}

Endpoint MakeEndpoint(const std::string& host, const std::string& address, const std::string& port,
                      const std::string& database) {
  Endpoint endpoint{.host = host, .address = address, .port = port};
  // With a host, certificates and ~/.pgpass work for an address, too.
  if (endpoint.host.empty()) endpoint.host = address;
  endpoint.socket = address.empty() && IsSocket(endpoint.host);
  if (address.empty() && IsAddress(endpoint.host)) endpoint.address = endpoint.host;
  endpoint.local = endpoint.socket || IsLoopback(endpoint.address) ||
                   (endpoint.address.empty() && IsLocalhost(endpoint.host));
  const bool bracket = endpoint.host.find(':') != std::string::npos;
  endpoint.where = Concat({bracket ? "[" : "", endpoint.host, bracket ? "]:" : ":", port,
                           database.empty() ? "" : "/", database});
  return endpoint;
}

// Of the path of a socket on Linux.
constexpr size_t kMostSocketPath = 107;

// What libpq says of these two sounds as if the server were away.
absl::Status CheckReach(const Endpoint& endpoint) {
  const std::string path = Concat({endpoint.host, "/.s.PGSQL.", endpoint.port});
  if (endpoint.socket && path.size() > kMostSocketPath) {
    return absl::InvalidArgumentError(
        Concat({"the folder of the server's socket has too long a name: ", path}));
  }
  in_addr four{};
  const std::string& address = endpoint.address;
  if (address.empty() || IsAddress(address) || inet_aton(address.c_str(), &four) == 1) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      "the connection options have a hostaddr that is no address; a name goes into host");
}

std::string Count(size_t count, std::string_view what) {
  return Concat({std::to_string(count), " ", what, count == 1 ? "" : "s"});
}

absl::StatusOr<std::vector<Endpoint>> MakeEndpoints(const Libpq& pq, const Merged& merged) {
  std::vector<std::string> hosts = SplitList(merged.Value("host"));
  std::vector<std::string> addresses = SplitList(merged.Value("hostaddr"));
  std::vector<std::string> ports = SplitList(merged.Value("port"));
  const bool has_hosts = !merged.Value("host").empty();
  const bool has_addresses = !merged.Value("hostaddr").empty();
  if (has_hosts && has_addresses && hosts.size() != addresses.size()) {
    return absl::InvalidArgumentError(
        Concat({"the connection string has ", Count(hosts.size(), "host"), " and ",
                Count(addresses.size(), "hostaddr"), "; it needs as many of both"}));
  }
  const size_t count = has_addresses ? addresses.size() : hosts.size();
  hosts.resize(count);
  addresses.resize(count);
  if (ports.size() != 1 && ports.size() != count) {
    return absl::InvalidArgumentError(
        Concat({"the connection string has ", Count(count, "host"), " and ",
                Count(ports.size(), "port"), "; it needs one port, or one for each host"}));
  }
  std::vector<Endpoint> endpoints;
  for (size_t i = 0; i < count; ++i) {
    std::string port = ports[ports.size() == 1 ? 0 : i];
    if (port.empty()) port = "5432";
    if (!IsPort(port)) {
      return absl::InvalidArgumentError(
          "the connection string has a port that is no number from 1 to 65535 (a password with @, "
          "/ "
          "or : in it has to be written with %40, %2F, %3A)");
    }
    if (!IsHost(hosts[i])) {
      return absl::InvalidArgumentError(
          "the connection options have a host that is none (a password with @, / or : in it has to "
          "be written with %40, %2F, %3A)");
    }
    if (hosts[i].empty() && addresses[i].empty()) hosts[i] = DefaultHost(pq);
    endpoints.push_back(MakeEndpoint(hosts[i], addresses[i], port, merged.Value("dbname")));
    absl::Status reach = CheckReach(endpoints.back());
    if (!reach.ok()) return reach;
  }
  return endpoints;
}

// libpq looks at these only while it connects, and then says it as if the server were away.
absl::Status CheckNumbers(const Merged& merged) {
  for (const char* const key : {"tcp_user_timeout", "keepalives", "keepalives_idle",
                                "keepalives_interval", "keepalives_count"}) {
    const std::string value = merged.Value(key);
    if (value.size() < 10 && value.find_first_not_of("0123456789") == std::string::npos) continue;
    return absl::InvalidArgumentError(
        Concat({"the connection string says ", key, "=", value, "; it is a whole number"}));
  }
  return absl::OkStatus();
}

absl::StatusOr<WantedRole> ParseRole(const std::string& role) {
  static constexpr std::pair<std::string_view, WantedRole> kRoles[] = {
      {"", WantedRole::kAny},
      {"any", WantedRole::kAny},
      {"read-write", WantedRole::kReadWrite},
      {"read-only", WantedRole::kReadOnly},
      {"primary", WantedRole::kPrimary},
      {"standby", WantedRole::kStandby},
      {"prefer-standby", WantedRole::kPreferStandby},
  };
  for (const auto& [name, wanted] : kRoles) {
    if (role == name) return wanted;
  }
  return absl::InvalidArgumentError(
      Concat({"the connection string says target_session_attrs=", role,
              "; may be any, read-write, read-only, primary, standby or prefer-standby"}));
}

std::string HomeDirectory() {
  const char* const home = std::getenv("HOME");
  if (home != nullptr && *home != '\0') return home;
  passwd entry{};
  passwd* found = nullptr;
  char buffer[1024];
  getpwuid_r(geteuid(), &entry, buffer, sizeof buffer, &found);
  return found != nullptr ? found->pw_dir : "";
}

// libpq looks at one file of the user's; the system's is the next best.
std::string RootCertificates(const Merged& merged) {
  if (merged.IsSaid("sslrootcert")) return "";
  const std::string own = HomeDirectory() + "/.postgresql/root.crt";
  if (access(own.c_str(), R_OK) == 0) return "";
  return access(kSystemCertificates, R_OK) == 0 ? kSystemCertificates : "";
}

// Reads PostgresOptions::password_file, or looks at the file that libpq would read.
absl::Status FindPassword(const PostgresOptions& options, const Merged& merged,
                          Settings& settings) {
  if (!options.password_file.empty()) {
    absl::StatusOr<std::string> password = ReadPasswordFile(options.password_file);
    if (!password.ok()) return absl::UnauthenticatedError(password.status().message());
    settings.password = *std::move(password);
    return absl::OkStatus();
  }
  // The probe's own password stands in for none.
  if (merged.IsGiven("password") || std::getenv("PGPASSWORD") != nullptr) return absl::OkStatus();
  std::string file = merged.Value("passfile");
  if (file.empty()) file = HomeDirectory() + "/.pgpass";
  settings.passed_over = WhyPassedOver(file);
  return absl::OkStatus();
}

int64_t RoundedUp(Duration span, Duration unit) {
  return std::max<int64_t>((span + unit - Duration(1)) / unit, 1);
}

void AddTimers(const Settings& settings, const TcpTimers& timers, std::vector<Option>& parameters) {
  const auto add = [&parameters](const char* key, Duration span, Duration unit) {
    if (span > Duration::zero()) parameters.push_back({key, std::to_string(RoundedUp(span, unit))});
  };
  if (settings.sets_user_timeout) {
    add("tcp_user_timeout", timers.user_timeout, std::chrono::milliseconds(1));
  }
  if (!settings.sets_keepalives) return;
  add("keepalives_idle", timers.keepalive_idle, std::chrono::seconds(1));
  add("keepalives_interval", timers.keepalive_interval, std::chrono::seconds(1));
  if (timers.keepalive_count > 0) {
    parameters.push_back({"keepalives_count", std::to_string(timers.keepalive_count)});
  }
}

void AddEncryption(const Settings& settings, const Endpoint& endpoint,
                   std::vector<Option>& parameters) {
  const bool ours = settings.verify_remote && !endpoint.local;
  if (ours) parameters.push_back({"sslmode", "verify-full"});
  if ((ours || settings.says_verify_full) && !settings.root_certificates.empty()) {
    parameters.push_back({"sslrootcert", settings.root_certificates});
  }
}

}  // namespace

absl::StatusOr<Settings> ReadSettings(const Libpq& pq, const PostgresOptions& options) {
  for (const auto& [name, text] :
       {std::pair<std::string_view, std::string_view>{"uri", options.uri},
        {"on_connect", options.on_connect}}) {
    if (text.find('\0') == std::string_view::npos) continue;
    return absl::InvalidArgumentError(Concat({name, " has a zero byte in it"}));
  }
  absl::StatusOr<OwnOptions> own = TakeOwnOptions(options.uri);
  if (!own.ok()) return own.status();
  const std::string_view mistake = ScanConninfo(own->conninfo).mistake;
  if (!mistake.empty()) {
    return absl::InvalidArgumentError(Concat({"the connection string is wrong: ", mistake}));
  }
  absl::StatusOr<std::vector<Option>> given = Parse(pq, own->conninfo);
  if (!given.ok()) return given.status();
  const Probe probe = StartAndFail(pq, *given, kAfterMerging);
  if (probe == nullptr) return absl::ResourceExhaustedError("libpq is out of memory");
  const Merged merged(LibpqOptions(pq.PQconninfo(probe.get()), FreeOptions{&pq}), *given);
  if (merged.Value("sslmode").empty()) {  // has a default, so merging itself has failed
    return MakeStatus(
        absl::StatusCode::kInvalidArgument, "",
        {.where = "the connection options are wrong", .message = pq.PQerrorMessage(probe.get())});
  }
  Settings settings{.given = *given};
  absl::StatusOr<WantedRole> role = ParseRole(merged.Value("target_session_attrs"));
  if (!role.ok()) return role.status();
  settings.role = *role;
  absl::Status numbers = CheckNumbers(merged);
  if (!numbers.ok()) return numbers;
  absl::StatusOr<std::vector<Endpoint>> endpoints = MakeEndpoints(pq, merged);
  if (!endpoints.ok()) return endpoints.status();
  settings.endpoints = *std::move(endpoints);
  settings.transaction_pooler = options.transaction_pooler || own->transaction_pooler;
  settings.verify_remote = !merged.IsSaid("sslmode");
  settings.says_verify_full = merged.Value("sslmode") == "verify-full";
  settings.root_certificates = RootCertificates(merged);
  settings.sets_gssencmode = !merged.IsSaid("gssencmode");
  settings.sets_user_timeout = !merged.IsSaid("tcp_user_timeout");
  settings.sets_keepalives = !merged.IsSaid("keepalives") && !merged.IsSaid("keepalives_idle") &&
                             !merged.IsSaid("keepalives_interval") &&
                             !merged.IsSaid("keepalives_count");
  settings.application_name = options.application_name;
  absl::Status password = FindPassword(options, merged, settings);
  if (!password.ok()) return password;
  return settings;
}

std::vector<Option> ParametersFor(const Settings& settings, const Endpoint& endpoint,
                                  std::string_view address, const TcpTimers& timers) {
  std::vector<Option> parameters = settings.given;
  const auto without = [&parameters](std::string_view key) {
    std::erase_if(parameters, [key](const Option& option) { return option.key == key; });
  };
  // One host of the list at a time; its role is checked here; its time is the caller's deadline.
  for (const std::string_view key : {"host", "hostaddr", "port"}) without(key);
  parameters.push_back({"host", endpoint.host});
  if (!address.empty()) parameters.push_back({"hostaddr", std::string(address)});
  parameters.push_back({"port", endpoint.port});
  parameters.push_back({"target_session_attrs", "any"});
  parameters.push_back({"connect_timeout", "0"});
  parameters.push_back({"client_encoding", "UTF8"});
  if (!settings.application_name.empty()) {
    parameters.push_back({"fallback_application_name", settings.application_name});
  }
  if (!settings.password.empty()) {
    without("password");
    parameters.push_back({"password", settings.password});
  }
  // libpq would warn on standard error, at each open.
  if (!settings.passed_over.empty()) parameters.push_back({"passfile", kNoFile});
  // libpq would ask a Kerberos server, and wait for it, wherever it finds a ticket.
  if (settings.sets_gssencmode) parameters.push_back({"gssencmode", "disable"});
  AddEncryption(settings, endpoint, parameters);
  if (!endpoint.socket) AddTimers(settings, timers, parameters);
  return parameters;
}

bool AreRefused(const Libpq& pq, const std::vector<Option>& parameters) {
  const Probe probe = StartAndFail(pq, parameters, kLastOption);
  if (probe == nullptr) return false;  // no memory
  return std::string_view(pq.PQerrorMessage(probe.get())).find(kLastOption) ==
         std::string_view::npos;
}

}  // namespace roost::postgres
