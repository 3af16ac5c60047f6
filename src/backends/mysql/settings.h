// backends/mysql/settings.h - what "mysql://..." says, and the password from wherever it is. Pure but
// for the files of passwords and certificates, which are looked at.
#ifndef ROOST_BACKENDS_MYSQL_SETTINGS_H_
#define ROOST_BACKENDS_MYSQL_SETTINGS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "roost/mysql.h"

namespace roost::mysql {

// What is asked of the link's encryption.
enum class Encryption : uint8_t {
  kNone,
  kAny,        // any certificate
  kAuthority,  // one that the authority has signed
  kHost,       // and that names the host
};

// One host of the list.
struct Endpoint {
  std::string host{};     // a name or an address; empty: a socket
  std::string address{};  // the host itself when it is an address; empty: to be looked up
  std::string socket{};   // the path of a Unix socket
  int port = 3306;
  Encryption encryption = Encryption::kHost;
  bool chosen = false;  // the uri says how, by sslmode
  std::string where{};  // "host:port/database", for messages
};

// Of the system, for a server whose authority is not said.
inline constexpr char kSystemCertificates[] = "/etc/ssl/certs/ca-certificates.crt";

struct Settings {
  std::vector<Endpoint> endpoints{};  // at least one
  std::string user{};                 // empty: the name of the process's user
  std::string password{};
  std::string database{};
  std::string authorities{};  // the file; empty where no certificate is checked
  std::string certificate{};
  std::string key{};
  bool writable = false;            // a server that only reads is left for another one
  bool transaction_pooler = false;  // a pooler gives each transaction another session
  std::string password_from{};      // the file that it was read from; empty: none
};

// "mysql://" or "mariadb://" stands before it.
bool IsMysqlUri(std::string_view text);

// kInvalidArgument says what is wrong, without any piece of the text that may belong to a password.
absl::StatusOr<Settings> ParseUri(std::string_view text);
// Whether there is a password in it, or in what cannot be taken apart.
bool HasPassword(std::string_view text);

// The same, with the password and with what the files and the environment have.
absl::StatusOr<Settings> ReadSettings(const MysqlOptions& options);

// "host:port/database", for a log; several hosts with commas. Never a user, never a password; a text that
// cannot be taken apart is not shown at all.
std::string DescribeTarget(std::string_view text);

}  // namespace roost::mysql

#endif  // ROOST_BACKENDS_MYSQL_SETTINGS_H_
