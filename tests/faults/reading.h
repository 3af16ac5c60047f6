// tests/faults/reading.h - the table that a test of SQLite's faults writes when it needs no other.
#ifndef ROOST_TESTS_FAULTS_READING_H_
#define ROOST_TESTS_FAULTS_READING_H_

#include "roost/statement.h"

namespace roost::faults {

inline constexpr char kSchema[] =
    "CREATE TABLE IF NOT EXISTS reading(id INTEGER PRIMARY KEY, body BLOB)";
inline constexpr Sql kInsert{"INSERT INTO reading VALUES ($1, $2)"};
inline constexpr Sql kCount{"SELECT count(*) FROM reading"};

}  // namespace roost::faults

#endif  // ROOST_TESTS_FAULTS_READING_H_
