// tools/roostctl/node_query.h - a statement on a node's database (node_file.h) that is over with its scope, and
// that gives up when its time is over, so that it pins the node's log for no longer.
//
// Threads:  one
// Blocks:   up to kWithin
// Memory:   SQLite's
// Errors:   kDeadlineExceeded, kUnavailable with SQLite's message
#ifndef ROOST_TOOLS_ROOSTCTL_NODE_QUERY_H_
#define ROOST_TOOLS_ROOSTCTL_NODE_QUERY_H_

#include <sqlite3.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "roost/deadline.h"

namespace roost::tools {

class NodeQuery {
 public:
  static constexpr Duration kWithin = std::chrono::seconds(1);

  NodeQuery(sqlite3* db, const char* sql);
  ~NodeQuery();
  NodeQuery(const NodeQuery&) = delete;
  NodeQuery& operator=(const NodeQuery&) = delete;

  NodeQuery& Bind(int place, int64_t value);
  NodeQuery& Bind(int place, const std::string& text);
  bool Next();
  // After Next said no.
  absl::Status status() const;
  int64_t Number(int column) const { return sqlite3_column_int64(statement_, column); }
  double Real(int column) const { return sqlite3_column_double(statement_, column); }
  bool IsNull(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }
  std::string_view Text(int column) const;

  // The number that `sql` gives; `name` is its ?1.
  static absl::StatusOr<int64_t> Ask(sqlite3* db, const char* sql, const std::string& name = {});

 private:
  static int IsOver(void* self);

  sqlite3* const db_;
  TimePoint until_;
  sqlite3_stmt* statement_ = nullptr;
  int code_ = SQLITE_OK;
};

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOSTCTL_NODE_QUERY_H_
