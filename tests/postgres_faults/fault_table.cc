// fault_table: lets every fault happen to a node with a real PostgreSQL server, and prints as a
// table of Markdown what its caller saw. As root, or where users may make network namespaces.

#include <cstdio>
#include <string>

#include "tests/postgres_faults/faults.h"

namespace roost::faults {
namespace {

std::string InWords(Duration span) {
  const double seconds = std::chrono::duration<double>(span).count();
  if (seconds < 0.001) return "under 1 ms";
  char text[32];
  if (seconds < 1) {
    snprintf(text, sizeof text, "%.0f ms", seconds * 1000);
  } else {
    snprintf(text, sizeof text, "%.1f s", seconds);
  }
  return text;
}

std::string WhatTheCallerSaw(const Answer& answer) {
  if (answer.status.ok()) return "an answer";
  std::string text = absl::StatusCodeToString(answer.status.code());
  const std::string_view sqlstate = PostgresSqlState(answer.status);
  return sqlstate.empty() ? text : text + ", " + std::string(sqlstate);
}

std::string WhatThePoolDid(const Fault& fault, const Observation& seen) {
  if (!seen.same_connection) return seen.how;
  return fault.moment == Moment::kNone ? "goes on opening" : "keeps the connection";
}

void Print(const Fault& fault, const Observation& seen) {
  printf("| %s | %s | %s | %s | %s |\n", fault.title.c_str(), WhatTheCallerSaw(seen.first).c_str(),
         InWords(seen.first.after).c_str(), WhatThePoolDid(fault, seen).c_str(),
         InWords(seen.recovery).c_str());
  fflush(stdout);
}

}  // namespace
}  // namespace roost::faults

int main() {
  using namespace roost;  // NOLINT(google-build-using-namespace)
  support::EnterOwnNetwork();
  printf("| fault | the caller saw | after | the pool | next answer after |\n");
  printf("|---|---|---|---|---|\n");
  {
    support::PostgresServer server(faults::ServerOptions());
    for (const faults::Fault& fault : faults::ServerFaults()) {
      faults::Print(fault, faults::Observe(fault, server));
    }
  }
  support::OtherHost host;
  support::PostgresServer server(faults::ServerOptions(host));
  for (const faults::Fault& fault : faults::LinkFaults()) {
    faults::Print(fault, faults::Observe(fault, server, &host));
  }
  return 0;
}
