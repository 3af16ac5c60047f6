// tests/tools/program.h - runs a real program for a test: feeds it, waits for what it prints, ends
// it.
//
// Threads:  one
// Blocks:   every wait ends after kPatience at the latest, with a failure that shows the output
#ifndef ROOST_TESTS_TOOLS_PROGRAM_H_
#define ROOST_TESTS_TOOLS_PROGRAM_H_

#include <sys/types.h>

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace roost::testing {

class Program {
 public:
  // Far more than a program needs; only a failure waits so long.
  static constexpr std::chrono::seconds kPatience{60};

  struct Options {
    bool terminal = false;      // standard error is a terminal
    std::string folder{};       // working directory; empty: the test's
    std::string runtime_dir{};  // $XDG_RUNTIME_DIR; empty: it is not set
  };
  // Starts `arguments[0]`, through the emulator of a cross-build if there is one.
  explicit Program(const std::vector<std::string>& arguments);
  Program(const std::vector<std::string>& arguments, const Options& options);
  ~Program();  // kills it, if it still runs
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  void Write(std::string_view text);
  void CloseInput();
  void Signal(int number) const;

  // Waits until standard error has `text` after the end of what was waited for before; returns the
  // line it is in, without its end. Empty: it never came.
  std::string WaitForError(std::string_view text);
  // Waits for its end. The exit code, or -SIGNAL.
  int Wait();

  const std::string& output() const { return output_; }
  const std::string& errors() const { return errors_; }
  pid_t pid() const { return pid_; }

 private:
  void Start(const std::vector<std::string>& arguments, const Options& options);
  // Reads what is there, waiting for something. False: both streams have ended.
  bool Read(std::chrono::steady_clock::time_point until);
  void ReadFrom(int& fd, std::string& into);

  pid_t pid_ = -1;
  int input_ = -1;
  int output_fd_ = -1;
  int errors_fd_ = -1;
  std::string output_;
  std::string errors_;
  size_t seen_ = 0;  // of errors_, by WaitForError
};

// What a program that is not fed and not disturbed did.
struct Outcome {
  int exit = 0;
  std::string output;
  std::string errors;
};
Outcome RunProgram(const std::vector<std::string>& arguments, std::string_view input = {});

}  // namespace roost::testing

#endif  // ROOST_TESTS_TOOLS_PROGRAM_H_
