// tests/core/slot_stack_test.cc - SlotStack against a vector: every stack of up to four slots, by
// every way to it.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <set>
#include <vector>

#include "roost/internal/idle_stack.h"

namespace roost::internal {
namespace {

// The idle slots, the top last.
using Stack = std::vector<uint8_t>;

// Calls `visit` for each stack that `slots` slots can make, the empty one first.
template <class Visit>
void ForEachStack(int slots, Stack& stack, const Visit& visit) {
  visit(stack);
  for (int slot = 0; slot < slots; ++slot) {
    const auto number = static_cast<uint8_t>(slot);
    if (std::find(stack.begin(), stack.end(), number) != stack.end()) continue;
    stack.push_back(number);
    ForEachStack(slots, stack, visit);
    stack.pop_back();
  }
}

// A value and what the slots say is below them: one interface for both forms.
struct Encoded {
  SlotStack::Value value = SlotStack::kEmpty;

  void Push(uint8_t slot) { value = SlotStack::Push(value, slot); }
  uint8_t Pop() {
    const uint8_t top = SlotStack::Top(value);
    value = SlotStack::Pop(value);
    return top;
  }
};

Encoded Encode(const Stack& stack) {
  Encoded encoded;
  for (const uint8_t slot : stack) encoded.Push(slot);
  return encoded;
}

void ExpectSame(const Encoded& encoded, const Stack& stack) {
  const auto depth = static_cast<int>(stack.size());
  ASSERT_EQ(SlotStack::HasNone(encoded.value), stack.empty());
  ASSERT_EQ(SlotStack::Depth(encoded.value), depth);
  for (int d = 0; d <= 7; ++d) {
    ASSERT_EQ(SlotStack::AtLeast(encoded.value, SlotStack::OfDepth(d)), depth >= d) << d;
  }
  ASSERT_FALSE(SlotStack::AtLeast(encoded.value, SlotStack::kClosed));
  Encoded rest = encoded;
  for (auto slot = stack.rbegin(); slot != stack.rend(); ++slot) {
    ASSERT_FALSE(SlotStack::HasNone(rest.value));
    ASSERT_EQ(rest.Pop(), *slot);
  }
  ASSERT_TRUE(SlotStack::HasNone(rest.value));
}

TEST(SlotStackTest, EveryStackOfUpToFourSlotsIsReadBack) {
  for (int slots = 1; slots <= 4; ++slots) {
    int stacks = 0;
    Stack stack;
    ForEachStack(slots, stack, [&](const Stack& s) {
      ExpectSame(Encode(s), s);
      ++stacks;
    });
    EXPECT_EQ(stacks, (std::array{2, 5, 16, 65})[static_cast<size_t>(slots - 1)]);
  }
}

TEST(SlotStackTest, EveryStepFromEveryStackIsThatOfAVector) {
  Stack stack;
  ForEachStack(4, stack, [](const Stack& from) {
    for (uint8_t slot = 0; slot < 4; ++slot) {
      if (std::find(from.begin(), from.end(), slot) != from.end()) continue;
      Encoded encoded = Encode(from);
      encoded.Push(slot);
      Stack pushed = from;
      pushed.push_back(slot);
      ExpectSame(encoded, pushed);
      EXPECT_EQ(encoded.Pop(), slot);
      ExpectSame(encoded, from);
    }
  });
}

// A value below OfDepth(d) says that fewer than d are idle: more are lent than ever, if never fewer were.
TEST(SlotStackTest, ANewPeakIsAValueBelowTheMark) {
  Stack stack;
  ForEachStack(4, stack, [](const Stack& s) {
    for (int fewest = 0; fewest <= 4; ++fewest) {
      const bool fewer = static_cast<int>(s.size()) < fewest;
      const auto value = Encode(s).value;
      EXPECT_EQ(!SlotStack::AtLeast(value, SlotStack::OfDepth(fewest)), fewer);
    }
  });
}

TEST(SlotStackTest, AClosedStackLooksEmptyToATakerAndFullToAReturner) {
  EXPECT_TRUE(SlotStack::HasNone(SlotStack::kClosed));
  EXPECT_EQ(SlotStack::Depth(SlotStack::kClosed), 0);
  for (int depth = 0; depth <= SlotStack::kMaxSlots; ++depth) {
    EXPECT_TRUE(SlotStack::AtLeast(SlotStack::kClosed, SlotStack::OfDepth(depth))) << depth;
  }
  EXPECT_TRUE(SlotStack::AtLeast(SlotStack::kClosed, SlotStack::kClosed));
}

TEST(SlotStackTest, AsManySlotsAsItIsForFitUpwardsAndDownwards) {
  Stack stack(SlotStack::kMaxSlots);
  std::iota(stack.begin(), stack.end(), uint8_t{0});
  for (int way = 0; way < 2; ++way) {
    Encoded encoded;
    for (size_t i = 0; i < stack.size(); ++i) {
      encoded.Push(stack[i]);
      const auto depth = static_cast<int>(i + 1);
      EXPECT_EQ(SlotStack::Depth(encoded.value), depth);
      EXPECT_EQ(SlotStack::Top(encoded.value), stack[i]);
      EXPECT_TRUE(SlotStack::AtLeast(encoded.value, SlotStack::OfDepth(depth)));
      EXPECT_TRUE(depth == SlotStack::kMaxSlots ||
                  !SlotStack::AtLeast(encoded.value, SlotStack::OfDepth(depth + 1)));
      EXPECT_FALSE(SlotStack::AtLeast(encoded.value, SlotStack::kClosed));
    }
    for (auto slot = stack.rbegin(); slot != stack.rend(); ++slot) EXPECT_EQ(encoded.Pop(), *slot);
    EXPECT_TRUE(SlotStack::HasNone(encoded.value));
    EXPECT_EQ(SlotStack::Depth(encoded.value), 0);
    std::reverse(stack.begin(), stack.end());
  }
}

// ---- The number is the state -----------------------------------------------------------

TEST(SlotStackTest, EveryStackHasANumberOfItsOwn) {
  std::set<SlotStack::Value> values = {SlotStack::kClosed};
  size_t stacks = 1;
  Stack stack;
  ForEachStack(7, stack, [&](const Stack& s) {
    values.insert(Encode(s).value);
    ++stacks;
  });
  EXPECT_EQ(stacks, 13'700u + 1);  // the ways to order some of seven, and closed
  EXPECT_EQ(values.size(), stacks);
}

TEST(SlotStackTest, TheNumberTellsTheDepth) {
  Stack stack;
  ForEachStack(7, stack, [](const Stack& s) {
    const auto depth = static_cast<int>(s.size());
    const SlotStack::Value value = Encode(s).value;
    ASSERT_GE(value, SlotStack::OfDepth(depth));
    ASSERT_LT(value, depth == 7 ? SlotStack::kClosed : SlotStack::OfDepth(depth + 1));
  });
}

// ---- At compile time ----------------------------------------------------------------------------

constexpr SlotStack::Value kTwo = SlotStack::Push(SlotStack::Push(SlotStack::kEmpty, 6), 0);
static_assert(SlotStack::Top(kTwo) == 0 && SlotStack::Top(SlotStack::Pop(kTwo)) == 6);
static_assert(SlotStack::Pop(SlotStack::Pop(kTwo)) == SlotStack::kEmpty &&
              SlotStack::HasNone(SlotStack::kEmpty));
static_assert(SlotStack::Depth(kTwo) == 2 && SlotStack::AtLeast(kTwo, SlotStack::OfDepth(2)));
static_assert(!SlotStack::AtLeast(kTwo, SlotStack::OfDepth(3)) && !SlotStack::HasNone(kTwo));
static_assert(SlotStack::HasNone(SlotStack::kClosed) &&
              SlotStack::AtLeast(SlotStack::kClosed, SlotStack::OfDepth(7)));

}  // namespace
}  // namespace roost::internal
