#include "tools/roostctl/node_query.h"

#include "roost/platform.h"
#include "tools/common/text.h"

namespace roost::tools {
namespace {

// Instructions of SQLite's machine between two looks at the clock.
constexpr int kStepsBetweenLooks = 1000;

}  // namespace

NodeQuery::NodeQuery(sqlite3* db, const char* sql)
    : db_(db), until_(NativePlatform().Now() + kWithin) {
  sqlite3_progress_handler(db, kStepsBetweenLooks, IsOver, this);
  code_ = sqlite3_prepare_v2(db, sql, -1, &statement_, nullptr);
}

NodeQuery::~NodeQuery() {
  sqlite3_finalize(statement_);
  sqlite3_progress_handler(db_, 0, nullptr, nullptr);
}

int NodeQuery::IsOver(void* self) {
  return NativePlatform().Now() > static_cast<NodeQuery*>(self)->until_ ? 1 : 0;
}

NodeQuery& NodeQuery::Bind(int place, int64_t value) {
  if (code_ == SQLITE_OK) code_ = sqlite3_bind_int64(statement_, place, value);
  return *this;
}

NodeQuery& NodeQuery::Bind(int place, const std::string& text) {
  if (code_ == SQLITE_OK) {
    code_ = sqlite3_bind_text(statement_, place, text.data(), static_cast<int>(text.size()),
                              SQLITE_TRANSIENT);
  }
  return *this;
}

bool NodeQuery::Next() {
  if (code_ == SQLITE_OK || code_ == SQLITE_ROW) code_ = sqlite3_step(statement_);
  return code_ == SQLITE_ROW;
}

absl::Status NodeQuery::status() const {
  if (code_ == SQLITE_DONE || code_ == SQLITE_OK) return absl::OkStatus();
  if (code_ == SQLITE_INTERRUPT || (code_ & 0xFF) == SQLITE_BUSY) {
    return absl::DeadlineExceededError("the database did not answer within " +
                                       FormatDuration(kWithin));
  }
  return absl::UnavailableError(std::string(sqlite3_errmsg(db_)) + " (SQLite " +
                                std::to_string(code_) + ")");
}

std::string_view NodeQuery::Text(int column) const {
  const unsigned char* const text = sqlite3_column_text(statement_, column);
  if (text == nullptr) return {};
  return {reinterpret_cast<const char*>(text),
          static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
}

absl::StatusOr<int64_t> NodeQuery::Ask(sqlite3* db, const char* sql, const std::string& name) {
  NodeQuery query(db, sql);
  if (!name.empty()) query.Bind(1, name);
  if (query.Next()) return query.Number(0);
  const absl::Status status = query.status();
  return status.ok() ? absl::InternalError("a question has no answer") : status;
}

}  // namespace roost::tools
