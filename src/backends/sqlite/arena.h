// backends/sqlite/arena.h - a heap in one fixed block of memory, by two-level segregated fit.
//
// Free blocks are kept in lists by size class: a power of two, divided linearly into kSteps. A bit
// map of the classes that have any makes finding a block that is large enough two searches for a
// bit; blocks beside each other are joined when one is freed. So both ends take constant time, and
// what is lost to fragmentation is bounded (Masmano, Ripoll, Crespo, Real: "TLSF: a new dynamic
// memory allocator for real-time systems", ECRTS 2004).
//
// Threads:  one at a time
// Memory:   the block; kOverhead bytes of it for each allocation, some 1 KiB for the lists
// Errors:   Allocate and Reallocate give nullptr when no free block is large enough
// Time:     constant; Reallocate may copy
//
// Invariants, checked by Check():
//   (1) the blocks follow each other without gaps from the first to the sentinel at the end;
//   (2) no two free blocks are neighbours;
//   (3) a free block is in the list of its class, and a class has its bit exactly when its list is
//       not empty;
//   (4) a block's kPrevFree bit, and its link to the previous block, tell the truth about that
//       block;
//   (5) used() is the sum of the sizes of what is allocated.
#ifndef ROOST_BACKENDS_SQLITE_ARENA_H_
#define ROOST_BACKENDS_SQLITE_ARENA_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace roost::sqlite {

class Arena {
 public:
  static constexpr size_t kAlignment = 8;
  // Beside each allocation.
  static constexpr size_t kOverhead = sizeof(size_t) < 8 ? 8 : sizeof(size_t);
  // A span that would be too small to hold anything.
  static constexpr size_t kMinBytes = 256;
  static constexpr size_t kMaxBytes = size_t{1} << 30;

  // REQUIRES: memory is aligned to kAlignment, has kMinBytes to kMaxBytes, and outlives this.
  explicit Arena(std::span<std::byte> memory);
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Aligned to kAlignment. REQUIRES: bytes > 0.
  void* Allocate(size_t bytes);
  // REQUIRES: from Allocate or Reallocate of this arena, not freed.
  void Free(void* allocation);
  // The same contents in `bytes`, in place where the neighbour is free. Null: as it was.
  void* Reallocate(void* allocation, size_t bytes);
  static size_t SizeOf(const void* allocation);
  // What Allocate(bytes) takes.
  static size_t RoundUp(size_t bytes);

  size_t capacity() const { return capacity_; }
  size_t used() const { return used_; }
  size_t peak() const { return peak_; }
  // How often there was no block large enough.
  uint64_t failures() const { return failures_; }

  // Null, or a sentence that begins with the number of the invariant that does not hold.
  const char* Check() const;

 private:
  struct Block;
  struct Class {
    int first = 0;
    int second = 0;
  };
  static constexpr int kStepBits = 4;
  static constexpr int kSteps = 1 << kStepBits;
  // Sizes below kSteps * kAlignment are one class each.
  static constexpr size_t kSmall = size_t{kSteps} * kAlignment;
  static constexpr int kFirstLevels =
      static_cast<int>(std::bit_width(kMaxBytes)) - static_cast<int>(std::bit_width(kSmall)) + 2;

  static Class ClassOf(size_t bytes);
  static Class ClassToSearch(size_t bytes);
  Block* Find(Class from);
  void Insert(Block* block);
  void Remove(Block* block);
  void SetFree(Block* block, bool free);
  void Trim(Block* block, size_t bytes);
  Block* Join(Block* block, Block* next);
  void Took(size_t bytes);

  uint32_t first_map_ = 0;
  std::array<uint16_t, kFirstLevels> second_map_{};
  std::array<std::array<Block*, kSteps>, kFirstLevels> lists_{};
  Block* start_ = nullptr;
  size_t capacity_ = 0;
  size_t used_ = 0;
  size_t peak_ = 0;
  uint64_t failures_ = 0;
};

}  // namespace roost::sqlite

#endif  // ROOST_BACKENDS_SQLITE_ARENA_H_
