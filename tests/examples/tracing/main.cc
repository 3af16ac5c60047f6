// Spans of OpenTelemetry's shape, of acquires and statements, as lines of JSON: no library for it.
#include <cinttypes>
#include <cstdio>
#include <string_view>

#include "roost/pool.h"
#include "roost/query.h"
#include "roost/sqlite.h"

using namespace std::chrono_literals;
constexpr roost::Sql kCount{"SELECT count(*) FROM reading", "count"};

struct Watched final : roost::profiles::RaspberryPi {
  static constexpr const char* kName = "watched";
  static constexpr bool kWatchStatements = true;
};

// One request at a time: a program of several threads has a parent for each.
class Tracer final : public roost::AcquireObserver, public roost::StatementObserver {
 public:
  uint64_t OnAcquireBegin(const roost::AcquireEvent& /*event*/) override { return ++last; }
  void OnAcquireEnd(const roost::AcquireEvent& e) override {
    Write("pool.acquire", e.span, e.context, e.at, e.took, *e.status);
  }
  void OnStatement(const roost::StatementEvent& e) override {
    Write(e.name, ++last, parent, e.at, e.took, *e.status);
  }
  void Write(std::string_view name, uint64_t span, uint64_t above, roost::TimePoint end,
             roost::Duration took, const absl::Status& status) const {
    roost::Platform& platform = roost::NativePlatform();
    const int64_t until = (platform.UnixMicros() * 1us - (platform.Now() - end)).count();
    const std::string_view error = roost::Name(status.code());
    std::printf(
        R"({"traceId": "%032x", "spanId": "%016)" PRIx64 R"(", "parentSpanId": "%016)" PRIx64
        R"(", "name": "%.*s", "startTimeUnixNano": "%)" PRId64 R"(", "endTimeUnixNano": "%)" PRId64
        R"(", "attributes": {"db.system.name": "sqlite")",
        1u, span, above, static_cast<int>(name.size()), name.data(), until - took.count(), until);
    if (!status.ok()) std::printf(R"(, "error.type": "%s")", error.data());
    std::printf(R"(, "db.client.connection.pool.name": "local"}})"
                "\n");
  }
  uint64_t parent = 0;
  uint64_t last = 0;
};

int main() {
  Tracer tracer;
  roost::SqliteBackend backend({.path = ":memory:", .schema = "CREATE TABLE reading(level)"});
  roost::PoolFor<Watched> pool(backend,
                               {.statement_observer = &tracer, .acquire_observer = &tracer});
  const roost::TimePoint begin = pool.platform().Now();
  tracer.parent = ++tracer.last;
  const roost::AcquireOptions write{.deadline = pool.In(1s), .context = tracer.parent};
  const absl::StatusOr<roost::Lease> lease = pool.Acquire(write);
  if (!lease.ok() || !roost::QueryOne<int64_t>(*lease, kCount).ok()) return 1;
  if (pool.Acquire(write).ok()) return 1;  // it is refused: this thread would wait for itself
  const roost::TimePoint end = pool.platform().Now();
  tracer.Write("request", tracer.parent, 0, end, end - begin, absl::OkStatus());
}
