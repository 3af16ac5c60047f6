// backends/mysql/statement.h - a prepared statement of MySQL in the connection's cache.
//
// The session may not have it yet, or may have lost it by a reset: then the next run prepares it first.
// Rows are read one by one as they come, so that a result of any length needs the memory of one row.
#ifndef ROOST_BACKENDS_MYSQL_STATEMENT_H_
#define ROOST_BACKENDS_MYSQL_STATEMENT_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/common/statement.h"
#include "backends/mysql/sql_text.h"
#include "backends/mysql/values.h"
#include "backends/mysql/wire.h"
#include "roost/statement.h"

namespace roost::mysql {

class MysqlConnection;

class MysqlStatement final : public backends::StatementBase<MysqlStatement> {
 public:
  // `mode`: what `translation` and `traits` were read by.
  MysqlStatement(MysqlConnection& connection, const Sql& sql, Translation translation,
                 SqlTraits traits, SqlMode mode);
  ~MysqlStatement() override;

  absl::Status Start(std::span<const Value> values) override;
  absl::Status ExecuteAll(const internal::ManyRows& rows) override;
  absl::StatusOr<bool> Step() override;
  void Finish() override;
  int parameters() const override { return parts_->translation.parameters; }
  int columns() const override;
  std::string_view column_name(int column) const override;
  Value column(int column) const override;
  int64_t changes() const override { return changes_; }
  std::string_view sql() const override { return parts_->text; }

  bool reading() const { return reading_; }
  // One round trip, if the session does not have it yet: finds wrong SQL, and learns the columns.
  absl::Status Prepare();
  // The session has lost it. Tells the server nothing.
  void Forget();

 private:
  // Apart, because it is larger than what the pool keeps for a statement.
  struct Parts {
    std::string text;
    Translation translation;
    SqlMode mode;
    Parameters parameters;
    std::vector<Column> columns;
    std::vector<MYSQL_BIND> binds;
    MYSQL_STMT* statement = nullptr;
  };

  absl::Status ReadAgain();
  absl::Status CheckStart(size_t count);
  absl::Status RunOnce(std::span<const Value> values);
  absl::Status ExecuteNow();
  absl::Status FailWith(const Doing& doing);
  absl::Status CheckFields() const;
  bool BindColumns();
  bool BindRoom();
  absl::StatusOr<bool> TakeRow(int code);
  absl::StatusOr<bool> TakeEnd();
  absl::Status TakeFurtherResults();
  absl::Status TakeRestOfResult();
  absl::Status ExecuteEach(const internal::ManyRows& rows);
  void DropRest();
  void CountChanges();
  Doing doing() const;
  Wire& wire() const;

  MysqlConnection& connection_;
  const std::unique_ptr<Parts> parts_;
  int64_t changes_ = 0;
  int64_t rows_ = 0;  // of the run that goes on
  SqlTraits traits_;
  bool reading_ = false;   // between Start and Finish
  bool ended_ = false;     // of the run: the server has nothing more to say
  bool commits_ = false;   // the run that goes on could commit
  bool may_open_ = false;  // the run that goes on may leave a transaction open
  bool further_ = false;   // a second result was taken
};

}  // namespace roost::mysql

#endif  // ROOST_BACKENDS_MYSQL_STATEMENT_H_
