#include "pool/statement_watch.h"

#include <algorithm>
#include <array>
#include <memory>
#include <new>
#include <utility>

#include "base/text.h"
#include "base/utf8.h"
#include "roost/internal/check.h"
#include "roost/internal/machine.h"

namespace roost::internal {
namespace {

// Memory for a connection begins behind the place's own members.
constexpr size_t kConnectionAt = alignof(std::max_align_t);

static_assert(sizeof(StatementWatch) <= kWatchBytes, "kWatchBytes in storage.h is too small");
static_assert(kWatchBytes % alignof(std::max_align_t) == 0);
static_assert(kConnectionAt + sizeof(WatchedConnection) <= kWatchedSlotBytes,
              "kWatchedSlotBytes in storage.h is too small for a WatchedConnection");
static_assert(sizeof(WatchedStatement) <= kWatchedStatementBytes,
              "kWatchedStatementBytes in storage.h is too small for a WatchedStatement");
static_assert(kWatchedSlotBytes % alignof(std::max_align_t) == 0 &&
              kWatchedStatementBytes % alignof(std::max_align_t) == 0);

// ---- The SQL as it is shown ---------------------------------------------------------------------

bool IsBlank(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

// A quote, or the $ of a $tag$ of PostgreSQL: any but that of a placeholder, $1.
bool IsQuote(std::string_view sql, size_t at) {
  const char c = sql[at];
  if (c != '$') return c == '\'' || c == '"';
  return at + 1 == sql.size() || sql[at + 1] < '0' || sql[at + 1] > '9';
}

// What stands between the first quote and the last one. Where a literal ends depends on the database
// and on its settings ('\' escapes a quote in some), so that it is not asked.
std::string_view Literals(std::string_view sql) {
  size_t first = 0;
  while (first < sql.size() && !IsQuote(sql, first)) ++first;
  if (first == sql.size()) return {};
  size_t last = sql.size() - 1;
  while (!IsQuote(sql, last)) --last;
  // One quote alone begins something that has no end.
  return first == last ? sql.substr(first) : sql.substr(first, last - first + 1);
}

// Text on one line that ends where the room does, with its blanks drawn together.
class ShownSql {
 public:
  void Add(std::string_view piece) {
    for (const char c : piece) {
      if (IsBlank(c)) {
        blank_ = !text_.empty();
        continue;
      }
      if (blank_) Put(' ');
      blank_ = false;
      Put(c);
    }
  }
  // The text, at most kMostSql bytes.
  std::string_view Finish() {
    if (cut_) {
      constexpr std::string_view kMore = "...";
      text_ = CutUtf8(text_, kMost - kMore.size());
      kMore.copy(bytes_.data() + text_.size(), kMore.size());
      text_ = {bytes_.data(), text_.size() + kMore.size()};
    }
    return {bytes_.data(), MakePlain(std::span(bytes_).first(text_.size()))};
  }

 private:
  static constexpr size_t kMost = StatementEvent::kMostSql;
  void Put(char c) {
    cut_ = cut_ || text_.size() == kMost;
    if (cut_) return;
    bytes_[text_.size()] = c;
    text_ = {bytes_.data(), text_.size() + 1};
  }

  std::array<char, kMost> bytes_;
  std::string_view text_;
  bool blank_ = false;
  bool cut_ = false;
};

}  // namespace

// ---- WatchedStatement ---------------------------------------------------------------------------

void WatchedStatement::Prepared(Statement& inner, const char* name, Duration took) {
  if (inner_ != &inner) prepare_ = {};
  inner_ = &inner;
  name_ = name;
  prepare_ += took;
}

void WatchedStatement::Tell(StatementKind kind, Duration took, int64_t rows,
                            const absl::Status& status) {
  StatementEvent event{.kind = kind, .sql = sql(), .took = took, .rows = rows, .status = &status};
  if (name_ != nullptr) event.name = name_;
  connection_.Tell(event);
}

template <class Call>
absl::Status WatchedStatement::TimeRun(Call call) {
  const TimePoint began = connection_.Now();
  absl::Status status = call();
  const Duration took = connection_.Now() - began + std::exchange(prepare_, Duration::zero());
  Tell(StatementKind::kRun, took, status.ok() ? inner_->changes() : 0, status);
  return status;
}

absl::Status WatchedStatement::Execute(std::span<const Value> values) {
  return TimeRun([&] { return inner_->Execute(values); });
}

// One event for all the rows: they are one call, and as good as one round trip.
absl::Status WatchedStatement::ExecuteAll(const ManyRows& rows) {
  return TimeRun([&] {
    absl::Status status = ConnectionAccess::ExecuteAll(*inner_, rows);
    set_failed_row(inner_->failed_row());
    return status;
  });
}

absl::Status WatchedStatement::Start(std::span<const Value> values) {
  const TimePoint began = connection_.Now();
  absl::Status status = ConnectionAccess::StartRows(*inner_, values);
  return NoteStart(std::move(status), connection_.Now() - began);
}

absl::Status WatchedStatement::NoteStart(absl::Status status, Duration took) {
  took += std::exchange(prepare_, Duration::zero());
  // No Rows ends what did not start. Another may be reading.
  if (!status.ok()) {
    Tell(StatementKind::kQuery, took, 0, status);
    return status;
  }
  reading_ = true;
  spent_ = took;
  rows_ = 0;
  status_ = absl::OkStatus();
  return status;
}

// Its time is until the answer is there.
absl::StatusOr<roost::Step> WatchedStatement::StartInSteps(std::span<const Value> values) {
  const TimePoint began = connection_.Now();
  absl::StatusOr<roost::Step> step = ConnectionAccess::StartRowsInSteps(*inner_, values);
  absl::Status status = NoteStart(step.status(), connection_.Now() - began);
  if (!status.ok()) return status;
  stepping_ = !step->done;
  if (stepping_) spent_ -= connection_.Now().time_since_epoch();
  return step;
}

absl::StatusOr<roost::Step> WatchedStatement::Advance(TimePoint now) {
  absl::StatusOr<roost::Step> step = ConnectionAccess::AdvanceRows(*inner_, now);
  if (!stepping_ || (step.ok() && !step->done)) return step;
  if (step.ok()) {
    EndSteps(connection_.Now());
  } else {
    status_ = step.status();
    Finish();
  }
  return step;
}

void WatchedStatement::EndSteps(TimePoint now) {
  if (std::exchange(stepping_, false)) spent_ += now.time_since_epoch();
}

absl::StatusOr<bool> WatchedStatement::Step() {
  const TimePoint began = connection_.Now();
  absl::StatusOr<bool> stepped = ConnectionAccess::StepRows(*inner_);
  spent_ += connection_.Now() - began;
  if (!stepped.ok()) {
    status_ = stepped.status();
  } else if (*stepped) {
    ++rows_;
  }
  return stepped;
}

void WatchedStatement::Finish() {
  if (!reading_) return;
  const TimePoint began = connection_.Now();
  EndSteps(began);
  ConnectionAccess::FinishRows(*inner_);
  spent_ += connection_.Now() - began;
  TellReading(rows_ > 0 || !status_.ok() ? rows_ : inner_->changes());
}

void WatchedStatement::CutOff() {
  if (!reading_) return;
  EndSteps(connection_.Now());
  TellReading(rows_);
  EndRows();
}

void WatchedStatement::TellReading(int64_t rows) {
  reading_ = false;
  // Nothing is left of it when the observer runs this statement.
  const absl::Status status = std::exchange(status_, absl::OkStatus());
  Tell(StatementKind::kQuery, spent_, rows, status);
}

// ---- WatchedConnection --------------------------------------------------------------------------

WatchedConnection::~WatchedConnection() {
  std::destroy(statements_.begin(), statements_.end());
  ConnectionAccess::Destroy(inner_);
}

TimePoint WatchedConnection::Now() const { return watch_.Now(); }

// The lock may be held for ever in a child of fork().
void WatchedConnection::Tell(const StatementEvent& event) {
  if (IsForked()) return;
  StatementEvent whole = event;
  whole.slot = slot_;
  watch_.Record(whole);
}

template <class Call>
absl::Status WatchedConnection::Time(StatementKind kind, std::string_view sql, Call call) {
  const TimePoint began = Now();
  absl::Status status = call();
  Tell({.kind = kind, .sql = sql, .took = Now() - began, .status = &status});
  return status;
}

absl::StatusOr<Statement*> WatchedConnection::Prepare(const Sql& sql) {
  const TimePoint began = Now();
  const absl::StatusOr<Statement*> prepared = inner_.Prepare(sql);
  return Wrap(prepared, sql, StatementKind::kPrepare, Now() - began);
}

absl::StatusOr<Statement*> WatchedConnection::PrepareToRun(const Sql& sql) {
  const TimePoint began = Now();
  const absl::StatusOr<Statement*> prepared = ConnectionAccess::PrepareToRun(inner_, sql);
  return Wrap(prepared, sql, StatementKind::kRun, Now() - began);
}

absl::StatusOr<Statement*> WatchedConnection::Wrap(const absl::StatusOr<Statement*>& prepared,
                                                   const Sql& sql, StatementKind kind,
                                                   Duration took) {
  if (!prepared.ok()) {
    const absl::Status& status = prepared.status();
    StatementEvent event{.kind = kind, .sql = sql.text(), .took = took, .status = &status};
    if (sql.name() != nullptr) event.name = sql.name();
    Tell(event);
    return status;
  }
  WatchedStatement& statement = StandInFor(*prepared);
  statement.Prepared(**prepared, sql.name(), took);
  return &statement;
}

// A driver's cache uses its places again and again, so that there is one for each of them.
WatchedStatement& WatchedConnection::StandInFor(const Statement* inner) {
  for (const Statement* wanted : {inner, static_cast<const Statement*>(nullptr)}) {
    const auto found = std::find_if(statements_.begin(), statements_.end(),
                                    [wanted](const auto& s) { return s.inner() == wanted; });
    if (found != statements_.end()) return *found;
  }
  const auto unused = std::find_if(statements_.begin(), statements_.end(),
                                   [](const auto& s) { return !s.reading(); });
  ROOST_CHECK(unused != statements_.end(),
              "a driver gave out more statements than its cache holds (a bug of the driver)");
  return *unused;
}

absl::Status WatchedConnection::RunScript(std::string_view sql) {
  return Time(StatementKind::kScript, sql, [&] { return inner_.RunScript(sql); });
}

absl::Status WatchedConnection::Seal() {
  return Time(StatementKind::kSeal, "SEAL", [&] { return inner_.Seal(); });
}

absl::Status WatchedConnection::BeginTransaction(Durability durability) {
  return Time(StatementKind::kBegin, "BEGIN",
              [&] { return ConnectionAccess::BeginTransaction(inner_, durability); });
}

absl::Status WatchedConnection::CommitTransaction() {
  return Time(StatementKind::kCommit, "COMMIT",
              [&] { return ConnectionAccess::CommitTransaction(inner_); });
}

absl::Status WatchedConnection::RollbackTransaction() {
  return Time(StatementKind::kRollback, "ROLLBACK",
              [&] { return ConnectionAccess::RollbackTransaction(inner_); });
}

void WatchedConnection::CutOffRows() {
  for (WatchedStatement& statement : statements_) statement.CutOff();
}

absl::Status WatchedConnection::Reset(Deadline deadline) {
  CutOffRows();
  return ConnectionAccess::Reset(inner_, deadline);
}

void WatchedConnection::Close() {
  CutOffRows();
  ConnectionAccess::Close(inner_);
}

NativeHandle WatchedConnection::Detach() {
  CutOffRows();
  return ConnectionAccess::Detach(inner_);
}

// ---- StatementWatch -----------------------------------------------------------------------------

ConnectionWrapper* MakeStatementWatch(PoolParts& pool, const WatchStorageView& storage) {
  return new (storage.data) StatementWatch(pool, storage);
}

StatementWatch::StatementWatch(PoolParts& pool, const WatchStorageView& storage)
    : pool_(pool),
      places_(storage.data + kWatchBytes),
      place_bytes_(kWatchedSlotBytes +
                   kWatchedStatementBytes *
                       static_cast<size_t>(pool.config.settings.constants().statements)) {
  for (int slot = 0; slot < pool.executor.slots(); ++slot) new (&PlaceOf(slot)) Place;
}

StatementWatch::Place& StatementWatch::PlaceOf(int slot) const {
  return *reinterpret_cast<Place*>(places_ + static_cast<size_t>(slot) * place_bytes_);
}

Connection* StatementWatch::Wrap(int slot, Connection& connection) {
  auto* const place = reinterpret_cast<std::byte*>(&PlaceOf(slot));
  auto* const wrapped = reinterpret_cast<WatchedConnection*>(place + kConnectionAt);
  auto* const statements = reinterpret_cast<WatchedStatement*>(place + kWatchedSlotBytes);
  const auto count = static_cast<size_t>(pool_.config.settings.constants().statements);
  for (size_t i = 0; i < count; ++i) new (statements + i) WatchedStatement(*wrapped);
  return new (wrapped) WatchedConnection(*this, slot, connection, {statements, count});
}

bool StatementWatch::IsTelling(uintptr_t thread) const {
  for (int slot = 0; slot < pool_.executor.slots(); ++slot) {
    if (PlaceOf(slot).teller.load(std::memory_order_relaxed) == thread) return true;
  }
  return false;
}

void StatementWatch::Record(StatementEvent event) {
  const Duration slow = pool_.config.settings.constants().slow_statement;
  event.slow = slow != Duration::zero() && event.took >= slow;
  {
    PoolMutexLock lock(pool_.lanes.mu());
    pool_.recorder.CountStatement(event.status->code(), event.took, event.slow);
  }
  StatementObserver* const observer = pool_.config.statement_observer;
  if (observer == nullptr || IsTelling(NumberThisThread())) return;
  const std::string_view literals = Literals(event.sql);
  ShownSql shown;
  if (literals.empty()) {
    shown.Add(event.sql);
  } else {
    shown.Add({event.sql.data(), literals.data()});
    shown.Add("'?'");
    shown.Add({literals.data() + literals.size(), event.sql.data() + event.sql.size()});
  }
  event.sql = shown.Finish();
  event.pool = pool_.config.name;
  event.at = Now();
  std::atomic<uintptr_t>& teller = PlaceOf(event.slot).teller;
  teller.store(NumberThisThread(), std::memory_order_relaxed);
  observer->OnStatement(event);
  teller.store(0, std::memory_order_relaxed);
}

}  // namespace roost::internal
