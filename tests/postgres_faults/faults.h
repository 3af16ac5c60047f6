// tests/postgres_faults/faults.h - what can happen to a server and a link, one fault a row.
//
// Each row says what a caller then sees. The tests assert what the rows promise; fault_table prints
// what was seen.
#ifndef ROOST_TESTS_POSTGRES_FAULTS_FAULTS_H_
#define ROOST_TESTS_POSTGRES_FAULTS_FAULTS_H_

#include <functional>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include "tests/postgres_faults/node.h"
#include "tests/support/netns.h"
#include "tests/support/postgres_server.h"

namespace roost::faults {

// What the connection is doing when it happens.
enum class Moment {
  kNone,         // there is none: the caller's has to be opened
  kResting,      // nothing, in the pool
  kLent,         // nothing, in a caller's hands, who then asks
  kTransaction,  // the same with a transaction open
  kAsked,        // a caller waits for its answer
};

struct World {
  support::PostgresServer& server;
  support::OtherHost* host = nullptr;  // where the server is, if not on this one
  Node& node;
  std::thread later{};  // what ends a fault while the caller waits; joined before the recovery
};

struct Fault {
  std::string name{};   // of the test
  std::string title{};  // in the table
  Moment moment{};
  // Before the node connects. May be empty.
  std::function<void(support::PostgresServer&)> prepare{};
  std::function<void(World&)> strike{};
  // Ends the fault. Empty: it is over as soon as it has struck.
  std::function<void(World&)> mend{};
  // The pool recovers while the fault lasts; then it is mended.
  bool recovers_unmended = false;

  // What the first caller is promised.
  std::vector<absl::StatusCode> sees{};
  std::string sqlstate{};        // empty: none, or no matter
  Duration limit = 2s;           // its deadline
  bool same_connection = false;  // it, or its opening, outlives the fault
};
inline void PrintTo(const Fault& fault, std::ostream* out) { *out << fault.title; }

// What was seen.
struct Observation {
  Answer first{};       // of the first caller
  Duration recovery{};  // from the mending until a caller was answered again
  std::string how{};    // what the pool did for it
  bool same_connection = false;
  int leaked_descriptors = 0;
  bool leaked_sessions = false;
  std::string broken_invariant{};
};

// What a server needs so that it gives up the sessions of nodes that are gone, as soon as a test can
// wait for.
support::PostgresServer::Options ServerOptions();
support::PostgresServer::Options ServerOptions(const support::OtherHost& host);

// Lets `fault` happen to a node of its own. Takes the server back to health.
Observation Observe(const Fault& fault, support::PostgresServer& server,
                    support::OtherHost* host = nullptr);

// Of a server on this machine.
std::vector<Fault> ServerFaults();
// Of the way to a server on another one.
std::vector<Fault> LinkFaults();

}  // namespace roost::faults

#endif  // ROOST_TESTS_POSTGRES_FAULTS_FAULTS_H_
