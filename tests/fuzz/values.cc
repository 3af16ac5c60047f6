// Columns in text: each is read as what it says, or stays the text that it is.
#include "backends/postgres/values.h"

#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>

#include "tests/fuzz/input.h"
#include "tests/fuzz/targets.h"

namespace roost::fuzz {
namespace {

using postgres::DecodeHex;
using postgres::ReadColumn;
using postgres::ReadMoment;
using postgres::WriteMoment;

constexpr uint32_t kTypes[] = {postgres::kBool,
                               postgres::kBytea,
                               postgres::kName,
                               postgres::kInt8,
                               postgres::kInt2,
                               postgres::kInt4,
                               postgres::kText,
                               postgres::kOid,
                               postgres::kJson,
                               postgres::kFloat4,
                               postgres::kFloat8,
                               postgres::kBpchar,
                               postgres::kVarchar,
                               postgres::kTimestamp,
                               postgres::kTimestamptz,
                               postgres::kNumeric,
                               0,
                               4711};

// ---- moments, counted otherwise than the code does -------------------------------------------------

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kDay = 86'400 * kSecond;

// https://howardhinnant.github.io/date_algorithms.html, days_from_civil and civil_from_days.
int64_t DaysFromCivil(int64_t y, int64_t m, int64_t d) {
  y -= m <= 2 ? 1 : 0;
  const int64_t era = (y >= 0 ? y : y - 399) / 400;
  const int64_t yoe = y - era * 400;
  const int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
  const int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
  return era * 146'097 + doe - 719'468;
}

struct Civil {
  int64_t year, month, day;
};
Civil CivilFromDays(int64_t z) {
  z += 719'468;
  const int64_t era = (z >= 0 ? z : z - 146'096) / 146'097;
  const int64_t doe = z - era * 146'097;
  const int64_t yoe = (doe - doe / 1460 + doe / 36'524 - doe / 146'096) / 365;
  const int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  const int64_t mp = (5 * doy + 2) / 153;
  const int64_t month = mp < 10 ? mp + 3 : mp - 9;
  return {yoe + era * 400 + (month <= 2 ? 1 : 0), month, doy - (153 * mp + 2) / 5 + 1};
}

std::string Digits(int64_t number, size_t width) {
  std::string digits = std::to_string(number);
  return digits.size() < width ? std::string(width - digits.size(), '0') + digits : digits;
}

// As the server writes it with DateStyle ISO and TimeZone UTC.
std::string Written(Micros moment) {
  const int64_t day = moment.count / kDay - (moment.count % kDay < 0 ? 1 : 0);
  const int64_t rest = moment.count - day * kDay;
  const Civil civil = CivilFromDays(day);
  const bool before_christ = civil.year <= 0;
  const int64_t seconds = rest / kSecond;
  return Digits(before_christ ? 1 - civil.year : civil.year, 4) + "-" + Digits(civil.month, 2) +
         "-" + Digits(civil.day, 2) + " " + Digits(seconds / 3600, 2) + ":" +
         Digits(seconds / 60 % 60, 2) + ":" + Digits(seconds % 60, 2) + "." +
         Digits(rest % kSecond, 6) + "+00" + (before_christ ? " BC" : "");
}

std::string JudgeWritten(Micros moment) {
  std::array<std::byte, 8> binary{};
  if (!WriteMoment(moment, binary)) return "";
  uint64_t bits = 0;
  for (const std::byte byte : binary) bits = bits << 8 | static_cast<uint64_t>(byte);
  const int64_t since_2000 = moment.count - DaysFromCivil(2000, 1, 1) * kDay;
  return static_cast<int64_t>(bits) == since_2000 ? "" : "another moment in binary";
}

// Whatever can be written by a server is read as that moment.
std::string JudgeMoment(Micros moment) {
  // Outside of the server's years: 4714 BC to 294276, of which the last ones are not counted here.
  constexpr int64_t kFirst = -210'866'803'200 * kSecond;
  constexpr int64_t kLast = 9'223'283'000'000 * kSecond;
  if (moment.count < kFirst || moment.count > kLast) return JudgeWritten(moment);
  const std::optional<Micros> again = ReadMoment(Written(moment));
  if (!again.has_value()) return "a moment that cannot be read";
  return *again == moment ? JudgeWritten(moment) : "another moment when it is read";
}

std::string JudgeReadMoment(std::string_view text) {
  const std::optional<Micros> moment = ReadMoment(text);
  return moment.has_value() ? JudgeMoment(*moment) : "";
}

// ---- numbers, bytes -------------------------------------------------------------------------------

bool IsSame(const Value& value, std::string_view text) {
  return value.type() == Value::Type::kText && value.text() == text;
}

std::string JudgeInteger(const Value& value, std::string_view text) {
  if (value.type() != Value::Type::kInt64) return IsSame(value, text) ? "" : "neither nor";
  // The server writes no sign, no zero in front and no blank that is not needed.
  std::string digits = std::to_string(value.int64());
  const bool negative = text.starts_with('-');
  std::string_view magnitude = text.substr(negative ? 1 : 0);
  while (magnitude.size() > 1 && magnitude.starts_with('0')) magnitude.remove_prefix(1);
  if (digits.starts_with('-')) digits.erase(0, 1);
  const bool signs = negative == (value.int64() < 0) || value.int64() == 0;
  return digits == magnitude && signs ? "" : "another integer than the text says";
}

std::string JudgeBytes(std::string_view text) {
  std::string place(text);
  if (!DecodeHex(place)) return "";
  const Value value = ReadColumn(postgres::kBytea, place);
  if (value.type() != Value::Type::kBlob) return "bytes that are none";
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string again = "\\x";
  for (const std::byte byte : value.blob()) {
    again += kDigits[static_cast<size_t>(byte) >> 4];
    again += kDigits[static_cast<size_t>(byte) & 15];
  }
  std::string lower(text.substr(0, again.size()));
  for (char& c : lower) c = c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
  return lower == again ? "" : "other bytes than the text says";
}

std::string JudgeColumn(uint32_t type, std::string_view text) {
  const Value value = ReadColumn(type, text);
  switch (type) {
    case postgres::kBool:
      return IsSame(value, text) || (text == "t" && value.int64() == 1) ||
                     (text == "f" && value.int64() == 0)
                 ? ""
                 : "a bool that the text does not say";
    case postgres::kInt2:
    case postgres::kInt4:
    case postgres::kInt8:
    case postgres::kOid:
      return JudgeInteger(value, text);
    case postgres::kTimestamp:
    case postgres::kTimestamptz:
      return IsSame(value, text) || value.is_moment() ? "" : "neither moment nor text";
    case postgres::kFloat4:
    case postgres::kFloat8:
    case postgres::kNumeric:
    case postgres::kBytea:
      return "";
    default:
      return IsSame(value, text) ? "" : "another text";
  }
}

}  // namespace

std::string CheckValues(std::string_view bytes) {
  Input input(bytes);
  const uint32_t type = kTypes[input.Take<uint8_t>() % std::size(kTypes)];
  const std::string_view text = input.TakeRest();
  std::string wrong = JudgeColumn(type, text);
  if (wrong.empty()) wrong = JudgeReadMoment(text);
  if (wrong.empty()) wrong = JudgeBytes(text);
  if (wrong.empty()) wrong = JudgeMoment(Micros{Input(text).Take<int64_t>()});
  return wrong;
}

}  // namespace roost::fuzz
