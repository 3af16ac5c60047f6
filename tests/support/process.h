// tests/support/process.h - other programs, for tests that need real servers around them.
//
// A kit that cannot do its work ends the test program with a sentence (Fail): a test that went on
// without its server would prove nothing.
//
// Threads:  any; a process that dies with us dies with the thread that started it
// Blocks:   RunToEnd, until the program ends; WaitUntil and Process::Wait up to their limit
// Memory:   the heap
// Errors:   Fail
#ifndef ROOST_TESTS_SUPPORT_PROCESS_H_
#define ROOST_TESTS_SUPPORT_PROCESS_H_

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace roost::support {

// Only ends what would hang for ever; nothing here takes so long on a machine that works.
inline constexpr std::chrono::seconds kLongest{60};

// Writes the sentence to standard error and aborts.
[[noreturn]] void Fail(std::string_view sentence);

// Asks `condition` every few milliseconds. False: it did not come true within `limit`.
bool WaitUntil(const std::function<bool()>& condition, std::chrono::milliseconds limit = kLongest);

// The text of a file; empty when there is none.
std::string ReadFile(const std::string& path);
// `mode`: what the file's permissions shall be.
void WriteFile(const std::string& path, std::string_view text, mode_t mode = 0644);

struct Command {
  std::vector<std::string> words{};  // the program, looked up in PATH, and its arguments
  // PostgreSQL and PgBouncer refuse to run as root: as the user "postgres" then.
  bool as_server_user = false;
  // File of the network namespace to run in. Empty: ours.
  std::string network{};
  std::string input{};   // file to read from; empty: nothing
  std::string output{};  // file that what it prints is appended to; empty: thrown away
  int input_fd = -1;     // instead of `input`
  // Killed when the thread that started it ends, however that comes.
  bool dies_with_us = true;
};

// Makes `path` belong to the user that servers run as.
void GiveToServerUser(const std::string& path);

// A running program. Killed at the end of the object, if it still runs.
class Process {
 public:
  Process() = default;
  explicit Process(const Command& command);
  Process(Process&& other) noexcept;
  Process& operator=(Process&& other) noexcept;
  ~Process() { Kill(); }

  pid_t pid() const { return pid_; }  // 0: none, or ended and waited for
  void Signal(int number) const;
  // True: it ended within `limit`, and has been waited for.
  bool Wait(std::chrono::milliseconds limit = kLongest);
  int exit_status() const { return status_; }  // as waitpid gives it, after Wait
  void Kill();                                 // SIGKILL, and waits for it

 private:
  pid_t pid_ = 0;
  int status_ = 0;
};

struct Finished {
  int exit = 0;  // -SIGNAL when it was killed
  std::string output{};
};
Finished RunToEnd(Command command);
// The same; Fail when it does not exit with 0.
std::string RunOrFail(const Command& command);

}  // namespace roost::support

#endif  // ROOST_TESTS_SUPPORT_PROCESS_H_
