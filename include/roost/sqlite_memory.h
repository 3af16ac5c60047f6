// include/roost/sqlite_memory.h - all memory that SQLite takes, in one fixed block.
//
// Without it SQLite uses the heap of the process. With it SQLite's allocations come from an arena
// and its pages from a slab, both in storage that the program owns, so that a node's memory is known
// when it is compiled. When the arena is full, a statement fails with kResourceExhausted, its
// transaction is rolled back, and the connection can be used on.
//
// SQLite's configuration is the process's: every other user of SQLite in it shares the block.
//
// Threads:  construct before any thread uses SQLite, destroy after the last one has; stats() from
//           any thread
// Blocks:   never; one lock inside, held for some ten ns
// Memory:   sizeof(SqliteMemoryFor<P>): the profile's kSqliteArenaKib and kSqlitePages
// Errors:   status(): kFailedPrecondition when SQLite was in use already, or was built without what
//           this needs; SQLite then works on the heap as if this was not there
// Time:     constant for each allocation, some 10 ns more than the heap's
// Example:
//   static roost::SqliteMemoryFor<roost::SelectedProfile> memory;
//   if (!memory.status().ok()) Warn(memory.status());
#ifndef ROOST_SQLITE_MEMORY_H_
#define ROOST_SQLITE_MEMORY_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/status/status.h"

namespace roost {

namespace sqlite {
class Arena;
}

// What a page of 4 KiB takes in the slab, with SQLite's own header (264 bytes in SQLite 3.40).
inline constexpr size_t kSqlitePageBytes = 4096 + 272;

struct SqliteMemoryStats {
  size_t arena_bytes = 0;       // what the arena can hold
  size_t arena_used = 0;        // now
  size_t arena_peak = 0;        // the most there ever was
  uint64_t arena_failures = 0;  // requests that did not fit
  int pages = 0;                // in the slab
  int pages_used = 0;
  int pages_peak = 0;
  // Bytes of pages for which the slab had no room, taken from the arena instead: at most so far.
  size_t page_overflow_peak = 0;
};

class SqliteMemory {
 public:
  SqliteMemory(const SqliteMemory&) = delete;
  SqliteMemory& operator=(const SqliteMemory&) = delete;

  // OK: SQLite uses this block.
  const absl::Status& status() const { return status_; }
  SqliteMemoryStats stats() const;

 protected:
  // REQUIRES: both aligned to std::max_align_t, and outlive this; no other SqliteMemory exists.
  SqliteMemory(std::span<std::byte> arena, std::span<std::byte> pages);
  // REQUIRES: nobody uses SQLite any more. It then works on the heap again.
  ~SqliteMemory();

 private:
  absl::Status Install(std::span<std::byte> pages);

  alignas(std::max_align_t) std::byte arena_[4096];  // sqlite::Arena and its lock
  int pages_ = 0;
  absl::Status status_;
};

namespace internal {
// Before SqliteMemory among the bases: its storage.
template <size_t kArena, size_t kPages>
struct SqliteStorage {
  alignas(std::max_align_t) std::byte arena[kArena];
  alignas(std::max_align_t) std::byte pages[kPages];
};
}  // namespace internal

// The block for profile P.
template <class P>
class SqliteMemoryFor : private internal::SqliteStorage<size_t{1024} * P::kSqliteArenaKib,
                                                        kSqlitePageBytes * P::kSqlitePages>,
                        public SqliteMemory {
  static_assert(P::kSqliteArenaKib >= 64 && P::kSqliteArenaKib <= 1048576,
                "roost profile: kSqliteArenaKib must be 64 to 1048576; one connection with its "
                "statements takes some 40");
  static_assert(P::kSqlitePages >= 8 && P::kSqlitePages <= 65536,
                "roost profile: kSqlitePages must be 8 to 65536");
  using Storage = internal::SqliteStorage<size_t{1024} * P::kSqliteArenaKib,
                                          kSqlitePageBytes * P::kSqlitePages>;

 public:
  SqliteMemoryFor() : SqliteMemory(Storage::arena, Storage::pages) {}
  ~SqliteMemoryFor() = default;
};

}  // namespace roost

#endif  // ROOST_SQLITE_MEMORY_H_
