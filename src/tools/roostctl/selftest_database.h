// src/tools/roostctl/selftest_database.h - the scratch databases that checks work on: the node's
// kind of pool, a table, a few statements.
#ifndef SRC_TOOLS_ROOSTCTL_SELFTEST_DATABASE_H_
#define SRC_TOOLS_ROOSTCTL_SELFTEST_DATABASE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "roost/pool.h"
#include "roost/sqlite.h"
#include "tools/roostctl/selftest.h"

namespace roost::tools::selftest {

// The board's profile. The checks of the pool derive from it.
struct ScratchProfile : profiles::RaspberryPi {
  static constexpr const char* kName = "selftest";
  static constexpr Duration kPoolTimeout = std::chrono::seconds(5);
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

#endif  // SRC_TOOLS_ROOSTCTL_SELFTEST_DATABASE_H_
