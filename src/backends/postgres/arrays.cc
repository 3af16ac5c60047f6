#include "backends/postgres/arrays.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>

namespace roost::postgres {
namespace {

constexpr std::string_view kNull = "NULL";

bool IsMinusZero(double number) { return number == 0 && std::signbit(number); }

char* Put(std::string_view text, char* place) { return std::copy(text.begin(), text.end(), place); }

template <class Number>
char* PutDigits(Number number, NumberRoom& room) {
  return std::to_chars(room.data(), room.data() + room.size() - 1, number).ptr;
}

bool IsEscaped(char c) { return c == '"' || c == '\\'; }

uint64_t SizeOf(const Value& element) {
  if (element.is_null()) return kNull.size();
  if (element.type() != Value::Type::kText) {
    NumberRoom room;
    return static_cast<uint64_t>(WriteNumber(element, room) - room.data());
  }
  const std::string_view text = element.text();
  const auto escaped = std::count_if(text.begin(), text.end(), IsEscaped);
  return uint64_t{text.size()} + static_cast<uint64_t>(escaped) + 2;
}

char* PutElement(const Value& element, char* place) {
  if (element.is_null()) return Put(kNull, place);
  if (element.type() != Value::Type::kText) {
    NumberRoom room;
    const char* const end = WriteNumber(element, room);
    return std::copy(static_cast<const char*>(room.data()), end, place);
  }
  *place++ = '"';
  for (const char c : element.text()) {
    if (IsEscaped(c)) *place++ = '\\';
    *place++ = c;
  }
  *place++ = '"';
  return place;
}

}  // namespace

char* WriteNumber(const Value& number, NumberRoom& room) {
  constexpr double kWhole = 9007199254740992.0 * 512;  // 2^62
  if (number.type() != Value::Type::kDouble) return PutDigits(number.int64(), room);
  const double real = number.real();
  if (std::isnan(real)) return Put("NaN", room.data());
  if (std::isinf(real)) return Put(real > 0 ? "Infinity" : "-Infinity", room.data());
  if (std::abs(real) < kWhole && real == static_cast<double>(static_cast<int64_t>(real)) &&
      !IsMinusZero(real)) {
    return PutDigits(static_cast<int64_t>(real), room);
  }
  return PutDigits(real, room);
}

ArrayText MeasureArray(const Value& array) {
  ArrayText measured{.size = array.elements() == 0 ? uint64_t{2} : uint64_t{array.elements()} + 1};
  for (size_t i = 0; i < array.elements(); ++i) {
    const Value element = array.element(i);
    if (element.type() == Value::Type::kText &&
        element.text().find('\0') != std::string_view::npos) {
      measured.has_zero = true;
      measured.wrong = i;
      return measured;
    }
    measured.size += SizeOf(element);
  }
  return measured;
}

void WriteArray(const Value& array, char* room) {
  *room++ = '{';
  for (size_t i = 0; i < array.elements(); ++i) {
    if (i > 0) *room++ = ',';
    room = PutElement(array.element(i), room);
  }
  room = Put("}", room);
  *room = '\0';
}

}  // namespace roost::postgres
