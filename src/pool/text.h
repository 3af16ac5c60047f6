// text.h - formats into a buffer of the caller, cut to fit; no allocation.
#ifndef ROOST_POOL_TEXT_H_
#define ROOST_POOL_TEXT_H_

#include <cstdarg>
#include <cstdio>
#include <span>
#include <string_view>

#include "roost/deadline.h"

namespace roost::internal {

class Text {
 public:
  explicit Text(std::span<char> out) : out_(out) {
    if (!out_.empty()) out_[0] = '\0';
  }

  [[gnu::format(printf, 2, 3)]] void Add(const char* format, ...) {
    if (used_ >= out_.size()) return;
    std::va_list args;
    va_start(args, format);
    const int wanted = std::vsnprintf(out_.data() + used_, out_.size() - used_, format, args);
    va_end(args);
    if (wanted < 0) return;
    used_ += static_cast<size_t>(wanted);
    // vsnprintf keeps one byte for its terminating zero.
    if (used_ >= out_.size()) used_ = out_.size() - 1;
  }
  void Add(std::string_view text) { Add("%.*s", static_cast<int>(text.size()), text.data()); }
  // A span as people say it: "850 us", "12.3 ms", "1.24 s", "3 min 20 s".
  void AddSpan(Duration span) {
    const double us = static_cast<double>(span.count()) / 1e3;
    if (us < 1e3) return Add("%.0f us", us);
    if (us < 1e6) return Add("%.1f ms", us / 1e3);
    if (us < 120e6) return Add("%.2f s", us / 1e6);
    const long long seconds = static_cast<long long>(us / 1e6);
    Add("%lld min %lld s", seconds / 60, seconds % 60);
  }
  std::string_view view() const { return {out_.data(), used_}; }

 private:
  std::span<char> out_;
  size_t used_ = 0;
};

inline double Seconds(Duration span) { return static_cast<double>(span.count()) / 1e9; }

}  // namespace roost::internal

#endif  // ROOST_POOL_TEXT_H_
