#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/duration.h"
#include "roost/platform.h"
#include "tools/common/cli.h"
#include "tools/common/grammar.h"
#include "tools/common/help.h"
#include "tools/common/text.h"
#include "tools/roostctl/commands.h"
#include "tools/roostctl/live.h"
#include "tools/roostctl/live_json.h"
#include "tools/roostctl/sizing.h"

namespace roost::tools {
namespace {

// A slot's number is one byte: see CheckProfile in roost/profile.h.
constexpr int64_t kMostSlots = 254;
// One connection at the server, by the rule of thumb of SQLAlchemy-style sizing.
constexpr int64_t kLeastMb = 1;
constexpr int64_t kMostMb = 5;
// One SQLite connection with eight statements and its share of the page cache: a third of what the profile
// raspberry_pi gives three of them, in which they run (src/backends/sqlite/README.md).
constexpr int64_t kSqliteBytes = 77'776;
// Of the requests may wait longer than is acceptable.
constexpr double kOverShare = 0.01;
// The acceptable wait where none is given and a program was asked.
constexpr Duration kUsualWait = std::chrono::milliseconds(100);
// A reading in the database of roost-node: 45 bytes measured in one of 100,000, and some room for long names.
constexpr double kRowBytes = 48;
// What the database takes besides: its log, the reserve, and room to delete in.
constexpr double kBesideRows = 1.2;
constexpr double kBesideBytes = 8.0 * 1024 * 1024;

struct Question {
  Load load;
  bool rate_given = false;
  int64_t capacity = 0;         // of the pool that there is; 0: there is none
  int64_t max_connections = 0;  // 0: not given
  int64_t cores = 0;            // 0: not given
  std::vector<int64_t> limits;
};

struct Answer {
  int64_t formula = 0;
  Prediction predicted;  // with `formula`, or with the capacity that there is
  int64_t smallest = 0;  // by Erlang's formula
  std::optional<Budget> budget;
  int64_t limit = 0;  // the smallest; 0: none is given
  int64_t take = 0;   // pool_size
  int64_t overflow = 0;
  std::string why;
  bool overload = false;
};

std::string Percent(double share) {
  char out[32];
  if (share > 0 && share < 0.0001) return "below 0.01 %";
  std::snprintf(out, sizeof out, "%.3g %%", share * 100);
  return out;
}

std::string Count(int64_t count) { return std::to_string(count); }

std::string Rounded(double number) {
  char out[32];
  std::snprintf(out, sizeof out, "%.3g", number);
  return out;
}

std::string Rate(double rate) { return rate < 10 ? Rounded(rate) : Count(std::lround(rate)); }

std::string MeanWait(const Prediction& predicted) {
  if (std::isinf(predicted.mean_wait_s)) return "without bound";
  return FormatDuration(
      std::chrono::duration_cast<Duration>(std::chrono::duration<double>(predicted.mean_wait_s)));
}

// What follows for the pool: the fewest connections with which few wait too long, no more than the server
// has for it.
void Decide(const Question& question, Answer& answer) {
  const Load& load = question.load;
  answer.take = answer.smallest;
  answer.why = "at most " + Percent(kOverShare) + " wait over " + FormatDuration(load.wait);
  if (!question.rate_given && load.requests < answer.take) {
    answer.take = load.requests;
    answer.why = "one for each of the requests, so that none waits";
  }
  answer.overflow = answer.take / 2;
  int64_t most = answer.limit;
  std::string of = "the smallest limit is " + Count(answer.limit);
  if (answer.budget.has_value() && (most == 0 || answer.budget->high < most)) {
    most = answer.budget->high;
    of = "30 % of max_connections";
  }
  if (most > 0 || answer.budget.has_value()) {
    const int64_t enough = answer.take;
    answer.take = std::clamp<int64_t>(answer.take, 1, std::max<int64_t>(most, 1));
    answer.overflow = std::clamp<int64_t>(most - answer.take, 0, answer.overflow);
    if (answer.take < enough) answer.why = of + "; enough would be " + Count(enough);
  }
  if (answer.take > kMostSlots) {
    answer.why += "; divided over " + Count((answer.take + kMostSlots - 1) / kMostSlots) +
                  " pools, as one has at most " + Count(kMostSlots);
  }
}

Answer Work(const Question& question) {
  Answer answer;
  const Load& load = question.load;
  answer.formula = FormulaSize(load.requests, load.query, load.wait);
  if (answer.formula > kMaxRequests) {
    throw CLI::ValidationError("--wait",
                               "asks for more than a million connections; it has to be longer");
  }
  if (OfferedLoad(load.rate, load.query) > static_cast<double>(kMaxRequests)) {
    throw CLI::ValidationError("--rate",
                               "keeps more than a million connections busy; is it per second?");
  }
  answer.predicted = Predict(question.capacity > 0 ? question.capacity : answer.formula, load);
  answer.smallest = SmallestSize(load, kOverShare);
  answer.overload = answer.predicted.utilisation >= 1;
  if (question.max_connections > 0) {
    answer.budget = BudgetFor(answer.formula, question.max_connections);
  }
  for (const int64_t limit : question.limits) {
    if (answer.limit == 0 || limit < answer.limit) answer.limit = limit;
  }
  Decide(question, answer);
  return answer;
}

void Row(const char* name, const std::string& text) {
  std::printf("%-20s%s\n", name, text.c_str());
}

std::string Verdict(const Answer& answer) {
  return "take " + Count(answer.take) + " and an overflow of " + Count(answer.overflow) + ": " +
         answer.why;
}

void PrintServer(const Question& question, const Answer& answer) {
  const int64_t size = answer.take + answer.overflow;
  if (question.max_connections > 0 || question.cores > 0 || answer.limit > 0) {
    Row("memory, server",
        Count(size * kLeastMb) + " to " + Count(size * kMostMb) + " MB (1 to 5 MB a connection)");
  }
  if (answer.budget.has_value()) {
    const Budget& budget = *answer.budget;
    Row("max_connections", Count(answer.formula) + " is " + Percent(budget.share) + " of " +
                               Count(question.max_connections) + "; advised are 20 to 30 %: " +
                               Count(budget.low) + " to " + Count(budget.high));
    if (answer.formula > budget.high) {
      Row("", "too many: raise max_connections to " + Count(budget.max_connections) + " or more,");
      Row("", "make queries shorter, or accept a longer wait");
    }
  }
  if (answer.limit > 0) {
    Row("limit", Count(answer.limit) + ", the smallest of " +
                     Count(static_cast<int64_t>(question.limits.size())) +
                     " given; size and overflow together");
  }
  if (question.cores > 0 && size > 2 * question.cores) {
    Row("warning", "the server has " + Count(question.cores) + " cores: above " +
                       Count(2 * question.cores) + " connections that are busy at");
    Row("", "once each waits for a core, and all get slower");
  }
}

void PrintText(const Question& question, const Answer& answer) {
  const Load& load = question.load;
  const Prediction& p = answer.predicted;
  const int64_t size = question.capacity > 0 ? question.capacity : answer.formula;
  if (answer.overload) {
    std::printf("Overload: %s a second x %s keep %s connections busy; %lld cannot keep up.\n\n",
                Rate(load.rate).c_str(), FormatDuration(load.query).c_str(),
                Rounded(p.load).c_str(), static_cast<long long>(size));
  }
  Row("pool_size", Count(answer.formula) + " = " + Count(load.requests) + " requests x " +
                       FormatDuration(load.query) + " / " + FormatDuration(load.wait) +
                       " (SQLAlchemy-style sizing)");
  Row("max_overflow", Count(answer.formula / 2) + " (about half of pool_size)");
  std::printf("\nWith %s requests a second that come at random (%s):\n", Rate(load.rate).c_str(),
              question.capacity > 0 ? "measured"
              : question.rate_given ? "--rate"
                                    : "Little's law; --rate sets it");
  Row("busy connections",
      Rounded(p.load) + " of " + Count(size) + " on average (" + Percent(p.utilisation) + ")");
  Row("have to wait", Percent(p.waiting) + " (Erlang C), " + MeanWait(p) + " on average over all");
  Row(("wait over " + FormatDuration(load.wait)).c_str(), Percent(p.over));
  Row("would be enough", Count(answer.smallest) + " (at most " + Percent(kOverShare) +
                             " wait over " + FormatDuration(load.wait) + ")");
  Row("memory, SQLite",
      FormatBytes(static_cast<uint64_t>((answer.take + answer.overflow) * kSqliteBytes)) + " (" +
          FormatBytes(static_cast<uint64_t>(kSqliteBytes)) + " a connection, measured)");
  PrintServer(question, answer);
  std::printf("\n%s\n", Fill(Verdict(answer), kHelpColumns, "  ").c_str());
}

nlohmann::ordered_json JsonOf(const Question& question, const Answer& answer) {
  const Load& load = question.load;
  const Prediction& p = answer.predicted;
  nlohmann::ordered_json json = {
      {"requests", load.requests},
      {"query_s", InSeconds(load.query)},
      {"wait_s", InSeconds(load.wait)},
      {"rate_per_s", load.rate},
      {"pool_size", answer.formula},
      {"max_overflow", answer.formula / 2},
      {"memory_mb", {{"min", answer.formula * kLeastMb}, {"max", answer.formula * kMostMb}}},
      {"sqlite_bytes", (answer.take + answer.overflow) * kSqliteBytes},
      {"busy_connections", p.load},
      {"utilisation", p.utilisation},
      {"waiting_probability", p.waiting},
      // Null when the size cannot keep up: JSON has no infinity.
      {"mean_wait_s", p.mean_wait_s},
      {"over_wait_probability", p.over},
      {"enough", answer.smallest},
      {"overload", answer.overload},
      {"take", answer.take},
      {"take_overflow", answer.overflow},
      {"verdict", Verdict(answer)}};
  if (answer.budget.has_value()) {
    const Budget& budget = *answer.budget;
    json["max_connections"] = {{"given", question.max_connections},
                               {"share", budget.share},
                               {"advised_min", budget.low},
                               {"advised_max", budget.high},
                               {"within_advice", answer.formula <= budget.high},
                               {"needed", budget.max_connections}};
  }
  if (answer.limit > 0) json["limit"] = answer.limit;
  if (question.cores > 0) {
    json["above_twice_the_cores"] = answer.take + answer.overflow > 2 * question.cores;
  }
  return json;
}

// ---- --from ----------------------------------------------------------------------------------------

// What the program said, by its socket or in a file that was saved.
Live Find(const std::string& from) {
  std::error_code ignored;
  if (std::filesystem::is_regular_file(from, ignored)) {
    std::ifstream file(from, std::ios::binary);
    std::string text(kMostAnswer, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<size_t>(file.gcount()));
    return Understand(from, text);
  }
  const std::vector<std::string> sockets = FindSockets(StatusFolders(), from);
  if (sockets.empty()) {
    throw CLI::ValidationError("--from", "there is no program and no file " + from +
                                             "; roostctl status shows the programs");
  }
  return LookAt(NativePlatform(), sockets.front());
}

// Half of the leases were held for p50 at most, and all but one of a hundred for p99.
Duration MeanAtMost(const nlohmann::ordered_json& hold) {
  const double mean = 0.5 * InSeconds(SpanIn(hold, "p50_s")) +
                      0.49 * InSeconds(SpanIn(hold, "p99_s")) +
                      0.01 * InSeconds(SpanIn(hold, "max_s"));
  return std::max<Duration>(std::chrono::microseconds(1), std::chrono::duration_cast<Duration>(
                                                              std::chrono::duration<double>(mean)));
}

// What was measured of one pool; a sentence where too little was.
struct Measured {
  Load load;
  int64_t capacity = 0;
  uint64_t peak_in_use = 0;
  uint64_t peak_waiting = 0;
  Duration span{};
  std::string missing;
};
Measured MeasuredOf(const nlohmann::ordered_json& pool, Duration query, Duration wait) {
  const auto& window = MemberOf(pool, "window");
  const auto& stats = MemberOf(pool, "stats");
  const auto& hold = MemberOf(window, "hold");
  Measured seen;
  seen.span = SpanIn(window, "span_s");
  seen.capacity = static_cast<int64_t>(std::min<uint64_t>(CountIn(stats, "capacity"), kMostSlots));
  seen.peak_in_use = CountIn(stats, "peak_in_use");
  seen.peak_waiting = CountIn(stats, "peak_waiting");
  const uint64_t checkouts = CountIn(window, "checkouts");
  if (checkouts == 0 || seen.span <= Duration::zero() || seen.capacity == 0) {
    seen.missing = "nothing was lent in the last " + FormatDuration(seen.span) + "; ask under load";
  } else if (query == Duration::zero() && CountIn(hold, "count") == 0) {
    seen.missing = "how long one is held is not measured (profile " +
                   PlainText(TextIn(pool, "profile")) + "); give it with --query";
  } else {
    const auto at_once = static_cast<int64_t>(seen.peak_in_use + seen.peak_waiting);
    seen.load = {.requests = std::clamp<int64_t>(at_once, 1, kMaxRequests),
                 .query = query > Duration::zero() ? query : MeanAtMost(hold),
                 .wait = wait > Duration::zero() ? wait : kUsualWait,
                 .rate = static_cast<double>(checkouts) / InSeconds(seen.span)};
  }
  return seen;
}

void PrintMeasured(const std::string& name, const Measured& seen) {
  std::printf(
      "%s, in the last %s: %s a second, held for %s on average at most;\n"
      "at most %llu of %lld were in use at once, and %llu waited.\n\n",
      name.c_str(), FormatDuration(seen.span).c_str(), Rate(seen.load.rate).c_str(),
      FormatDuration(seen.load.query).c_str(), static_cast<unsigned long long>(seen.peak_in_use),
      static_cast<long long>(seen.capacity), static_cast<unsigned long long>(seen.peak_waiting));
}

// ---- --outbox --------------------------------------------------------------------------------------

// "5/s" as 5, "300/m" as 5.
double PerSecond(const std::string& text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string unit(end, text.data() + text.size());
  for (const internal::DurationUnit& known : internal::kDurationUnits) {
    if (error != std::errc() || number <= 0 || !std::isfinite(number)) break;
    if (unit == "/" + std::string(known.written)) return number / InSeconds(known.length);
  }
  throw CLI::ValidationError("--rows", "\"" + text + "\" is no rate; write 5/s, 300/m or 20/h");
}

}  // namespace

void SizeCommand::Run() const {
  if (outbox_) return RunOutbox();
  if (!from_.empty()) return RunFrom();
  if (requests_ == 0) throw CLI::RequiredError("--requests");
  if (query_ == Duration::zero()) throw CLI::RequiredError("--query");
  if (wait_ == Duration::zero()) throw CLI::RequiredError("--wait");
  const Question question{
      .load = {.requests = requests_,
               .query = query_,
               .wait = wait_,
               .rate = rate_ > 0 ? rate_ : ImpliedRate(requests_, query_, wait_)},
      .rate_given = rate_ > 0,
      .max_connections = max_connections_,
      .cores = cores_,
      .limits = limits_};
  const Answer answer = Work(question);
  if (json_) {
    std::cout << JsonOf(question, answer).dump(2) << "\n";
  } else {
    PrintText(question, answer);
  }
}

void SizeCommand::RunFrom() const {
  const Live live = Find(from_);
  if (!live.answer.is_object()) throw CLI::ValidationError("--from", PlainText(live.reason));
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  bool first = true;
  for (const nlohmann::ordered_json& pool : ListIn(live.answer, "pools")) {
    const std::string name = PlainText(TextIn(pool, "name"));
    const Measured seen = MeasuredOf(pool, query_, wait_);
    if (!json_ && !std::exchange(first, false)) std::printf("\n");
    if (!seen.missing.empty()) {
      all.push_back({{"pool", name}, {"missing", seen.missing}});
      if (!json_) std::printf("%s: %s\n", name.c_str(), seen.missing.c_str());
      continue;
    }
    Question question{.load = seen.load,
                      .rate_given = true,
                      .capacity = seen.capacity,
                      .max_connections = max_connections_,
                      .cores = cores_,
                      .limits = limits_};
    if (rate_ > 0) question.load.rate = rate_;
    if (requests_ > 0) question.load.requests = requests_;
    const Answer answer = Work(question);
    all.push_back({{"pool", name},
                   {"span_s", InSeconds(seen.span)},
                   {"capacity", seen.capacity},
                   {"peak_in_use", seen.peak_in_use},
                   {"peak_waiting", seen.peak_waiting}});
    all.back().update(JsonOf(question, answer));
    if (json_) continue;
    PrintMeasured(name, seen);
    PrintText(question, answer);
  }
  if (json_) std::cout << all.dump(2) << "\n";
}

void SizeCommand::RunOutbox() const {
  if (rows_ == 0) throw CLI::RequiredError("--rows");
  if (for_ == Duration::zero()) throw CLI::RequiredError("--for");
  const double rows = std::ceil(rows_ * InSeconds(for_));
  const double bytes = rows * kRowBytes * kBesideRows + kBesideBytes;
  if (bytes > 4e18) throw CLI::ValidationError("--for", "is too long for so many rows");
  constexpr double kMiB = 1024.0 * 1024;
  const auto mib = static_cast<long long>(std::ceil(bytes / kMiB));
  if (json_) {
    const nlohmann::ordered_json json = {{"rows_per_s", rows_},
                                         {"for_s", InSeconds(for_)},
                                         {"rows", rows},
                                         {"row_bytes", kRowBytes},
                                         {"db_size_mib", mib}};
    std::cout << json.dump(2) << "\n";
    return;
  }
  Row("rows", Rounded(rows_) + " a second for " + FormatDuration(for_) + " are " +
                  Count(static_cast<int64_t>(rows)));
  Row("database", FormatBytes(static_cast<uint64_t>(rows * kRowBytes)) + " (" +
                      Count(static_cast<int64_t>(kRowBytes)) + " bytes a reading)");
  Row("besides", "a fifth more for its log and for deleting, and 8 MiB");
  const auto hours = static_cast<long long>(std::ceil(InSeconds(for_) / 3600));
  const bool days = hours % 24 == 0;
  std::printf("\ntake %lldM: roost-node --db-size %lldM --keep %lld%s\n", mib, mib,
              days ? hours / 24 : hours, days ? "d" : "h");
}

void SizeCommand::AddServerTo(CLI::App& command) {
  constexpr char kGroup[] = "Server";
  command
      .add_option("--max-connections", max_connections_,
                  "The server's limit (PostgreSQL: 100, MySQL: 151 by default), for the "
                  "advice to take 20 to 30 % of it")
      ->type_name("N")
      ->check(CLI::Range(int64_t{1}, int64_t{1000000}))
      ->group(kGroup);
  command
      .add_option("--limit", limits_,
                  "What the role, the database or the pooler allows; several may be given, and "
                  "the smallest counts")
      ->type_name("N")
      ->delimiter(',')
      ->check(CLI::Range(int64_t{1}, int64_t{1000000}))
      ->group(kGroup);
  command
      .add_option("--server-cores", cores_,
                  "Processor cores of the server: warns above twice as many connections")
      ->type_name("N")
      ->check(CLI::Range(int64_t{1}, int64_t{4096}))
      ->group(kGroup);
}

void SizeCommand::AddOutboxTo(CLI::App& command) {
  constexpr char kGroup[] = "Database of roost-node";
  CLI::Option* const outbox =
      command.add_flag("--outbox", outbox_, "How large the database becomes, in place of a pool");
  outbox->group(kGroup);
  const auto rows = [this](const std::string& text) { rows_ = PerSecond(text); };
  command.add_option_function<std::string>("--rows", rows, "Readings in a time: 5/s, 300/m, 20/h")
      ->type_name("N/UNIT")
      ->needs(outbox)
      ->group(kGroup);
  AddDuration(command, "--for", for_, std::chrono::seconds(1), "How long they are kept (30d)")
      ->needs(outbox)
      ->group(kGroup);
}

void SizeCommand::AddTo(CLI::App& app) {
  CLI::App* command = app.add_subcommand("size", "Work out how many connections a load needs");
  command->add_option("--requests", requests_, "Requests at the same time; needed without --from")
      ->type_name("N")
      ->check(CLI::Range(int64_t{1}, kMaxRequests));
  const Duration least = std::chrono::microseconds(1);
  AddDuration(*command, "--query", query_, least,
              "Average time one holds a connection (50ms); needed without --from");
  AddDuration(*command, "--wait", wait_, least,
              "Acceptable wait for a connection; needed without --from (100ms with it)");
  command
      ->add_option("--rate", rate_,
                   "Requests a second, if you know (default: by Little's law, "
                   "requests / (query + wait))")
      ->type_name("N")
      ->check(CLI::Range(0.001, 1e9));
  command
      ->add_option(
          "--from", from_,
          "Takes rate, time of use and peak from this program, or from the file of a saved "
          "roostctl status --json; what is given besides goes before it")
      ->type_name("NODE");
  AddServerTo(*command);
  AddOutboxTo(*command);
  command->add_flag("--json", json_,
                    "Print JSON: one object; with --from an array, one of each pool");
  command->footer(
      "The last line is the verdict. pool_size is the formula of SQLAlchemy-style sizing, which "
      "drains a burst within the wait; Erlang's formula says how requests fare that come at "
      "random.\n"
      "Examples:\n"
      "  roostctl size --requests 100 --query 50ms --wait 100ms\n"
      "  roostctl size --from node7 --limit 20\n"
      "  roostctl size --outbox --rows 5/s --for 30d\n"
      "Exit codes: 0 done, 2 the arguments are wrong.");
  command->callback([this] { Run(); });
}

}  // namespace roost::tools
