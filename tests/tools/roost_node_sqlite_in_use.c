/* Preloaded into roost-node: somebody who uses SQLite before it does. */
#include <sqlite3.h>

__attribute__((constructor)) static void Use(void) { sqlite3_initialize(); }
