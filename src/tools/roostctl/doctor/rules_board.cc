// tools/roostctl/doctor/rules_board.cc - rules about the board: memory, card, clocks, and the process itself.
#include <algorithm>

#include "tools/common/text.h"
#include "tools/roostctl/doctor/rules.h"

namespace roost::tools::doctor {
namespace {

using selftest::Verdict;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr uint64_t kMib = 1024 * 1024;

std::string Percent(uint64_t part, uint64_t whole) {
  return std::to_string(whole == 0 ? 0 : part * 100 / whole) + " %";
}

// A check of `roostctl selftest` that did not pass, as a finding.
Finding OfCheck(const char* rule, const CheckFacts& check, const std::string& what) {
  Finding finding{.rule = rule,
                  .severity = check.verdict == Verdict::kFail ? Severity::kFail : Severity::kWarn,
                  .sureness = Sureness::kCertain};
  finding.sentence = what + ": " + check.measured;
  finding.figures = Json{{"selftest", check.name}, {"bound", check.bound}};
  finding.change.text = check.advice;
  finding.check = "roostctl selftest --only " + check.name;
  return finding;
}

bool Troubles(const CheckFacts& check, std::string_view name) {
  return check.name == name && (check.verdict == Verdict::kFail || check.verdict == Verdict::kWarn);
}

void LookArena(const Facts& facts, std::vector<Finding>& found) {
  if (!facts.node.has_value() || facts.node->arena_size == 0) return;
  const NodeFacts& node = *facts.node;
  const bool failed = node.arena_failures > 0;
  if (!failed && node.arena_peak * 100 < node.arena_size * 95) return;
  Finding finding{.rule = "D15",
                  .severity = failed ? Severity::kFail : Severity::kWarn,
                  .sureness = Sureness::kCertain};
  finding.sentence =
      "SQLite's memory of " + FormatBytes(node.arena_size) + " was filled to " +
      Percent(node.arena_peak, node.arena_size) +
      (failed ? ", and " + std::to_string(node.arena_failures) + " requests were refused" : "");
  finding.figures = Json{{"arena_size_bytes", node.arena_size},
                         {"arena_peak_bytes", node.arena_peak},
                         {"arena_failures", node.arena_failures}};
  const uint64_t wanted = std::max(node.arena_peak, node.arena_size) * 115 / 100;
  finding.change = {.setting = "sqlite_arena_kib",
                    .from = std::to_string(node.arena_size / 1024),
                    .to = std::to_string((wanted + 1023) / 1024),
                    .text = {}};
  finding.check = StatusCommandOf(facts);
  found.push_back(std::move(finding));
}

// What fewer, or younger, connections to a server would keep less. Null: no pool of them.
const PoolFacts* LargestRemote(const Facts& facts) {
  const PoolFacts* largest = nullptr;
  for (const PoolFacts& pool : facts.pools) {
    if (pool.IsRemote() && (largest == nullptr || pool.open > largest->open)) largest = &pool;
  }
  return largest;
}

Change LessMemory(const PoolFacts& pool) {
  if (pool.peak_in_use > 0 && pool.peak_in_use < pool.pool_size) {
    return {.setting = "pool_size",
            .from = std::to_string(pool.pool_size),
            .to = std::to_string(pool.peak_in_use),
            .text = "no more were ever lent at once"};
  }
  if (pool.pool_recycle.has_value() && *pool.pool_recycle == Duration::zero()) {
    return {.setting = "pool_recycle",
            .from = "never",
            .to = "30 min",
            .text = "what a session gathers goes with it"};
  }
  if (pool.max_overflow > 0) {
    return {.setting = "max_overflow",
            .from = std::to_string(pool.max_overflow),
            .to = "0",
            .text = {}};
  }
  return {.setting = {}, .from = {}, .to = {}, .text = "raise MemoryMax= of the service"};
}

void LookResident(const Facts& facts, std::vector<Finding>& found) {
  const uint64_t rss = facts.rss_bytes;
  const PoolFacts* const remote = LargestRemote(facts);
  const bool near_limit = facts.memory_limit > 0 && rss * 10 >= facts.memory_limit * 8;
  // Growth by a fifth and by more than a session or two of a server takes.
  const bool grows = facts.has_before && facts.rss_before > 0 &&
                     rss > facts.rss_before + 10 * kMib && rss * 10 > facts.rss_before * 12;
  if (!near_limit && !(grows && remote != nullptr)) return;
  Finding finding{.rule = "D15", .severity = near_limit ? Severity::kFail : Severity::kWarn};
  finding.sentence = near_limit ? "the process keeps " + FormatBytes(rss) + " of the " +
                                      FormatBytes(facts.memory_limit) + " that it may have"
                                : "the process has grown from " + FormatBytes(facts.rss_before) +
                                      " to " + FormatBytes(rss) + " between two looks";
  if (remote != nullptr) {
    finding.sentence += "; " + std::to_string(remote->open) + " connections to " + remote->name +
                        " are open, at the usual 1 to 5 MB each";
    finding.change = LessMemory(*remote);
    finding.figures["open"] = remote->open;
  } else {
    finding.change.text = "raise MemoryMax= of the service, or find what grows beside the pools";
  }
  finding.sureness =
      remote != nullptr && remote->open > 4 ? Sureness::kLikely : Sureness::kPossible;
  finding.figures["rss_bytes"] = rss;
  if (facts.memory_limit > 0) finding.figures["limit_bytes"] = facts.memory_limit;
  if (facts.has_before) finding.figures["rss_before_bytes"] = facts.rss_before;
  finding.check = "grep -E 'VmRSS|RssAnon' /proc/" + std::to_string(facts.pid) + "/status";
  found.push_back(std::move(finding));
}

std::string NameOf(const WalLock& lock) {
  return "process " + std::to_string(lock.pid) +
         (lock.command.empty() ? "" : " (" + lock.command + ")");
}

const WalLock* LockThat(const PoolFacts& pool, std::string_view does) {
  for (const WalLock& lock : pool.locks) {
    if (lock.what.starts_with(does)) return &lock;
  }
  return nullptr;
}

std::string FuserOf(const PoolFacts& pool) { return "fuser -v " + pool.target + "-shm"; }

// The lease that has read for as long as the log waits; null: none has.
const LeaseFacts* OldReader(const PoolFacts& pool, Duration oldest) {
  for (const LeaseFacts& lease : pool.leases) {
    if (lease.role != "writer" && oldest > Duration::zero() && lease.held * 10 >= oldest * 9)
      return &lease;
  }
  return nullptr;
}

}  // namespace

void LookMemory(const Facts& facts, std::vector<Finding>& found) {
  LookArena(facts, found);
  LookResident(facts, found);
}

void LookWalStarved(const Facts& facts, std::vector<Finding>& found) {
  // SQLite's own bound, and four times that of our backend: what is behind that waits for somebody.
  constexpr uint64_t kFrames = 1000;
  constexpr uint64_t kTries = 3;
  for (const PoolFacts& pool : facts.pools) {
    if (!pool.sqlite.has_value()) continue;
    const SqliteFacts& log = *pool.sqlite;
    const uint64_t backlog = log.wal_frames > log.wal_done ? log.wal_frames - log.wal_done : 0;
    const WalLock* const other = LockThat(pool, "reads");
    const LeaseFacts* const own = OldReader(pool, log.oldest_read);
    const bool held_up =
        log.oldest_read >= seconds(10) || log.checkpoint_busy >= kTries || other != nullptr;
    if (backlog < kFrames || !held_up) continue;
    Finding finding{.rule = "D16", .severity = Severity::kFail, .pool = pool.name};
    finding.sureness = own != nullptr || other != nullptr ? Sureness::kCertain : Sureness::kLikely;
    finding.sentence =
        std::to_string(backlog) + " pages of the log wait to be copied into the database";
    if (log.oldest_read > Duration::zero()) {
      finding.sentence += "; a reader has held that up for " + FormatDuration(log.oldest_read);
    }
    if (own != nullptr && !own->where.empty()) {
      finding.sentence += ": " + own->where;
      finding.change.text = "end the read transaction of " + own->where + ", or read in parts";
    } else if (other != nullptr) {
      finding.sentence += ": " + NameOf(*other);
      finding.change.text = "end the read transaction of " + NameOf(*other);
    } else {
      finding.change.text = "end read transactions sooner; whose it is shows while it is open";
    }
    finding.figures = Json{{"waiting_frames", backlog},
                           {"frames", log.wal_frames},
                           {"oldest_read_s", Seconds(log.oldest_read)},
                           {"checkpoint_busy", log.checkpoint_busy}};
    finding.check = FuserOf(pool);
    found.push_back(std::move(finding));
  }
}

void LookForeignLock(const Facts& facts, std::vector<Finding>& found) {
  constexpr Duration kLong = seconds(1);
  for (const PoolFacts& pool : facts.pools) {
    const WalLock* const writer = LockThat(pool, "writes");
    const bool waited =
        pool.sqlite.has_value() && (pool.sqlite->busy >= kLong || pool.sqlite->busy_timeouts > 0);
    // A lock that is there while callers wait for it, or that was seen twice in a file that nobody else is asked of.
    const bool held = writer != nullptr && (waited || facts.source == "database");
    const bool in_vain = pool.sqlite.has_value() && pool.sqlite->busy_timeouts > 0;
    if (!held && !in_vain) continue;
    Finding finding{.rule = "D17", .pool = pool.name};
    finding.severity = held ? Severity::kFail : Severity::kWarn;
    finding.sureness = held ? Sureness::kCertain : Sureness::kLikely;
    if (held) {
      finding.sentence = NameOf(*writer) + " holds the lock for writing on " + pool.target;
      finding.change.text = "end the transaction of " + NameOf(*writer) +
                            ", or let it write in short ones; a pool_size does not help";
      finding.figures["pid"] = writer->pid;
    } else {
      finding.sentence = "other processes have held the lock for writing; nobody holds it now";
      finding.change.text = "find who writes besides: a shell, a backup, a second program";
    }
    if (pool.sqlite.has_value() && waited) {
      finding.sentence += "; the pool has waited for " + FormatDuration(pool.sqlite->busy) +
                          " altogether, " + Times(pool.sqlite->busy_timeouts) + " in vain";
      finding.figures["busy_s"] = Seconds(pool.sqlite->busy);
      finding.figures["busy_timeouts"] = pool.sqlite->busy_timeouts;
    }
    finding.check = FuserOf(pool);
    found.push_back(std::move(finding));
  }
}

void LookCardSlow(const Facts& facts, std::vector<Finding>& found) {
  constexpr uint64_t kEnough = 20;
  constexpr Duration kSlow = milliseconds(500);
  if (!facts.node.has_value() || facts.node->seal.count < kEnough) return;
  const NodeFacts& node = *facts.node;
  const bool beside = node.seal_every > Duration::zero() && 4 * node.seal.p99 > node.seal_every;
  if (node.seal.p99 <= kSlow && !beside) return;
  Finding finding{.rule = "D18", .severity = beside ? Severity::kFail : Severity::kWarn};
  finding.sentence = "the card takes " + FormatDuration(node.seal.p99) + " (p99) to store a batch";
  if (node.seal_every > Duration::zero()) {
    finding.sentence += ", of which there is one in " + FormatDuration(node.seal_every);
  }
  finding.figures = Json{{"seal_p50_s", Seconds(node.seal.p50)},
                         {"seal_p99_s", Seconds(node.seal.p99)},
                         {"seals", node.seal.count},
                         {"seal_every_s", Seconds(node.seal_every)}};
  finding.change = {.setting = "roost-node --seal-every",
                    .from = FormatDuration(node.seal_every),
                    .to = FormatDuration(std::max<Duration>(8 * node.seal.p99, node.seal_every)),
                    .text = "or a faster card"};
  finding.check = "roostctl selftest --only card.sync";
  found.push_back(std::move(finding));
}

void LookCardFull(const Facts& facts, std::vector<Finding>& found) {
  for (const CheckFacts& check : facts.checks) {
    if (Troubles(check, "card.space"))
      found.push_back(OfCheck("D19", check, "the card is nearly full"));
    if (Troubles(check, "card.writable")) {
      found.push_back(OfCheck("D19", check, "the card does not take writes"));
    }
  }
  const auto tells = [](std::string_view text) {
    return Contains(text, "disk is full") || Contains(text, "does not take writes") ||
           Contains(text, "do not take writes") || Contains(text, "the card gave an error") ||
           Contains(text, "readonly database") ||
           Contains(text, "the card or the bound max_kib is full");
  };
  std::string why = tells(facts.text) ? facts.text : "";
  for (const PoolFacts& pool : facts.pools) {
    if (pool.IsSqlite() && pool.away && tells(pool.error)) why = pool.error;
  }
  if (why.empty() && facts.node.has_value() && facts.node->card_is_full) why = "the card is full";
  if (why.empty()) return;
  Finding finding{.rule = "D19", .severity = Severity::kFail, .sureness = Sureness::kCertain};
  finding.sentence = "the database refuses what is written: " + why.substr(0, why.find('\n'));
  finding.change.text =
      "make room, keep less (roost-node --keep, --db-size), or mount the card for writing; "
      "readings "
      "stay in memory meanwhile";
  finding.check = "df -h; findmnt -no OPTIONS -T /var/lib/roost; dmesg | tail";
  found.push_back(std::move(finding));
}

void LookSuspended(const Facts& facts, std::vector<Finding>& found) {
  if (!facts.has_before || facts.suspended_between < seconds(1)) return;
  Finding finding{.rule = "D20", .sureness = Sureness::kCertain};
  finding.sentence = "the machine slept for " + FormatDuration(facts.suspended_between) +
                     " between two looks: sessions on servers were silent for so long";
  finding.figures = Json{{"suspended_s", Seconds(facts.suspended_between)}};
  finding.change.text = "let a node not sleep: systemctl mask sleep.target suspend.target";
  finding.check = "journalctl -b -t systemd-sleep -t kernel --grep suspend";
  found.push_back(std::move(finding));
}

void LookStarved(const Facts& facts, std::vector<Finding>& found) {
  constexpr Duration kLate = seconds(2);
  constexpr int kOften = 3;
  int late = 0;
  Duration most{};
  for (const EventFacts& event : facts.events) {
    if (event.kind != "late_tick" || !IsRecent(facts, event)) continue;
    ++late;
    most = std::max(most, event.span);
  }
  if (late == 0 || (most < kLate && late < kOften)) return;
  Finding finding{.rule = "D21"};
  finding.sentence = "the program came late to its pools " + Times(static_cast<uint64_t>(late)) +
                     ", by up to " + FormatDuration(most) +
                     ": it was stopped, had no processor, or waited for the card";
  finding.figures = Json{{"late", late}, {"most_s", Seconds(most)}};
  finding.change.text =
      "look for what takes the processor; CPUWeight= of the service; a thread of its own for Tick "
      "(Housekeeper)";
  finding.check = "cat /proc/pressure/cpu /proc/pressure/io; ps -o stat,wchan,cmd -p " +
                  std::to_string(facts.pid);
  found.push_back(std::move(finding));
}

void LookClockStepped(const Facts& facts, std::vector<Finding>& found) {
  for (const CheckFacts& check : facts.checks) {
    if (Troubles(check, "clock.date")) found.push_back(OfCheck("D22", check, "the clock is wrong"));
  }
  uint64_t steps = 0;
  for (const std::string& line : facts.lines) {
    const bool stepped = Contains(line, "Time jumped backwards") ||
                         Contains(line, "Time has been changed") ||
                         Contains(line, "System clock was stepped") ||
                         Contains(line, "clock time unset or jumped backwards");
    steps += stepped ? 1u : 0u;
  }
  if (steps == 0) return;
  Finding finding{.rule = "D22", .sureness = Sureness::kCertain};
  finding.sentence = "the wall clock was set anew " + Times(steps) +
                     ": moments of before and after cannot be compared";
  finding.figures = Json{{"steps", steps}};
  finding.change.text =
      "one time service alone, and started before the node: After=time-sync.target";
  finding.check = "timedatectl status";
  found.push_back(std::move(finding));
}

void LookHung(const Facts& facts, std::vector<Finding>& found) {
  if (!facts.hangs) return;
  Finding finding{.rule = "D25", .severity = Severity::kFail, .sureness = Sureness::kCertain};
  finding.sentence = "the process" + (facts.pid > 0 ? " " + std::to_string(facts.pid) : "") +
                     " is there and has not answered for " + FormatDuration(facts.silent_for);
  finding.figures = Json{{"pid", facts.pid}, {"silent_s", Seconds(facts.silent_for)}};
  finding.change.text =
      "see whether it is stopped (T) or waits for the card (D), then restart it: systemctl restart "
      "roost-node";
  finding.check = "ps -o pid,stat,wchan:20,cmd -p " + std::to_string(facts.pid);
  found.push_back(std::move(finding));
}

void LookDead(const Facts& facts, std::vector<Finding>& found) {
  if (!facts.is_gone) return;
  Finding finding{.rule = "D26", .severity = Severity::kFail, .sureness = Sureness::kCertain};
  finding.sentence = "the process" + (facts.pid > 0 ? " " + std::to_string(facts.pid) : "") +
                     " is gone and has not ended cleanly: it was killed, or the program crashed";
  finding.figures = Json{{"pid", facts.pid}};
  finding.change.text = "see why it ended, and start it: systemctl restart roost-node";
  finding.check = "roostctl status --last " + facts.name + "; journalctl -b -u roost-node -n 50";
  found.push_back(std::move(finding));
}

void LookBoard(const Facts& facts, std::vector<Finding>& found) {
  bool seen = false;
  for (const CheckFacts& check : facts.checks) {
    const bool troubles = Troubles(check, "board.voltage") || Troubles(check, "board.throttling") ||
                          Troubles(check, "board.temperature");
    if (!troubles) continue;
    found.push_back(OfCheck("D28", check,
                            check.name == "board.voltage"      ? "the supply"
                            : check.name == "board.throttling" ? "the board was slowed down"
                                                               : "the board is hot"));
    seen = true;
  }
  constexpr int64_t kHot = 80;
  if (seen || !facts.node.has_value()) return;
  const bool hot = facts.node->celsius.value_or(0) >= kHot;
  if (!hot && !facts.node->throttled) return;
  Finding finding{.rule = "D28", .sureness = Sureness::kCertain};
  finding.sentence = hot ? "the board is hot: " + std::to_string(*facts.node->celsius) + " C"
                         : "the firmware slows the board down";
  finding.figures =
      Json{{"celsius", facts.node->celsius.value_or(0)}, {"throttled", facts.node->throttled}};
  finding.change.text = hot ? "a heat sink, a fan, shade" : "a stronger supply, a shorter cable";
  finding.check = "roostctl selftest --only board";
  found.push_back(std::move(finding));
}

}  // namespace roost::tools::doctor
