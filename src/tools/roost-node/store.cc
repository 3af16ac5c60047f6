#include "tools/roost-node/store.h"

#include <algorithm>
#include <string>
#include <utility>

#include "roost/outbox.h"
#include "roost/sqlite.h"
#include "tools/roost-node/pool_status.h"

namespace roost::tools {

// (epoch, seq) is the outbox::Key of a reading. The times are microseconds: since boot, and since
// 1970 UTC by a wall clock that had been set if synced is 1. t_source is a TimeSource.
// outbox.next_seq is greater than each seq whose reading was the newest when it was deleted, by whom
// ever: no number is given out twice. A seal does not write it. db_size, age and thinned: retention.h. The other tables are those of roost/outbox.h.
namespace {

constexpr char kTables[] = R"sql(
CREATE TABLE IF NOT EXISTS sensor(
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  unit TEXT NOT NULL,
  UNIQUE(name, unit));
CREATE TABLE IF NOT EXISTS reading(
  seq INTEGER PRIMARY KEY,
  epoch INTEGER NOT NULL,
  t_boot INTEGER NOT NULL,
  t_wall INTEGER NOT NULL,
  synced INTEGER NOT NULL,
  sensor INTEGER NOT NULL REFERENCES sensor(id),
  value REAL NOT NULL,
  t_source INTEGER NOT NULL DEFAULT 0);
CREATE VIEW IF NOT EXISTS readings AS
  SELECT r.seq, strftime('%Y-%m-%dT%H:%M:%fZ', r.t_wall / 1000000.0, 'unixepoch') AS time,
         s.name, r.value, s.unit, r.synced, r.epoch,
         CASE r.t_source WHEN 0 THEN 'board' WHEN 1 THEN 'arrival' WHEN 2 THEN 'line'
                         ELSE 'late' END AS time_from
  FROM reading r JOIN sensor s ON s.id = r.sensor;
CREATE TABLE IF NOT EXISTS outbox(
  id INTEGER PRIMARY KEY CHECK(id = 1),
  next_seq INTEGER NOT NULL,
  db_size INTEGER);
INSERT OR IGNORE INTO outbox(id, next_seq) VALUES (1, 1);
CREATE TABLE IF NOT EXISTS age(
  at INTEGER PRIMARY KEY,
  seq INTEGER NOT NULL,
  wall INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS thinned(
  id INTEGER PRIMARY KEY CHECK(id = 1),
  readings INTEGER NOT NULL);
INSERT OR IGNORE INTO thinned(id, readings) VALUES (1, 0);
CREATE TRIGGER IF NOT EXISTS reading_seq AFTER DELETE ON reading
WHEN NOT EXISTS (SELECT 1 FROM reading WHERE seq > old.seq)
BEGIN
  UPDATE outbox SET next_seq = max(next_seq, old.seq + 1);
END;
)sql";

// What a database has that was made before readings had a source of their time.
constexpr Sql kOldReading{"SELECT seq, epoch, t_boot, t_wall, synced, sensor, value FROM reading"};
// The schema makes the view anew.
constexpr char kAddTimeSource[] =
    "ALTER TABLE reading ADD COLUMN t_source INTEGER NOT NULL DEFAULT 0; "
    "DROP VIEW IF EXISTS readings;";

constexpr Sql kNextSeq{
    "SELECT max((SELECT coalesce(max(seq), 0) + 1 FROM reading), "
    "(SELECT coalesce(max(next_seq), 1) FROM outbox))"};
// Finds the sensor by itself: no table of identifiers is kept that a rollback could make wrong.
constexpr Sql kInsert{
    "INSERT INTO reading(seq, epoch, t_boot, t_wall, synced, sensor, value, t_source) "
    "SELECT $1, $2, $3, $4, $5, id, $6, $9 FROM sensor WHERE name = $7 AND unit = $8"};
constexpr Sql kInsertSensor{"INSERT INTO sensor(name, unit) VALUES ($1, $2)"};
constexpr Sql kFind{"SELECT 1 FROM reading WHERE seq = $1 AND epoch = $2"};
// GROUP BY would sort what may be a year's readings: in files, and with more memory than a node
// has.
constexpr Sql kReadBack{"SELECT sensor, value FROM reading WHERE seq >= $1 AND epoch = $2"};
constexpr Sql kSensors{"SELECT id, name, unit FROM sensor ORDER BY id"};

// How many different identifiers there were: a bit for each up to a million.
class IdentifierSet {
 public:
  void Add(int64_t id) {
    if (id < 0 || id >= kMost) return;
    const auto place = static_cast<size_t>(id);
    if (place >= seen_.size()) seen_.resize(place + 1);
    if (seen_[place]) return;
    seen_[place] = true;
    ++size_;
  }
  size_t size() const { return size_; }

 private:
  static constexpr int64_t kMost = 1'000'000;
  std::vector<bool> seen_;
  size_t size_ = 0;
};

}  // namespace

std::string NodeSchema() { return std::string(kTables) + kOutboxSchema; }

Store::Store(Pool& pool, uint32_t epoch)
    : pool_(pool), writer_({.next_seq = kNextSeq, .find = kFind}, epoch) {}

absl::Status Store::Check(Deadline deadline) {
  absl::StatusOr<Lease> lease = pool_.Acquire(kWrite, deadline);
  if (!lease.ok()) return lease.status();
  absl::Status usable = PrepareAll(*lease);
  if (!absl::IsInvalidArgument(usable) || !lease->Prepare(kOldReading).ok()) return usable;
  return AddTimeSource(*lease);
}

absl::Status Store::PrepareAll(Lease& lease) {
  for (const Sql& sql : {kNextSeq, kInsert, kInsertSensor}) {
    const absl::StatusOr<Statement*> prepared = lease.Prepare(sql);
    if (!prepared.ok()) return prepared.status();
  }
  return absl::OkStatus();
}

absl::Status Store::AddTimeSource(Lease& lease) {
  absl::StatusOr<Transaction> transaction = lease->Begin(Durability::kSealed);
  if (!transaction.ok()) return transaction.status();
  absl::Status added = lease->RunScript(kAddTimeSource);
  if (added.ok()) added = lease->RunScript(NodeSchema());
  if (added.ok()) added = PrepareAll(lease);
  if (!added.ok()) return added;
  return transaction->Commit();
}

absl::StatusOr<size_t> Store::Seal(ReadingBuffer& buffer, size_t most, Deadline deadline,
                                   Deadline lock) {
  absl::StatusOr<Lease> lease = pool_.Acquire(kWrite, deadline);
  if (!lease.ok()) return lease.status();
  // One that an idle connection has met, which tells nobody.
  const int changes = FileStatsOf(pool_).file_changes;
  if (std::exchange(file_changes_, changes) != changes && stored_ > 0) {
    return TellWhatWent(absl::UnavailableError(
        "the database was deleted, renamed, replaced, overwritten or hidden, and begun anew"));
  }
  (*lease)->set_deadline(std::min(lock, deadline));
  absl::StatusOr<size_t> sealed =
      writer_.Seal(**lease, buffer, most, [&](const outbox::Key& key, const Reading& reading) {
        // The lock is held.
        (*lease)->set_deadline(deadline);
        return Insert(*lease, key, reading);
      });
  if (!sealed.ok() && IsFileChanged(sealed.status())) return TellWhatWent(sealed.status());
  if (sealed.ok()) stored_ += *sealed;
  return sealed;
}

absl::Status Store::TellWhatWent(const absl::Status& status) {
  const std::string went = std::to_string(std::exchange(stored_, 0));
  return {status.code(), std::string(status.message()) + "; " + went +
                             " readings that this run had sealed may be gone with it"};
}

absl::Status Store::Insert(const Lease& lease, const outbox::Key& key, const Reading& reading) {
  for (const bool sensor_is_known : {false, true}) {
    const absl::StatusOr<Statement*> insert = lease.Prepare(kInsert);
    if (!insert.ok()) return insert.status();
    absl::Status status = (*insert)->Run(
        key.seq, key.epoch, reading.boot_us, Micros{reading.wall_us}, reading.synced, reading.value,
        reading.name.view(), reading.unit.view(), static_cast<int64_t>(reading.source));
    if (!status.ok() || (*insert)->changes() == 1) return status;
    if (sensor_is_known) break;
    status = lease.Run(kInsertSensor, reading.name.view(), reading.unit.view());
    if (!status.ok()) return status;
  }
  return absl::InternalError("a sensor that was just inserted is not there");
}

// What was read back of each sensor, by its identifier. Bounded: anybody may invent names.
absl::StatusOr<std::map<int64_t, SensorSummary>> Store::ReadValues(Lease& lease,
                                                                   size_t& more) const {
  std::map<int64_t, SensorSummary> all;
  const absl::StatusOr<Statement*> read = lease.Prepare(kReadBack);
  if (!read.ok()) return read.status();
  Rows rows = (*read)->Query(writer_.first().seq, writer_.first().epoch);
  IdentifierSet others;
  while (rows.Next()) {
    const auto value = rows.Get<double>(1);
    const auto id = rows.Get<int64_t>(0);
    if (all.size() >= kMostSensors && !all.contains(id)) {
      others.Add(id);
      continue;
    }
    const auto [at, is_new] = all.try_emplace(id);
    SensorSummary& sensor = at->second;
    sensor.least = is_new ? value : std::min(sensor.least, value);
    sensor.most = is_new ? value : std::max(sensor.most, value);
    ++sensor.count;
    sensor.mean += (value - sensor.mean) / static_cast<double>(sensor.count);
  }
  more = others.size();
  if (!rows.status().ok()) return rows.status();
  return all;
}

absl::StatusOr<std::vector<SensorSummary>> Store::ReadBack(Deadline deadline, size_t* more) const {
  std::vector<SensorSummary> all;
  if (writer_.first().seq == 0) return all;
  absl::StatusOr<Lease> lease = pool_.Acquire(kRead, deadline);
  if (!lease.ok()) return lease.status();
  size_t others = 0;
  absl::StatusOr<std::map<int64_t, SensorSummary>> values = ReadValues(*lease, others);
  if (!values.ok()) return values.status();
  if (more != nullptr) *more = others;
  const absl::StatusOr<Statement*> sensors = lease->Prepare(kSensors);
  if (!sensors.ok()) return sensors.status();
  Rows rows = (*sensors)->Query();
  while (rows.Next()) {
    const auto found = values->find(rows.Get<int64_t>(0));
    if (found == values->end()) continue;
    found->second.name = rows.Get<std::string_view>(1);
    found->second.unit = rows.Get<std::string_view>(2);
    all.push_back(std::move(found->second));
  }
  if (!rows.status().ok()) return rows.status();
  return all;
}

}  // namespace roost::tools
