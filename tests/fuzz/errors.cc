// What a server says went wrong: a message of one line that may go to a terminal, and an SQLSTATE of
// five characters or none.
#include "backends/postgres/errors.h"

#include <string>

#include "backends/postgres/startup_error.h"
#include "roost/postgres.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/targets.h"
#include "tests/support/clean_text.h"

namespace roost::fuzz {
namespace {

using postgres::ClassifyStartup;
using postgres::MakeStatus;
using postgres::Phase;
using postgres::ReadStartupMessage;
using postgres::StartupFinding;
using postgres::StartupMessage;

// The SQL and the target are the program's own, and clean.
constexpr std::string_view kSql = "SELECT 1";
constexpr std::string_view kWhere = "db.example.org:5432/farm";

bool IsSqlState(std::string_view text) {
  for (const char c : text) {
    if ((c < '0' || c > '9') && (c < 'A' || c > 'Z')) return false;
  }
  return text.size() == 5;
}

std::string Judge(const absl::Status& status, std::string_view sqlstate) {
  const std::string_view told = PostgresSqlState(status);
  if (!told.empty() && !IsSqlState(told)) return "an SQLSTATE that is none";
  if (IsSqlState(sqlstate) && told != sqlstate) return "another SQLSTATE";
  const std::string_view words(status.message().data(), status.message().size());
  const std::string wrong = support::WhatIsUnclean(words);
  return wrong.empty() ? "" : "a message with " + wrong;
}

}  // namespace

std::string CheckErrors(std::string_view bytes) {
  Input input(bytes);
  const auto phase = static_cast<Phase>(input.Take<uint8_t>() % 7);
  const bool hung_up = (input.Take<uint8_t>() & 1) != 0;
  const std::string_view sqlstate = input.TakeLine();
  const std::string_view words = input.TakeRest();
  const absl::Status status =
      MakeStatus(absl::StatusCode::kUnavailable, sqlstate,
                 {.sql = kSql, .where = kWhere, .message = words, .advice = "do better"});
  std::string wrong = Judge(status, sqlstate);
  if (!wrong.empty()) return wrong;
  const StartupMessage message = ReadStartupMessage(words);
  if (!message.sqlstate.empty() && !IsSqlState(message.sqlstate)) return "a wrong SQLSTATE";
  const StartupFinding finding = ClassifyStartup(
      {.phase = phase, .sqlstate = message.sqlstate, .message = message.text, .hung_up = hung_up});
  if (finding.code == absl::StatusCode::kOk) return "an error that is none";
  return Judge(MakeStatus(finding.code, message.sqlstate,
                          {.where = kWhere, .message = message.text, .advice = finding.advice}),
               message.sqlstate);
}

}  // namespace roost::fuzz
