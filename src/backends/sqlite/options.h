// backends/sqlite/options.h - checks SqliteOptions.
#ifndef ROOST_BACKENDS_SQLITE_OPTIONS_H_
#define ROOST_BACKENDS_SQLITE_OPTIONS_H_

#include "absl/status/status.h"
#include "roost/sqlite.h"

namespace roost::sqlite {

inline constexpr int64_t kMaxKib = int64_t{1} << 40;

bool IsMemory(const SqliteOptions& options);
// max_log_pages, or what stands for its 0.
int MaxLogPages(const SqliteOptions& options);

// The number of the last migration; user_version where there are none.
int32_t LatestVersion(const SqliteOptions& options);
// The backend sets the file's application_id and user_version, or looks at them.
bool IsMarked(const SqliteOptions& options);

// kInvalidArgument with a sentence that names the option, what it is and what it may be.
absl::Status Validate(const SqliteOptions& options);

}  // namespace roost::sqlite

#endif  // ROOST_BACKENDS_SQLITE_OPTIONS_H_
