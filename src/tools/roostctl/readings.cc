#include "tools/roostctl/readings.h"

#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "roost/platform.h"
#include "tools/common/cli.h"
#include "tools/common/make_backend.h"
#include "tools/common/remote_uri.h"
#include "tools/common/text.h"
#include "tools/roostctl/node_file.h"
#include "tools/roostctl/node_query.h"
#include "tools/roostctl/selftest/config.h"

namespace roost::tools {
namespace {

namespace fs = std::filesystem;

constexpr char kSystemFolder[] = "/var/lib/roost";
constexpr char kFile[] = "node.db";
constexpr int64_t kPageRows = 2000;
constexpr int64_t kUsPerSecond = 1'000'000;

// The number of the last reading of the page that begins after ?1.
constexpr char kPageEnd[] =
    "SELECT max(seq) FROM (SELECT seq FROM reading WHERE seq > ?1 AND seq <= ?2 ORDER BY seq LIMIT "
    "?3)";
// Of the page that ends before ?1: its first number, and whether it has a reading that is wanted. A time of a
// clock that was not set says nothing; but if the newest is of such a clock (?4), there is no other.
constexpr char kPageBefore[] =
    "SELECT min(seq), max((synced = 1 OR ?4) AND t_wall >= ?2), min(synced = 1 OR ?4) FROM (SELECT "
    "seq, "
    "t_wall, synced FROM reading WHERE seq < ?1 ORDER BY seq DESC LIMIT ?3)";
constexpr char kPage[] =
    "SELECT r.t_wall, r.synced, r.sensor, s.name, s.unit, r.value, r.t_source FROM reading r JOIN "
    "sensor s "
    "ON s.id = r.sensor WHERE r.seq > ?1 AND r.seq <= ?2 AND (r.t_wall >= ?3 OR (r.synced = 0 AND "
    "NOT ?5)) "
    "AND (?4 IS NULL OR s.name = ?4) ORDER BY r.seq";
constexpr char kNewest[] = "SELECT coalesce(max(seq), 0) FROM reading";
constexpr char kNeverSet[] =
    "SELECT coalesce((SELECT synced = 0 FROM reading ORDER BY seq DESC LIMIT 1), 0)";
constexpr char kIsSensor[] = "SELECT count(*) FROM sensor WHERE name = ?1";
constexpr char kSensors[] = "SELECT DISTINCT name FROM sensor ORDER BY name LIMIT 1000";

struct Row {
  int64_t wall_us = 0;
  bool synced = false;
  int64_t sensor = 0;
  std::string_view name;
  std::string_view unit;
  double value = 0;
  int64_t source = 0;
};

const char* SourceName(int64_t source) {
  constexpr std::array kNames{"board", "arrival", "line"};
  return source >= 0 && source < std::ssize(kNames) ? kNames[static_cast<size_t>(source)] : "late";
}

// "2026-11-30T21:40:00.250Z"; a year beyond four digits is the clock's.
std::string IsoTime(int64_t unix_us) {
  const int64_t in_second = ((unix_us % kUsPerSecond) + kUsPerSecond) % kUsPerSecond;
  const auto seconds = static_cast<time_t>((unix_us - in_second) / kUsPerSecond);
  tm parts{};
  std::array<char, 48> text{};
  if (gmtime_r(&seconds, &parts) == nullptr) return "";
  const size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  std::array<char, 8> fraction{};
  std::snprintf(fraction.data(), fraction.size(), ".%03dZ", static_cast<int>(in_second / 1000));
  return std::string(text.data(), length) + fraction.data();
}

// The shortest text that reads as the same number.
std::string NumberText(double value) {
  std::array<char, 32> text{};
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() ? std::string(text.data(), end) : std::string("nan");
}

// As RFC 4180 has it.
std::string Csv(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

std::string Quoted(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string JsonNumber(double value) { return std::isfinite(value) ? NumberText(value) : "null"; }

// Puts rows, or the averages of each span of time, into the output.
class Printer {
 public:
  enum class Form : uint8_t { kText, kCsv, kJson };
  Printer(Form form, Duration every)
      : form_(form), every_us_(every / std::chrono::microseconds(1)) {
    if (form != Form::kCsv) return;
    out_ = every_us_ > 0 ? "time,name,unit,count,min,mean,max\n"
                         : "time,name,value,unit,synced,time_from\n";
  }

  // False: there are too many sensors for their averages.
  bool Take(const Row& row) {
    if (every_us_ == 0) {
      PrintRow(row);
      return true;
    }
    const auto found = spans_.find(row.sensor);
    if (found == spans_.end() && spans_.size() == ReadingsCommand::kMostSensors) return false;
    Span& span = found != spans_.end() ? found->second : spans_[row.sensor];
    int64_t start = row.wall_us - row.wall_us % every_us_;
    if (start > row.wall_us) start -= every_us_;
    if (span.count > 0 && span.start != start) PrintSpan(span);
    if (span.count == 0) {
      span = {.start = start,
              .name = std::string(row.name),
              .unit = std::string(row.unit),
              .least = row.value,
              .most = row.value};
    }
    ++span.count;
    span.least = std::min(span.least, row.value);
    span.most = std::max(span.most, row.value);
    span.mean += (row.value - span.mean) / static_cast<double>(span.count);
    return true;
  }
  // What is open.
  void End() {
    for (auto& [id, span] : spans_) {
      if (span.count > 0) PrintSpan(span);
    }
  }
  // False: nobody reads it any more.
  bool Flush() {
    const bool whole = std::fwrite(out_.data(), 1, out_.size(), stdout) == out_.size();
    out_.clear();
    return std::fflush(stdout) == 0 && whole;
  }

 private:
  struct Span {
    int64_t start = 0;
    std::string name{};
    std::string unit{};
    int64_t count = 0;
    double least = 0;
    double mean = 0;
    double most = 0;
  };

  void PrintRow(const Row& row) {
    const std::string time = IsoTime(row.wall_us);
    const char* const from = SourceName(row.source);
    if (form_ == Form::kCsv) {
      out_ += time + "," + Csv(row.name) + "," + NumberText(row.value) + "," + Csv(row.unit) + "," +
              (row.synced ? "1," : "0,") + from + "\n";
    } else if (form_ == Form::kJson) {
      out_ += "{\"time\":\"" + time + "\",\"name\":" + Quoted(row.name) +
              ",\"value\":" + JsonNumber(row.value) + ",\"unit\":" + Quoted(row.unit) +
              ",\"synced\":" + (row.synced ? "true" : "false") + ",\"time_from\":\"" + from +
              "\"}\n";
    } else {
      out_ += time + "  " + PlainText(row.name) + "  " + NumberText(row.value) + " " +
              PlainText(row.unit) + (row.synced ? "\n" : "  (the clock was not set)\n");
    }
  }

  void PrintSpan(Span& span) {
    const std::string time = IsoTime(span.start);
    const std::string count = std::to_string(span.count);
    if (form_ == Form::kCsv) {
      out_ += time + "," + Csv(span.name) + "," + Csv(span.unit) + "," + count + "," +
              NumberText(span.least) + "," + NumberText(span.mean) + "," + NumberText(span.most) +
              "\n";
    } else if (form_ == Form::kJson) {
      out_ += "{\"time\":\"" + time + "\",\"name\":" + Quoted(span.name) +
              ",\"unit\":" + Quoted(span.unit) + ",\"count\":" + count +
              ",\"min\":" + JsonNumber(span.least) + ",\"mean\":" + JsonNumber(span.mean) +
              ",\"max\":" + JsonNumber(span.most) + "}\n";
    } else {
      out_ += time + "  " + PlainText(span.name) + "  " + NumberText(span.mean) + " " +
              PlainText(span.unit) + "  (" + NumberText(span.least) + " to " +
              NumberText(span.most) + ", " + count + ")\n";
    }
    span.count = 0;
    span.mean = 0;
  }

  const Form form_;
  const int64_t every_us_;
  std::string out_;
  std::map<int64_t, Span> spans_;
};

// The number after which readings are wanted: backwards from the newest, page by page, to the first in which
// nothing is as young. A clock that stepped by less than a page's time misleads nobody.
absl::StatusOr<int64_t> FirstWanted(sqlite3* db, int64_t newest, int64_t since_us,
                                    int64_t never_set) {
  int64_t before = newest + 1;
  for (;;) {
    NodeQuery query(db, kPageBefore);
    query.Bind(1, before).Bind(2, since_us).Bind(3, kPageRows).Bind(4, never_set);
    if (!query.Next()) return query.status();
    const int64_t first = query.Number(0);
    const bool is_wanted = query.Number(1) != 0;
    const bool is_known = query.Number(2) != 0;
    if (first == 0) return 0;
    if (!is_wanted && is_known) return before - 1;
    before = first;
  }
}

absl::Status PrintPages(sqlite3* db, const std::string& name, int64_t since_us, Printer& printer) {
  const absl::StatusOr<int64_t> newest = NodeQuery::Ask(db, kNewest);
  if (!newest.ok()) return newest.status();
  const absl::StatusOr<int64_t> never_set = NodeQuery::Ask(db, kNeverSet);
  if (!never_set.ok()) return never_set.status();
  const absl::StatusOr<int64_t> first = FirstWanted(db, *newest, since_us, *never_set);
  if (!first.ok()) return first.status();
  for (int64_t after = *first;;) {
    int64_t last = 0;
    {
      NodeQuery end(db, kPageEnd);
      end.Bind(1, after).Bind(2, *newest).Bind(3, kPageRows);
      if (!end.Next()) return end.status();
      last = end.Number(0);
    }
    if (last == 0) break;
    {
      NodeQuery page(db, kPage);
      page.Bind(1, after).Bind(2, last).Bind(3, since_us).Bind(5, *never_set);
      if (!name.empty()) page.Bind(4, name);
      while (page.Next()) {
        const Row row{.wall_us = page.Number(0),
                      .synced = page.Number(1) != 0,
                      .sensor = page.Number(2),
                      .name = page.Text(3),
                      .unit = page.Text(4),
                      .value = page.Real(5),
                      .source = page.Number(6)};
        if (printer.Take(row)) continue;
        return absl::ResourceExhaustedError("there are more than " +
                                            std::to_string(ReadingsCommand::kMostSensors) +
                                            " sensors: name one of them for --every");
      }
      if (!page.status().ok()) return page.status();
    }
    after = last;
    // The page is over: nothing of the database is held while somebody reads this.
    if (!printer.Flush()) return absl::OkStatus();
  }
  printer.End();
  printer.Flush();
  return absl::OkStatus();
}

std::string NoSuchSensor(sqlite3* db, const std::string& path, const std::string& name) {
  std::vector<std::string> names;
  NodeQuery query(db, kSensors);
  while (query.Next()) names.emplace_back(query.Text(0));
  std::string text = path + " has no sensor " + name;
  if (const std::string near = ClosestOf(names, name); !near.empty()) {
    return text + "; did you mean " + near + "?";
  }
  if (names.empty()) return text + ": it has no reading yet";
  text += "; it has ";
  constexpr size_t kMostNamed = 8;
  for (size_t i = 0; i < std::min(names.size(), kMostNamed); ++i) {
    text += (i > 0 ? ", " : "") + names[i];
  }
  return text + (names.size() > kMostNamed ? " and more" : "");
}

}  // namespace

std::string NodeDatabasePath(const std::string& db, const std::string& config) {
  const std::string file = config.empty() ? selftest::kNodeConfig : config;
  std::string chosen = db;
  if (chosen.empty() && (!config.empty() || access(file.c_str(), R_OK) == 0)) {
    const absl::StatusOr<selftest::NodeConfig> read = selftest::ReadNodeConfig(file);
    if (!read.ok()) throw CLI::ValidationError("--config", std::string(read.status().message()));
    chosen = read->db;
  }
  const absl::StatusOr<std::string> local = LocalPath(chosen);
  if (!local.ok()) throw CLI::ValidationError("--db", std::string(local.status().message()));
  fs::path path = *local;
  std::error_code ignored;
  if (chosen.empty()) path = fs::is_directory(kSystemFolder, ignored) ? kSystemFolder : ".";
  if (fs::is_directory(path, ignored)) path /= kFile;
  return path.string();
}

void ReadingsCommand::AddTo(CLI::App& app) {
  CLI::App* command = app.add_subcommand("readings", "Print readings that a node has stored");
  command->add_option("name", name_, "One sensor (default: all)")->type_name("NAME");
  AddDuration(*command, "--since", since_, std::chrono::milliseconds(1),
              "Those of this last time (1h)");
  AddDuration(*command, "--every", every_, std::chrono::milliseconds(1),
              "Count, least, mean and most of each sensor in each such span of time, in UTC");
  CLI::Option* const csv =
      command->add_flag("--csv", csv_, "As comma-separated values, with a line of names");
  command->add_flag("--json", json_, "As JSON, one object a line")->excludes(csv);
  command
      ->add_option(
          "--db", db_,
          "The node's database, or the folder of it (default: as its configuration says, else "
          "/var/lib/roost/node.db)")
      ->type_name("PATH");
  command
      ->add_option("--config", config_,
                   "roost-node's configuration, for its db (default: " +
                       std::string(selftest::kNodeConfig) + " where it can be read)")
      ->type_name("FILE");
  command->footer(
      "A node that runs is not disturbed: the database is opened for reading, and read in pages of "
      "2000\n"
      "readings, each within 1 s; nothing of it is held between them. In order of their numbers. A "
      "reading\n"
      "that was taken before the clock was set is among those around it, with synced 0.\n"
      "Examples:\n"
      "  roostctl readings --since 10m\n"
      "  roostctl readings cpu_temperature --since 30d --every 1h --csv > month.csv\n"
      "Exit codes: 0 done; 1 there is no such sensor; 2 the arguments are wrong; 4 the database "
      "cannot be\n"
      "read.");
  command->callback([this] { Run(); });
}

void ReadingsCommand::Run() {
  const std::string path = NodeDatabasePath(db_, config_);
  const auto fail = [this](const std::string& why, int code) {
    std::fprintf(stderr, "roostctl: %s\n", PlainText(why).c_str());
    exit_code_ = code;
  };
  if (const std::string why = WhyNotReadable(path); !why.empty())
    return fail(why, kReadingsCannotTell);
  int code = SQLITE_OK;
  const NodeFile db = OpenToRead(path, !HasLog(path), code);
  if (code != SQLITE_OK) return fail(path + ": " + sqlite3_errstr(code), kReadingsCannotTell);
  sqlite3_busy_timeout(db.get(),
                       static_cast<int>(NodeQuery::kWithin / std::chrono::milliseconds(1)) / 2);
  if (!name_.empty()) {
    const absl::StatusOr<int64_t> known = NodeQuery::Ask(db.get(), kIsSensor, name_);
    if (known.ok() && *known == 0) return fail(NoSuchSensor(db.get(), path, name_), kReadingsNone);
  }
  const int64_t since_us = NativePlatform().UnixMicros() - since_ / std::chrono::microseconds(1);
  Printer printer(json_  ? Printer::Form::kJson
                  : csv_ ? Printer::Form::kCsv
                         : Printer::Form::kText,
                  every_);
  const absl::Status printed = PrintPages(db.get(), name_, since_us, printer);
  if (!printed.ok()) fail(path + ": " + std::string(printed.message()), kReadingsCannotTell);
}

}  // namespace roost::tools
