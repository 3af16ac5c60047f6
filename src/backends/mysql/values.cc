#include "backends/mysql/values.h"

#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <system_error>

#include "base/utf8.h"
#include "statements/text.h"

namespace roost::mysql {
namespace {

using internal::Concat;
using internal::Digits;
using internal::Quoted;

// Of a text or bytes.
constexpr unsigned long kFirstRoom = 256;
constexpr unsigned long kKeptRoom = 16384;
constexpr unsigned kBinaryCharset = 63;

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    size_t ascii = 0;
    while (ascii < text.size() && static_cast<unsigned char>(text[ascii]) < 0x80) ++ascii;
    text.remove_prefix(ascii);
    if (text.empty()) break;
    const size_t size = internal::CharacterSize(text, internal::kStandardUtf8);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

Blob AsBytes(std::string_view text) { return std::as_bytes(std::span(text)); }

template <class Number>
std::optional<Number> ReadNumber(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

enum enum_field_types BoundTypeOf(const MYSQL_FIELD& field) {
  switch (field.type) {
    case MYSQL_TYPE_TINY:
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_LONGLONG:
    case MYSQL_TYPE_YEAR:
      return MYSQL_TYPE_LONGLONG;
    case MYSQL_TYPE_FLOAT:
    case MYSQL_TYPE_DOUBLE:
    case MYSQL_TYPE_DATE:
    case MYSQL_TYPE_NEWDATE:
    case MYSQL_TYPE_TIME:
    case MYSQL_TYPE_DATETIME:
    case MYSQL_TYPE_TIMESTAMP:
      return field.type;
    default:
      return MYSQL_TYPE_STRING;
  }
}

}  // namespace

std::optional<Micros> ReadMoment(const MYSQL_TIME& time) {
  if (time.time_type != MYSQL_TIMESTAMP_DATETIME) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(time.year)),
                                         std::chrono::month(time.month),
                                         std::chrono::day(time.day)};
  if (!date.ok() || time.year > 9999 || time.hour > 23 || time.minute > 59 || time.second > 59 ||
      time.second_part > 999'999) {
    return std::nullopt;
  }
  const int64_t days = std::chrono::sys_days{date}.time_since_epoch().count();
  const int64_t seconds =
      days * 86'400 + int64_t{time.hour} * 3600 + int64_t{time.minute} * 60 + int64_t{time.second};
  return Micros{seconds * 1'000'000 + static_cast<int64_t>(time.second_part)};
}

std::string_view WriteTime(const MYSQL_TIME& time, std::span<char> room) {
  int size = 0;
  const auto add = [&](const char* format, auto... parts) {
    const int more = std::snprintf(room.data() + size, room.size() - static_cast<size_t>(size),
                                   format, parts...);
    size = std::min(size + std::max(more, 0), static_cast<int>(room.size()) - 1);
  };
  const bool date = time.time_type != MYSQL_TIMESTAMP_TIME;
  if (date) add("%04u-%02u-%02u", time.year, time.month, time.day);
  if (time.time_type == MYSQL_TIMESTAMP_DATE) return {room.data(), static_cast<size_t>(size)};
  const unsigned hours = date ? time.hour : time.hour + time.day * 24;
  add("%s%02u:%02u:%02u", date ? " " : (time.neg != 0 ? "-" : ""), hours, time.minute, time.second);
  if (time.second_part != 0) {
    add(".%06lu", time.second_part % 1'000'000);
    while (size > 0 && room[static_cast<size_t>(size) - 1] == '0') --size;
  }
  return {room.data(), static_cast<size_t>(size)};
}

Value ReadDecimal(std::string_view text) {
  if (const std::optional<int64_t> whole = ReadNumber<int64_t>(text); whole.has_value()) {
    return Value(*whole);
  }
  const std::optional<double> real = ReadNumber<double>(text);
  return real.has_value() ? Value(*real) : ReadText(text);
}

Value ReadUnsigned(uint64_t number, std::span<char> room) {
  if (number <= static_cast<uint64_t>(INT64_MAX)) return Value(static_cast<int64_t>(number));
  const auto [end, error] = std::to_chars(room.data(), room.data() + room.size(), number);
  return Value::OfUnsigned(std::string_view(room.data(), static_cast<size_t>(end - room.data())));
}

Value ReadBits(std::string_view bytes, std::span<char> room) {
  uint64_t number = 0;
  for (const char byte : bytes) number = number << 8 | static_cast<unsigned char>(byte);
  return bytes.size() > sizeof number ? Value(AsBytes(bytes)) : ReadUnsigned(number, room);
}

Value ReadText(std::string_view text) { return IsUtf8(text) ? Value(text) : Value(AsBytes(text)); }

absl::Status CheckField(const MYSQL_FIELD& field, std::string_view sql) {
  if (field.type != MYSQL_TYPE_BIT || (field.flags & BINARY_FLAG) == 0) return absl::OkStatus();
  const std::string_view name(field.name, field.name_length);
  return absl::InvalidArgumentError(
      Concat({Quoted(sql), ": ", Quoted(name),
              " is a BIT out of an expression, of which a server sends digits or bits and does not "
              "say which: add 0 to the expression"}));
}

// ---- to the server ------------------------------------------------------------------------------

absl::Status CheckValue(size_t index, const Value& value, std::string_view sql) {
  const auto wrong = [&](std::string_view what) {
    return absl::InvalidArgumentError(
        Concat({"$", Digits(static_cast<int64_t>(index) + 1), " of ", Quoted(sql), " is ", what}));
  };
  switch (value.type()) {
    case Value::Type::kDouble:
      if (std::isfinite(value.real())) return absl::OkStatus();
      return wrong(
          "NaN or infinite, which MySQL has not: bind an empty std::optional, which is NULL");
    case Value::Type::kTooLarge:
      if (value.is_unsigned()) return absl::OkStatus();
      return wrong("beyond the integers of 64 bits that a Value has");
    case Value::Type::kArray:
      return wrong(
          "an array, which MySQL has not: run a statement for one element with RunAll, or bind a "
          "JSON "
          "text and read it with JSON_TABLE()");
    default:
      return absl::OkStatus();
  }
}

void Parameters::Read(std::span<const Value> values, std::span<const uint8_t> places) {
  for (size_t i = 0; i < places.size(); ++i) {
    const Value& value = values[places[i]];
    MYSQL_BIND& bind = binds_[i];
    bind = {};
    switch (value.type()) {
      case Value::Type::kInt64:
      case Value::Type::kTooLarge:
        numbers_[i].whole = value.int64();
        bind.is_unsigned = value.is_unsigned() ? 1 : 0;
        bind.buffer_type = MYSQL_TYPE_LONGLONG;
        bind.buffer = &numbers_[i];
        break;
      case Value::Type::kDouble:
        numbers_[i].real = value.real();
        bind.buffer_type = MYSQL_TYPE_DOUBLE;
        bind.buffer = &numbers_[i];
        break;
      case Value::Type::kText:
      case Value::Type::kBlob: {
        const bool text = value.type() == Value::Type::kText;
        const std::string_view bytes =
            text ? value.text()
                 : std::string_view(reinterpret_cast<const char*>(value.blob().data()),
                                    value.blob().size());
        lengths_[i] = bytes.size();
        bind.buffer_type = text ? MYSQL_TYPE_STRING : MYSQL_TYPE_BLOB;
        // The library only reads it.
        bind.buffer = const_cast<char*>(bytes.data() == nullptr ? "" : bytes.data());
        bind.buffer_length = lengths_[i];
        bind.length = &lengths_[i];
        break;
      }
      default:
        bind.buffer_type = MYSQL_TYPE_NULL;
    }
  }
}

// ---- from the server ----------------------------------------------------------------------------

Column::Column(const MYSQL_FIELD& field)
    : field_type_(field.type),
      type_(BoundTypeOf(field)),
      is_unsigned_((field.flags & UNSIGNED_FLAG) != 0),
      is_binary_(field.charsetnr == kBinaryCharset),
      time_() {
  if (IsText()) {
    capacity_ = kFirstRoom;
    room_ = std::make_unique_for_overwrite<char[]>(capacity_);
  }
}

bool Column::IsOf(const MYSQL_FIELD& field) const {
  return field.type == field_type_ && ((field.flags & UNSIGNED_FLAG) != 0) == is_unsigned_ &&
         (field.charsetnr == kBinaryCharset) == is_binary_;
}

MYSQL_BIND Column::Bind() {
  MYSQL_BIND bind{};
  bind.buffer_type = type_;
  bind.is_unsigned = is_unsigned_ ? 1 : 0;
  bind.length = &length_;
  bind.is_null = &is_null_;
  bind.error = &truncated_;
  bind.buffer = IsText() ? static_cast<void*>(room_.get()) : static_cast<void*>(&time_);
  bind.buffer_length = IsText() ? capacity_ : sizeof(time_);
  return bind;
}

bool Column::Grow() {
  if (!IsText() || is_null_ != 0 || length_ <= capacity_) return false;
  while (capacity_ < length_) capacity_ *= 2;
  room_ = std::make_unique_for_overwrite<char[]>(capacity_);
  return true;
}

void Column::Shrink() {
  if (!IsText() || capacity_ <= kKeptRoom) return;
  capacity_ = kFirstRoom;
  room_ = std::make_unique_for_overwrite<char[]>(capacity_);
}

Value Column::Read() const {
  if (is_null_ != 0 || field_type_ == MYSQL_TYPE_NULL) return Value();
  switch (type_) {
    case MYSQL_TYPE_LONGLONG:
      return is_unsigned_ ? ReadUnsigned(static_cast<uint64_t>(whole_), text_) : Value(whole_);
    case MYSQL_TYPE_DOUBLE:
      return Value(real_);
    case MYSQL_TYPE_FLOAT:
      return Value(single_);
    case MYSQL_TYPE_DATETIME:
    case MYSQL_TYPE_TIMESTAMP: {
      // Of midnight the server sends the day alone.
      MYSQL_TIME time = time_;
      time.time_type = MYSQL_TIMESTAMP_DATETIME;
      if (const std::optional<Micros> moment = ReadMoment(time); moment.has_value()) {
        return Value(*moment);
      }
      return Value(WriteTime(time, text_));
    }
    case MYSQL_TYPE_DATE:
    case MYSQL_TYPE_NEWDATE:
    case MYSQL_TYPE_TIME:
      return Value(WriteTime(time_, text_));
    default:
      break;
  }
  const std::string_view bytes(room_.get(), std::min(length_, capacity_));
  if (field_type_ == MYSQL_TYPE_NEWDECIMAL || field_type_ == MYSQL_TYPE_DECIMAL) {
    return ReadDecimal(bytes);
  }
  if (field_type_ == MYSQL_TYPE_BIT) return ReadBits(bytes, text_);
  return is_binary_ ? Value(AsBytes(bytes)) : ReadText(bytes);
}

}  // namespace roost::mysql
