#include "backends/sqlite/options.h"

#include <sqlite3.h>

#include <algorithm>
#include <string>

#include "backends/sqlite/checkpoint_memory.h"
#include "base/utf8.h"
#include "roost/sqlite_memory.h"
#include "statements/text.h"

namespace roost::sqlite {
namespace {

using internal::Concat;

absl::Status Wrong(std::string_view sentence) {
  return absl::InvalidArgumentError(internal::PlainText(Concat({"SqliteOptions: ", sentence})));
}

absl::Status CheckRange(std::string_view name, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return Wrong(Concat({name, " is ", internal::Digits(value), ", may be ", internal::Digits(low),
                       " to ", internal::Digits(high)}));
}

absl::Status CheckPath(const SqliteOptions& options) {
  const std::string& path = options.path;
  if (path.empty()) return Wrong("path is empty; name a file, or \":memory:\"");
  if (path.find('\0') != std::string::npos) return Wrong("path contains a zero byte");
  if (path.starts_with("file:")) {
    return Wrong(Concat({"path is a URI: ", path, "; give the plain path of the file"}));
  }
  if (path.back() == '/') {
    return Wrong(Concat({"path is a directory: ", path, "; name a file in it"}));
  }
  return absl::OkStatus();
}

// A longer log than this has no memory for its checkpoint, and would never be cut again.
absl::Status CheckLog(const SqliteOptions& options) {
  const int64_t most = HasBoundedMemory() ? kSqliteLogPages : 1 << 20;
  if (MaxLogPages(options) > most) {
    return Wrong(Concat({"max_log_pages is ", internal::Digits(MaxLogPages(options)),
                         " (16 times checkpoint_pages, if it is 0), and the SqliteMemory has room "
                         "for a checkpoint of ",
                         internal::Digits(most)}));
  }
  if (options.checkpoint_pages <= MaxLogPages(options) / 4) return absl::OkStatus();
  return Wrong("checkpoint_pages is more than a quarter of max_log_pages");
}

absl::Status CheckMigrations(const SqliteOptions& options) {
  int32_t before = 0;
  for (const Migration& migration : options.migrations) {
    const std::string number = internal::Digits(migration.version);
    if (migration.version <= before) {
      return Wrong(
          Concat({"migrations: ", number, " comes after ", internal::Digits(before),
                  "; each number has to be greater than the one before, the first at least "
                  "1"}));
    }
    if (migration.sql.find('\0') != std::string_view::npos) {
      return Wrong(Concat({"migrations: the script of ", number, " contains a zero byte"}));
    }
    before = migration.version;
  }
  if (options.migrations.empty()) return absl::OkStatus();
  if (!options.schema.empty()) {
    return Wrong("migrations and schema make the same tables; leave schema out");
  }
  if (options.user_version != 0) {
    return Wrong("user_version is the number of the last migration; leave user_version out");
  }
  if (options.read_only)
    return Wrong("migrations cannot be run with read_only; leave one of them out");
  return absl::OkStatus();
}

absl::Status CheckTogether(const SqliteOptions& options) {
  if (options.schema.find('\0') != std::string::npos) return Wrong("schema contains a zero byte");
  if (options.read_only && !options.schema.empty()) {
    return Wrong("schema cannot be run with read_only; leave one of them out");
  }
  if (IsMemory(options) && options.read_only) {
    return Wrong("read_only makes no sense with \":memory:\", which starts empty");
  }
  if (IsMemory(options) && !options.vfs.empty()) {
    return Wrong("vfs makes no sense with \":memory:\", which has its own");
  }
  if (options.own_table.find('\0') != std::string::npos || options.own_table.size() > 64) {
    return Wrong("own_table is no name of a table");
  }
  if (!options.vfs.empty() && sqlite3_vfs_find(options.vfs.c_str()) == nullptr) {
    return Wrong(Concat({"no SQLite VFS is registered as \"", options.vfs, "\""}));
  }
  return absl::OkStatus();
}

}  // namespace

bool IsMemory(const SqliteOptions& options) { return options.path == ":memory:"; }

int32_t LatestVersion(const SqliteOptions& options) {
  return options.migrations.empty() ? options.user_version : options.migrations.back().version;
}

bool IsMarked(const SqliteOptions& options) {
  return options.application_id != 0 || !options.migrations.empty();
}

int MaxLogPages(const SqliteOptions& options) {
  if (options.max_log_pages != 0) return options.max_log_pages;
  return std::max(kSqliteLogPages, 16 * options.checkpoint_pages);
}

absl::Status Validate(const SqliteOptions& options) {
  for (const absl::Status& status :
       {CheckPath(options), CheckRange("cache_kib", options.cache_kib, 16, 65536),
        CheckRange("checkpoint_pages", options.checkpoint_pages, 1, 65536),
        CheckRange("max_log_pages", MaxLogPages(options), 1024, 1 << 20), CheckLog(options),
        CheckRange("max_kib", options.max_kib, 0, kMaxKib),
        CheckRange("max_value_bytes", options.max_value_bytes, 1024, 1 << 30),
        CheckMigrations(options), CheckTogether(options)}) {
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace roost::sqlite
