// include/roost/mysql.h - MySQL and MariaDB as a backend, over libmariadb, for links that fail.
//
// All connections are alike: the pool has one lane, and the intent of Acquire does not matter. Placeholders
// are $1, $2, ... as everywhere, up to $255; the backend writes ? for them. A comment that a server executes
// (/*! ... */) is for RunScript alone.
//
// A connection that meets its deadline while an answer is under way is closed, because the answer may
// still come, and the server is told by a connection of its own to end that session (KILL). That connection
// goes on with Pool::Tick, which a Housekeeper calls, and with the opens of other connections. It asks first
// whether the session is ours: behind a balancer it is mostly not found, and ends by the server's limits.
// Such connections are at most two at a time; leave room for them in MAX_USER_CONNECTIONS.
//
// libmariadb is loaded when the first connection is opened, not when the program starts: a program
// without such a remote takes no memory for it. Without the library an open fails with
// kFailedPrecondition and says what to install. The library makes the process ignore SIGPIPE.
//
// Each session is set up within the open: utf8mb4, times in UTC, a strict sql_mode, autocommit, and a COMMIT
// that begins no other transaction. Where the server opens one by itself all the same, a statement is
// kFailedPrecondition and the connection is closed. LOAD DATA LOCAL gets no file of this machine. The
// server's wait_timeout is read, and a connection that was idle for 80 % of it is replaced before it is lent.
//
// DDL, which commits by itself here, and EXECUTE are refused while a Transaction is open
// (kFailedPrecondition). What a procedure does shows when it is done: if it has committed, its CALL is
// kUnknown, and so are Commit and Rollback, also where it has begun another transaction, which is rolled
// back. Behind a pooler that keeps the server's session_track_transaction_info to itself that one is taken for
// the Transaction's own. A RunAll that fails leaves its earlier rows in tables without transactions (MyISAM), and says so.
//
// Values:   a Micros is stored as an integer. For a DATETIME(6) write TIMESTAMPADD(MICROSECOND, $1,
//           '1970-01-01'), for the years 1 to 9999; a TIMESTAMP ends in 2038. Both read as a Micros, one with
//           a day or month of zero as text. BIGINT UNSIGNED and BIT beyond an int64_t read as a uint64_t, a
//           double or text, and a uint64_t of that size is bound. DECIMAL without digits behind the point
//           reads as an integer where it fits, and else as a double, text that is not UTF-8 as a Blob. NaN
//           and infinity are refused. BIT out of an expression, such as MAX(b), is refused
//           (kInvalidArgument), because the server sends digits or bits: add 0 to it. A UNION with a number
//           makes a Blob of digits of it
// Threads:  a backend may serve several pools; a connection belongs to the holder of its lease.
//           While the name of a host is looked up, one thread of the backend waits for the system's
//           resolver, which cannot be interrupted; a host given as an address needs none
// Blocks:   statements, up to the lease's deadline; opening never (Connection::Advance), but for the
//           reading of certificates
// Memory:   connections in the pool; libmariadb has some 55 KB for each, 130 KB with TLS, of which
//           32 KB are a stack, and one row at a time, of at most max_result_bytes
// Errors:   lease.h; the server's error number is in the message and in MysqlErrno(status)
// Example:
//   roost::MysqlBackend backend({.uri = "mysql://node7@db.example.org/farm"});
//   roost::PoolFor<roost::profiles::RaspberryPiRemote> pool(backend);
#ifndef ROOST_MYSQL_H_
#define ROOST_MYSQL_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "roost/backend.h"
#include "roost/internal/storage.h"

struct st_mysql;

#pragma GCC visibility push(default)
namespace roost {

namespace mysql {
class BackendState;
}  // namespace mysql

// What a MysqlBackend is made with.
struct MysqlOptions {
  // "mysql://user:password@host:port/database?name=value&..." or "mariadb://...", several hosts separated
  // by commas; what is no letter or digit is written as %40. The port is 3306, unless said otherwise. Names:
  //   sslmode   disable, require (any certificate), verify-ca, verify-full (the host's name is in the
  //             certificate). To an address that is not this machine's own verify-full, else disable. With
  //             require whoever answers can have the password, if the user signs in by
  //             caching_sha2_password or sha256_password; with disable these two are refused, but for
  //             caching_sha2_password to this machine.
  //   ssl-ca, ssl-cert, ssl-key   files; without ssl-ca the system's authorities
  //   socket    the path of a Unix socket, instead of a host
  //   passfile  a file whose first line is the password
  //   target_session_attrs   any, or read-write: a server with read_only is passed over for the next host
  //   pooler    session, or transaction: for ProxySQL or MaxScale, which give each transaction another
  //             session of a server. SQL that changes the session (SET, USE, temporary tables) is then an
  //             error, and kInvalidArgument.
  // Over TCP without TLS a password is never given to a server that asks for it, as caching_sha2_password does
  // at a first sign-in. No configuration file of MySQL is read.
  std::string uri{};
  // A file whose first line is the password, read by each open: one that was changed counts at the
  // next. A regular file that others cannot read, with at most 1 KiB in that line. It counts more than
  // a password in the uri, that more than passfile, and that more than MYSQL_PWD. Empty: none.
  std::string password_file{};
  // What performance_schema.session_connect_attrs shows as program_name, as far as its room goes.
  std::string application_name = "roostpool";
  // Run on each new connection before it is lent first, and again after a reset of the session: one
  // statement, SET, or CREATE TABLE IF NOT EXISTS. Must be harmless when run again. One that leaves a
  // transaction open, autocommit off or a completion_type fails the open. Empty: nothing.
  std::string on_connect{};
  // Longest row in bytes on its way, with some 8 around it. A longer row closes the connection
  // (kResourceExhausted; kUnknown, where what gave it may have been committed). The descriptions of an answer's columns may take as
  // much, and at most 2 MiB (kResourceExhausted). 64 KiB to 1 GiB. The server's max_allowed_packet limits
  // what is sent.
  int max_result_bytes = 1 << 20;
  // A file for the last good address of each host name; see PostgresOptions. Without
  // a folder that can be written, as when it is empty, the addresses are kept in memory.
  std::string address_file{};
};

// Opens connections to a server of MariaDB 10.3 or MySQL 5.7 and later.
class MysqlBackend final : public Backend {
 public:
  // What a pool keeps for each connection; see PoolFor.
  static constexpr internal::ConnectionSize kConnectionSize{.connection = 512, .statement = 160};

  // Wrong options show at the first Open, as kInvalidArgument with a sentence.
  explicit MysqlBackend(MysqlOptions options);
  ~MysqlBackend() override;

  std::string_view kind() const override { return "mysql"; }
  // "host:port/database", without user and password. Several hosts: separated by commas.
  std::string_view target() const override { return target_; }
  LanePlan lanes() const override { return LanePlan::kOne; }
  size_t ConnectionBytes(int statements) const override;
  absl::StatusOr<Connection*> Open(const OpenRequest& request) override;
  TimePoint Continue(TimePoint now) override;
  void AddFigures(TimePoint now, Figures& out) const override;
  ServerFacts server() const override;

  // What it was made with.
  const MysqlOptions& options() const { return options_; }

 private:
  const MysqlOptions options_;
  const std::string target_;
  const std::unique_ptr<mysql::BackendState> state_;
};

// The driver's handle (MYSQL*) of a connection of this backend; see Connection::Raw. REQUIRES:
// `connection` was opened by a MysqlBackend.
st_mysql* MysqlHandle(Connection& connection);

// The number of the error behind a status of this backend, of the server or of libmariadb (2000 to
// 2999); 0 when there is none.
int MysqlErrno(const absl::Status& status);

}  // namespace roost
#pragma GCC visibility pop

#endif  // ROOST_MYSQL_H_
