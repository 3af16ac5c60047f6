// base/json_writer.h - writes JSON into a buffer of the caller: no heap, no exceptions.
//
//   JsonWriter json(buffer);
//   json.BeginObject();
//   json.Member("open", stats.open);
//   json.Member("longest_hold_s", stats.longest_hold);  // a span is written in seconds
//   json.EndObject();
//   if (json.size() > buffer.size()) ...                // it did not fit
//
// The text is indented by two. Bytes that are no UTF-8 become U+FFFD. A number that JSON does not
// have (infinite, not a number) becomes null.
//
// With a Drain the buffer may be smaller than the text: it is emptied whenever it is full, and by
// Finish.
//
// Threads:  one
// Blocks:   never, but for what a Drain does
// Memory:   the buffer of the caller; JsonText returns a string
// Errors:   none; what is in a buffer that was too small is no JSON
#ifndef ROOST_BASE_JSON_WRITER_H_
#define ROOST_BASE_JSON_WRITER_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "roost/deadline.h"

namespace roost::internal {

// Takes the text piece by piece.
struct Drain {
  void (*function)(void* context, std::string_view text) = nullptr;
  void* context = nullptr;
};

class JsonWriter {
 public:
  explicit JsonWriter(std::span<char> out, Drain drain = {}) : out_(out), drain_(drain) {}

  void BeginObject() { Begin('{'); }
  void EndObject() { End('}'); }
  void BeginArray() { Begin('['); }
  void EndArray() { End(']'); }
  // The next value, object or array is the member `name` of the object that is open.
  void Name(std::string_view name);

  void Value(std::string_view text);
  void Value(const char* text) { Value(std::string_view(text)); }
  void Value(bool value);
  void Value(double number);
  void Value(Duration span);
  template <std::integral Number>
  void Value(Number number) {
    if constexpr (std::signed_integral<Number>) {
      Signed(number);
    } else {
      Whole(number);
    }
  }
  template <class T>
  void Member(std::string_view name, const T& value) {
    Name(name);
    Value(value);
  }

  // How long the whole text is, also when it did not fit.
  size_t size() const { return size_; }
  // Hands the rest of the text to the drain.
  void Finish();

 private:
  void Begin(char bracket);
  void End(char bracket);
  void Separate();
  void Line();
  void Quoted(std::string_view text);
  void Escaped(std::string_view character);
  void Signed(int64_t number);
  void Whole(uint64_t number);
  void Put(char c);
  void Put(std::string_view text);

  const std::span<char> out_;
  const Drain drain_;
  size_t size_ = 0;
  size_t drained_ = 0;  // of it
  int depth_ = 0;
  bool first_ = true;        // in the object or array that is open
  bool after_name_ = false;  // the member's value follows
};

// What `write(JsonWriter&)` writes, as a string. Calls it twice: to count, and to write.
template <class Write>
std::string JsonText(const Write& write) {
  JsonWriter count({});
  write(count);
  std::string text(count.size(), '\0');
  JsonWriter json(text);
  write(json);
  return text;
}

}  // namespace roost::internal

#endif  // ROOST_BASE_JSON_WRITER_H_
