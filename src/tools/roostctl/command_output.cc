#include "tools/roostctl/command_output.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <optional>

extern char** environ;

namespace roost::tools {
namespace {

constexpr size_t kMost = 64 * 1024;

// The program with its standard output in `output`; nothing and an errno when it did not start.
std::optional<pid_t> Start(std::vector<std::string>& arguments, int output, int& error) {
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t pid = -1;
  error = posix_spawn(&pid, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  return error == 0 ? std::optional(pid) : std::nullopt;
}

// Reads to the end; false: the deadline came first.
bool ReadAll(Platform& platform, int fd, Deadline deadline, std::string& text) {
  char bytes[4096];
  while (text.size() < kMost) {
    const IoEvents seen = platform.WaitForDescriptor(fd, {.readable = true}, deadline);
    if (!seen.any()) return false;
    const ssize_t got = read(fd, bytes, sizeof bytes);
    if (got <= 0) return true;
    text.append(bytes, static_cast<size_t>(got));
  }
  return true;
}

}  // namespace

absl::StatusOr<std::string> CommandOutput(Platform& platform, std::vector<std::string> arguments,
                                          Deadline deadline) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return absl::UnavailableError("no more descriptors");
  int error = 0;
  const std::optional<pid_t> pid = Start(arguments, ends[1], error);
  close(ends[1]);
  std::string text;
  bool in_time = true;
  if (pid.has_value()) in_time = ReadAll(platform, ends[0], deadline, text);
  close(ends[0]);
  if (!pid.has_value()) return absl::NotFoundError(arguments[0] + ": " + std::strerror(error));
  if (!in_time) kill(*pid, SIGKILL);
  int status = 0;
  waitpid(*pid, &status, 0);
  if (!in_time) return absl::DeadlineExceededError(arguments[0] + " did not answer");
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return absl::UnavailableError(arguments[0] + " failed");
  }
  return text;
}

}  // namespace roost::tools
