#include "tools/roostctl/selftest/run.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>
#include <utility>

#include "tools/common/text.h"
#include "tools/roostctl/selftest/remote.h"
#include "tools/roostctl/selftest/scratch.h"

namespace roost::tools::selftest {
namespace {

// Signals that end the run, as a descriptor. While it lives they do nothing else.
class Signals {
 public:
  Signals() {
    sigset_t wanted;
    sigemptyset(&wanted);
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
      // One that was ignored at the start stays ignored; a signalfd would see it all the same.
      struct sigaction now {};
      sigaction(number, nullptr, &now);
      if (now.sa_handler != SIG_IGN) sigaddset(&wanted, number);
    }
    pthread_sigmask(SIG_BLOCK, &wanted, &before_);
    fd_ = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
  }
  ~Signals() {
    if (fd_ >= 0) close(fd_);
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  int fd() const { return fd_; }
  // The one that came; 0: none.
  int Take() const {
    signalfd_siginfo info{};
    return read(fd_, &info, sizeof info) == ssize_t{sizeof info} ? static_cast<int>(info.ssi_signo)
                                                                 : 0;
  }

 private:
  sigset_t before_{};
  int fd_ = -1;
};

// What every check may use. Shared with the thread of each, which may outlive the run.
struct Session {
  Session(const Setup& asked, Platform& platform)
      : setup(asked), scratch(setup.folder), remote(setup.remote, platform, setup.password_file) {}
  const Setup setup;
  Scratch scratch;
  RemoteDatabase remote;
};

// Some work in a thread of its own.
struct Job {
  std::function<Result()> work;
  Result result;
  std::atomic<bool> done{false};
  int event = -1;
};

// Runs `work`; its result, or nothing when it did not come back by `deadline`, or a signal came.
std::optional<Result> RunInTime(Platform& platform, std::function<Result()> work, Deadline deadline,
                                const Signals& signals, int& signal) {
  const auto job = std::make_shared<Job>();
  job->work = std::move(work);
  job->event = platform.OpenEvent();
  std::thread([job, &platform] {
    job->result = job->work();
    job->done.store(true, std::memory_order_release);
    platform.SignalEvent(job->event);
  }).detach();
  DescriptorWait waits[2] = {{.fd = job->event, .wanted = {.readable = true}},
                             {.fd = signals.fd(), .wanted = {.readable = true}}};
  while (!waits[0].seen.any() && !deadline.HasPassed(platform.Now()) && signal == 0) {
    platform.WaitForDescriptors(waits, deadline);
    if (waits[1].seen.any()) signal = signals.Take();
  }
  // The event of a thread that still hangs is left to it.
  if (!job->done.load(std::memory_order_acquire)) return std::nullopt;
  if (waits[0].seen.any()) platform.CloseEvent(job->event);
  return std::move(job->result);
}

Result DidNotComeBack(const Check& check) {
  return Fail("no answer within " + FormatDuration(check.limit + kGrace),
              FormatDuration(check.limit),
              "what this check asks hangs: look at dmesg for the card and the link");
}

class Runner {
 public:
  Runner(const Setup& setup, Platform& platform, bool quick)
      : platform_(platform),
        quick_(quick),
        start_(platform.Now()),
        session_(std::make_shared<Session>(setup, platform)) {}

  Finding RunOne(const Check& check) {
    const TimePoint start = platform_.Now();
    Finding finding{.check = &check, .result = Outcome(check), .took = {}};
    finding.took = platform_.Now() - start;
    wall_clock_.Sample(platform_);
    return finding;
  }

  // Removes what was made, for as long as a card that hangs may take.
  void TidyUp() {
    const auto tidy = [session = session_] {
      session->remote.Close();
      session->scratch.Remove();
      return Result{};
    };
    int none = 0;
    const Deadline deadline = Deadline::After(platform_.Now(), std::chrono::seconds(3));
    left_behind_ |= !RunInTime(platform_, tidy, deadline, signals_, none).has_value();
  }

  Duration took() const { return platform_.Now() - start_; }
  int signal() const { return signal_; }
  bool left_behind() const { return left_behind_; }

 private:
  Result Outcome(const Check& check) {
    if (quick_ && check.slow) return Skip("left out by --quick");
    const Deadline run_deadline = Deadline::After(start_, kRunLimit);
    if (run_deadline.HasPassed(platform_.Now())) return Skip("the run has taken its time already");
    const Deadline deadline = std::min(run_deadline, Deadline::After(platform_.Now(), check.limit));
    const auto work = [session = session_, &check, &platform = platform_, clock = wall_clock_,
                       deadline] {
      Context context{.setup = session->setup,
                      .platform = platform,
                      .scratch = session->scratch,
                      .remote = session->remote,
                      .wall_clock = clock,
                      .deadline = deadline};
      return check.run(context);
    };
    const Deadline grace_deadline = Deadline::After(deadline.time(), kGrace);
    std::optional<Result> result = RunInTime(platform_, work, grace_deadline, signals_, signal_);
    if (result.has_value()) return *std::move(result);
    left_behind_ = true;
    return signal_ != 0 ? Skip("ended by a signal") : DidNotComeBack(check);
  }

  Platform& platform_;
  const bool quick_;
  const TimePoint start_;
  const Signals signals_;
  const std::shared_ptr<Session> session_;
  WallClock wall_clock_;
  int signal_ = 0;
  bool left_behind_ = false;
};

}  // namespace

int Run::Count(Verdict verdict) const {
  return static_cast<int>(std::count_if(
      findings.begin(), findings.end(),
      [verdict](const Finding& finding) { return finding.result.verdict == verdict; }));
}

Run RunChecks(std::span<const Check* const> checks, const Setup& setup, Platform& platform,
              bool quick, const std::function<void(const Finding&)>& on_finding) {
  Run run;
  Runner runner(setup, platform, quick);
  for (const Check* check : checks) {
    run.findings.push_back(runner.RunOne(*check));
    if (runner.signal() != 0) break;
    on_finding(run.findings.back());
  }
  runner.TidyUp();
  run.took = runner.took();
  run.signal = runner.signal();
  run.left_behind = runner.left_behind();
  return run;
}

}  // namespace roost::tools::selftest
