// telemetry/metrics_file.h - Prometheus' text in a file that node_exporter's textfile collector reads.
//
// The collector takes every NAME.prom of its folder at any moment. So the text is written into another
// file, whose name does not end so, and renamed.
//
//   MetricsFile file("/run/roost/node.prom");
//   file.Write(text);
//   absl::Status status = file.Finish();
//
// Threads:  one for a path; the processes that write one path do not mix their texts, and the last one counts
// Blocks:   for the writes; nothing is synced, as the file belongs into memory
// Memory:   some 1 KB, in the object
// Errors:   of the first step that failed. What was there before stays
#ifndef ROOST_TELEMETRY_METRICS_FILE_H_
#define ROOST_TELEMETRY_METRICS_FILE_H_

#include <string_view>

#include "absl/status/status.h"
#include "base/text.h"

namespace roost::telemetry {

class MetricsFile {
 public:
  explicit MetricsFile(std::string_view path);
  ~MetricsFile();
  MetricsFile(const MetricsFile&) = delete;
  MetricsFile& operator=(const MetricsFile&) = delete;

  // After an error nothing more is written.
  void Write(std::string_view text);
  // Gives the file its name. kNotFound: its folder is not there; kInvalidArgument: the path is empty or too
  // long; kUnavailable: what else the kernel refuses.
  absl::Status Finish();

 private:
  using Path = internal::BoundedText<511>;

  void Fail(std::string_view what);

  const Path path_;
  Path aside_;
  int fd_ = -1;
  absl::Status status_;
};

}  // namespace roost::telemetry

#endif  // ROOST_TELEMETRY_METRICS_FILE_H_
