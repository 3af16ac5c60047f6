// A text is no SQL.
#include <string>

#include "roost/connection.h"

void Use(roost::Connection& connection, const std::string& text) {
  (void)connection.Run(roost::Sql("SELECT 1"));
  (void)connection.Run(roost::Sql(text), 1);
#ifdef WRONG
  (void)connection.Run("SELECT 1");  // error: takes SQL as a roost::Sql
  (void)connection.Run(text, 1);     // error: takes SQL as a roost::Sql
#endif
}
