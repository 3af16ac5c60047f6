// tests/bench/first_row.c - the shortest way to a reading that survives a power cut: opens SQLite,
// switches to WAL, inserts and syncs. What roost-node's start is measured beside.
//
// Usage: first_row DATABASE
#include <sqlite3.h>
#include <stdio.h>

int main(int argc, char** argv) {
  sqlite3* db = NULL;
  if (argc != 2 || sqlite3_open(argv[1], &db) != SQLITE_OK) return 2;
  char* error = NULL;
  sqlite3_exec(db,
               "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
               "CREATE TABLE IF NOT EXISTS reading(seq INTEGER PRIMARY KEY, t_wall INTEGER, "
               "sensor INTEGER, value REAL);"
               "INSERT INTO reading(t_wall, sensor, value) VALUES (1700000000000000, 1, 20.5)",
               NULL, NULL, &error);
  if (error != NULL) fprintf(stderr, "first_row: %s\n", error);
  sqlite3_close(db);
  return error == NULL ? 0 : 1;
}
