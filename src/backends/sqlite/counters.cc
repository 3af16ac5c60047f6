#include "backends/sqlite/counters.h"

#include <sqlite3.h>

#include <algorithm>

#include "backends/sqlite/write_ahead_log.h"

namespace roost::sqlite {
namespace {

// In front of each page of a log, by SQLite's file format.
constexpr int64_t kFrameHead = 24;

constexpr auto kRelaxed = std::memory_order_relaxed;

}  // namespace

void Counters::CountCheckpoint(const WriteAheadLog& log, int code) {
  const bool blocked = IsBlocked(code) || log.copied() < log.length();
  checkpoints_.fetch_add(1, kRelaxed);
  if (blocked) blocked_checkpoints_.fetch_add(1, kRelaxed);
  RecordLog(log);
}

void Counters::RecordLog(const WriteAheadLog& log) {
  frames_.store(log.length(), kRelaxed);
  copied_frames_.store(log.copied(), kRelaxed);
  frame_bytes_.store(log.page_bytes() + kFrameHead, kRelaxed);
  pinned_since_.store(log.pinned_since(), kRelaxed);
}

void Counters::NoteSize(sqlite3* db) {
  sqlite3_file* file = nullptr;
  sqlite3_int64 bytes = 0;
  const int code = sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
  if (code != SQLITE_OK || file == nullptr || file->pMethods == nullptr) return;
  if (file->pMethods->xFileSize(file, &bytes) == SQLITE_OK) {
    database_bytes_.store(bytes, kRelaxed);
  }
}

void Counters::AddTo(TimePoint now, Figures& out) const {
  const auto add = [&out](MetricKind kind, std::string_view name, std::string_view unit,
                          std::string_view help, auto value) {
    out.Add({.metric = {kind, name, unit, help},
             .group = "sqlite",
             .value = static_cast<int64_t>(value)});
  };
  constexpr MetricKind kCounter = MetricKind::kCounter;
  constexpr MetricKind kGauge = MetricKind::kGauge;
  add(kCounter, "busy", "s",
      "Time that statements waited for a lock outside of the pool, of another process mostly. The "
      "pool's own line is not in it",
      busy_.waited_ns.load(kRelaxed));
  add(kCounter, "busy_timeouts", "waits", "Of those waits, the ones that a deadline ended",
      busy_.gave_up.load(kRelaxed));
  const int64_t frames = frames_.load(kRelaxed);
  add(kGauge, "wal_frames", "frames",
      "Frames in the log after the latest commit or checkpoint of this program", frames);
  add(kGauge, "wal_checkpointed_frames", "frames",
      "Of those, the ones in the database, as the latest checkpoint found; the rest is the backlog",
      std::min<int64_t>(copied_frames_.load(kRelaxed), frames));
  add(kGauge, "wal_bytes", "bytes",
      "Bytes of those frames. The file of the log stays as long as it was once",
      frames * frame_bytes_.load(kRelaxed));
  if (const int64_t bytes = database_bytes_.load(kRelaxed); bytes >= 0) {
    add(kGauge, "database_bytes", "bytes",
        "Length of the database's file after the latest open or checkpoint of this program. What "
        "only the log has is not in it",
        bytes);
  }
  add(kCounter, "checkpoints", "checkpoints", "Checkpoints that this program made",
      checkpoints_.load(kRelaxed));
  add(kCounter, "checkpoint_busy", "checkpoints",
      "Of those, the ones that a reader, or another process, kept from all of the log",
      blocked_checkpoints_.load(kRelaxed));
  const TimePoint since = pinned_since_.load(kRelaxed);
  const Duration pinned = since == TimePoint::max() ? Duration::zero() : now - since;
  add(kGauge, "oldest_read", "s",
      "For how long a reader has kept the log from being cut, as checkpoints have found; 0: none "
      "does",
      std::max(pinned, Duration::zero()).count());
  statements_.AddTo(out);
}

}  // namespace roost::sqlite
