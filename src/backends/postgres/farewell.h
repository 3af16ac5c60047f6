// backends/postgres/farewell.h - ends a session in steps that never wait.
//
// One at rest is told good-bye, and has ended when its server closes the socket. There is more to do
// where a statement was given up.
//
// A server that is inside of a statement does not look at its client: closing the socket alone leaves
// the statement running, on a held lock for ever. So the session is kept until it is known to be gone:
//
//   cancel request   on a socket of its own, 16 bytes that a server takes without TLS too; again each
//                    second while the session lasts
//   good-bye         once that request was taken or could not be made, and what it made the server
//                    say has come, or has been waited for: half a second, through a pooler 3 s. A
//                    PgBouncer forgets whose statement it was when the client goes
//   end              of what the server sends: PostgreSQL closes its socket as the last thing that a
//                    session does
//
// A PgBouncer before 1.19 ends with all its sessions where one that is being cancelled sends something.
// So behind a pooler only what is silent is cancelled. What talks notices the good-bye: its pooler closes
// the session, and it finds that at its next write.
//
// A server that goes on talking is cut off: it finds that at its next write. A link that is dead ends
// the socket by its own timers. What neither ends is taken for gone after kLongest.
//
// Threads:  one at a time
// Blocks:   never
// Memory:   none but the handle of libpq, until the good-bye; a descriptor more for each request
#ifndef ROOST_BACKENDS_POSTGRES_FAREWELL_H_
#define ROOST_BACKENDS_POSTGRES_FAREWELL_H_

#include <chrono>
#include <cstddef>
#include <string>

#include "backends/postgres/libpq.h"
#include "roost/deadline.h"

namespace roost::postgres {

class Farewell {
 public:
  static constexpr Duration kLongest = std::chrono::minutes(5);
  // For one at rest, which has nothing to do but to end.
  static constexpr Duration kLongestAtRest = std::chrono::seconds(1);
  // What is read of what was asked for and is of no use to anybody.
  static constexpr size_t kMostBytes = size_t{1} << 20;

  enum class Peer : bool { kServer, kPooler };
  struct Terms {
    std::string key{};  // SignInReader::key(); empty: no request is or can be made
    Peer peer = Peer::kServer;
    Duration longest = kLongest;
  };
  // Takes a handle that does not block.
  Farewell(const Libpq& pq, PGconn* handle, Terms terms, TimePoint now);
  // Gives up what is left. In the child of a fork: touches nothing but the child's descriptors.
  ~Farewell();
  Farewell(const Farewell&) = delete;
  Farewell& operator=(const Farewell&) = delete;

  // Goes on as far as it can. True: the session is gone.
  bool Advance(TimePoint now);
  // When Advance is worth its system calls.
  TimePoint due() const { return due_; }

 private:
  bool HasEnded();
  void RequestCancel(TimePoint now);
  bool BeginRequest(TimePoint now);
  void EndRequest(TimePoint now);
  bool MayCancel() const;
  bool IsTimeForGoodbye(TimePoint now) const;
  bool SayGoodbye();

  const Libpq& pq_;
  PGconn* handle_;  // nullptr: the good-bye was said
  int descriptor_;  // of the session
  const std::string key_;
  const Peer peer_;
  const int process_;
  const Deadline end_;
  TimePoint due_;
  Duration pause_;
  size_t received_ = 0;

  // The request.
  int request_ = -1;
  bool sent_ = false;
  bool tried_ = false;  // one was taken, or could not be made
  bool taken_ = false;
  size_t received_before_ = 0;  // when it was sent
  TimePoint request_at_;        // the next one
  Deadline request_deadline_;
  TimePoint tried_at_;
};

}  // namespace roost::postgres

#endif  // ROOST_BACKENDS_POSTGRES_FAREWELL_H_
