// backends/postgres/arrays.h - a Value that is an array, or a number, as the server's text.
//
// `{1,NULL,"a \"b\""}`: the form that an array of any element type takes, and that is shorter than the
// binary one for what nodes measure. Text stands in quotes always, so that none of it can be taken for
// NULL, a comma or a brace.
#ifndef ROOST_BACKENDS_POSTGRES_ARRAYS_H_
#define ROOST_BACKENDS_POSTGRES_ARRAYS_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "roost/statement.h"

namespace roost::postgres {

// The longest number, a double, is 24 characters.
using NumberRoom = std::array<char, 32>;

// Writes a kInt64 or kDouble; returns the end, behind which there is room for a zero. A double that is
// whole is written in digits, which an integer column takes, too.
char* WriteNumber(const Value& number, NumberRoom& room);

struct ArrayText {
  uint64_t size = 0;      // bytes, without a zero behind them
  bool has_zero = false;  // an element cannot be written
  size_t wrong = 0;       // its number, from 0
};
// REQUIRES of both: `array` is a kArray.
ArrayText MeasureArray(const Value& array);
// Writes it with a zero behind it. REQUIRES: `room` has the measured size and 1, and has_zero is false.
void WriteArray(const Value& array, char* room);

}  // namespace roost::postgres

#endif  // ROOST_BACKENDS_POSTGRES_ARRAYS_H_
