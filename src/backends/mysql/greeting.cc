#include "backends/mysql/greeting.h"

namespace roost::mysql {
namespace {

constexpr size_t kHeader = 4;  // a length of three bytes, and a number
constexpr unsigned char kError = 0xFF;

}  // namespace

GreetingReader::Verdict GreetingReader::Take(std::string_view bytes) {
  for (size_t i = 0; i < bytes.size() && taken_ + i < begin_.size(); ++i) {
    begin_[taken_ + i] = static_cast<unsigned char>(bytes[i]);
  }
  taken_ += bytes.size();
  if (verdict_ == Verdict::kGood) verdict_ = Judge();
  return verdict_;
}

GreetingReader::Verdict GreetingReader::Judge() const {
  if (taken_ < kHeader) return Verdict::kGood;
  const size_t length = begin_[0] | size_t{begin_[1]} << 8 | size_t{begin_[2]} << 16;
  if (length > kMost) return Verdict::kTooLong;
  if (taken_ >= begin_.size() && length >= 3 && begin_[4] == kError && begin_[5] == 0xFF &&
      begin_[6] == 0xFF) {
    return Verdict::kProgress;
  }
  return taken_ > kHeader + length ? Verdict::kMore : Verdict::kGood;
}

std::string_view WhatIsWrong(GreetingReader::Verdict verdict) {
  return verdict == GreetingReader::Verdict::kMore
             ? "bytes came behind the greeting, before the client had answered"
             : "what came in place of a greeting is none";
}

}  // namespace roost::mysql
