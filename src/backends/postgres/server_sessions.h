// backends/postgres/server_sessions.h - which sessions the servers have of a backend's pools.
//
// Each connection has a place here from its attempt to open on. A session that was closed keeps its
// place while a Farewell ends it, though its connection is gone and the pool fills its slot anew. An attempt connects to a server only where its pool has fewer sessions there
// than it may have connections: so a server never has more.
//
// Threads:  any
// Blocks:   never; system calls are made without the lock
// Memory:   one element of a list for each connection, taken by its open
#ifndef ROOST_BACKENDS_POSTGRES_SERVER_SESSIONS_H_
#define ROOST_BACKENDS_POSTGRES_SERVER_SESSIONS_H_

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "backends/postgres/farewell.h"
#include "roost/backend.h"
#include "roost/deadline.h"
#include "roost/internal/mutex.h"
#include "roost/platform.h"

namespace roost::postgres {

class ServerSessions {
  struct Session;
  using Sessions = std::list<Session>;

 public:
  // The place of one connection. Moves; leaves at its end.
  class Place {
   public:
    Place() = default;
    Place(Place&& from) noexcept : all_(std::exchange(from.all_, nullptr)), it_(from.it_) {}
    Place& operator=(Place&& from) noexcept;
    ~Place() { Leave(); }

    // The session is gone, or somebody else's.
    void Leave();
    // `key`: of its cancel request.
    void KeepKey(std::string key);
    // Ends the session of `handle` without waiting; in it a statement was given up, or it rests.
    enum class State : bool { kGivenUp, kAtRest };
    void End(const Libpq& pq, PGconn* handle, State state, Farewell::Peer peer, Platform& platform);
    // In the child of a fork: the lock may be held by a thread that is not there.
    void Abandon() { all_ = nullptr; }

   private:
    friend class ServerSessions;
    Place(ServerSessions& all, Sessions::iterator it) : all_(&all), it_(it) {}

    ServerSessions* all_ = nullptr;
    Sessions::iterator it_;
  };

  ServerSessions();
  ~ServerSessions();
  ServerSessions(const ServerSessions&) = delete;
  ServerSessions& operator=(const ServerSessions&) = delete;

  Place Add(const PoolShare& pool);
  // Whether `place` may have a session at `server`; then it counts.
  bool Enter(Place& place, std::string_view server);
  // Goes on with ending. When it is to be called again; max(): nothing ends.
  TimePoint Continue(TimePoint now);
  // kDeadlineExceeded, if sessions of this pool that were given up keep it from connecting.
  absl::Status Hindrance(const void* pool) const;
  // Drops all that end. REQUIRES: no other thread is inside.
  void Clear();

 private:
  // How many its pool has where this one is, with it.
  int CountBeside(const Session& session) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // One that ends, is due, and that no thread is inside of; and when the next of them is.
  Sessions::iterator FindDue(TimePoint now, TimePoint& next) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  mutable internal::Mutex mu_;
  Sessions sessions_ ABSL_GUARDED_BY(mu_);
  std::atomic<int> ending_ = 0;
};

}  // namespace roost::postgres

#endif  // ROOST_BACKENDS_POSTGRES_SERVER_SESSIONS_H_
