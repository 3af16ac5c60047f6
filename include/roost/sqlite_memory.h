// include/roost/sqlite_memory.h - all memory that SQLite takes, in one fixed block.
//
// Without it SQLite uses the heap of the process. With it SQLite's allocations come from an arena
// and its pages from a slab, both in storage that the program owns, so that a node's memory is
// known when it is compiled. When the arena is full, a statement fails with kResourceExhausted, its
// transaction is rolled back, and the connection can be used on.
//
// SQLite's configuration belongs to the process: every other user of SQLite in it shares the block.
// So one SqliteMemory may exist at a time; a second one stops the program with a sentence.
//
// Two further bounds keep large statements inside of the block. A sort keeps 4 pages in memory and
// spills the rest to a temporary file (SQLite's default: 250 pages). A statement that changes many
// rows keeps 16 KiB of what it may have to undo, and spills the rest (SQLite's default: 64 KiB).
//
// A checkpoint needs memory that grows with the log. Beside the arena lies a reserve, which only
// checkpoints use, for the longest log that SqliteOptions::max_log_pages allows; its pages cost no
// memory before a log is so long. A log that another program left longer is sorted on the heap.
//
// While a Backup runs (sqlite_backup.h), 64 KiB for which the block has no room come from the heap.
//
// A program that has to know its memory constructs one first of all in main(), checks status(), and
// writes stats() into its log from time to time.
//
// Threads:  construct before any thread uses SQLite, destroy after the last one has; stats() from
//           any thread
// Blocks:   never; one lock inside, held for some ten ns
// Memory:   sizeof(SqliteMemoryFor<P>): the profile's kSqliteArenaKib and kSqlitePages, and the
//           reserve
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
#include "roost/version.h"

#pragma GCC visibility push(default)
namespace roost {

namespace sqlite {
class Arena;
}

// Bytes of the slab for one page of 4 KiB, with SQLite's own header (264 bytes in SQLite 3.40).
// Databases with larger pages take them from the arena.
inline constexpr size_t kSqlitePageBytes = 4096 + 272;

// The longest log, in pages, whose checkpoint finds its memory in the reserve beside the arena:
// SqliteOptions::max_log_pages, and a quarter more for the batch that reaches it.
inline constexpr int kSqliteLogPages = 16384;
// What SQLite sorts a log of so many pages in: two bytes for each, 8 KiB, and some for its lists.
constexpr size_t SqliteCheckpointBytes(int log_pages) {
  const auto pages = static_cast<size_t>(log_pages);
  return 2 * pages + 8192 + 64 * (pages / 4096 + 2) + 1024;
}
inline constexpr size_t kSqliteReserveBytes =
    SqliteCheckpointBytes(kSqliteLogPages + kSqliteLogPages / 4);

// How full the block is. All zero while status() is an error.
//
// A profile has enough where arena_failures stays 0 and page_overflow_peak stays small, with room
// left between peak and capacity for the largest statement that was not run yet.
struct SqliteMemoryStats {
  // Bytes that the arena can hold, holds now, and held at most. Each allocation takes some bytes
  // more than it counts here.
  size_t arena_bytes = 0;
  size_t arena_used = 0;
  size_t arena_peak = 0;
  // Requests that did not fit: SQLite had no memory for something.
  uint64_t arena_failures = 0;
  // Pages that the slab can hold, holds now, and held at most.
  int pages = 0;
  int pages_used = 0;
  int pages_peak = 0;
  // Most bytes of pages at a time for which the slab had no room. The arena held them instead.
  size_t page_overflow_peak = 0;
};

// The block without its size, so that a program can pass it on. Construct a SqliteMemoryFor.
class SqliteMemory {
 public:
  SqliteMemory(const SqliteMemory&) = delete;
  SqliteMemory& operator=(const SqliteMemory&) = delete;

  // OK: SQLite uses this block. An error is for the program's log; SQLite then works on the heap.
  const absl::Status& status() const { return status_; }
  // A snapshot. Takes the arena's lock for some ten ns.
  SqliteMemoryStats stats() const;

 protected:
  // Configures SQLite. REQUIRES: the spans are aligned to std::max_align_t and outlive this; no
  // other SqliteMemory exists.
  SqliteMemory(std::span<std::byte> arena, std::span<std::byte> checkpoint,
               std::span<std::byte> pages);
  // Gives SQLite its heap back. REQUIRES: nobody uses SQLite any more: every connection is closed.
  ~SqliteMemory();

 private:
  // Tells SQLite of the arena and the slab. After an error SQLite is on the heap, as before.
  absl::Status Install(std::span<std::byte> pages);

  alignas(std::max_align_t) std::byte arena_[4096];  // sqlite::Arena and its lock
  int pages_ = 0;
  absl::Status status_;
};

namespace internal {
// The storage. SqliteMemoryFor has it as its first base, so that it exists before SqliteMemory uses
// it and after SqliteMemory has ended.
template <size_t kArena, size_t kPages>
struct SqliteStorage {
  alignas(std::max_align_t) std::byte arena[kArena];
  alignas(std::max_align_t) std::byte checkpoint[kSqliteReserveBytes];
  alignas(std::max_align_t) std::byte pages[kPages];
};
}  // namespace internal

// The block for profile P, with its storage inside: 277 KiB for raspberry_pi, 3.2 MiB for most
// others. Make it static, or a part of something that lives as long as the program: it is too large
// for a stack.
template <class P>
class SqliteMemoryFor : private internal::SqliteStorage<size_t{1024} * P::kSqliteArenaKib,
                                                        kSqlitePageBytes * P::kSqlitePages>,
                        public SqliteMemory {
  static_assert(P::kSqliteArenaKib >= 64 && P::kSqliteArenaKib <= 1048576,
                "roost profile: kSqliteArenaKib must be 64 to 1048576; one connection with its "
                "statements takes some 40");
  static_assert(P::kSqlitePages >= 8 && P::kSqlitePages <= 65536,
                "roost profile: kSqlitePages must be 8 to 65536");
  static_assert(sizeof(internal::SqliteStorage<64, 64>::checkpoint) >=
                    SqliteCheckpointBytes(kSqliteLogPages),
                "roost: a log at its bound has no memory for its checkpoint");
  using Storage = internal::SqliteStorage<size_t{1024} * P::kSqliteArenaKib,
                                          kSqlitePageBytes * P::kSqlitePages>;

 public:
  SqliteMemoryFor() : SqliteMemory(Storage::arena, Storage::checkpoint, Storage::pages) {}
  ~SqliteMemoryFor() = default;
};

}  // namespace roost
#pragma GCC visibility pop

#endif  // ROOST_SQLITE_MEMORY_H_
