// src/tools/roostctl/selftest_scratch.h - a folder of the self-test's own beside the node's data,
// on the same card, and gone at the end.
//
// It is made when the first check asks for it. A run that was killed leaves its folder behind; the
// next run removes it: the owner holds a lock on the folder, which the kernel drops at its death.
//
// Threads:  any
// Blocks:   on the card
#ifndef SRC_TOOLS_ROOSTCTL_SELFTEST_SCRATCH_H_
#define SRC_TOOLS_ROOSTCTL_SELFTEST_SCRATCH_H_

#include <mutex>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace roost::tools::selftest {

class Scratch {
 public:
  // `folder` without symbolic links; empty: there is none, and File fails.
  explicit Scratch(std::string folder) : folder_(std::move(folder)) {}
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { Remove(); }

  // The path of a file in the scratch folder, which is made if need be. kPermissionDenied: this
  // user may not write there; kFailedPrecondition: there is no folder, or the card takes no writes.
  absl::StatusOr<std::string> File(std::string_view name);
  // Removes the folder with everything in it.
  void Remove();

 private:
  absl::Status Make();

  const std::string folder_;
  std::mutex mutex_;
  std::string path_;  // empty: not made
  int lock_ = -1;     // descriptor of the folder, locked
};

}  // namespace roost::tools::selftest

#endif  // SRC_TOOLS_ROOSTCTL_SELFTEST_SCRATCH_H_
