// backends/postgres/settings.h - the options as libpq understands them.
//
// They come from the connection string, the PG* variables and the service file. Settings says what
// this backend makes of them for each host.
#ifndef ROOST_BACKENDS_POSTGRES_SETTINGS_H_
#define ROOST_BACKENDS_POSTGRES_SETTINGS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "backends/postgres/libpq.h"
#include "roost/postgres.h"
#include "roost/profile.h"

namespace roost::postgres {

// What the server has to be: target_session_attrs.
enum class WantedRole : uint8_t {
  kAny,
  kReadWrite,
  kReadOnly,
  kPrimary,
  kStandby,
  kPreferStandby,
};

// One host of the list.
struct Endpoint {
  std::string host{};  // a name, an address, or the folder of a socket
  std::string
      address{};  // hostaddr, or the host itself when it is an address; empty: to be looked up
  std::string port{};
  bool socket = false;  // a Unix socket: no address, no TLS, no timers
  bool local = false;   // this machine: what is sent does not leave it
  std::string where{};  // "host:port/database", for messages
};

struct Option {
  std::string key{};
  std::string value{};
};

struct Settings {
  std::vector<Endpoint> endpoints{};  // at least one
  std::vector<Option> given{};        // by the connection string, for libpq
  std::string password{};             // of the password file; empty: libpq knows
  // What is wrong with libpq's own password file, so that it is not read; empty: nothing.
  std::string passed_over{};
  WantedRole role = WantedRole::kAny;
  bool transaction_pooler = false;
  // The options do not say otherwise, so the server's certificate is checked where it is not local.
  bool verify_remote = false;
  bool says_verify_full = false;    // the options say just that
  std::string root_certificates{};  // the file to use in both cases; empty: libpq knows
  // What the options leave open: ours to set.
  bool sets_gssencmode = false;
  bool sets_user_timeout = false;
  bool sets_keepalives = false;
  std::string application_name{};
};

// Reads the environment, a service file. kInvalidArgument says what is wrong, without secrets.
absl::StatusOr<Settings> ReadSettings(const Libpq& pq, const PostgresOptions& options);

// What PQconnectStartParams is given to connect to `address` (empty: a socket) of `endpoint`.
std::vector<Option> ParametersFor(const Settings& settings, const Endpoint& endpoint,
                                  std::string_view address, const TcpTimers& timers);

// libpq itself refuses the parameters, in whatever language it says so. What else stops it at once (no
// route, no descriptor, no memory) is about the link or this machine, and passes.
bool AreRefused(const Libpq& pq, const std::vector<Option>& parameters);

}  // namespace roost::postgres

#endif  // ROOST_BACKENDS_POSTGRES_SETTINGS_H_
