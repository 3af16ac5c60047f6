// tools/roostctl/selftest/report.h - the findings of a run as a table, as TAP 13, as JSON.
//
// The table and TAP are printed line by line as the checks end; JSON as a whole at the end. The
// names in JSON are stable:
//
//   program, version, board, folder, db
//   result    "pass", "warn" or "fail": the worst of all
//   exit      the exit code
//   took_s, written_bytes (by this program, as far as the kernel tells; else null)
//   counts    {pass, warn, fail, skip}
//   checks    [{name, what, verdict, measured, bound, advice, took_s, limit_s, figures}]
//
// verdict is "pass", "warn", "fail" or "skip"; measured, bound and advice are for people and may
// change; figures is an object of the numbers behind `measured`, whose names end with their unit.
#ifndef ROOST_TOOLS_ROOSTCTL_SELFTEST_REPORT_H_
#define ROOST_TOOLS_ROOSTCTL_SELFTEST_REPORT_H_

#include <cstdio>
#include <optional>
#include <string>

#include "tools/roostctl/selftest/run.h"

namespace roost::tools::selftest {

enum class Form : uint8_t { kTable, kTap, kJson };

// About the run as a whole.
struct Heading {
  std::string board{};
  std::string folder{};
  std::string db{};
  bool strict = false;
};

// 0: everything passed, warnings allowed; 1: something failed, or warned with --strict.
int ExitCode(const Run& run, bool strict);

class Report {
 public:
  Report(Form form, Heading heading, std::FILE* out = stdout)
      : form_(form), heading_(std::move(heading)), out_(out) {}

  void Begin(size_t checks);
  void Add(const Finding& finding);
  void End(const Run& run, std::optional<uint64_t> written_bytes);

 private:
  void PrintLine(const Finding& finding);
  void PrintTap(const Finding& finding);
  void EndTable(const Run& run, std::optional<uint64_t> written_bytes);
  void EndJson(const Run& run, std::optional<uint64_t> written_bytes);

  const Form form_;
  const Heading heading_;
  std::FILE* const out_;
  size_t count_ = 0;
};

// Name, time limit and what of each check.
void PrintList(std::FILE* out = stdout);

}  // namespace roost::tools::selftest

#endif  // ROOST_TOOLS_ROOSTCTL_SELFTEST_REPORT_H_
