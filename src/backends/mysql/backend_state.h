// backends/mysql/backend_state.h - what all connections of one MysqlBackend share.
//
// libmariadb itself, which host to try next, the last good addresses of the hosts' names, and the
// sessions that were given up and have to be ended at their server.
//
// Threads:  any
#ifndef ROOST_BACKENDS_MYSQL_BACKEND_STATE_H_
#define ROOST_BACKENDS_MYSQL_BACKEND_STATE_H_

#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "backends/common/address_book.h"
#include "backends/common/endpoint_choice.h"
#include "backends/common/loaded_library.h"
#include "backends/common/resolver.h"
#include "backends/common/server_notes.h"
#include "backends/mysql/connect_attempt.h"
#include "backends/mysql/libmariadb.h"
#include "backends/mysql/settings.h"
#include "roost/internal/mutex.h"
#include "roost/mysql.h"
#include "statements/statement_cache.h"

namespace roost::mysql {

// Ends a session at its server by a connection of its own, in steps. Where the server has no room for that
// connection, it is tried again.
class Farewell {
 public:
  struct Session {
    int endpoint = 0;
    Platform* platform = nullptr;
    TcpTimers timers{};
    GivenUp given_up{};
  };
  Farewell(BackendState& backend, const Session& session);
  // When it wants to go on; max(): it is over.
  TimePoint Continue(TimePoint now);

 private:
  BackendState& backend_;
  const Session session_;
  const Deadline deadline_;
  TimePoint not_before_{};
  std::optional<ConnectAttempt> attempt_;
};

class BackendState {
 public:
  explicit BackendState(const MysqlOptions& options,
                        backends::LookUpFunction look_up = backends::SystemLookUp);
  ~BackendState();
  BackendState(const BackendState&) = delete;
  BackendState& operator=(const BackendState&) = delete;

  const MysqlOptions& options() const { return options_; }
  // REQUIRES: a ConnectAttempt was started.
  const Libmariadb& lib() const { return *lib_; }
  // Which host the next attempt goes to, by the numbers of ConnectAttempt::endpoint.
  backends::EndpointChoice& endpoints() { return endpoints_; }
  // A statement of that session was given up, and its server does not know that its client has gone.
  void EndSession(const Farewell::Session& session);
  // Goes on with that. Returns when it wants to be called again; max(): nothing to do.
  TimePoint Continue(TimePoint now);

  // ---- For ConnectAttempt ----

  // Loads libmariadb at the first call, and reads the files anew.
  absl::StatusOr<std::shared_ptr<const Settings>> Read();
  backends::Resolver& resolver() { return resolver_; }
  backends::AddressBook& addresses() { return addresses_; }
  internal::StatementCacheCounts& statement_counts() { return statement_counts_; }
  backends::ServerNotes& server_notes() { return server_notes_; }

 private:
  absl::Status Load();

  const MysqlOptions& options_;
  backends::LoadedLibrary<Libmariadb> lib_;
  backends::Resolver resolver_;
  backends::AddressBook addresses_;
  internal::StatementCacheCounts statement_counts_;
  backends::ServerNotes server_notes_;
  backends::EndpointChoice endpoints_;

  internal::Mutex mu_;
  std::vector<std::unique_ptr<Farewell>> farewells_ ABSL_GUARDED_BY(mu_);
};

}  // namespace roost::mysql

#endif  // ROOST_BACKENDS_MYSQL_BACKEND_STATE_H_
