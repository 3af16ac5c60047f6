#include "backends/postgres/startup_error.h"

#include <netdb.h>

#include <algorithm>
#include <optional>
#include <span>

#include "backends/postgres/sqlstates.h"

namespace roost::postgres {
namespace {

using enum absl::StatusCode;

bool Has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

bool HasOneOf(std::string_view text, std::span<const std::string_view> parts) {
  return std::ranges::any_of(parts, [text](std::string_view part) { return Has(text, part); });
}

constexpr std::string_view kPasses[] = {
    "conn", "timeout", "crash", "failed", "paused", "suspend", "shut", "idle", "lifetime", "memory",
};

// PgBouncer gives all its own refusals one SQLSTATE and speaks English only. A name that it repeats
// may hold any text, so what names somebody is looked for first.
std::optional<StartupFinding> FromPgBouncer(std::string_view message) {
  if (Has(message, "startup parameter")) return std::nullopt;
  if (message.starts_with("no such database") ||
      (Has(message, "database \"") && message.ends_with("\" does not exist"))) {
    return StartupFinding{.code = kNotFound,
                          .advice = "correct dbname, or list the database in PgBouncer"};
  }
  if (message.starts_with("no such user") || message == "auth failed" ||
      Has(message, "authentication failed")) {
    return StartupFinding{.code = kUnauthenticated,
                          .advice = "PgBouncer has its own list of users and passwords"};
  }
  if (HasOneOf(message, kPasses)) return StartupFinding{.code = kUnavailable};
  return std::nullopt;
}

StartupFinding FromServer(const StartupEvidence& evidence) {
  if (evidence.sqlstate == "08P01") {
    const std::optional<StartupFinding> own = FromPgBouncer(evidence.message);
    if (own.has_value()) return *own;
  }
  const Finding* const finding = FindAtStartup(evidence.sqlstate);
  if (finding == nullptr) return {.code = kUnavailable};
  return {.code = finding->code, .fault_scope = finding->fault_scope, .advice = finding->advice};
}

// A server without room for one more process says so in text alone. Where TLS was asked for libpq
// does not show it, because anybody may have said it.
constexpr std::string_view kNoProcess[] = {
    "could not fork", "could not create new process", "sent an error response during",
    "Cannot allocate memory", "Resource temporarily unavailable"};

constexpr std::string_view kTlsAdvice =
    "to a host that is not local the certificate is checked: give sslrootcert=FILE with the "
    "server's CA and the name in the certificate as host, or choose sslmode=require (unchecked) or "
    "sslmode=disable (unencrypted) knowingly";

// OpenSSL's reasons are in English everywhere, libpq's own sentences may be translated.
bool IsAboutCertificates(std::string_view message) {
  return Has(message, "certificate") || Has(message, " alert ") ||
         Has(message, "unsupported protocol");
}

bool IsLostLink(const StartupEvidence& evidence) {
  return evidence.hung_up || Has(evidence.message, "SYSCALL") ||
         Has(evidence.message, "closed the connection");
}

StartupFinding LostLink() {
  return {.code = kUnavailable,
          .fault_scope = FaultScope::kConnectionSuspectOlder,
          .other_address = true};
}

StartupFinding FromTls(const StartupEvidence& evidence) {
  if (!evidence.clock_unset) return {.code = kFailedPrecondition, .advice = kTlsAdvice};
  return {.code = kUnavailable,
          .advice = "this machine's clock is not set yet, and certificates need it"};
}

StartupFinding WithoutSqlState(const StartupEvidence& evidence) {
  const bool spoke = evidence.phase == Phase::kEncrypt || evidence.phase == Phase::kSignIn;
  if (spoke && HasOneOf(evidence.message, kNoProcess)) {
    return {.code = kUnavailable,
            .advice = "the server has no room for one more process",
            .other_address = true};
  }
  switch (evidence.phase) {
    case Phase::kLookUp:
    case Phase::kAwaitRoom:
    case Phase::kConnect:
      return LostLink();
    case Phase::kEncrypt:
      if (IsAboutCertificates(evidence.message)) return FromTls(evidence);
      return IsLostLink(evidence) ? LostLink() : FromTls(evidence);
    case Phase::kSignIn:
      if (evidence.needs_password) {
        return {.code = kUnauthenticated,
                .advice = "give a password in ~/.pgpass, in passfile=FILE or in PGPASSWORD"};
      }
      if (IsAboutCertificates(evidence.message)) return FromTls(evidence);
      if (IsLostLink(evidence)) return LostLink();
      return {.code = kFailedPrecondition, .advice = "is there a PostgreSQL server at this port?"};
    case Phase::kAskRole:
    case Phase::kOnConnect:
    case Phase::kDone:
      break;
  }
  return {.code = kUnavailable, .fault_scope = FaultScope::kConnectionSuspectOlder};
}

// Where ":  57P03: " begins: two spaces after a severity, then the state. No language changes that.
std::optional<size_t> FindSqlState(std::string_view message) {
  constexpr size_t kLength = 10;
  for (size_t at = message.find(":  "); at != std::string_view::npos;
       at = message.find(":  ", at + 1)) {
    if (at + kLength > message.size()) break;
    if (message.substr(at + 8, 2) == ": " && IsSqlState(message.substr(at + 3, 5))) return at;
  }
  return std::nullopt;
}

// "ORT:  InitPostgres, postinit.c:573": for the server's authors.
bool IsLocation(std::string_view line) {
  const size_t dot = line.rfind(".c:");
  return dot != std::string_view::npos &&
         line.find_first_not_of("0123456789", dot + 3) == std::string_view::npos;
}

std::string OnOneLine(std::string_view text) {
  std::string joined;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    while (!line.empty() && (line.front() == '\t' || line.front() == ' ')) line.remove_prefix(1);
    // libpq's advice is for who may look at the server.
    const bool advice = line.starts_with("Is the server running");
    if (line.empty() || advice || IsLocation(line)) continue;
    if (!joined.empty()) joined.push_back(' ');
    joined.append(line);
  }
  return joined;
}

}  // namespace

std::string_view Name(Phase phase) {
  switch (phase) {
    case Phase::kLookUp:
      return "looking up";
    case Phase::kAwaitRoom:
      return "waiting for the end of sessions at";
    case Phase::kConnect:
      return "connecting to";
    case Phase::kEncrypt:
      return "agreeing on encryption with";
    case Phase::kSignIn:
      return "waiting for the answer to the start-up packet of";
    case Phase::kAskRole:
      return "asking for the role of";
    case Phase::kOnConnect:
      return "running on_connect at";
    case Phase::kDone:
      break;
  }
  return "being connected to";
}

StartupFinding ClassifyStartup(const StartupEvidence& evidence) {
  return evidence.sqlstate.empty() ? WithoutSqlState(evidence) : FromServer(evidence);
}

StartupFinding ClassifyLookup(int error) {
  switch (error) {
    case EAI_NONAME:
    case EAI_NODATA:
      return {.code = kNotFound, .advice = "correct the host, or add it to the name service"};
    case EAI_MEMORY:
      return {.code = kResourceExhausted};
    default:
      return {.code = kUnavailable,
              .advice = "give hostaddr=ADDRESS beside host to do without the name service"};
  }
}

StartupMessage ReadStartupMessage(std::string_view message) {
  const std::optional<size_t> at = FindSqlState(message);
  if (!at.has_value()) return {.text = OnOneLine(message)};
  return {.sqlstate = std::string(message.substr(*at + 3, 5)),
          .text = OnOneLine(message.substr(*at + 10))};
}

}  // namespace roost::postgres
