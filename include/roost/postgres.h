// include/roost/postgres.h - PostgreSQL as a backend, over libpq, for links that fail.
//
// All connections are alike: the pool has one lane, and the intent of Acquire does not matter.
//
// Nothing here waits longer than its deadline, whatever the server, the link or the name service
// do. A connection that meets its deadline while an answer is under way is closed, because the
// answer may still come. What was given up is cancelled at the server, by a cancel request on a socket
// of its own. A session that was closed counts until the server has ended it, for five minutes at most,
// or one second if it was at rest: a server never has more sessions of a pool than the pool has slots.
// Callers wait for that, and are told by their deadline. A server of version 14 or later on Linux is also told
// to look every 2 s whether its client is there (client_connection_check_interval), unless it does so
// already or a transaction pooler is between. What libpq computes for a sign-in by SCRAM it computes in one piece: more
// than 10,000 iterations, some 50 ms on a Raspberry Pi 4, are refused.
//
// libpq is loaded when the first connection is opened, not when the program starts: a program
// without a remote takes no memory for it. Without the library an open fails with
// kFailedPrecondition and says what to install.
//
// Threads:  a backend may serve several pools; a connection belongs to the holder of its lease.
//           While the name of a host is looked up, one thread of the backend waits for the system's
//           resolver, which cannot be interrupted; a host given as an address needs none
// Blocks:   statements, up to the lease's deadline; opening never (Connection::Advance)
// Memory:   connections in the pool; libpq takes some 37 KB for each, 104 KB with TLS, and one row
//           at a time, of at most max_result_bytes
// Errors:   lease.h; the server's SQLSTATE is in the message and in PostgresSqlState(status)
// Time:     QueryOne runs 1.32 times the instructions of libpq's PQexecPrepared, with as many system calls
//           and heap calls; Query 1.58 times, for rows that come one by one
// Example:
//   roost::PostgresBackend backend({.uri = "postgresql://node7@db.example.org/farm"});
//   roost::PoolFor<roost::profiles::RaspberryPiRemote> pool(backend);
#ifndef ROOST_POSTGRES_H_
#define ROOST_POSTGRES_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "roost/backend.h"
#include "roost/internal/storage.h"

struct pg_conn;

#pragma GCC visibility push(default)
namespace roost {

namespace postgres {
class BackendState;
}  // namespace postgres

// What a PostgresBackend is made with.
struct PostgresOptions {
  // Everything libpq takes: "postgresql://user@host:5432/db?sslmode=...", several hosts, or
  // "host=... dbname=...". ~/.pgpass, the PG* variables and service files count as they do for
  // psql, and are read anew by each open. Empty: those alone. What is different from psql:
  //   sslmode               to a host that is not this machine verify-full, unless said otherwise;
  //                         then without sslrootcert and ~/.postgresql/root.crt the system's file
  //   several hosts         the last good one first; an open goes on to the next while nobody was reached
  //   target_session_attrs  checked when the session is ready, and again whenever a write is refused
  //   connect_timeout       ignored: the deadline of the open counts, which no clock step moves
  //   keepalives*, tcp_user_timeout  the profile's TcpTimers, unless said here
  //   client_encoding       always UTF8
  //   gssencmode            disable, unless said otherwise: a Kerberos server is waited for
  //   pooler                transaction: as `transaction_pooler` below; session: as none
  std::string uri{};
  // A file whose first line is the password, read by each open: one that was changed counts at the
  // next. A regular file that others cannot read, with at most 1 KiB in that line. It counts more
  // than a password in the uri. The password is an option of libpq and in no text. Empty: none.
  std::string password_file{};
  // What pg_stat_activity shows, unless the uri says otherwise.
  std::string application_name = "roostpool";
  // Run on each new connection before it is lent first, in one round trip: SET, or
  // CREATE TABLE IF NOT EXISTS. Must be harmless when run again. One that leaves a transaction open, or
  // another client_encoding, fails the open. Empty: nothing.
  std::string on_connect{};
  // True if a pooler stands before the server and gives each transaction another session
  // (PgBouncer's pool_mode=transaction). Then statements are not kept prepared, and SQL that
  // changes the session (SET, LISTEN, temporary tables) is refused.
  bool transaction_pooler = false;
  // Longest row, error or notice, in bytes on their way; when the server sends a longer one (of an
  // error or a notice: by 32 KiB and more), the statement fails with kResourceExhausted and the
  // connection is closed. For so many bytes libpq takes about twice the memory, for an error seven
  // times, so that at the default a server makes a node take less than 1 MiB. Binary columns count
  // double: they come as text. 64 KiB to 1 GiB.
  int max_result_bytes = 96 << 10;
  // A file for the last good address of each host name, so that a node finds its server after a
  // restart while the name service is down. The file may be lost: it is replaced as a whole,
  // without a sync, when an address has changed. Empty: the addresses are kept in memory only.
  std::string address_file{};
};

// Opens connections to a PostgreSQL server.
class PostgresBackend final : public Backend {
 public:
  // What a pool keeps for each connection; see PoolFor.
  static constexpr internal::ConnectionSize kConnectionSize{.connection = 512, .statement = 160};

  // Wrong options show at the first Open, as kInvalidArgument with a sentence.
  explicit PostgresBackend(PostgresOptions options);
  ~PostgresBackend() override;

  std::string_view kind() const override { return "postgresql"; }
  // "host:port/database", without user and password. Several hosts: separated by commas.
  std::string_view target() const override { return target_; }
  LanePlan lanes() const override { return LanePlan::kOne; }
  size_t ConnectionBytes(int statements) const override;
  absl::StatusOr<Connection*> Open(const OpenRequest& request) override;
  TimePoint Continue(TimePoint now) override;
  void AddFigures(TimePoint now, Figures& out) const override;
  ServerFacts server() const override;
  absl::Status Hindrance(const void* pool) const override;

  // What it was made with.
  const PostgresOptions& options() const { return options_; }

 private:
  const PostgresOptions options_;
  const std::string target_;
  const std::unique_ptr<postgres::BackendState> state_;
};

// The driver's handle (PGconn*) of a connection of this backend; see Connection::Raw. Waits for
// answers that are still owed. REQUIRES: `connection` was opened by a PostgresBackend.
pg_conn* PostgresHandle(Connection& connection);

// The five characters of the SQLSTATE behind a status of this backend; empty when there is none.
// Valid as long as the status.
std::string_view PostgresSqlState(const absl::Status& status);

}  // namespace roost
#pragma GCC visibility pop

#endif  // ROOST_POSTGRES_H_
