#include "tools/roostctl/sqlalchemy.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <vector>

#include "roost/profile.h"
#include "tools/common/cli.h"
#include "tools/common/text.h"

namespace roost::tools {
namespace {

// A slot's number is one byte: see CheckProfile in roost/profile.h.
constexpr int kMostSlots = 254;

struct Setting {
  std::string name;
  std::string value;
};

// What an engine has when nothing is said. A time that is missing is never.
struct Engine {
  int pool_size = 5;
  int max_overflow = 10;
  Duration pool_timeout = std::chrono::seconds(30);
  Duration pool_recycle{};
  bool pool_pre_ping = false;
  bool echo_pool = false;
};

// Settings that a profile has no constant for, and what takes their place.
struct Other {
  std::string_view name;
  std::string_view instead;
};
constexpr std::array kOthers = {
    Other{
        "connect_args",
        "connect_timeout is kOpenTimeout; application_name, options and sslmode stand in the uri"},
    Other{"creator", "a Backend opens connections (roost/backend.h)"},
    Other{"echo", "no counterpart: an Observer sees what the pool does, not statements"},
    Other{"echo_pool=debug", "there is one level; it tells each lease and return, too"},
    Other{"execution_options", "no counterpart: nothing stands between a program and its SQL"},
    Other{
        "isolation_level",
        "SET default_transaction_isolation in PostgresOptions::on_connect, or options in the uri"},
    Other{"logging_name", "PoolOptions::name"},
    Other{"pool_events", "an Observer (roost/observer.h)"},
    Other{"pool_logging_name", "PoolOptions::name"},
    Other{"pool_reset_on_return",
          "always rollback: the next user finds neither a transaction nor session state"},
    Other{"pool_use_lifo", "always last in, first out, so that spare connections grow idle"},
    Other{"query_cache_size", "kStatements counts prepared statements, for each connection"},
    Other{"url", "the uri of PostgresOptions, or the path of SqliteOptions"},
};
// What stands for poolclass.
constexpr std::array kPools = {
    Other{"QueuePool", ""},
    Other{"AsyncAdaptedQueuePool", "acquire from a loop by roost/async.h; the pool is the same"},
    Other{"NullPool",
          "no counterpart: a pool keeps connections; kIdleLimit closes those that are not used"},
    Other{"StaticPool", "pool_size=1, max_overflow=0 is nearest: one connection, in turns"},
    Other{"SingletonThreadPool",
          "no counterpart: a connection belongs to a lease, not to a thread"},
    Other{"AssertionPool", "the profile testing is nearest: a second lease of a thread is refused"},
};
constexpr std::array<std::string_view, 6> kProfileNames = {
    "pool_size", "max_overflow", "pool_timeout", "pool_recycle", "pool_pre_ping", "echo_pool"};

template <class List>
const Other* Find(const List& list, std::string_view name) {
  const auto found = std::find_if(list.begin(), list.end(),
                                  [name](const Other& other) { return other.name == name; });
  return found == list.end() ? nullptr : &*found;
}

absl::Status Wrong(const Setting& setting, std::string_view why) {
  return absl::InvalidArgumentError(setting.name + "=" + setting.value + " " + std::string(why));
}

// ---- Taking the text apart ----

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

// Without the quotes around it, if it has them.
std::string_view Unquote(std::string_view text) {
  const bool quoted = text.size() >= 2 && (text.front() == '"' || text.front() == '\'') &&
                      text.back() == text.front();
  return quoted ? text.substr(1, text.size() - 2) : text;
}

// Without the brackets of a dict around the whole, and without Python's comments.
std::string WithoutFrame(std::string_view text) {
  std::string plain;
  char quote = 0;
  bool comment = false;
  for (const char c : text) {
    if (c == '\n') comment = false;
    if (!comment && quote == 0 && c == '#') comment = true;
    if (comment) continue;
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    }
    plain += c;
  }
  std::string_view inner = Trim(plain);
  if (inner.size() >= 2 && inner.front() == '{' && inner.back() == '}') {
    inner = inner.substr(1, inner.size() - 2);
  }
  return std::string(inner);
}

// The parts between commas and line ends that stand in no brackets and in no quotes.
std::vector<std::string_view> Split(std::string_view text) {
  std::vector<std::string_view> parts;
  size_t begin = 0;
  int depth = 0;
  char quote = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    const char c = i < text.size() ? text[i] : ',';
    if (i == text.size() || (quote == 0 && depth == 0 && (c == ',' || c == '\n'))) {
      parts.push_back(text.substr(begin, i - begin));
      begin = i + 1;
    } else if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '{' || c == '[' || c == '(') {
      ++depth;
    } else if (c == '}' || c == ']' || c == ')') {
      --depth;
    }
  }
  return parts;
}

absl::StatusOr<Setting> ParseSetting(std::string_view part) {
  const size_t at = part.find_first_of("=:");
  if (at == std::string_view::npos) {
    return absl::InvalidArgumentError("\"" + std::string(part) +
                                      "\" has no value; write NAME=VALUE, such as pool_size=30");
  }
  std::string_view name = Unquote(Trim(part.substr(0, at)));
  constexpr std::string_view kPrefix = "sqlalchemy.";
  if (name.starts_with(kPrefix)) name.remove_prefix(kPrefix.size());
  return Setting{std::string(name), std::string(Unquote(Trim(part.substr(at + 1))))};
}

absl::StatusOr<std::vector<Setting>> Parse(std::string_view text) {
  std::vector<Setting> settings;
  const std::string plain = WithoutFrame(text);
  for (const std::string_view part : Split(plain)) {
    if (Trim(part).empty()) continue;
    absl::StatusOr<Setting> setting = ParseSetting(Trim(part));
    if (!setting.ok()) return setting.status();
    const auto same = [&](const Setting& other) { return other.name == setting->name; };
    if (std::any_of(settings.begin(), settings.end(), same)) {
      return absl::InvalidArgumentError(setting->name + " is given twice; leave one out");
    }
    settings.push_back(*std::move(setting));
  }
  if (settings.empty()) {
    return absl::InvalidArgumentError(
        "no setting is given; write them as in create_engine: pool_size=30,max_overflow=15");
  }
  return settings;
}

// ---- Values ----

absl::StatusOr<int> ParseCount(const Setting& setting) {
  int number = 0;
  const char* const end = setting.value.data() + setting.value.size();
  const auto [rest, error] = std::from_chars(setting.value.data(), end, number);
  if (setting.value.empty() || error != std::errc() || rest != end) {
    return Wrong(setting, "is no whole number; write one, such as " + setting.name + "=5");
  }
  return number;
}

absl::StatusOr<double> ParseSeconds(const Setting& setting) {
  double number = 0;
  const char* const end = setting.value.data() + setting.value.size();
  const auto [rest, error] = std::from_chars(setting.value.data(), end, number);
  if (setting.value.empty() || error != std::errc() || rest != end || !std::isfinite(number)) {
    return Wrong(setting, "is no number of seconds; SQLAlchemy counts seconds, so write " +
                              setting.name + "=30 for half a minute");
  }
  if (number > 1e9) return Wrong(setting, "s is longer than 30 years; SQLAlchemy counts seconds");
  return number;
}

// As SQLAlchemy reads the booleans of an .ini file.
absl::StatusOr<bool> ParseBool(const Setting& setting) {
  std::string lower = setting.value;
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  for (const std::string_view yes : {"true", "yes", "on", "y", "t", "1"}) {
    if (lower == yes) return true;
  }
  for (const std::string_view no : {"false", "no", "off", "n", "f", "0"}) {
    if (lower == no) return false;
  }
  return Wrong(setting, "is neither True nor False");
}

absl::Status SetSize(const Setting& setting, Engine& engine) {
  const absl::StatusOr<int> number = ParseCount(setting);
  if (!number.ok()) return number.status();
  if (*number == 0) {
    return Wrong(setting,
                 "means no limit there; here capacity is fixed storage, so write the most "
                 "connections that there may be, such as pool_size=30");
  }
  if (*number < 0) return Wrong(setting, "is negative; a pool keeps at least 1 connection");
  engine.pool_size = *number;
  return absl::OkStatus();
}

absl::Status SetOverflow(const Setting& setting, Engine& engine) {
  const absl::StatusOr<int> number = ParseCount(setting);
  if (!number.ok()) return number.status();
  if (*number < 0) {
    return Wrong(setting,
                 "means no limit there; here capacity is fixed storage, so write how many "
                 "connections a burst may add, such as half of pool_size");
  }
  engine.max_overflow = *number;
  return absl::OkStatus();
}

absl::Status SetTimeout(const Setting& setting, Engine& engine) {
  if (setting.value == "None") {
    return Wrong(setting,
                 "waits without an end there; here each wait ends, so write seconds, such "
                 "as pool_timeout=30");
  }
  const absl::StatusOr<double> seconds = ParseSeconds(setting);
  if (!seconds.ok()) return seconds.status();
  if (*seconds <= 0) {
    return Wrong(setting,
                 "does not wait; here that is Pool::TryAcquire, and kPoolTimeout has to be "
                 "above zero, so leave pool_timeout out or write seconds");
  }
  engine.pool_timeout = Duration(std::llround(*seconds * 1e9));
  if (engine.pool_timeout < std::chrono::microseconds(1)) {
    return Wrong(setting, "is below a microsecond; SQLAlchemy counts seconds");
  }
  return absl::OkStatus();
}

absl::Status SetRecycle(const Setting& setting, Engine& engine) {
  const absl::StatusOr<double> seconds = ParseSeconds(setting);
  if (!seconds.ok()) return seconds.status();
  if (*seconds >= 0 && *seconds < 1e-6) {
    return Wrong(setting,
                 "replaces a connection at each checkout there, and 0 is never here; write "
                 "pool_recycle=-1 for never, or seconds");
  }
  engine.pool_recycle = *seconds < 0 ? Duration::zero() : Duration(std::llround(*seconds * 1e9));
  return absl::OkStatus();
}

// The settings that a profile has, too. Nothing: it is none of those.
std::optional<absl::Status> SetOwn(const Setting& setting, Engine& engine) {
  if (setting.name == "pool_size") return SetSize(setting, engine);
  if (setting.name == "max_overflow") return SetOverflow(setting, engine);
  if (setting.name == "pool_timeout") return SetTimeout(setting, engine);
  if (setting.name == "pool_recycle") return SetRecycle(setting, engine);
  if (setting.name == "echo_pool" && setting.value == "debug") {
    engine.echo_pool = true;
    return absl::OkStatus();
  }
  const bool ping = setting.name == "pool_pre_ping";
  if (!ping && setting.name != "echo_pool") return std::nullopt;
  const absl::StatusOr<bool> value = ParseBool(setting);
  if (value.ok()) (ping ? engine.pool_pre_ping : engine.echo_pool) = *value;
  return value.status();
}

absl::Status Unknown(const Setting& setting) {
  std::vector<std::string> known(kProfileNames.begin(), kProfileNames.end());
  known.emplace_back("poolclass");
  for (const Other& other : kOthers) known.emplace_back(other.name);
  const std::string closest = ClosestOf(known, setting.name);
  std::string message = "SQLAlchemy has no pool setting " + setting.name;
  message += closest.empty() ? "; take it out" : "; did you mean " + closest + "?";
  return absl::InvalidArgumentError(message);
}

// What is said about a setting that a profile has no constant for. Empty: nothing has to be said.
absl::StatusOr<std::string> Instead(const Setting& setting) {
  const Other* other = nullptr;
  if (setting.name == "poolclass") {
    const size_t dot = setting.value.rfind('.');
    other = Find(kPools, std::string_view(setting.value).substr(dot + 1));
    if (other == nullptr) return Wrong(setting, "is no pool of SQLAlchemy's");
  } else {
    other = Find(kOthers, setting.name);
    if (other == nullptr) return Unknown(setting);
  }
  return std::string(other->instead);
}

// ---- Writing ----

std::string DurationCode(Duration span) {
  const auto count = [span](Duration unit) { return std::to_string(span / unit); };
  if (span % std::chrono::seconds(1) == Duration::zero()) {
    return "std::chrono::seconds(" + count(std::chrono::seconds(1)) + ")";
  }
  if (span % std::chrono::milliseconds(1) == Duration::zero()) {
    return "std::chrono::milliseconds(" + count(std::chrono::milliseconds(1)) + ")";
  }
  return "std::chrono::microseconds(" + count(std::chrono::microseconds(1)) + ")";
}

// What a comment may have: one line, without what could command a terminal.
std::string Shown(const Setting& setting) {
  std::string shown = setting.name + "=" + setting.value.substr(0, 60);
  for (char& c : shown) {
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e) c = '?';
  }
  // A backslash at the end of a comment would take the next line with it.
  if (shown.back() == '\\') shown.back() = '?';
  return setting.name == "url" || setting.name == "connect_args" ? setting.name : shown;
}

class Header {
 public:
  explicit Header(const std::vector<Setting>& settings) : settings_(settings) {}

  void AddOther(const Setting& setting, std::string_view instead) {
    others_ += "//   " + Shown(setting) + ": " + std::string(instead) + "\n";
  }
  std::string Text(const Engine& engine) const {
    std::string text = "// A profile with the settings of an SQLAlchemy engine.\n";
    if (!others_.empty()) text += "// What is no setting of a profile:\n" + others_;
    text += "#ifndef FROM_SQLALCHEMY_H_\n#define FROM_SQLALCHEMY_H_\n\n";
    text += "#include <chrono>\n\n#include \"roost/profile.h\"\n\n";
    text += "struct FromSqlAlchemy : roost::profiles::Default {\n";
    text += "  static constexpr const char* kName = \"from_sqlalchemy\";\n";
    text += Line("int kPoolSize", std::to_string(engine.pool_size), "pool_size");
    text += Line("int kMaxOverflow", std::to_string(engine.max_overflow), "max_overflow");
    text += Line("roost::Duration kPoolTimeout", DurationCode(engine.pool_timeout), "pool_timeout",
                 FormatDuration(engine.pool_timeout));
    const bool recycles = engine.pool_recycle > Duration::zero();
    text += Line("roost::Duration kPoolRecycle", DurationCode(engine.pool_recycle), "pool_recycle",
                 recycles ? FormatDuration(engine.pool_recycle) : "never");
    text += Line("roost::PrePing kPrePing",
                 engine.pool_pre_ping ? "roost::PrePing::kAlways" : "roost::PrePing::kNever",
                 "pool_pre_ping");
    text += Line("bool kEchoPool", engine.echo_pool ? "true" : "false", "echo_pool");
    text += "};\nstatic_assert(roost::CheckProfile<FromSqlAlchemy>());\n";
    return text + "\n#endif  // FROM_SQLALCHEMY_H_\n";
  }

 private:
  std::string Line(std::string_view constant, const std::string& value, std::string_view name,
                   const std::string& spoken = "") const {
    const auto given = [name](const Setting& setting) { return setting.name == name; };
    std::string remark = spoken;
    if (std::none_of(settings_.begin(), settings_.end(), given)) {
      remark += (remark.empty() ? "" : ", ") + std::string("SQLAlchemy's default");
    }
    return "  static constexpr " + std::string(constant) + " = " + value + ";" +
           (remark.empty() ? "" : "  // " + remark) + "\n";
  }

  const std::vector<Setting>& settings_;
  std::string others_;
};

}  // namespace

absl::StatusOr<std::string> ProfileFromSqlAlchemy(std::string_view text) {
  const absl::StatusOr<std::vector<Setting>> settings = Parse(text);
  if (!settings.ok()) return settings.status();
  Engine engine;
  Header header(*settings);
  for (const Setting& setting : *settings) {
    const std::optional<absl::Status> set = SetOwn(setting, engine);
    if (set.has_value() && !set->ok()) return *set;
    if (setting.name == "echo_pool" && setting.value == "debug") {
      header.AddOther(setting, Find(kOthers, "echo_pool=debug")->instead);
    }
    if (set.has_value()) continue;
    const absl::StatusOr<std::string> instead = Instead(setting);
    if (!instead.ok()) return instead.status();
    if (!instead->empty()) header.AddOther(setting, *instead);
  }
  if (engine.max_overflow > kMostSlots || engine.pool_size > kMostSlots - engine.max_overflow) {
    return absl::InvalidArgumentError(
        "pool_size + max_overflow is " +
        std::to_string(int64_t{engine.pool_size} + engine.max_overflow) + ", and " +
        std::to_string(kMostSlots) + " are the most; divide the load over several pools");
  }
  return header.Text(engine);
}

}  // namespace roost::tools
