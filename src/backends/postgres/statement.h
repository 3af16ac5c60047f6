// backends/postgres/statement.h - a prepared statement of PostgreSQL in the connection's cache.
//
// The session may not have it yet, or may have lost it: then preparing travels with the next run.
// Rows are read one by one (libpq's single-row mode), so that a result of any length needs the
// memory of one row.
#ifndef ROOST_BACKENDS_POSTGRES_STATEMENT_H_
#define ROOST_BACKENDS_POSTGRES_STATEMENT_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/common/error.h"
#include "backends/common/statement.h"
#include "backends/postgres/pipeline.h"
#include "backends/postgres/sql_traits.h"
#include "backends/postgres/statement_name.h"
#include "backends/postgres/stepped_run.h"
#include "roost/statement.h"

namespace roost::postgres {

class Parameters;

// The text of a Sql with a zero at its end, in memory of libpq's.
class StatementText {
 public:
  // Empty when libpq has no memory.
  StatementText(const Libpq& pq, std::string_view text);
  StatementText(StatementText&& other) noexcept = default;

  bool ok() const { return text_ != nullptr; }
  const char* c_str() const { return text_; }
  std::string_view view() const { return {text_, size_}; }

 private:
  PGresult* Take(const Libpq& pq, std::string_view text);

  const char* text_ = nullptr;
  size_t size_;
  Result memory_;
};

// The number in an answer such as "INSERT 0 3"; a SELECT changes nothing.
int64_t ChangesOf(const Libpq& pq, const Result& result);

// These values cannot be written without knowing their types.
bool NeedTypes(std::span<const Value> values);

// What it is that a session no longer has the prepared form of `sql`, for a run inside of a transaction, which
// that has ended.
absl::Status LostInTransaction(std::string_view sql, std::string_view sqlstate);

class PostgresStatement final : public backends::StatementBase<PostgresStatement> {
 public:
  PostgresStatement(Pipeline& pipeline, StatementText text, const Sql& sql, SqlTraits traits);
  ~PostgresStatement() override;

  absl::Status Start(std::span<const Value> values) override {
    return Start(values, /*gathers=*/false);
  }
  absl::Status StartForOne(std::span<const Value> values) override {
    return Start(values, /*gathers=*/true);
  }
  absl::Status ExecuteAll(const internal::ManyRows& rows) override;
  absl::StatusOr<roost::Step> StartInSteps(std::span<const Value> values) override;
  absl::StatusOr<roost::Step> Advance(TimePoint now) override;
  absl::StatusOr<bool> Step() override;
  void Finish() override;
  int parameters() const override;
  int columns() const override;
  std::string_view column_name(int column) const override;
  Value column(int column) const override;
  int64_t changes() const override { return changes_; }
  std::string_view sql() const override { return text_.view(); }

  bool reading() const { return reading_; }
  bool described() const { return static_cast<bool>(description_); }
  // One round trip: finds wrong SQL, and learns the parameters and columns.
  absl::Status Describe();
  // The session no longer has it. The description stays until it is prepared anew.
  void Forget() { prepared_ = false; }
  StatementName name() const { return prepared_ ? last_name() : StatementName{}; }
  // The session ends or is given away: nothing has to be told to it.
  void Drop();

 private:
  friend class SteppedRun;

  StatementName last_name() const { return {.hash = hash_, .serial = serial_}; }

  // The rows of one round trip, and what became of them; `end` is the first behind them.
  struct Exchange {
    size_t first = 0;
    size_t end = 0;
    bool commits = false;    // COMMIT goes with it
    absl::Status refused{};  // why the row `end` was not sent
  };

  // ---- RunAll ----
  // All rows once. `own`: in a transaction of its own.
  absl::Status RunRows(const internal::ManyRows& rows, bool own);
  absl::Status RunExchange(const internal::ManyRows& rows, bool own, Exchange& exchange);
  // Queues rows as far as they fit. False: libpq refuses.
  bool QueueRows(const internal::ManyRows& rows, Exchange& exchange);
  absl::Status TakeRows(Exchange& exchange, const Doing& doing);
  // The status of a RunAll that failed; takes its transaction back if it is `own`.
  absl::Status FailRows(const absl::Status& status, const internal::ManyRows& rows, bool own);
  // The session no longer has it as this object believes: it is prepared anew by the next run.
  void Unlearn();

  absl::Status CheckCount(size_t count) const {
    if (count == parameters_) return absl::OkStatus();
    return backends::CheckCount(sql(), parameters(), count);
  }
  // What is known without the server against a run of it now.
  absl::Status CheckStart(std::span<const Value> values) const;
  // `gathers`: the rows may come in one result.
  absl::Status Start(std::span<const Value> values, bool gathers);
  absl::Status RunOnce(std::span<const Value> values, bool gathers);
  // How a run was sent.
  struct Sent {
    bool alone = false;
    bool prepares = false;
  };
  absl::Status Send(std::span<const Value> values, bool gathers, Sent& sent);
  // Describes it, if these values cannot be written without knowing their types.
  absl::Status Learn(std::span<const Value> values);
  // Whether this error may come from what the session or this object knows of earlier runs.
  bool MayBeOutdated(std::string_view sqlstate) const;
  // `types` are declared; 0, and what is missing, the server finds out.
  bool SendPreparing(std::span<const Oid> types);
  bool SendRun(const Parameters& parameters, const Oid* types);
  // Of the form that was prepared before, in this exchange or in an earlier one.
  bool SendPrepared(const Parameters& parameters);
  // What has the columns of the current row, or of the next run as far as is known; may be null.
  const PGresult* shape() const;
  absl::Status TakePreparing(const Doing& doing);
  absl::Status NoteDescribed(Result description);
  // The row, or the end, in `reply`.
  absl::StatusOr<bool> Take(Reply reply);
  absl::Status TakeEnd(const Reply& reply);
  // Of the current row. True, for Step.
  absl::StatusOr<bool> DecodeBytes();
  // The error of a command of ours: takes what follows it, too.
  absl::Status Broke(const absl::Status& status);

  Pipeline& pipeline_;
  StatementText text_;
  Result description_;   // the server's answer to Describe
  Result rows_;          // has the current row; of a run that does not gather, only that
  const uint64_t hash_;  // of the Sql
  int64_t changes_ = 0;
  uint32_t serial_ = 0;      // of its last name
  int row_ = 0;              // in rows_
  uint16_t parameters_ = 0;  // of description_
  const SqlTraits traits_;
  bool prepared_ = false;     // the session has it under last_name()
  bool has_bytes_ = false;    // a column of description_ is a bytea
  bool reading_ = false;      // between Start and Finish
  bool ended_ = false;        // of the run: the server has nothing more to say
  bool waiting_row_ = false;  // the current row was taken by Start and not yet given by Step
  bool gathers_ = false;      // the run that goes on gets its rows in one result
  bool commits_ = false;      // the run that goes on could commit
};

}  // namespace roost::postgres

#endif  // ROOST_BACKENDS_POSTGRES_STATEMENT_H_
