// What the four parts of the weather station share.
#ifndef STATION_H_
#define STATION_H_

#include <poll.h>

#include <cstdint>

#include "roost/pool.h"

struct Reading {
  int64_t id;
  roost::Micros taken;
  double celsius;
};

constexpr char kTables[] =
    "CREATE TABLE IF NOT EXISTS reading(id INTEGER PRIMARY KEY, taken, celsius);"
    "CREATE TABLE IF NOT EXISTS summary(last_id INTEGER PRIMARY KEY, count, celsius)";
constexpr char kArchive[] =
    "CREATE TABLE IF NOT EXISTS reading(id BIGINT PRIMARY KEY, taken TIMESTAMPTZ, celsius FLOAT8)";

// The same SQL for both databases: the archive has each reading once, however often it is sent.
constexpr roost::Sql kInsert{"INSERT INTO reading VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING"};
constexpr roost::Sql kLastId{"SELECT coalesce(max(id), 0) FROM reading"};

struct Station {
  roost::Pool& local;    // SQLite
  roost::Pool& archive;  // PostgreSQL, or another SQLite file
  int stop;              // an eventfd: readable when the station ends
  int period_ms;         // between two readings

  // Waits. False: the station ends.
  bool Pause(int ms) const {
    pollfd end{stop, POLLIN, 0};
    return poll(&end, 1, ms) == 0;
  }
};

// Each runs in a thread of its own until the station ends.
void Sample(const Station& station);
void Aggregate(const Station& station);
void Answer(const Station& station, const char* path);
void Forward(const Station& station);

#endif  // STATION_H_
