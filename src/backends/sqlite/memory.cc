// SQLite's allocator and page cache on the program's own storage.
#include <sqlite3.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

#include "backends/sqlite/arena.h"
#include "backends/sqlite/checkpoint_memory.h"
#include "roost/internal/check.h"
#include "roost/internal/mutex.h"
#include "roost/sqlite_memory.h"

namespace roost {
namespace {

using internal::MutexLock;
using sqlite::Arena;

// SQLite locks nothing around its allocator while SQLITE_CONFIG_MEMSTATUS is off.
struct LockedArena {
  LockedArena(std::span<std::byte> memory, std::span<std::byte> for_checkpoints)
      : bytes(memory), reserve(for_checkpoints), arena(memory) {}
  const std::span<std::byte> bytes;
  const std::span<std::byte> reserve;
  internal::Mutex mu;
  Arena arena ABSL_GUARDED_BY(mu);
  // The reserve is given out from its beginning, and again when all of it is back.
  size_t reserved ABSL_GUARDED_BY(mu) = 0;
  int in_reserve ABSL_GUARDED_BY(mu) = 0;
  // Failures of the arena for which another place was found.
  uint64_t spared ABSL_GUARDED_BY(mu) = 0;
  // Bytes on the heap, and how many there may be for backups.
  size_t on_heap ABSL_GUARDED_BY(mu) = 0;
  size_t for_backups ABSL_GUARDED_BY(mu) = 0;
};

// Before an allocation beside the arena stands its size.
constexpr size_t kBeside = std::max(sizeof(size_t), Arena::kAlignment);

// SQLite hands its allocator no context: where the arena is has to stand where plain functions find
// it. Set and cleared while no thread uses SQLite. (A consequence of sqlite3_config being the
// process's own; the storage itself is the program's.)
LockedArena* installed = nullptr;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)
sqlite3_mem_methods before;        // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)
// How many CheckpointMemory this thread has. SQLite hands its allocator no caller, either.
thread_local int checkpoints = 0;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

bool IsIn(std::span<std::byte> memory, const void* address) {
  const auto at = reinterpret_cast<uintptr_t>(address);
  const auto begin = reinterpret_cast<uintptr_t>(memory.data());
  return at >= begin && at < begin + memory.size();
}

size_t SizeOf(const void* allocation) {
  if (IsIn(installed->bytes, allocation)) return Arena::SizeOf(allocation);
  size_t size = 0;
  std::memcpy(&size, static_cast<const std::byte*>(allocation) - kBeside, sizeof size);
  return size;
}

// From the reserve, or from the heap where that is too small.
void* AllocateBeside(LockedArena& memory, size_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(memory.mu) {
  const size_t whole = kBeside + Arena::RoundUp(bytes);
  std::byte* block = nullptr;
  if (memory.reserve.size() - memory.reserved >= whole) {
    block = memory.reserve.data() + memory.reserved;
    memory.reserved += whole;
    ++memory.in_reserve;
  } else {
    block = static_cast<std::byte*>(std::malloc(whole));
    if (block != nullptr) memory.on_heap += whole;
  }
  if (block == nullptr) return nullptr;
  ++memory.spared;
  std::memcpy(block, &bytes, sizeof bytes);
  return block + kBeside;
}

void* Allocate(LockedArena& memory, size_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(memory.mu) {
  void* const allocation = memory.arena.Allocate(bytes);
  return allocation == nullptr && checkpoints > 0 ? AllocateBeside(memory, bytes) : allocation;
}

void* AllocateForBackup(LockedArena& memory, size_t bytes)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(memory.mu) {
  void* const allocation = Allocate(memory, bytes);
  const size_t whole = kBeside + Arena::RoundUp(bytes);
  if (allocation != nullptr || memory.on_heap + whole > memory.for_backups) return allocation;
  auto* const block = static_cast<std::byte*>(std::malloc(whole));
  if (block == nullptr) return nullptr;
  memory.on_heap += whole;
  ++memory.spared;
  std::memcpy(block, &bytes, sizeof bytes);
  return block + kBeside;
}

void Release(LockedArena& memory, void* allocation) ABSL_EXCLUSIVE_LOCKS_REQUIRED(memory.mu) {
  if (IsIn(memory.bytes, allocation)) {
    memory.arena.Free(allocation);
  } else if (!IsIn(memory.reserve, allocation)) {
    memory.on_heap -= kBeside + Arena::RoundUp(SizeOf(allocation));
    std::free(static_cast<std::byte*>(allocation) - kBeside);
  } else if (--memory.in_reserve == 0) {
    memory.reserved = 0;
  }
}

void* Malloc(int bytes) {
  MutexLock lock(installed->mu);
  return AllocateForBackup(*installed, static_cast<size_t>(bytes));
}
void Free(void* allocation) {
  MutexLock lock(installed->mu);
  Release(*installed, allocation);
}
void* Realloc(void* allocation, int bytes) {
  MutexLock lock(installed->mu);
  const auto wanted = static_cast<size_t>(bytes);
  if (IsIn(installed->bytes, allocation)) {
    void* const there = installed->arena.Reallocate(allocation, wanted);
    if (there != nullptr || (checkpoints == 0 && installed->for_backups == 0)) return there;
  }
  void* const moved = AllocateForBackup(*installed, wanted);
  if (moved == nullptr) return nullptr;
  std::memcpy(moved, allocation, std::min(SizeOf(allocation), wanted));
  Release(*installed, allocation);
  return moved;
}
int Size(void* allocation) { return static_cast<int>(SizeOf(allocation)); }
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

namespace sqlite {
bool HasBoundedMemory() { return installed != nullptr; }
CheckpointMemory::CheckpointMemory() { ++checkpoints; }
CheckpointMemory::~CheckpointMemory() { --checkpoints; }

BackupMemory::BackupMemory() {
  if (installed == nullptr) return;
  MutexLock lock(installed->mu);
  installed->for_backups += kMost;
}
BackupMemory::~BackupMemory() {
  if (installed == nullptr) return;
  MutexLock lock(installed->mu);
  installed->for_backups -= kMost;
}
}  // namespace sqlite

SqliteMemory::SqliteMemory(std::span<std::byte> arena, std::span<std::byte> checkpoint,
                           std::span<std::byte> pages) {
  static_assert(sizeof(LockedArena) <= sizeof arena_);
  ROOST_CHECK(installed == nullptr, "a second SqliteMemory was made; SQLite has one heap");
  new (arena_) LockedArena(arena, checkpoint);
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
  stats.arena_failures = locked.arena.failures() - locked.spared;
  return stats;
}

}  // namespace roost
