// backends/postgres/libpq.h - the functions of libpq that this backend calls, found at run time.
//
// A program that links this backend does not link libpq: its 23 shared objects and 1 MB of dirty
// pages are for nodes that have a remote. So the code calls through a table,
// `pq.PQgetResult(handle)`, which LoadLibpq fills at the first open. The types are libpq's own.
#ifndef ROOST_BACKENDS_POSTGRES_LIBPQ_H_
#define ROOST_BACKENDS_POSTGRES_LIBPQ_H_

#include <libpq-fe.h>

#include "absl/status/status.h"

// All are in libpq 14 and later.
#define ROOST_LIBPQ_CONNECTING(F) \
  F(PQconnectStartParams)         \
  F(PQconnectPoll)                \
  F(PQfinish)                     \
  F(PQconndefaults)               \
  F(PQconninfoParse)              \
  F(PQconninfo)                   \
  F(PQconninfoFree)               \
  F(PQconnectionNeedsPassword)    \
  F(PQconnectionUsedPassword)     \
  F(PQsetnonblocking)             \
  F(PQsetErrorVerbosity)          \
  F(PQsetErrorContextVisibility)  \
  F(PQsetNoticeReceiver)          \
  F(PQlibVersion)

#define ROOST_LIBPQ_STATE(F) \
  F(PQstatus)                \
  F(PQtransactionStatus)     \
  F(PQpipelineStatus)        \
  F(PQparameterStatus)       \
  F(PQerrorMessage)          \
  F(PQsocket)                \
  F(PQbackendPID)            \
  F(PQserverVersion)         \
  F(PQdb)                    \
  F(PQuser)                  \
  F(PQhost)                  \
  F(PQhostaddr)              \
  F(PQport)                  \
  F(PQsslInUse)              \
  F(PQsslAttribute)          \
  F(PQsslStruct)             \
  F(PQisnonblocking)

#define ROOST_LIBPQ_SENDING(F) \
  F(PQsendQuery)               \
  F(PQsendQueryParams)         \
  F(PQsendPrepare)             \
  F(PQsendQueryPrepared)       \
  F(PQsendDescribePrepared)    \
  F(PQsendDescribePortal)      \
  F(PQsendFlushRequest)        \
  F(PQenterPipelineMode)       \
  F(PQexitPipelineMode)        \
  F(PQpipelineSync)            \
  F(PQflush)                   \
  F(PQputCopyData)             \
  F(PQputCopyEnd)              \
  F(PQgetCopyData)

#define ROOST_LIBPQ_RECEIVING(F) \
  F(PQconsumeInput)              \
  F(PQisBusy)                    \
  F(PQgetResult)                 \
  F(PQsetSingleRowMode)          \
  F(PQnotifies)                  \
  F(PQfreemem)                   \
  F(PQclear)                     \
  F(PQmakeEmptyPGresult)         \
  F(PQresultAlloc)               \
  F(PQresultStatus)              \
  F(PQresStatus)                 \
  F(PQresultErrorMessage)        \
  F(PQresultErrorField)          \
  F(PQresultMemorySize)          \
  F(PQntuples)                   \
  F(PQnfields)                   \
  F(PQfname)                     \
  F(PQfnumber)                   \
  F(PQftype)                     \
  F(PQfformat)                   \
  F(PQfmod)                      \
  F(PQfsize)                     \
  F(PQbinaryTuples)              \
  F(PQgetvalue)                  \
  F(PQgetlength)                 \
  F(PQgetisnull)                 \
  F(PQcmdStatus)                 \
  F(PQcmdTuples)                 \
  F(PQnparams)                   \
  F(PQparamtype)                 \
  F(PQescapeIdentifier)          \
  F(PQescapeLiteral)

#define ROOST_LIBPQ_FUNCTIONS(F) \
  ROOST_LIBPQ_CONNECTING(F)      \
  ROOST_LIBPQ_STATE(F)           \
  ROOST_LIBPQ_SENDING(F)         \
  ROOST_LIBPQ_RECEIVING(F)

namespace roost::postgres {

struct Libpq {
// A name cannot be enclosed: NOLINTNEXTLINE(bugprone-macro-parentheses)
#define ROOST_LIBPQ_MEMBER(name) decltype(&::name) name = nullptr;
  ROOST_LIBPQ_FUNCTIONS(ROOST_LIBPQ_MEMBER)
#undef ROOST_LIBPQ_MEMBER
  // OpenSSL's, which libpq brings; nullptr: it has another TLS, or none.
  int (*SSL_peek)(void* ssl, void* room, int size) = nullptr;
};

// Loads libpq.so.5 into the process, if it is not there yet, and fills in `table`. The library then
// stays: OpenSSL, which comes with it, leaves handlers for the end of threads and of the process,
// and a handle that was detached needs its code. kFailedPrecondition: it is not installed or too
// old. Reads files; any thread may call it, at once with others.
absl::Status LoadLibpq(Libpq& table);

}  // namespace roost::postgres

#endif  // ROOST_BACKENDS_POSTGRES_LIBPQ_H_
