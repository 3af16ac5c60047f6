// A view would outlive the row.
#include <string>
#include <string_view>

#include "roost/query.h"

void Use(roost::Connection& connection, const roost::Sql& sql) {
  (void)roost::QueryOne<std::string>(connection, sql);
#ifdef WRONG
  (void)roost::QueryOne<std::string_view>(connection, sql);  // error: row is gone
#endif
}
