#include "tools/roostctl/outbox.h"

#include <signal.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "roost/pool.h"
#include "roost/postgres.h"
#include "tools/common/cli.h"
#include "tools/common/config_file.h"
#include "tools/common/make_backend.h"
#include "tools/common/remote_options.h"
#include "tools/common/text.h"
#include "tools/roostctl/node_file.h"
#include "tools/roostctl/node_query.h"
#include "tools/roostctl/readings.h"
#include "tools/roostctl/selftest/config.h"
#include "tools/roostctl/selftest/remote.h"
#include "tools/roostctl/status.h"

namespace roost::tools {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr char kSegments[] = "SELECT epoch, lo, hi, sent, acked FROM segment ORDER BY lo";
constexpr char kNumbers[] = "SELECT coalesce(min(seq), 0), coalesce(max(seq), 0) FROM reading";
constexpr char kGivenUp[] =
    "SELECT coalesce(sum((why = 1) * (hi - lo + 1)), 0), coalesce(sum((why = 2) * (hi - lo + 1)), "
    "0), "
    "(SELECT coalesce(max(readings), 0) FROM thinned) FROM gap";

constexpr Sql kBalance{
    "SELECT epoch, accounted::bigint, readings::bigint, rejects::bigint, gaps::bigint, "
    "missing::bigint, "
    "retired::bigint FROM roost.balance WHERE node = $1 ORDER BY epoch"};
// A page of rejects, after the one of $2 and $3.
constexpr int64_t kPageRows = 500;
constexpr Sql kRejects{
    "SELECT r.epoch, r.seq, coalesce(to_char(r.t AT TIME ZONE 'UTC', "
    "'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), ''), "
    "coalesce(r.name, ''), coalesce(r.unit, ''), coalesce(r.v, ''), r.state, r.why, "
    "to_char(r.at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') FROM roost.reject r "
    "JOIN roost.node n "
    "USING (node) WHERE n.name = $1 AND (r.epoch, r.seq) > ($2, $3) ORDER BY r.epoch, r.seq LIMIT "
    "$4"};
// What is dropped stays in the balance, as readings of a partition that was dropped do.
constexpr Sql kDropRejects{
    "WITH gone AS (DELETE FROM roost.reject r USING roost.node n WHERE n.node = r.node AND n.name "
    "= $1 AND "
    "r.epoch = $2 AND r.seq < $3 RETURNING r.node, r.epoch), sums AS (SELECT node, epoch, count(*) "
    "AS c FROM "
    "gone GROUP BY 1, 2), kept AS (INSERT INTO roost.retired AS d SELECT node, epoch, c FROM sums "
    "ON CONFLICT "
    "(node, epoch) DO UPDATE SET readings = d.readings + excluded.readings) SELECT "
    "coalesce(sum(c), 0)::bigint "
    "FROM sums"};

int64_t WaitingOf(const std::vector<OutboxSide::Segment>& segments, int64_t oldest,
                  int64_t newest) {
  if (newest == 0) return 0;
  if (segments.empty()) return newest - oldest + 1;
  int64_t waiting = 0;
  for (const OutboxSide::Segment& segment : segments) {
    waiting += std::max<int64_t>(segment.hi.value_or(newest) - segment.sent, 0);
  }
  return waiting;
}

std::string Number(int64_t value, size_t width) {
  std::string text = std::to_string(value);
  return text.size() < width ? std::string(width - text.size(), ' ') + text : text;
}

std::string SegmentText(const OutboxSide::Segment& segment, int64_t newest) {
  std::string text = "  epoch " + Number(segment.epoch, 10) + ": " + std::to_string(segment.lo) +
                     (segment.hi.has_value() ? " to " + std::to_string(*segment.hi) : " on") +
                     ", sent to " + std::to_string(segment.sent);
  const int64_t waiting = segment.hi.value_or(newest) - segment.sent;
  if (waiting > 0) text += ", " + std::to_string(waiting) + " wait";
  if (segment.acked > segment.sent) {
    text += "; the server lost what it had confirmed up to " + std::to_string(segment.acked);
  }
  return text + "\n";
}

std::string GivenUpText(const OutboxSide& side) {
  return std::to_string(side.given_up_full) + " for want of room, " +
         std::to_string(side.given_up_age) + " for their age, " + std::to_string(side.thinned) +
         " thinned";
}

OrderedJson ToJson(const OutboxSide& side, const std::string& path) {
  OrderedJson segments = OrderedJson::array();
  for (const OutboxSide::Segment& segment : side.segments) {
    OrderedJson one{{"epoch", segment.epoch}, {"lo", segment.lo}};
    if (segment.hi.has_value()) one["hi"] = *segment.hi;
    one["sent"] = segment.sent;
    one["acked"] = segment.acked;
    segments.push_back(std::move(one));
  }
  return {{"database", path},
          {"newest", side.newest},
          {"waiting", side.waiting},
          {"segments", std::move(segments)},
          {"given_up",
           {{"full", side.given_up_full}, {"age", side.given_up_age}, {"thin", side.thinned}}}};
}

// What an operator's statement on the server is for, with a lease that goes back before the pool is closed.
absl::Status OnServer(const std::string& uri, const std::string& password_file,
                      const std::function<absl::Status(Lease&)>& use) {
  const std::unique_ptr<Backend> backend = MakeRemoteBackend(
      uri, {.application_name = "roostctl outbox", .password_file = password_file});
  PoolFor<selftest::RemoteProfile> pool(*backend, {.name = "server"});
  const Deadline deadline = pool.In(OutboxCommand::kServerWithin);
  absl::Status status;
  {
    absl::StatusOr<Lease> lease = pool.Acquire(kWrite, deadline);
    if (!lease.ok()) return lease.status();
    (*lease)->set_deadline(deadline);
    status = use(*lease);
  }
  pool.Close(deadline).IgnoreError();
  return status;
}

// With what helps, where that is known.
std::string WhyServer(const absl::Status& status, const char* grant) {
  const std::string message(MessageOf(status));
  std::string why = message.substr(0, message.find('\n'));
  const std::string_view code = PostgresSqlState(status);
  if (code == "42501") return why + "; " + grant;
  if (code == "42P01" || code == "3F000") {
    return why + "; the server has no schema roost: roostctl server init";
  }
  return why;
}

absl::StatusOr<std::vector<ServerBalance>> AskBalance(Lease& lease, const std::string& node) {
  const absl::StatusOr<Statement*> ask = lease.Prepare(kBalance);
  if (!ask.ok()) return ask.status();
  std::vector<ServerBalance> all;
  Rows rows = (*ask)->Query(std::string_view(node));
  while (rows.Next()) {
    all.push_back({.epoch = rows.Get<int64_t>(0),
                   .accounted = rows.Get<int64_t>(1),
                   .readings = rows.Get<int64_t>(2),
                   .rejects = rows.Get<int64_t>(3),
                   .gaps = rows.Get<int64_t>(4),
                   .missing = rows.Get<int64_t>(5),
                   .retired = rows.Get<int64_t>(6)});
  }
  if (!rows.status().ok()) return rows.status();
  return all;
}

// Rejects as lines of JSON into `out`, page by page. Returns how many.
absl::StatusOr<int64_t> WriteRejects(Lease& lease, const std::string& node, std::FILE* out) {
  int64_t count = 0;
  int64_t epoch = -1;
  int64_t seq = -1;
  for (int64_t got = kPageRows; got == kPageRows;) {
    const absl::StatusOr<Statement*> ask = lease.Prepare(kRejects);
    if (!ask.ok()) return ask.status();
    got = 0;
    Rows rows = (*ask)->Query(std::string_view(node), epoch, seq, kPageRows);
    while (rows.Next()) {
      epoch = rows.Get<int64_t>(0);
      seq = rows.Get<int64_t>(1);
      const OrderedJson line{{"id", std::to_string(epoch) + ":" + std::to_string(seq)},
                             {"time", rows.Get<std::string_view>(2)},
                             {"name", rows.Get<std::string_view>(3)},
                             {"unit", rows.Get<std::string_view>(4)},
                             {"value", rows.Get<std::string_view>(5)},
                             {"state", rows.Get<std::string_view>(6)},
                             {"why", rows.Get<std::string_view>(7)},
                             {"at", rows.Get<std::string_view>(8)}};
      const std::string text =
          line.dump(-1, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
      if (std::fwrite(text.data(), 1, text.size(), out) != text.size()) {
        return absl::DataLossError(std::string("cannot write: ") + std::strerror(errno));
      }
      ++got;
    }
    if (!rows.status().ok()) return rows.status();
    count += got;
  }
  return count;
}

// "1717:90" is the reading 90 of the epoch 1717.
std::optional<std::pair<int64_t, int64_t>> IdOf(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto number = [](std::string_view digits) -> std::optional<int64_t> {
    int64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size() || value < 0)
      return std::nullopt;
    return value;
  };
  const auto epoch = number(text.substr(0, colon));
  const auto seq = number(text.substr(colon + 1));
  if (!epoch.has_value() || !seq.has_value()) return std::nullopt;
  return std::pair{*epoch, *seq};
}

}  // namespace

absl::StatusOr<OutboxSide> ReadOutboxSide(const std::string& path) {
  if (const std::string why = WhyNotReadable(path); !why.empty()) {
    return absl::UnavailableError(why);
  }
  int code = SQLITE_OK;
  const NodeFile db = OpenToRead(path, !HasLog(path), code);
  if (code != SQLITE_OK) return absl::UnavailableError(path + ": " + sqlite3_errstr(code));
  sqlite3_busy_timeout(db.get(),
                       static_cast<int>(NodeQuery::kWithin / std::chrono::milliseconds(1)) / 2);
  const auto failed = [&path](const absl::Status& why) {
    return absl::UnavailableError(path + ": " + std::string(why.message()));
  };
  OutboxSide side;
  // Segments first: what is sent meanwhile counts as waiting, and not the other way round.
  {
    NodeQuery segments(db.get(), kSegments);
    while (segments.Next()) {
      side.segments.push_back(
          {.epoch = segments.Number(0),
           .lo = segments.Number(1),
           .hi = segments.IsNull(2) ? std::optional<int64_t>() : std::optional(segments.Number(2)),
           .sent = segments.Number(3),
           .acked = segments.Number(4)});
    }
    if (!segments.status().ok()) return failed(segments.status());
  }
  {
    NodeQuery numbers(db.get(), kNumbers);
    if (!numbers.Next()) return failed(numbers.status());
    side.newest = numbers.Number(1);
    side.waiting = WaitingOf(side.segments, numbers.Number(0), side.newest);
  }
  NodeQuery given_up(db.get(), kGivenUp);
  if (!given_up.Next()) return failed(given_up.status());
  side.given_up_full = given_up.Number(0);
  side.given_up_age = given_up.Number(1);
  side.thinned = given_up.Number(2);
  return side;
}

Verdict JudgeBalance(const std::string& node, const OutboxSide& side,
                     const std::vector<ServerBalance>& server) {
  Verdict verdict;
  std::map<int64_t, int64_t> confirmed;  // by the epoch
  for (const OutboxSide::Segment& segment : side.segments) {
    confirmed[segment.epoch] += segment.sent - segment.lo + 1;
  }
  verdict.text = "node " + node +
                 "\n     epoch  accounted   readings   rejected   given up    dropped    missing\n";
  for (const ServerBalance& balance : server) {
    verdict.missing += balance.missing;
    verdict.text += Number(balance.epoch, 10) + " " + Number(balance.accounted, 10) + " " +
                    Number(balance.readings, 10) + " " + Number(balance.rejects, 10) + " " +
                    Number(balance.gaps, 10) + " " + Number(balance.retired, 10) + " " +
                    Number(balance.missing, 10) + "\n";
    const auto here = confirmed.find(balance.epoch);
    if (here == confirmed.end()) continue;
    verdict.unknown += std::max<int64_t>(here->second - balance.accounted, 0);
    confirmed.erase(here);
  }
  for (const auto& [epoch, numbers] : confirmed) verdict.unknown += std::max<int64_t>(numbers, 0);
  verdict.text +=
      "here: " + std::to_string(side.waiting) + " wait; given up: " + GivenUpText(side) + "\n";
  if (verdict.unknown > 0) {
    verdict.text += std::to_string(verdict.unknown) +
                    " that the server has confirmed are not accounted for there: it was restored, "
                    "or is another one; "
                    "those that are kept here are sent again at the next connection\n";
  }
  verdict.text += std::to_string(verdict.missing + verdict.unknown) + " missing\n";
  return verdict;
}

void OutboxCommand::Fail(const std::string& why, int code) {
  std::fprintf(stderr, "roostctl: %s\n", PlainText(why).c_str());
  exit_code_ = code;
}

void OutboxCommand::AddLocal(CLI::App& command) {
  command
      .add_option(
          "--db", db_,
          "The node's database, or the folder of it (default: as its configuration says, else "
          "/var/lib/roost/node.db)")
      ->type_name("PATH");
  command
      .add_option("--config", config_,
                  "roost-node's configuration, for its db and name (default: " +
                      std::string(selftest::kNodeConfig) + " where it can be read)")
      ->type_name("FILE");
}

void OutboxCommand::AddServer(CLI::App& command) {
  AddServerUri(command, "--server", "--server", server_,
               "Address of the server for an operator: postgresql://USER@HOST/DATABASE")
      ->required();
  AddPasswordFile(command, password_file_, "File whose first line is the password for --server");
  command
      .add_option("--node", node_,
                  "Name of the node at the server (default: as its configuration says, else the "
                  "host's name)")
      ->type_name("NAME");
}

std::string OutboxCommand::Node() const {
  if (!node_.empty()) return node_;
  const absl::StatusOr<ConfigFile> config =
      ReadConfigFile(config_.empty() ? selftest::kNodeConfig : config_);
  if (config.ok()) {
    for (const Setting& setting : config->settings) {
      if (setting.key == "name") return setting.value;
    }
  }
  std::array<char, 65> name{};
  gethostname(name.data(), name.size() - 1);
  return name.data();
}

void OutboxCommand::AddTo(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "outbox", "What a node has sent, what waits, and whether both sides agree");
  command->require_subcommand(1);
  CLI::App* show =
      command->add_subcommand("show", "What the node's database says: segments, what waits, gaps");
  AddLocal(*show);
  show->add_flag("--json", json_, "As one JSON object");
  show->callback([this] { Show(); });
  CLI::App* verify = command->add_subcommand(
      "verify",
      "Ask the server for its balance, and print both sides; 0 only if nothing is missing");
  AddLocal(*verify);
  AddServer(*verify);
  verify->footer(
      "Its user has to be in roost_reader (GRANT roost_reader TO ...), or own the schema. The "
      "balance is one look\n"
      "at all readings of the server.\n"
      "Exit codes: 0 nothing is missing; 1 readings are; 2 the arguments are wrong; 4 the database "
      "or the server\n"
      "does not say.");
  verify->callback([this] { Verify(); });
  CLI::App* retry = command->add_subcommand(
      "retry", "Tell the node to try now what is held or waits for the server");
  retry
      ->add_option("--file", status_file_,
                   "The node's status file (" + std::string(telemetry::kStatusFile) + ")")
      ->type_name("PATH");
  retry->footer(
      "The node gets SIGHUP, as from `systemctl reload`; its user, or root, may send it. It seals "
      "and goes on.\n"
      "Exit codes: 0 it was told; 2 the arguments are wrong; 3 no node runs; 4 the file or the "
      "system says no.");
  retry->callback([this] { Retry(); });
  CLI::App* write = command->add_subcommand(
      "export", "Write the readings that the server has set aside, as JSON, one a line");
  write->add_option("file", file_, "- is standard output; one that is there is not written over")
      ->type_name("FILE")
      ->required();
  AddServer(*write);
  write->footer(
      "Their id is EPOCH:NUMBER, for `roostctl outbox drop`. The user has to own the schema, or to "
      "have\n"
      "SELECT on roost.reject and roost.node.\n"
      "Exit codes: 0 done; 2 the arguments are wrong; 4 the file or the server says no.");
  write->callback([this] { Export(); });
  CLI::App* drop = command->add_subcommand("drop", "Delete readings that the server has set aside");
  drop->add_option("--before", before_,
                   "Those of its epoch with a smaller number; an id as `export` writes it")
      ->type_name("EPOCH:NUMBER")
      ->required();
  AddServer(*drop);
  drop->footer(
      "They stay in the balance, as dropped. The user has to own the schema.\n"
      "Exit codes: 0 done; 2 the arguments are wrong; 4 the server says no.");
  drop->callback([this] { Drop(); });
}

void OutboxCommand::Show() {
  const std::string path = NodeDatabasePath(db_, config_);
  const absl::StatusOr<OutboxSide> side = ReadOutboxSide(path);
  if (!side.ok()) return Fail(std::string(side.status().message()), kOutboxCannotTell);
  if (json_) {
    std::cout << ToJson(*side, path).dump(2, ' ', false, OrderedJson::error_handler_t::replace)
              << std::endl;
    return;
  }
  std::string text = PlainText(path) + "\n";
  for (const OutboxSide::Segment& segment : side->segments)
    text += SegmentText(segment, side->newest);
  if (side->segments.empty()) text += "  nothing was sent from it yet\n";
  text += "  waiting: " + std::to_string(side->waiting) + ", by their numbers\n";
  text += "  given up: " + GivenUpText(*side) + "\n";
  std::cout << text << std::flush;
}

void OutboxCommand::Verify() {
  const std::string path = NodeDatabasePath(db_, config_);
  const std::string node = Node();
  // The node's side first: what the server takes meanwhile is no loss.
  const absl::StatusOr<OutboxSide> side = ReadOutboxSide(path);
  if (!side.ok()) return Fail(std::string(side.status().message()), kOutboxCannotTell);
  std::vector<ServerBalance> server;
  const absl::Status asked = OnServer(server_, password_file_, [&](Lease& lease) {
    absl::StatusOr<std::vector<ServerBalance>> balance = AskBalance(lease, node);
    if (balance.ok()) server = *std::move(balance);
    return balance.status();
  });
  if (!asked.ok()) {
    return Fail(WhyServer(asked, "GRANT roost_reader to this user"), kOutboxCannotTell);
  }
  const Verdict verdict = JudgeBalance(PlainText(node), *side, server);
  std::cout << verdict.text << std::flush;
  exit_code_ = verdict.missing == 0 && verdict.unknown == 0 ? kOutboxAgrees : kOutboxMisses;
}

void OutboxCommand::Retry() {
  const absl::StatusOr<telemetry::NodeStatus> status = telemetry::ReadStatusFile(status_file_);
  if (!status.ok()) {
    return Fail(std::string(MessageOf(status.status())),
                absl::IsNotFound(status.status()) ? kOutboxNotRunning : kOutboxCannotTell);
  }
  if (status->pid <= 0 || IsGone(*status)) {
    return Fail("no node runs: process " + std::to_string(status->pid) + ", which wrote " +
                    status_file_ + ", is gone",
                kOutboxNotRunning);
  }
  if (!status->outbox.has_value()) {
    return Fail(status->name + " sends no readings: roost-node --token-file", kOutboxCannotTell);
  }
  if (kill(static_cast<pid_t>(status->pid), SIGHUP) == 0) return;
  Fail("process " + std::to_string(status->pid) + ": " + std::strerror(errno), kOutboxCannotTell);
}

void OutboxCommand::Export() {
  const bool to_output = file_ == "-";
  std::FILE* const out = to_output ? stdout : std::fopen(file_.c_str(), "wxe");
  if (out == nullptr) return Fail(file_ + ": " + std::strerror(errno), kOutboxCannotTell);
  int64_t count = 0;
  absl::Status written = OnServer(server_, password_file_, [&](Lease& lease) {
    const absl::StatusOr<int64_t> rejects = WriteRejects(lease, Node(), out);
    if (rejects.ok()) count = *rejects;
    return rejects.status();
  });
  if ((to_output ? std::fflush(out) : std::fclose(out)) != 0 && written.ok()) {
    written = absl::DataLossError(file_ + ": " + std::strerror(errno));
  }
  if (written.ok()) {
    std::fprintf(stderr, "%lld readings were set aside\n", static_cast<long long>(count));
    return;
  }
  // What is in it is not all.
  if (!to_output) unlink(file_.c_str());
  Fail(WhyServer(written, "GRANT SELECT ON roost.reject, roost.node to this user"),
       kOutboxCannotTell);
}

void OutboxCommand::Drop() {
  const auto id = IdOf(before_);
  if (!id.has_value()) {
    throw CLI::ValidationError("--before", before_ + " is no id: write EPOCH:NUMBER, as 1717:90");
  }
  const std::string node = Node();
  int64_t dropped = 0;
  const absl::Status done = OnServer(server_, password_file_, [&](Lease& lease) -> absl::Status {
    const absl::StatusOr<Statement*> drop = lease.Prepare(kDropRejects);
    if (!drop.ok()) return drop.status();
    Rows rows = (*drop)->Query(std::string_view(node), id->first, id->second);
    if (rows.Next()) dropped = rows.Get<int64_t>(0);
    return rows.status();
  });
  if (!done.ok()) return Fail(WhyServer(done, "use the owner of the schema"), kOutboxCannotTell);
  std::printf("%lld dropped\n", static_cast<long long>(dropped));
}

}  // namespace roost::tools
