// tools/roostctl/server.h - `roostctl status --server URI`: what the server of a database has to say about its
// sessions, asked in one session of two statements at most.
//
// It needs no right but to log in: what this user may not see is counted and named, with the GRANT that shows it.
//
// Threads:  one
// Blocks:   until its deadline
// Memory:   the answer
// Errors:   those of opening a session and of its statements
#ifndef ROOST_TOOLS_ROOSTCTL_SERVER_H_
#define ROOST_TOOLS_ROOSTCTL_SERVER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "roost/lease.h"
#include "tools/roostctl/live.h"

namespace roost::tools {

// Sessions of one user's program. MySQL tells no program: it is the host then.
struct ServerSessions {
  std::string user{};
  std::string program{};
  int64_t count = 0;
};

// The session that asks is not counted.
struct ServerStatus {
  std::string server{};  // "PostgreSQL 15.14"
  std::string database{};
  std::string user{};
  int64_t max_connections = 0;
  int64_t reserved = 0;     // of these, for administrators
  int64_t sessions = 0;     // of everybody
  int64_t of_database = 0;  // of this database; -1: not known
  int64_t of_user = 0;
  int64_t of_node = 0;          // by its application_name; -1: not known
  int64_t database_limit = -1;  // CONNECTION LIMIT of the database, and of the user; -1: none
  int64_t user_limit = -1;
  int64_t hidden = 0;  // sessions whose state this user may not see
  int64_t idle_in_transaction = 0;
  double oldest_idle_in_transaction_s = 0;
  int64_t waiting_for_locks = 0;
  std::vector<ServerSessions> programs{};  // those with most sessions first, ten at most
  std::string to_see_all{};                // the GRANT for what is hidden
};

// `node`: the name of roost-node (--name), whose sessions are counted apart.
absl::StatusOr<ServerStatus> AskPostgres(Lease& lease, const std::string& node);
absl::StatusOr<ServerStatus> AskMysql(Lease& lease);

// A pool takes this part of max_connections, as `roostctl size` says; one program that has more than the larger part
// leaves too little to others.
inline constexpr double kShareFrom = 0.2;
inline constexpr double kShareTo = 0.3;
// At this part of what is not reserved it is time to look.
inline constexpr double kFullFrom = 0.8;

// kHealthy or kDegraded; `reason` says why.
LiveState Judge(const ServerStatus& status, std::string& reason);
std::string ServerText(const ServerStatus& status, const std::string& target, int width,
                       bool ascii);
Json ToJson(const ServerStatus& status, const std::string& target);

// The whole command; returns the exit code.
struct ServerCommand {
  std::string uri{};
  std::string password_file{};
  std::string node{};
  bool json = false;
};
int ShowServer(Platform& platform, const ServerCommand& command, int width, bool ascii);

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOSTCTL_SERVER_H_
