// tests/fakes/scripted_backend.h - a database that does what the test says.
//
// Every call that the pool or a holder makes is counted and logged; outcomes are scripted: "the
// next open fails", "the k-th call fails", "a ping takes 500 ms", "the server is gone". Connections
// have serial numbers from 1 up. At its end the backend checks that each was closed, abandoned or
// detached exactly once, and its destructor run; while they live it checks that no memory is used
// twice.
//
// It also keeps one table in memory, enough for the simplest SQL: INSERT appends the bound values
// as a row, SELECT reads all rows, DELETE drops them, NONSENSE is refused, anything else only
// counts.
//
// Threads:  all. Memory: nothing is allocated after the script is written, while rows are not
// inserted and the log's room (kLogRoom calls) lasts.
#ifndef ROOST_TESTS_FAKES_SCRIPTED_BACKEND_H_
#define ROOST_TESTS_FAKES_SCRIPTED_BACKEND_H_

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "roost/backend.h"
#include "roost/lease.h"
#include "tests/fakes/fake_platform.h"

namespace roost::fakes {

enum class Call : uint8_t {
  // These can be made to fail.
  kOpen,
  kProbe,  // fails as Liveness::kDead
  kPing,
  kMaintain,
  kInspect,  // fails as SessionState::kBroken
  kReset,
  kPrepare,
  kExecute,
  kBegin,
  kCommit,
  kRollback,
  kSeal,
  // These cannot fail.
  kClose,
  kAbandon,
  kDetach,
};
inline constexpr int kCalls = 15;
inline constexpr bool CanFail(Call call) { return call < Call::kClose; }
std::string_view Name(Call call);

struct CallInfo {
  Call call{};
  int serial = 0;  // 0: an open that has not succeeded yet
  Role role = Role::kAny;
  Deadline deadline;
  TimePoint at;
};

class ScriptedConnection;

class ScriptedBackend : public Backend {
 public:
  static constexpr size_t kLogRoom = 16384;

  // With a fake platform calls can take time on its clock.
  explicit ScriptedBackend(FakePlatform* platform = nullptr, LanePlan lanes = LanePlan::kOne);
  // Fails the test for every connection that was not ended exactly once.
  ~ScriptedBackend() override;

  // ---- The script ----
  // The next `times` calls of this kind fail with `status`.
  void FailNext(Call call, const absl::Status& status, int times = 1);
  // All calls of this kind fail until FailNever.
  void FailAlways(Call call, const absl::Status& status);
  void FailNever(Call call);
  // The `index`-th call (from 1) of those that can fail does so, counted over the backend's life.
  void FailCallNumber(int index, const absl::Status& status);
  // Every call of this kind takes `span` on the fake clock. One with a shorter deadline fails at
  // that deadline, with kDeadlineExceeded.
  void Takes(Call call, Duration span);
  // From now on an open, and a ping that is begun, takes `steps` answers of the server. Each
  // Answer() is one; while there is none, the descriptor kStepFd + serial is not ready.
  static constexpr int kStepFd = 5000;
  void GoInSteps(int steps);
  void Answer(int answers = 1);
  // For FakePlatform::set_descriptor.
  IoEvents Ready(int fd) const;
  int opens_begun() const;
  // What an open that failed in steps says about the other connections.
  void set_verdict_of_failed_open(FaultScope scope) { verdict_of_failed_open_ = scope; }
  // Of a reset or a maintenance that fails.
  void set_scope_of_failed_call(FaultScope scope) { scope_of_failed_call_ = scope; }
  // Runs inside every call, before its outcome is decided, on the thread that makes it.
  void set_hook(std::function<void(const CallInfo&)> hook) { hook_ = std::move(hook); }
  // All connections are dead, and opens fail with `status` until StartServer.
  void StopServer(const absl::Status& status);
  void StartServer();
  // The server ends all sessions, and is there at once: connections are dead, opens succeed.
  void RestartServer();
  // What Probe says of a live and of a dead connection. At first: alive; a cut cable is not
  // noticed.
  void set_probe(Liveness alive, Liveness dead);
  // What a statement on a dead connection makes of the others.
  void set_verdict_when_dead(FaultScope scope) { verdict_when_dead_ = scope; }
  // What ConnectionBytes answers, beyond what is needed.
  void set_extra_bytes(size_t bytes) { extra_bytes_ = bytes; }
  void set_logging(bool on) { logging_ = on; }
  void ClearLog();

  // ---- What happened ----
  int count(Call call) const;
  int fallible_calls() const;
  std::vector<CallInfo> log() const;
  // Serials of the calls of this kind, in order.
  std::vector<int> serials(Call call) const;
  // Connections that exist and are not closed, and the most there ever were.
  int open_now() const;
  int peak_open() const;
  // The last connection opened. 0: none.
  int last_serial() const;

  // What server() says. REQUIRES: no thread asks meanwhile.
  ServerFacts server_facts{};

  // ---- Backend ----
  std::string_view kind() const override { return "scripted"; }
  std::string_view target() const override { return "nowhere"; }
  LanePlan lanes() const override { return lanes_; }
  ServerFacts server() const override { return server_facts; }
  size_t ConnectionBytes(int statements) const override;
  absl::StatusOr<Connection*> Open(const OpenRequest& request) override;

 private:
  friend class ScriptedConnection;
  friend class ScriptedStatement;
  enum class Life : uint8_t { kAlive, kClosed, kAbandoned, kDetached, kDestroyed };
  struct Record {
    Life life = Life::kAlive;
    int ends = 0;
    const std::byte* memory = nullptr;
    size_t bytes = 0;
  };
  using Cell = std::array<std::string, 2>;  // type name, bytes

  absl::Status Perform(Call call, int serial, Role role, Deadline deadline);
  bool TakeAnswer();
  absl::Status Outcome(Call call);
  absl::Status TakeTime(Call call, Deadline deadline);
  int Register(const OpenRequest& request);
  void End(int serial, Life how);
  void Destroyed(int serial);
  bool IsDead(int serial) const;

  FakePlatform* const platform_;
  const LanePlan lanes_;
  std::function<void(const CallInfo&)> hook_;
  FaultScope verdict_when_dead_ = FaultScope::kConnectionSuspectOlder;
  FaultScope verdict_of_failed_open_ = FaultScope::kStatement;
  FaultScope scope_of_failed_call_ = FaultScope::kStatement;
  size_t extra_bytes_ = 0;
  bool logging_ = true;
  const absl::Status took_too_long_{absl::StatusCode::kDeadlineExceeded, "scripted: took too long"};
  const absl::Status gone_{absl::StatusCode::kUnavailable, "scripted: connection is gone"};
  const absl::Status nonsense_{absl::StatusCode::kInvalidArgument, "scripted: this is no SQL"};

  mutable std::mutex mu_;  // guards what follows
  std::array<std::deque<absl::Status>, kCalls> next_;
  std::array<absl::Status, kCalls> always_;
  std::array<Duration, kCalls> takes_{};
  int fail_number_ = 0;
  absl::Status fail_number_status_;
  absl::Status server_;  // OK: it is up
  int dead_up_to_ = 0;   // connections up to this serial are dead
  Liveness probe_alive_ = Liveness::kAlive;
  Liveness probe_dead_ = Liveness::kAlive;
  std::array<int, kCalls> counts_{};
  int fallible_ = 0;
  int steps_ = 0;
  int answers_ = 0;
  int opens_begun_ = 0;
  std::vector<CallInfo> log_;
  std::vector<Record> records_;  // by serial - 1
  std::vector<int> living_;      // serials not destroyed
  int open_now_ = 0;
  int peak_open_ = 0;
  std::vector<std::vector<Cell>> rows_;
};

class ScriptedStatement : public Statement {
 public:
  using Statement::EndRows;

  ScriptedStatement() = default;
  absl::Status Execute(std::span<const Value> values) override;
  absl::Status Start(std::span<const Value> values) override;
  absl::StatusOr<bool> Step() override;
  void Finish() override;
  int parameters() const override { return parameters_; }
  int columns() const override;
  std::string_view column_name(int column) const override;
  Value column(int column) const override;
  int64_t changes() const override { return changes_; }
  std::string_view sql() const override { return {text_.data(), size_}; }

 private:
  friend class ScriptedConnection;
  absl::Status ExecuteAll(const internal::ManyRows& rows) override;
  bool Starts(std::string_view word) const { return sql().starts_with(word); }
  absl::Status CheckCount(std::span<const Value> values) const;

  ScriptedConnection* connection_ = nullptr;
  uint64_t hash_ = 0;
  uint64_t used_ = 0;
  int64_t changes_ = 0;
  int parameters_ = 0;
  int row_ = -1;
  bool reading_ = false;
  uint8_t size_ = 0;
  std::array<char, 72> text_{};
};

class ScriptedConnection : public Connection {
 public:
  ScriptedConnection(ScriptedBackend& backend, int serial, const OpenRequest& request);
  ~ScriptedConnection() override;

  int serial() const { return serial_; }
  Role role() const { return role_; }

  // ---- What its holder does to it ----
  // Leaves something behind that Reset can undo.
  void MakeDirty() { SetDirty(kDirtyTainted); }
  // Leaves something behind that nothing can undo: Inspect says kBroken.
  void MakeBroken() {
    broken_ = true;
    SetDirty(kDirtyTainted);
  }
  // Was touched; Inspect finds it clean all the same.
  void Touch() { SetDirty(kDirtyRaw); }
  // As an error of this kind would.
  void Fail(FaultScope scope) { MarkFailed(scope); }
  // Wants maintenance before the next user.
  void WantMaintenance() { wants_maintenance_ = true; }
  // This one does not answer from now on.
  void Die() { dead_ = true; }

  // ---- Connection ----
  absl::StatusOr<Statement*> Prepare(const Sql& sql) override;
  absl::Status RunScript(std::string_view sql) override;
  absl::Status Seal() override;
  absl::StatusOr<Step> Advance(TimePoint now) override;
  absl::StatusOr<Step> BeginPing(Deadline deadline) override;
  SessionState Inspect() override;
  absl::Status Reset(Deadline deadline) override;
  Liveness Probe() override;
  absl::Status Ping(Deadline deadline) override;
  absl::Status Maintain(Deadline deadline) override;
  bool WantsMaintenance() const override { return wants_maintenance_; }
  void Close() override;
  void Abandon() override;
  NativeHandle Detach() override;

 private:
  friend class ScriptedBackend;
  friend class ScriptedStatement;
  absl::Status BeginTransaction(Durability durability) override;
  absl::Status CommitTransaction() override;
  absl::Status RollbackTransaction() override;
  void* RawHandle() override { return this; }
  bool IsDead() const { return dead_ || backend_.IsDead(serial_); }
  // A call that a dead connection fails, and is condemned for.
  absl::Status Use(Call call);
  absl::Status PerformHere(Call call, Deadline deadline) {
    return backend_.Perform(call, serial_, role_, deadline);
  }
  ScriptedStatement* Find(const Sql& sql);
  ScriptedStatement* LeastUsed();
  void EndTransaction(bool keep);
  void FinishAll();
  void Reading(int change);

  ScriptedBackend& backend_;
  ScriptedStatement* const statements_;  // in the pool's memory, behind this
  const int serial_;
  const int statement_count_;
  int reading_ = 0;
  uint64_t uses_ = 0;
  size_t rows_at_begin_ = 0;
  Deadline step_deadline_;
  int steps_left_ = 0;
  Call stepping_ = Call::kOpen;
  const Role role_;
  bool broken_ = false;
  bool dead_ = false;
  bool wants_maintenance_ = false;
};

// The scripted connection behind a lease of a pool over a ScriptedBackend.
inline ScriptedConnection& Scripted(Lease& lease) {
  return static_cast<ScriptedConnection&>(*lease);
}

// What a caller does with the handle of Lease::Detach over a ScriptedBackend: its serial.
inline int SerialOf(NativeHandle handle) {
  return static_cast<int>(reinterpret_cast<intptr_t>(handle.handle));
}

}  // namespace roost::fakes

#endif  // ROOST_TESTS_FAKES_SCRIPTED_BACKEND_H_
