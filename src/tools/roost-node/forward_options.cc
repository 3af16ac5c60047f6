#include "tools/roost-node/forward_options.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <fstream>
#include <string_view>

#include "tools/common/byte_count.h"
#include "tools/common/cli.h"
#include "tools/common/remote_uri.h"

namespace roost::tools {
namespace {

constexpr char kGroup[] = "Forwarding";

// "20k" and "20k/s" are the same.
int64_t BytesPer(const char* flag, const std::string& text, std::string_view unit, int64_t least) {
  std::string_view amount = text;
  if (amount.ends_with(unit)) amount.remove_suffix(unit.size());
  const absl::StatusOr<int64_t> bytes = ParseByteCount(std::string(amount));
  if (!bytes.ok()) throw CLI::ValidationError(flag, std::string(bytes.status().message()));
  if (*bytes >= least) return *bytes;
  throw CLI::ValidationError(flag, text + " is too little; at least " + std::to_string(least) +
                                       std::string(unit) + "; without it there is no bound");
}

ForwardOptions::Order OrderOf(const std::string& text) {
  if (text == "fresh-first") return ForwardOptions::Order::kFreshFirst;
  if (text == "oldest-first") return ForwardOptions::Order::kOldestFirst;
  throw CLI::ValidationError("--order", text + " is neither fresh-first nor oldest-first");
}

void CheckIdentifier(const char* flag, std::string_view name, bool takes_schema) {
  const size_t dot = takes_schema ? name.find('.') : std::string_view::npos;
  const auto good = [](std::string_view part) {
    return !part.empty() && part.size() <= 63 && std::all_of(part.begin(), part.end(), [](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
    });
  };
  const bool right = dot == std::string_view::npos
                         ? good(name)
                         : good(name.substr(0, dot)) && good(name.substr(dot + 1));
  if (right) return;
  throw CLI::ValidationError(flag, std::string(name) +
                                       " is no name: write letters, digits and underscores" +
                                       (takes_schema ? ", as readings or farm.readings" : ""));
}

std::vector<std::string> KeyOf(const std::string& text) {
  std::vector<std::string> key;
  for (size_t at = 0; at <= text.size();) {
    const size_t comma = std::min(text.find(',', at), text.size());
    key.push_back(text.substr(at, comma - at));
    CheckIdentifier("--remote-key", key.back(), false);
    at = comma + 1;
  }
  if (key.size() == 3) return key;
  throw CLI::ValidationError("--remote-key", text + " has " + std::to_string(key.size()) +
                                                 " columns; write three, as node,epoch,seq");
}

// Empty: systemd has handed over none, or the empty line that the unit names as the default.
std::string CredentialPath() {
  const char* const folder = std::getenv("CREDENTIALS_DIRECTORY");
  if (folder == nullptr) return "";
  const std::string path = std::string(folder) + "/" + kTokenCredential;
  const int first = std::ifstream(path).get();
  return first == '\n' || first == std::ifstream::traits_type::eof() ? "" : path;
}

}  // namespace

void DeclareForward(CLI::App& app, ForwardOptions& options) {
  const auto text = [&app](const char* flag, const char* type, const std::string& what,
                           const std::function<void(const std::string&)>& take) {
    app.add_option_function<std::string>(flag, take, what)->type_name(type)->group(kGroup);
  };
  app.add_flag_function(
         "--forward,!--no-forward", [&options](int64_t count) { options.asked = count > 0; },
         "Sends the stored readings to the remote (the default where there is one); --no-forward: "
         "heartbeats only")
      ->group(kGroup);
  app.add_option("--forward-batch", options.batch,
                 "Readings in one call of the server, at most (500)")
      ->type_name("N")
      ->check(CLI::Range(int64_t{1}, ForwardOptions::kMostRows))
      ->group(kGroup);
  AddDuration(app, "--forward-every", options.every, std::chrono::milliseconds(1),
              "The longest that a reading waits for others to be sent with (5s)")
      ->group(kGroup);
  text("--order", "fresh-first|oldest-first",
       "After an outage: the newest readings before the backlog (fresh-first, the default), or "
       "after it",
       [&options](const std::string& value) { options.order = OrderOf(value); });
  text("--rate", "BYTES/s", "Most bytes a second to the server and back (default: any)",
       [&options](const std::string& value) {
         options.rate = BytesPer("--rate", value, "/s", ForwardOptions::kLeastRate);
       });
  text("--budget", "BYTES/month",
       "Most bytes a month; beyond it the newest readings only, once a minute (default: any)",
       [&options](const std::string& value) {
         options.budget = BytesPer("--budget", value, "/month", ForwardOptions::kLeastBudget);
       });
  app.add_option("--budget-day", options.budget_day,
                 "Day of the month on which the budget begins (1)")
      ->type_name("1-28")
      ->check(CLI::Range(1, ForwardOptions::kLastBudgetDay))
      ->group(kGroup);
  text("--remote-table", "NAME",
       "Sends into this table of PostgreSQL, with its schema if need be, in place of the schema "
       "roost: its "
       "columns are node, epoch, seq, time, name, unit and value",
       [&options](const std::string& value) {
         CheckIdentifier("--remote-table", value, true);
         options.table = value;
       });
  text("--remote-key", "COLS",
       "Its columns of the unique key: of the node, the epoch and the number (node,epoch,seq)",
       [&options](const std::string& value) { options.key = KeyOf(value); });
  app.add_option(
         "--token-file", options.token_file,
         "File whose first line is this node's token at the server, readable by roost-node only "
         "(default: systemd's credential roost-token)")
      ->type_name("PATH")
      ->group(kGroup);
  AddDuration(app, "--alarm-age", options.alarm_age, std::chrono::seconds(1),
              "The oldest reading that waits is late from this age on (1h)")
      ->group(kGroup);
}

namespace {

// For a remote that readings cannot be sent to, or are not to be.
void RefuseWhatIsAsked(const ForwardOptions& options, const char* why) {
  const auto wrong = [why](const char* flag) { throw CLI::ValidationError(flag, why); };
  if (options.asked == true) wrong("--forward");
  if (!options.token_file.empty()) wrong("--token-file");
  if (!options.table.empty()) wrong("--remote-table");
}

void CheckToken(const ForwardOptions& options, bool named) {
  const absl::Status right = CheckPasswordFile(options.token_file);
  if (right.ok()) return;
  throw CLI::ValidationError(named ? "--token-file" : "the credential roost-token",
                             std::string(right.message()));
}

}  // namespace

bool ResolveForward(ForwardOptions& options, RemoteKind remote) {
  if (options.asked == false) return false;
  if (remote == RemoteKind::kNone) {
    RefuseWhatIsAsked(options, "there is no --remote that readings could be sent to");
    return false;
  }
  if (remote == RemoteKind::kMysql) {
    RefuseWhatIsAsked(options, "readings are sent to PostgreSQL only: --remote postgresql://...");
    return false;
  }
  if (!options.table.empty()) {
    if (!options.token_file.empty()) {
      throw CLI::ValidationError("--token-file", "a --remote-table takes no token");
    }
    if (options.order == ForwardOptions::Order::kFreshFirst) {
      throw CLI::ValidationError("--order", "a --remote-table is filled oldest-first only");
    }
    return true;
  }
  const bool named = !options.token_file.empty();
  if (!named) options.token_file = CredentialPath();
  if (!options.token_file.empty()) {
    CheckToken(options, named);
    return true;
  }
  if (options.asked != true) return false;
  throw CLI::ValidationError(
      "--forward",
      "the server knows a node by its token: name its file with --token-file, or a table with "
      "--remote-table; `roostctl server add-node` gives a token");
}

}  // namespace roost::tools
