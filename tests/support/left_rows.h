// tests/support/left_rows.h - rows that a careless holder leaves: begun, and never ended.
#ifndef ROOST_TESTS_SUPPORT_LEFT_ROWS_H_
#define ROOST_TESTS_SUPPORT_LEFT_ROWS_H_

#include <cstddef>
#include <new>
#include <utility>

#include "roost/statement.h"

namespace roost::support {

// Takes `rows` over and does not destroy them: their statement is read until the connection's reset.
inline void LeaveReading(Rows rows) {
  alignas(Rows) std::byte place[sizeof(Rows)];
  new (place) Rows(std::move(rows));
}

}  // namespace roost::support

#endif  // ROOST_TESTS_SUPPORT_LEFT_ROWS_H_
