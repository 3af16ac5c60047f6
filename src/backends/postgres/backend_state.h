// backends/postgres/backend_state.h - what all connections of one PostgresBackend share.
//
// libpq itself, the options as libpq understands them, which host to try next, and the last good
// addresses of the hosts' names.
//
// Threads:  any
#ifndef ROOST_BACKENDS_POSTGRES_BACKEND_STATE_H_
#define ROOST_BACKENDS_POSTGRES_BACKEND_STATE_H_

#include <atomic>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "backends/common/address_book.h"
#include "backends/common/loaded_library.h"
#include "backends/common/resolver.h"
#include "backends/postgres/farewell.h"
#include "backends/postgres/libpq.h"
#include "backends/postgres/server_sessions.h"
#include "backends/postgres/settings.h"
#include "roost/internal/mutex.h"
#include "roost/postgres.h"
#include "statements/statement_cache.h"

namespace roost::postgres {

using backends::AddressBook;
using backends::LookUpFunction;
using backends::Resolver;
using backends::SystemLookUp;

class BackendState {
 public:
  explicit BackendState(const PostgresOptions& options, LookUpFunction look_up = SystemLookUp);
  ~BackendState();
  BackendState(const BackendState&) = delete;
  BackendState& operator=(const BackendState&) = delete;

  const PostgresOptions& options() const { return options_; }
  // REQUIRES: a ConnectAttempt was started.
  const Libpq& pq() const { return *libpq_; }
  // The pooler hands each transaction another session: by the options, or `pooler=transaction`.
  // REQUIRES: a ConnectAttempt was started.
  bool transaction_pooler() const { return transaction_pooler_.load(); }
  Farewell::Peer peer() const {
    return transaction_pooler() ? Farewell::Peer::kPooler : Farewell::Peer::kServer;
  }
  // The server behind `endpoint` (ConnectAttempt::endpoint) no longer is what the options want
  // (25006): the next attempt begins elsewhere.
  void LostRole(int endpoint);

  // ---- For ConnectAttempt ----

  // Loads libpq at the first call, and reads the settings anew: a service file that was corrected
  // counts at the next attempt.
  absl::StatusOr<std::shared_ptr<const Settings>> Read();
  // Where the next attempt goes: to the last good one, after a failure to the one after it.
  int Choose();
  void Failed(int endpoint);
  void Succeeded(int endpoint, bool second_best);
  // A server that is not what would be preferred will do: all have been tried since the last one
  // that was.
  bool TakesSecondBest();

  Resolver& resolver() { return resolver_; }
  AddressBook& addresses() { return addresses_; }
  internal::StatementCacheCounts& statement_counts() { return statement_counts_; }
  ServerSessions& sessions() { return sessions_; }

 private:
  absl::Status Load();
  void Leave(int endpoint) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const PostgresOptions& options_;
  backends::LoadedLibrary<Libpq> libpq_;
  std::atomic<bool> transaction_pooler_ = false;
  Resolver resolver_;
  AddressBook addresses_;
  internal::StatementCacheCounts statement_counts_;
  ServerSessions sessions_;

  internal::Mutex mu_;
  int count_ ABSL_GUARDED_BY(mu_) = 1;
  int first_ ABSL_GUARDED_BY(mu_) = 0;
  int failures_ ABSL_GUARDED_BY(mu_) = 0;  // in a row
};

}  // namespace roost::postgres

#endif  // ROOST_BACKENDS_POSTGRES_BACKEND_STATE_H_
