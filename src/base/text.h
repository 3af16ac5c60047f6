// base/text.h - text that is put together in a buffer of a fixed size: no heap, no locale, no
// printf. A pool would be the first to bring printf into the memory of a small program.
//
//   BoundedText<64> line("away");
//   line.Add(" for ", Spoken{span}, ", try ", 3);
//
// A header adds a kind of piece by a function `void Put(Text&, Piece)` beside the piece: see
// duration.h.
//
// Threads:  one at a time for each text
// Blocks:   never
// Memory:   the buffer of the caller, or N + 1 bytes inside; Concat and Digits return strings
// Errors:   none: what does not fit is cut between two characters of UTF-8
#ifndef ROOST_BASE_TEXT_H_
#define ROOST_BASE_TEXT_H_

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace roost::internal {

// Writes into a buffer of the caller. A zero stands behind the text.
class Text {
 public:
  explicit Text(std::span<char> out) : Text(out, 0) {}
  // Goes on behind the first `used` bytes of `out`. REQUIRES: used < out.size(), or both are 0.
  Text(std::span<char> out, size_t used) : out_(out), used_(used) {
    if (!out_.empty()) out_[used_] = '\0';
  }

  // Adds each piece: strings, characters, whole numbers, and what has a Put().
  template <class... Pieces>
  void Add(const Pieces&... pieces) {
    (Put(*this, pieces), ...);
  }
  std::string_view view() const { return {out_.data(), used_}; }

  void AddText(std::string_view text);
  void AddWhole(uint64_t number);
  void AddSigned(int64_t number);
  // `amount` in units of `unit`, rounded half up, with `decimals` digits behind the point; those at
  // the end that are zeros are left out if `trim`. REQUIRES: unit * 10^decimals < 2^64.
  void AddDecimal(uint64_t amount, uint64_t unit, int decimals, bool trim);
  // The same with so many digits that stand for something: 12.3, 123, 1235. At least one before the
  // point, and no zeros at the end behind it. REQUIRES: unit * 10^digits < 2^64.
  void AddSignificant(uint64_t amount, uint64_t unit, int digits);

 private:
  std::span<char> out_;
  size_t used_ = 0;
};

inline void Put(Text& text, std::string_view piece) { text.AddText(piece); }
inline void Put(Text& text, const char* piece) { text.AddText(piece); }
inline void Put(Text& text, char piece) { text.AddText({&piece, 1}); }
template <std::integral Number>
void Put(Text& text, Number number) {
  if constexpr (std::signed_integral<Number>) {
    text.AddSigned(number);
  } else {
    text.AddWhole(number);
  }
}

// Owns its buffer: up to N bytes.
template <size_t N>
class BoundedText {
 public:
  static constexpr size_t kMost = N;

  BoundedText() = default;
  explicit BoundedText(std::string_view text) { Add(text); }

  template <class... Pieces>
  BoundedText& Add(const Pieces&... pieces) {
    Text text(bytes_, size_);
    text.Add(pieces...);
    size_ = text.view().size();
    return *this;
  }
  void clear() { *this = BoundedText(); }

  bool empty() const { return size_ == 0; }
  const char* c_str() const { return bytes_.data(); }
  // A bounded text is used as text.
  operator std::string_view() const {  // NOLINT(google-explicit-constructor)
    return {bytes_.data(), size_};
  }
  friend bool operator==(const BoundedText& a, const BoundedText& b) {
    return static_cast<std::string_view>(a) == static_cast<std::string_view>(b);
  }

 private:
  std::array<char, N + 1> bytes_{};
  size_t size_ = 0;
};

// A line for people: a state, an error, a sentence.
using TextLine = BoundedText<512>;

// The pieces in one string. (The absl::StrCat of Debian 12 does not take std::string_view.)
std::string Concat(std::initializer_list<std::string_view> pieces);

// A whole number. (std::to_string is inline: half a kilobyte in every file that calls it.)
std::string Digits(int64_t number);

}  // namespace roost::internal

#endif  // ROOST_BASE_TEXT_H_
