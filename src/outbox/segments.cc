#include "outbox/segments.h"

#include <algorithm>
#include <optional>
#include <string>

namespace roost {

const char kOutboxSchema[] = R"sql(
CREATE TABLE IF NOT EXISTS segment(
  epoch INTEGER NOT NULL,
  lo INTEGER NOT NULL,
  hi INTEGER,
  sent INTEGER NOT NULL,
  acked INTEGER NOT NULL,
  PRIMARY KEY(epoch, lo)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS gap(
  epoch INTEGER NOT NULL,
  lo INTEGER NOT NULL,
  hi INTEGER NOT NULL,
  why INTEGER NOT NULL,
  sent INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY(epoch, lo)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reject(
  epoch INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  state TEXT NOT NULL,
  why TEXT NOT NULL,
  tries INTEGER NOT NULL,
  PRIMARY KEY(epoch, seq)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outbox_state(
  id INTEGER PRIMARY KEY CHECK(id = 1),
  bytes_month INTEGER NOT NULL DEFAULT 0,
  month INTEGER NOT NULL DEFAULT 0,
  spread_s INTEGER NOT NULL DEFAULT -1,
  schema_seen INTEGER NOT NULL DEFAULT 0);
INSERT OR IGNORE INTO outbox_state(id) VALUES (1);
)sql";

namespace outbox {
namespace {

constexpr Sql kPage{
    "SELECT epoch, lo, hi, sent, acked FROM segment WHERE (epoch, lo) > ($1, $2) "
    "ORDER BY epoch, lo LIMIT $3"};
constexpr Sql kOpen{
    "SELECT epoch, lo, hi, sent, acked FROM segment WHERE hi IS NULL ORDER BY lo DESC LIMIT 1"};
constexpr Sql kOldest{
    "SELECT epoch, lo, hi, sent, acked FROM segment WHERE sent < hi ORDER BY lo LIMIT 1"};
constexpr Sql kSums{
    "SELECT coalesce(sum(sent < hi), 0), coalesce(sum((sent < hi) * (hi - sent)), 0), max(hi) "
    "FROM segment"};
constexpr Sql kPut{
    "INSERT INTO segment(epoch, lo, hi, sent, acked) VALUES ($1, $2, $3, $4, $5) "
    "ON CONFLICT(epoch, lo) DO UPDATE SET hi = excluded.hi, sent = excluded.sent, "
    "acked = max(acked, excluded.acked)"};
constexpr Sql kForget{"DELETE FROM segment WHERE epoch = $1 AND lo = $2"};
constexpr Sql kForgetGaps{"DELETE FROM gap WHERE hi BETWEEN $1 AND $2"};
// By the key: the first that may reach into the range is the last one that begins at or below its beginning.
constexpr Sql kOwnGaps{
    "SELECT lo, hi, why FROM gap WHERE epoch = $1 AND lo <= $3 AND lo >= coalesce("
    "(SELECT max(lo) FROM gap WHERE epoch = $1 AND lo <= $2), $2) ORDER BY lo"};
constexpr Sql kOtherGaps{
    "SELECT lo, hi, why FROM gap WHERE epoch <> $1 AND lo <= $3 AND hi >= $2 ORDER BY lo"};
constexpr Sql kFirstGap{"SELECT epoch, lo FROM gap WHERE lo > $1 ORDER BY lo LIMIT 1"};
constexpr Sql kGapsSent{"UPDATE gap SET sent = 1 WHERE epoch = $1 AND hi <= $2 AND sent = 0"};
constexpr Sql kRejects{
    "SELECT seq FROM reject WHERE epoch = $1 AND seq > $2 ORDER BY seq LIMIT $3"};
constexpr Sql kAnyReject{"SELECT EXISTS(SELECT 1 FROM reject)"};
constexpr Sql kSetAside{
    "INSERT INTO reject(epoch, seq, state, why, tries) VALUES ($1, $2, $3, $4, 1) "
    "ON CONFLICT(epoch, seq) DO UPDATE SET state = excluded.state, why = excluded.why, "
    "tries = tries + 1"};
constexpr Sql kState{
    "SELECT bytes_month, month, spread_s, schema_seen FROM outbox_state WHERE id = 1"};
constexpr Sql kWriteState{
    "INSERT INTO outbox_state(id, bytes_month, month, spread_s, schema_seen) "
    "VALUES (1, $1, $2, $3, $4) ON CONFLICT(id) DO UPDATE SET bytes_month = excluded.bytes_month, "
    "month = excluded.month, spread_s = excluded.spread_s, schema_seen = excluded.schema_seen"};

constexpr size_t kMostReason = 400;  // bytes of reject.why

SegmentRow Row(Rows& rows) {
  return {.name = {.epoch = rows.Get<int64_t>(0), .lo = rows.Get<int64_t>(1)},
          .hi = rows.Get<std::optional<int64_t>>(2).value_or(kOpenEnd),
          .sent = rows.Get<int64_t>(3),
          .acked = rows.Get<int64_t>(4)};
}

absl::StatusOr<bool> ReadOne(Connection& connection, const Sql& sql, SegmentRow& out) {
  const absl::StatusOr<Statement*> statement = connection.Prepare(sql);
  if (!statement.ok()) return statement.status();
  Rows rows = (*statement)->Query();
  const bool is_there = rows.Next();
  if (is_there) out = Row(rows);
  if (!rows.status().ok()) return rows.status();
  return is_there;
}

absl::Status AddGapsOf(Connection& connection, const Sql& sql, Batch& batch) {
  const absl::StatusOr<Statement*> statement = connection.Prepare(sql);
  if (!statement.ok()) return statement.status();
  const OutboxBatch& wanted = batch.batch();
  Rows rows = (*statement)->Query(wanted.segment.epoch, wanted.first, wanted.last);
  while (batch.Missing() > 0 && rows.Next()) {
    const auto why = rows.Get<int64_t>(2);
    // A reason of a later version is told as the one that says least.
    const bool is_known = why >= 1 && why <= static_cast<int64_t>(OutboxWhy::kThin);
    batch.AddGap(is_known ? static_cast<OutboxWhy>(why) : OutboxWhy::kFull, rows.Get<int64_t>(0),
                 rows.Get<int64_t>(1));
  }
  return rows.status();
}

}  // namespace

absl::StatusOr<size_t> ReadSegments(Connection& connection, const OutboxSegment& after,
                                    std::span<SegmentRow> out) {
  const absl::StatusOr<Statement*> statement = connection.Prepare(kPage);
  if (!statement.ok()) return statement.status();
  Rows rows = (*statement)->Query(after.epoch, after.lo, out.size());
  size_t count = 0;
  while (count < out.size() && rows.Next()) out[count++] = Row(rows);
  if (!rows.status().ok()) return rows.status();
  return count;
}

absl::StatusOr<bool> ReadOpen(Connection& connection, SegmentRow& out) {
  return ReadOne(connection, kOpen, out);
}

absl::StatusOr<bool> ReadOldest(Connection& connection, SegmentRow& out) {
  return ReadOne(connection, kOldest, out);
}

absl::StatusOr<SegmentSums> ReadSums(Connection& connection) {
  const absl::StatusOr<Statement*> statement = connection.Prepare(kSums);
  if (!statement.ok()) return statement.status();
  SegmentSums sums;
  Rows rows = (*statement)->Query();
  if (rows.Next()) {
    sums = {.unfinished = rows.Get<int64_t>(0), .waiting = rows.Get<int64_t>(1)};
    const auto hi = rows.Get<std::optional<int64_t>>(2);
    sums.has_closed = hi.has_value();
    sums.greatest_hi = hi.value_or(0);
  }
  if (!rows.status().ok()) return rows.status();
  return sums;
}

absl::Status Put(Connection& connection, const SegmentRow& row) {
  const Value hi = row.IsOpen() ? Value() : Value(row.hi);
  return connection.Run(kPut, row.name.epoch, row.name.lo, hi, row.sent, row.acked);
}

absl::Status Forget(Connection& connection, const OutboxSegment& name) {
  return connection.Run(kForget, name.epoch, name.lo);
}

absl::Status ForgetGaps(Connection& connection, int64_t lo, int64_t hi) {
  return connection.Run(kForgetGaps, lo, hi);
}

absl::Status AddGaps(Connection& connection, Batch& batch) {
  if (batch.Missing() == 0) return absl::OkStatus();
  absl::Status status = AddGapsOf(connection, kOwnGaps, batch);
  if (status.ok() && batch.Missing() > 0) status = AddGapsOf(connection, kOtherGaps, batch);
  return status;
}

absl::StatusOr<std::optional<OutboxSegment>> FirstGap(Connection& connection, int64_t after) {
  const absl::StatusOr<Statement*> statement = connection.Prepare(kFirstGap);
  if (!statement.ok()) return statement.status();
  std::optional<OutboxSegment> first;
  Rows rows = (*statement)->Query(after);
  if (rows.Next()) first = {.epoch = rows.Get<int64_t>(0), .lo = rows.Get<int64_t>(1)};
  if (!rows.status().ok()) return rows.status();
  return first;
}

absl::Status MarkGapsSent(Connection& connection, int64_t epoch, int64_t last) {
  return connection.Run(kGapsSent, epoch, last);
}

absl::StatusOr<size_t> ReadRejects(Connection& connection, int64_t epoch, int64_t after,
                                   std::span<int64_t> out) {
  const absl::StatusOr<Statement*> statement = connection.Prepare(kRejects);
  if (!statement.ok()) return statement.status();
  Rows rows = (*statement)->Query(epoch, after, out.size());
  size_t count = 0;
  while (count < out.size() && rows.Next()) out[count++] = rows.Get<int64_t>(0);
  if (!rows.status().ok()) return rows.status();
  return count;
}

absl::StatusOr<bool> HasRejects(Connection& connection) {
  const absl::StatusOr<Statement*> statement = connection.Prepare(kAnyReject);
  if (!statement.ok()) return statement.status();
  Rows rows = (*statement)->Query();
  const bool has = rows.Next() && rows.Get<bool>(0);
  if (!rows.status().ok()) return rows.status();
  return has;
}

absl::Status SetAside(Connection& connection, int64_t epoch, int64_t seq,
                      const absl::Status& status) {
  const std::string state = absl::StatusCodeToString(status.code());
  const std::string_view why(status.message().data(),
                             std::min(status.message().size(), kMostReason));
  return connection.Run(kSetAside, epoch, seq, state, why);
}

absl::StatusOr<KeptState> ReadState(Connection& connection) {
  const absl::StatusOr<Statement*> statement = connection.Prepare(kState);
  if (!statement.ok()) return statement.status();
  KeptState state;
  Rows rows = (*statement)->Query();
  if (rows.Next()) {
    const auto bytes = rows.Get<int64_t>(0);
    state = {.bytes_month = bytes > 0 ? static_cast<uint64_t>(bytes) : 0,
             .month = rows.Get<int64_t>(1),
             .spread_s = rows.Get<int64_t>(2),
             .schema_seen = rows.Get<int64_t>(3) != 0};
  }
  if (!rows.status().ok()) return rows.status();
  return state;
}

absl::Status WriteState(Connection& connection, const KeptState& state) {
  return connection.Run(kWriteState, static_cast<int64_t>(state.bytes_month), state.month,
                        state.spread_s, state.schema_seen ? 1 : 0);
}

}  // namespace outbox
}  // namespace roost
