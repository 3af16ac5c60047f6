#include <cmath>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "tools/common/cli.h"
#include "tools/common/text.h"
#include "tools/roostctl/commands.h"
#include "tools/roostctl/sizing.h"

namespace roost::tools {
namespace {

// A slot's number is one byte: see CheckProfile in roost/profile.h.
constexpr int64_t kMostSlots = 254;
// One connection at the server, by the rule of thumb of SQLAlchemy-style sizing.
constexpr int64_t kLeastMb = 1;
constexpr int64_t kMostMb = 5;
// Of the requests may wait longer than is acceptable.
constexpr double kOverShare = 0.01;

struct Answer {
  Load load;
  bool rate_given = false;
  int64_t size = 0;
  Prediction predicted;
  int64_t smallest = 0;
  std::optional<Budget> budget;
  int64_t max_connections = 0;
};

std::string Percent(double share) {
  char out[32];
  if (share > 0 && share < 0.0001) return "below 0.01 %";
  std::snprintf(out, sizeof out, "%.3g %%", share * 100);
  return out;
}

std::string MeanWait(const Prediction& predicted) {
  if (std::isinf(predicted.mean_wait_s)) return "without bound";
  return FormatDuration(
      std::chrono::duration_cast<Duration>(std::chrono::duration<double>(predicted.mean_wait_s)));
}

void PrintBudget(const Answer& answer) {
  const Budget& budget = *answer.budget;
  std::printf("max_connections     %lld is %s of %lld; advised are 20 to 30 %%: %lld to %lld\n",
              static_cast<long long>(answer.size), Percent(budget.share).c_str(),
              static_cast<long long>(answer.max_connections), static_cast<long long>(budget.low),
              static_cast<long long>(budget.high));
  if (answer.size > budget.high) {
    std::printf(
        "                    too many: raise max_connections to %lld or more, make queries\n"
        "                    shorter, or accept a longer wait\n",
        static_cast<long long>(budget.max_connections));
  }
}

void PrintText(const Answer& answer) {
  const Load& load = answer.load;
  const Prediction& p = answer.predicted;
  const auto size = static_cast<long long>(answer.size);
  std::printf("pool_size           %lld = %lld requests x %s / %s (SQLAlchemy-style sizing)\n",
              size, static_cast<long long>(load.requests), FormatDuration(load.query).c_str(),
              FormatDuration(load.wait).c_str());
  std::printf("max_overflow        %lld (about half of pool_size)\n", size / 2);
  std::printf("memory              %lld to %lld MB (1 to 5 MB a connection)\n", size * kLeastMb,
              size * kMostMb);
  std::printf("\nWith %s arriving at random (%s):\n",
              (std::to_string(std::lround(load.rate)) + " requests a second").c_str(),
              answer.rate_given ? "--rate" : "what so many at a time mean; --rate sets it");
  std::printf("busy connections    %.3g of %lld on average (%s)\n", p.load, size,
              Percent(p.utilisation).c_str());
  std::printf("have to wait        %s (Erlang C), %s on average over all\n",
              Percent(p.waiting).c_str(), MeanWait(p).c_str());
  std::printf("wait over %-9s %s\n", FormatDuration(load.wait).c_str(), Percent(p.over).c_str());
  std::printf("would be enough     %lld (at most %s wait over %s)\n",
              static_cast<long long>(answer.smallest), Percent(kOverShare).c_str(),
              FormatDuration(load.wait).c_str());
  if (answer.budget.has_value()) PrintBudget(answer);
  if (answer.size > kMostSlots) {
    std::printf("\nA pool has at most %lld connections: divide the load over several.\n",
                static_cast<long long>(kMostSlots));
  }
}

void PrintJson(const Answer& answer) {
  const Load& load = answer.load;
  const Prediction& p = answer.predicted;
  nlohmann::ordered_json json = {
      {"requests", load.requests},
      {"query_s", InSeconds(load.query)},
      {"wait_s", InSeconds(load.wait)},
      {"rate_per_s", load.rate},
      {"pool_size", answer.size},
      {"max_overflow", answer.size / 2},
      {"memory_mb", {{"min", answer.size * kLeastMb}, {"max", answer.size * kMostMb}}},
      {"busy_connections", p.load},
      {"utilisation", p.utilisation},
      {"waiting_probability", p.waiting},
      // Null when the size cannot keep up: JSON has no infinity.
      {"mean_wait_s", p.mean_wait_s},
      {"over_wait_probability", p.over},
      {"enough", answer.smallest}};
  if (answer.budget.has_value()) {
    const Budget& budget = *answer.budget;
    json["max_connections"] = {{"given", answer.max_connections},
                               {"share", budget.share},
                               {"advised_min", budget.low},
                               {"advised_max", budget.high},
                               {"within_advice", answer.size <= budget.high},
                               {"needed", budget.max_connections}};
  }
  std::cout << json.dump(2) << "\n";
}

}  // namespace

void SizeCommand::Run() const {
  Answer answer;
  answer.load = {.requests = requests_, .query = query_, .wait = wait_, .rate = rate_};
  answer.rate_given = rate_ > 0;
  if (!answer.rate_given) answer.load.rate = ImpliedRate(requests_, query_, wait_);
  if (OfferedLoad(answer.load.rate, query_) > static_cast<double>(kMaxRequests)) {
    throw CLI::ValidationError("--rate",
                               "keeps more than a million connections busy; is it per second?");
  }
  answer.size = FormulaSize(requests_, query_, wait_);
  if (answer.size > kMaxRequests) {
    throw CLI::ValidationError("--wait",
                               "asks for more than a million connections; it has to be longer");
  }
  answer.predicted = Predict(answer.size, answer.load);
  answer.smallest = SmallestSize(answer.load, kOverShare);
  if (max_connections_ > 0) {
    answer.budget = BudgetFor(answer.size, max_connections_);
    answer.max_connections = max_connections_;
  }
  json_ ? PrintJson(answer) : PrintText(answer);
}

void SizeCommand::AddTo(CLI::App& app) {
  CLI::App* command = app.add_subcommand("size", "Work out how many connections a load needs");
  command->add_option("--requests", requests_, "Requests at the same time")
      ->required()
      ->type_name("N")
      ->check(CLI::Range(int64_t{1}, kMaxRequests));
  const Duration least = std::chrono::microseconds(1);
  AddDuration(*command, "--query", query_, least, "Average time one holds a connection (50ms)")
      ->required();
  AddDuration(*command, "--wait", wait_, least, "Acceptable wait for a connection (100ms)")
      ->required();
  command
      ->add_option("--rate", rate_,
                   "Requests a second, if you know (default: by Little's law, "
                   "requests / (query + wait))")
      ->type_name("N")
      ->check(CLI::Range(0.001, 1e9));
  command
      ->add_option("--max-connections", max_connections_,
                   "The server's limit (PostgreSQL: 100, MySQL: 151 by default), for the "
                   "advice to take 20 to 30 % of it")
      ->type_name("N")
      ->check(CLI::Range(int64_t{1}, int64_t{1000000}));
  command->add_flag("--json", json_, "Print one JSON object");
  command->footer(
      "Example: roostctl size --requests 100 --query 50ms --wait 100ms\n"
      "Exit codes: 0 done, 2 the arguments are wrong.");
  command->callback([this] { Run(); });
}

}  // namespace roost::tools
