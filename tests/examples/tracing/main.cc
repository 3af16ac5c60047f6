// Spans of OpenTelemetry's shape, of acquires, leases and statements, as lines of JSON.
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

struct Tracer final : roost::AcquireObserver, roost::StatementObserver, roost::Observer {
  uint64_t OnAcquireBegin(const roost::AcquireEvent& /*event*/) override { return ++last; }
  void OnAcquireEnd(const roost::AcquireEvent& e) override {
    if (e.slot >= 0) holder[e.slot] = e.context;
    Write("pool.acquire", e.span, e.context, e.at, e.took, *e.status);
  }
  // A lease's end is told before another caller has its slot: the slot says whose lease it was.
  void OnEvent(const roost::Event& e) override {
    if (e.kind != roost::EventKind::kCheckin) return;
    Write("pool.lease", ++last, holder[e.slot], e.at, e.span, absl::OkStatus());
  }
  void OnStatement(const roost::StatementEvent& e) override {
    Write(e.name, ++last, parent, e.at, e.took, *e.status);
  }
  void Write(std::string_view name, uint64_t span, uint64_t above, roost::TimePoint end,
             roost::Duration took, const absl::Status& status) const {
    const roost::Duration ago = roost::NativePlatform().Now() - end;
    const int64_t until = (roost::NativePlatform().UnixMicros() * 1us - ago).count();
    std::printf(
        R"({"traceId": "%032x", "spanId": "%016)" PRIx64 R"(", "parentSpanId": "%016)" PRIx64
        R"(", "name": "%.*s", "startTimeUnixNano": "%)" PRId64 R"(", "endTimeUnixNano": "%)" PRId64
        R"(", "attributes": {"db.system.name": "sqlite")",
        1u, span, above, static_cast<int>(name.size()), name.data(), until - took.count(), until);
    if (!status.ok()) std::printf(R"(, "error.type": "%s")", roost::Name(status.code()).data());
    std::puts(R"(, "db.client.connection.pool.name": "local"}})");
  }
  uint64_t holder[Watched::kPoolSize + Watched::kMaxOverflow] = {};  // the context of each lease
  uint64_t parent = 0, last = 0;  // one request at a time: several threads have a parent each
};

int main() {
  Tracer tracer;
  roost::SqliteBackend backend({.path = ":memory:", .schema = "CREATE TABLE reading(level)"});
  roost::PoolFor<Watched> pool(backend, {"local", &tracer, &tracer, &tracer});  // for all three
  const roost::TimePoint begin = pool.platform().Now();
  tracer.parent = ++tracer.last;
  const roost::AcquireOptions write{.deadline = pool.In(1s), .context = tracer.parent};
  absl::StatusOr<roost::Lease> lease = pool.Acquire(write);
  if (!lease.ok() || !roost::QueryOne<int64_t>(*lease, kCount).ok()) return 1;
  if (pool.Acquire(write).ok()) return 1;  // it is refused: this thread would wait for itself
  lease->Return();
  const roost::Duration took = pool.platform().Now() - begin;
  tracer.Write("request", tracer.parent, 0, begin + took, took, absl::OkStatus());
}
