#include "tools/roostctl/sizing.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/numeric/int128.h"
#include "base/duration.h"

namespace roost::tools {

using internal::InSeconds;

int64_t FormulaSize(int64_t requests, Duration query, Duration wait) {
  // In whole nanoseconds: 100 * 0.05 / 0.1 must not become 50.000000001 and then 51.
  // 128 bits hold the product; the compiler has none of its own for a 32-bit board.
  const absl::int128 work = absl::int128(requests) * query.count();
  const absl::int128 size = (work + wait.count() - 1) / wait.count();
  constexpr absl::int128 kMost = std::numeric_limits<int64_t>::max();
  return static_cast<int64_t>(std::clamp<absl::int128>(size, 1, kMost));
}

double ImpliedRate(int64_t requests, Duration query, Duration wait) {
  return static_cast<double>(requests) / (InSeconds(query) + InSeconds(wait));
}

double OfferedLoad(double rate, Duration query) { return rate * InSeconds(query); }

// B(0) = 1; B(k) = load B(k-1) / (k + load B(k-1)); C = c B / (c - load (1 - B)).
double WaitingProbability(int64_t servers, double load) {
  const auto count = static_cast<double>(servers);
  if (load >= count) return 1.0;
  double blocked = 1.0;
  for (int64_t k = 1; k <= servers; ++k) {
    blocked = load * blocked / (static_cast<double>(k) + load * blocked);
  }
  return count * blocked / (count - load * (1.0 - blocked));
}

Prediction Predict(int64_t size, const Load& load) {
  Prediction seen;
  seen.load = OfferedLoad(load.rate, load.query);
  seen.utilisation = seen.load / static_cast<double>(size);
  seen.waiting = WaitingProbability(size, seen.load);
  const double spare = static_cast<double>(size) - seen.load;
  if (spare <= 0) {
    seen.over = 1.0;
    seen.mean_wait_s = std::numeric_limits<double>::infinity();
    return seen;
  }
  // The wait of those that wait is exponential, with this mean.
  const double mean_of_waiting = InSeconds(load.query) / spare;
  seen.mean_wait_s = seen.waiting * mean_of_waiting;
  seen.over = seen.waiting * std::exp(-InSeconds(load.wait) / mean_of_waiting);
  return seen;
}

int64_t SmallestSize(const Load& load, double share) {
  auto size = static_cast<int64_t>(OfferedLoad(load.rate, load.query)) + 1;
  while (Predict(size, load).over > share) ++size;
  return size;
}

Budget BudgetFor(int64_t size, int64_t max_connections) {
  Budget budget;
  budget.low = max_connections * 20 / 100;
  budget.high = max_connections * 30 / 100;
  budget.share = static_cast<double>(size) / static_cast<double>(max_connections);
  budget.max_connections = (size * 100 + 29) / 30;
  return budget;
}

}  // namespace roost::tools
