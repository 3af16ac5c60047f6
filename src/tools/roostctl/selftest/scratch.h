// tools/roostctl/selftest/scratch.h - what checks may write to: a folder of the self-test's own
// beside the node's data, on the same card, and databases of the node's kind in it or in memory.
//
// The folder is made when the first check asks for it and removed at the end. A run that was killed
// leaves its folder behind; the next run removes it: the owner holds a lock on the folder, which
// the kernel drops at its death.
//
// Threads:  any
// Blocks:   on the card
#ifndef ROOST_TOOLS_ROOSTCTL_SELFTEST_SCRATCH_H_
#define ROOST_TOOLS_ROOSTCTL_SELFTEST_SCRATCH_H_

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "roost/pool.h"
#include "roost/sqlite.h"
#include "tools/roostctl/selftest/check.h"

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

// ---- Databases ----------------------------------------------------------------------------------

// The board's profile. The checks of the pool derive from it.
struct ScratchProfile : profiles::RaspberryPi {
  static constexpr const char* kName = "selftest";
  static constexpr Duration kPoolTimeout = std::chrono::seconds(5);
};

// A pool of one connection.
struct OneSlot : ScratchProfile {
  static constexpr int kPoolSize = 1;
  static constexpr int kMaxOverflow = 0;
};

inline constexpr char kScratchSchema[] =
    "CREATE TABLE IF NOT EXISTS reading(id INTEGER PRIMARY KEY, name TEXT, value REAL)";
inline constexpr Sql kScratchInsert{"INSERT INTO reading(name, value) VALUES ($1, $2)"};
inline constexpr Sql kScratchFind{"SELECT name, value FROM reading WHERE id = $1"};
inline constexpr Sql kScratchCount{"SELECT count(*) FROM reading"};

inline SqliteOptions ScratchOptions(std::string path,
                                    SqliteDurability durability = SqliteDurability::kBatch) {
  return {.path = std::move(path), .schema = kScratchSchema, .durability = durability};
}

// The first column of the first row.
absl::StatusOr<int64_t> QueryNumber(Lease& lease, const Sql& sql);
absl::StatusOr<std::string> QueryWord(Lease& lease, const Sql& sql);

// Measures on a database in memory and on one on the card, and puts both together: the worse
// verdict, the figures under "memory" and "file". Where the card cannot be written, in memory only.
using Measure = Result (*)(Context& context, const std::string& path);
Result OnBoth(Context& context, const char* file, Measure measure);

// A pool said something that it should not have: the check fails.
Result Broken(const char* doing, const absl::Status& status);

}  // namespace roost::tools::selftest

#endif  // ROOST_TOOLS_ROOSTCTL_SELFTEST_SCRATCH_H_
