// What a pool tells: its events, a report for people, and its numbers as NAME VALUE.
#include <array>
#include <atomic>
#include <cstdio>
#include <string_view>
#include <type_traits>

#include "roost/pool.h"
#include "roost/sqlite.h"

using namespace std::chrono_literals;

// Counts what went wrong. Called with no lock held, by the thread to which it happened.
class Troubles final : public roost::Observer {
 public:
  void OnEvent(const roost::Event& event) override {
    using Kind = roost::EventKind;
    if (event.kind == Kind::kTimeout || event.kind == Kind::kRefused) ++count_;
  }
  int count() const { return count_; }

 private:
  std::atomic<int> count_{0};
};

// One line for each number; a histogram as its count and its 99th percentile.
void PrintMetrics(const roost::Pool& pool) {
  const roost::Stats stats = pool.stats();
  roost::ForEachMetric(stats, [](const roost::Metric& metric, const auto& member) {
    const auto print = [&metric](std::string_view suffix, double value) {
      std::printf("pool_%.*s%.*s %.9g\n", static_cast<int>(metric.name.size()), metric.name.data(),
                  static_cast<int>(suffix.size()), suffix.data(), value);
    };
    using Member = std::remove_cvref_t<decltype(member)>;
    if constexpr (std::is_integral_v<Member>) {
      print("", static_cast<double>(member));
    } else if constexpr (std::is_same_v<Member, roost::Duration>) {
      print("_seconds", std::chrono::duration<double>(member).count());
    } else if constexpr (std::is_same_v<Member, roost::Histogram>) {
      print("_count", static_cast<double>(member.total()));
      print("_seconds_p99", std::chrono::duration<double>(member.Percentile(0.99)).count());
    }
  });
}

int main() {
  Troubles troubles;
  roost::SqliteBackend backend({.path = ":memory:", .schema = "CREATE TABLE reading(level)"});
  roost::PoolFor<roost::profiles::RaspberryPi> pool(backend,
                                                    {.name = "local", .observer = &troubles});
  const absl::StatusOr<roost::Lease> held = pool.Acquire(roost::kWrite, pool.In(1s));
  // Refused at once: this thread would wait for itself.
  const absl::StatusOr<roost::Lease> refused = pool.Acquire(roost::kWrite, pool.In(1s));
  std::array<char, 2000> text;
  const std::string_view report = pool.Report(text);
  std::printf("%.*s\n%d in trouble\n", static_cast<int>(report.size()), report.data(),
              troubles.count());
  PrintMetrics(pool);
  return held.ok() && !refused.ok() ? 0 : 1;
}
