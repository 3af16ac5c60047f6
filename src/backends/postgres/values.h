// backends/postgres/values.h - from the text of a column to a Value; moments in time. Pure.
#ifndef ROOST_BACKENDS_POSTGRES_VALUES_H_
#define ROOST_BACKENDS_POSTGRES_VALUES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "roost/statement.h"

namespace roost::postgres {

// The numbers of the built-in types (pg_type.dat; they never change).
enum TypeNumber : uint32_t {
  kBool = 16,
  kBytea = 17,
  kName = 19,
  kInt8 = 20,
  kInt2 = 21,
  kInt4 = 23,
  kText = 25,
  kOid = 26,
  kJson = 114,
  kFloat4 = 700,
  kFloat8 = 701,
  kBpchar = 1042,
  kVarchar = 1043,
  kTimestamp = 1114,
  kTimestamptz = 1184,
  kNumeric = 1700,
};

// The value of a column of this type that is not NULL. A numeric that is whole and fits is an
// integer, any other a double. Types that Value does not know are text, and
// so is what cannot be read as what it should be ("infinity"). A bytea: see DecodeHex.
Value ReadColumn(uint32_t type, std::string_view text);

// Whether the bytes of a parameter of this type are the same in text and in binary, so that a text
// can be sent with its length.
bool TakesBytes(uint32_t type);
inline bool IsMoment(uint32_t type) { return type == kTimestamptz || type == kTimestamp; }

// Whether a Value has a kind of its own for this type: bytes would be taken for the type's binary form,
// four of them for an integer.
bool IsNoBytes(uint32_t type);

// "2024-02-29 12:34:56.789+05:30" (ISO, as DateStyle has it unless told otherwise), "... BC" too;
// without an offset it is UTC. Empty: not of this form.
std::optional<Micros> ReadMoment(std::string_view text);
// The binary form of timestamp and timestamptz: microseconds since 2000, the highest byte first.
// False: before the year 4714 BC or beyond what fits.
bool WriteMoment(Micros moment, std::span<std::byte, 8> out);

// Turns the text of a bytea ("\x0fa0") into its bytes, in place: the first two characters stay, so
// that what was decoded can be told and read again. False: not in hex (bytea_output = escape).
bool DecodeHex(std::span<char> text);
inline constexpr std::string_view kHexPrefix = "\\x";

}  // namespace roost::postgres

#endif  // ROOST_BACKENDS_POSTGRES_VALUES_H_
