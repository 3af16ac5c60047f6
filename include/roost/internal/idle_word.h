// include/roost/internal/idle_word.h - the idle slots of a lane as one number.
//
// A stack of slot numbers, the slot used last on top, in one word that a compare-and-swap can
// replace. Two forms: InWord holds the whole stack (up to 7 slots, 32 bits); Linked holds its top
// and its depth, and each slot says which one is below it (up to 254 slots, 64 bits). Pure
// functions of numbers; who may read and write the word, and in which memory order, is told in
// fast_lane.h.
//
// A closed word looks empty to whoever wants a slot and full to whoever brings one.
#ifndef ROOST_INTERNAL_IDLE_WORD_H_
#define ROOST_INTERNAL_IDLE_WORD_H_

#include <cstdint>

namespace roost::internal {

// Four bits a slot, the top in the lowest: 8 + slot, or 0 where the stack ends. A stack of depth d
// is a number from 16^(d-1) up to below 16^d, so that depths are compared by comparing words. The
// number is the whole state: a word that is equal means the same stack, and no tag is needed.
struct InWord {
  using Word = uint32_t;
  static constexpr int kMaxSlots = 7;
  static constexpr Word kEmpty = 0;
  static constexpr Word kClosed = 0x80000000;  // no slot on top, and above every stack of 7

  static constexpr bool HasNone(Word word) { return (word & 8) == 0; }
  // REQUIRES (Top, Pop): !HasNone(word).
  static constexpr uint8_t Top(Word word) { return static_cast<uint8_t>(word & 7); }
  static constexpr Word Pop(Word word) { return word >> 4; }
  // REQUIRES: not closed, depth < 7, slot < 7.
  static constexpr Word Push(Word word, uint8_t slot) { return word << 4 | 8 | slot; }
  static constexpr int Depth(Word word) {
    if (word == kClosed) return 0;
    int depth = 0;
    for (; word != 0; word >>= 4) ++depth;
    return depth;
  }
  // The least word of this depth: `word >= OfDepth(d)` says that the stack is at least d deep, or
  // closed. Depth 0 to 7.
  static constexpr Word OfDepth(int depth) { return depth == 0 ? 0 : Word{1} << (4 * (depth - 1)); }
  static constexpr bool AtLeast(Word word, Word of_depth) { return word >= of_depth; }
};

// Lowest byte: the top slot + 1, or 0. Next byte: the depth. Next bit: closed. The rest is a tag
// that grows with every pop and wraps freely. It makes a word that was read before a pop differ
// from the one after it, even if the same slot is back on top: a compare-and-swap is wrong only
// for a thread that sleeps between its load and its swap for exactly a multiple of 2^47 pops.
struct Linked {
  using Word = uint64_t;
  static constexpr int kMaxSlots = 254;
  static constexpr Word kEmpty = 0;
  static constexpr Word kDepth = Word{1} << 8;
  static constexpr Word kClosed = Word{1} << 16;
  static constexpr Word kTag = Word{1} << 17;
  static constexpr uint8_t kBottom = 0;  // below the lowest slot

  static constexpr bool HasNone(Word word) { return (word & 255) == 0; }
  // REQUIRES (Top, Pop): !HasNone(word). `below` is what the top slot says is below it: its number
  // + 1, or kBottom.
  static constexpr uint8_t Top(Word word) { return static_cast<uint8_t>((word & 255) - 1); }
  static constexpr Word Pop(Word word, uint8_t below) {
    return word - (word & 255) + below - kDepth + kTag;
  }
  // What `slot` has to say is below it before the swap.
  static constexpr uint8_t Below(Word word) { return static_cast<uint8_t>(word & 255); }
  // REQUIRES: not closed, depth < 254.
  static constexpr Word Push(Word word, uint8_t slot) {
    return word - (word & 255) + (slot + Word{1}) + kDepth;
  }
  static constexpr int Depth(Word word) { return static_cast<int>(word >> 8 & 255); }
  static constexpr Word OfDepth(int depth) { return static_cast<Word>(depth) << 8; }
  static constexpr bool AtLeast(Word word, Word of_depth) {
    return (word & (kTag - kDepth)) >= of_depth;
  }
  // An empty, open stack that no thread can have read before: the tag goes on from `word`.
  static constexpr Word Reopened(Word word) { return (word & ~(kTag - 1)) + kTag; }
};

}  // namespace roost::internal

#endif  // ROOST_INTERNAL_IDLE_WORD_H_
