// backends/postgres/sqlstates.h - what each SQLSTATE means, in a session and at start-up.
//
// One table with two columns. Pure: what depends on more than the SQLSTATE is decided by classify.h
// for a session, and by startup_error.h for an open.
#ifndef ROOST_BACKENDS_POSTGRES_SQLSTATES_H_
#define ROOST_BACKENDS_POSTGRES_SQLSTATES_H_

#include <string_view>

#include "backends/common/error.h"

namespace roost::postgres {

using backends::Finding;

// Five characters, digits and capital letters. What a server gives may be anything.
bool IsSqlState(std::string_view text);

// The column for a session that is ready. A SQLSTATE without a row has its class's answer; nullptr:
// no such class.
const Finding* FindInSession(std::string_view sqlstate);

// The column for an open: from the start-up packet to the end of on_connect. As FindInSession.
const Finding* FindAtStartup(std::string_view sqlstate);

}  // namespace roost::postgres

#endif  // ROOST_BACKENDS_POSTGRES_SQLSTATES_H_
