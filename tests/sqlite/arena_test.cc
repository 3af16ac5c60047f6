// The arena: against a model, to its last byte, and with its invariants checked after every step.
#include "backends/sqlite/arena.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <random>
#include <vector>

namespace roost::sqlite {
namespace {

class ArenaTest : public ::testing::Test {
 protected:
  static std::span<std::byte> Memory(size_t bytes) {
    static std::vector<std::max_align_t> storage(1 << 16);
    return std::as_writable_bytes(std::span(storage)).first(bytes);
  }
};

TEST_F(ArenaTest, GivesAlignedMemoryAndTakesItBack) {
  Arena arena(Memory(4096));
  EXPECT_EQ(arena.Check(), nullptr);
  const size_t capacity = arena.capacity();
  std::vector<void*> taken;
  for (const size_t bytes : {1, 7, 8, 9, 24, 25, 100, 1000}) {
    void* const block = arena.Allocate(bytes);
    ASSERT_NE(block, nullptr);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(block) % Arena::kAlignment, 0u);
    EXPECT_EQ(Arena::SizeOf(block), Arena::RoundUp(bytes));
    std::memset(block, 0xff, Arena::SizeOf(block));
    EXPECT_EQ(arena.Check(), nullptr) << "a block written to its last byte harms no other";
    taken.push_back(block);
  }
  for (void* const block : taken) arena.Free(block);
  EXPECT_EQ(arena.Check(), nullptr);
  EXPECT_EQ(arena.used(), 0u);
  EXPECT_NE(arena.Allocate(capacity / 2), nullptr) << "joined again";
}

TEST_F(ArenaTest, TheWholeOfItCanBeOneBlock) {
  Arena arena(Memory(4096));
  void* const block = arena.Allocate(arena.capacity() * 15 / 16);
  ASSERT_NE(block, nullptr);
  EXPECT_EQ(arena.Allocate(arena.capacity() / 8), nullptr);
  EXPECT_EQ(arena.failures(), 1u);
  EXPECT_EQ(arena.Allocate(Arena::kMaxBytes * 2), nullptr);
  EXPECT_EQ(arena.failures(), 2u);
  arena.Free(block);
  EXPECT_EQ(arena.Check(), nullptr);
}

TEST_F(ArenaTest, ReallocateGrowsInPlaceWhereItCan) {
  Arena arena(Memory(4096));
  void* const first = arena.Allocate(100);
  std::memset(first, 0x5a, 100);
  void* const grown = arena.Reallocate(first, 1000);
  EXPECT_EQ(grown, first);
  void* const wall = arena.Allocate(24);
  void* const moved = arena.Reallocate(grown, 1200);
  ASSERT_NE(moved, nullptr);
  EXPECT_NE(moved, first);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(static_cast<unsigned char*>(moved)[i], 0x5a);
  EXPECT_EQ(arena.Reallocate(moved, 50), moved) << "shrinks in place";
  EXPECT_EQ(Arena::SizeOf(moved), Arena::RoundUp(50));
  EXPECT_EQ(arena.Check(), nullptr);
  EXPECT_EQ(arena.Reallocate(moved, 4096), nullptr);
  EXPECT_EQ(static_cast<unsigned char*>(moved)[49], 0x5a) << "as it was";
  arena.Free(moved);
  arena.Free(wall);
  EXPECT_EQ(arena.used(), 0u);
  EXPECT_EQ(arena.Check(), nullptr);
}

TEST_F(ArenaTest, ThePeakIsTheMostThereEverWas) {
  Arena arena(Memory(8192));
  void* const a = arena.Allocate(1000);
  void* const b = arena.Allocate(2000);
  arena.Free(b);
  EXPECT_EQ(arena.peak(), 3000u);
  EXPECT_EQ(arena.used(), 1000u);
  arena.Free(a);
  EXPECT_EQ(arena.peak(), 3000u);
  arena.Free(arena.Allocate(400));
  EXPECT_EQ(arena.peak(), 3000u);
}

// Every sequence of a few steps in a small arena.
TEST_F(ArenaTest, EveryShortSequenceKeepsTheInvariants) {
  constexpr size_t kSizes[] = {24, 40, 136, 200};
  constexpr int kSteps = 6;
  constexpr int kChoices = 4 + 3;  // take one of the sizes, give back one of the three oldest
  int sequences = 1;
  for (int i = 0; i < kSteps; ++i) sequences *= kChoices;
  for (int sequence = 0; sequence < sequences; ++sequence) {
    Arena arena(Memory(512));
    std::vector<void*> taken;
    for (int rest = sequence, step = 0; step < kSteps; ++step, rest /= kChoices) {
      const auto choice = static_cast<size_t>(rest % kChoices);
      if (choice < 4) {
        if (void* const block = arena.Allocate(kSizes[choice])) taken.push_back(block);
      } else if (choice - 4 < taken.size()) {
        arena.Free(taken[choice - 4]);
        taken.erase(taken.begin() + static_cast<std::ptrdiff_t>(choice - 4));
      }
      ASSERT_EQ(arena.Check(), nullptr) << "sequence " << sequence << ", step " << step;
    }
    for (void* const block : taken) arena.Free(block);
    ASSERT_EQ(arena.used(), 0u);
    ASSERT_EQ(arena.Check(), nullptr) << "sequence " << sequence;
  }
}

TEST_F(ArenaTest, AgreesWithAModelOverALongRandomRun) {
  Arena arena(Memory(256 * 1024));
  std::mt19937 random(20240607);
  std::map<unsigned char*, std::pair<size_t, unsigned char>> model;  // size asked for, filling
  const auto check = [](const auto& entry) {
    for (size_t i = 0; i < entry.second.first; ++i) {
      ASSERT_EQ(entry.first[i], entry.second.second);
    }
  };
  for (int step = 0; step < 20000; ++step) {
    const auto filling = static_cast<unsigned char>(random());
    const size_t bytes = 1 + random() % (random() % 10 == 0 ? 9000 : 600);
    if (model.empty() || random() % 5 < 3) {
      auto* const block = static_cast<unsigned char*>(arena.Allocate(bytes));
      if (block == nullptr) {
        check(*model.begin());
        arena.Free(model.begin()->first);
        model.erase(model.begin());
        continue;
      }
      std::memset(block, filling, bytes);
      ASSERT_TRUE(model.emplace(block, std::pair(bytes, filling)).second);
      continue;
    }
    auto it = model.begin();
    std::advance(it, static_cast<std::ptrdiff_t>(random() % model.size()));
    check(*it);
    if (random() % 2 == 0) {
      arena.Free(it->first);
      model.erase(it);
    } else if (auto* const moved =
                   static_cast<unsigned char*>(arena.Reallocate(it->first, bytes))) {
      const auto [size, old] = it->second;
      model.erase(it);
      for (size_t i = 0; i < std::min(size, bytes); ++i) ASSERT_EQ(moved[i], old);
      std::memset(moved, filling, bytes);
      model[moved] = {bytes, filling};
    }
    if (step % 64 != 0) continue;
    ASSERT_EQ(arena.Check(), nullptr) << "step " << step;
  }
  for (const auto& entry : model) {
    check(entry);
    arena.Free(entry.first);
  }
  EXPECT_EQ(arena.used(), 0u);
  EXPECT_EQ(arena.Check(), nullptr);
}

TEST(ArenaDeathTest, FreeingTwiceStopsTheProgram) {
  alignas(8) static std::byte memory[1024];
  Arena arena(memory);
  void* const block = arena.Allocate(100);
  arena.Free(block);
  EXPECT_DEATH(arena.Free(block), "freed twice");
}

}  // namespace
}  // namespace roost::sqlite
