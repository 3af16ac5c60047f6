// backends/mysql/values.h - values on their way to the server and back.
//
// Numbers, moments and short texts have a place of their own in a Column; a longer text makes its column's
// room grow, so that no row needs memory but one that is longer than all before it.
#ifndef ROOST_BACKENDS_MYSQL_VALUES_H_
#define ROOST_BACKENDS_MYSQL_VALUES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "backends/mysql/libmariadb.h"
#include "roost/statement.h"

namespace roost::mysql {

// The moment of that date and time in UTC; nothing: it is none, such as 0000-00-00.
std::optional<Micros> ReadMoment(const MYSQL_TIME& time);
// "2024-02-29", "2024-02-29 12:00:00.5", "-838:59:59": as the server writes it, without zeros at the end of
// a fraction. `room` has at least kTimeText bytes.
inline constexpr size_t kTimeText = 48;
std::string_view WriteTime(const MYSQL_TIME& time, std::span<char> room);
// DECIMAL: an integer where it is one that fits, else a double.
Value ReadDecimal(std::string_view text);
// An unsigned integer. `room` is as for WriteTime.
Value ReadUnsigned(uint64_t number, std::span<char> room);
// BIT: such an integer.
Value ReadBits(std::string_view bytes, std::span<char> room);
// Text, or bytes where it is not UTF-8.
Value ReadText(std::string_view text);

// kInvalidArgument: a BIT out of an expression, such as MAX(b). MariaDB sends the digits of some and the bits of
// others, and describes them alike. A column of a table has no BINARY_FLAG.
absl::Status CheckField(const MYSQL_FIELD& field, std::string_view sql);
// kInvalidArgument: a value that MySQL has not.
absl::Status CheckValue(size_t index, const Value& value, std::string_view sql);

// The values of one run, for mysql_stmt_bind_param: one for each ?.
class Parameters {
 public:
  // `places`: which value each ? takes.
  explicit Parameters(size_t count) : binds_(count), numbers_(count), lengths_(count) {}
  // REQUIRES: what `values` point to stays until the run.
  void Read(std::span<const Value> values, std::span<const uint8_t> places);
  MYSQL_BIND* binds() { return binds_.data(); }

 private:
  union Number {
    int64_t whole;  // or the bits of an unsigned one
    double real;
  };
  std::vector<MYSQL_BIND> binds_;
  std::vector<Number> numbers_;
  std::vector<unsigned long> lengths_;
};

// One column of the rows that come.
class Column {
 public:
  explicit Column(const MYSQL_FIELD& field);
  // Whether it is for such a field.
  bool IsOf(const MYSQL_FIELD& field) const;
  // Where the library puts the next value.
  MYSQL_BIND Bind();
  // The row's value is longer than the room, which has grown now: it has to be fetched again.
  bool Grow();
  Value Read() const;
  // What the library has said of the row's value.
  struct Answer {
    unsigned long length;
    my_bool is_null;
  };
  Answer answer() const { return {length_, is_null_}; }
  void set_answer(const Answer& answer) {
    length_ = answer.length;
    is_null_ = answer.is_null;
  }
  // Makes the room small again.
  void Shrink();

 private:
  bool IsText() const { return type_ == MYSQL_TYPE_STRING; }

  const enum enum_field_types field_type_;
  enum enum_field_types type_;  // as it is bound
  const bool is_unsigned_;
  const bool is_binary_;
  union {
    int64_t whole_;
    double real_;
    float single_;
    MYSQL_TIME time_;
  };
  mutable std::array<char, kTimeText> text_;
  std::unique_ptr<char[]> room_;
  unsigned long capacity_ = 0;
  unsigned long length_ = 0;
  my_bool is_null_ = 0;
  my_bool truncated_ = 0;
};

}  // namespace roost::mysql

#endif  // ROOST_BACKENDS_MYSQL_VALUES_H_
