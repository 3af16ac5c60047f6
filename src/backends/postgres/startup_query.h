// backends/postgres/startup_query.h - one query of an open, in steps that never wait.
#ifndef ROOST_BACKENDS_POSTGRES_STARTUP_QUERY_H_
#define ROOST_BACKENDS_POSTGRES_STARTUP_QUERY_H_

#include <cstddef>
#include <string>

#include "backends/postgres/libpq.h"
#include "backends/postgres/valve.h"
#include "roost/platform.h"

namespace roost::postgres {

class StartupQuery {
 public:
  // `most`: bytes of one message of the answer.
  StartupQuery(const Libpq& pq, PGconn* conn, size_t most) : pq_(pq), conn_(conn), most_(most) {}

  // False: the connection is broken.
  bool Send(const std::string& sql);
  enum class State {
    kUnderWay,
    kMore,  // has come than one Advance takes: call it again
    kAnswered,
    kTooMuch,  // more bytes than allowed
    kBroken,
  };
  // Sends and reads what can be without waiting, a few kilobytes and results at a time.
  State Advance();
  // What to wait for while it is under way.
  IoEvents wanted() const { return {.readable = true, .writable = unsent_}; }

  // The first column of the first row. REQUIRES: answered.
  const std::string& value() const { return value_; }
  // Of the first error; both empty when there was none. REQUIRES: answered.
  const std::string& sqlstate() const { return sqlstate_; }
  const std::string& error() const { return error_; }
  // The character of the SQL that the error names, from 1; 0: it names none. REQUIRES: answered.
  size_t position() const { return position_; }
  // Statements of the SQL that were done before the error. REQUIRES: answered.
  size_t done() const { return done_; }

 private:
  State TakeResults();
  void Keep(const PGresult* result);

  const Libpq& pq_;
  PGconn* const conn_;
  const size_t most_;
  Valve valve_{Valve::Writes::kKept};
  size_t received_ = 0;  // since the last result
  bool unsent_ = false;
  std::string value_;
  std::string sqlstate_;
  std::string error_;
  size_t position_ = 0;
  size_t done_ = 0;
};

}  // namespace roost::postgres

#endif  // ROOST_BACKENDS_POSTGRES_STARTUP_QUERY_H_
