// tools/roostctl/doctor/report.h - what `roostctl doctor` prints: findings as lines for people, as JSON, and a bundle
// to be attached to a report. All of it may be pasted: passwords are taken out.
//
// Threads:  values
// Blocks:   BundleText for commands that it runs, some seconds at most
// Memory:   the text
// Errors:   none; WriteBundle: kUnavailable, with the path
#ifndef ROOST_TOOLS_ROOSTCTL_DOCTOR_REPORT_H_
#define ROOST_TOOLS_ROOSTCTL_DOCTOR_REPORT_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "roost/platform.h"
#include "tools/roostctl/doctor/gather.h"
#include "tools/roostctl/doctor/rules.h"

namespace roost::tools::doctor {

struct Patient {
  Looked looked{};
  Diagnosis diagnosis{};
};

// 0: nothing that hurts was found; 1: something of severity fail, with `strict` of any; 3 and 4 as `roostctl status`
// has them, whatever was found besides.
int ExitCodeOf(const Patient& patient, bool strict);

// No line is longer than `width`, but for commands and what has no blank.
std::string ReportText(const Patient& patient, int width);
// One object for all.
Json ReportJson(const std::vector<Patient>& patients, bool strict);
// `roostctl doctor --list`, `--explain`.
std::string ListText(int width);
std::string ExplainText(const Rule& rule, int width);

// Versions, findings, answers, the checks that were made, and the latest lines of the node's journal where `journal`
// may be asked for; at most kMostBundle.
inline constexpr size_t kMostBundle = 256 * 1024;
std::string BundleText(Platform& platform, const std::vector<Patient>& patients, bool journal);
// With mode 0600. A file that is there is replaced.
absl::Status WriteBundle(const std::string& path, std::string_view text);

}  // namespace roost::tools::doctor

#endif  // ROOST_TOOLS_ROOSTCTL_DOCTOR_REPORT_H_
