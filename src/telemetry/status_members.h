// The members of the status file. Each struct is listed once, for the writer and the reader alike,
// so that the two cannot come apart.
#include <concepts>
#include <type_traits>

#include "base/json_writer.h"
#include "tools/common/status_file.h"
#include "tools/common/text.h"

namespace roost::tools {
namespace {

using Json = nlohmann::ordered_json;

template <class Visitor, class T>
void Visit(Visitor& v, T& s);

template <class T>
concept IsSpan = std::is_same_v<std::remove_const_t<T>, Duration>;
template <class T>
concept IsScalar = std::is_arithmetic_v<T> || std::is_same_v<std::remove_const_t<T>, std::string> ||
    std::is_same_v<std::remove_const_t<T>, std::string_view>;

// Writes the members of a struct.
class Writer {
 public:
  explicit Writer(std::span<char> out) : json_(out) {}

  template <class T>
  void operator()(std::string_view name, const T& value) {
    json_.Name(name);
    if constexpr (IsSpan<T> || IsScalar<T>) {
      json_.Value(value);
    } else {
      Object(value, [] {});
    }
  }
  template <class T>
  void operator()(std::string_view name, const std::optional<T>& value) {
    if (value.has_value()) (*this)(name, *value);
  }
  // Calls `more` for members beside those of `value`.
  template <class T>
  void Object(const T& value, auto more) {
    json_.BeginObject();
    Visit(*this, value);
    more();
    json_.EndObject();
  }
  size_t size() const { return json_.size(); }

 private:
  internal::JsonWriter json_;
};

// What `write` writes of `value`, as nlohmann's object: one writer, so that there is one form.
template <class T>
Json AsJson(const T& value, auto write) {
  std::string text(StatusFile::kMostBytes, '\0');
  size_t size = write(value, std::span<char>(text));
  if (size > text.size()) {
    text.resize(size);
    size = write(value, std::span<char>(text));
  }
  return Json::parse(text.data(), text.data() + size);
}
template <class T>
Json AsJson(const T& value) {
  return AsJson(value, [](const T& v, std::span<char> out) {
    Writer writer(out);
    writer.Object(v, [] {});
    return writer.size();
  });
}

// A member that is missing keeps its default; one of another type throws.
class Reader {
 public:
  explicit Reader(const Json& from) : json(from) {}
  template <class T>
  void operator()(std::string_view name, T& value) {
    const auto found = json.find(std::string(name));
    if (found == json.end()) return;
    if constexpr (IsSpan<T>) {
      value = std::chrono::duration_cast<Duration>(
          std::chrono::duration<double>(found->template get<double>()));
    } else if constexpr (IsScalar<T>) {
      found->get_to(value);
    } else {
      found->template get_ref<const Json::object_t&>();  // throws what describes the mistake
      Reader inner(*found);
      Visit(inner, value);
    }
  }
  template <class T>
  void operator()(std::string_view name, std::optional<T>& value) {
    if (json.contains(std::string(name))) (*this)(name, value.emplace());
  }
  const Json& json;
};

template <class T, class U>
concept Is = std::is_same_v<std::remove_const_t<T>, U>;

template <class V>
void Members(V& v, Is<Percentiles> auto& s) {
  v("count", s.count);
  v("p50_s", s.p50);
  v("p99_s", s.p99);
  v("max_s", s.max);
}

template <class V>
void Members(V& v, Is<Stats> auto& s) {
  v("pool_size", s.pool_size);
  v("max_overflow", s.max_overflow);
  v("capacity", s.capacity);
  v("open", s.open);
  v("idle", s.idle);
  v("in_use", s.in_use);
  v("busy", s.busy);
  v("overflow_in_use", s.overflow_in_use);
  v("waiting", s.waiting);
  v("longest_hold_s", s.longest_hold);
  v("away", s.away);
  v("paused", s.paused);
  v("closed", s.closed);
  v("peak_in_use", s.peak_in_use);
  v("peak_waiting", s.peak_waiting);
  v("checkouts", s.checkouts);
  v("waited", s.waited);
  v("handed_off", s.handed_off);
  v("timeouts", s.timeouts);
  v("refused_full", s.refused_full);
  v("refused_away", s.refused_away);
  v("refused_closed", s.refused_closed);
  v("refused_nested", s.refused_nested);
  v("cancelled", s.cancelled);
  v("opens", s.opens);
  v("open_failures", s.open_failures);
  v("pings", s.pings);
  v("ping_failures", s.ping_failures);
  v("resets", s.resets);
  v("reset_failures", s.reset_failures);
  v("upkeeps", s.upkeeps);
  v("recycles", s.recycles);
  v("invalidations", s.invalidations);
  v("detaches", s.detaches);
  v("leaks", s.leaks);
  v("closes", s.closes);
}

// By the names of the reasons.
template <class V>
void Members(V& v, Is<decltype(Stats::closes)> auto& closes) {
  for (size_t i = 0; i < closes.size(); ++i) {
    v(Name(static_cast<CloseReason>(i)), closes[i]);
  }
}

template <class V>
void Members(V& v, Is<PoolStatus> auto& s) {
  v("name", s.name);
  v("backend", s.backend);
  v("target", s.target);
  v("profile", s.profile);
  Members(v, s.stats);
  v("wait", s.wait);
  v("hold", s.hold);
}

template <class V>
void Members(V& v, Is<ReadingStatus> auto& s) {
  v("taken", s.taken);
  v("sealed", s.sealed);
  v("dropped", s.dropped);
  v("lost", s.lost);
  v("bad_lines", s.bad_lines);
  v("missed", s.missed);
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
void Members(V& v, Is<RemoteStatus> auto& s) {
  v("state", s.state);
  v("since_boot_us", s.since_boot_us);
  v("last_error", s.last_error);
  v("next_try_boot_us", s.next_try_boot_us);
  v("heartbeats", s.heartbeats);
  v("failed_heartbeats", s.failed_heartbeats);
  v("heartbeats_waiting", s.heartbeats_waiting);
  v("heartbeat_boot_us", s.heartbeat_boot_us);
  v("pool", s.pool);
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
void Members(V& v, Is<NodeStatus> auto& s) {
  v("format", s.format);
  v("name", s.name);
  v("version", s.version);
  v("board", s.board);
  v("pid", s.pid);
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
  v("memory", s.memory);
  v("sqlite_memory", s.sqlite_memory);
  v("local", s.local);
  v("remote", s.remote);
}

template <class Visitor, class T>
void Visit(Visitor& v, T& s) {
  Members(v, s);
}

}  // namespace

size_t WriteJson(const NodeStatus& status, std::span<char> out) {
  Writer writer(out);
  writer.Object(status, [&] {
    const TextLine trouble = TroubleLine(status, status.written_boot_us);
    writer("healthy", trouble.empty());
    writer("trouble", std::string_view(trouble));
  });
  return writer.size();
}

nlohmann::ordered_json ToJson(const NodeStatus& status) { return AsJson(status, WriteJson); }
nlohmann::ordered_json ToJson(const RemoteStatus& status) { return AsJson(status); }
nlohmann::ordered_json ToJson(const SqliteMemoryStatus& status) { return AsJson(status); }

absl::StatusOr<NodeStatus> FromJson(const nlohmann::ordered_json& json) {
  NodeStatus status;
  try {
    if (!json.contains("format") || !json.contains("readings")) {
      return absl::InvalidArgumentError("it is not the status of a roost-node");
    }
    Reader reader(json);
    Visit(reader, status);
  } catch (const nlohmann::json::exception& error) {
    return absl::InvalidArgumentError(error.what());
  }
  if (status.format > kStatusFormat) {
    return absl::InvalidArgumentError("it was written by a newer roost-node; use its roostctl");
  }
  return status;
}

}  // namespace roost::tools
