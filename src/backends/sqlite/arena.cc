#include "backends/sqlite/arena.h"

#include <algorithm>
#include <cstring>

#include "roost/internal/check.h"

namespace roost::sqlite {
namespace {

constexpr size_t kFree = 1;      // this block is free
constexpr size_t kPrevFree = 2;  // the one before is: `prev` is valid
constexpr size_t kFlags = kFree | kPrevFree;

// The number of the highest bit that is set. (What std::bit_width returns changed its type.)
constexpr int TopBit(size_t bits) { return static_cast<int>(std::bit_width(bits)) - 1; }

}  // namespace

// A block begins with the last size_t of the one before it, which holds `prev` while that is free.
// An allocation begins at `next_free`.
struct Arena::Block {
  Block* prev;
  alignas(kAlignment) size_t size_and_flags;  // of what an allocation gets
  alignas(kAlignment) Block* next_free;       // while it is free
  Block* prev_free;

  size_t size() const { return size_and_flags & ~kFlags; }
  void set_size(size_t size) { size_and_flags = size | (size_and_flags & kFlags); }
  bool is_free() const { return (size_and_flags & kFree) != 0; }
  bool prev_is_free() const { return (size_and_flags & kPrevFree) != 0; }
  std::byte* payload() { return reinterpret_cast<std::byte*>(this) + kPayloadAt; }
  Block* next() { return reinterpret_cast<Block*>(payload() + size() - kSizeAt); }
  static Block* Of(void* allocation) {
    return reinterpret_cast<Block*>(static_cast<std::byte*>(allocation) - kPayloadAt);
  }

  static constexpr size_t kSizeAt = kAlignment;
  static constexpr size_t kPayloadAt = 2 * kAlignment;
  // Both links, and the next block's `prev` behind them.
  static constexpr size_t kMinSize = 3 * kAlignment;
};

Arena::Arena(std::span<std::byte> memory) {
  static_assert(Block::kPayloadAt - Block::kSizeAt == kOverhead);
  ROOST_CHECK(reinterpret_cast<uintptr_t>(memory.data()) % kAlignment == 0,
              "Arena: the memory is not aligned to 8 bytes");
  ROOST_CHECK(memory.size() >= kMinBytes && memory.size() <= kMaxBytes,
              "Arena: the memory has to have 256 bytes to 1 GiB");
  const size_t whole = memory.size() / kAlignment * kAlignment;
  start_ = reinterpret_cast<Block*>(memory.data());
  // Behind it the sentinel, of which only the size is there: 0, and never free.
  start_->size_and_flags = whole - Block::kPayloadAt - kOverhead;
  Block* const sentinel = start_->next();
  sentinel->size_and_flags = 0;
  capacity_ = start_->size();
  SetFree(start_, true);
  Insert(start_);
}

// ---- size classes -------------------------------------------------------------------------------

Arena::Class Arena::ClassOf(size_t bytes) {
  if (bytes < kSmall) return {0, static_cast<int>(bytes / kAlignment)};
  const int top = TopBit(bytes);
  const int second = static_cast<int>((bytes >> (top - kStepBits)) & (kSteps - 1));
  return {top - TopBit(kSmall) + 1, second};
}

// The first class all of whose blocks are large enough.
Arena::Class Arena::ClassToSearch(size_t bytes) {
  if (bytes >= kSmall) {
    bytes += (size_t{1} << (TopBit(bytes) - kStepBits)) - 1;
  }
  return ClassOf(bytes);
}

Arena::Block* Arena::Find(Class from) {
  if (from.first >= kFirstLevels) return nullptr;
  auto first = static_cast<size_t>(from.first);
  uint32_t second_map = second_map_[first] & (~uint32_t{0} << from.second);
  if (second_map == 0) {
    const uint32_t first_map =
        from.first + 1 >= 32 ? 0 : first_map_ & (~uint32_t{0} << (from.first + 1));
    if (first_map == 0) return nullptr;
    first = static_cast<size_t>(std::countr_zero(first_map));
    second_map = second_map_[first];
  }
  return lists_[first][static_cast<size_t>(std::countr_zero(second_map))];
}

void Arena::Insert(Block* block) {
  const Class where = ClassOf(block->size());
  const auto first = static_cast<size_t>(where.first);
  Block*& head = lists_[first][static_cast<size_t>(where.second)];
  block->next_free = head;
  block->prev_free = nullptr;
  if (head != nullptr) head->prev_free = block;
  head = block;
  first_map_ |= uint32_t{1} << where.first;
  second_map_[first] = static_cast<uint16_t>(second_map_[first] | (1u << where.second));
}

void Arena::Remove(Block* block) {
  const Class where = ClassOf(block->size());
  const auto first = static_cast<size_t>(where.first);
  Block*& head = lists_[first][static_cast<size_t>(where.second)];
  if (block->next_free != nullptr) block->next_free->prev_free = block->prev_free;
  (block->prev_free != nullptr ? block->prev_free->next_free : head) = block->next_free;
  if (head != nullptr) return;
  second_map_[first] = static_cast<uint16_t>(second_map_[first] & ~(1u << where.second));
  if (second_map_[first] == 0) first_map_ &= ~(uint32_t{1} << where.first);
}

// ---- blocks -------------------------------------------------------------------------------------

// Says it in the block itself and in the one behind it.
void Arena::SetFree(Block* block, bool free) {
  Block* const next = block->next();
  if (free) {
    block->size_and_flags |= kFree;
    next->size_and_flags |= kPrevFree;
    next->prev = block;
  } else {
    block->size_and_flags &= ~kFree;
    next->size_and_flags &= ~kPrevFree;
  }
}

// Cuts what is above `bytes` off a block that is in use, as a free block of its own.
void Arena::Trim(Block* block, size_t bytes) {
  if (block->size() < bytes + kOverhead + Block::kMinSize) return;
  const size_t rest = block->size() - bytes - kOverhead;
  block->set_size(bytes);
  Block* cut = block->next();
  cut->size_and_flags = rest;
  Block* const next = cut->next();
  if (next->is_free()) {
    Remove(next);
    cut = Join(cut, next);
  }
  SetFree(cut, true);
  Insert(cut);
}

// `next` becomes a part of `block`.
Arena::Block* Arena::Join(Block* block, Block* next) {
  block->set_size(block->size() + kOverhead + next->size());
  return block;
}

void Arena::Took(size_t bytes) {
  used_ += bytes;
  peak_ = std::max(peak_, used_);
}

// ---- the interface ------------------------------------------------------------------------------

size_t Arena::RoundUp(size_t bytes) {
  return std::max((bytes + kAlignment - 1) / kAlignment * kAlignment, Block::kMinSize);
}

size_t Arena::SizeOf(const void* allocation) {
  return Block::Of(const_cast<void*>(allocation))->size();
}

void* Arena::Allocate(size_t bytes) {
  if (bytes <= capacity_) {
    bytes = RoundUp(bytes);
    if (Block* const block = Find(ClassToSearch(bytes)); block != nullptr) {
      Remove(block);
      SetFree(block, false);
      Trim(block, bytes);
      Took(block->size());
      return block->payload();
    }
  }
  ++failures_;
  return nullptr;
}

void Arena::Free(void* allocation) {
  Block* block = Block::Of(allocation);
  ROOST_CHECK(!block->is_free(), "Arena: freed twice");
  used_ -= block->size();
  if (block->prev_is_free()) {
    Block* const prev = block->prev;
    Remove(prev);
    block = Join(prev, block);
  }
  if (Block* const next = block->next(); next->is_free()) {
    Remove(next);
    Join(block, next);
  }
  SetFree(block, true);
  Insert(block);
}

void* Arena::Reallocate(void* allocation, size_t bytes) {
  Block* const block = Block::Of(allocation);
  const size_t before = block->size();
  const size_t wanted = bytes <= capacity_ ? RoundUp(bytes) : bytes;
  Block* const next = block->next();
  if (wanted > before && next->is_free() && before + kOverhead + next->size() >= wanted) {
    Remove(next);
    Join(block, next);
    SetFree(block, false);
  }
  if (wanted <= block->size()) {
    Trim(block, wanted);
    used_ -= before;
    Took(block->size());
    return allocation;
  }
  void* const moved = Allocate(bytes);
  if (moved == nullptr) return nullptr;
  std::memcpy(moved, allocation, before);
  Free(allocation);
  return moved;
}

// ---- the check ----------------------------------------------------------------------------------

const char* Arena::Check() const {
  size_t used = 0;
  size_t bytes = 0;
  size_t free_blocks = 0;
  bool prev_free = false;
  Block* prev = nullptr;
  for (Block* block = start_; block->size() != 0; block = block->next()) {
    if (block->prev_is_free() != prev_free) return "(4) a block is wrong about the one before it";
    if (prev_free && block->prev != prev) return "(4) a block does not lead to the one before it";
    if (prev_free && block->is_free()) return "(2) two free blocks are neighbours";
    bytes += block->size() + kOverhead;
    if (bytes > capacity_ + kOverhead) return "(1) the blocks reach beyond the memory";
    if (!block->is_free()) used += block->size();
    if (block->is_free()) ++free_blocks;
    prev_free = block->is_free();
    prev = block;
  }
  if (bytes != capacity_ + kOverhead) return "(1) the blocks do not fill the memory";
  if (used != used_) return "(5) the sum of what is in use is wrong";
  size_t listed = 0;
  for (int first = 0; first < kFirstLevels; ++first) {
    const auto f = static_cast<size_t>(first);
    if (((first_map_ >> first & 1) != 0) != (second_map_[f] != 0)) {
      return "(3) a bit of the first map is wrong";
    }
    for (int second = 0; second < kSteps; ++second) {
      const Block* block = lists_[f][static_cast<size_t>(second)];
      if (((second_map_[f] >> second & 1) != 0) != (block != nullptr)) {
        return "(3) a bit of a second map is wrong";
      }
      for (; block != nullptr; block = block->next_free) {
        const Class c = ClassOf(block->size());
        if (!block->is_free() || c.first != first || c.second != second) {
          return "(3) a block is in the wrong list";
        }
        ++listed;
      }
    }
  }
  return listed == free_blocks ? nullptr : "(3) a free block is in no list";
}

}  // namespace roost::sqlite
