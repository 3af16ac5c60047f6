#include "tools/roost-node/retention.h"

#include <unistd.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "platform/rpi/board_health.h"
#include "roost/sqlite.h"
#include "tools/common/text.h"
#include "tools/roost-node/card.h"
#include "tools/roost-node/pool_status.h"

namespace roost::tools {
namespace {

using namespace std::chrono_literals;

// A reading takes some 45 bytes of a page, a new name as much again; what a page has besides.
constexpr int64_t kReadingBytes = 64;
// Tables beside the readings, and what a deletion takes before it gives.
constexpr int64_t kSparePages = 8;
constexpr int64_t kSpareOnFullCard = 2;
// Of the card, beside the reserve, before the reserve is made again.
constexpr uint64_t kSpareBytes = uint64_t{1} << 20;
constexpr Duration kLookEvery = 1min;
// Readings that one statement deletes on a full card: some 18 pages of the log.
constexpr int64_t kMostByHand = 1000;
// Marks in `keep`, at least so far apart.
constexpr int64_t kMarks = 256;
// Before it the rate of readings says nothing.
constexpr Duration kRateAfter = 1min;
constexpr int64_t kEver = std::numeric_limits<int64_t>::max();
constexpr int kSqliteFull = 13;
constexpr int kSqliteIoError = 10;

constexpr Sql kSetBound{"UPDATE outbox SET db_size = $1"};
constexpr Sql kPageSize{"PRAGMA page_size"};
constexpr Sql kPages{"PRAGMA page_count"};
constexpr Sql kFreePages{"PRAGMA freelist_count"};
constexpr Sql kCopyLog{"PRAGMA wal_checkpoint(PASSIVE)"};
constexpr Sql kLast{"SELECT coalesce(max(seq), -1) FROM reading"};
// One statement: each that was prepared stays, and takes some 2 KB of SQLite's block. The last column is of
// what a segment lacks at its begin, which is settled; the third last of gaps among the readings that there are.
constexpr Sql kCounts{
    "SELECT (SELECT coalesce(db_size, -1) FROM outbox), "
    "(SELECT coalesce(min(seq), 0) FROM reading), (SELECT coalesce(max(seq), -1) FROM reading), "
    "coalesce(sum((why = 1) * (hi - lo + 1)), 0), coalesce(sum((why = 2) * (hi - lo + 1)), 0), "
    "coalesce(sum((why < 3 AND lo > (SELECT min(seq) FROM reading)) * (hi - lo + 1)), 0), "
    "(SELECT readings FROM thinned), coalesce(max((why = 3) * hi), 0), "
    "(SELECT coalesce(sum((SELECT min(seq) FROM reading WHERE seq >= segment.lo) - segment.lo), 0) "
    "FROM "
    "segment WHERE segment.lo > (SELECT min(seq) FROM reading)) FROM gap"};
constexpr Sql kLastMark{"SELECT at, seq, wall FROM age ORDER BY at DESC LIMIT 1"};
constexpr Sql kAddMark{"INSERT OR IGNORE INTO age(at, seq, wall) VALUES ($1, $2, $3)"};
constexpr Sql kExpired{"SELECT at, seq FROM age WHERE at <= $1 ORDER BY at DESC LIMIT 1"};
constexpr Sql kForgetMarks{"DELETE FROM age WHERE at < $1"};

int64_t Seconds(Duration span) { return span / std::chrono::seconds(1); }

// What the one row of `sql` has in its first column.
absl::StatusOr<int64_t> Ask(Lease& lease, const Sql& sql) {
  const absl::StatusOr<Statement*> statement = lease.Prepare(sql);
  if (!statement.ok()) return statement.status();
  Rows rows = (*statement)->Query();
  if (rows.Next()) return rows.Get<int64_t>(0);
  if (!rows.status().ok()) return rows.status();
  return absl::InternalError("a question about the database has no answer");
}

// That the pool or SQLite's memory is used up has other codes. An I/O error with this status is the index of
// the log, for which there is no room.
bool MayBeFull(const absl::Status& status) {
  const int code = SqliteCode(status) & 0xFF;
  return absl::IsResourceExhausted(status) && (code == kSqliteFull || code == kSqliteIoError);
}

}  // namespace

Retention::Settings Retention::SettingsOf(const Options& options) {
  return {.db = options.db,
          .keep = options.keep,
          .keep_unsent = options.keep_unsent,
          .db_size = options.db_size,
          .when_full = options.when_full,
          .reserve = options.db == ":memory:" ? 0 : options.reserve,
          .free_bytes = [db = options.db] { return FreeBytes(db); },
          .clock_is_synchronized = [] { return WallClockIsSynchronised(); }};
}

Retention::Retention(Pool& pool, Settings settings, Messages& messages)
    : pool_(pool),
      platform_(pool.platform()),
      settings_(std::move(settings)),
      messages_(messages),
      pruner_({.keep_unsent = settings_.keep_unsent,
               .thins = settings_.when_full == WhenFull::kThin}) {}

// ---- the start ------------------------------------------------------------------------------------

absl::StatusOr<Lease> Retention::Acquire(Deadline deadline, Deadline lock) {
  absl::StatusOr<Lease> lease = pool_.Acquire(kWrite, deadline);
  if (!lease.ok()) return lease;
  (*lease)->set_deadline(std::min(lock, deadline));
  if (started_) return lease;
  if (absl::Status status = Start(*lease); !status.ok()) return status;
  return lease;
}

absl::Status Retention::Start(Lease& lease) {
  const absl::StatusOr<int64_t> page = Ask(lease, kPageSize);
  if (!page.ok()) return page.status();
  page_bytes_ = std::max<int64_t>(*page, 512);
  absl::Status status = Look(lease);
  if (status.ok()) status = CountReadings(lease);
  if (status.ok()) status = ReadBound(lease);
  if (status.ok()) status = ReadAge(lease);
  if (!status.ok()) return status;
  start_ = platform_.Now();
  started_ = true;
  KeepReserve();
  return absl::OkStatus();
}

absl::Status Retention::ReadBound(Lease& lease) {
  const int64_t stored = stored_bound_;
  limit_ = settings_.db_size;
  if (limit_ > 0 || !HasFile()) return absl::OkStatus();
  limit_ = std::max<int64_t>(stored, 0);
  if (stored < 0) {
    if (absl::Status fixed = FixBound(lease); !fixed.ok()) return fixed;
  }
  not_cut_ = stored == 0 || (stored < 0 && limit_ == 0);
  if (!not_cut_) return absl::OkStatus();
  const uint64_t has = static_cast<uint64_t>(pages_ * page_bytes_);
  messages_.Warn(
      "the database has %s, more than half of what the card has for it, and no bound; nothing is "
      "deleted "
      "from it; give --db-size to have it kept below a size",
      FormatBytes(has).c_str());
  return absl::OkStatus();
}

// Once in the life of a database: half of what the card has for it.
absl::Status Retention::FixBound(Lease& lease) {
  const std::optional<uint64_t> free = settings_.free_bytes();
  if (!free.has_value()) return absl::OkStatus();
  const int64_t has = pages_ * page_bytes_;
  const auto card = static_cast<int64_t>(std::min<uint64_t>(*free, kEver / 2)) + has;
  const int64_t bound = std::max(card / 2, kLeastSize);
  limit_ = has > bound ? 0 : bound;
  // On a full card it is found anew at the next start.
  absl::Status set = lease.Run(kSetBound, limit_);
  if (!set.ok() && !absl::IsResourceExhausted(set)) return set;
  if (limit_ > 0) {
    messages_.Progress("the database may have %s, half of what the card has for it (--db-size)",
                       FormatBytes(static_cast<uint64_t>(limit_)).c_str());
  }
  return absl::OkStatus();
}

absl::Status Retention::ReadAge(Lease& lease) {
  if (settings_.keep == Duration::zero()) return absl::OkStatus();
  const absl::StatusOr<Statement*> last = lease.Prepare(kLastMark);
  if (!last.ok()) return last.status();
  Rows rows = (*last)->Query();
  has_marks_ = rows.Next();
  if (has_marks_) {
    ran_before_ = rows.Get<int64_t>(0);
    marked_seq_ = rows.Get<int64_t>(1);
    wall_before_ = rows.Get<int64_t>(2);
    next_mark_ = platform_.Now() + std::max(settings_.keep / kMarks, kLeastKeep);
  }
  return rows.status();
}

// ---- what there is --------------------------------------------------------------------------------

absl::Status Retention::Look(Lease& lease) {
  const absl::StatusOr<int64_t> pages = Ask(lease, kPages);
  if (!pages.ok()) return pages.status();
  const absl::StatusOr<int64_t> free = Ask(lease, kFreePages);
  if (!free.ok()) return free.status();
  pages_ = *pages;
  free_pages_ = *free;
  sealed_since_look_ = 0;
  next_look_ = platform_.Now() + kLookEvery;
  return absl::OkStatus();
}

// By their numbers, because to count them would be to read them all.
absl::Status Retention::CountReadings(Lease& lease) {
  const absl::StatusOr<Statement*> counts = lease.Prepare(kCounts);
  if (!counts.ok()) return counts.status();
  Rows rows = (*counts)->Query();
  if (!rows.Next()) return rows.status();
  stored_bound_ = rows.Get<int64_t>(0);
  const auto first = rows.Get<int64_t>(1);
  const auto last = rows.Get<int64_t>(2);
  lost_ = {0, rows.Get<int64_t>(3), rows.Get<int64_t>(4), rows.Get<int64_t>(6)};
  oldest_ = first;
  const int64_t holes = rows.Get<int64_t>(5) + rows.Get<int64_t>(8);
  readings_ = last < first ? 0 : std::max<int64_t>(last - first + 1 - holes, 0);
  const auto thinned_to = rows.Get<int64_t>(7);
  if (absl::Status status = rows.status(); !status.ok() || thinned_to == 0) return status;
  const absl::StatusOr<int64_t> thinned = pruner_.CountThinned(lease, thinned_to);
  if (!thinned.ok()) return thinned.status();
  readings_ = std::max<int64_t>(readings_ - *thinned, 0);
  return absl::OkStatus();
}

int64_t Retention::SealedPages() const { return sealed_since_look_ * kReadingBytes / page_bytes_; }

// For readings within the bound; negative: there are too many.
int64_t Retention::RoomPages() const {
  int64_t room = kEver;
  if (limit_ > 0) {
    const int64_t file = std::max<int64_t>(limit_ - settings_.reserve - kLogBytes, 0);
    room = file / page_bytes_ - pages_ + free_pages_ - SealedPages();
  }
  return card_is_full_ ? std::min(room, free_pages_ - SealedPages()) : room;
}

// What a batch may take: also in a file that is larger than the bound, as long as that does not grow.
int64_t Retention::PagesForBatch() const {
  return std::max(RoomPages(), free_pages_ - SealedPages());
}

bool Retention::IsTooLarge() const {
  return limit_ > 0 && MayDrop() && readings_ > 0 && RoomPages() < NeededPages(kStepRows);
}

int64_t Retention::SparePages() const { return card_is_full_ ? kSpareOnFullCard : kSparePages; }

int64_t Retention::NeededPages(size_t count) const {
  return static_cast<int64_t>(count) * kReadingBytes / page_bytes_ + SparePages();
}

void Retention::Sealed(size_t count) {
  readings_ += static_cast<int64_t>(count);
  sealed_since_look_ += static_cast<int64_t>(count);
  sealed_ += count;
}

// ---- deleting -------------------------------------------------------------------------------------

// One step: at most kStepRows readings below `before`. What the server has, else the oldest, or every second of
// them. Returns how many went.
absl::StatusOr<int64_t> Retention::Drop(Lease& lease, int64_t before, Why why, Deadline deadline) {
  absl::StatusOr<Transaction> transaction = lease->Begin();
  if (!transaction.ok()) return transaction.status();
  lease->set_deadline(deadline);
  const absl::StatusOr<Pruner::Gone> dropped = pruner_.Drop(lease, before, why);
  if (!dropped.ok()) return dropped.status();
  const Pruner::Gone& gone = *dropped;
  if (gone.all() == 0) return 0;
  if (absl::Status status = transaction->Commit(); !status.ok()) return status;
  readings_ = std::max<int64_t>(readings_ - gone.all(), 0);
  lost_[static_cast<size_t>(why)] += gone.dropped;
  lost_[static_cast<size_t>(Why::kThin)] += gone.thinned;
  if (gone.dropped > 0) oldest_ = gone.last + 1;
  if (why == Why::kFull && gone.dropped + gone.thinned > 0) TellFull(gone.thinned > 0);
  if (absl::Status looked = Look(lease); !looked.ok()) return looked;
  return gone.all();
}

void Retention::TellFull(bool thinned) {
  if (std::exchange(told_full_, true)) return;
  messages_.Warn(
      "%s; %s deleted for new ones, and recorded as gaps",
      card_is_full_ ? "the card is full" : "the database has as much as --db-size lets it have",
      thinned ? "every second of the oldest readings is" : "the oldest readings are");
}

// ---- room for a batch -----------------------------------------------------------------------------

absl::StatusOr<size_t> Retention::MakeRoom(size_t count, Deadline deadline, Deadline lock) {
  if (started_ && !card_is_full_ && PagesForBatch() >= NeededPages(count)) return count;
  absl::StatusOr<Lease> lease = Acquire(deadline, lock);
  if (!lease.ok()) return lease.status();
  if (absl::Status looked = Look(*lease); !looked.ok()) return looked;
  if (card_is_full_) KeepReserve();
  const int64_t before = readings_;
  if (MayDrop()) {
    if (absl::Status dropped = DropForRoom(*lease, count, deadline); !dropped.ok()) return dropped;
  } else if (PagesForBatch() < NeededPages(count)) {
    // Whoever deletes needs a log that begins anew. The advice has the number of the oldest that is left.
    if (card_is_full_) Ask(*lease, kCopyLog).status().IgnoreError();
    if (absl::Status counted = CountReadings(*lease); !counted.ok()) return counted;
  }
  return Fitting(count, readings_ < before);
}

absl::Status Retention::DropForRoom(Lease& lease, size_t count, Deadline deadline) {
  const auto wanted = std::min(count, static_cast<size_t>(kStepRows));
  // On a full card the log is copied, and begun anew, when the lease comes back.
  const int most = card_is_full_ ? 1 : kStepsATurn;
  for (int step = 0; step < most && PagesForBatch() < NeededPages(wanted); ++step) {
    const absl::StatusOr<int64_t> dropped = Drop(lease, kEver, Why::kFull, deadline);
    if (!dropped.ok()) return dropped.status();
    if (*dropped == 0) break;
  }
  return absl::OkStatus();
}

// What the next batch needs is free before it comes.
absl::Status Retention::SizeStep(Lease& lease, Deadline deadline) {
  if (absl::Status looked = Look(lease); !looked.ok()) return looked;
  if (!IsTooLarge()) return absl::OkStatus();
  const absl::StatusOr<int64_t> dropped = Drop(lease, kEver, Why::kFull, deadline);
  if (!dropped.ok()) return dropped.status();
  busy_ = *dropped > 0 && IsTooLarge();
  return absl::OkStatus();
}

absl::StatusOr<size_t> Retention::Fitting(size_t count, bool dropped) const {
  const int64_t pages = PagesForBatch();
  if (pages >= NeededPages(count)) return count;
  const int64_t fits = (pages - SparePages()) * page_bytes_ / kReadingBytes;
  // A batch of a few readings costs as many pages as one of many: not while more room can be made.
  const auto least =
      MayDrop() ? static_cast<int64_t>(std::min(count, static_cast<size_t>(kStepRows))) : 1;
  if (fits >= least) return static_cast<size_t>(fits);
  if (dropped) return size_t{0};
  return NoRoom();
}

absl::Status Retention::NoRoom() const {
  BoundedText<512> text;
  if (card_is_full_) {
    text.Add("the card is full");
  } else {
    text.Add("the database has ", Bytes{static_cast<uint64_t>(pages_ * page_bytes_)},
             " and may have no more within --db-size ", Bytes{static_cast<uint64_t>(limit_)});
  }
  if (readings_ == 0) {
    text.Add(", and no reading is left to delete: ",
             card_is_full_ ? "free space on the card" : "give a larger --db-size");
  } else {
    if (!MayDrop()) {
      text.Add(not_cut_ ? ", and no --db-size is given" : ", and --when-full is stop");
    }
    // What the log needs for it has to fit into what the reserve leaves.
    const int64_t most = card_is_full_ ? kMostByHand : readings_;
    text.Add(card_is_full_ ? ": free space on it, or delete readings" : ": delete readings",
             " (sqlite3 ", settings_.db, " 'DELETE FROM reading WHERE seq < ",
             oldest_ + std::min(readings_ / 10 + 1, most), "'), or give ",
             not_cut_ ? "--db-size" : "--when-full drop-oldest");
  }
  return absl::ResourceExhaustedError(std::string(std::string_view(text)));
}

// ---- the card -------------------------------------------------------------------------------------

// Also a database that cannot be opened, because its card is full.
void Retention::Refused(const absl::Status& status) {
  if (!HasFile() || !MayBeFull(status)) return;
  // A log that a reader keeps from being cut is refused with the same code.
  const std::optional<uint64_t> free = settings_.free_bytes();
  if (free.has_value() && *free >= static_cast<uint64_t>(settings_.reserve) + kSpareBytes) return;
  if (!std::exchange(card_is_full_, true)) GiveUpReserve();
}

void Retention::GiveUpReserve() {
  has_reserve_ = false;
  if (settings_.reserve == 0 || unlink(ReservePath().c_str()) != 0) return;
  messages_.Warn(
      "the card is full: the reserve of %s was given up, so that readings can be deleted",
      FormatBytes(static_cast<uint64_t>(settings_.reserve)).c_str());
}

// Makes the reserve where there is none, once the card has room for it and for more.
void Retention::KeepReserve() {
  const auto bytes = static_cast<uint64_t>(settings_.reserve);
  const std::optional<uint64_t> free = settings_.free_bytes();
  if (bytes > 0 && FileBytes(ReservePath()) == bytes) {
    has_reserve_ = true;
    card_is_full_ = false;
    return;
  }
  has_reserve_ = false;
  if (free.has_value() && *free < bytes + kSpareBytes) return;
  if (bytes > 0 && free.has_value()) {
    const absl::Status made = MakeReserve(ReservePath(), bytes);
    if (!made.ok()) return;
    has_reserve_ = true;
  }
  if (std::exchange(card_is_full_, false)) {
    told_full_ = false;
    messages_.Say("the card has room again%s", has_reserve_ ? "; the reserve was made anew" : "");
  }
}

// ---- age ------------------------------------------------------------------------------------------

int64_t Retention::HasRun(TimePoint now) const { return ran_before_ + Seconds(now - start_); }

bool Retention::IsDue(TimePoint now) const {
  if (!started_ || busy_ || IsTooLarge()) return true;
  if (now >= next_look_ && sealed_since_look_ > 0) return true;
  if (settings_.keep == Duration::zero()) return false;
  return now >= next_mark_ || (wall_before_ != 0 && now >= next_look_);
}

void Retention::Turn(TimePoint now, Deadline deadline, Deadline lock) {
  busy_ = false;
  // What fails is tried again when the next look is due.
  next_look_ = now + kLookEvery;
  absl::StatusOr<Lease> lease = Acquire(deadline, lock);
  absl::Status status = lease.status();
  if (status.ok() && settings_.keep > Duration::zero()) status = AgeStep(*lease, now, deadline);
  if (status.ok() && !busy_) status = SizeStep(*lease, deadline);
  if (status.ok() && card_is_full_) KeepReserve();
  if (!status.ok()) Refused(status);
}

absl::Status Retention::AgeStep(Lease& lease, TimePoint now, Deadline deadline) {
  if (absl::Status noted = NoteAge(lease, now); !noted.ok()) return noted;
  const absl::StatusOr<std::optional<Mark>> mark = Expired(lease, now);
  if (!mark.ok()) return mark.status();
  if (!mark->has_value()) return absl::OkStatus();
  const absl::StatusOr<int64_t> dropped = Drop(lease, (*mark)->seq, Why::kAge, deadline);
  if (!dropped.ok()) return dropped.status();
  busy_ = *dropped > 0;
  if (!busy_) return lease.Run(kForgetMarks, (*mark)->at);
  if (!std::exchange(told_age_, true)) {
    messages_.Progress("readings that are older than %s are deleted (--keep)",
                       FormatDuration(settings_.keep).c_str());
  }
  return absl::OkStatus();
}

// The time for which the node was off, once the clock can tell it. True: there was some.
bool Retention::TakeCredit(TimePoint now) {
  if (wall_before_ == 0 || !settings_.clock_is_synchronized()) return false;
  const int64_t wall = platform_.UnixMicros() / 1'000'000;
  const int64_t off = wall - Seconds(now - start_) - std::exchange(wall_before_, 0);
  const int64_t credit = std::clamp<int64_t>(off, 0, Seconds(settings_.keep) / 2);
  ran_before_ += credit;
  return credit > 0;
}

absl::Status Retention::NoteAge(Lease& lease, TimePoint now) {
  const bool credited = TakeCredit(now);
  if (has_marks_ && !credited && now < next_mark_) return absl::OkStatus();
  const absl::StatusOr<int64_t> last = Ask(lease, kLast);
  if (!last.ok()) return last.status();
  next_mark_ = now + std::max(settings_.keep / kMarks, kLeastKeep);
  if (has_marks_ && !credited && *last + 1 == marked_seq_) return absl::OkStatus();
  const int64_t wall =
      settings_.clock_is_synchronized() ? platform_.UnixMicros() / 1'000'000 : int64_t{0};
  if (absl::Status added = lease.Run(kAddMark, HasRun(now), *last + 1, wall); !added.ok()) {
    return added;
  }
  has_marks_ = true;
  marked_seq_ = *last + 1;
  return absl::OkStatus();
}

absl::StatusOr<std::optional<Retention::Mark>> Retention::Expired(Lease& lease,
                                                                  TimePoint now) const {
  const absl::StatusOr<Statement*> expired = lease.Prepare(kExpired);
  if (!expired.ok()) return expired.status();
  Rows rows = (*expired)->Query(HasRun(now) - Seconds(settings_.keep));
  if (!rows.Next()) {
    if (!rows.status().ok()) return rows.status();
    return std::nullopt;
  }
  return Mark{.at = rows.Get<int64_t>(0), .seq = rows.Get<int64_t>(1)};
}

// ---- telling --------------------------------------------------------------------------------------

void Retention::AddText(internal::TextLine& text) const {
  if (not_cut_) text.Add("; the database has no bound: give --db-size");
  if (card_is_full_) text.Add("; the card is full");
}

// At the rate of this run; negative: never, or nobody can tell yet.
Duration Retention::FullIn(TimePoint now) const {
  if (card_is_full_) return Duration::zero();
  const Duration ran = now - start_;
  if (limit_ == 0 || ran < kRateAfter || sealed_ == 0) return -1s;
  const double a_second = static_cast<double>(sealed_) / InSeconds(ran);
  constexpr double kUsual = 48;
  const double used = static_cast<double>((pages_ - free_pages_) * page_bytes_);
  const double each = readings_ < 1000 ? kUsual : used / static_cast<double>(readings_);
  double room = static_cast<double>(std::max<int64_t>(RoomPages(), 0) * page_bytes_);
  if (waiting_ >= 0) room += static_cast<double>(std::max<int64_t>(readings_ - waiting_, 0)) * each;
  if (settings_.keep > Duration::zero() && !settings_.keep_unsent &&
      InSeconds(settings_.keep) * a_second * each < used + room) {
    return -1s;
  }
  // 28 years: a status file takes no longer span.
  const double seconds = std::min(room / (a_second * each), 9e8);
  return Duration(static_cast<int64_t>(seconds * 1e9));
}

void Retention::ToStatus(TimePoint now, telemetry::StoreStatus& status) const {
  const auto count = [](int64_t number) {
    return static_cast<uint64_t>(std::max<int64_t>(number, 0));
  };
  const int64_t log = FileStatsOf(pool_).log_pages;
  status.readings = count(readings_);
  status.bytes = count((pages_ + log) * page_bytes_ + (has_reserve_ ? settings_.reserve : 0));
  status.used_bytes = count((pages_ - free_pages_) * page_bytes_);
  status.limit_bytes = count(limit_);
  status.full_in = started_ ? FullIn(now) : -1s;
  status.gap_full = count(lost_[static_cast<size_t>(Why::kFull)]);
  status.gap_age = count(lost_[static_cast<size_t>(Why::kAge)]);
  status.gap_thin = count(lost_[static_cast<size_t>(Why::kThin)]);
  status.not_cut = not_cut_;
  status.card_is_full = card_is_full_;
}

}  // namespace roost::tools
