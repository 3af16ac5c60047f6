// tests/support/connection_access.h - what the pool calls on a connection, for tests of drivers.
#ifndef ROOST_TESTS_SUPPORT_CONNECTION_ACCESS_H_
#define ROOST_TESTS_SUPPORT_CONNECTION_ACCESS_H_

#include "roost/internal/connection_access.h"

namespace roost {
using internal::ConnectionAccess;
}  // namespace roost

#endif  // ROOST_TESTS_SUPPORT_CONNECTION_ACCESS_H_
