#include "tests/hostile/victim.h"

#include <malloc.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "roost/pool.h"
#include "roost/postgres.h"
#include "roost/query.h"
#include "tests/support/clean_text.h"
#include "tests/support/process.h"

namespace roost::hostile {
namespace {

using namespace std::chrono_literals;
using support::HostileMode;
using support::HostilePostgres;
using support::Place;

constexpr Sql kPlain{"SELECT 1"};
constexpr Sql kMarked{"SELECT 1 /* hostile */"};
constexpr Sql kResting{"SELECT 1 /* at rest */"};
constexpr Sql kTainting{"SET roost.tainted = 1"};
constexpr char kMarkedOnConnect[] = "SET roost.mark = 'hostile'";

static_assert(kMarked.text().find(support::kMark) != std::string_view::npos);
static_assert(kResting.text().find(support::kRestMark) != std::string_view::npos);

// ---- the pools ------------------------------------------------------------------------------------

struct ByCaller : profiles::Default {
  static constexpr const char* kName = "hostile";
  static constexpr int kPoolSize = 1;
  static constexpr int kMaxOverflow = 0;
  static constexpr int kStatements = 8;
  static constexpr PrePing kPrePing = PrePing::kAlways;
  static constexpr Duration kOpenTimeout = 2s;
  static constexpr Duration kBackoffMin = 1ms;
  static constexpr Duration kBackoffMax = 10ms;
  static constexpr Duration kPingTimeout = 50ms;
  static constexpr Duration kResetTimeout = 100ms;
};
struct ByWaiter : ByCaller {
  static constexpr WhenAway kWhenAway = WhenAway::kWait;
};
struct ByHousekeeper : ByCaller {
  static constexpr OpenBy kOpenBy = OpenBy::kHousekeeper;
  // No caller's deadline cuts an open here.
  static constexpr Duration kOpenTimeout = 200ms;
};

constexpr Duration kTickTime{};  // a Tick does not wait

// ---- memory ---------------------------------------------------------------------------------------

int64_t StatusKib(std::string_view key) {
  const std::string text = support::ReadFile("/proc/self/status");
  const size_t at = text.find(key);
  return at == std::string::npos ? 0 : std::atoll(text.c_str() + at + key.size());
}

// How much more memory is resident at most, from its making on. Pages of the program's own files, which are
// read in as code is run for the first time, are not memory that a server makes it take.
class Peak {
 public:
  Peak() {
    malloc_trim(0);  // what an earlier case has freed would hide what this one takes
    std::ofstream("/proc/self/clear_refs") << "5\n";  // VmHWM begins anew
    before_ = StatusKib("VmRSS:");
    files_before_ = StatusKib("RssFile:");
  }
  int64_t kib() const {
    if (kSanitized) return -1;
    const int64_t files = std::max<int64_t>(StatusKib("RssFile:") - files_before_, 0);
    return std::max<int64_t>(StatusKib("VmHWM:") - before_ - files, 0);
  }

 private:
  int64_t before_ = 0;
  int64_t files_before_ = 0;
};

// ---- time -----------------------------------------------------------------------------------------

// How long this thread has been ready and had no processor, in all: what others make it late. Zero
// where the kernel does not count it.
Duration Starved() {
  const std::string text = support::ReadFile("/proc/thread-self/schedstat");
  const size_t second = text.find(' ');
  return Duration(second == std::string::npos ? 0 : std::atoll(text.c_str() + second));
}

// From its making on, without what others have taken.
class Watch {
 public:
  explicit Watch(Platform& platform) : platform_(platform) {}
  Duration elapsed() const { return platform_.Now() - start_ - (Starved() - starved_); }

 private:
  Platform& platform_;
  const Duration starved_ = Starved();
  const TimePoint start_ = platform_.Now();
};

// ---- who keeps house ------------------------------------------------------------------------------

// Calls Tick as the loop of a program does, and measures it.
class Keeper {
 public:
  explicit Keeper(Platform& platform) : platform_(platform), event_(platform.OpenEvent()) {}
  ~Keeper() {
    Stop();
    platform_.CloseEvent(event_);
  }
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;

  WakeCallback callback() {
    return {.function = [](void* self) { static_cast<Keeper*>(self)->Ring(); }, .context = this};
  }
  void Start(Pool& pool) {
    thread_ = std::thread([this, &pool] { Run(pool); });
  }
  void Stop() {
    if (!thread_.joinable()) return;
    stopping_ = true;
    Ring();
    thread_.join();
  }
  // The longest Tick so far, also of one that goes on.
  Duration longest() const {
    const Duration now = platform_.Now().time_since_epoch();
    const Duration since{begun_.load()};
    return std::max(Duration{longest_.load()}, since == Duration{} ? Duration{} : now - since);
  }

 private:
  void Ring() { platform_.SignalEvent(event_); }
  void Run(Pool& pool) {
    std::array<DescriptorWait, 4> waits;
    for (;;) {
      // In this order: what rings after the look at the flag is not swallowed.
      platform_.ClearEvent(event_);
      if (stopping_) return;
      const Watch watch(platform_);
      const TimePoint begin = platform_.Now();
      begun_ = begin.time_since_epoch().count();
      const TimePoint until = pool.Tick(begin);
      begun_ = 0;
      longest_ = std::max<int64_t>(longest_, watch.elapsed().count());
      waits[0] = {.fd = event_, .wanted = {.readable = true}};
      const int count = pool.Descriptors(std::span(waits).subspan(1));
      platform_.WaitForDescriptors(std::span(waits).first(1 + static_cast<size_t>(count)),
                                   Deadline::At(until));
    }
  }

  Platform& platform_;
  const int event_;
  std::atomic<bool> stopping_ = false;
  std::atomic<int64_t> begun_ = 0;
  std::atomic<int64_t> longest_ = 0;
  std::thread thread_{};
};

// ---- the attack -----------------------------------------------------------------------------------

class Victim {
 public:
  Victim(Pool& pool, const Case& which, const std::function<void(std::string_view)>& say)
      : pool_(pool), which_(which), say_(say) {}

  Outcome Take() { return std::move(outcome_); }
  void set_memory(int64_t kib) { outcome_.memory_kib = kib; }

  // What the place wants, as often as it takes to come past it.
  void GoToPlace() {
    switch (which_.place) {
      case Place::kAccept:
      case Place::kTls:
      case Place::kStartup:
      case Place::kSignedIn:
      case Place::kRole:
      case Place::kOnConnect:
      case Place::kAnywhere:
        return Attempt("open", [this](Lease& lease) { Note(lease.Run(kPlain)); });
      case Place::kParse:
      case Place::kDescribe:
      case Place::kBind:
      case Place::kExecute:
      case Place::kSync:
        Attempt("run", [this](Lease& lease) { Note(lease.Run(kMarked)); });
        return Attempt("query", [this](Lease& lease) { Read(lease, kMarked); });
      // The second run goes without the pipeline.
      case Place::kRowAgain:
        return Attempt("query again", [this](Lease& lease) {
          Note(lease.Run(kMarked));
          Read(lease, kMarked);
        });
      case Place::kOneAgain:
        return Attempt("query one again", [this](Lease& lease) {
          Note(lease.Run(kMarked));
          Note(QueryOne<int64_t>(lease, kMarked).status());
        });
      case Place::kSimple:
        return Attempt("script", [this](Lease& lease) { Note(lease.RunScript(kMarked.text())); });
      case Place::kBegin:
      case Place::kCommit:
        return Attempt("transaction", [this](Lease& lease) { Transact(lease, true); });
      case Place::kRollback:
        Attempt("rollback", [this](Lease& lease) { Transact(lease, false); });
        break;
      case Place::kDiscard:
        Attempt("taint", [this](Lease& lease) { Note(lease.Run(kTainting)); });
        break;
      case Place::kPing:
        Attempt("use", [this](Lease& lease) { Note(lease.Run(kPlain)); });
        break;
      case Place::kIdle:
        Attempt("use", [this](Lease& lease) { Note(lease.Run(kResting)); });
        Rest();
        break;
    }
    Attempt("use again", [this](Lease& lease) { Read(lease, kPlain); });
  }

  // An acquire at the server that behaves by now. Where opening has failed, the pool refuses callers
  // until its next try is due.
  void GoOn() {
    say_("the next acquire");
    const Deadline by = pool_.In(2s);
    absl::Status status = AskOnce(by);
    while (IsStartup(which_.place) && !status.ok() && !by.HasPassed(pool_.platform().Now())) {
      pool_.platform().WaitForDescriptors({}, pool_.In(2ms));
      status = AskOnce(by);
    }
    if (!status.ok()) outcome_.next = Shown(status);
  }

  void Close() {
    const Duration limit = 300ms;
    Within("close", limit, [&] { Note(pool_.Close(pool_.In(limit))); });
  }

  // A call that has to end within `limit`.
  template <class Call>
  void Within(std::string_view step, Duration limit, Call call) {
    say_(step);
    const Watch watch(pool_.platform());
    call();
    NoteTime(step, watch.elapsed(), limit);
  }
  void NoteTime(std::string_view step, Duration took, Duration limit) {
    const Duration late = took - limit - SlackFor(limit);
    if (late <= outcome_.late) return;
    outcome_.late = late;
    outcome_.late_in = step;
  }

 private:
  template <class Use>
  void Attempt(std::string_view step, Use use) {
    absl::StatusOr<Lease> lease;
    Within(step, which_.deadline, [&] {
      lease = pool_.Acquire(kWrite, pool_.In(which_.deadline));
      Note(lease.status());
      if (lease.ok()) use(*lease);
    });
    if (!lease.ok()) return;
    Within("return", ByCaller::kResetTimeout, [&] { lease->Return(); });
  }

  absl::Status AskOnce(Deadline by) {
    absl::StatusOr<Lease> lease = pool_.Acquire(kWrite, by);
    return lease.ok() ? lease->Run(kPlain) : lease.status();
  }

  void Read(Lease& lease, const Sql& sql) {
    absl::StatusOr<Statement*> statement = lease.Prepare(sql);
    Note(statement.status());
    if (!statement.ok()) return;
    Rows rows = (*statement)->Query();
    while (rows.Next()) rows.Get<int64_t>(0);
    Note(rows.status());
  }

  void Transact(Lease& lease, bool commit) {
    absl::StatusOr<Transaction> transaction = lease.Begin();
    Note(transaction.status());
    if (!transaction.ok()) return;
    Note(lease.Run(kPlain));
    Note(commit ? transaction->Commit() : transaction->Rollback());
  }

  // A connection at rest, long enough for the server to say something; then maintenance.
  void Rest() {
    pool_.platform().WaitForDescriptors({}, pool_.In(10ms));
    Within("tick", kTickTime, [&] { pool_.Tick(pool_.platform().Now()); });
  }

  void Note(const absl::Status& status) {
    if (status.ok()) return;
    if (outcome_.first_said.empty()) outcome_.first_said = Shown(status);
    std::string wrong =
        support::WhatIsUnclean(std::string_view(status.message().data(), status.message().size()));
    const std::string_view sqlstate = PostgresSqlState(status);
    if (wrong.empty() && !sqlstate.empty() && sqlstate.size() != 5) wrong = "an odd SQLSTATE";
    if (outcome_.unclean.empty()) outcome_.unclean = std::move(wrong);
  }
  static std::string Shown(const absl::Status& status) {
    return support::Cleaned(status.ToString(), 160);
  }

  Pool& pool_;
  const Case which_;
  const std::function<void(std::string_view)>& say_;
  Outcome outcome_;
};

template <class Profile>
Outcome Attack(const Case& which, HostilePostgres& server,
               const std::function<void(std::string_view)>& say) {
  Keeper keeper(NativePlatform());
  PostgresOptions options{.uri = server.Uri()};
  if (which.place == Place::kOnConnect) options.on_connect = kMarkedOnConnect;
  PostgresBackend backend(std::move(options));
  constexpr bool kKept = Profile::kOpenBy == OpenBy::kHousekeeper;
  PoolFor<Profile> pool(backend, {.on_work = kKept ? keeper.callback() : WakeCallback{}});
  if (kKept) keeper.Start(pool);
  Victim victim(pool, which, say);
  const Peak peak;
  victim.GoToPlace();
  victim.set_memory(peak.kib());
  if (kKept) victim.NoteTime("tick", keeper.longest(), kTickTime);
  server.Behave();
  victim.GoOn();
  victim.Close();
  say("the last tick");
  keeper.Stop();
  return victim.Take();
}

Outcome AttackByWay(const Case& which, HostilePostgres& server,
                    const std::function<void(std::string_view)>& say) {
  switch (which.way) {
    case Way::kCaller:
      break;
    case Way::kWaiter:
      return Attack<ByWaiter>(which, server, say);
    case Way::kHousekeeper:
      return Attack<ByHousekeeper>(which, server, say);
  }
  return Attack<ByCaller>(which, server, say);
}

// What is only taken once: libpq, OpenSSL, the memory of threads.
void WarmUp() {
  const auto nothing = [](std::string_view) {};
  for (const char* const name : {"error", "close", "tls_then_close", "scram_wrong_proof"}) {
    const HostileMode& mode = *support::FindHostileMode(name);
    const bool anywhere = mode.place == Place::kAnywhere;
    const Case which{.mode = &mode,
                     .place = anywhere ? Place::kSimple : mode.place,
                     .deadline = std::chrono::seconds(2)};
    HostilePostgres server(mode, which.place);
    AttackByWay(which, server, nothing);
  }
}

}  // namespace

Outcome GoThrough(const Case& which, const std::function<void(std::string_view)>& say) {
  static std::once_flag once;
  std::call_once(once, [] {
    mallopt(M_ARENA_MAX, 1);
    WarmUp();
  });
  HostilePostgres server(*which.mode, which.place);
  return AttackByWay(which, server, say);
}

std::string ToLine(const Outcome& outcome) {
  std::string line =
      std::to_string(outcome.late.count()) + "\t" + std::to_string(outcome.memory_kib);
  for (const std::string& text :
       {outcome.late_in, outcome.next, outcome.unclean, outcome.first_said}) {
    line.append("\t").append(text);
  }
  return line;
}

Outcome FromLine(std::string_view line) {
  const auto take = [&line] {
    const size_t end = std::min(line.find('\t'), line.size());
    std::string text(line.substr(0, end));
    line.remove_prefix(std::min(end + 1, line.size()));
    return text;
  };
  Outcome outcome;
  outcome.late = Duration(std::atoll(take().c_str()));
  outcome.memory_kib = std::atoll(take().c_str());
  outcome.late_in = take();
  outcome.next = take();
  outcome.unclean = take();
  outcome.first_said = take();
  return outcome;
}

}  // namespace roost::hostile
