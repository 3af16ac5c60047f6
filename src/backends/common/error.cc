#include "backends/common/error.h"

#include <algorithm>

#include "absl/strings/cord.h"
#include "base/utf8.h"
#include "statements/text.h"

namespace roost::backends {

using internal::Concat;
using internal::Digits;
using internal::Quoted;

std::string ShownText(std::string_view text) {
  constexpr size_t kMost = 512;
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  return internal::PlainText(internal::CutUtf8(text, kMost));
}

std::string InMessage(std::string_view name, std::string_view text) {
  return Concat({"(", name, " ", text, ")"});
}

absl::Status MakeStatus(absl::StatusCode code, const NativeCode& native, const ErrorText& text) {
  std::string message;
  const auto append = [&message](std::string_view before, std::string_view part) {
    if (part.empty()) return;
    if (!message.empty()) message.append(before);
    message.append(part);
  };
  if (!text.sql.empty()) append("", Quoted(text.sql));
  append(" on ", internal::PlainText(text.where));
  append(": ", internal::PlainText(text.message));
  if (!native.text.empty()) append(" ", InMessage(native.name, native.text));
  append("; ", internal::PlainText(text.advice));
  absl::Status status(code, message);
  if (!native.text.empty()) {
    status.SetPayload(native.payload,
                      absl::Cord(absl::string_view(native.text.data(), native.text.size())));
  }
  return status;
}

std::string NativeCodeOf(const absl::Status& status, const char* payload) {
  const auto found = status.GetPayload(payload);
  return found.has_value() ? static_cast<std::string>(*found) : std::string();
}

absl::Status OfRow(const absl::Status& status, const RowError& error) {
  const std::string size = Digits(static_cast<int64_t>(error.size));
  const std::string row = Digits(static_cast<int64_t>(error.row) + 1);
  std::string message = error.row >= error.size ? Concat({"commit of ", size, " rows: "})
                                                : Concat({"row ", row, " of ", size});
  if (error.row < error.size) message += error.unanswered ? " was not answered: " : ": ";
  message += internal::MessageOf(status);
  switch (error.fate) {
    case RowsFate::kNoneIn:
      message += "; 0 rows are in";
      break;
    case RowsFate::kUnknown:
      message += Concat({"; ", size, " rows are in, or 0"});
      break;
    case RowsFate::kKept:
      message +=
          Concat({"; ", Digits(static_cast<int64_t>(error.row - error.gone)), " rows are in "});
      if (error.partly > 0) {
        message += Concat({"whole, and row ", row, " in part (", Digits(error.partly), "), in "});
      }
      message += "the open transaction: roll it back";
      break;
    case RowsFate::kGivenUp:
      message += "; 0 rows are in, because the open transaction has failed: roll it back";
      break;
    case RowsFate::kUntold:
      message += "; how many rows are in is unknown";
      break;
    case RowsFate::kNoTransaction:
      message += "; rows in tables without transactions, such as MyISAM's, stay";
      break;
    case RowsFate::kOneStatement:
      message +=
          "; 0 rows are in, but those before it in a table without transactions, such as MyISAM's";
      break;
  }
  return internal::UndoneWithOthers(internal::WithMessage(status, message));
}

int64_t LineOf(std::string_view text, size_t at) {
  text = text.substr(0, at);
  return 1 + std::count(text.begin(), text.end(), '\n');
}

absl::Status InScript(const absl::Status& status, std::string_view script, size_t at,
                      bool exactly) {
  return internal::UndoneWithOthers(internal::WithMessage(
      status, Concat({"line ", Digits(LineOf(script, at)), exactly ? "" : " or later",
                      " of the script: ", internal::MessageOf(status)})));
}

absl::Status BoundsTransactionOfRows(std::string_view sql) {
  return absl::FailedPreconditionError(Concat(
      {Quoted(sql),
       " begins or ends a transaction, or may do so, and RunAll runs all rows in one: run it "
       "for one row at a time"}));
}

absl::Status StillBeingRead(std::string_view sql) {
  return absl::FailedPreconditionError(
      Concat({Quoted(sql), " is still being read: end its earlier Rows first"}));
}

absl::Status CheckCount(std::string_view sql, int wanted, size_t given) {
  if (given == static_cast<size_t>(wanted)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      Concat({Quoted(sql), " takes ", Digits(wanted), wanted == 1 ? " value, " : " values, ",
              Digits(static_cast<int64_t>(given)), given == 1 ? " was given" : " were given"}));
}

}  // namespace roost::backends
