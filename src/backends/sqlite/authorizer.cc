#include "backends/sqlite/authorizer.h"

#include <sqlite3.h>

namespace roost::sqlite {
namespace {

// Why a pragma is refused; kHarmless: it is not.
enum class Why : uint8_t {
  kHarmless,
  kTime,
  kLog,
  kDurable,
  kMemory,
  kLanes,
  kPages,
  kMapped,
  kMark
};

const char* ReasonOf(Why why) {
  switch (why) {
    case Why::kHarmless:
      return nullptr;
    case Why::kTime:
      return "waiting is bounded by the lease's deadline";
    case Why::kLog:
      return "the backend keeps the write-ahead log: see SqliteOptions";
    case Why::kDurable:
      return "choose SqliteOptions::durability, or seal";
    case Why::kMemory:
      return "the backend bounds memory: see SqliteOptions";
    case Why::kLanes:
      return "readers and the writer are divided by the pool";
    case Why::kPages:
      return "set SqliteOptions::max_kib";
    case Why::kMark:
      return "it marks whose database it is, and of which version: see "
             "SqliteOptions::application_id, user_version and migrations";
    case Why::kMapped:
      return "a read error on a mapped card kills the process";
  }
  return nullptr;
}

// Without pointers, which the loader would have to write into every process at its start.
struct PragmaRule {
  char name[21];
  Why why;
};

// Pragmas with a value. Those in no row change the session (Trace::kSession).
constexpr PragmaRule kPragmas[] = {
    // Their value is a question, or lives in the database itself.
    {"foreign_key_check", Why::kHarmless},
    {"foreign_key_list", Why::kHarmless},
    {"incremental_vacuum", Why::kHarmless},
    {"index_info", Why::kHarmless},
    {"index_list", Why::kHarmless},
    {"index_xinfo", Why::kHarmless},
    {"integrity_check", Why::kHarmless},
    {"optimize", Why::kHarmless},
    {"quick_check", Why::kHarmless},
    {"table_info", Why::kHarmless},
    {"table_list", Why::kHarmless},
    {"table_xinfo", Why::kHarmless},
    {"wal_checkpoint", Why::kHarmless},
    // Ends with the transaction.
    {"defer_foreign_keys", Why::kHarmless},
    // They live in the database, and are the backend's where it marks it.
    {"application_id", Why::kMark},
    {"user_version", Why::kMark},
    // They would break what the pool promises.
    {"busy_timeout", Why::kTime},
    {"cache_size", Why::kMemory},
    {"cache_spill", Why::kMemory},
    {"data_store_directory", Why::kMemory},
    {"hard_heap_limit", Why::kMemory},
    {"journal_mode", Why::kLog},
    {"journal_size_limit", Why::kLog},
    {"locking_mode", Why::kLanes},
    {"max_page_count", Why::kPages},
    {"mmap_size", Why::kMapped},
    {"query_only", Why::kLanes},
    {"soft_heap_limit", Why::kMemory},
    {"synchronous", Why::kDurable},
    {"temp_store", Why::kMemory},
    {"temp_store_directory", Why::kMemory},
    {"threads", Why::kMemory},
    {"wal_autocheckpoint", Why::kLog},
};

Permit AuthorizePragma(const char* name, const char* value, bool is_marked) {
  if (value == nullptr || name == nullptr) return {};
  for (const PragmaRule& pragma : kPragmas) {
    if (sqlite3_stricmp(pragma.name, name) != 0) continue;
    const bool allowed = pragma.why == Why::kHarmless || (pragma.why == Why::kMark && !is_marked);
    return {allowed, Trace::kNothing, allowed ? nullptr : ReasonOf(pragma.why)};
  }
  return {true, Trace::kSession, nullptr};
}

}  // namespace

Permit Authorize(int action, const char* first, const char* second, bool is_marked) {
  switch (action) {
    case SQLITE_PRAGMA:
      return AuthorizePragma(first, second, is_marked);
    case SQLITE_TRANSACTION:
      return {true, Trace::kNothing, nullptr, true};
    case SQLITE_DELETE:
      return {.rows = RowChange::kDeletes};
    case SQLITE_INSERT:
    case SQLITE_UPDATE:
      return {.rows = RowChange::kWrites};
    case SQLITE_ATTACH:
    case SQLITE_DETACH:
      return {false, Trace::kNothing,
              "ATTACH, DETACH and VACUUM are refused: a pooled connection has one database; a copy "
              "of it "
              "(VACUUM INTO) is made by roost::Backup, see sqlite_backup.h"};
    case SQLITE_CREATE_TEMP_INDEX:
    case SQLITE_CREATE_TEMP_TABLE:
    case SQLITE_CREATE_TEMP_TRIGGER:
    case SQLITE_CREATE_TEMP_VIEW:
      return {true, Trace::kTemporary, nullptr};
    default:
      return {};
  }
}

}  // namespace roost::sqlite
