#include "backends/sqlite/authorizer.h"

#include <sqlite3.h>

namespace roost::sqlite {
namespace {

enum class Rule : uint8_t { kHarmless, kRefused };

struct PragmaRule {
  const char* name;
  Rule rule;
  const char* reason;
};

constexpr const char* kTime = "waiting is bounded by the lease's deadline";
constexpr const char* kLog = "the backend keeps the write-ahead log: see SqliteOptions";
constexpr const char* kDurable = "choose SqliteOptions::durability, or seal";
constexpr const char* kMemory = "the backend bounds memory: see SqliteOptions";
constexpr const char* kLanes = "readers and the writer are divided by the pool";

// Pragmas with a value. Those in no row change the session (Trace::kSession).
constexpr PragmaRule kPragmas[] = {
    // Their value is a question, or lives in the database itself.
    {"application_id", Rule::kHarmless, nullptr},
    {"foreign_key_check", Rule::kHarmless, nullptr},
    {"foreign_key_list", Rule::kHarmless, nullptr},
    {"incremental_vacuum", Rule::kHarmless, nullptr},
    {"index_info", Rule::kHarmless, nullptr},
    {"index_list", Rule::kHarmless, nullptr},
    {"index_xinfo", Rule::kHarmless, nullptr},
    {"integrity_check", Rule::kHarmless, nullptr},
    {"optimize", Rule::kHarmless, nullptr},
    {"quick_check", Rule::kHarmless, nullptr},
    {"table_info", Rule::kHarmless, nullptr},
    {"table_list", Rule::kHarmless, nullptr},
    {"table_xinfo", Rule::kHarmless, nullptr},
    {"user_version", Rule::kHarmless, nullptr},
    {"wal_checkpoint", Rule::kHarmless, nullptr},
    // Ends with the transaction.
    {"defer_foreign_keys", Rule::kHarmless, nullptr},
    // They would break what the pool promises.
    {"busy_timeout", Rule::kRefused, kTime},
    {"cache_size", Rule::kRefused, kMemory},
    {"cache_spill", Rule::kRefused, kMemory},
    {"data_store_directory", Rule::kRefused, kMemory},
    {"hard_heap_limit", Rule::kRefused, kMemory},
    {"journal_mode", Rule::kRefused, kLog},
    {"journal_size_limit", Rule::kRefused, kLog},
    {"locking_mode", Rule::kRefused, kLanes},
    {"max_page_count", Rule::kRefused, "set SqliteOptions::max_kib"},
    {"mmap_size", Rule::kRefused, "a read error on a mapped card kills the process"},
    {"query_only", Rule::kRefused, kLanes},
    {"soft_heap_limit", Rule::kRefused, kMemory},
    {"synchronous", Rule::kRefused, kDurable},
    {"temp_store", Rule::kRefused, kMemory},
    {"temp_store_directory", Rule::kRefused, kMemory},
    {"threads", Rule::kRefused, kMemory},
    {"wal_autocheckpoint", Rule::kRefused, kLog},
};

Permit AuthorizePragma(const char* name, const char* value) {
  if (value == nullptr || name == nullptr) return {};
  for (const PragmaRule& pragma : kPragmas) {
    if (sqlite3_stricmp(pragma.name, name) != 0) continue;
    return {pragma.rule != Rule::kRefused, Trace::kNothing, pragma.reason};
  }
  return {true, Trace::kSession, nullptr};
}

}  // namespace

Permit Authorize(int action, const char* first, const char* second) {
  switch (action) {
    case SQLITE_PRAGMA:
      return AuthorizePragma(first, second);
    case SQLITE_ATTACH:
    case SQLITE_DETACH:
      return {false, Trace::kNothing,
              "ATTACH, DETACH and VACUUM are refused: a pooled connection has one database"};
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
