#include "backends/postgres/parameters.h"

#include <cstring>
#include <string>

#include "backends/postgres/values.h"
#include "statements/text.h"

namespace roost::postgres {
namespace {

using internal::Concat;
using internal::Digits;
using internal::Quoted;

constexpr int kTextFormat = 0;
constexpr int kBinaryFormat = 1;
constexpr size_t kLongest = size_t{1} << 30;  // the server takes no longer message

// Its form does not depend on what the server takes it for.
bool IsNumber(const Value& value) {
  return value.type() == Value::Type::kDouble ||
         (value.type() == Value::Type::kInt64 && !value.is_moment());
}

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
    const bool asks = known && !IsNumber(values[i]);
    const uint32_t type = asks ? pq_.PQparamtype(description, static_cast<int>(i)) : 0;
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
        TakeNumber(index, value);
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
      TakeNumber(index, value);
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
    case Value::Type::kArray:
      return ReadArray(index, value, sql);
    case Value::Type::kTooLarge:
      return absl::InvalidArgumentError(
          Concat({Place(index, sql), " is beyond the integers of 64 bits that PostgreSQL has"}));
  }
  return absl::InvalidArgumentError(Concat({Place(index, sql), " is longer than 1 GiB"}));
}

absl::Status Parameters::ReadArray(size_t index, const Value& array, std::string_view sql) {
  const ArrayText text = MeasureArray(array);
  const std::string element = Digits(static_cast<int64_t>(text.wrong) + 1);
  if (text.has_zero) {
    return absl::InvalidArgumentError(
        Concat({Place(index, sql), ": element ", element,
                " is text with a zero byte in it, which PostgreSQL has not"}));
  }
  if (text.size > kLongest) {
    return absl::InvalidArgumentError(Concat({Place(index, sql), " is longer than 1 GiB"}));
  }
  char* const room = arena_.Room(static_cast<size_t>(text.size) + 1);
  if (room == nullptr) {
    return absl::ResourceExhaustedError(
        Concat({Place(index, sql), ": libpq has no memory for it"}));
  }
  WriteArray(array, room);
  bytes_ += static_cast<size_t>(text.size);
  values_[index] = room;
  return absl::OkStatus();
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

void Parameters::TakeNumber(size_t index, const Value& number) {
  *WriteNumber(number, numbers_[index]) = '\0';
  values_[index] = numbers_[index].data();
}

}  // namespace roost::postgres
