#include "base/json_writer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/duration.h"
#include "base/text.h"
#include "base/utf8.h"

namespace roost::internal {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD

}  // namespace

void JsonWriter::Put(char c) {
  if (drain_.function != nullptr && size_ - drained_ == out_.size()) Finish();
  if (size_ - drained_ < out_.size()) out_[size_ - drained_] = c;
  ++size_;
}

void JsonWriter::Put(std::string_view text) {
  for (const char c : text) Put(c);
}

void JsonWriter::Finish() {
  if (drain_.function == nullptr) return;
  drain_.function(drain_.context, {out_.data(), size_ - drained_});
  drained_ = size_;
}

void JsonWriter::Line() {
  Put('\n');
  for (int i = 0; i < depth_; ++i) Put("  ");
}

// What stands before a value: nothing behind its name, else a comma and a line of its own.
void JsonWriter::Separate() {
  if (after_name_) {
    after_name_ = false;
    return;
  }
  if (!first_) Put(',');
  first_ = false;
  if (depth_ > 0) Line();
}

void JsonWriter::Begin(char bracket) {
  Separate();
  Put(bracket);
  ++depth_;
  first_ = true;
}

void JsonWriter::End(char bracket) {
  --depth_;
  if (!first_) Line();
  Put(bracket);
  first_ = false;
}

void JsonWriter::Name(std::string_view name) {
  Separate();
  Quoted(name);
  Put(": ");
  after_name_ = true;
}

void JsonWriter::Value(std::string_view text) {
  Separate();
  Quoted(text);
}

void JsonWriter::Value(bool value) {
  Separate();
  Put(value ? "true" : "false");
}

void JsonWriter::Value(double number) {
  Separate();
  if (!std::isfinite(number)) return Put("null");
  std::array<char, 32> digits;
  const char* const end = std::to_chars(digits.begin(), digits.end(), number).ptr;
  Put(std::string_view(digits.data(), static_cast<size_t>(end - digits.data())));
}

void JsonWriter::Value(Duration span) { Value(InSeconds(span)); }

void JsonWriter::Signed(int64_t number) {
  Separate();
  Put(BoundedText<20>().Add(number));
}

void JsonWriter::Whole(uint64_t number) {
  Separate();
  Put(BoundedText<20>().Add(number));
}

void JsonWriter::Quoted(std::string_view text) {
  Put('"');
  while (!text.empty()) {
    const size_t size = CharacterSize(text, kStandardUtf8);
    size == 0 ? Put(kReplacement) : Escaped(text.substr(0, size));
    text.remove_prefix(std::max<size_t>(size, 1));
  }
  Put('"');
}

void JsonWriter::Escaped(std::string_view character) {
  if (IsPlainText(character, kPlainUtf8)) {
    if (character == "\"" || character == "\\") Put('\\');
    return Put(character);
  }
  // What is not plain has a number of four digits at the most.
  const uint32_t number = CharacterNumber(character);
  constexpr char kDigits[] = "0123456789abcdef";
  Put("\\u");
  for (const int shift : {12, 8, 4, 0}) Put(kDigits[number >> shift & 15]);
}

}  // namespace roost::internal
