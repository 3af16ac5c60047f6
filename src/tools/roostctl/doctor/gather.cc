#include "tools/roostctl/doctor/gather.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>

#include "platform/rpi/board_health.h"
#include "telemetry/process.h"
#include "tools/common/text.h"
#include "tools/roostctl/live_json.h"
#include "tools/roostctl/selftest/run.h"
#include "tools/roostctl/status.h"

namespace roost::tools::doctor {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kDatabaseMark = "SQLite format 3";

void Sleep(Platform& platform, Duration span) {
  const std::atomic<uint32_t> nobody{0};
  platform.Wait(nobody, 0, Deadline::After(platform.Now(), span));
}

// The first line of `path` that begins with `key`, without it.
std::string LineOf(const std::string& path, std::string_view key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(key)) return line.substr(key.size());
  }
  return "";
}

// Locks that are there at both looks: who writes for a moment is not in the way.
std::vector<WalLock> LastingLocks(Platform& platform, const std::string& database, int64_t but,
                                  Duration again) {
  const std::vector<WalLock> first = WalLocks(database, but);
  if (first.empty()) return first;
  Sleep(platform, again);
  std::vector<WalLock> second = WalLocks(database, but);
  std::erase_if(second, [&first](const WalLock& lock) {
    return std::none_of(first.begin(), first.end(), [&lock](const WalLock& old) {
      return old.pid == lock.pid && old.what == lock.what;
    });
  });
  // One that is stopped never lets go by itself.
  for (WalLock& lock : second) {
    const std::string state = LineOf("/proc/" + std::to_string(lock.pid) + "/status", "State:\t");
    if (state.starts_with('T')) lock.command += ", stopped";
  }
  return second;
}

uint64_t ResidentBytes(int64_t pid) {
  const std::string kib = LineOf("/proc/" + std::to_string(pid) + "/status", "VmRSS:");
  return std::strtoull(kib.c_str(), nullptr, 10) * 1024;
}

// Of the process's control group; 0: none.
uint64_t MemoryLimit(int64_t pid) {
  const std::string group = LineOf("/proc/" + std::to_string(pid) + "/cgroup", "0::");
  if (group.empty()) return 0;
  std::string limit;
  std::ifstream file("/sys/fs/cgroup" + group + "/memory.max");
  std::getline(file, limit);
  return std::strtoull(limit.c_str(), nullptr, 10);  // "max": 0
}

// The folder of a SQLite database of the program; empty: it has none, or it is in memory.
std::string FolderOf(const Facts& facts) {
  for (const PoolFacts& pool : facts.pools) {
    std::error_code error;
    if (!pool.IsSqlite() || !fs::exists(pool.target, error)) continue;
    const fs::path folder = fs::canonical(fs::path(pool.target), error).parent_path();
    if (!error) return folder.string();
  }
  return "";
}

void MakeChecks(Platform& platform, const Wanted& wanted, Looked& looked) {
  const std::string folder = FolderOf(looked.facts);
  std::vector<const selftest::Check*> chosen;
  for (const selftest::Check& check : selftest::AllChecks()) {
    const std::string_view name = check.name;
    const bool meant = std::find(std::begin(kSharedChecks), std::end(kSharedChecks), name) !=
                       std::end(kSharedChecks);
    if (meant && (!folder.empty() || !name.starts_with("card."))) chosen.push_back(&check);
  }
  const selftest::Setup setup{.root = wanted.root, .folder = folder};
  const selftest::Run run =
      selftest::RunChecks(chosen, setup, platform, /*quick=*/true, [](const selftest::Finding&) {});
  for (const selftest::Finding& finding : run.findings) {
    looked.facts.checks.push_back({.name = finding.check->name,
                                   .verdict = finding.result.verdict,
                                   .measured = finding.result.measured,
                                   .bound = finding.result.bound,
                                   .advice = finding.result.advice});
  }
  looked.left_behind |= run.left_behind;
}

// What the machine tells of a program that runs on it.
void AddSurroundings(Platform& platform, const Wanted& wanted, Looked& looked) {
  Facts& facts = looked.facts;
  facts.has_locks = true;
  for (PoolFacts& pool : facts.pools) {
    if (pool.IsSqlite()) {
      pool.locks = LastingLocks(platform, pool.target, facts.pid, wanted.again);
    }
  }
  if (facts.pid > 0) {
    if (facts.rss_bytes == 0) facts.rss_bytes = ResidentBytes(facts.pid);
    facts.memory_limit = MemoryLimit(facts.pid);
  }
  MakeChecks(platform, wanted, looked);
}

Looked NotSeen(std::string name, int exit_code, std::string reason) {
  Looked looked;
  looked.facts.name = std::move(name);
  looked.exit_code = exit_code;
  looked.reason = std::move(reason);
  return looked;
}

// ---- Files ----

struct Content {
  std::string text{};
  std::string error{};  // empty: it was read
};

std::string ReadFrom(int fd, std::string& text) {
  std::array<char, 65536> bytes;
  for (;;) {
    const ssize_t got = read(fd, bytes.data(), bytes.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::strerror(errno);
    if (got == 0) return "";
    text.append(bytes.data(), static_cast<size_t>(got));
    if (text.size() > kMostInput) return "it has more than " + FormatBytes(kMostInput);
  }
}

Content ReadInput(const std::string& path) {
  Content content;
  if (path == "-") {
    content.error = ReadFrom(STDIN_FILENO, content.text);
    return content;
  }
  const int fd = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) {
    content.error = std::strerror(errno);
    return content;
  }
  struct stat file {};
  if (fstat(fd, &file) != 0 || !S_ISREG(file.st_mode)) {
    content.error = "it is not a file";
  } else if (char mark[kDatabaseMark.size()];
             pread(fd, mark, sizeof mark, 0) == ssize_t{sizeof mark} &&
             std::string_view(mark, sizeof mark) == kDatabaseMark) {
    content.text = kDatabaseMark;  // of a database no more is read
  } else {
    content.error = ReadFrom(fd, content.text);
  }
  close(fd);
  return content;
}

bool IsAnswer(const Json& json) { return json.is_object() && json.contains("pools"); }
bool IsStatusFile(const Json& json) { return json.is_object() && json.contains("local"); }

// The answers in `text`: one, or one a line.
std::vector<Json> AnswersIn(std::string_view text) {
  std::vector<Json> answers;
  Json whole = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (IsAnswer(whole)) answers.push_back(std::move(whole));
  if (!whole.is_discarded()) return answers;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!line.starts_with('{')) continue;
    Json one = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (IsAnswer(one)) answers.push_back(std::move(one));
  }
  return answers;
}

Looked OfAnswers(const std::string& name, std::vector<Json> answers) {
  Looked looked;
  Json& last = answers.back();
  // The first of the same program: of several programs one a line is the last one's.
  const auto first = std::find_if(answers.begin(), answers.end(), [&last](const Json& one) {
    return TextIn(one, "name") == TextIn(last, "name");
  });
  const bool two = first != answers.end() - 1;
  looked.facts = two ? FactsOf(*first, last) : FactsOf(last);
  if (looked.facts.name.empty()) looked.facts.name = name;
  looked.answer = std::move(last);
  return looked;
}

Looked OfStatusFile(const std::string& name, const Json& status) {
  constexpr int kPeriods = 3;
  Looked looked;
  looked.facts = FactsOfStatusFile(status);
  looked.answer = status;
  const Duration every = SpanIn(status, "every_s");
  const int64_t written = static_cast<int64_t>(
      std::min<uint64_t>(CountIn(status, "written_boot_us"), uint64_t{1} << 62));
  const Duration age = std::chrono::microseconds(std::max<int64_t>(BootMicros() - written, 0));
  const bool of_this_boot = written > 0 && written <= BootMicros();
  const uint64_t ticks = CountIn(status, "start_ticks");
  if (name != telemetry::kStatusFile || !of_this_boot) return looked;  // a copy
  if (!telemetry::IsRunning(looked.facts.pid, ticks)) {
    looked.facts.is_gone = true;
    looked.facts.has_answer = false;
    looked.exit_code = kStatusNotRunning;
    looked.reason =
        "process " + std::to_string(looked.facts.pid) + ", which wrote " + name + ", is gone";
  } else if (every > Duration::zero() && age > kPeriods * every) {
    looked.facts.hangs = true;
    looked.facts.silent_for = age;
    looked.exit_code = kStatusCannotTell;
    looked.reason = "it has not written " + name + " for " + FormatDuration(age);
  }
  return looked;
}

Looked LookAtDatabase(Platform& platform, const std::string& path, const Wanted& wanted) {
  Looked looked;
  Facts& facts = looked.facts;
  facts.name = path;
  facts.source = "database";
  facts.pools.emplace_back();
  PoolFacts& pool = facts.pools.back();
  pool.backend = "sqlite";
  pool.target = path;
  pool.sqlite = ReadWalIndex(path);
  AddSurroundings(platform, wanted, looked);
  return looked;
}

}  // namespace

std::optional<SqliteFacts> ReadWalIndex(const std::string& database) {
  // By SQLite's file format (walformat.html): two copies of the header, 48 bytes each, then what was copied.
  constexpr size_t kHeader = 48;
  struct Header {
    uint32_t version = 0;
    uint32_t unused = 0;
    uint32_t change = 0;
    uint8_t is_made = 0;
    uint8_t big_endian = 0;
    uint16_t page_size = 0;
    uint32_t frames = 0;
  };
  static_assert(sizeof(Header) == 20);
  std::array<char, 2 * kHeader + sizeof(uint32_t)> bytes{};
  const int fd = open((database + "-shm").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  const bool whole = read(fd, bytes.data(), bytes.size()) == ssize_t{bytes.size()};
  close(fd);
  Header header;
  uint32_t copied = 0;
  std::memcpy(&header, bytes.data(), sizeof header);
  std::memcpy(&copied, bytes.data() + 2 * kHeader, sizeof copied);
  constexpr uint32_t kVersion = 3007000;
  // A writer may be between the two copies: then they differ, and another moment is as good.
  const bool settled = std::memcmp(bytes.data(), bytes.data() + kHeader, kHeader) == 0;
  if (!whole || !settled || header.version != kVersion || header.is_made == 0) return std::nullopt;
  SqliteFacts facts;
  facts.wal_frames = header.frames;
  facts.wal_done = std::min(copied, header.frames);
  return facts;
}

Looked LookAtProgram(Platform& platform, const std::string& path, const Wanted& wanted) {
  const fs::path socket(path);
  const std::string name = socket.stem().string();
  const absl::StatusOr<std::string> text = Ask(platform, path, "status", wanted.within);
  if (!text.ok()) {
    const bool gone = absl::IsNotFound(text.status());
    const bool late = absl::IsDeadlineExceeded(text.status());
    Looked looked = NotSeen(
        name, gone ? kStatusNotRunning : kStatusCannotTell,
        gone ? "its process is gone and has left " + path : std::string(MessageOf(text.status())));
    looked.facts.is_gone = gone;
    looked.facts.hangs = late;
    looked.facts.silent_for = wanted.within;
    const absl::StatusOr<LastEvents> box = ReadBox((socket.parent_path() / name).string() + ".box");
    if (box.ok()) looked.facts.pid = box->head.pid;
    return looked;
  }
  Live live = Understand(path, *text);
  if (live.state == LiveState::kUnknown) return NotSeen(name, kStatusCannotTell, live.reason);
  Looked looked;
  looked.facts = FactsOf(live.answer);
  looked.facts.source = "socket";
  looked.facts.max_connections = wanted.max_connections;
  looked.answer = std::move(live.answer);
  AddSurroundings(platform, wanted, looked);
  return looked;
}

Looked LookAtText(const std::string& name, std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos)
    return NotSeen(name, kStatusCannotTell, name + ": it is empty");
  if (text[first] == '{') {
    if (std::vector<Json> answers = AnswersIn(text); !answers.empty()) {
      return OfAnswers(name, std::move(answers));
    }
    const Json whole = Json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (IsStatusFile(whole)) return OfStatusFile(name, whole);
  }
  Looked looked;
  looked.facts = FactsOfJournal(text);
  looked.facts.name = name;
  if (looked.facts.events.empty()) {
    return NotSeen(name, kStatusCannotTell,
                   name +
                       ": it is no answer of roostctl status --json, no database, and no journal "
                       "with a pool's events");
  }
  return looked;
}

namespace {

bool IsFile(const std::string& input) {
  struct stat file {};
  return input == "-" || input.find('/') != std::string::npos || stat(input.c_str(), &file) == 0;
}

Looked LookAtFile(Platform& platform, const std::string& path, const Wanted& wanted) {
  const Content content = ReadInput(path);
  if (!content.error.empty()) {
    return NotSeen(path, kStatusCannotTell, path + ": " + content.error);
  }
  Looked looked = content.text == kDatabaseMark ? LookAtDatabase(platform, path, wanted)
                                                : LookAtText(path, content.text);
  looked.facts.max_connections = wanted.max_connections;
  return looked;
}

// Two answers of one program are one look with rates.
void JoinSnapshots(std::vector<Looked>& all) {
  if (all.size() != 2 || !IsAnswer(all[0].answer) || !IsAnswer(all[1].answer)) return;
  if (all[0].facts.source == "socket" || all[0].facts.name != all[1].facts.name) return;
  if (all[0].facts.running > all[1].facts.running) std::swap(all[0], all[1]);
  const int64_t max_connections = all[1].facts.max_connections;
  all[1].facts = FactsOf(all[0].answer, all[1].answer);
  all[1].facts.max_connections = max_connections;
  all.erase(all.begin());
}

}  // namespace

std::vector<Looked> Look(Platform& platform, const Wanted& wanted) {
  std::vector<Looked> all;
  const std::vector<std::string> folders = StatusFolders();
  const auto add_programs = [&](std::string_view name) {
    const std::vector<std::string> sockets = FindSockets(folders, name);
    for (const std::string& socket : sockets)
      all.push_back(LookAtProgram(platform, socket, wanted));
    return !sockets.empty();
  };
  for (const std::string& input : wanted.inputs) {
    if (IsFile(input)) {
      all.push_back(LookAtFile(platform, input, wanted));
    } else if (!add_programs(input)) {
      all.push_back(NotSeen(input, kStatusNotRunning,
                            "no program " + input + ": there is no socket " + input + ".sock in " +
                                folders.front() +
                                (folders.size() > 1 ? " and " + folders.back() : "")));
    }
  }
  JoinSnapshots(all);
  if (!wanted.inputs.empty() || add_programs({})) return all;
  struct stat file {};
  if (!wanted.status_file.empty() && stat(wanted.status_file.c_str(), &file) == 0) {
    all.push_back(LookAtFile(platform, wanted.status_file, wanted));
    return all;
  }
  Looked board = NotSeen("this board", kStatusNotRunning,
                         "no program with a status socket runs here; name one, or a saved answer");
  board.facts.source = "board";
  MakeChecks(platform, wanted, board);
  all.push_back(std::move(board));
  return all;
}

}  // namespace roost::tools::doctor
