// tools/roostctl/doctor/rules_remote.cc - rules about the way to a database, and what it answers.
#include <algorithm>
#include <array>
#include <set>

#include "tools/common/text.h"
#include "tools/roostctl/doctor/rules.h"

namespace roost::tools::doctor {
namespace {

using std::chrono::seconds;

// Events of one moment.
constexpr Duration kTogether = seconds(1);

// Connections that were found dead at one moment.
struct Deaths {
  Duration ago{};  // of the first of them
  std::set<int> slots{};
  Duration least_rest{};  // zero: not known
  Duration most_rest{};
};

bool IsDeath(const EventFacts& event) {
  const bool dead = event.reason == "ping_failed" || event.reason == "broken" ||
                    event.reason == "upkeep_failed" || event.reason == "suspect";
  return dead && (event.kind == "invalidate" || event.kind == "close");
}

// The oldest first.
std::vector<Deaths> DeathsOf(const Facts& facts, const PoolFacts& pool) {
  std::vector<Deaths> deaths;
  for (const EventFacts& event : facts.events) {
    if (event.pool != pool.name || !IsDeath(event)) continue;
    if (deaths.empty() || deaths.back().ago - event.ago > kTogether) {
      deaths.push_back({.ago = event.ago});
    }
    Deaths& group = deaths.back();
    group.slots.insert(event.slot);
    if (event.kind != "invalidate" || event.span <= Duration::zero()) continue;
    group.least_rest =
        group.least_rest == Duration::zero() ? event.span : std::min(group.least_rest, event.span);
    group.most_rest = std::max(group.most_rest, event.span);
  }
  return deaths;
}

// What the latest open that failed says, where it still counts.
bool FailsToOpen(const PoolFacts& pool) {
  return pool.away || (pool.open == 0 && pool.window.open_failures > 0);
}

bool HasOneOf(std::string_view text, std::initializer_list<std::string_view> parts) {
  return std::any_of(parts.begin(), parts.end(),
                     [text](std::string_view part) { return Contains(text, part); });
}

bool IsAboutName(std::string_view error) {
  return HasOneOf(error, {"looking up ", "could not translate host name",
                          "Name or service not known", "Temporary failure in name resolution",
                          "Unknown server host", "Unknown MySQL server host"});
}

bool IsAboutTls(std::string_view error) {
  return HasOneOf(error, {"certificate", "SSL error", "SSL negotiation", "TLS", "sslmode",
                          "does not support SSL"});
}

bool IsAboutRoom(const PoolFacts& pool) {
  return !pool.IsSqlite() &&
         (pool.error_code == "resource_exhausted" ||
          HasOneOf(pool.error, {"too many clients", "too many connections", "Too many connections",
                                "remaining connection slots", "too many connections for role"}));
}

bool IsAboutUser(const PoolFacts& pool) {
  return !pool.IsSqlite() && !IsAboutTls(pool.error) &&
         (pool.error_code == "unauthenticated" || pool.error_code == "permission_denied" ||
          HasOneOf(pool.error, {"password authentication failed", "no password supplied",
                                "Access denied for user", "no pg_hba.conf entry"}));
}

// The first line: what a driver advises is behind it.
std::string ErrorOf(const PoolFacts& pool) { return pool.error.substr(0, pool.error.find('\n')); }

Finding OfOpens(const char* rule, const PoolFacts& pool, const std::string& sentence) {
  Finding finding{
      .rule = rule, .severity = Severity::kFail, .sureness = Sureness::kCertain, .pool = pool.name};
  finding.sentence = sentence;
  if (!pool.error.empty()) finding.sentence += ": " + ErrorOf(pool);
  finding.figures = Json{{"away_s", Seconds(pool.away_for)},
                         {"open_failures", pool.window.open_failures},
                         {"next_try_s", Seconds(pool.next_try)},
                         {"error_code", pool.error_code}};
  return finding;
}

// "db.example.org:5432", from "db.example.org:5432/farm".
std::string HostOf(const PoolFacts& pool) {
  const std::string host = pool.target.substr(0, pool.target.find('/'));
  return host.empty() ? "HOST:PORT" : host;
}

std::string HostOnly(const PoolFacts& pool) {
  const std::string host = HostOf(pool);
  return host.substr(0, host.rfind(':'));
}

std::string SelftestRemote() { return "sudo -u roost roostctl selftest --only remote"; }

}  // namespace

void LookServerClosesIdle(const Facts& facts, std::vector<Finding>& found) {
  constexpr size_t kMoments = 2;
  for (const PoolFacts& pool : facts.pools) {
    if (pool.IsSqlite() || FailsToOpen(pool)) continue;
    const std::vector<Deaths> deaths = DeathsOf(facts, pool);
    if (deaths.size() < kMoments) continue;
    Duration least = Duration::max();
    Duration most{};
    size_t known = 0;
    for (const Deaths& group : deaths) {
      if (group.least_rest == Duration::zero()) continue;
      ++known;
      least = std::min(least, group.least_rest);
      most = std::max(most, group.most_rest);
    }
    // Of connections that die in use, or after any rest, something else is the cause.
    if (known < kMoments || least < seconds(1)) continue;
    Finding finding{.rule = "D05", .severity = Severity::kFail, .pool = pool.name};
    finding.sureness = most <= 2 * least ? Sureness::kLikely : Sureness::kPossible;
    finding.sentence = "connections were dead after they had rested, at " +
                       std::to_string(deaths.size()) + " moments; the shortest rest was " +
                       FormatDuration(least) +
                       ": the server, or what is between, closes what is idle for so long";
    finding.figures = Json{{"moments", deaths.size()},
                           {"shortest_rest_s", Seconds(least)},
                           {"longest_rest_s", Seconds(most)},
                           {"ping_failures", pool.total.ping_failures}};
    const bool unchecked = pool.pre_ping == "never";
    finding.change =
        unchecked ? Change{.setting = "pre_ping",
                           .from = "never",
                           .to = "after_idle",
                           .text = "and keep_alive below " + FormatDuration(least)}
                  : Change{.setting = "keep_alive",
                           .from = !pool.keep_alive.has_value() ? "?"
                                   : *pool.keep_alive == Duration::zero()
                                       ? "never"
                                       : FormatDuration(*pool.keep_alive),
                           .to = FormatDuration(std::max<Duration>(least * 4 / 5, seconds(1))),
                           .text = "or pool_recycle below the server's limit"};
    finding.check = pool.backend == "mysql" ? "mysql -e \"SHOW VARIABLES LIKE 'wait_timeout'\""
                                            : "psql -c \"SHOW idle_session_timeout\"";
    found.push_back(std::move(finding));
  }
}

void LookServerRestarted(const Facts& facts, std::vector<Finding>& found) {
  for (const PoolFacts& pool : facts.pools) {
    if (pool.IsSqlite() || pool.away) continue;
    const std::vector<Deaths> deaths = DeathsOf(facts, pool);
    if (deaths.size() != 1 || deaths.front().slots.size() < 2) continue;
    if (!IsRecent(facts, {.ago = deaths.front().ago})) continue;
    Finding finding{.rule = "D06", .pool = pool.name};
    finding.sentence =
        std::to_string(deaths.front().slots.size()) + " connections died at one moment, " +
        FormatDuration(deaths.front().ago) +
        " ago: the server was restarted, or the link was cut; the pool is there again";
    finding.figures =
        Json{{"connections", deaths.front().slots.size()}, {"ago_s", Seconds(deaths.front().ago)}};
    finding.change.text = "nothing: the pool has replaced them";
    finding.check = pool.backend == "mysql" ? "mysql -e \"SHOW STATUS LIKE 'Uptime'\""
                                            : "psql -c \"SELECT pg_postmaster_start_time()\"";
    found.push_back(std::move(finding));
  }
}

void LookAway(const Facts& facts, std::vector<Finding>& found) {
  for (const PoolFacts& pool : facts.pools) {
    if (!pool.away) continue;
    std::string since =
        pool.away_for > Duration::zero() ? " for " + FormatDuration(pool.away_for) : "";
    Finding finding = OfOpens("D07", pool, "the database cannot be reached" + since);
    finding.change.text =
        pool.IsSqlite() ? "look at the file and its folder: " + pool.target
                        : "look at the link, the address, and whether the server runs" +
                              (pool.next_try > Duration::zero()
                                   ? "; the pool tries again in " + FormatDuration(pool.next_try)
                                   : "");
    finding.check = pool.IsSqlite() ? "ls -l " + pool.target : "nc -vz " + [&pool] {
      std::string host = HostOf(pool);
      std::replace(host.begin(), host.end(), ':', ' ');
      return host;
    }();
    found.push_back(std::move(finding));
  }
}

void LookCredentials(const Facts& facts, std::vector<Finding>& found) {
  for (const PoolFacts& pool : facts.pools) {
    if (!FailsToOpen(pool) || !IsAboutUser(pool) || IsAboutName(pool.error) || IsAboutRoom(pool))
      continue;
    Finding finding = OfOpens("D08", pool, "the server refuses user or password");
    finding.change.text =
        "put the right password into the file that passfile= or ~/.pgpass names, or let the server "
        "admit the user from this address; the pool tries again by itself";
    finding.check = SelftestRemote();
    found.push_back(std::move(finding));
  }
}

void LookServerFull(const Facts& facts, std::vector<Finding>& found) {
  for (const PoolFacts& pool : facts.pools) {
    if (!FailsToOpen(pool) || !IsAboutRoom(pool)) continue;
    Finding finding = OfOpens("D09", pool, "the server has no room for one more session");
    finding.figures["capacity"] = pool.capacity;
    finding.change = {.setting = "pool_size",
                      .from = std::to_string(pool.pool_size),
                      .to = "20 to 30 % of max_connections, divided by the nodes",
                      .text = "or raise max_connections"};
    finding.check = "roostctl status --server URI";
    found.push_back(std::move(finding));
  }
}

void LookDns(const Facts& facts, std::vector<Finding>& found) {
  for (const PoolFacts& pool : facts.pools) {
    if (pool.IsSqlite() || !FailsToOpen(pool) || !IsAboutName(pool.error)) continue;
    Finding finding = OfOpens("D10", pool, "the server's name cannot be looked up");
    finding.change.text =
        "look at /etc/resolv.conf and the link to the name server; or give the address besides "
        "(hostaddr=), or a line of /etc/hosts";
    finding.check = "getent hosts " + HostOnly(pool);
    found.push_back(std::move(finding));
  }
}

void LookTls(const Facts& facts, std::vector<Finding>& found) {
  for (const PoolFacts& pool : facts.pools) {
    if (pool.IsSqlite() || !FailsToOpen(pool) || !IsAboutTls(pool.error) || IsAboutName(pool.error))
      continue;
    Finding finding = OfOpens("D11", pool, "no encrypted session comes about");
    const bool young = Contains(pool.error, "not yet valid");
    finding.change.text =
        young
            ? "set the clock: the certificate is not valid yet by this board's time"
            : "look at the certificate's names and dates, and at the file that sslrootcert= names; "
              "and at this board's clock";
    finding.check = young ? "timedatectl status"
                          : "openssl s_client -starttls postgres -connect " + HostOf(pool) +
                                " </dev/null | openssl x509 -noout -subject -dates";
    if (pool.backend == "mysql" && !young) {
      finding.check = "openssl s_client -starttls mysql -connect " + HostOf(pool) + " </dev/null";
    }
    found.push_back(std::move(finding));
  }
}

}  // namespace roost::tools::doctor
