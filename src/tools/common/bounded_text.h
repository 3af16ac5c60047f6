// src/tools/common/bounded_text.h - text that is put together without a heap.
//
//   BoundedText<64> text("away");
//   text.Append(" for ").Append(FormatDuration(span));
#ifndef SRC_TOOLS_COMMON_BOUNDED_TEXT_H_
#define SRC_TOOLS_COMMON_BOUNDED_TEXT_H_

#include <algorithm>
#include <array>
#include <charconv>
#include <concepts>
#include <cstddef>
#include <string_view>

#include "absl/status/status.h"

namespace roost::tools {

// Up to N bytes; what is longer is cut, between two characters of UTF-8.
template <size_t N>
class BoundedText {
 public:
  static constexpr size_t kMost = N;

  BoundedText() = default;
  explicit BoundedText(std::string_view text) { Append(text); }

  BoundedText& Append(std::string_view text) {
    size_t size = std::min(text.size(), N - size_);
    if (size < text.size()) {
      while (size > 0 && IsContinuation(text[size])) --size;
    }
    std::copy_n(text.begin(), size, bytes_.begin() + static_cast<ptrdiff_t>(size_));
    size_ += size;
    bytes_[size_] = '\0';
    return *this;
  }
  BoundedText& Append(std::integral auto number) {
    char digits[24];
    const char* const end = std::to_chars(digits, digits + sizeof digits, number).ptr;
    return Append(std::string_view(digits, static_cast<size_t>(end - digits)));
  }
  void clear() { *this = BoundedText(); }

  bool empty() const { return size_ == 0; }
  const char* c_str() const { return bytes_.data(); }
  operator std::string_view() const { return {bytes_.data(), size_}; }
  friend bool operator==(const BoundedText& a, const BoundedText& b) {
    return std::string_view(a) == std::string_view(b);
  }

 private:
  static bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

  std::array<char, N + 1> bytes_{};
  size_t size_ = 0;
};

// The message of a status: absl::string_view is another type than std's where Abseil was built for
// an older C++.
inline std::string_view MessageOf(const absl::Status& status) {
  return {status.message().data(), status.message().size()};
}

// A line for people: a state, an error, a sentence.
using TextLine = BoundedText<512>;

}  // namespace roost::tools

#endif  // SRC_TOOLS_COMMON_BOUNDED_TEXT_H_
