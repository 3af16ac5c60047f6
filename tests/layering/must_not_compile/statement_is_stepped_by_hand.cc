// Rows steps a statement; an application reads Rows.
#include "roost/statement.h"

void Use(roost::Statement& statement) {
  roost::Rows rows = statement.Query(1);
  if (rows.Next()) rows.Get<int>(0);
#ifdef WRONG
  statement.Start({}).IgnoreError();  // error: private
  statement.Step().IgnoreError();     // error: private
  statement.column(0).is_null();      // error: private
  statement.Finish();                 // error: private
  statement.EndRows();                // error: protected
#endif
}
