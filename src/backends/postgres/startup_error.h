// backends/postgres/startup_error.h - what an attempt to connect that failed means. Pure.
//
// It answers for the caller, for the connections that exist, and for the next try.
#ifndef ROOST_BACKENDS_POSTGRES_STARTUP_ERROR_H_
#define ROOST_BACKENDS_POSTGRES_STARTUP_ERROR_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "roost/backend.h"

namespace roost::postgres {

// How far an attempt has come.
enum class Phase : uint8_t {
  kLookUp,     // the name of the host
  kAwaitRoom,  // the pool has as many sessions there as it may
  kConnect,    // TCP, or the socket
  kEncrypt,    // TLS
  kSignIn,     // start-up packet, password
  kAskRole,    // read-only or not
  kOnConnect,  // the caller's statements
  kDone,
};

// "looking up NAME", "connecting", ...: what a deadline came upon.
std::string_view Name(Phase phase);

struct StartupEvidence {
  Phase phase = Phase::kConnect;
  std::string_view sqlstate{};  // the server's; empty: none
  std::string_view message{};   // the server's or libpq's
  bool hung_up = false;         // the other side had closed before libpq looked
  bool needs_password = false;  // the server asked for one and there is none
  bool clock_unset = false;     // the wall clock shows a time before this program was built
};

struct StartupFinding {
  absl::StatusCode code = absl::StatusCode::kUnknown;
  FaultScope fault_scope = FaultScope::kStatement;
  std::string_view advice{};   // what would be right; may be empty
  bool other_address = false;  // another address of the same host may do better
};

StartupFinding ClassifyStartup(const StartupEvidence& evidence);

// Of a name that was not found, by getaddrinfo's number.
StartupFinding ClassifyLookup(int error);

// What libpq 15 says of a refused start-up with verbosity VERBOSE, taken apart: "FATAL:  57P03: the
// database system is starting up". The text is the server's sentence with detail and hint, else
// all of libpq's, on one line. Works in every language.
struct StartupMessage {
  std::string sqlstate{};
  std::string text{};
};
StartupMessage ReadStartupMessage(std::string_view message);

}  // namespace roost::postgres

#endif  // ROOST_BACKENDS_POSTGRES_STARTUP_ERROR_H_
