// The two columns answer two different readers, so that they differ on purpose:
//
//   status       In a session the caller reacts: it fixes the program (kInvalidArgument) or runs the
//                transaction again (kAborted). At start-up the pool reacts: kUnavailable and
//                kResourceExhausted make it try again with growing pauses; every other status needs a
//                person, and makes it try at its longest pause. What no open is known to meet is
//                tried again.
//   fault scope  In a session kConnection says that the session is over. At start-up there is no
//                session yet: the scope only speaks of the connections that were opened before.
//   advice       In a session it is for the author of the statement, at start-up for the operator.
//
// A row with another reason for a difference has it in a comment.
#include "backends/postgres/sqlstates.h"

#include <algorithm>
#include <array>
#include <optional>

#include "backends/common/finding_table.h"

namespace roost::postgres {
namespace {

using enum absl::StatusCode;
using enum FaultScope;

struct Row {
  char sqlstate[6];  // five characters, or the two of a class
  Finding in_session;
  Finding at_startup;
};

// The answer of the SQLSTATE's class.
constexpr Finding kAsClass = {kOk};

constexpr Finding kFixProgram = {kInvalidArgument, kStatement};
constexpr Finding kWrongState = {kFailedPrecondition, kStatement};
constexpr Finding kRunAgain = {kAborted, kStatement, "run the whole transaction again"};
constexpr Finding kAway = {kUnavailable, kConnection, "the server is away: retry later"};
constexpr Finding kUnsure = {
    kUnknown, kStatement,
    "whether it was committed is unknown: run it again only if it may be done twice"};
constexpr Finding kDamaged = {kDataLoss, kStatement, "the server's data is damaged: alarm"};

constexpr Finding kOpenAgain = {kUnavailable, kStatement};
constexpr Finding kFixOnConnect = {kInvalidArgument, kStatement};

constexpr Finding With(Finding finding, FaultScope fault_scope) {
  finding.fault_scope = fault_scope;
  return finding;
}

// Sorted: a class, then those of its SQLSTATEs that differ from it.
constexpr Row kTable[] = {
    // At start-up the server cannot be reached: the older connections have to prove that they live.
    {"08", kAway, With(kOpenAgain, kConnectionSuspectOlder)},
    {"08007", With(kUnsure, kConnection), kAsClass},
    // PgBouncer says it for everything of its own. In a session that is the end of the server
    // behind it, at start-up a parameter that it refuses (startup_error.cc tells its passing
    // troubles apart).
    {"08P01",
     {kUnavailable, kConnection,
      "client and server no longer understand each other: the connection is closed"},
     {kInvalidArgument, kStatement,
      "behind PgBouncer: leave `options` out, or add it to its ignore_startup_parameters"}},
    {"0A", kFixProgram, kOpenAgain},
    // At start-up the server, or a pooler, lacks what the options ask for.
    {"0A000", kAsClass, kWrongState},
    {"20", kFixProgram, kOpenAgain},
    {"21", kFixProgram, kOpenAgain},
    {"22", kFixProgram, kFixOnConnect},
    {"23", {kInvalidArgument, kStatement, "the schema refuses the row"}, kFixOnConnect},
    // At start-up another connection is at the same on_connect: the next try finds it done.
    {"23505", {kAlreadyExists, kStatement}, kOpenAgain},
    {"24", kFixProgram, kOpenAgain},
    {"25", kWrongState, kOpenAgain},
    {"25001", {kFailedPrecondition, kStatement, "a transaction is open already"}, kAsClass},
    // At start-up it is on_connect that writes. The next try may find another host.
    {"25006",
     {kFailedPrecondition, kStatement,
      "the transaction or the server only reads (target_session_attrs=primary looks for another)"},
     {kUnavailable, kStatement,
      "on_connect writes and this server is read-only: say target_session_attrs=read-write"}},
    {"25P01", {kFailedPrecondition, kStatement, "no transaction is open"}, kAsClass},
    {"25P02",
     {kFailedPrecondition, kStatement,
      "an earlier statement of this transaction failed, and its error says why: roll back"},
     kAsClass},
    {"25P03",
     {kUnavailable, kConnection,
      "the transaction was idle for longer than the server allows, and is rolled back"},
     kAsClass},
    {"25P04",
     {kUnavailable, kConnection,
      "the transaction was open for longer than the server allows, and is rolled back"},
     kAsClass},
    {"26", kFixProgram, kOpenAgain},
    {"26000", kRunAgain, kAsClass},
    {"27", kFixProgram, kOpenAgain},
    // At start-up the server tells a wrong password (28P01) from a role that may not connect. In a
    // session both say that a login of another session failed, through a foreign server or a pooler.
    {"28",
     {kUnauthenticated, kConnection, "look at the user, the password and pg_hba.conf"},
     {kPermissionDenied, kStatement,
      "the server's pg_hba.conf and the role's LOGIN decide who may connect from where"}},
    {"28P01",
     kAsClass,
     {kUnauthenticated, kStatement,
      "give the right password in ~/.pgpass, in passfile=FILE or in PGPASSWORD"}},
    {"2B", kWrongState, kOpenAgain},
    {"2D", kFixProgram, kOpenAgain},
    {"2F", kFixProgram, kOpenAgain},
    {"34", kFixProgram, kOpenAgain},
    {"38", kFixProgram, kOpenAgain},
    {"39", kFixProgram, kOpenAgain},
    {"3B", kFixProgram, kOpenAgain},
    {"3D", kFixProgram, kOpenAgain},
    {"3D000",
     {kNotFound, kConnection, "there is no such database: create it"},
     {kNotFound, kStatement, "create the database, or correct dbname"}},
    {"3F", kFixProgram, kOpenAgain},
    {"40", kRunAgain, kOpenAgain},  // 40001, 40P01
    {"40003", kUnsure, kAsClass},
    {"42", kFixProgram, kFixOnConnect},
    {"42501",
     {kPermissionDenied, kStatement, "grant it, or use another role"},
     {kPermissionDenied, kStatement, "the role lacks a privilege: GRANT it"}},
    // Two sessions took one name: a pooler between that the options do not name.
    {"42P05",
     {kAborted, kStatement,
      "run the whole transaction again; is there a transaction pooler? then say "
      "pooler=transaction"},
     kAsClass},
    // As 23505: another connection made the table a moment ago.
    {"42P07", kAsClass, kOpenAgain},
    {"44", {kInvalidArgument, kStatement, "the view refuses the row"}, kOpenAgain},
    {"53",
     {kResourceExhausted, kStatement, "the server has no room: shed load, and look at it"},
     {kResourceExhausted, kStatement}},
    {"53300",
     {kResourceExhausted, kConnection,
      "the server lends no more sessions: let fewer pools share it, or raise max_connections"},
     {kResourceExhausted, kStatement,
      "close other sessions, or raise max_connections or the role's CONNECTION LIMIT"}},
    {"54", {kInvalidArgument, kStatement, "the statement is beyond a limit"}, kOpenAgain},
    {"55", {kAborted, kStatement, "another session uses the object: run it again"}, kOpenAgain},
    {"55000", kWrongState, kWrongState},
    {"55P03", kRunAgain, kAsClass},
    {"57", kAway, kOpenAgain},
    // Not ours: a deadline of ours closes the connection, it never cancels.
    {"57014",
     {kAborted, kStatement,
      "cancelled by the server's statement_timeout or by an administrator; run it again"},
     kAsClass},
    // The server is on its way down or up: what it had before is gone, or will be.
    {"57P01", With(kAway, kConnectionSuspectOlder), With(kOpenAgain, kConnectionSuspectOlder)},
    {"57P02", With(kAway, kAllOlder), With(kOpenAgain, kAllOlder)},
    {"57P03",
     With(kAway, kAllOlder),
     {kUnavailable, kAllOlder, "it is starting, stopping or recovering"}},
    // At start-up the server says 3D000 for it.
    {"57P04", {kUnavailable, kAllOlder, "the database was dropped"}, kAsClass},
    {"57P05",
     {kUnavailable, kConnection, "the server ended the idle session (idle_session_timeout)"},
     kAsClass},
    {"58", {kUnavailable, kStatement, "the server's system gave an error"}, kOpenAgain},
    {"72", kRunAgain, kOpenAgain},
    {"F0", {kFailedPrecondition, kStatement, "look at the server's configuration"}, kOpenAgain},
    {"HV", {kUnavailable, kStatement, "a foreign server gave an error"}, kOpenAgain},
    {"P0", {kInvalidArgument, kStatement, "raised by a function of the database"}, kOpenAgain},
    // At start-up no row of the caller's was read: the next try may well succeed.
    {"XX", {kInternal, kStatement, "a bug inside the server"}, kOpenAgain},
    {"XX001", kDamaged, kAsClass},
    {"XX002", kDamaged, kAsClass},
};

using Table = backends::FindingTable<kTable>;

struct SqlStateText {
  char text[sizeof(Row::sqlstate)];
};
constexpr auto kSqlStates = [] {
  std::array<SqlStateText, Table::kSize> texts{};
  for (size_t i = 0; i < texts.size(); ++i) std::ranges::copy(kTable[i].sqlstate, texts[i].text);
  return texts;
}();

std::optional<size_t> FindRow(std::string_view sqlstate) {
  for (size_t i = 0; i < kSqlStates.size(); ++i) {
    if (kSqlStates[i].text == sqlstate) return i;
  }
  return std::nullopt;
}

const Finding* FindIn(const Finding& (*column)(size_t row), std::string_view sqlstate) {
  std::optional<size_t> row = FindRow(sqlstate);
  if (!row.has_value() || column(*row).code == kAsClass.code) row = FindRow(sqlstate.substr(0, 2));
  return row.has_value() ? &column(*row) : nullptr;
}

}  // namespace

bool IsSqlState(std::string_view text) {
  for (const char c : text) {
    if ((c < '0' || c > '9') && (c < 'A' || c > 'Z')) return false;
  }
  return text.size() == 5;
}

const Finding* FindInSession(std::string_view sqlstate) {
  return FindIn(&Table::InSession, sqlstate);
}

const Finding* FindAtStartup(std::string_view sqlstate) {
  return FindIn(&Table::AtStartup, sqlstate);
}

}  // namespace roost::postgres
