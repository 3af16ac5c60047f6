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
#include "backends/common/error.h"
#include "backends/common/statement.h"
#include "backends/mysql/row_batch.h"
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
    bool is_plain = false;  // reads alike in each mode
    Parameters parameters;
    std::vector<Column> columns;
    std::vector<MYSQL_BIND> binds;
    MYSQL_STMT* statement = nullptr;
  };

  // Of a RunAll: the rows of one round trip.
  struct Exchange {
    size_t first = 0;
    size_t end = 0;
    absl::Status refused{};  // a value of row `end` that MySQL has not
  };

  absl::Status ReadAgain();
  absl::Status Make();
  absl::Status CheckStart(size_t count);
  absl::Status RunOnce(std::span<const Value> values);
  bool RunsAtOnce() const;
  absl::Status BindAndExecute(MYSQL_BIND* binds, bool at_once);
  absl::Status ExecuteNow(bool at_once);
  absl::Status FailWith(const Doing& doing);
  absl::Status CheckFields() const;
  bool BindColumns();
  bool BindRoom();
  bool BindRoomAnew();
  absl::StatusOr<bool> TakeRow(int code);
  absl::StatusOr<bool> TakeEnd();
  absl::Status TakeFurtherResults();
  absl::Status TakeRestOfResult();
  absl::Status CheckRows();
  absl::Status ExecuteEach(const internal::ManyRows& rows);
  bool TakesBatches() const;
  void Fill(const internal::ManyRows& rows, RowBatch& batch, Exchange& exchange) const;
  absl::Status RunBatch(RowBatch& batch);
  absl::Status RunBatchOnce(RowBatch& batch);
  absl::Status RunBatches(const internal::ManyRows& rows, RowBatch& batch, Exchange& exchange);
  backends::RowError AskFailedRow(const Exchange& exchange, backends::RowError error);
  absl::Status FailRows(const absl::Status& status, const internal::ManyRows& rows, bool own,
                        backends::RowError error);
  void DropRest();
  void CountChanges();
  Doing doing() const;
  Wire& wire() const;

  MysqlConnection& connection_;
  const std::unique_ptr<Parts> parts_;
  int64_t changes_ = 0;
  int64_t rows_ = 0;  // of the run that goes on
  SqlTraits traits_;
  bool reading_ = false;     // between Start and Finish
  bool ended_ = false;       // of the run: the server has nothing more to say
  bool commits_ = false;     // the run that goes on could commit
  bool may_open_ = false;    // the run that goes on may leave a transaction open
  bool further_ = false;     // a second result was taken
  bool one_by_one_ = false;  // the server does not take many rows of it at a time
};

}  // namespace roost::mysql

#endif  // ROOST_BACKENDS_MYSQL_STATEMENT_H_
