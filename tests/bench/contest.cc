// tests/bench/contest.cc - the arguments of a program of the contest, and what it prints.
#include "tests/bench/contest.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <string>
#include <string_view>
#include <thread>

namespace roost::bench {
namespace {

[[noreturn]] void Die(const std::string& why) {
  std::fprintf(stderr, "contest: %s\n", why.c_str());
  std::exit(2);
}

// ---- one line of JSON ---------------------------------------------------------------------------

void PrintList(const std::vector<Entry>& entries) {
  std::printf("[");
  const char* comma = "";
  for (const Entry& entry : entries) {
    std::printf(
        "%s\n{\"name\": \"%s\", \"note\": \"%s\", \"select\": %d, \"contend\": %d, \"late\": %d, "
        "\"churn\": %d}",
        comma, entry.name, entry.note, entry.loop_select != nullptr, entry.contend != nullptr,
        entry.lateness != nullptr, entry.churn != nullptr);
    comma = ",";
  }
  std::printf("]\n");
}

void PrintContention(const Contention& seen) {
  std::printf("{\"per_second\": %.0f, \"min_over_max\": %.4f, \"jain\": %.5f, \"foreign\": %.4f, ",
              static_cast<double>(seen.cycles()) / seen.seconds, seen.MinOverMax(), seen.Jain(),
              seen.foreign);
  std::printf("\"wait_us\": {\"p50\": %.3f, \"p99\": %.3f, \"p99.9\": %.3f, \"max\": %.3f}}\n",
              static_cast<double>(seen.waits.Percentile(0.5)) * 1e-3,
              static_cast<double>(seen.waits.Percentile(0.99)) * 1e-3,
              static_cast<double>(seen.waits.Percentile(0.999)) * 1e-3,
              static_cast<double>(seen.waits.max()) * 1e-3);
}

void PrintSpans(Nanos (*measure)(), int64_t times) {
  std::printf("[");
  for (int64_t i = 0; i < times; ++i) {
    std::printf("%s%lld", i == 0 ? "" : ", ", static_cast<long long>(measure()));
  }
  std::printf("]\n");
}

// ---- what the arguments ask for -----------------------------------------------------------------

// The arguments behind the mode, in order.
class Arguments {
 public:
  Arguments(int argc, char** argv) : next_(argv + 2), end_(argv + argc) {}
  std::string_view Word() {
    if (next_ == end_) Die("an argument is missing; the head of contest.h has the list");
    return *next_++;
  }
  int64_t Number() {
    const std::string word(Word());
    char* end = nullptr;
    const int64_t number = std::strtoll(word.c_str(), &end, 10);
    if (word.empty() || *end != '\0' || number < 0) Die(word + ": expected a number");
    return number;
  }

 private:
  char** next_;
  char** end_;
};

const Entry& Find(const std::vector<Entry>& entries, std::string_view name) {
  for (const Entry& entry : entries) {
    if (entry.name == name) return entry;
  }
  Die("no contestant here is called " + std::string(name));
}

template <class Function>
Function Able(Function function, const Entry& entry) {
  if (function == nullptr) Die(std::string(entry.name) + " cannot do that");
  return function;
}

using Loop = void (*)(const LoopRun&);

Loop FindLoop(const Entry& entry, std::string_view what) {
  Loop const loop = what == "cycle"     ? entry.loop_cycle
                    : what == "select"  ? entry.loop_select
                    : what == "timeout" ? entry.loop_timeout
                    : what == "refusal" ? entry.loop_refusal
                                        : nullptr;
  return Able(loop, entry);
}

// From here on the kernel allows this program to write and to exit, and kills it otherwise. (The
// strict mode of seccomp would forbid the time stamp counter, too, which is no system call.)
void Seal() {
  constexpr auto kNumber = static_cast<uint32_t>(offsetof(seccomp_data, nr));
  sock_filter rules[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kNumber),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{.len = sizeof(rules) / sizeof(rules[0]), .filter = rules};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    Die("the kernel has no seccomp filters");
  }
}

[[noreturn]] void ExitSealed() {
  constexpr char kDone[] = "{\"calls\": 0}\n";
  const ssize_t written = write(STDOUT_FILENO, kDone, sizeof(kDone) - 1);
  syscall(SYS_exit, written > 0 ? 0 : 1);  // exit() would ask for more than is allowed
  __builtin_unreachable();
}

void RunLoop(const Entry& entry, Arguments& arguments, bool sealed) {
  Loop const loop = FindLoop(entry, arguments.Word());
  LoopRun run{.times = arguments.Number()};
  if (sealed) {
    run.before = Seal;
    run.after = ExitSealed;
  }
  loop(run);
  std::printf("{\"times\": %lld}\n", static_cast<long long>(run.times));
}

Shape ShapeOf(Arguments& arguments) {
  Shape shape;
  shape.threads = static_cast<int>(arguments.Number());
  shape.hold = static_cast<Hold>(arguments.Number());
  shape.run = std::chrono::milliseconds(arguments.Number());
  shape.timed = arguments.Number() != 0;
  if (shape.threads < 1 || shape.threads > 64 || shape.hold > Hold::kSleep500us) {
    Die("threads are 1 to 64, holds 0 to 3");
  }
  return shape;
}

int RunMode(std::string_view mode, Arguments& arguments, const std::vector<Entry>& entries) {
  if (mode == "--list") {
    PrintList(entries);
    return 0;
  }
  const Entry& entry = Find(entries, arguments.Word());
  if (mode == "--loop" || mode == "--sealed") {
    RunLoop(entry, arguments, mode == "--sealed");
  } else if (mode == "--contend") {
    PrintContention(Able(entry.contend, entry)(ShapeOf(arguments)));
  } else if (mode == "--handover") {
    PrintSpans(Able(entry.hand_over, entry), arguments.Number());
  } else if (mode == "--late") {
    PrintSpans(Able(entry.lateness, entry), arguments.Number());
  } else if (mode == "--churn") {
    const std::chrono::milliseconds run(arguments.Number());
    std::printf("{\"opens_per_second\": %.3f}\n", Able(entry.churn, entry)(run));
  } else {
    Die("unknown argument " + std::string(mode));
  }
  return 0;
}

int RunBenchmarks(int argc, char** argv, const std::vector<Entry>& entries) {
  for (const Entry& entry : entries) {
    const std::string name = entry.name;
    benchmark::RegisterBenchmark((name + "/cycle").c_str(), entry.measure_cycle);
    if (entry.measure_select != nullptr) {
      benchmark::RegisterBenchmark((name + "/select").c_str(), entry.measure_select);
    }
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  // In a process of one thread glibc's mutexes do without atomic instructions. A firmware has threads.
  std::promise<void> over;
  std::thread other([over = over.get_future()] { over.wait(); });
  benchmark::RunSpecifiedBenchmarks();
  over.set_value();
  other.join();
  return 0;
}

bool IsForBenchmark(std::string_view argument) {
  return argument.starts_with("--benchmark_") || argument == "--help";
}

}  // namespace

int ContestMain(int argc, char** argv, const std::vector<Entry>& entries) {
  if (argc < 2 || IsForBenchmark(argv[1])) return RunBenchmarks(argc, argv, entries);
  Arguments arguments(argc, argv);
  return RunMode(argv[1], arguments, entries);
}

}  // namespace roost::bench
