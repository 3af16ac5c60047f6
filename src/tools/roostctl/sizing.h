// tools/roostctl/sizing.h - how many connections a load needs: the formula of SQLAlchemy-style
// sizing (requests * query / wait), and what queueing theory says about its answer. Pure
// arithmetic.
//
// The formula says how many connections drain a burst of requests within the acceptable wait.
// Erlang's C formula (A. K. Erlang, 1917; any text on M/M/c queues) says how requests fare that
// come at random: with what probability one has to wait, and for how long.
#ifndef ROOST_TOOLS_ROOSTCTL_SIZING_H_
#define ROOST_TOOLS_ROOSTCTL_SIZING_H_

#include <cstdint>

#include "roost/deadline.h"

namespace roost::tools {

struct Load {
  int64_t requests = 0;  // at the same time. REQUIRES: 1 to kMaxRequests
  Duration query{};      // average time a connection is held for one. REQUIRES: above 0
  Duration wait{};       // acceptable wait for a connection. REQUIRES: above 0
  double rate = 0;  // requests per second. REQUIRES: above 0; ImpliedRate when it was not measured
};

inline constexpr int64_t kMaxRequests = 1'000'000;

// requests * query / wait, rounded up, at least 1.
int64_t FormulaSize(int64_t requests, Duration query, Duration wait);

// Requests per second behind `requests` at the same time, by Little's law: each is in the system
// for its query and at most the acceptable wait, so at least requests / (query + wait) arrive in a
// second.
double ImpliedRate(int64_t requests, Duration query, Duration wait);

// Connections that `rate` keeps busy on average, in erlangs.
double OfferedLoad(double rate, Duration query);

// Erlang's C formula: the probability that a request finds all `servers` busy and has to wait; 1
// when they cannot keep up (load >= servers). Stable for any size: by the recursion of Erlang's B.
// Cost: proportional to `servers`.
double WaitingProbability(int64_t servers, double load);

struct Prediction {
  double load = 0;         // connections busy on average
  double utilisation = 0;  // load / size
  double waiting = 0;      // probability to wait at all
  double over = 0;         // probability to wait longer than is acceptable
  double mean_wait_s = 0;  // average over all requests; infinite when the size cannot keep up
};
Prediction Predict(int64_t size, const Load& load);

// The smallest size with which at most `share` of the requests wait longer than is acceptable.
int64_t SmallestSize(const Load& load, double share);

// The share of the server's max_connections that one pool should take: 20 to 30 %.
struct Budget {
  int64_t low = 0;              // 20 %, rounded down
  int64_t high = 0;             // 30 %, rounded down
  double share = 0;             // of max_connections that `size` takes
  int64_t max_connections = 0;  // the smallest that `size` is at most 30 % of
};
Budget BudgetFor(int64_t size, int64_t max_connections);

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOSTCTL_SIZING_H_
