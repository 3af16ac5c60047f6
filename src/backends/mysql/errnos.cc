#include "backends/mysql/errnos.h"

#include <algorithm>
#include <array>
#include <optional>

#include "backends/common/finding_table.h"

namespace roost::mysql {
namespace {

using enum absl::StatusCode;
using enum FaultScope;

struct Row {
  unsigned number;
  Finding in_session;
  Finding at_startup;
};

constexpr std::string_view kUnsure =
    "whether it was committed is unknown: run it again only if it may be done twice";

constexpr Finding kFixProgram = {kInvalidArgument, kStatement};
constexpr Finding kRefusedRow = {kInvalidArgument, kStatement, "the schema refuses the row"};
constexpr Finding kRunAgain = {kAborted, kStatement, "run the whole transaction again"};
constexpr Finding kFull = {kResourceExhausted, kStatement,
                           "the server has no room: shed load, and look at it"};
constexpr Finding kAway = {kUnavailable, kConnection, "the server is away: retry later"};
// A link that broke for one, or a server that stops, may be the end of all.
constexpr Finding kAwayForAll = {kUnavailable, kConnectionSuspectOlder,
                                 "the server is away: retry later"};
constexpr Finding kTimedOut = {kDeadlineExceeded, kStatement,
                               "the server's own limit for a statement ended it"};
constexpr Finding kOutOfStep = {kInternal, kConnection, "the connection is closed"};
// Of the server's machine or storage, and not of the statement.
constexpr Finding kServersFault = {kInternal, kConnection, "look at the server and its log"};
constexpr Finding kDamagedTable = {kDataLoss, kStatement, "look at the table: CHECK TABLE"};
constexpr Finding kServersFile = {kFailedPrecondition, kStatement,
                                  "the server cannot use that file of its own machine"};
constexpr Finding kReadsOnly = {kUnavailable, kAllOlder,
                                "the server only reads: the next open looks for another host"};
constexpr Finding kNoPrivilege = {kPermissionDenied, kStatement, "grant it, or use another user"};

constexpr Finding kOpenAgain = {kUnavailable, kStatement};
constexpr Finding kOpenAgainSuspect = {kUnavailable, kConnectionSuspectOlder};
constexpr Finding kFixOnConnect = {kInvalidArgument, kStatement};
constexpr Finding kNoSessions = {kResourceExhausted, kStatement,
                                 "close other sessions, or raise max_connections or the user's "
                                 "MAX_USER_CONNECTIONS"};
constexpr Finding kNoSessionsHere = {kResourceExhausted, kConnection,
                                     "the server lends no more sessions: let fewer pools share it, "
                                     "or raise max_connections"};
constexpr Finding kMayNotEnter = {kPermissionDenied, kStatement,
                                  "the server decides by user and host who may enter: GRANT it"};
constexpr Finding kNoPlugin = {
    kFailedPrecondition, kStatement,
    "client and server share no way to sign in: the folder "
    "libmariadb3/plugin has those of the client, CREATE USER those of the "
    "user"};
constexpr Finding kNoTls = {
    kFailedPrecondition, kStatement,
    "the server's certificate was not accepted: give its authority with ssl-ca=FILE"};

// Sorted by number. Below 2000 and from 3000 on the server's, between them the library's.
constexpr Row kTable[] = {
    {1, kServersFile, kFixOnConnect},
    {13, kServersFile, kFixOnConnect},
    {29, kServersFile, kFixOnConnect},
    {1007, kFixProgram, kOpenAgain},  // at start-up as 1050
    {1008, kFixProgram, kFixOnConnect},
    {1020, kRunAgain, kOpenAgain},  // the record has changed since it was read
    {1021, kFull, kNoSessions},
    {1030, kServersFault, kOpenAgain},
    {1031, kFixProgram, kFixOnConnect},
    {1034, kDamagedTable, kOpenAgain},
    {1037, kFull, kNoSessions},
    {1038, kFull, kNoSessions},
    {1040, kNoSessionsHere, kNoSessions},
    {1041, kFull, kNoSessions},
    {1042, kAway, kOpenAgain},
    {1043, kOutOfStep, kOpenAgain},
    {1044, kNoPrivilege, kMayNotEnter},
    {1045,
     {kUnauthenticated, kConnection, "look at the user and the password"},
     {kUnauthenticated, kStatement,
      "give the right password in the password file, in MYSQL_PWD or in passfile=FILE"}},
    {1046, kFixProgram, kFixOnConnect},
    {1047, kReadsOnly, {kUnavailable, kStatement, "the node of the cluster is not ready"}},
    {1048, kRefusedRow, kFixOnConnect},
    {1049,
     {kNotFound, kConnection, "there is no such database: create it"},
     {kNotFound, kStatement, "create the database, or correct its name"}},
    // At start-up another connection made the table a moment ago.
    {1050, kFixProgram, kOpenAgain},
    {1053, kAwayForAll, kOpenAgainSuspect},
    {1054, kFixProgram, kFixOnConnect},
    {1061, kFixProgram, kOpenAgain},
    {1062, {kAlreadyExists, kStatement}, kOpenAgain},
    {1064, kFixProgram, kFixOnConnect},
    {1065, kFixProgram, kFixOnConnect},
    {1094, kFixProgram, kFixOnConnect},
    {1100, kFixProgram, kFixOnConnect},
    {1105, kServersFault, kOpenAgain},
    {1114, kFull, kNoSessions},
    {1129,
     kAway,
     {kUnavailable, kStatement,
      "the server has blocked this host after many broken connects: FLUSH HOSTS"}},
    {1130, kNoPrivilege, kMayNotEnter},
    {1142, kNoPrivilege, kMayNotEnter},
    {1143, kNoPrivilege, kMayNotEnter},
    {1146, kFixProgram, kFixOnConnect},
    {1152, kAway, kOpenAgain},
    {1153,
     {kResourceExhausted, kConnection,
      "longer than the server's max_allowed_packet: send less at a time, or raise it"},
     kOpenAgain},
    {1158, kAway, kOpenAgain},
    {1159, kAway, kOpenAgain},
    {1160, kAway, kOpenAgain},
    {1161, kAway, kOpenAgain},
    {1180, kServersFault, kOpenAgain},
    {1181, kServersFault, kOpenAgain},
    {1184, kAway, kOpenAgain},
    {1193, kFixProgram, kFixOnConnect},
    {1194, kDamagedTable, kOpenAgain},
    {1195, kDamagedTable, kOpenAgain},
    {1203, kNoSessionsHere, kNoSessions},
    {1205, kRunAgain, kOpenAgain},
    {1206, kFull, kOpenAgain},
    {1213, kRunAgain, kOpenAgain},
    {1226, kFull, kNoSessions},
    {1227, kNoPrivilege, kMayNotEnter},
    {1243, kRunAgain, kOpenAgain},
    {1251, kNoPlugin, kNoPlugin},
    {1264, kRefusedRow, kFixOnConnect},
    {1265, kRefusedRow, kFixOnConnect},
    // An option of the server; LostRole tells --read-only.
    {1290, {kFailedPrecondition, kStatement}, {kFailedPrecondition, kStatement}},
    {1292, kRefusedRow, kFixOnConnect},
    {1295, kFixProgram, kFixOnConnect},
    {1298, kFixProgram, kFixOnConnect},
    {1300, kFixProgram, kFixOnConnect},  // no text of its character set
    {1305, kFixProgram, kFixOnConnect},
    {1317,
     {kAborted, kStatement, "stopped by KILL QUERY of an administrator; run it again"},
     kOpenAgain},
    {1364, kRefusedRow, kFixOnConnect},
    {1366, kRefusedRow, kFixOnConnect},
    {1367, kRefusedRow, kFixOnConnect},
    {1396, kFixProgram, kFixOnConnect},
    {1406, kRefusedRow, kFixOnConnect},
    {1410, kNoPrivilege, kMayNotEnter},
    {1451, kRefusedRow, kFixOnConnect},
    {1452, kRefusedRow, kFixOnConnect},
    {1461,
     {kResourceExhausted, kStatement,
      "the server keeps no more prepared statements: raise max_prepared_stmt_count, or lower "
      "kStatements"},
     kNoSessions},
    {1524, kNoPlugin, kNoPlugin},
    {1526, kFixProgram, kFixOnConnect},
    {1615, kRunAgain, kOpenAgain},
    {1616, kFixProgram, kFixOnConnect},
    {1712, kDamagedTable, kOpenAgain},
    {1792, kReadsOnly, kOpenAgain},
    {1815, kServersFault, kOpenAgain},
    {1835, kOutOfStep, kOpenAgain},
    {1836, kReadsOnly, kOpenAgain},
    {1927, kAwayForAll, kOpenAgainSuspect},
    {1969, kTimedOut, kOpenAgain},
    {2000, kOutOfStep, kOpenAgain},
    {2001, kAwayForAll, kOpenAgain},
    {2002, kAwayForAll, kOpenAgainSuspect},
    {2003, kAwayForAll, kOpenAgainSuspect},
    {2004, kAwayForAll, kOpenAgain},
    {2005, kAwayForAll, kOpenAgain},
    {2006, kAwayForAll, kOpenAgainSuspect},
    {2008, {kResourceExhausted, kConnection, "libmariadb has no memory"}, kNoSessions},
    {2012, kAwayForAll, kOpenAgainSuspect},
    {2013, kAwayForAll, kOpenAgainSuspect},
    {2014, kOutOfStep, kOpenAgain},
    {kPacketTooLong,
     {kResourceExhausted, kConnection, "ask for less at a time, or raise max_result_bytes"},
     kOpenAgain},
    {2026, kAwayForAll, kNoTls},
    {2027, kOutOfStep, kOpenAgain},
    {2030, kOutOfStep, kOpenAgain},
    {2031, kOutOfStep, kOpenAgain},
    {2032, kOutOfStep, kOpenAgain},
    {2033, kOutOfStep, kOpenAgain},
    {2034, kOutOfStep, kOpenAgain},
    {2035, kOutOfStep, kOpenAgain},
    {2036, kOutOfStep, kOpenAgain},
    {2054, kNoPlugin, kNoPlugin},
    {2055, kAwayForAll, kOpenAgainSuspect},
    {2056, kOutOfStep, kOpenAgain},
    {2059, kNoPlugin, kNoPlugin},
    {2061, kNoPlugin, kNoPlugin},
    {3024, kTimedOut, kOpenAgain},
    // Group replication: the member may not write, or has rolled the transaction back.
    {3100, kReadsOnly, kOpenAgain},
    {3101, kRunAgain, kOpenAgain},
    {3819, kRefusedRow, kFixOnConnect},
    {4025, kRefusedRow, kFixOnConnect},
    {4031, kAway, kOpenAgain},
    {4038, kFixProgram, kFixOnConnect},
    {4151, kNoPrivilege, kMayNotEnter},  // access denied, the account is locked
    {4166, kFixProgram, kFixOnConnect},  // LOAD DATA LOCAL
    {5010, kNoPlugin, kNoPlugin},        // the library's: a way to sign in that is not allowed
    {9001, kAway, kOpenAgain},           // ProxySQL: no server of the hostgroup was reached
};

struct ClassRow {
  char state[3];
  Finding in_session;
  Finding at_startup;
};

constexpr ClassRow kClasses[] = {
    {"08", kAway, kOpenAgainSuspect},
    {"0A", kFixProgram, kFixOnConnect},
    {"21", kFixProgram, kFixOnConnect},
    {"22", kFixProgram, kFixOnConnect},
    {"23", kRefusedRow, kFixOnConnect},
    {"24", kFixProgram, kFixOnConnect},
    {"25", {kFailedPrecondition, kStatement}, kOpenAgain},
    {"28", {kUnauthenticated, kConnection}, {kUnauthenticated, kStatement}},
    {"3D", kFixProgram, {kNotFound, kStatement}},
    {"40", kRunAgain, kOpenAgain},
    {"42", kFixProgram, kFixOnConnect},
    {"44", kRefusedRow, kFixOnConnect},
    {"45", kFixProgram, kFixOnConnect},  // SIGNAL of a trigger or a procedure
    {"70", kTimedOut, kOpenAgain},
};

// The server has answered: the statement failed, and the session goes on.
constexpr Finding kUnknownOfServer = {kFailedPrecondition, kStatement,
                                      "an error unknown to roostpool: the server refuses the "
                                      "statement"};
constexpr Finding kUnknownOfLibrary = {kInternal, kConnection, "an error unknown to roostpool"};

bool IsOfLibrary(unsigned number) {
  return number == 0 || (number >= 2000 && number < 3000) || (number >= 5000 && number < 6000);
}

using Table = backends::FindingTable<kTable>;
using Classes = backends::FindingTable<kClasses>;

constexpr auto kNumbers = [] {
  std::array<uint16_t, Table::kSize> numbers{};
  for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<uint16_t>(kTable[i].number);
  return numbers;
}();
struct ClassText {
  char text[sizeof(ClassRow::state)];
};
constexpr auto kStates = [] {
  std::array<ClassText, Classes::kSize> texts{};
  for (size_t i = 0; i < texts.size(); ++i) std::ranges::copy(kClasses[i].state, texts[i].text);
  return texts;
}();

std::optional<size_t> FindRow(unsigned number) {
  const auto* const found = std::lower_bound(kNumbers.begin(), kNumbers.end(), number);
  if (found == kNumbers.end() || *found != number) return std::nullopt;
  return static_cast<size_t>(found - kNumbers.begin());
}

std::optional<size_t> FindClass(std::string_view sqlstate) {
  const auto* const found =
      std::find_if(kStates.begin(), kStates.end(),
                   [&](const ClassText& each) { return sqlstate.substr(0, 2) == each.text; });
  if (found == kStates.end()) return std::nullopt;
  return static_cast<size_t>(found - kStates.begin());
}

Finding InSession(const Evidence& evidence) {
  if (LostRole(evidence)) return kReadsOnly;
  if (const auto row = FindRow(evidence.number)) return Table::InSession(*row);
  if (const auto row = FindClass(evidence.sqlstate)) return Classes::InSession(*row);
  return IsOfLibrary(evidence.number) ? kUnknownOfLibrary : kUnknownOfServer;
}

}  // namespace

bool LostRole(const Evidence& evidence) {
  if (evidence.number != 1290) {
    return evidence.number == 1792 || evidence.number == 1836 || evidence.number == 1047 ||
           evidence.number == 3100;
  }
  return evidence.message.find("read-only") != std::string_view::npos ||
         evidence.message.find("read_only") != std::string_view::npos;
}

Finding ClassifyInSession(const Evidence& evidence) {
  Finding finding = InSession(evidence);
  const bool lost = finding.fault_scope != kStatement &&
                    (finding.code == kUnavailable || evidence.number == kPacketTooLong);
  // Refused before anything was done.
  const bool refused = LostRole(evidence);
  if (lost && !refused && evidence.operation == Operation::kCommit) {
    finding.code = kUnknown;
    finding.advice = kUnsure;
  }
  return finding;
}

Finding ClassifyAtStartup(const Evidence& evidence) {
  if (LostRole(evidence)) {
    return {kUnavailable, kStatement, "on_connect writes, and this server only reads"};
  }
  if (const auto row = FindRow(evidence.number)) return Table::AtStartup(*row);
  if (const auto row = FindClass(evidence.sqlstate)) return Classes::AtStartup(*row);
  return kOpenAgain;
}

Finding ClassifyDeadline(Operation operation) {
  if (operation == Operation::kCommit) return {kUnknown, kConnection, kUnsure};
  return {kDeadlineExceeded, kConnection, "the connection is closed: its answer may still come"};
}

bool WantsPreparing(unsigned number) { return number == 1243 || number == 1615; }

bool MayQuoteValues(unsigned number) {
  constexpr unsigned kQuoting[] = {1062, 1264, 1265, 1292, 1366, 1367, 1411, 1525, 1690, 4038};
  return std::find(std::begin(kQuoting), std::end(kQuoting), number) != std::end(kQuoting);
}

bool UndoesTransaction(unsigned number) {
  constexpr unsigned kUndoing[] = {1020, 1205, 1206, 1213};
  return std::find(std::begin(kUndoing), std::end(kUndoing), number) != std::end(kUndoing);
}

}  // namespace roost::mysql
