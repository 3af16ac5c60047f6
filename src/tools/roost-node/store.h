// tools/roost-node/store.h - readings into the database and out again, through the pool.
//
// A batch is one sealed transaction, and each reading is there once: see outbox/batch_writer.h.
#ifndef ROOST_TOOLS_ROOST_NODE_STORE_H_
#define ROOST_TOOLS_ROOST_NODE_STORE_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "outbox/batch_writer.h"
#include "outbox/key.h"
#include "roost/pool.h"
#include "tools/roost-node/reading.h"

namespace roost::tools {

// The tables and the view that people read. For SqliteOptions::schema.
std::string NodeSchema();
// For SqliteOptions: "Rost"; the version of the tables, which stays as long as an older release can go on
// with them; and the table by which a file of before these marks is known.
inline constexpr int32_t kApplicationId = 0x526F7374;
inline constexpr int32_t kUserVersion = 1;
inline constexpr char kOwnTable[] = "reading";

// What one sensor has in the database from this run.
struct SensorSummary {
  std::string name;
  std::string unit;
  int64_t count = 0;
  double least = 0;
  double mean = 0;
  double most = 0;
};

class Store {
 public:
  // `epoch` tells this run's readings from every other's. REQUIRES: `pool` outlives this.
  Store(Pool& pool, uint32_t epoch);

  // OK when the database can be opened and its tables are ours; or kUnavailable, kDeadlineExceeded
  // and the like, when it may be later; or why it cannot be used.
  absl::Status Check(Deadline deadline);
  // Seals at most `most` of the oldest readings and forgets them; returns how many. On error all
  // stay in the buffer. Waits for another process that writes until `lock` only.
  // REQUIRES: the buffer is not empty.
  absl::StatusOr<size_t> Seal(ReadingBuffer& buffer, size_t most, Deadline deadline,
                              Deadline lock = Deadline::Never());
  // What this run has stored, read back with a read lease: the first kMostSensors sensors. `more`:
  // how many others there are, of the first million of the database.
  static constexpr size_t kMostSensors = 1000;
  absl::StatusOr<std::vector<SensorSummary>> ReadBack(Deadline deadline,
                                                      size_t* more = nullptr) const;

 private:
  static absl::Status PrepareAll(Lease& lease);
  static absl::Status AddTimeSource(Lease& lease);
  // The database was begun anew: `status`, with how many readings of this run it lost. OK: none.
  absl::Status TellWhatWent(const absl::Status& status);
  absl::StatusOr<std::map<int64_t, SensorSummary>> ReadValues(Lease& lease, size_t& more) const;
  static absl::Status Insert(const Lease& lease, const outbox::Key& key, const Reading& reading);

  Pool& pool_;
  outbox::BatchWriter writer_;
  int file_changes_ = 0;  // that were told
  size_t stored_ = 0;     // into the file that is there now
};

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOST_NODE_STORE_H_
