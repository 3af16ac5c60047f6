#include "tests/hostile/crowd.h"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <iostream>
#include <mutex>
#include <optional>
#include <thread>

#include "tests/support/process.h"

namespace roost::hostile {
namespace {

// What a worker says begins with one of these.
constexpr char kStep = 's';
constexpr char kDone = 'd';

// A process that goes through one case after the other.
class Worker {
 public:
  Worker() {
    std::array<int, 2> pair;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0) {
      support::Fail("no socket for a worker");
    }
    fd_ = pair[0];
    pid_ = fork();
    if (pid_ == 0) Become(pair[1]);
    close(pair[1]);
  }
  ~Worker() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    close(fd_);
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void Give(const std::string& name) {
    const std::string line = name + "\n";
    send(fd_, line.data(), line.size(), MSG_NOSIGNAL);
  }
  // The next line; empty: there was none within `patience`.
  std::string NextLine(Duration patience) {
    const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(patience).count();
    for (;;) {
      const size_t end = text_.find('\n');
      if (end != std::string::npos) {
        std::string line = text_.substr(0, end);
        text_.erase(0, end + 1);
        return line;
      }
      pollfd wait{.fd = fd_, .events = POLLIN, .revents = 0};
      if (poll(&wait, 1, static_cast<int>(limit)) <= 0) return "";
      std::array<char, 1024> bytes;
      const ssize_t size = recv(fd_, bytes.data(), bytes.size(), 0);
      if (size <= 0) return "";
      text_.append(bytes.data(), static_cast<size_t>(size));
    }
  }

 private:
  // In the child: only what may be called after a fork.
  [[noreturn]] static void Become(int fd) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(fd, STDIN_FILENO);
    dup2(fd, STDOUT_FILENO);
    const char* const words[] = {"hostile_server_test", kWorker, nullptr};
    execv("/proc/self/exe", const_cast<char* const*>(words));
    _exit(127);
  }

  int fd_ = -1;
  pid_t pid_ = 0;
  std::string text_;
};

// Empty: the worker hangs or has died, and is of no more use.
std::optional<Outcome> Follow(Worker& worker, Duration patience, std::string& step) {
  for (;;) {
    const std::string line = worker.NextLine(patience);
    if (line.empty()) return std::nullopt;
    if (line[0] == kDone) return FromLine(std::string_view(line).substr(1));
    step = line.substr(1);
  }
}

class Crowd {
 public:
  Crowd(const std::vector<Case>& cases, Duration patience) : cases_(cases), patience_(patience) {}

  std::map<std::string, Outcome> Run(int processes) {
    std::vector<std::thread> threads;
    for (int i = 0; i < processes; ++i) threads.emplace_back([this] { TakeCases(); });
    for (std::thread& thread : threads) thread.join();
    return std::move(outcomes_);
  }

 private:
  void TakeCases() {
    std::optional<Worker> worker;
    while (const std::optional<std::string> name = Next()) {
      if (!worker.has_value()) worker.emplace();
      worker->Give(*name);
      std::string step = "the start of the process";
      std::optional<Outcome> outcome = Follow(*worker, patience_, step);
      if (!outcome.has_value()) {
        worker.reset();
        outcome = Outcome{.hung_in = step};
      }
      const std::lock_guard lock(mutex_);
      outcomes_[*name] = *std::move(outcome);
    }
  }
  std::optional<std::string> Next() {
    const std::lock_guard lock(mutex_);
    if (next_ == cases_.size()) return std::nullopt;
    return NameOf(cases_[next_++]);
  }

  const std::vector<Case>& cases_;
  const Duration patience_;
  std::mutex mutex_;
  size_t next_ = 0;
  std::map<std::string, Outcome> outcomes_;
};

void Tell(char what, std::string_view text) { std::cout << what << text << std::endl; }

}  // namespace

int Work() {
  std::string name;
  while (std::getline(std::cin, name)) {
    const std::optional<Case> which = FindCase(name);
    if (!which.has_value()) {
      std::cerr << "there is no case " << name << "\n";
      return 2;
    }
    Tell(kStep, "warming up");
    const Outcome outcome = GoThrough(*which, [](std::string_view step) { Tell(kStep, step); });
    Tell(kDone, ToLine(outcome));
  }
  return 0;
}

std::map<std::string, Outcome> RunCrowd(const std::vector<Case>& cases, int processes,
                                        Duration patience) {
  return Crowd(cases, patience).Run(processes);
}

}  // namespace roost::hostile
