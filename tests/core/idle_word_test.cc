// Both forms of the word against a vector: every stack of up to four slots, by every way to it.
#include "roost/internal/idle_word.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <set>
#include <vector>

namespace roost::internal {
namespace {

// The slots at rest, the top last.
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

// A word and what the slots say is below them: one interface for both forms.
struct InWordStack {
  using Codec = InWord;
  Codec::Word word = Codec::kEmpty;

  void Push(uint8_t slot) { word = Codec::Push(word, slot); }
  uint8_t Pop() {
    const uint8_t top = Codec::Top(word);
    word = Codec::Pop(word);
    return top;
  }
};

struct LinkedStack {
  using Codec = Linked;
  Codec::Word word = Codec::kEmpty;
  std::array<uint8_t, Codec::kMaxSlots> below{};

  void Push(uint8_t slot) {
    below[slot] = Codec::Below(word);
    word = Codec::Push(word, slot);
  }
  uint8_t Pop() {
    const uint8_t top = Codec::Top(word);
    word = Codec::Pop(word, below[top]);
    return top;
  }
};

template <class Encoded>
Encoded Encode(const Stack& stack) {
  Encoded encoded;
  for (const uint8_t slot : stack) encoded.Push(slot);
  return encoded;
}

template <class Encoded>
void ExpectSame(const Encoded& encoded, const Stack& stack) {
  using Codec = typename Encoded::Codec;
  const auto depth = static_cast<int>(stack.size());
  ASSERT_EQ(Codec::HasNone(encoded.word), stack.empty());
  ASSERT_EQ(Codec::Depth(encoded.word), depth);
  for (int d = 0; d <= 7; ++d) {
    ASSERT_EQ(Codec::AtLeast(encoded.word, Codec::OfDepth(d)), depth >= d) << d;
  }
  ASSERT_FALSE(Codec::AtLeast(encoded.word, Codec::kClosed));
  Encoded rest = encoded;
  for (auto slot = stack.rbegin(); slot != stack.rend(); ++slot) {
    ASSERT_FALSE(Codec::HasNone(rest.word));
    ASSERT_EQ(rest.Pop(), *slot);
  }
  ASSERT_TRUE(Codec::HasNone(rest.word));
}

template <class Encoded>
class IdleWordTest : public testing::Test {};
using Forms = testing::Types<InWordStack, LinkedStack>;
TYPED_TEST_SUITE(IdleWordTest, Forms);

TYPED_TEST(IdleWordTest, EveryStackOfUpToFourSlotsIsReadBack) {
  for (int slots = 1; slots <= 4; ++slots) {
    int stacks = 0;
    Stack stack;
    ForEachStack(slots, stack, [&](const Stack& s) {
      ExpectSame(Encode<TypeParam>(s), s);
      ++stacks;
    });
    EXPECT_EQ(stacks, (std::array{2, 5, 16, 65})[static_cast<size_t>(slots - 1)]);
  }
}

TYPED_TEST(IdleWordTest, EveryStepFromEveryStackIsThatOfAVector) {
  Stack stack;
  ForEachStack(4, stack, [](const Stack& from) {
    for (uint8_t slot = 0; slot < 4; ++slot) {
      if (std::find(from.begin(), from.end(), slot) != from.end()) continue;
      auto encoded = Encode<TypeParam>(from);
      encoded.Push(slot);
      Stack pushed = from;
      pushed.push_back(slot);
      ExpectSame(encoded, pushed);
      EXPECT_EQ(encoded.Pop(), slot);
      ExpectSame(encoded, from);
    }
  });
}

// A word below OfDepth(d) says that fewer than d rest: more are lent than ever, if never fewer did.
TYPED_TEST(IdleWordTest, ANewPeakIsAWordBelowTheMark) {
  using Codec = typename TypeParam::Codec;
  Stack stack;
  ForEachStack(4, stack, [](const Stack& s) {
    for (int fewest = 0; fewest <= 4; ++fewest) {
      const bool fewer = static_cast<int>(s.size()) < fewest;
      const auto word = Encode<TypeParam>(s).word;
      EXPECT_EQ(!Codec::AtLeast(word, Codec::OfDepth(fewest)), fewer);
    }
  });
}

TYPED_TEST(IdleWordTest, AClosedWordLooksEmptyToATakerAndFullToAReturner) {
  using Codec = typename TypeParam::Codec;
  EXPECT_TRUE(Codec::HasNone(Codec::kClosed));
  EXPECT_EQ(Codec::Depth(Codec::kClosed), 0);
  for (int depth = 0; depth <= Codec::kMaxSlots; ++depth) {
    EXPECT_TRUE(Codec::AtLeast(Codec::kClosed, Codec::OfDepth(depth))) << depth;
  }
  EXPECT_TRUE(Codec::AtLeast(Codec::kClosed, Codec::kClosed));
}

TYPED_TEST(IdleWordTest, AsManySlotsAsItIsForFitUpwardsAndDownwards) {
  using Codec = typename TypeParam::Codec;
  Stack stack(Codec::kMaxSlots);
  std::iota(stack.begin(), stack.end(), uint8_t{0});
  for (int way = 0; way < 2; ++way) {
    TypeParam encoded;
    for (size_t i = 0; i < stack.size(); ++i) {
      encoded.Push(stack[i]);
      const auto depth = static_cast<int>(i + 1);
      EXPECT_EQ(Codec::Depth(encoded.word), depth);
      EXPECT_EQ(Codec::Top(encoded.word), stack[i]);
      EXPECT_TRUE(Codec::AtLeast(encoded.word, Codec::OfDepth(depth)));
      EXPECT_TRUE(depth == Codec::kMaxSlots ||
                  !Codec::AtLeast(encoded.word, Codec::OfDepth(depth + 1)));
      EXPECT_FALSE(Codec::AtLeast(encoded.word, Codec::kClosed));
    }
    for (auto slot = stack.rbegin(); slot != stack.rend(); ++slot) EXPECT_EQ(encoded.Pop(), *slot);
    EXPECT_TRUE(Codec::HasNone(encoded.word));
    EXPECT_EQ(Codec::Depth(encoded.word), 0);
    std::reverse(stack.begin(), stack.end());
  }
}

// ---- In-word: the number is the state -----------------------------------------------------------

TEST(InWordTest, EveryStackHasANumberOfItsOwn) {
  std::set<InWord::Word> words = {InWord::kClosed};
  size_t stacks = 1;
  Stack stack;
  ForEachStack(7, stack, [&](const Stack& s) {
    words.insert(Encode<InWordStack>(s).word);
    ++stacks;
  });
  EXPECT_EQ(stacks, 13'700u + 1);  // the ways to order some of seven, and closed
  EXPECT_EQ(words.size(), stacks);
}

TEST(InWordTest, TheNumberTellsTheDepth) {
  Stack stack;
  ForEachStack(7, stack, [](const Stack& s) {
    const auto depth = static_cast<int>(s.size());
    const InWord::Word word = Encode<InWordStack>(s).word;
    ASSERT_GE(word, InWord::OfDepth(depth));
    ASSERT_LT(word, depth == 7 ? InWord::kClosed : InWord::OfDepth(depth + 1));
  });
}

// ---- Linked: head, depth and a tag --------------------------------------------------------------

constexpr Linked::Word Tag(Linked::Word word) { return word & ~(Linked::kTag - 1); }

TEST(LinkedTest, TheTagGrowsWithAPopAndNotWithAPush) {
  LinkedStack stack;
  stack.Push(3);
  stack.Push(5);
  EXPECT_EQ(Tag(stack.word), 0u);
  for (int pops = 1; pops <= 1000; ++pops) {
    const uint8_t top = stack.Pop();
    EXPECT_EQ(Tag(stack.word), static_cast<Linked::Word>(pops) * Linked::kTag);
    stack.Push(top);
    EXPECT_EQ(Tag(stack.word), static_cast<Linked::Word>(pops) * Linked::kTag);
    EXPECT_EQ(Linked::Top(stack.word), 5);
    EXPECT_EQ(Linked::Depth(stack.word), 2);
  }
}

// Top and depth as before, but another slot below: only the tag tells.
TEST(LinkedTest, AStackThatWasChangedBelowItsTopIsAnotherWord) {
  auto stack = Encode<LinkedStack>({2, 1, 0});
  const Linked::Word before = stack.word;
  ASSERT_EQ(stack.Pop(), 0);
  ASSERT_EQ(stack.Pop(), 1);
  ASSERT_EQ(stack.Pop(), 2);
  for (const uint8_t slot : Stack{1, 2, 0}) stack.Push(slot);
  EXPECT_EQ(Linked::Top(stack.word), Linked::Top(before));
  EXPECT_EQ(Linked::Depth(stack.word), Linked::Depth(before));
  EXPECT_NE(stack.word, before);
}

TEST(LinkedTest, AReopenedWordIsEmptyAndWasNeverReadBefore) {
  for (const Stack& s : {Stack{}, Stack{0}, Stack{253, 7}}) {
    auto stack = Encode<LinkedStack>(s);
    stack.word += 41 * Linked::kTag;
    const Linked::Word opened = Linked::Reopened(stack.word);
    EXPECT_TRUE(Linked::HasNone(opened));
    EXPECT_EQ(Linked::Depth(opened), 0);
    EXPECT_FALSE(Linked::AtLeast(opened, Linked::kClosed));
    EXPECT_EQ(Tag(opened), 42 * Linked::kTag);
    EXPECT_EQ(Linked::Reopened(stack.word | Linked::kClosed), opened);
  }
}

TEST(LinkedTest, TheTagWrapsWithoutTouchingTheStack) {
  LinkedStack stack;
  for (const uint8_t slot : Stack{9, 253, 4}) stack.Push(slot);
  stack.word |= ~(Linked::kTag - 1);  // the last tag
  EXPECT_EQ(stack.Pop(), 4);
  EXPECT_EQ(Tag(stack.word), 0u);
  EXPECT_EQ(Linked::Top(stack.word), 253);
  EXPECT_EQ(Linked::Depth(stack.word), 2);
  EXPECT_FALSE(Linked::AtLeast(stack.word, Linked::kClosed));
  EXPECT_EQ(Tag(Linked::Reopened(~Linked::Word{0})), 0u);
}

// ---- At compile time ----------------------------------------------------------------------------

constexpr InWord::Word kTwo = InWord::Push(InWord::Push(InWord::kEmpty, 6), 0);
static_assert(InWord::Top(kTwo) == 0 && InWord::Top(InWord::Pop(kTwo)) == 6);
static_assert(InWord::Pop(InWord::Pop(kTwo)) == InWord::kEmpty && InWord::HasNone(InWord::kEmpty));
static_assert(InWord::Depth(kTwo) == 2 && InWord::AtLeast(kTwo, InWord::OfDepth(2)));
static_assert(!InWord::AtLeast(kTwo, InWord::OfDepth(3)) && !InWord::HasNone(kTwo));
static_assert(InWord::HasNone(InWord::kClosed) &&
              InWord::AtLeast(InWord::kClosed, InWord::OfDepth(7)));

constexpr Linked::Word kOne = Linked::Push(Linked::kEmpty, 253);
constexpr Linked::Word kPair = Linked::Push(kOne, 0);
static_assert(Linked::Below(Linked::kEmpty) == Linked::kBottom && Linked::Below(kOne) == 254);
static_assert(Linked::Top(kPair) == 0 && Linked::Depth(kPair) == 2);
static_assert(Linked::Pop(kPair, Linked::Below(kOne)) == kOne + Linked::kTag);
static_assert(Linked::AtLeast(kPair, Linked::OfDepth(2)) &&
              !Linked::AtLeast(kPair, Linked::kClosed));
static_assert(Linked::HasNone(Linked::kClosed) &&
              Linked::AtLeast(Linked::kClosed, Linked::OfDepth(254)));
static_assert(Linked::Reopened(kPair | Linked::kClosed) == Linked::kTag);

}  // namespace
}  // namespace roost::internal
