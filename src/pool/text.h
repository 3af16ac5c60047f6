// text.h - formats into a buffer of the caller, cut to fit; no allocation, no locale. Without printf:
// a pool would be the first to bring it into the memory of a small program.
#ifndef ROOST_POOL_TEXT_H_
#define ROOST_POOL_TEXT_H_

#include <concepts>
#include <cstdint>
#include <span>
#include <string_view>

#include "roost/deadline.h"

namespace roost::internal {

// `span` in seconds, with so many digits behind the point (0 to 9), rounded half away from zero.
struct Seconds {
  Duration span;
  int digits = 2;
};

// A span as people say it: "850 us", "12.3 ms", "1.24 s", "3 min 20 s".
struct Spoken {
  Duration span;
};

class Text {
 public:
  explicit Text(std::span<char> out) : out_(out) {
    if (!out_.empty()) out_[0] = '\0';
  }

  // Each piece after the other: strings, whole numbers, Seconds, Spoken.
  template <class... Pieces>
  void Add(const Pieces&... pieces) {
    (Put(pieces), ...);
  }
  // What is written so far; a zero stands behind it.
  std::string_view view() const { return {out_.data(), used_}; }

 private:
  void Put(std::string_view text);
  void Put(const char* text) { Put(std::string_view(text)); }
  template <std::integral Number>
  void Put(Number number) {
    if constexpr (std::signed_integral<Number>) {
      PutSigned(number);
    } else {
      PutWhole(number);
    }
  }
  void Put(Seconds seconds);
  void Put(Spoken spoken);
  void PutSigned(int64_t number);
  void PutWhole(uint64_t number);
  void PutSteps(Duration span, Duration step, int digits);

  std::span<char> out_;
  size_t used_ = 0;
};

}  // namespace roost::internal

#endif  // ROOST_POOL_TEXT_H_
