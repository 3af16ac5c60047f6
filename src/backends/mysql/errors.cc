#include "backends/mysql/errors.h"

#include <charconv>

#include "roost/mysql.h"
#include "statements/text.h"

namespace roost {
namespace {

constexpr char kName[] = "MySQL";
constexpr char kPayload[] = "roostpool/mysql-errno";

}  // namespace

int MysqlErrno(const absl::Status& status) {
  const std::string digits = backends::NativeCodeOf(status, kPayload);
  int number = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return number;
}

namespace mysql {

absl::Status MakeStatus(absl::StatusCode code, unsigned number, backends::ErrorText text) {
  const std::string message = backends::ShownText(text.message);
  text.message = message;
  const std::string digits = number == 0 ? "" : internal::Digits(static_cast<int64_t>(number));
  return backends::MakeStatus(code, {.name = kName, .text = digits, .payload = kPayload}, text);
}

std::string WithoutValues(std::string_view message) {
  const size_t begin = message.find('\'');
  if (begin == std::string_view::npos) return std::string(message);
  // The value itself may have apostrophes in it.
  size_t end = message.rfind("' for ");
  if (end == std::string_view::npos || end <= begin) end = message.rfind('\'');
  if (end <= begin) return internal::Concat({message.substr(0, begin), "'..."});
  return internal::Concat({message.substr(0, begin), "'...", message.substr(end)});
}

}  // namespace mysql
}  // namespace roost
