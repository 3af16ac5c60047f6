// telemetry/status_members.h - the members of the status file. Each struct is listed once, for
// the writer and the reader alike, so that the two cannot come apart.
#ifndef ROOST_TELEMETRY_STATUS_MEMBERS_H_
#define ROOST_TELEMETRY_STATUS_MEMBERS_H_

#include <array>
#include <string>
#include <string_view>
#include <type_traits>

#include "roost/observer.h"
#include "telemetry/metrics.h"
#include "telemetry/node_status.h"

namespace roost::telemetry {

template <class T>
concept IsSpan = std::is_same_v<std::remove_const_t<T>, Duration>;
template <class T>
concept IsScalar = std::is_arithmetic_v<T> || std::is_same_v<std::remove_const_t<T>, std::string> ||
    std::is_same_v<std::remove_const_t<T>, std::string_view>;

template <class T, class U>
concept Is = std::is_same_v<std::remove_const_t<T>, U>;

template <class V>
void Members(V& v, Is<internal::Percentiles> auto& s) {
  v("count", s.count);
  v("p50_s", s.p50);
  v("p99_s", s.p99);
  v("max_s", s.max);
}

// By the names of the reasons, and of the codes.
template <class V>
void Members(V& v, Is<decltype(Stats::closes)> auto& closes) {
  for (size_t i = 0; i < closes.size(); ++i) {
    v(Name(static_cast<CloseReason>(i)), closes[i]);
  }
}
template <class V>
void Members(V& v, Is<decltype(Stats::statements)> auto& statements) {
  for (size_t i = 0; i < statements.size(); ++i) {
    v(Name(static_cast<absl::StatusCode>(i)), statements[i]);
  }
}

inline constexpr int kHistograms = [] {
  int count = 0;
  const Stats stats;
  ForEachMetric(stats, [&count](const Metric& metric, const auto&) {
    count += metric.kind == MetricKind::kHistogram ? 1 : 0;
  });
  return count;
}();

template <class V>
void Members(V& v, Is<PoolServerStatus> auto& s) {
  v("version", s.version);
  v("role", s.role);
  v("user", s.user);
  v("tls", s.tls);
  v("round_trip_s", s.round_trip);
}

template <class V>
void Members(V& v, Is<PoolStatus> auto& s) {
  v("name", s.name);
  v("backend", s.backend);
  v("target", s.target);
  v("profile", s.profile);
  v("server", s.server);
  // Of a histogram only the percentiles go through the file.
  const std::array percentiles{&s.wait, &s.hold, &s.create, &s.statement_time};
  static_assert(percentiles.size() == size_t{kHistograms},
                "each histogram has its percentiles in PoolStatus");
  size_t histogram = 0;
  ForEachMetric(s.stats, [&](const Metric& metric, auto& member) {
    if constexpr (Is<std::remove_reference_t<decltype(member)>, Histogram>) {
      v(metric.name, *percentiles[histogram++]);
    } else {
      v(KeyOf(metric), member);
    }
  });
}

template <class V>
void Members(V& v, Is<ReadingStatus> auto& s) {
  v("taken", s.taken);
  v("sealed", s.sealed);
  v("dropped", s.dropped);
  v("lost", s.lost);
  v("bad_lines", s.bad_lines);
  v("missed", s.missed);
  v("late", s.late);
  v("batches", s.batches);
  v("refused_batches", s.refused_batches);
  v("waiting", s.waiting);
  v("most_waiting", s.most_waiting);
  v("buffer", s.buffer);
}

template <class V>
void Members(V& v, Is<SealStatus> auto& s) {
  v("boot_us", s.boot_us);
  v("unix_us", s.unix_us);
  v("count", s.count);
  v("took_s", s.took);
}

template <class V>
void Members(V& v, Is<WatchdogStatus> auto& s) {
  v("period_s", s.period);
  v("feeds", s.feeds);
  v("fed_boot_us", s.fed_boot_us);
}

template <class V>
void Members(V& v, Is<PowerStatus> auto& s) {
  v("state", s.state);
  v("cause", s.cause);
  v("failed_boot_us", s.failed_boot_us);
  v("failures", s.failures);
}

template <class V>
void Members(V& v, Is<RemoteStatus> auto& s) {
  v("state", s.state);
  v("since_boot_us", s.since_boot_us);
  v("last_error", s.last_error);
  v("last_error_boot_us", s.last_error_boot_us);
  v("next_try_boot_us", s.next_try_boot_us);
  v("heartbeats", s.heartbeats);
  v("failed_heartbeats", s.failed_heartbeats);
  v("heartbeats_waiting", s.heartbeats_waiting);
  v("heartbeat_boot_us", s.heartbeat_boot_us);
  v("pool", s.pool);
}

template <class V>
void Members(V& v, Is<OutboxStatus> auto& s) {
  v("state", s.state);
  v("reason", s.reason);
  v("since_boot_us", s.since_boot_us);
  v("late", s.late);
  v("alarm_age_s", s.alarm_age);
  v("waiting", s.waiting);
  v("oldest_age_s", s.oldest_age);
  v("drained_in_s", s.drained_in);
  v("sent", s.sent);
  v("sent_bytes", s.sent_bytes);
  v("batches", s.batches);
  v("failed_batches", s.failed_batches);
  v("resent", s.resent);
  v("rewinds", s.rewinds);
  v("gaps", s.gaps);
  v("rejected", s.rejected);
  v("batch_rows", s.batch_rows);
  v("round_trip_s", s.round_trip);
  v("clock_offset_s", s.clock_offset);
  v("last_ack_boot_us", s.last_ack_boot_us);
}

template <class V>
void Members(V& v, Is<MemoryStatus> auto& s) {
  v("rss_kib", s.rss_kib);
  v("peak_rss_kib", s.peak_rss_kib);
}

template <class V>
void Members(V& v, Is<SqliteMemoryStatus> auto& s) {
  v("bounded", s.bounded);
  v("heap_because", s.heap_because);
  v("arena_bytes", s.arena_bytes);
  v("arena_used", s.arena_used);
  v("arena_peak", s.arena_peak);
  v("arena_failures", s.arena_failures);
  v("pages", s.pages);
  v("pages_used", s.pages_used);
  v("pages_peak", s.pages_peak);
  v("page_overflow_peak", s.page_overflow_peak);
}

template <class V>
void Members(V& v, Is<SqliteFileStatus> auto& s) {
  v("log_pages", s.log_pages);
  v("log_pages_peak", s.log_pages_peak);
  v("max_log_pages", s.max_log_pages);
  v("checkpoint_error", s.checkpoint_error);
  v("damaged_files", s.damaged_files);
}

template <class V>
void Members(V& v, Is<StoreStatus> auto& s) {
  v("readings", s.readings);
  v("bytes", s.bytes);
  v("used_bytes", s.used_bytes);
  v("limit_bytes", s.limit_bytes);
  v("full_in_s", s.full_in);
  v("gap_full", s.gap_full);
  v("gap_age", s.gap_age);
  v("gap_thin", s.gap_thin);
  v("not_cut", s.not_cut);
  v("card_is_full", s.card_is_full);
}

template <class V>
void Members(V& v, Is<NodeStatus> auto& s) {
  v("format", s.format);
  v("name", s.name);
  v("version", s.version);
  v("board", s.board);
  v("pid", s.pid);
  v("start_ticks", s.start_ticks);
  v("written_boot_us", s.written_boot_us);
  v("started_boot_us", s.started_boot_us);
  v("every_s", s.every);
  v("state", s.state);
  v("text", s.text);
  v("ready", s.ready);
  v("refused", s.refused);
  v("readings", s.readings);
  v("last_seal", s.last_seal);
  v("watchdog", s.watchdog);
  v("power", s.power);
  v("memory", s.memory);
  v("sqlite_memory", s.sqlite_memory);
  v("sqlite_file", s.sqlite_file);
  v("store", s.store);
  v("local", s.local);
  v("outbox", s.outbox);
  v("remote", s.remote);
}

// Calls `v(name, member)` for each member of `s`, in their order.
template <class Visitor, class T>
void Visit(Visitor& v, T& s) {
  Members(v, s);
}

}  // namespace roost::telemetry

#endif  // ROOST_TELEMETRY_STATUS_MEMBERS_H_
