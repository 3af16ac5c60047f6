// telemetry/path_lock.h - which process a path belongs to: the one that has locked a file beside it.
//
// The kernel gives a lock back when its process ends, however that ends; so the file says nothing by being there,
// and is never removed: whoever waited for it would lock a file without a name. A child of fork does not inherit
// the lock. One PathLock for a file in a process: its end gives back what another one of the process has.
//
// Threads:  one at a time
// Blocks:   never; a lock that another process has is not waited for
// Memory:   8 bytes and one descriptor; Take uses the heap only to say what was wrong
#ifndef ROOST_TELEMETRY_PATH_LOCK_H_
#define ROOST_TELEMETRY_PATH_LOCK_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace roost::telemetry {

class PathLock {
 public:
  PathLock() = default;
  ~PathLock() { Release(); }
  PathLock(const PathLock&) = delete;
  PathLock& operator=(const PathLock&) = delete;

  // Locks the file `path`, which is made where it is not there. OK also when this process has it locked already;
  // to be called again before each use, as somebody may have removed the file. kAlreadyExists: another process
  // has it: holder(). kNotFound: its folder is not there; kUnavailable: what else the kernel refuses.
  absl::Status Take(const char* path);
  // After kAlreadyExists: "process 4711".
  std::string holder() const;
  void Release();

 private:
  int fd_ = -1;
  int64_t holder_ = 0;
};

}  // namespace roost::telemetry

#endif  // ROOST_TELEMETRY_PATH_LOCK_H_
