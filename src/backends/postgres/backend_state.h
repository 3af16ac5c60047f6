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

#include "absl/status/statusor.h"
#include "backends/common/address_book.h"
#include "backends/common/endpoint_choice.h"
#include "backends/common/loaded_library.h"
#include "backends/common/resolver.h"
#include "backends/common/server_notes.h"
#include "backends/postgres/farewell.h"
#include "backends/postgres/libpq.h"
#include "backends/postgres/server_sessions.h"
#include "backends/postgres/settings.h"
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
  // Which host the next attempt goes to, by the numbers of ConnectAttempt::endpoint.
  backends::EndpointChoice& endpoints() { return endpoints_; }

  // ---- For ConnectAttempt ----

  // Loads libpq at the first call, and reads the settings anew: a service file that was corrected
  // counts at the next attempt.
  absl::StatusOr<std::shared_ptr<const Settings>> Read();
  Resolver& resolver() { return resolver_; }
  AddressBook& addresses() { return addresses_; }
  internal::StatementCacheCounts& statement_counts() { return statement_counts_; }
  backends::ServerNotes& server_notes() { return server_notes_; }
  ServerSessions& sessions() { return sessions_; }

 private:
  absl::Status Load();

  const PostgresOptions& options_;
  backends::LoadedLibrary<Libpq> libpq_;
  std::atomic<bool> transaction_pooler_ = false;
  Resolver resolver_;
  AddressBook addresses_;
  internal::StatementCacheCounts statement_counts_;
  backends::ServerNotes server_notes_;
  ServerSessions sessions_;
  backends::EndpointChoice endpoints_;
};

}  // namespace roost::postgres

#endif  // ROOST_BACKENDS_POSTGRES_BACKEND_STATE_H_
