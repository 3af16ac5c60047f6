// tools/roostctl/selftest/pool.cc - how the pool behaves on this kernel and these cores.
#include <algorithm>
#include <atomic>
#include <latch>
#include <thread>
#include <utility>

#include "tools/common/text.h"
#include "tools/roostctl/selftest/checks.h"
#include "tools/roostctl/selftest/scratch.h"

namespace roost::tools::selftest {
namespace {

using namespace std::chrono_literals;

constexpr int kHandOffs = 100;  // by each of two threads
// A checkout should take less than 1 ms. A hand-off is that and one wake-up of a thread.
constexpr Duration kHandOffUsual = 1ms;
// Two turns of a scheduler that is busy with other programs.
constexpr Duration kHandOffLong = 20ms;

constexpr Duration kAsked = 50ms;
constexpr int kTimeouts = 5;
// sqlite3_busy_timeout wakes up to 25 ms late; the pool has to do better than what it
// replaces.
constexpr Duration kLateWarn = 25ms;
constexpr Duration kLateFail = 500ms;

constexpr int kContenders = 6;
constexpr Duration kContention = 400ms;
// In order of arrival all have the same number of turns but for one (measured: 441, 442, 443 of
// 1326). Half is unfairness that a user would see.
constexpr double kFair = 0.5;

}  // namespace

// ---- Hand-off -----------------------------------------------------------------------------------

namespace {

// Two threads that give one connection to each other, each only when the other waits for it.
class PingPong {
 public:
  PingPong(Pool& pool, Context& context) : pool_(pool), context_(context) {}

  absl::StatusOr<Percentiles> Run() {
    absl::Status other;
    std::thread thread([this, &other] { other = Play(second_); });
    absl::Status mine = Play(first_);
    thread.join();
    mine.Update(other);
    if (!mine.ok()) return mine;
    first_.insert(first_.end(), second_.begin(), second_.end());
    return PercentilesOf(first_);
  }

 private:
  absl::Status Play(std::vector<Duration>& latencies) {
    absl::Status status;
    for (int i = 0; i < kHandOffs && status.ok(); ++i) status = Turn(latencies);
    --players_;
    return status;
  }

  absl::Status Turn(std::vector<Duration>& latencies) {
    absl::StatusOr<Lease> lease = pool_.Acquire(kWrite, context_.deadline);
    const TimePoint got = context_.Now();
    if (!lease.ok()) return lease.status();
    const Duration released(released_.exchange(0));
    if (released.count() != 0) latencies.push_back(got.time_since_epoch() - released);
    while (players_ == 2 && pool_.stats().waiting == 0 && !context_.IsOver()) {
      SleepFor(context_.platform, 50us);
    }
    // Without a waiter the next acquire is no hand-off.
    const bool is_awaited = pool_.stats().waiting > 0;
    if (is_awaited) released_ = context_.Now().time_since_epoch().count();
    lease->Return();
    return absl::OkStatus();
  }

  Pool& pool_;
  Context& context_;
  std::atomic<int> players_{2};
  std::atomic<int64_t> released_{0};
  std::vector<Duration> first_;
  std::vector<Duration> second_;
};

Result MeasureHandOff(Context& context, const std::string& path) {
  SqliteBackend backend(ScratchOptions(path));
  PoolFor<OneSlot> pool(backend, {.platform = &context.platform});
  const absl::StatusOr<Percentiles> latencies = PingPong(pool, context).Run();
  return latencies.ok() ? JudgeHandOff(*latencies) : Broken("a hand-off", latencies.status());
}

}  // namespace

Result JudgeHandOff(const Percentiles& latencies) {
  const std::string measured = FormatPercentiles(latencies);
  const std::string bound =
      "p50 " + FormatDuration(kHandOffUsual) + ", p99 " + FormatDuration(kHandOffLong);
  Result result = latencies.p50 <= kHandOffUsual && latencies.p99 <= kHandOffLong
                      ? Pass(measured, bound)
                      : Warn(measured, bound,
                             "a thread is woken late: look what loads the cores (top), and at "
                             "board.throttling and board.governor");
  AddFigures(result, latencies);
  return result;
}

Result CheckPoolHandOff(Context& context) { return OnBoth(context, "handoff.db", MeasureHandOff); }

// ---- Time-outs ----------------------------------------------------------------------------------

namespace {

Result MeasureTimeout(Context& context, const std::string& path) {
  SqliteBackend backend(ScratchOptions(path));
  PoolFor<OneSlot> pool(backend, {.platform = &context.platform});
  absl::StatusOr<Lease> held = pool.Acquire(kWrite, context.deadline);
  if (!held.ok()) return Broken("acquire", held.status());
  held->ReleaseThread();  // this thread is going to wait for itself on purpose
  std::vector<Duration> waited;
  for (int i = 0; i < kTimeouts && !context.IsOver(); ++i) {
    const TimePoint start = context.Now();
    const absl::Status refused = pool.Acquire(kWrite, Deadline::After(start, kAsked)).status();
    waited.push_back(context.Now() - start);
    if (!absl::IsDeadlineExceeded(refused)) return Broken("a wait that has to time out", refused);
  }
  return JudgeTimeout(kAsked, waited);
}

}  // namespace

Result JudgeTimeout(Duration asked, const std::vector<Duration>& waited) {
  Duration least = Duration::max();
  Duration most{};
  for (const Duration span : waited) {
    least = std::min(least, span);
    most = std::max(most, span);
  }
  const std::string measured = FormatDuration(least) + " to " + FormatDuration(most);
  const std::string bound = FormatDuration(asked) + " to " + FormatDuration(asked + kLateWarn);
  Result result = Pass(measured, bound);
  if (least < asked) {
    result = Fail(measured, bound, "a wait ended too early: report it with this line");
  } else if (most > asked + kLateFail) {
    result =
        Fail(measured, bound,
             "deadlines are missed by far: the cores are overloaded or the board is throttled");
  } else if (most > asked + kLateWarn) {
    result = Warn(measured, bound, "a thread is woken late: look what loads the cores (top)");
  }
  return std::move(result)
      .With("asked_s", InSeconds(asked))
      .With("least_s", InSeconds(least))
      .With("most_s", InSeconds(most));
}

Result CheckPoolTimeout(Context& context) { return OnBoth(context, "timeout.db", MeasureTimeout); }

// ---- Contention ---------------------------------------------------------------------------------

namespace {

struct Contender {
  int64_t turns = 0;
  std::vector<Duration> waits;
  absl::Status status;
};

// A transaction that is rolled back: it takes the database's lock and writes nothing to the card.
absl::Status WriteAndForget(Lease& lease) {
  absl::StatusOr<Transaction> transaction = lease.Begin();
  if (!transaction.ok()) return transaction.status();
  if (absl::Status status = lease.Run(kScratchInsert, "contender", 1.0); !status.ok())
    return status;
  return transaction->Rollback();
}

void Contend(Pool& pool, Context& context, std::latch& gate, Contender& me) {
  gate.arrive_and_wait();  // who begins early would have more turns
  const Deadline end = Deadline::After(context.Now(), kContention);
  while (me.status.ok() && !end.HasPassed(context.Now())) {
    const TimePoint start = context.Now();
    absl::StatusOr<Lease> lease = pool.Acquire(kWrite, context.deadline);
    me.waits.push_back(context.Now() - start);
    me.status = lease.ok() ? WriteAndForget(*lease) : lease.status();
    ++me.turns;
  }
}

Result MeasureContention(Context& context, const std::string& path) {
  SqliteBackend backend(ScratchOptions(path));
  PoolFor<ScratchProfile> pool(backend, {.platform = &context.platform});
  if (const absl::Status filled = pool.Fill(1, context.deadline); !filled.ok()) {
    return Broken("open", filled);
  }
  std::latch gate(kContenders);
  std::vector<Contender> all(kContenders);
  std::vector<std::thread> threads;
  for (Contender& one : all) {
    threads.emplace_back([&pool, &context, &gate, &one] { Contend(pool, context, gate, one); });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<int64_t> turns;
  std::vector<Duration> waits;
  for (const Contender& one : all) {
    if (!one.status.ok()) return Broken("a contender", one.status);
    turns.push_back(one.turns);
    waits.insert(waits.end(), one.waits.begin(), one.waits.end());
  }
  return JudgeContention(turns, PercentilesOf(std::move(waits)), 1);
}

}  // namespace

Result JudgeContention(const std::vector<int64_t>& turns, const Percentiles& waits, int slots) {
  const auto [least, most] = std::minmax_element(turns.begin(), turns.end());
  const std::string measured =
      Format("%lld to %lld turns, wait max ", static_cast<long long>(*least),
             static_cast<long long>(*most)) +
      FormatDuration(waits.max);
  const std::string bound =
      Format("%zu threads over %d slot, the least at least half of the most", turns.size(), slots);
  Result result = Pass(measured, bound);
  if (*least == 0) {
    result = Fail(measured, bound, "a thread was starved: report it with this line");
  } else if (static_cast<double>(*least) < kFair * static_cast<double>(*most)) {
    result = Warn(measured, bound,
                  "threads are not served alike: look for programs of real-time priority (chrt -p) "
                  "and for a loaded core (top)");
  }
  AddFigures(result, waits, "wait_");
  return std::move(result).With("turns", turns);
}

Result CheckPoolContention(Context& context) {
  return OnBoth(context, "contention.db", MeasureContention);
}

}  // namespace roost::tools::selftest
