// backends/mysql/libmariadb.h - the functions of libmariadb that this backend calls, found at run time.
//
// A program that links this backend does not link libmariadb, which is LGPL and for nodes with such a
// remote. The code calls through a table, `lib.mysql_errno(handle)`, which LoadLibmariadb fills at
// the first open. The types are libmariadb's own.
//
// The library runs a call on a stack of its own until it would have to wait (`*_start`, `*_cont`). It does
// not do so everywhere; handle_watch.h mends that for our own handles, and for no others of the process.
#ifndef ROOST_BACKENDS_MYSQL_LIBMARIADB_H_
#define ROOST_BACKENDS_MYSQL_LIBMARIADB_H_

#include <mysql.h>

#include "absl/status/status.h"

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
  F(mysql_net_read_packet)          \
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

// Loads libmariadb.so.3 into the process, if it is not there yet, and fills in `table`. The library
// then stays, as OpenSSL does, which comes with it; it makes the process ignore SIGPIPE. kFailedPrecondition:
// it is not installed, too old, or MySQL's libmysqlclient under that name. Reads files; any thread may
// call it, at once with others.
absl::Status LoadLibmariadb(Libmariadb& table);

}  // namespace roost::mysql

#endif  // ROOST_BACKENDS_MYSQL_LIBMARIADB_H_
