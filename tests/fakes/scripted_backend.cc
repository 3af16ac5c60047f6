#include "tests/fakes/scripted_backend.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "gtest/gtest.h"
#include "roost/internal/storage.h"

namespace roost::fakes {
namespace {

size_t Index(Call call) { return static_cast<size_t>(call); }

// Highest N of the placeholders $N.
int CountParameters(std::string_view sql) {
  int highest = 0;
  for (size_t at = sql.find('$'); at != std::string_view::npos; at = sql.find('$', at + 1)) {
    highest = std::max(highest, std::atoi(sql.data() + at + 1));
  }
  return highest;
}

}  // namespace

std::string_view Name(Call call) {
  switch (call) {
    case Call::kOpen:
      return "open";
    case Call::kProbe:
      return "probe";
    case Call::kPing:
      return "ping";
    case Call::kMaintain:
      return "maintenance";
    case Call::kInspect:
      return "inspect";
    case Call::kReset:
      return "reset";
    case Call::kPrepare:
      return "prepare";
    case Call::kExecute:
      return "execute";
    case Call::kBegin:
      return "begin";
    case Call::kCommit:
      return "commit";
    case Call::kRollback:
      return "rollback";
    case Call::kSeal:
      return "seal";
    case Call::kClose:
      return "close";
    case Call::kAbandon:
      return "abandon";
    case Call::kDetach:
      return "detach";
  }
  return "?";
}

// ---- ScriptedBackend ----------------------------------------------------------------------------

ScriptedBackend::ScriptedBackend(FakePlatform* platform, LanePlan lanes)
    : platform_(platform), lanes_(lanes) {
  log_.reserve(kLogRoom);
  records_.reserve(kLogRoom);
  living_.reserve(256);
}

ScriptedBackend::~ScriptedBackend() {
  for (size_t i = 0; i < records_.size(); ++i) {
    EXPECT_EQ(records_[i].ends, 1)
        << "connection " << i + 1 << " has to be closed, abandoned or detached exactly once";
    EXPECT_EQ(records_[i].life, Life::kDestroyed)
        << "the destructor of connection " << i + 1 << " has to run";
  }
}

void ScriptedBackend::FailNext(Call call, const absl::Status& status, int times) {
  std::lock_guard lock(mu_);
  for (int i = 0; i < times; ++i) next_[Index(call)].push_back(status);
}

void ScriptedBackend::FailAlways(Call call, const absl::Status& status) {
  std::lock_guard lock(mu_);
  always_[Index(call)] = status;
}

void ScriptedBackend::FailNever(Call call) {
  std::lock_guard lock(mu_);
  always_[Index(call)] = absl::OkStatus();
  next_[Index(call)].clear();
}

void ScriptedBackend::FailCallNumber(int index, const absl::Status& status) {
  std::lock_guard lock(mu_);
  fail_number_ = index;
  fail_number_status_ = status;
}

void ScriptedBackend::Takes(Call call, Duration span) {
  std::lock_guard lock(mu_);
  takes_[Index(call)] = span;
}

void ScriptedBackend::StopServer(const absl::Status& status) {
  std::lock_guard lock(mu_);
  server_ = status;
  dead_up_to_ = static_cast<int>(records_.size());
}

void ScriptedBackend::StartServer() {
  std::lock_guard lock(mu_);
  server_ = absl::OkStatus();
}

void ScriptedBackend::RestartServer() {
  std::lock_guard lock(mu_);
  dead_up_to_ = static_cast<int>(records_.size());
}

void ScriptedBackend::set_probe(Liveness alive, Liveness dead) {
  std::lock_guard lock(mu_);
  probe_alive_ = alive;
  probe_dead_ = dead;
}

void ScriptedBackend::ClearLog() {
  std::lock_guard lock(mu_);
  log_.clear();
}

int ScriptedBackend::count(Call call) const {
  std::lock_guard lock(mu_);
  return counts_[Index(call)];
}

int ScriptedBackend::fallible_calls() const {
  std::lock_guard lock(mu_);
  return fallible_;
}

std::vector<CallInfo> ScriptedBackend::log() const {
  std::lock_guard lock(mu_);
  return log_;
}

std::vector<int> ScriptedBackend::serials(Call call) const {
  std::vector<int> serials;
  for (const CallInfo& info : log()) {
    if (info.call == call) serials.push_back(info.serial);
  }
  return serials;
}

int ScriptedBackend::open_now() const {
  std::lock_guard lock(mu_);
  return open_now_;
}

int ScriptedBackend::peak_open() const {
  std::lock_guard lock(mu_);
  return peak_open_;
}

int ScriptedBackend::last_serial() const {
  std::lock_guard lock(mu_);
  return static_cast<int>(records_.size());
}

size_t ScriptedBackend::ConnectionBytes(int statements) const {
  return sizeof(ScriptedConnection) + static_cast<size_t>(statements) * sizeof(ScriptedStatement) +
         extra_bytes_;
}

void ScriptedBackend::GoInSteps(int steps) {
  std::lock_guard lock(mu_);
  steps_ = steps;
}

void ScriptedBackend::Answer(int answers) {
  std::lock_guard lock(mu_);
  answers_ += answers;
}

bool ScriptedBackend::TakeAnswer() {
  std::lock_guard lock(mu_);
  if (answers_ == 0) return false;
  --answers_;
  return true;
}

IoEvents ScriptedBackend::Ready(int fd) const {
  EXPECT_GT(fd, kStepFd);
  std::lock_guard lock(mu_);
  EXPECT_LE(static_cast<size_t>(fd - kStepFd), records_.size());
  return {.readable = answers_ > 0};
}

int ScriptedBackend::opens_begun() const {
  std::lock_guard lock(mu_);
  return opens_begun_;
}

absl::StatusOr<Connection*> ScriptedBackend::Open(const OpenRequest& request) {
  int steps = 0;
  {
    std::lock_guard lock(mu_);
    ++opens_begun_;
    steps = steps_;
  }
  if (steps > 0) {
    auto* const connection =
        new (request.memory.data) ScriptedConnection(*this, Register(request), request);
    connection->steps_left_ = steps;
    connection->step_deadline_ = request.deadline;
    return connection;
  }
  const absl::Status outcome = Perform(Call::kOpen, 0, request.role, request.deadline);
  if (!outcome.ok()) return outcome;
  const int serial = Register(request);
  return new (request.memory.data) ScriptedConnection(*this, serial, request);
}

absl::Status ScriptedBackend::Perform(Call call, int serial, Role role, Deadline deadline) {
  const CallInfo info{call, serial, role, deadline,
                      platform_ != nullptr ? platform_->Now() : TimePoint()};
  {
    std::lock_guard lock(mu_);
    ++counts_[Index(call)];
    if (CanFail(call)) ++fallible_;
    if (logging_ && log_.size() < kLogRoom) log_.push_back(info);
    if (CanFail(call) && fallible_ == fail_number_) return fail_number_status_;
  }
  if (hook_) hook_(info);
  const absl::Status in_time = TakeTime(call, deadline);
  return in_time.ok() ? Outcome(call) : in_time;
}

absl::Status ScriptedBackend::TakeTime(Call call, Deadline deadline) {
  Duration span;
  {
    std::lock_guard lock(mu_);
    span = takes_[Index(call)];
  }
  if (platform_ == nullptr || span == Duration::zero()) return absl::OkStatus();
  const Duration left = deadline.Left(platform_->Now());
  platform_->Advance(std::min(span, left));
  return span <= left ? absl::OkStatus() : took_too_long_;
}

absl::Status ScriptedBackend::Outcome(Call call) {
  std::lock_guard lock(mu_);
  std::deque<absl::Status>& next = next_[Index(call)];
  if (!next.empty()) {
    const absl::Status status = next.front();
    next.pop_front();
    return status;
  }
  if (!always_[Index(call)].ok()) return always_[Index(call)];
  return call == Call::kOpen ? server_ : absl::OkStatus();
}

int ScriptedBackend::Register(const OpenRequest& request) {
  const ConnectionMemory& memory = request.memory;
  EXPECT_GE(memory.bytes, ConnectionBytes(memory.statements))
      << "too little memory for a connection";
  EXPECT_EQ(reinterpret_cast<uintptr_t>(memory.data) % alignof(std::max_align_t), 0u);
  EXPECT_NE(request.platform, nullptr);
  std::lock_guard lock(mu_);
  for (const int serial : living_) {
    const Record& other = records_[static_cast<size_t>(serial - 1)];
    EXPECT_TRUE(memory.data + memory.bytes <= other.memory ||
                other.memory + other.bytes <= memory.data)
        << "the memory of connection " << serial << " is used again while it lives";
  }
  records_.push_back({Life::kAlive, 0, memory.data, memory.bytes});
  living_.push_back(static_cast<int>(records_.size()));
  peak_open_ = std::max(peak_open_, ++open_now_);
  return living_.back();
}

void ScriptedBackend::End(int serial, Life how) {
  std::lock_guard lock(mu_);
  Record& record = records_[static_cast<size_t>(serial - 1)];
  EXPECT_EQ(record.life, Life::kAlive) << "connection " << serial << " was ended twice";
  record.life = how;
  ++record.ends;
  --open_now_;
}

void ScriptedBackend::Destroyed(int serial) {
  std::lock_guard lock(mu_);
  Record& record = records_[static_cast<size_t>(serial - 1)];
  EXPECT_NE(record.life, Life::kAlive)
      << "connection " << serial << " was destroyed without being closed, abandoned or detached";
  EXPECT_NE(record.life, Life::kDestroyed) << "connection " << serial << " was destroyed twice";
  record.life = Life::kDestroyed;
  std::erase(living_, serial);
}

bool ScriptedBackend::IsDead(int serial) const {
  std::lock_guard lock(mu_);
  return serial <= dead_up_to_;
}

// ---- ScriptedConnection -------------------------------------------------------------------------

ScriptedConnection::ScriptedConnection(ScriptedBackend& backend, int serial,
                                       const OpenRequest& request)
    : backend_(backend),
      statements_(reinterpret_cast<ScriptedStatement*>(request.memory.data + sizeof(*this))),
      serial_(serial),
      statement_count_(request.memory.statements),
      role_(request.role) {
  static_assert(sizeof(ScriptedConnection) <= internal::AnyBackend::kConnectionSize.connection);
  static_assert(sizeof(ScriptedStatement) <= internal::AnyBackend::kConnectionSize.statement);
  static_assert(sizeof(*this) % alignof(ScriptedStatement) == 0);
  for (int i = 0; i < statement_count_; ++i) {
    new (statements_ + i) ScriptedStatement();
    statements_[i].connection_ = this;
  }
}

ScriptedConnection::~ScriptedConnection() {
  std::destroy_n(statements_, statement_count_);
  backend_.Destroyed(serial_);
}

absl::StatusOr<Step> ScriptedConnection::Advance(TimePoint now) {
  if (steps_left_ == 0) return Step{.done = true};
  if (step_deadline_.HasPassed(now)) return backend_.took_too_long_;
  while (backend_.TakeAnswer()) {
    if (--steps_left_ > 0) continue;
    absl::Status outcome = stepping_ == Call::kOpen
                               ? backend_.Perform(Call::kOpen, serial_, role_, step_deadline_)
                               : Ping(step_deadline_);
    if (outcome.ok()) return Step{.done = true};
    if (stepping_ == Call::kOpen) MarkFailed(backend_.verdict_of_failed_open_);
    return outcome;
  }
  return Step{.wait = {.fd = ScriptedBackend::kStepFd + serial_, .wanted = {.readable = true}},
              .at = step_deadline_};
}

absl::StatusOr<Step> ScriptedConnection::BeginPing(Deadline deadline) {
  {
    std::lock_guard lock(backend_.mu_);
    steps_left_ = backend_.steps_;
  }
  if (steps_left_ == 0) return Connection::BeginPing(deadline);
  stepping_ = Call::kPing;
  step_deadline_ = deadline;
  return Advance(TimePoint::min());
}

absl::Status ScriptedConnection::Use(Call call) {
  absl::Status outcome = PerformHere(call, deadline());
  if (IsDead()) {
    MarkFailed(backend_.verdict_when_dead_);
    outcome = backend_.gone_;
  }
  return outcome;
}

ScriptedStatement* ScriptedConnection::Find(const Sql& sql) {
  for (int i = 0; i < statement_count_; ++i) {
    if (statements_[i].used_ != 0 && statements_[i].hash_ == sql.hash()) return &statements_[i];
  }
  return nullptr;
}

ScriptedStatement* ScriptedConnection::LeastUsed() {
  ScriptedStatement* least = nullptr;
  for (int i = 0; i < statement_count_; ++i) {
    ScriptedStatement& one = statements_[i];
    if (!one.reading_ && (least == nullptr || one.used_ < least->used_)) least = &one;
  }
  return least;
}

absl::StatusOr<Statement*> ScriptedConnection::Prepare(const Sql& sql) {
  ScriptedStatement* found = Find(sql);
  if (found == nullptr) {
    if (absl::Status status = Use(Call::kPrepare); !status.ok()) return status;
    if (sql.text().starts_with("NONSENSE")) return backend_.nonsense_;
    found = LeastUsed();
    if (found == nullptr) return absl::Status(absl::StatusCode::kResourceExhausted, "");
    found->hash_ = sql.hash();
    found->size_ = static_cast<uint8_t>(sql.text().copy(found->text_.data(), found->text_.size()));
    found->parameters_ = CountParameters(sql.text());
  }
  found->used_ = ++uses_;
  return found;
}

absl::Status ScriptedConnection::RunScript(std::string_view sql) {
  if (sql.starts_with("NONSENSE")) return backend_.nonsense_;
  absl::Status outcome = Use(Call::kExecute);
  if (outcome.ok() && sql == "ROLLBACK") EndTransaction(false);
  return outcome;
}

absl::Status ScriptedConnection::Seal() { return Use(Call::kSeal); }

SessionState ScriptedConnection::Inspect() {
  const bool fine = PerformHere(Call::kInspect, Deadline::Never()).ok();
  if (!fine || broken_ || fault_scope() != FaultScope::kStatement) return SessionState::kBroken;
  if (IsDirty(kDirtyTransaction) || IsDirty(kDirtyReading) || IsDirty(kDirtyTainted)) {
    return SessionState::kDirty;
  }
  ClearDirtyFlags();
  return SessionState::kClean;
}

absl::Status ScriptedConnection::Reset(Deadline deadline) {
  absl::Status outcome = PerformHere(Call::kReset, deadline);
  if (!outcome.ok()) MarkFailed(backend_.scope_of_failed_call_);
  if (!outcome.ok()) return outcome;
  if (IsDead()) return backend_.gone_;
  FinishAll();
  if (IsDirty(kDirtyTransaction)) EndTransaction(false);
  ClearDirtyFlags();
  return absl::OkStatus();
}

Liveness ScriptedConnection::Probe() {
  if (!PerformHere(Call::kProbe, Deadline::Never()).ok()) return Liveness::kDead;
  const bool dead = IsDead();
  std::lock_guard lock(backend_.mu_);
  return dead ? backend_.probe_dead_ : backend_.probe_alive_;
}

absl::Status ScriptedConnection::Ping(Deadline deadline) {
  absl::Status outcome = PerformHere(Call::kPing, deadline);
  return outcome.ok() && IsDead() ? backend_.gone_ : outcome;
}

absl::Status ScriptedConnection::Maintain(Deadline deadline) {
  wants_maintenance_ = false;
  absl::Status outcome = PerformHere(Call::kMaintain, deadline);
  if (!outcome.ok()) MarkFailed(backend_.scope_of_failed_call_);
  return outcome.ok() && IsDead() ? backend_.gone_ : outcome;
}

void ScriptedConnection::Close() {
  (void)PerformHere(Call::kClose, Deadline::Never());
  backend_.End(serial_, ScriptedBackend::Life::kClosed);
}

void ScriptedConnection::Abandon() {
  (void)PerformHere(Call::kAbandon, Deadline::Never());
  backend_.End(serial_, ScriptedBackend::Life::kAbandoned);
}

NativeHandle ScriptedConnection::Detach() {
  (void)PerformHere(Call::kDetach, Deadline::Never());
  backend_.End(serial_, ScriptedBackend::Life::kDetached);
  return {reinterpret_cast<void*>(static_cast<intptr_t>(serial_))};
}

absl::Status ScriptedConnection::BeginTransaction(Durability) {
  if (IsDirty(kDirtyTransaction)) return absl::Status(absl::StatusCode::kFailedPrecondition, "");
  if (absl::Status status = Use(Call::kBegin); !status.ok()) return status;
  std::lock_guard lock(backend_.mu_);
  rows_at_begin_ = backend_.rows_.size();
  SetDirty(kDirtyTransaction);
  return absl::OkStatus();
}

absl::Status ScriptedConnection::CommitTransaction() {
  const absl::Status outcome = Use(Call::kCommit);
  EndTransaction(outcome.ok());
  return outcome;
}

absl::Status ScriptedConnection::RollbackTransaction() {
  const absl::Status outcome = Use(Call::kRollback);
  if (outcome.ok()) EndTransaction(false);
  return outcome;
}

void ScriptedConnection::EndTransaction(bool keep) {
  ClearDirty(kDirtyTransaction);
  std::lock_guard lock(backend_.mu_);
  if (!keep && backend_.rows_.size() > rows_at_begin_) backend_.rows_.resize(rows_at_begin_);
}

void ScriptedConnection::Reading(int change) {
  reading_ += change;
  if (reading_ > 0) {
    SetDirty(kDirtyReading);
  } else {
    ClearDirty(kDirtyReading);
  }
}

void ScriptedConnection::FinishAll() {
  for (int i = 0; i < statement_count_; ++i) statements_[i].EndRows();
}

// ---- ScriptedStatement --------------------------------------------------------------------------

absl::Status ScriptedStatement::CheckCount(std::span<const Value> values) const {
  for (const Value& value : values) {
    if (value.type() != Value::Type::kTooLarge) continue;
    return absl::InvalidArgumentError(std::string(sql()) + ": a value is beyond 64 bits");
  }
  if (static_cast<int>(values.size()) == parameters_) return absl::OkStatus();
  return absl::InvalidArgumentError(std::string(sql()) + ": takes " + std::to_string(parameters_) +
                                    " values, was given " + std::to_string(values.size()));
}

absl::Status ScriptedStatement::Execute(std::span<const Value> values) {
  if (absl::Status status = CheckCount(values); !status.ok()) return status;
  if (absl::Status status = connection_->Use(Call::kExecute); !status.ok()) return status;
  changes_ = 0;
  std::lock_guard lock(connection_->backend_.mu_);
  auto& rows = connection_->backend_.rows_;
  if (Starts("DELETE")) {
    changes_ = static_cast<int64_t>(rows.size());
    rows.clear();
  } else if (Starts("INSERT")) {
    std::vector<ScriptedBackend::Cell> row;
    for (const Value& value : values) {
      std::string bytes;
      if (value.type() == Value::Type::kInt64) {
        const int64_t number = value.int64();
        bytes.assign(reinterpret_cast<const char*>(&number), sizeof(number));
      } else if (value.type() == Value::Type::kDouble) {
        const double number = value.real();
        bytes.assign(reinterpret_cast<const char*>(&number), sizeof(number));
      } else if (!value.is_null()) {
        bytes = value.text();
      }
      row.push_back({std::string(1, static_cast<char>(value.type())), bytes});
    }
    rows.push_back(std::move(row));
    changes_ = 1;
  }
  return absl::OkStatus();
}

absl::Status ScriptedStatement::ExecuteAll(const internal::ManyRows& rows) {
  set_failed_row(-1);
  changes_ = 0;
  if (reading_) return absl::Status(absl::StatusCode::kFailedPrecondition, "");
  if (rows.size() == 0) return absl::OkStatus();
  const bool own = !connection_->IsDirty(ScriptedConnection::kDirtyTransaction);
  absl::Status status;
  if (own) status = connection_->BeginTransaction(Durability::kDefault);
  if (!status.ok()) return status;
  int64_t changed = 0;
  for (size_t row = 0; row < rows.size() && status.ok(); ++row) {
    rows.With(row, [this, &status](std::span<const Value> values) { status = Execute(values); });
    changed += changes_;
    if (!status.ok()) set_failed_row(static_cast<int>(row));
  }
  if (status.ok() && own) status = connection_->CommitTransaction();
  changes_ = status.ok() ? changed : 0;
  if (status.ok()) return status;
  if (own) connection_->RollbackTransaction().IgnoreError();
  const bool commit = failed_row() < 0;
  return absl::Status(status.code(),
                      (commit ? "commit" : "row " + std::to_string(failed_row() + 1)) + " of " +
                          std::to_string(rows.size()) + (commit ? " rows: " : ": ") +
                          std::string(status.message()));
}

absl::Status ScriptedStatement::Start(std::span<const Value> values) {
  if (reading_) return absl::Status(absl::StatusCode::kFailedPrecondition, "");
  if (absl::Status status = CheckCount(values); !status.ok()) return status;
  if (absl::Status status = connection_->Use(Call::kExecute); !status.ok()) return status;
  row_ = -1;
  reading_ = true;
  connection_->Reading(+1);
  return absl::OkStatus();
}

absl::StatusOr<bool> ScriptedStatement::Step() {
  if (!reading_ || !Starts("SELECT")) return false;
  std::lock_guard lock(connection_->backend_.mu_);
  return ++row_ < static_cast<int>(connection_->backend_.rows_.size());
}

void ScriptedStatement::Finish() {
  if (!reading_) return;
  reading_ = false;
  connection_->Reading(-1);
}

int ScriptedStatement::columns() const {
  if (!Starts("SELECT")) return 0;
  std::lock_guard lock(connection_->backend_.mu_);
  const auto& rows = connection_->backend_.rows_;
  return rows.empty() ? 0 : static_cast<int>(rows.front().size());
}

std::string_view ScriptedStatement::column_name(int column) const {
  static constexpr std::array<std::string_view, 8> kNames{"c0", "c1", "c2", "c3",
                                                          "c4", "c5", "c6", "c7"};
  return kNames[static_cast<size_t>(column) % kNames.size()];
}

Value ScriptedStatement::column(int column) const {
  if (column < 0 || column >= columns()) return Value::NoColumn();
  std::lock_guard lock(connection_->backend_.mu_);
  const auto& row = connection_->backend_.rows_[static_cast<size_t>(row_)];
  const ScriptedBackend::Cell& cell = row[static_cast<size_t>(column)];
  switch (static_cast<Value::Type>(cell[0][0])) {
    case Value::Type::kInt64: {
      int64_t number;
      std::memcpy(&number, cell[1].data(), sizeof(number));
      return Value(number);
    }
    case Value::Type::kDouble: {
      double number;
      std::memcpy(&number, cell[1].data(), sizeof(number));
      return Value(number);
    }
    case Value::Type::kText:
      return Value(std::string_view(cell[1]));
    case Value::Type::kBlob:
      return Value(std::as_bytes(std::span(cell[1])));
    case Value::Type::kNull:
    case Value::Type::kTooLarge:
    case Value::Type::kArray:
      break;
  }
  return Value();
}

}  // namespace roost::fakes
