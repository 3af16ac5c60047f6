// backends/postgres/statement_name.h - what the server calls a prepared statement.
#ifndef ROOST_BACKENDS_POSTGRES_STATEMENT_NAME_H_
#define ROOST_BACKENDS_POSTGRES_STATEMENT_NAME_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace roost::postgres {

// The Sql's hash, and a number that no other statement of the session has had, so that neither a
// collision of hashes nor a name that was left over can meet it.
struct StatementName {
  uint64_t hash = 0;
  uint32_t serial = 0;  // 0: none

  bool empty() const { return serial == 0; }
  // "roost_<hash>_<serial>", in hexadecimal, with a zero at its end.
  static constexpr size_t kSize = 32;
  void Write(std::array<char, kSize>& out) const;
};

}  // namespace roost::postgres

#endif  // ROOST_BACKENDS_POSTGRES_STATEMENT_NAME_H_
