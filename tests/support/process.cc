#include "tests/support/process.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include "tests/support/temp_dir.h"

namespace roost::support {
namespace {

using Clock = std::chrono::steady_clock;

struct User {
  uid_t uid;
  gid_t gid;
};

// Who servers run as: "postgres" when this is root's program, else ourselves.
User ServerUser() {
  if (geteuid() != 0) return {geteuid(), getegid()};
  const passwd* entry = getpwnam("postgres");
  if (entry == nullptr) Fail("there is no user \"postgres\"; install the package postgresql-15");
  return {entry->pw_uid, entry->pw_gid};
}

std::string InWords(const Command& command) {
  std::string all;
  for (const std::string& word : command.words) all += (all.empty() ? "" : " ") + word;
  return all;
}

// What a child needs, made before fork: after it, in a program with threads, only system calls are
// safe.
struct Prepared {
  std::vector<char*> argv;
  User user;
  bool change_user;
  int network = -1;
  int input = -1;
  int output = -1;
  bool dies_with_us;
  pid_t parent;
};

int OpenOrFail(const std::string& path, int flags) {
  const int fd = open(path.c_str(), flags | O_CLOEXEC, 0644);
  if (fd < 0) Fail("cannot open " + path + ": " + strerror(errno));
  return fd;
}

Prepared Prepare(const Command& command) {
  Prepared child;
  for (const std::string& word : command.words) {
    child.argv.push_back(const_cast<char*>(word.c_str()));
  }
  child.argv.push_back(nullptr);
  child.user = ServerUser();
  child.change_user = command.as_server_user && geteuid() == 0;
  if (!command.network.empty()) child.network = OpenOrFail(command.network, O_RDONLY);
  child.input = command.input_fd >= 0
                    ? fcntl(command.input_fd, F_DUPFD_CLOEXEC, 3)
                    : OpenOrFail(command.input.empty() ? "/dev/null" : command.input, O_RDONLY);
  child.output = OpenOrFail(command.output.empty() ? "/dev/null" : command.output,
                            O_WRONLY | O_CREAT | O_APPEND);
  child.dies_with_us = command.dies_with_us;
  child.parent = getpid();
  return child;
}

// Runs in the child. Ends with exec, or with exit code 127.
[[noreturn]] void Become(const Prepared& child) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  setsid();  // a Ctrl-C at the terminal ends the test, which then ends its servers in order
  if (child.network >= 0 && setns(child.network, CLONE_NEWNET) != 0) _exit(127);
  if (child.change_user && (setgroups(1, &child.user.gid) != 0 || setgid(child.user.gid) != 0 ||
                            setuid(child.user.uid) != 0)) {
    _exit(127);
  }
  if (child.dies_with_us) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);  // after setuid, which takes it back
    if (getppid() != child.parent) _exit(127);
  }
  dup2(child.input, STDIN_FILENO);
  dup2(child.output, STDOUT_FILENO);
  dup2(child.output, STDERR_FILENO);
  execvp(child.argv[0], child.argv.data());
  _exit(127);
}

}  // namespace

void Fail(std::string_view sentence) {
  fprintf(stderr, "test kit: %.*s\n", static_cast<int>(sentence.size()), sentence.data());
  fflush(stderr);
  std::abort();
}

bool WaitUntil(const std::function<bool()>& condition, std::chrono::milliseconds limit) {
  const auto until = Clock::now() + limit;
  while (!condition()) {
    if (Clock::now() >= until) return condition();
    poll(nullptr, 0, 2);
  }
  return true;
}

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

void WriteFile(const std::string& path, std::string_view text, mode_t mode) {
  // By its descriptor: whom the file is for may take it away as soon as it is there.
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  bool written = file >= 0 && fchmod(file, mode) == 0;
  while (written && !text.empty()) {
    const ssize_t size = write(file, text.data(), text.size());
    written = size > 0;
    text.remove_prefix(written ? static_cast<size_t>(size) : 0);
  }
  if (file < 0 || close(file) != 0 || !written) Fail("cannot write " + path);
}

void GiveToServerUser(const std::string& path) {
  const User user = ServerUser();
  if (geteuid() == 0 && chown(path.c_str(), user.uid, user.gid) != 0) {
    Fail("cannot give " + path + " to the user of the servers");
  }
}

Process::Process(const Command& command) {
  const Prepared child = Prepare(command);
  pid_ = fork();
  if (pid_ == 0) Become(child);
  if (pid_ < 0) Fail("cannot fork");
  close(child.input);
  close(child.output);
  if (child.network >= 0) close(child.network);
}

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, 0)), status_(other.status_) {}

Process& Process::operator=(Process&& other) noexcept {
  if (this != &other) {
    Kill();
    pid_ = std::exchange(other.pid_, 0);
    status_ = other.status_;
  }
  return *this;
}

void Process::Signal(int number) const {
  if (pid_ == 0 || kill(pid_, number) != 0) Fail("no process to send a signal to");
}

bool Process::Wait(std::chrono::milliseconds limit) {
  if (pid_ == 0) return true;
  const bool ended = WaitUntil([this] { return waitpid(pid_, &status_, WNOHANG) == pid_; }, limit);
  if (ended) pid_ = 0;
  return ended;
}

void Process::Kill() {
  if (pid_ == 0) return;
  kill(pid_, SIGKILL);
  while (waitpid(pid_, &status_, 0) < 0 && errno == EINTR) {
  }
  pid_ = 0;
}

Finished RunToEnd(Command command) {
  const TempDir dir;
  const bool own_output = command.output.empty();
  if (own_output) command.output = dir.File("output");
  Process process(command);
  if (!process.Wait()) Fail("does not end: " + InWords(command));
  const int status = process.exit_status();
  return {.exit = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status),
          .output = own_output ? ReadFile(command.output) : ""};
}

std::string RunOrFail(const Command& command) {
  const Finished finished = RunToEnd(command);
  if (finished.exit != 0) {
    Fail("exit code " + std::to_string(finished.exit) + ": " + InWords(command) + "\n" +
         finished.output);
  }
  return finished.output;
}

}  // namespace roost::support
