// telemetry/status_file.h - the file in which a running node tells about itself.
//
// The file is one JSON object (status_json.h), replaced as a whole every few seconds: a reader sees
// the old one or the new one, never half of one. It is there while the node runs; a clean end
// removes it, a kill leaves it behind with a process identifier that is gone and an age that grows.
// It holds no secrets and is readable by everyone.
//
// Threads:  none shared; one writer for a path, of all processes
// Blocks:   for a write to the file's folder, which should be in memory (/run)
// Memory:   the text, some 6 KB, while it is written or read
// Errors:   kNotFound: there is no file, no node runs; kInvalidArgument: it is not a status file;
//           kUnavailable: it cannot be written or read now
// Example:
//   const auto status = roost::telemetry::ReadStatusFile(roost::telemetry::kStatusFile);
//   if (status.ok()) std::puts(Trouble(*status, roost::BootMicros()).c_str());
#ifndef ROOST_TELEMETRY_STATUS_FILE_H_
#define ROOST_TELEMETRY_STATUS_FILE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "telemetry/node_status.h"
#include "telemetry/path_lock.h"

namespace roost::telemetry {

// Where the service of the package writes it (RuntimeDirectory=roost).
inline constexpr char kStatusFile[] = "/run/roost/status.json";

// Writes the file again and again. A path belongs to one process, which has PATH.lock locked: see path_lock.h.
//
// Threads:  one
// Blocks:   Write for the write of a small file; it is not synced
// Memory:   kMostBytes, taken by the constructor; Write takes none unless it fails
class StatusFile {
 public:
  // Four times what a node with a remote needs.
  static constexpr size_t kMostBytes = 16384;

  explicit StatusFile(const std::string& path);
  // Replaces the file, through PATH.new beside it. kNotFound: the folder is gone; kUnavailable:
  // anything else that the card or the kernel refuses; kResourceExhausted: more than kMostBytes;
  // kAlreadyExists: another process writes it, and it stays as it is.
  absl::Status Write(const NodeStatus& status);
  // Removes the file if it was written here.
  void Remove();
  const std::string& path() const { return path_; }

 private:
  const std::string path_;
  const std::string next_;
  const std::string lock_path_;
  PathLock lock_;
  bool written_ = false;
  std::string text_;
};

// Once.
absl::Status WriteStatusFile(const std::string& path, const NodeStatus& status);
absl::StatusOr<NodeStatus> ReadStatusFile(const std::string& path);

}  // namespace roost::telemetry

#endif  // ROOST_TELEMETRY_STATUS_FILE_H_
