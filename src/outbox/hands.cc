#include "outbox/hands.h"

#include <algorithm>
#include <chrono>
#include <iterator>

namespace roost::outbox {
namespace {

using enum OutboxHand;

constexpr Duration kUntilThereIsRoom = std::chrono::seconds(30);

struct StateRow {
  std::string_view sqlstate;  // five characters, or the two of a class
  OutboxHand hand;
};

// The longest that fits counts. Sorted.
constexpr StateRow kStates[] = {
    {"08", kWait},         // the connection
    {"0A", kHold},         // not supported: a plan of another schema
    {"0L", kHold},         // a grant
    {"0P", kHold},         // a role
    {"22", kSetAside},     // the row's data
    {"23", kWait},         // of the constraints only these are the row's fault
    {"23502", kSetAside},  // NOT NULL
    {"23503", kSetAside},  // a foreign key
    {"23505", kSetAside},  // a unique key of the user's own
    {"23514", kSetAside},  // CHECK; but see below
    {"23P01", kSetAside},  // EXCLUDE
    {"25", kWait},         // of a transaction
    {"25006", kWait},      // the server only reads: it was a primary, or is to become one
    {"28", kHold},         // password, role
    {"3D", kHold},         // the database
    {"3F", kHold},         // the schema
    {"40", kWait},         // of a rollback only these are a race
    {"40001", kAgain},     // serialisation
    {"40P01", kAgain},     // deadlock
    {"42", kHold},         // tables, columns, functions, rights
    {"53", kWait},         // no room
    {"54", kTooLarge},     // limits of the program
    {"54011", kHold},      // too many columns
    {"54023", kHold},      // too many arguments
    {"55", kWait},         // not now
    {"55P03", kAgain},     // a lock
    {"57", kWait},         // the administrator
    {"58", kWait},         // the system
    {"F0", kHold},         // the server's configuration file
    {"HV", kHold},         // a foreign table
    {"P0", kHold},         // raised by a function or a trigger
    {"XX", kWait},         // the server's own faults
};

const StateRow* Find(std::string_view sqlstate) {
  const auto* const found =
      std::find_if(std::begin(kStates), std::end(kStates),
                   [sqlstate](const StateRow& row) { return row.sqlstate == sqlstate; });
  return found != std::end(kStates) ? found : nullptr;
}

struct NumberRow {
  int number;
  OutboxHand hand;
};

// Sorted. Below 2000 and from 3000 on the server's, between them the library's.
constexpr NumberRow kNumbers[] = {
    {1044, kHold},      // no right to the database
    {1045, kHold},      // password
    {1046, kHold},      // no database
    {1048, kSetAside},  // NOT NULL
    {1049, kHold},      // unknown database
    {1054, kHold},      // unknown column
    {1062, kSetAside},  // a unique key of the user's own
    {1064, kHold},      // syntax
    {1103, kHold},      // a wrong name of a table
    {1130, kHold},      // this host may not enter
    {1136, kHold},      // another number of columns
    {1142, kHold},      // no right to the table
    {1143, kHold},      // no right to the column
    {1146, kHold},      // no such table
    {1153, kTooLarge},  // max_allowed_packet
    {1205, kAgain},     // a lock
    {1213, kAgain},     // deadlock
    {1227, kHold},      // a privilege
    {1251, kHold},      // another way to sign in
    {1264, kSetAside},  // out of range
    {1265, kSetAside},  // cut off
    {1292, kSetAside},  // a wrong value
    {1301, kTooLarge},  // of a function: max_allowed_packet
    {1305, kHold},      // no such procedure
    {1318, kHold},      // another number of arguments
    {1364, kHold},      // a column without a default
    {1366, kSetAside},  // a wrong value
    {1367, kSetAside},  // a wrong number
    {1370, kHold},      // no right to the procedure
    {1406, kSetAside},  // too long
    {1452, kSetAside},  // a foreign key
    {1524, kHold},      // no such way to sign in
    {1526, kHold},      // no partition
    {1644, kHold},      // SIGNAL of a procedure or a trigger
    {1690, kSetAside},  // out of range
    {1698, kHold},      // may not enter
    {1820, kHold},      // the password has to be changed
    {1862, kHold},      // the password has expired
    {2020, kTooLarge},  // a packet
    {2059, kHold},      // no such way to sign in
    {2061, kHold},      // that way to sign in wants a safe link
    {3118, kHold},      // the account is locked
    {3819, kSetAside},  // CHECK
    {4025, kSetAside},  // CHECK
    {4151, kHold},      // the account is locked
};

OutboxHand HandOf(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kAborted:
      return kAgain;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return kHold;
    default:
      return kWait;
  }
}

bool Says(const absl::Status& status, std::string_view text) {
  return std::string_view(status.message().data(), status.message().size()).find(text) !=
         std::string_view::npos;
}

// The schema itself, one of its functions or tables.
bool NamesRoost(const absl::Status& status) {
  return Says(status, "roost.") || Says(status, "\"roost\"");
}

}  // namespace

Verdict JudgePostgres(const absl::Status& status, std::string_view sqlstate) {
  if (sqlstate.size() != 5) return {.hand = HandOf(status.code())};
  const StateRow* row = Find(sqlstate);
  if (row == nullptr) row = Find(sqlstate.substr(0, 2));
  Verdict verdict{.hand = row != nullptr ? row->hand : kWait};
  // The functions check what they are called with, and no row can be wrong there.
  if (sqlstate == "22023" && Says(status, "roost: ")) verdict.hand = kHold;
  // No partition for the row has the code of a CHECK, and is the server's configuration. Where the server
  // speaks another language the two cannot be told apart by their text.
  if (sqlstate == "23514" && !Says(status, "violates check constraint")) verdict.hand = kHold;
  verdict.has_no_schema =
      (sqlstate == "3F000" || sqlstate == "42883" || sqlstate == "42P01") && NamesRoost(status);
  if (sqlstate == "53100" || sqlstate == "53300") verdict.not_before = kUntilThereIsRoom;
  return verdict;
}

Verdict JudgeMysql(const absl::Status& status, int number) {
  if (number == 0) return {.hand = HandOf(status.code())};
  const auto* const found =
      std::find_if(std::begin(kNumbers), std::end(kNumbers),
                   [number](const NumberRow& row) { return row.number == number; });
  Verdict verdict{.hand = found != std::end(kNumbers) ? found->hand : kWait};
  verdict.has_no_schema = (number == 1305 && Says(status, "roost_")) ||
                          ((number == 1049 || number == 1146) && Says(status, "roost"));
  const bool full = number == 1021 || number == 1040 || number == 1114 || number == 1203 ||
                    number == 1226 || number == 1041;
  if (full) verdict.not_before = kUntilThereIsRoom;
  return verdict;
}

bool MayHaveHappened(const absl::Status& status, std::string_view sqlstate, int number) {
  if (absl::IsUnknown(status)) return true;
  if (!sqlstate.empty()) {
    return sqlstate.starts_with("08") || sqlstate.starts_with("57P") || sqlstate == "40003";
  }
  return number == 0 || (number >= 2000 && number < 3000);
}

}  // namespace roost::outbox
