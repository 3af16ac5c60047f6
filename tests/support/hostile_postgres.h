// tests/support/hostile_postgres.h - a PostgreSQL server that misbehaves by script.
//
// It speaks protocol 3 as far as libpq and the backend of this repository need it, on a free port of
// 127.0.0.1, in threads of the test program. A mode is one kind of misbehaviour; a place is the
// message of the client that is answered with it. Everything before is answered as PostgreSQL 15
// does, and so are all clients after Behave().
//
// Which statement is meant is told by its text: the one to be answered wrongly holds kMark, the one
// after which the session rests (Place::kIdle) holds kRestMark.
//
// Threads:  every function may be called from every thread
// Blocks:   the destructor, until the server's threads have left: no longer than a client's next byte
// Memory:   some 100 KB a session, however much is sent: what is huge is made while it is sent
// Errors:   Fail
// Example:
//   support::HostilePostgres server(*support::FindHostileMode("notice_flood"),
//                                   support::Place::kExecute);
//   PostgresBackend backend({.uri = server.Uri()});
//   ... the pool on it returns by its deadlines ...
//   server.Behave();
#ifndef ROOST_TESTS_SUPPORT_HOSTILE_POSTGRES_H_
#define ROOST_TESTS_SUPPORT_HOSTILE_POSTGRES_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace roost::support {

class HostileSession;

// The message that is answered wrongly.
enum class Place : uint8_t {
  kAccept,     // none: the connection was accepted
  kTls,        // SSLRequest, which a client sends that wants TLS
  kStartup,    // the start-up packet
  kSignedIn,   // the same, behind AuthenticationOk
  kRole,       // the question for the server's role, target_session_attrs
  kOnConnect,  // a simple query that holds kMark, as the session's first
  kParse,      // the messages of the extended protocol for a statement that holds kMark
  kDescribe,
  kBind,
  kExecute,
  kSync,
  kRowAgain,  // as kExecute, from the second run of the statement in a session on: row by row,
  kOneAgain,  // or as one row alone
  kSimple,    // a simple query that holds kMark
  kBegin,     // BEGIN, COMMIT, ROLLBACK, DISCARD ALL, and a statement without words
  kCommit,
  kRollback,
  kDiscard,
  kPing,
  kIdle,      // none: the session rests after a statement that holds kRestMark
  kAnywhere,  // of a mode: makes sense at every place from kStartup on
};
std::string_view Name(Place place);

inline constexpr std::string_view kMark = "hostile";
inline constexpr std::string_view kRestMark = "at rest";

struct HostileMode {
  std::string_view name;
  Place place;            // where it belongs
  std::string_view does;  // one line
  void (*act)(HostileSession& session);
  // What the client has to say in its connection string; empty: nothing.
  std::string_view client = {};
};

// Every mode, by place.
std::span<const HostileMode> HostileModes();
// Null: there is none of this name.
const HostileMode* FindHostileMode(std::string_view name);

class HostilePostgres {
 public:
  // A server without faults.
  HostilePostgres();
  // `place`: where `mode` is met; kAnywhere: where it belongs. REQUIRES: not kAnywhere for both.
  explicit HostilePostgres(const HostileMode& mode, Place place = Place::kAnywhere);
  ~HostilePostgres();
  HostilePostgres(const HostilePostgres&) = delete;
  HostilePostgres& operator=(const HostilePostgres&) = delete;

  // "postgresql://node@127.0.0.1:PORT/farm?" and what the mode wants of its client.
  std::string Uri() const;
  int port() const;
  // From now on what clients send is answered as it should be. What is being sent goes on.
  void Behave();
  // Connections accepted so far.
  int accepted() const;

 private:
  class Server;
  const std::unique_ptr<Server> server_;
};

}  // namespace roost::support

#endif  // ROOST_TESTS_SUPPORT_HOSTILE_POSTGRES_H_
