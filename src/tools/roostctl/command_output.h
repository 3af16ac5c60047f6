// tools/roostctl/command_output.h - runs a program and takes what it prints, for a bounded
// time.
//
// Threads:  any
// Blocks:   until the program ends or the deadline passes; then it is killed
// Errors:   kNotFound: there is no such program; kDeadlineExceeded; kUnavailable: it failed
#ifndef ROOST_TOOLS_ROOSTCTL_COMMAND_OUTPUT_H_
#define ROOST_TOOLS_ROOSTCTL_COMMAND_OUTPUT_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "roost/platform.h"

namespace roost::tools {

// Standard output of `arguments[0]`, a path. Its input and its standard error are /dev/null.
absl::StatusOr<std::string> CommandOutput(Platform& platform, std::vector<std::string> arguments,
                                          Deadline deadline);

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOSTCTL_COMMAND_OUTPUT_H_
