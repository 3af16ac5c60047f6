#include "tests/tools/program.h"

#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sstream>

extern char** environ;

namespace roost::testing {
namespace {

using Clock = std::chrono::steady_clock;

struct Pipe {
  int read_end = -1;
  int write_end = -1;
};

Pipe MakePipe() {
  int ends[2];
  EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
  return {ends[0], ends[1]};
}

// A terminal; what is written to write_end comes out of read_end.
Pipe MakeTerminal() {
  Pipe terminal;
  EXPECT_EQ(openpty(&terminal.read_end, &terminal.write_end, nullptr, nullptr, nullptr), 0);
  fcntl(terminal.read_end, F_SETFD, FD_CLOEXEC);
  fcntl(terminal.write_end, F_SETFD, FD_CLOEXEC);
  return terminal;
}

void CloseFd(int& fd) {
  if (fd >= 0) close(fd);
  fd = -1;
}

// The emulator of a cross-build, with its arguments, and the program's own.
std::vector<std::string> CommandLine(const std::vector<std::string>& arguments) {
  std::vector<std::string> all;
  std::istringstream emulator(ROOST_TEST_EMULATOR);
  for (std::string word; emulator >> word;) all.push_back(word);
  all.insert(all.end(), arguments.begin(), arguments.end());
  return all;
}

}  // namespace

Program::Program(const std::vector<std::string>& arguments) { Start(arguments, {}); }

Program::Program(const std::vector<std::string>& arguments, const Options& options) {
  Start(arguments, options);
}

void Program::Start(const std::vector<std::string>& arguments, const Options& options) {
  signal(SIGPIPE, SIG_IGN);  // of a program that ended before it read everything
  const Pipe in = MakePipe();
  const Pipe out = MakePipe();
  const Pipe err = options.terminal ? MakeTerminal() : MakePipe();
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in.read_end, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out.write_end, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err.write_end, STDERR_FILENO);
  if (!options.folder.empty()) {
    posix_spawn_file_actions_addchdir_np(&actions, options.folder.c_str());
  }
  std::vector<std::string> words = CommandLine(arguments);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  // What the program leaves in a user's folder belongs to the test alone.
  std::vector<char*> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (!std::string_view(*entry).starts_with("XDG_RUNTIME_DIR=")) environment.push_back(*entry);
  }
  std::string runtime = "XDG_RUNTIME_DIR=" + options.runtime_dir;
  if (!options.runtime_dir.empty()) environment.push_back(runtime.data());
  environment.push_back(nullptr);
  const int error =
      posix_spawnp(&pid_, argv[0], &actions, nullptr, argv.data(), environment.data());
  EXPECT_EQ(error, 0) << words[0];
  posix_spawn_file_actions_destroy(&actions);
  close(in.read_end);
  close(out.write_end);
  close(err.write_end);
  input_ = in.write_end;
  output_fd_ = out.read_end;
  errors_fd_ = err.read_end;
}

Program::~Program() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  CloseFd(input_);
  CloseFd(output_fd_);
  CloseFd(errors_fd_);
}

void Program::Write(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(input_, text.data(), text.size());
    if (written <= 0) return;
    text.remove_prefix(static_cast<size_t>(written));
  }
}

void Program::CloseInput() { CloseFd(input_); }

void Program::Signal(int number) const { EXPECT_EQ(kill(pid_, number), 0); }

void Program::ReadFrom(int& fd, std::string& into) {
  char bytes[4096];
  const ssize_t got = read(fd, bytes, sizeof bytes);
  if (got > 0) {
    into.append(bytes, static_cast<size_t>(got));
  } else if (got == 0 || errno != EINTR) {
    CloseFd(fd);  // a terminal ends with EIO
  }
}

bool Program::Read(Clock::time_point until) {
  if (output_fd_ < 0 && errors_fd_ < 0) return false;
  pollfd watched[2] = {{output_fd_, POLLIN, 0}, {errors_fd_, POLLIN, 0}};
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(
      std::max(until - Clock::now(), Clock::duration(0)));
  poll(watched, 2, static_cast<int>(left.count()));
  if (watched[0].revents != 0) ReadFrom(output_fd_, output_);
  if (watched[1].revents != 0) ReadFrom(errors_fd_, errors_);
  return true;
}

std::string Program::WaitForError(std::string_view text) {
  const auto until = Clock::now() + kPatience;
  while (true) {
    const size_t at = errors_.find(text, seen_);
    const size_t end = at == std::string::npos ? at : errors_.find('\n', at);
    if (end != std::string::npos) {
      seen_ = end;
      const size_t before = errors_.rfind('\n', at);
      const size_t begin = before == std::string::npos ? 0 : before + 1;
      return errors_.substr(begin, end - begin);
    }
    if (Clock::now() >= until || !Read(until)) break;
  }
  ADD_FAILURE() << "never said \"" << text << "\"; it said:\n" << errors_ << output_;
  return "";
}

int Program::Wait() {
  const auto until = Clock::now() + kPatience;
  while (Read(until)) {
    if (Clock::now() < until) continue;
    ADD_FAILURE() << "did not end; it said:\n" << errors_ << output_;
    kill(pid_, SIGKILL);
    break;
  }
  int status = 0;
  EXPECT_EQ(waitpid(pid_, &status, 0), pid_);
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

Outcome RunProgram(const std::vector<std::string>& arguments, std::string_view input) {
  Program program(arguments);
  program.Write(input);
  program.CloseInput();
  Outcome outcome;
  outcome.exit = program.Wait();
  outcome.output = program.output();
  outcome.errors = program.errors();
  return outcome;
}

}  // namespace roost::testing
