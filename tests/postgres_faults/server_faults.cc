// The rows about the server: its sessions and its processes come to harm, the link does not.

#include <libpq-fe.h>
#include <signal.h>

#include "tests/postgres_faults/faults.h"

namespace roost::faults {
namespace {

using absl::StatusCode;
using support::PostgresServer;
using Shutdown = PostgresServer::Shutdown;

void Terminate(World& world) {
  world.server.Sql(
      "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
      "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()");
}

// A time-out of the server's that the node's sessions begin with; its strike is to wait for it.
std::function<void(PostgresServer&)> WithTimeOut(const std::string& setting) {
  return
      [=](PostgresServer& server) { server.Sql("ALTER ROLE node SET " + setting + " = '300ms'"); };
}
void WaitForTimeOut(World& world) {
  if (!world.server.WaitForSessions(0)) support::Fail("the server's time-out never came");
}
void TakeBackTimeOuts(World& world) { world.server.Sql("ALTER ROLE node RESET ALL"); }

void SignalSessions(World& world, int signal) {
  int signalled = 0;  // one that is in the list may have ended since
  for (const pid_t session : world.server.Sessions()) signalled += kill(session, signal) == 0;
  if (signalled == 0) support::Fail("no session to send a signal to");
}

// A session that is none of the pool's is killed: the postmaster then ends them all.
void KillAnother(World& world) {
  const pid_t ours = world.server.Sessions().front();
  PGconn* another = PQconnectdb(world.server.Uri().c_str());
  world.server.KillSession(PQbackendPID(another));
  PQfinish(another);
  support::WaitUntil([&] { return kill(ours, 0) != 0; });
}
void KillOurs(World& world) { world.server.KillSession(world.server.Sessions().front()); }

void StopPostmaster(World& world) {
  world.server.LetGo();
  world.server.Signal(SIGSTOP);
}
void ContinuePostmaster(World& world) { world.server.Signal(SIGCONT); }

std::vector<Fault> FaultsOfASession() {
  return {
      {.name = "TerminatedWhileResting",
       .title = "pg_terminate_backend; connection at rest",
       .moment = Moment::kResting,
       .strike = Terminate,
       .sees = {StatusCode::kOk}},
      {.name = "TerminatedWhileLent",
       .title = "pg_terminate_backend; lent, before a query",
       .moment = Moment::kLent,
       .strike = Terminate,
       .sees = {StatusCode::kUnavailable},
       .sqlstate = "57P01"},
      {.name = "TerminatedWhileAsked",
       .title = "pg_terminate_backend in mid-query",
       .moment = Moment::kAsked,
       .strike = Terminate,
       .sees = {StatusCode::kUnavailable},
       .sqlstate = "57P01"},
      {.name = "IdleSessionTimeOut",
       .title = "idle_session_timeout; at rest",
       .moment = Moment::kResting,
       .prepare = WithTimeOut("idle_session_timeout"),
       .strike = WaitForTimeOut,
       .mend = TakeBackTimeOuts,
       .sees = {StatusCode::kOk}},
      {.name = "IdleSessionTimeOutWhileLent",
       .title = "idle_session_timeout; lent, before a query",
       .moment = Moment::kLent,
       .prepare = WithTimeOut("idle_session_timeout"),
       .strike = WaitForTimeOut,
       .mend = TakeBackTimeOuts,
       .sees = {StatusCode::kUnavailable},
       .sqlstate = "57P05"},
      {.name = "IdleInTransactionTimeOut",
       .title = "idle_in_transaction_session_timeout",
       .moment = Moment::kTransaction,
       .prepare = WithTimeOut("idle_in_transaction_session_timeout"),
       .strike = WaitForTimeOut,
       .mend = TakeBackTimeOuts,
       .sees = {StatusCode::kUnavailable},
       .sqlstate = "25P03"},
      {.name = "SessionStopped",
       .title = "session's process stopped (SIGSTOP) in mid-query",
       .moment = Moment::kAsked,
       .strike = [](World& world) { SignalSessions(world, SIGSTOP); },
       .mend = [](World& world) { SignalSessions(world, SIGCONT); },
       .recovers_unmended = true,
       .sees = {StatusCode::kDeadlineExceeded},
       .limit = 600ms},
  };
}

std::vector<Fault> FaultsOfTheServer() {
  return {
      {.name = "RestartedWhileResting",
       .title = "restart, mode fast; at rest",
       .moment = Moment::kResting,
       .strike = [](World& world) { world.server.Restart(); },
       .sees = {StatusCode::kOk}},
      {.name = "StoppedWhileAsked",
       .title = "stop, mode fast, in mid-query; started again",
       .moment = Moment::kAsked,
       .strike = [](World& world) { world.server.Stop(); },
       .mend = [](World& world) { world.server.Start(); },
       .sees = {StatusCode::kUnavailable},
       .sqlstate = "57P01"},
      {.name = "Down",
       .title = "stopped; at rest; started again",
       .moment = Moment::kResting,
       .strike = [](World& world) { world.server.Stop(); },
       .mend = [](World& world) { world.server.Start(); },
       .sees = {StatusCode::kUnavailable}},
      {.name = "AnotherSessionKilled",
       .title = "another session's process killed (SIGKILL); lent, before a query",
       .moment = Moment::kLent,
       .strike = KillAnother,
       .sees = {StatusCode::kUnavailable},
       .sqlstate = "57P02"},
      {.name = "OwnSessionKilled",
       .title = "session's process killed (SIGKILL) in mid-query",
       .moment = Moment::kAsked,
       .strike = KillOurs,
       .sees = {StatusCode::kUnavailable}},
      {.name = "PostmasterStoppedWhileResting",
       .title = "postmaster stopped (SIGSTOP); at rest",
       .moment = Moment::kResting,
       .strike = StopPostmaster,
       .mend = ContinuePostmaster,
       .recovers_unmended = true,
       .sees = {StatusCode::kOk},
       .same_connection = true},
      {.name = "PostmasterStoppedBeforeOpening",
       .title = "postmaster stopped (SIGSTOP); connection to be opened",
       .moment = Moment::kNone,
       .strike = StopPostmaster,
       .mend = ContinuePostmaster,
       .sees = {StatusCode::kDeadlineExceeded},
       .limit = 600ms,
       .same_connection = true},
  };
}

}  // namespace

std::vector<Fault> ServerFaults() {
  std::vector<Fault> faults = FaultsOfASession();
  for (Fault& fault : FaultsOfTheServer()) faults.push_back(std::move(fault));
  return faults;
}

}  // namespace roost::faults
