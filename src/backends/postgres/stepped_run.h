// backends/postgres/stepped_run.h - a statement that runs in steps.
//
// It sends what a blocking run sends, and takes the same answers in the same order, each as it comes, up to
// the end of the exchange. The rows come in one result. A session has one such run at most: PostgreSQL
// does one thing at a time.
//
// Threads:  one at a time
// Blocks:   never, but for on_connect, which Pipeline::Ready runs after a reset
#ifndef ROOST_BACKENDS_POSTGRES_STEPPED_RUN_H_
#define ROOST_BACKENDS_POSTGRES_STEPPED_RUN_H_

#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "roost/statement.h"

namespace roost::postgres {

class Pipeline;
class PostgresStatement;
class Result;
struct Doing;

class SteppedRun {
 public:
  // The one of a session.
  static SteppedRun& Of(Pipeline& pipeline);

  absl::StatusOr<Step> Start(PostgresStatement& statement, std::span<const Value> values);
  absl::StatusOr<Step> Advance(PostgresStatement& statement, TimePoint now);
  bool is_under_way() const { return phase_ != Phase::kNone; }
  // The connection is closed for it, and the server told to end the statement.
  void GiveUp(PostgresStatement& statement);

 private:
  // What is waited for.
  enum class Phase : uint8_t {
    kNone,      // nothing
    kOwed,      // what was owed before
    kBegin,     // the transaction that was put off
    kParse,     // that it was prepared
    kDescribe,  // what it is
    kAnswer,    // the rows
    kSync,      // the end of the exchange
  };

  static Doing DoingOf(const PostgresStatement& s);
  absl::StatusOr<Step> SendExchange(PostgresStatement& s);
  absl::Status Send(PostgresStatement& s);
  // Takes what has come of one phase. False: more has to come.
  absl::StatusOr<bool> TakePhase(PostgresStatement& s);
  absl::StatusOr<bool> TakeBegin(Pipeline& pipeline, const Doing& doing);
  absl::StatusOr<bool> TakeCommand(Pipeline& pipeline, const Doing& doing, Result& last);
  bool TakeAnswer(PostgresStatement& s);
  bool TakeSync(PostgresStatement& s);
  // The exchange is over: what came of it, or the next one.
  absl::StatusOr<Step> EndExchange(PostgresStatement& s);
  absl::StatusOr<Step> End(PostgresStatement& s);
  absl::Status Fail(PostgresStatement& s, absl::Status status);

  std::span<const Value> values_{};  // the caller's
  absl::Status failed_{};            // the first error of this exchange
  int results_ = 0;                  // of the command, or of the rest
  Phase phase_ = Phase::kNone;
  bool prepares_ = false;   // this exchange prepares it
  bool describes_ = false;  // and does no more: the values cannot be written yet
  bool relies_on_the_past_ = false;
  bool is_second_ = false;  // the session had lost what the first run relied on
  bool in_transaction_ = false;
};

}  // namespace roost::postgres

#endif  // ROOST_BACKENDS_POSTGRES_STEPPED_RUN_H_
