#include "backends/postgres/parameters.h"

#include <charconv>
#include <cmath>
#include <cstring>
#include <string>

#include "backends/postgres/values.h"
#include "statements/text.h"

namespace roost::postgres {
namespace {

using internal::Concat;
using internal::Quoted;

constexpr int kTextFormat = 0;
constexpr int kBinaryFormat = 1;
constexpr size_t kLongest = size_t{1} << 30;  // the server takes no longer message

bool IsMinusZero(double number) { return number == 0 && std::signbit(number); }

std::string Place(size_t index, std::string_view sql) {
  return Concat({"$", std::to_string(index + 1), " of ", Quoted(sql)});
}

}  // namespace

std::span<const Oid> DeclareTypes(const Libpq& pq, std::span<const Value> values,
                                  const PGresult* description, std::span<Oid> places) {
  for (size_t i = 0; i < values.size(); ++i) {
    const Oid type = pq.PQparamtype(description, static_cast<int>(i));
    const Value::Type is = values[i].type();
    const bool by_type = values[i].is_moment() || is == Value::Type::kBlob ||
                         (is == Value::Type::kText && TakesBytes(type));
    places[i] = by_type ? type : 0;
  }
  return places.first(values.size());
}

absl::Status Parameters::Read(std::span<const Value> values, const PGresult* description,
                              std::string_view sql) {
  count_ = static_cast<int>(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    const bool known = description != nullptr;
    const uint32_t type = known ? pq_.PQparamtype(description, static_cast<int>(i)) : 0;
    absl::Status status = ReadOne(i, values[i], known, type, sql);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Parameters::ReadOne(size_t index, const Value& value, bool known, uint32_t type,
                                 std::string_view sql) {
  lengths_[index] = 0;
  formats_[index] = kTextFormat;
  switch (value.type()) {
    case Value::Type::kNull:
      values_[index] = nullptr;
      return absl::OkStatus();
    case Value::Type::kInt64: {
      std::array<std::byte, 8> moment;
      if (!value.is_moment() || !IsMoment(type)) {
        TakeNumber(index, value.int64());
      } else if (WriteMoment(Micros{value.int64()}, moment)) {
        char* const place = numbers_[index].data();
        std::memcpy(place, moment.data(), moment.size());
        TakeBytes(index, place, moment.size());
      } else {
        return absl::InvalidArgumentError(
            Concat({Place(index, sql), " is a moment that PostgreSQL cannot store"}));
      }
      return absl::OkStatus();
    }
    case Value::Type::kDouble:
      TakeReal(index, value.real());
      return absl::OkStatus();
    case Value::Type::kText:
      return ReadText(index, value.text(), known && TakesBytes(type), sql);
    case Value::Type::kBlob: {
      const Blob blob = value.blob();
      if (blob.size() > kLongest) break;
      if (IsNoBytes(type)) {
        return absl::InvalidArgumentError(
            Concat({Place(index, sql),
                    " is a Blob for a number, a boolean or a moment: bind such a value, or write "
                    "the placeholder as ...::bytea"}));
      }
      TakeBytes(index, reinterpret_cast<const char*>(blob.data()), blob.size());
      return absl::OkStatus();
    }
    case Value::Type::kTooLarge:
      return absl::InvalidArgumentError(
          Concat({Place(index, sql), " is beyond the integers of 64 bits that PostgreSQL has"}));
  }
  return absl::InvalidArgumentError(Concat({Place(index, sql), " is longer than 1 GiB"}));
}

absl::Status Parameters::ReadText(size_t index, std::string_view text, bool as_bytes,
                                  std::string_view sql) {
  if (text.size() > kLongest) {
    return absl::InvalidArgumentError(Concat({Place(index, sql), " is longer than 1 GiB"}));
  }
  if (text.find('\0') != std::string_view::npos) {
    return absl::InvalidArgumentError(
        Concat({Place(index, sql),
                " is text with a zero byte in it, which PostgreSQL has not: bind a "
                "Blob to a bytea instead"}));
  }
  if (as_bytes) {
    TakeBytes(index, text.data(), text.size());
    return absl::OkStatus();
  }
  bytes_ += text.size();
  values_[index] = arena_.Copy(text);
  if (values_[index] != nullptr) return absl::OkStatus();
  return absl::ResourceExhaustedError(Concat({Place(index, sql), ": libpq has no memory for it"}));
}

// A null pointer would bind NULL, so that what is empty gets an address.
void Parameters::TakeBytes(size_t index, const char* data, size_t size) {
  values_[index] = data == nullptr ? "" : data;
  lengths_[index] = static_cast<int>(size);
  bytes_ += size;
  formats_[index] = kBinaryFormat;
}

template <class Number>
void Parameters::TakeNumber(size_t index, Number number) {
  char* const begin = numbers_[index].data();
  *std::to_chars(begin, begin + kNumber - 1, number).ptr = '\0';
  values_[index] = begin;
}

// What is whole is written in digits, which an integer column takes, too.
void Parameters::TakeReal(size_t index, double number) {
  constexpr double kWhole = 9007199254740992.0 * 512;  // 2^62
  if (std::isnan(number)) {
    values_[index] = "NaN";
  } else if (std::isinf(number)) {
    values_[index] = number > 0 ? "Infinity" : "-Infinity";
  } else if (std::abs(number) < kWhole && number == std::trunc(number) && !IsMinusZero(number)) {
    TakeNumber(index, static_cast<int64_t>(number));
  } else {
    TakeNumber(index, number);
  }
}

}  // namespace roost::postgres
