// backends/sqlite/checkpoint_memory.h - memory that a checkpoint, and a backup, always has.
//
// SQLite sorts the frames of the log by their pages before it copies them: two bytes for each frame
// in one piece, and 8 KiB more. Where the arena of a SqliteMemory has no such piece, the thread of
// the checkpoint gets it from the reserve beside the arena, which holds the sort of a log at its
// bound. A log that is longer still, which another program left, is sorted on the heap.
//
// Threads:  any; each for itself
// Blocks:   never
// Memory:   the reserve of the SqliteMemory that exists, and the heap; without one nothing changes
// Errors:   none
#ifndef ROOST_BACKENDS_SQLITE_CHECKPOINT_MEMORY_H_
#define ROOST_BACKENDS_SQLITE_CHECKPOINT_MEMORY_H_

#include <cstddef>

namespace roost::sqlite {

// A SqliteMemory exists, and SQLite uses it.
bool HasBoundedMemory();

// While one lives, what its thread asks SQLite's allocator for is not refused.
class CheckpointMemory {
 public:
  CheckpointMemory();
  ~CheckpointMemory();
  CheckpointMemory(const CheckpointMemory&) = delete;
  CheckpointMemory& operator=(const CheckpointMemory&) = delete;
};

// While one lives, what the arena has no room for comes from the heap, whoever asks, up to kMost bytes:
// the two handles of a backup, and the pages that they take away from others.
class BackupMemory {
 public:
  static constexpr size_t kMost = size_t{64} * 1024;
  BackupMemory();
  ~BackupMemory();
  BackupMemory(const BackupMemory&) = delete;
  BackupMemory& operator=(const BackupMemory&) = delete;
};

}  // namespace roost::sqlite

#endif  // ROOST_BACKENDS_SQLITE_CHECKPOINT_MEMORY_H_
