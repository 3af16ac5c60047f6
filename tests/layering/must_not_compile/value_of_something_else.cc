// What only converts to a bool or a double is no value.
#include "roost/statement.h"

enum Colour { kRed };

void Use(roost::Statement& statement, const unsigned char* text, const void* place) {
  statement.Run(true, 1, 'c', 1.5, 1.5F, "text", nullptr, kRed, 1ULL).IgnoreError();
#ifdef WRONG
  roost::Value from_text(text);         // error: roost::Value: bind an integer
  roost::Value from_place(place);       // error: roost::Value: bind an integer
  roost::Value from_long_double(1.5L);  // error: roost::Value: bind an integer
#endif
}
