// backends/mysql/libmariadb.h - the functions of libmariadb that this backend calls, found at run time.
//
// A program that links this backend does not link libmariadb, which is LGPL and for nodes with such a
// remote. The code calls through a table, `lib.mysql_errno(handle)`, which LoadLibmariadb fills at
// the first open. The types are libmariadb's own.
//
// The library runs a call on a stack of its own until it would have to wait (`*_start`, `*_cont`).
// Under TLS it would wait all the same: after its connect it makes the socket one that blocks
// (CONC-594). So the table comes with a watch on the library's reads and writes, which undoes that for
// the handles that were prepared by PrepareHandle, and for no others of the process.
#ifndef ROOST_BACKENDS_MYSQL_LIBMARIADB_H_
#define ROOST_BACKENDS_MYSQL_LIBMARIADB_H_

#include <mysql.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "roost/platform.h"

#define ROOST_LIBMARIADB_HANDLE(F)  \
  F(mysql_init)                     \
  F(mysql_optionsv)                 \
  F(mysql_set_local_infile_handler) \
  F(mysql_get_socket)               \
  F(mysql_errno)                    \
  F(mysql_error)                    \
  F(mysql_sqlstate)                 \
  F(mysql_field_count)              \
  F(mysql_use_result)               \
  F(mysql_more_results)             \
  F(mysql_num_fields)               \
  F(mysql_get_server_version)       \
  F(mariadb_get_infov)              \
  F(mysql_session_track_get_first)  \
  F(mysql_session_track_get_next)   \
  F(mysql_close)

#define ROOST_LIBMARIADB_CALLS(F)  \
  F(mysql_real_connect_start)      \
  F(mysql_real_connect_cont)       \
  F(mysql_real_query_start)        \
  F(mysql_real_query_cont)         \
  F(mysql_fetch_row_start)         \
  F(mysql_fetch_row_cont)          \
  F(mysql_free_result)             \
  F(mysql_next_result_start)       \
  F(mysql_next_result_cont)        \
  F(mysql_set_server_option_start) \
  F(mysql_set_server_option_cont)  \
  F(mysql_reset_connection_start)  \
  F(mysql_reset_connection_cont)   \
  F(mysql_ping_start)              \
  F(mysql_ping_cont)               \
  F(mysql_close_start)             \
  F(mysql_close_cont)

#define ROOST_LIBMARIADB_STATEMENTS(F) \
  F(mysql_stmt_init)                   \
  F(mysql_stmt_prepare)                \
  F(mysql_stmt_prepare_start)          \
  F(mysql_stmt_prepare_cont)           \
  F(mysql_stmt_attr_set)               \
  F(mysql_stmt_bind_param)             \
  F(mysql_stmt_execute_start)          \
  F(mysql_stmt_execute_cont)           \
  F(mysql_stmt_bind_result)            \
  F(mysql_stmt_fetch_start)            \
  F(mysql_stmt_fetch_cont)             \
  F(mysql_stmt_fetch_column)           \
  F(mysql_stmt_more_results)           \
  F(mysql_stmt_next_result_start)      \
  F(mysql_stmt_next_result_cont)       \
  F(mysql_stmt_affected_rows)          \
  F(mysql_stmt_field_count)            \
  F(mariadb_stmt_fetch_fields)         \
  F(mysql_stmt_param_count)            \
  F(mysql_stmt_close_start)            \
  F(mysql_stmt_close_cont)             \
  F(mysql_stmt_errno)                  \
  F(mysql_stmt_error)                  \
  F(mysql_stmt_sqlstate)

#define ROOST_LIBMARIADB_FUNCTIONS(F) \
  ROOST_LIBMARIADB_HANDLE(F)          \
  ROOST_LIBMARIADB_CALLS(F)           \
  ROOST_LIBMARIADB_STATEMENTS(F)

namespace roost::mysql {

struct Libmariadb {
// A name cannot be enclosed: NOLINTNEXTLINE(bugprone-macro-parentheses)
#define ROOST_LIBMARIADB_MEMBER(name) decltype(&::name) name = nullptr;
  ROOST_LIBMARIADB_FUNCTIONS(ROOST_LIBMARIADB_MEMBER)
#undef ROOST_LIBMARIADB_MEMBER
  // The library's own functions of the protocol, but for the two that send a run and read its answer: these
  // do the same for the preparing of the statement first. For Link::PrepareAndExecute.
  st_mariadb_methods with_prepare{};
};

// What the watch needs to know of a handle. Outlives the handle, or ForgetHandle is called.
struct HandleWatch {
  // What the server's certificate has to name, where the library was given an address to connect to;
  // null: what the library was given.
  const char* certified = nullptr;
  // The certificate may name another host. The library is told to verify all the same, because it sends a
  // user's name and proof in plain text to a server without TLS otherwise (MDEV-28634); the watch takes
  // that back when TLS begins.
  bool any_name = false;
  // The server has asked for the password, encrypted by a key that it sends itself, on a link without TLS.
  // Then the link is ended: whoever stands in the middle has such a key, too.
  bool refused_password = false;
  // Up to when the library may wait in the middle of a TLS handshake, which it does whatever it is told; and the
  // clock for that. Null: nobody has asked for TLS.
  Platform* platform = nullptr;
  Deadline deadline{};
  // How many bytes the call that goes on may still read.
  size_t may_read = SIZE_MAX;
  // The library's own; PrepareHandle sets it.
  decltype(&::mysql_optionsv) set_option = nullptr;
  // A statement that is prepared by the call that runs it: its text; itself, until the server has taken it;
  // the functions of the protocol that the handle has otherwise; and mysql_stmt_prepare.
  std::string_view sql{};
  MYSQL_STMT* unprepared = nullptr;
  const st_mariadb_methods* methods = nullptr;
  decltype(&::mysql_stmt_prepare) prepare = nullptr;
};

// Loads libmariadb.so.3 into the process, if it is not there yet, and fills in `table`. The library
// then stays, as OpenSSL does, which comes with it; it makes the process ignore SIGPIPE. kFailedPrecondition:
// it is not installed, too old, or MySQL's libmysqlclient under that name. Reads files; any thread may
// call it, at once with others.
absl::Status LoadLibmariadb(Libmariadb& table);

// Before a connect: `handle` never blocks, checks the certificate for watch.certified, and gives a server
// that asks for a file of this machine (LOAD DATA LOCAL) nothing.
void PrepareHandle(const Libmariadb& lib, MYSQL* handle, HandleWatch& watch);
// From now on the handle is as any other of the library, but for the files.
void ForgetHandle(const Libmariadb& lib, MYSQL* handle);
// After somebody else has used the handle: it does not block again.
void UnblockHandle(MYSQL* handle);

}  // namespace roost::mysql

#endif  // ROOST_BACKENDS_MYSQL_LIBMARIADB_H_
