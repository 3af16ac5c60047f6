// SQLite's allocator and page cache on the program's own storage.
#include <sqlite3.h>

#include <cstring>
#include <memory>
#include <new>

#include "backends/sqlite/arena.h"
#include "roost/internal/check.h"
#include "roost/internal/mutex.h"
#include "roost/sqlite_memory.h"

namespace roost {
namespace {

using internal::MutexLock;
using sqlite::Arena;

// SQLite locks nothing around its allocator while SQLITE_CONFIG_MEMSTATUS is off.
struct LockedArena {
  explicit LockedArena(std::span<std::byte> memory) : arena(memory) {}
  internal::Mutex mu;
  Arena arena ABSL_GUARDED_BY(mu);
};

// SQLite hands its allocator no context: where the arena is has to stand where plain functions find
// it. Set and cleared while no thread uses SQLite. (A consequence of sqlite3_config being the
// process's own; the storage itself is the program's.)
LockedArena* installed = nullptr;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)
sqlite3_mem_methods before;        // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

void* Malloc(int bytes) {
  MutexLock lock(installed->mu);
  return installed->arena.Allocate(static_cast<size_t>(bytes));
}
void Free(void* allocation) {
  MutexLock lock(installed->mu);
  installed->arena.Free(allocation);
}
void* Realloc(void* allocation, int bytes) {
  MutexLock lock(installed->mu);
  return installed->arena.Reallocate(allocation, static_cast<size_t>(bytes));
}
int Size(void* allocation) { return static_cast<int>(Arena::SizeOf(allocation)); }
int RoundUp(int bytes) { return static_cast<int>(Arena::RoundUp(static_cast<size_t>(bytes))); }
int Init(void*) { return SQLITE_OK; }
void Shutdown(void*) {}

constexpr sqlite3_mem_methods kMethods{Malloc,  Free, Realloc,  Size,
                                       RoundUp, Init, Shutdown, nullptr};

absl::Status Refused(const char* what) {
  return absl::FailedPreconditionError(
      std::string("SQLite's memory is not bounded: ") + what +
      "; construct SqliteMemoryFor before anything in the process uses SQLite");
}

// REQUIRES: SQLite is shut down.
void BackToTheHeap() {
  constexpr unsigned kDefaultSort = 250;
  constexpr int kDefaultStatementJournal = 64 * 1024;
  sqlite3_config(SQLITE_CONFIG_STMTJRNL_SPILL, kDefaultStatementJournal);
  sqlite3_config(SQLITE_CONFIG_PMASZ, kDefaultSort);
  sqlite3_config(SQLITE_CONFIG_PAGECACHE, nullptr, 0, 0);
  sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 1);
  sqlite3_config(SQLITE_CONFIG_MALLOC, &before);
  installed = nullptr;
}

int Peak(int operation) {
  int now = 0;
  int peak = 0;
  sqlite3_status(operation, &now, &peak, 0);
  return peak;
}

LockedArena& ArenaIn(std::byte* memory) {
  return *std::launder(reinterpret_cast<LockedArena*>(memory));
}

}  // namespace

SqliteMemory::SqliteMemory(std::span<std::byte> arena, std::span<std::byte> pages) {
  static_assert(sizeof(LockedArena) <= sizeof arena_);
  ROOST_CHECK(installed == nullptr, "a second SqliteMemory was made; SQLite has one heap");
  new (arena_) LockedArena(arena);
  status_ = Install(pages);
}

absl::Status SqliteMemory::Install(std::span<std::byte> pages) {
  // Fails with SQLITE_MISUSE after sqlite3_initialize, which every use of SQLite calls.
  if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &before) != SQLITE_OK) {
    return Refused("somebody uses it already");
  }
  int header = 0;
  if (sqlite3_config(SQLITE_CONFIG_PCACHE_HDRSZ, &header) != SQLITE_OK) {
    return Refused("this build of it does not tell the size of a page");
  }
  constexpr int kPage = 4096;
  const int slot = (kPage + header + 7) / 8 * 8;
  pages_ = static_cast<int>(pages.size()) / slot;
  installed = &ArenaIn(arena_);
  if (sqlite3_config(SQLITE_CONFIG_MALLOC, &kMethods) != SQLITE_OK ||
      // The slab's counters do not need it, and the arena counts for itself.
      sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0) != SQLITE_OK ||
      sqlite3_config(SQLITE_CONFIG_PAGECACHE, pages.data(), slot, pages_) != SQLITE_OK ||
      // A sort spills to a file after 4 pages instead of 250: it has to fit beside all the rest.
      sqlite3_config(SQLITE_CONFIG_PMASZ, 4u) != SQLITE_OK ||
      // What a statement of several rows may have to undo by itself is kept in one block of this
      // size, by default 64 KiB: half an arena. Three pages is what a row changes; more goes to a
      // file.
      sqlite3_config(SQLITE_CONFIG_STMTJRNL_SPILL, 16 * 1024) != SQLITE_OK ||
      sqlite3_initialize() != SQLITE_OK) {
    BackToTheHeap();
    return Refused("it refuses to be configured");
  }
  return absl::OkStatus();
}

SqliteMemory::~SqliteMemory() {
  LockedArena& arena = ArenaIn(arena_);
  if (installed == &arena) {
    sqlite3_shutdown();
    BackToTheHeap();
  }
  std::destroy_at(&arena);
}

SqliteMemoryStats SqliteMemory::stats() const {
  SqliteMemoryStats stats;
  if (!status_.ok()) return stats;
  stats.pages = pages_;
  int now = 0;
  int peak = 0;
  sqlite3_status(SQLITE_STATUS_PAGECACHE_USED, &now, &peak, 0);
  stats.pages_used = now;
  stats.pages_peak = peak;
  stats.page_overflow_peak = static_cast<size_t>(Peak(SQLITE_STATUS_PAGECACHE_OVERFLOW));
  LockedArena& locked = *installed;
  MutexLock lock(locked.mu);
  stats.arena_bytes = locked.arena.capacity();
  stats.arena_used = locked.arena.used();
  stats.arena_peak = locked.arena.peak();
  stats.arena_failures = locked.arena.failures();
  return stats;
}

}  // namespace roost
