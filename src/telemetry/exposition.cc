#include "telemetry/exposition.h"

#include <algorithm>
#include <array>
#include <type_traits>

#include "base/duration.h"
#include "base/utf8.h"

namespace roost::telemetry {
namespace {

using internal::BoundedText;

constexpr std::string_view kPool = "db_client_connection_pool_name";

// A span in seconds, exact.
BoundedText<40> SecondsOf(Duration span) {
  BoundedText<40> text;
  const int64_t ns = span.count();
  if (ns < 0) text.Add('-');
  std::array<char, 40> digits;
  internal::Text number(digits);
  number.AddDecimal(ns < 0 ? uint64_t{0} - static_cast<uint64_t>(ns) : static_cast<uint64_t>(ns),
                    1'000'000'000, 9, /*trim=*/true);
  text.Add(number.view());
  return text;
}

// One family after the other, over all pools.
class Pools {
 public:
  Pools(Exposition& out, std::span<const PoolSample> pools) : out_(out), pools_(pools) {}

  // `value(pool)`.
  void Each(std::string_view name, std::string_view type, std::string_view help, auto&& value) {
    out_.Family(name, type, help);
    for (const PoolSample& pool : pools_) One(pool, value(pool));
  }
  // `samples(pool, add)` calls `add(label, value)`.
  void EachBy(std::string_view label, std::string_view name, std::string_view type,
              std::string_view help, auto&& samples) {
    out_.Family(name, type, help);
    for (const PoolSample& pool : pools_) {
      samples(pool, [&](std::string_view text, uint64_t value) {
        out_.Sample(value, std::array<Exposition::Label, 2>{{{kPool, pool.name}, {label, text}}});
      });
    }
  }
  void Histograms(std::string_view name, std::string_view help, auto&& spans, auto&& measured) {
    bool any = false;
    for (const PoolSample& pool : pools_) any = any || measured(pool);
    if (!any) return;
    out_.Family(name, "histogram", help);
    for (const PoolSample& pool : pools_) {
      if (measured(pool)) One(pool, spans(pool));
    }
  }
  void One(const PoolSample& pool, const auto& value) {
    const std::array<Exposition::Label, 1> labels{{{kPool, pool.name}}};
    if constexpr (std::is_integral_v<std::remove_cvref_t<decltype(value)>>) {
      out_.Sample(static_cast<uint64_t>(value), labels);
    } else {
      out_.Sample(value, labels);
    }
  }
  std::span<const PoolSample> all() const { return pools_; }

 private:
  Exposition& out_;
  const std::span<const PoolSample> pools_;
};

Duration OldestWait(const PoolDetails& details) {
  Duration oldest{};
  for (const LaneDetails& lane : std::span(details.lanes).first(details.lane_count)) {
    oldest = std::max(oldest, lane.oldest_wait);
  }
  return oldest;
}

// The longest of what `member` says of the lanes that are away.
Duration OfAwayLanes(const PoolDetails& details, Duration LaneDetails::*member) {
  Duration longest{};
  for (const LaneDetails& lane : std::span(details.lanes).first(details.lane_count)) {
    if (lane.away) longest = std::max(longest, lane.*member);
  }
  return longest;
}

// ---- Figures of backends and of the program ----

bool IsOneMetric(const Figure& a, const Figure& b) {
  return a.group == b.group && a.metric.name == b.metric.name;
}

bool Contains(const Figures& figures, const Figure& figure) {
  const auto all = figures.all();
  return std::any_of(all.begin(), all.end(),
                     [&](const Figure& other) { return IsOneMetric(other, figure); });
}

void WriteFamily(Exposition& out, const Figure& figure) {
  BoundedText<120> name("roost_");
  name.Add(figure.group, "_", figure.metric.name);
  if (figure.metric.unit == "s") name.Add("_seconds");
  std::string_view type = "gauge";
  if (figure.metric.kind == MetricKind::kHistogram) type = "histogram";
  if (figure.metric.kind == MetricKind::kCounter) {
    type = "counter";
    name.Add("_total");
  }
  out.Family(name, type, BoundedText<250>(figure.metric.help).Add("."));
}

// `pool`: empty for the program's own.
void WriteFigure(Exposition& out, const Figure& figure, std::string_view pool) {
  std::array<Exposition::Label, 2> labels;
  size_t count = 0;
  if (!pool.empty()) labels[count++] = {kPool, pool};
  if (!figure.label.empty()) labels[count++] = {figure.label, figure.part};
  const Exposition::Labels used(labels.data(), count);
  if (figure.metric.kind == MetricKind::kHistogram) {
    if (figure.spans != nullptr) out.Sample(*figure.spans, used);
  } else if (figure.metric.unit == "s") {
    out.Sample(Duration(figure.value), used);
  } else {
    out.Sample(figure.value, used);
  }
}

void Ask(const PoolSample& pool, TimePoint now, Figures& out) {
  if (pool.source != nullptr) pool.source->AddFigures(now, out);
}

// All pools' values of a metric stand together. A backend is asked again for each pool before it: there are
// four at most, and a list for each would be the larger part of the stack.
void WriteBackendFigures(Exposition& out, std::span<const PoolSample> pools, TimePoint now) {
  for (size_t i = 0; i < pools.size(); ++i) {
    Figures own;
    Ask(pools[i], now, own);
    const Figure* before = nullptr;
    for (const Figure& figure : own.all()) {
      if (before != nullptr && IsOneMetric(*before, figure)) continue;  // another part of it
      before = &figure;
      bool written = false;
      for (size_t j = 0; j < i && !written; ++j) {
        Figures earlier;
        Ask(pools[j], now, earlier);
        written = Contains(earlier, figure);
      }
      if (written) continue;
      WriteFamily(out, figure);
      for (size_t j = i; j < pools.size(); ++j) {
        Figures others;
        if (j > i) Ask(pools[j], now, others);
        for (const Figure& other : (j > i ? others : own).all()) {
          if (IsOneMetric(other, figure)) WriteFigure(out, other, pools[j].name);
        }
      }
    }
  }
}

void WriteProgramFigures(Exposition& out, const ProgramSample& program) {
  if (program.source == nullptr) return;
  Figures own;
  program.source->AddFigures(program.now, own);
  const Figure* before = nullptr;
  for (const Figure& figure : own.all()) {
    if (before == nullptr || !IsOneMetric(*before, figure)) WriteFamily(out, figure);
    before = &figure;
    WriteFigure(out, figure, {});
  }
}

// The names of the convention.
void WriteConventional(Pools& pools) {
  pools.EachBy("db_client_connection_state", "db_client_connection_count", "gauge",
               "Connections by state; busy: being opened, checked, reset or closed.",
               [](const PoolSample& pool, auto&& add) {
                 const Stats& s = pool.details.stats;
                 add("idle", static_cast<uint64_t>(s.idle));
                 add("used", static_cast<uint64_t>(s.in_use));
                 add("busy", static_cast<uint64_t>(s.busy));
               });
  const auto stat = [](auto Stats::*member) {
    return [member](const PoolSample& pool) { return pool.details.stats.*member; };
  };
  pools.Each("db_client_connection_idle_max", "gauge",
             "Connections that the pool keeps open; those above are overflow.",
             stat(&Stats::pool_size));
  pools.Each("db_client_connection_max", "gauge", "Connections at the most, with the overflow.",
             stat(&Stats::capacity));
  pools.Each("db_client_connection_pending_requests", "gauge",
             "Callers that wait for a connection now.", stat(&Stats::waiting));
  pools.EachBy(
      "cause", "db_client_connection_timeouts_total", "counter",
      "Acquires whose deadline passed. exhausted: all connections were lent; away: none could "
      "be opened; opening: some were being opened, checked or closed, or the pool was paused.",
      [](const PoolSample& pool, auto&& add) {
        const Stats& s = pool.details.stats;
        add("exhausted", s.timeouts - s.timeouts_away - s.timeouts_opening);
        add("away", s.timeouts_away);
        add("opening", s.timeouts_opening);
      });
  const auto always = [](const PoolSample&) { return true; };
  pools.Histograms("db_client_connection_create_time_seconds",
                   "Time to open a connection. Opens that failed are not in it.",
                   stat(&Stats::create), always);
  pools.Histograms("db_client_connection_wait_time_seconds",
                   "Time from the call of acquire to the lease, with opening and checking. Refused "
                   "callers are not in it, nor the statements.",
                   stat(&Stats::wait), always);
  pools.Histograms("db_client_connection_use_time_seconds", "Time from the lease to its return.",
                   stat(&Stats::hold),
                   [](const PoolSample& pool) { return pool.settings.hold_times; });
}

// Counters of Stats that have no name of the convention and no label.
bool IsPlainCounter(std::string_view name) {
  return !name.starts_with("timeouts") && !name.starts_with("refused_") && name != "closes" &&
         name != "statements";
}

void WriteCounters(Pools& pools) {
  const Stats shape;
  int index = 0;
  ForEachMetric(shape, [&](const Metric& metric, const auto& member) {
    const int wanted = index++;
    if constexpr (std::is_same_v<decltype(member), const uint64_t&>) {
      if (!IsPlainCounter(metric.name)) return;
      BoundedText<64> name("roost_pool_");
      name.Add(metric.name, "_total");
      pools.Each(name, "counter", BoundedText<120>(metric.help).Add("."),
                 [wanted](const PoolSample& pool) {
                   uint64_t found = 0;
                   int at = 0;
                   ForEachMetric(pool.details.stats, [&](const Metric&, const auto& value) {
                     if (at++ != wanted) return;
                     if constexpr (std::is_same_v<decltype(value), const uint64_t&>) found = value;
                   });
                   return found;
                 });
    }
  });
  pools.EachBy("reason", "roost_pool_refused_total", "counter",
               "Acquires refused for another reason than their deadline.",
               [](const PoolSample& pool, auto&& add) {
                 const Stats& s = pool.details.stats;
                 add("full", s.refused_full);
                 add("away", s.refused_away);
                 add("closed", s.refused_closed);
                 add("nested", s.refused_nested);
               });
  pools.EachBy("reason", "roost_pool_closes_total", "counter", "Connections closed, by reason.",
               [](const PoolSample& pool, auto&& add) {
                 const auto& closes = pool.details.stats.closes;
                 for (size_t i = 1; i < closes.size(); ++i) {  // 0 is no reason
                   add(Name(static_cast<CloseReason>(i)), closes[i]);
                 }
               });
}

void WriteGauges(Pools& pools) {
  const auto gauge = [&](std::string_view name, std::string_view help, auto&& value) {
    pools.Each(name, "gauge", help, value);
  };
  const auto stat = [](auto Stats::*member) {
    return [member](const PoolSample& pool) { return pool.details.stats.*member; };
  };
  gauge("roost_pool_overflow_in_use", "Open connections above the pool's size; not below 0.",
        stat(&Stats::overflow_in_use));
  gauge("roost_pool_peak_in_use", "Most connections lent at once since the start.",
        stat(&Stats::peak_in_use));
  gauge("roost_pool_peak_waiting", "Most callers that waited at once since the start.",
        stat(&Stats::peak_waiting));
  gauge("roost_pool_oldest_wait_seconds", "How long the oldest waiter waits now; 0: nobody waits.",
        [](const PoolSample& pool) { return OldestWait(pool.details); });
  gauge("roost_pool_wait_max_seconds",
        "Longest wait of the last one to two minutes, to a factor of 2; 0: nobody waited.",
        [](const PoolSample& pool) { return pool.longest_wait; });
  gauge("roost_pool_longest_hold_seconds", "Age of the oldest lease that is out now.",
        stat(&Stats::longest_hold));
  gauge("roost_pool_away", "1 while the last attempts to open failed.", stat(&Stats::away));
  gauge("roost_pool_away_seconds", "For how long; 0: it is not away.",
        [](const PoolSample& p) { return OfAwayLanes(p.details, &LaneDetails::away_for); });
  gauge("roost_pool_next_try_seconds", "In how long the next open is tried; 0: it is not away.",
        [](const PoolSample& p) { return OfAwayLanes(p.details, &LaneDetails::next_try_in); });
  gauge("roost_pool_paused", "1 while the pool is paused.", stat(&Stats::paused));
  gauge("roost_pool_closed", "1 once the pool is closed.", stat(&Stats::closed));
  gauge("roost_pool_timeout_seconds", "The setting pool_timeout in force.",
        [](const PoolSample& pool) { return pool.settings.pool_timeout; });
  gauge("roost_pool_recycle_seconds", "The setting pool_recycle in force; 0: off.",
        [](const PoolSample& pool) { return pool.settings.pool_recycle; });
}

}  // namespace

void Exposition::Put(std::string_view text) {
  while (!text.empty()) {
    if (used_ == out_.size()) Finish();
    const size_t more = text.copy(out_.data() + used_, out_.size() - used_);
    used_ += more;
    text.remove_prefix(more);
  }
}

void Exposition::Finish() {
  drain_.function(drain_.context, {out_.data(), used_});
  used_ = 0;
}

// One value that is not escaped, or not UTF-8, would cost the whole scrape.
void Exposition::PutEscaped(std::string_view text, bool quotes) {
  while (!text.empty()) {
    const size_t size = internal::CharacterSize(text, internal::kStandardUtf8);
    if (size == 0) {
      Put("\xef\xbf\xbd");
    } else if (text.front() == '\\') {
      Put("\\\\");
    } else if (text.front() == '\n') {
      Put("\\n");
    } else if (text.front() == '"' && quotes) {
      Put("\\\"");
    } else {
      Put(text.substr(0, size));
    }
    text.remove_prefix(std::max<size_t>(size, 1));
  }
}

void Exposition::Family(std::string_view name, std::string_view type, std::string_view help) {
  family_ = internal::BoundedText<127>(name);
  Put("# HELP ");
  Put(name);
  Put(" ");
  PutEscaped(help, /*quotes=*/false);
  Put("\n# TYPE ");
  Put(name);
  Put(" ");
  Put(type);
  Put("\n");
}

void Exposition::Begin(std::string_view suffix, Labels labels, std::string_view le) {
  Put(family_);
  Put(suffix);
  Put("{roost_node=\"");
  PutEscaped(node_, /*quotes=*/true);
  Put("\"");
  for (const Label& label : labels) {
    Put(",");
    Put(label.name);
    Put("=\"");
    PutEscaped(label.value, /*quotes=*/true);
    Put("\"");
  }
  if (!le.empty()) {
    Put(",le=\"");
    Put(le);
    Put("\"");
  }
  Put("} ");
}

void Exposition::Sample(uint64_t value, Labels labels) {
  Begin("", labels);
  Put(BoundedText<24>().Add(value, "\n"));
}

void Exposition::Sample(int64_t value, Labels labels) {
  Begin("", labels);
  Put(BoundedText<24>().Add(value, "\n"));
}

void Exposition::Sample(Duration seconds, Labels labels) {
  Begin("", labels);
  Put(SecondsOf(seconds));
  Put("\n");
}

void Exposition::Sample(const Histogram& spans, Labels labels) {
  uint64_t below = 0;
  for (int i = 0; i < Histogram::kBuckets - 1; ++i) {
    below += spans.count(i);
    if (i % 2 != 0) continue;  // the screen keeps the bounds between
    Begin("_bucket", labels, SecondsOf(Histogram::Bound(i)));
    Put(BoundedText<24>().Add(below, "\n"));
  }
  Begin("_bucket", labels, "+Inf");
  Put(BoundedText<24>().Add(spans.total(), "\n"));
  Begin("_sum", labels);
  Put(SecondsOf(spans.sum()));
  Put("\n");
  Begin("_count", labels);
  Put(BoundedText<24>().Add(spans.total(), "\n"));
}

void WriteExposition(Exposition& out, const ProgramSample& program,
                     std::span<const PoolSample> samples) {
  Pools pools(out, samples);
  if (!samples.empty()) {
    WriteConventional(pools);
    WriteCounters(pools);
    WriteGauges(pools);
    out.Family("roost_pool_info", "gauge", "1; what the pool was made of.");
    for (const PoolSample& pool : samples) {
      out.Sample(uint64_t{1}, std::array<Exposition::Label, 4>{{{kPool, pool.name},
                                                                {"backend", pool.backend},
                                                                {"profile", pool.settings.profile},
                                                                {"target", pool.target}}});
    }
    WriteBackendFigures(out, samples, program.now);
  }
  out.Family("roost_node_healthy", "gauge", "1 while the program is healthy or degraded.");
  out.Sample(uint64_t{program.healthy ? 1u : 0u}, {});
  out.Family("roost_node_start_time_seconds", "gauge",
             "When the program began, in seconds since 1970, by a clock that may have been wrong.");
  out.Sample(Duration(program.started_unix_us * 1000), {});
  out.Family("roost_node_events_total", "counter",
             "Events of the pools, without leases: opens, failures, time-outs, refusals, closes.");
  out.Sample(program.events, {});
  WriteProgramFigures(out, program);
  out.Family("roost_node_info", "gauge", "1; which program this is.");
  out.Sample(uint64_t{1}, std::array<Exposition::Label, 2>{
                              {{"version", program.version}, {"semconv", "1.44.0"}}});
  out.Finish();
}

}  // namespace roost::telemetry
