// What all connections of one PostgresBackend share: the options as libpq understands them, the
// hosts in the order in which to try them, their last good addresses, and libpq itself.
//
// Threads: any.
#ifndef ROOST_BACKENDS_POSTGRES_ENDPOINTS_H_
#define ROOST_BACKENDS_POSTGRES_ENDPOINTS_H_

#include "backends/postgres/libpq.h"
#include "roost/postgres.h"

namespace roost::postgres {

class Endpoints {
 public:
  explicit Endpoints(const PostgresOptions& options);
  ~Endpoints();
  Endpoints(const Endpoints&) = delete;
  Endpoints& operator=(const Endpoints&) = delete;

  // REQUIRES: a ConnectAttempt was started.
  const Libpq& pq() const;
  // The pooler hands each transaction another session: by the options, or `pooler=transaction`.
  // REQUIRES: a ConnectAttempt was started.
  bool transaction_pooler() const;
  // The server behind `endpoint` (ConnectAttempt::endpoint) no longer is what the options want
  // (25006): the next attempt begins elsewhere.
  void LostRole(int endpoint);
};

}  // namespace roost::postgres

#endif  // ROOST_BACKENDS_POSTGRES_ENDPOINTS_H_
