#include "tools/roost-node/summary.h"

#include <array>
#include <cstdio>
#include <iostream>

#include "base/json_writer.h"
#include "platform/boards/selected.h"
#include "roost/observer.h"
#include "roost/settings.h"
#include "telemetry/metrics.h"
#include "telemetry/status_json.h"
#include "tools/common/text.h"

namespace roost::tools {
namespace {

using internal::JsonWriter;

unsigned long long Plain(uint64_t count) { return count; }

const char* Text(Node::Ending ending) {
  switch (ending) {
    case Node::Ending::kTime:
      return "time";
    case Node::Ending::kSignal:
      return "signal";
    case Node::Ending::kEndOfInput:
      return "end of input";
  }
  return "";
}

const char* Sentence(Node::Ending ending) {
  switch (ending) {
    case Node::Ending::kTime:
      return "as long as --for said";
    case Node::Ending::kSignal:
      return "until a signal ended it";
    case Node::Ending::kEndOfInput:
      return "until the end of the input";
  }
  return "";
}

uint64_t Closed(const Stats& stats) {
  uint64_t all = 0;
  for (const uint64_t count : stats.closes) all += count;
  return all;
}

// "pool_closed 2, overflow 1"
std::string CloseReasons(const Stats& stats) {
  std::string text;
  for (size_t i = 0; i < stats.closes.size(); ++i) {
    if (stats.closes[i] == 0) continue;
    text += text.empty() ? "" : ", ";
    text += std::string(Name(static_cast<CloseReason>(i))) + " " + std::to_string(stats.closes[i]);
  }
  return text;
}

void PrintReadings(const Summary& summary) {
  const Counts& c = summary.counts;
  std::printf("  readings  %llu taken, %llu stored, %llu sealed in %llu batch%s\n", Plain(c.taken),
              Plain(c.stored), Plain(c.stored), Plain(c.batches), c.batches == 1 ? "" : "es");
  std::printf("  trouble   %llu batches refused, %llu readings dropped, %llu lost, %llu bad lines",
              Plain(c.refused), Plain(c.dropped), Plain(c.lost), Plain(c.bad_lines));
  if (c.late > 0) std::printf(", %llu lines late", Plain(c.late));
  if (c.implausible > 0) std::printf(", %llu values implausible", Plain(c.implausible));
  if (c.missed > 0) std::printf(", %llu times the board was not read", Plain(c.missed));
  if (c.power_failures > 0) std::printf(", %llu power failures", Plain(c.power_failures));
  std::printf("\n");
}

void PrintPool(const Summary& summary) {
  const Stats& s = summary.stats;
  std::printf(
      "  pool      %llu checkouts, %llu waited, %llu timed out; wait p50 %s, p99 %s, max %s\n",
      Plain(s.checkouts), Plain(s.waited), Plain(s.timeouts),
      FormatDuration(s.wait.Percentile(0.5)).c_str(),
      FormatDuration(s.wait.Percentile(0.99)).c_str(), FormatDuration(s.wait.max()).c_str());
  const std::string reasons = CloseReasons(s);
  std::printf("            %llu connections opened, %llu closed%s%s%s, at most %d in use\n",
              Plain(s.opens), Plain(Closed(s)), reasons.empty() ? "" : " (", reasons.c_str(),
              reasons.empty() ? "" : ")", s.peak_in_use);
}

void PrintRemote(const Summary& summary) {
  if (!summary.remote.has_value()) return;
  const telemetry::RemoteStatus& r = *summary.remote;
  std::printf("  remote    %s: %s\n", PlainText(r.pool.target).c_str(),
              PlainText(summary.remote_text).c_str());
  std::printf(
      "            %llu heartbeats confirmed, %llu tries failed; %llu connections opened, "
      "%llu tries failed\n",
      Plain(r.heartbeats), Plain(r.failed_heartbeats), Plain(r.pool.stats.opens),
      Plain(r.pool.stats.open_failures));
}

void PrintOutbox(const Summary& summary) {
  if (!summary.outbox.has_value()) return;
  const telemetry::OutboxStatus& o = *summary.outbox;
  std::printf(
      "  outbox    %llu readings sent in %llu calls, %llu sent again, %llu wait, %llu set aside",
      Plain(o.sent), Plain(o.batches), Plain(o.resent), Plain(o.waiting), Plain(o.rejected));
  if (o.gaps > 0) std::printf(", %llu given up", Plain(o.gaps));
  if (o.rewinds > 0) std::printf("; the server lost some %llu times", Plain(o.rewinds));
  std::printf("; %s%s%s\n", PlainText(o.state).c_str(), o.reason.empty() ? "" : ": ",
              PlainText(o.reason).c_str());
}

void PrintSqliteMemory(const telemetry::SqliteMemoryStatus& memory) {
  if (!memory.bounded) {
    std::printf("  sqlite    memory from the heap%s%s\n", memory.heap_because.empty() ? "" : ": ",
                PlainText(memory.heap_because).c_str());
    return;
  }
  std::printf(
      "  sqlite    arena %s of %s at most, %llu requests refused; %llu of %llu pages at most, "
      "%s beyond them\n",
      FormatBytes(memory.arena_peak).c_str(), FormatBytes(memory.arena_bytes).c_str(),
      Plain(memory.arena_failures), Plain(memory.pages_peak), Plain(memory.pages),
      FormatBytes(memory.page_overflow_peak).c_str());
}

void PrintCard(const Summary& summary) {
  if (!summary.bytes_written.has_value()) return;
  const uint64_t bytes = *summary.bytes_written;
  std::printf("  card      %s written", FormatBytes(bytes).c_str());
  if (summary.counts.stored > 0) {
    std::printf(", %s a reading", FormatBytes(bytes / summary.counts.stored).c_str());
  }
  std::printf("\n");
}

void PrintSensors(const Summary& summary) {
  if (!summary.sensors.ok()) {
    std::printf("  read back failed: %s\n", PlainText(summary.sensors.status().ToString()).c_str());
    return;
  }
  if (summary.sensors->empty()) return;
  std::printf("  read back from the database:\n");
  for (const SensorSummary& sensor : *summary.sensors) {
    std::printf("    %-20s %7lld readings, %.6g to %.6g %s (mean %.6g)\n",
                PlainText(sensor.name).c_str(), static_cast<long long>(sensor.count), sensor.least,
                sensor.most, PlainText(sensor.unit).c_str(), sensor.mean);
  }
  if (summary.more_sensors > 0) std::printf("    and %zu more\n", summary.more_sensors);
}

void WriteSensor(JsonWriter& json, const SensorSummary& sensor) {
  json.BeginObject();
  json.Member("name", sensor.name);
  json.Member("unit", sensor.unit);
  json.Member("count", sensor.count);
  json.Member("min", sensor.least);
  json.Member("mean", sensor.mean);
  json.Member("max", sensor.most);
  json.EndObject();
}

void WriteSensors(JsonWriter& json, const Summary& summary) {
  if (!summary.sensors.ok()) {
    return json.Member("read_back_error", summary.sensors.status().ToString());
  }
  json.Name("sensors");
  json.BeginArray();
  for (const SensorSummary& sensor : *summary.sensors) WriteSensor(json, sensor);
  json.EndArray();
  json.Member("more_sensors", summary.more_sensors);
}

void WriteCounts(JsonWriter& json, const Counts& c) {
  json.Member("taken", c.taken);
  json.Member("stored", c.stored);
  json.Member("sealed", c.stored);
  json.Member("batches", c.batches);
  json.Member("refused_batches", c.refused);
  json.Member("dropped", c.dropped);
  json.Member("lost", c.lost);
  json.Member("bad_lines", c.bad_lines);
  json.Member("missed_samples", c.missed);
  json.Member("late_lines", c.late);
  json.Member("implausible_values", c.implausible);
  json.Member("power_failures", c.power_failures);
}

void Write(JsonWriter& json, const Summary& summary) {
  json.BeginObject();
  json.Member("database", summary.db);
  json.Member("profile", summary.settings.profile);
  json.Member("pool_size", summary.settings.pool_size);
  json.Member("max_overflow", summary.settings.max_overflow);
  json.Member("board", summary.model);
  json.Member("ran_s", summary.ran);
  json.Member("ended_by", Text(summary.ending));
  WriteCounts(json, summary.counts);
  json.Name("pool");
  json.BeginObject();
  telemetry::WriteMetrics(json, summary.stats);
  json.EndObject();
  json.Name("sqlite_memory");
  telemetry::WriteJson(summary.sqlite_memory, json);
  if (summary.outbox.has_value()) {
    json.Name("outbox");
    telemetry::WriteJson(*summary.outbox, json);
  }
  if (summary.remote.has_value()) {
    json.Name("remote");
    telemetry::WriteJson(*summary.remote, json);
  }
  if (summary.bytes_written.has_value()) {
    json.Member("bytes_written", *summary.bytes_written);
    if (summary.counts.stored > 0) {
      json.Member("bytes_per_reading", static_cast<double>(*summary.bytes_written) /
                                           static_cast<double>(summary.counts.stored));
    }
  }
  WriteSensors(json, summary);
  json.EndObject();
}

void WriteBoard(JsonWriter& json, const boards::Board& board) {
  json.BeginObject();
  json.Member("name", board.name);
  json.Member("model", board.model);
  json.Member("cpu", board.cpu);
  json.Member("cores", board.cores);
  json.Member("memory_mib", board.memory_mib);
  json.Member("compile_flag", board.compile_flag);
  json.Member("page_bytes", board.page_bytes);
  json.Member("watchdog_limit_s", board.watchdog_limit);
  json.EndObject();
}

void Write(JsonWriter& json, const ProfileInfo& info) {
  json.BeginObject();
  telemetry::WriteSettings(json, info.settings);
  json.Member("bytes", info.pool_bytes);
  json.Member("sqlite_memory_bytes", info.sqlite_memory_bytes);
  json.Member("reading_bytes", info.reading_bytes);
  json.Name("board");
  WriteBoard(json, boards::Selected());
  json.EndObject();
}

template <class T>
void PrintAsJson(const T& what) {
  const auto write = [&what](JsonWriter& json) { Write(json, what); };
  std::cout << internal::JsonText(write) << "\n";
}

}  // namespace

void PrintText(const Summary& summary) {
  const PoolSettings& s = summary.settings;
  std::printf("roost-node ran %s, %s\n", FormatDuration(summary.ran).c_str(),
              Sentence(summary.ending));
  std::printf("  database  %s\n", PlainText(summary.db).c_str());
  std::printf("  profile   %s: pool size %d, overflow %d\n", s.profile, s.pool_size,
              s.max_overflow);
  if (!summary.model.empty()) std::printf("  board     %s\n", PlainText(summary.model).c_str());
  PrintReadings(summary);
  PrintPool(summary);
  PrintSqliteMemory(summary.sqlite_memory);
  PrintOutbox(summary);
  PrintRemote(summary);
  PrintCard(summary);
  PrintSensors(summary);
}

void PrintJson(const Summary& summary) { PrintAsJson(summary); }

void PrintText(const ProfileInfo& info) {
  std::array<char, kDescriptionBytes> buffer;
  const std::string_view settings = Describe(info.settings, buffer);
  std::printf("%.*s\n", static_cast<int>(settings.size()), settings.data());
  std::printf("pool object       %zu bytes\nSQLite's memory   %zu bytes\n", info.pool_bytes,
              info.sqlite_memory_bytes);
  std::printf("reading in memory %zu bytes\n", info.reading_bytes);
  const boards::Board& board = boards::Selected();
  std::printf("board             %s (CMake: ROOST_BOARD)\n", board.name);
  if (board.cores == 0) return;
  std::printf("  model           %s\n  cpu             %d x %s\n", board.model, board.cores,
              board.cpu);
  std::printf("  memory          %d MiB or more\n  kernel pages    %d bytes\n", board.memory_mib,
              board.page_bytes);
  std::printf("  compiler flag   %s\n  watchdog        %s at most\n", board.compile_flag,
              FormatDuration(board.watchdog_limit).c_str());
}

void PrintJson(const ProfileInfo& info) { PrintAsJson(info); }

}  // namespace roost::tools
