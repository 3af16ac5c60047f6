#include "tools/roost-node/summary.h"

#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "platform/boards/selected.h"
#include "roost/observer.h"
#include "tools/common/text.h"

namespace roost::tools {
namespace {

using Json = nlohmann::ordered_json;

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

const char* Text(PrePing ping) {
  switch (ping) {
    case PrePing::kNever:
      return "never";
    case PrePing::kAfterIdle:
      return "after idle";
    case PrePing::kAlways:
      return "always";
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
  if (c.missed > 0) std::printf(", %llu times the board was not read", Plain(c.missed));
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
  const RemoteStatus& r = *summary.remote;
  std::printf("  remote    %s: %s\n", r.pool.target.c_str(), summary.remote_text.c_str());
  std::printf(
      "            %llu heartbeats confirmed, %llu tries failed; %llu connections opened, "
      "%llu tries failed\n",
      Plain(r.heartbeats), Plain(r.failed_heartbeats), Plain(r.pool.stats.opens),
      Plain(r.pool.stats.open_failures));
}

void PrintSqliteMemory(const SqliteMemoryStatus& memory) {
  if (!memory.bounded) {
    std::printf("  sqlite    memory from the heap%s%s\n", memory.heap_because.empty() ? "" : ": ",
                memory.heap_because.c_str());
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
    std::printf("  read back failed: %s\n", summary.sensors.status().ToString().c_str());
    return;
  }
  if (summary.sensors->empty()) return;
  std::printf("  read back from the database:\n");
  for (const SensorSummary& sensor : *summary.sensors) {
    std::printf("    %-20s %7lld readings, %.6g to %.6g %s (mean %.6g)\n", sensor.name.c_str(),
                static_cast<long long>(sensor.count), sensor.least, sensor.most,
                sensor.unit.c_str(), sensor.mean);
  }
}

Json PoolJson(const Stats& s) {
  Json closes = Json::object();
  for (size_t i = 0; i < s.closes.size(); ++i) {
    if (s.closes[i] > 0) closes[std::string(Name(static_cast<CloseReason>(i)))] = s.closes[i];
  }
  return {{"checkouts", s.checkouts},
          {"waited", s.waited},
          {"timeouts", s.timeouts},
          {"wait_p50_s", InSeconds(s.wait.Percentile(0.5))},
          {"wait_p99_s", InSeconds(s.wait.Percentile(0.99))},
          {"wait_max_s", InSeconds(s.wait.max())},
          {"opens", s.opens},
          {"open_failures", s.open_failures},
          {"peak_in_use", s.peak_in_use},
          {"closes", closes}};
}

Json SensorsJson(const std::vector<SensorSummary>& sensors) {
  Json all = Json::array();
  for (const SensorSummary& sensor : sensors) {
    all.push_back({{"name", sensor.name},
                   {"unit", sensor.unit},
                   {"count", sensor.count},
                   {"min", sensor.least},
                   {"mean", sensor.mean},
                   {"max", sensor.most}});
  }
  return all;
}

Json SettingsJson(const PoolSettings& s) {
  return {{"name", s.profile},
          {"pool_size", s.pool_size},
          {"max_overflow", s.max_overflow},
          {"capacity", s.capacity()},
          {"pool_timeout_s", InSeconds(s.pool_timeout)},
          {"pool_recycle_s", InSeconds(s.pool_recycle)},
          {"pool_pre_ping", s.pre_ping != PrePing::kNever},
          {"echo_pool", s.echo_pool},
          {"statements", s.statements},
          {"max_waiters", s.max_waiters}};
}

// Paths and names may hold bytes that are no UTF-8, which JSON cannot: they become U+FFFD.
void PrintJson(const Json& json) {
  std::cout << json.dump(2, ' ', false, Json::error_handler_t::replace) << "\n";
}

}  // namespace

void PrintText(const Summary& summary) {
  const PoolSettings& s = summary.settings;
  std::printf("roost-node ran %s, %s\n", FormatDuration(summary.ran).c_str(),
              Sentence(summary.ending));
  std::printf("  database  %s\n", summary.db.c_str());
  std::printf("  profile   %s: pool size %d, overflow %d\n", s.profile, s.pool_size,
              s.max_overflow);
  if (!summary.model.empty()) std::printf("  board     %s\n", summary.model.c_str());
  PrintReadings(summary);
  PrintPool(summary);
  PrintSqliteMemory(summary.sqlite_memory);
  PrintRemote(summary);
  PrintCard(summary);
  PrintSensors(summary);
}

void PrintJson(const Summary& summary) {
  const Counts& c = summary.counts;
  Json json = {{"database", summary.db},
               {"profile", summary.settings.profile},
               {"pool_size", summary.settings.pool_size},
               {"max_overflow", summary.settings.max_overflow},
               {"board", summary.model},
               {"ran_s", InSeconds(summary.ran)},
               {"ended_by", Text(summary.ending)},
               {"taken", c.taken},
               {"stored", c.stored},
               {"sealed", c.stored},
               {"batches", c.batches},
               {"refused_batches", c.refused},
               {"dropped", c.dropped},
               {"lost", c.lost},
               {"bad_lines", c.bad_lines},
               {"missed_samples", c.missed},
               {"pool", PoolJson(summary.stats)},
               {"sqlite_memory", ToJson(summary.sqlite_memory)}};
  if (summary.remote.has_value()) json["remote"] = ToJson(*summary.remote);
  if (summary.bytes_written.has_value()) {
    json["bytes_written"] = *summary.bytes_written;
    if (c.stored > 0) {
      json["bytes_per_reading"] =
          static_cast<double>(*summary.bytes_written) / static_cast<double>(c.stored);
    }
  }
  if (summary.sensors.ok()) {
    json["sensors"] = SensorsJson(*summary.sensors);
  } else {
    json["read_back_error"] = summary.sensors.status().ToString();
  }
  PrintJson(json);
}

void PrintText(const ProfileInfo& info) {
  const PoolSettings& s = info.settings;
  std::printf("profile           %s (CMake: ROOST_PROFILE)\n", s.profile);
  std::printf("pool_size         %d\nmax_overflow      %d\n", s.pool_size, s.max_overflow);
  std::printf("pool_timeout      %s\n", FormatDuration(s.pool_timeout).c_str());
  std::printf("pool_recycle      %s\n", FormatDuration(s.pool_recycle).c_str());
  std::printf("pool_pre_ping     %s\necho_pool         %s\n", Text(s.pre_ping),
              s.echo_pool ? "yes" : "no");
  std::printf("statements        %d a connection\n", s.statements);
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

void PrintJson(const ProfileInfo& info) {
  Json json = SettingsJson(info.settings);
  const boards::Board& board = boards::Selected();
  json["bytes"] = info.pool_bytes;
  json["sqlite_memory_bytes"] = info.sqlite_memory_bytes;
  json["reading_bytes"] = info.reading_bytes;
  json["board"] = {{"name", board.name},
                   {"model", board.model},
                   {"cpu", board.cpu},
                   {"cores", board.cores},
                   {"memory_mib", board.memory_mib},
                   {"compile_flag", board.compile_flag},
                   {"page_bytes", board.page_bytes},
                   {"watchdog_limit_s", InSeconds(board.watchdog_limit)}};
  PrintJson(json);
}

}  // namespace roost::tools
