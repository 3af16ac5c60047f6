// backends/postgres/startup_query.h - one query of an open, in steps that never wait.
#ifndef ROOST_BACKENDS_POSTGRES_STARTUP_QUERY_H_
#define ROOST_BACKENDS_POSTGRES_STARTUP_QUERY_H_

#include <string>

#include "backends/postgres/libpq.h"
#include "roost/platform.h"

namespace roost::postgres {

class StartupQuery {
 public:
  StartupQuery(const Libpq& pq, PGconn* conn) : pq_(pq), conn_(conn) {}

  // False: the connection is broken.
  bool Send(const std::string& sql);
  enum class State { kUnderWay, kAnswered, kBroken };
  // Sends and reads what can be without waiting.
  State Advance();
  // What to wait for while it is under way.
  IoEvents wanted() const { return {.readable = true, .writable = unsent_}; }

  // The first column of the first row. REQUIRES: answered.
  const std::string& value() const { return value_; }
  // Of the first error; both empty when there was none. REQUIRES: answered.
  const std::string& sqlstate() const { return sqlstate_; }
  const std::string& error() const { return error_; }

 private:
  void Keep(const PGresult* result);

  const Libpq& pq_;
  PGconn* const conn_;
  bool unsent_ = false;
  std::string value_;
  std::string sqlstate_;
  std::string error_;
};

}  // namespace roost::postgres

#endif  // ROOST_BACKENDS_POSTGRES_STARTUP_QUERY_H_
