// What is bound: the server is given that value in a form that means it, or nothing.
#include "backends/postgres/parameters.h"

#include <charconv>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "backends/postgres/libpq.h"
#include "backends/postgres/values.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/targets.h"

namespace roost::fuzz {
namespace {

using postgres::Libpq;
using postgres::Parameters;

constexpr std::string_view kSql = "INSERT INTO t VALUES ($1)";
constexpr int kBinary = 1;

// What the server takes each parameter for, as far as this run goes.
std::vector<Oid> types;
Oid TypeOf(const PGresult* /*result*/, int index) { return types[static_cast<size_t>(index)]; }

const Libpq& Pq() {
  static const Libpq pq = [] {
    Libpq table;
    if (!postgres::LoadLibpq(table).ok()) std::abort();
    table.PQparamtype = &TypeOf;
    return table;
  }();
  return pq;
}

Value TakeValue(Input& input) {
  switch (input.Take<uint8_t>() % 7) {
    case 0:
      return Value();
    case 1:
      return Value(input.Take<int64_t>());
    case 2:
      return Value((input.Take<uint8_t>() & 1) != 0);
    case 3:
      return Value(input.Take<double>());
    case 4:
      return Value(Micros{input.Take<int64_t>()});
    case 5:
      return Value(input.TakeLine());
    default: {
      const std::string_view bytes = input.TakeLine();
      return Value(Blob(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()));
    }
  }
}

template <class Number>
bool Means(std::string_view text, Number number) {
  Number read{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), read);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  if constexpr (std::is_floating_point_v<Number>) {
    // The server knows one NaN and no sign of it.
    if (std::isnan(number)) return text == "nan" || text == "NaN";
  }
  return whole && read == number;
}

std::string Judge(const Value& value, const char* sent, int length, int format) {
  const bool binary = format == kBinary;
  if (value.is_null()) return sent == nullptr ? "" : "a value for NULL";
  if (sent == nullptr) return "NULL for a value";
  if (length < 0) return "a negative length";
  const std::string_view bytes =
      binary ? std::string_view(sent, static_cast<size_t>(length)) : std::string_view(sent);
  switch (value.type()) {
    case Value::Type::kNull:
      return "";
    case Value::Type::kInt64: {
      if (!binary) return Means(bytes, value.int64()) ? "" : "another integer";
      const int64_t since_2000 = value.int64() - int64_t{946'684'800} * 1'000'000;
      uint64_t bits = 0;
      for (const char c : bytes) bits = bits << 8 | static_cast<unsigned char>(c);
      const bool right = bytes.size() == 8 && static_cast<int64_t>(bits) == since_2000;
      return value.is_moment() && right ? "" : "another moment";
    }
    case Value::Type::kDouble:
      return !binary && Means(bytes, value.real()) ? "" : "another number";
    case Value::Type::kText:
      return bytes == value.text() ? "" : "another text";
    case Value::Type::kBlob:
    case Value::Type::kTooLarge:
    case Value::Type::kArray:
      break;
  }
  const std::string_view blob(reinterpret_cast<const char*>(value.blob().data()),
                              value.blob().size());
  return binary && bytes == blob ? "" : "other bytes";
}

}  // namespace

std::string CheckParameters(std::string_view bytes) {
  Input input(bytes);
  const bool described = (input.Take<uint8_t>() & 1) != 0;
  std::vector<Value> values;
  types.clear();
  constexpr Oid kTypes[] = {0, 16, 17, 20, 21, 23, 25, 700, 701, 1042, 1043, 1114, 1184, 1700, 114};
  while (!input.empty() && values.size() < Parameters::kMax) {
    types.push_back(kTypes[input.Take<uint8_t>() % std::size(kTypes)]);
    values.push_back(TakeValue(input));
  }
  Parameters parameters(Pq());
  PGresult* const description =
      described ? Pq().PQmakeEmptyPGresult(nullptr, PGRES_COMMAND_OK) : nullptr;
  const absl::Status status = parameters.Read(values, description, kSql);
  std::string wrong;
  for (size_t i = 0; status.ok() && wrong.empty() && i < values.size(); ++i) {
    wrong =
        Judge(values[i], parameters.values()[i], parameters.lengths()[i], parameters.formats()[i]);
  }
  if (!status.ok() &&
      !std::string_view(status.message().data(), status.message().size()).starts_with('$')) {
    wrong = "a refusal that does not say which";
  }
  Pq().PQclear(description);
  return wrong;
}

}  // namespace roost::fuzz
