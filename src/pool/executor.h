// pool/executor.h - performs the actions that the core decides: open, ping, maintain, reset, close.
#ifndef ROOST_POOL_EXECUTOR_H_
#define ROOST_POOL_EXECUTOR_H_

#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/action.h"
#include "pool/lane.h"
#include "pool/refusals.h"

namespace roost::internal {

// On whose behalf an action is performed, and under which conditions.
struct ActionContext {
  PoolWaiter* waiter = nullptr;  // this thread's node in the wait queue, if it has one
  Deadline deadline = Deadline::Never();
  const LeaseInfo* returning = nullptr;  // a reset or a close is the end of this lease
  bool may_wait = false;                 // for a server's round trips
  bool is_tick = false;                  // the housekeeping loop: need not be told what it began
};

// An open or a ping that takes round trips and goes on in steps, by the thread that calls Tick. One
// for each slot of the pool. While `busy`, one thread is inside Connection::Advance and alone may
// end it.
struct SteppedAction {
  core::Action action;  // kNone: nothing goes on in this slot
  bool busy = false;
  TimePoint began_at;
  Deadline deadline;
  Step step;  // how far it has come
};

// Stands between the users of connections and the driver: for a pool that watches statements.
class ConnectionWrapper {
 public:
  // What is lent in place of `connection`, which was opened for this slot of the pool. Its destructor
  // is that of `connection`, too.
  virtual Connection* Wrap(int slot, Connection& connection) = 0;

 protected:
  ~ConnectionWrapper() = default;
};

// A thread that gets an Action from the core calls Execute. The lock is free while a driver works.
class Executor {
 public:
  // `stepped` has an entry for each slot of the pool.
  Executor(const PoolConfig& config, const Refusals& refusals, Recorder& recorder, Lanes& lanes,
           std::span<SteppedAction> stepped)
      : config_(config),
        refusals_(refusals),
        recorder_(recorder),
        lanes_(lanes),
        stepped_(stepped) {}

  // Of every connection that is opened from here on.
  void set_wrapper(ConnectionWrapper* wrapper) { wrapper_ = wrapper; }
  ConnectionWrapper* wrapper() const { return wrapper_; }

  // Slots of the pool.
  int slots() const { return static_cast<int>(stepped_.size()); }
  // Performs `action`, every action that follows from it, and what the context's waiter has to do
  // after that, until the waiter is decided or sleeps. The lock is free before and after. Returns the
  // error of a failed open, else OK.
  absl::Status Execute(Lane& lane, core::Action action, ActionContext context);
  // Closes the idle connections that are marked: of a lane; of all, readers before the writer, which
  // checkpoints the log when it is the last.
  void CloseEvicted(Lane& lane);
  void CloseEvicted();

  // ---- Stepped actions ----

  // Continues those whose descriptor is ready or whose time has come.
  void ContinueSteps(TimePoint now);
  // The pool is closed: ends those that no thread is inside of. The others end where they are.
  void AbortSteps();
  // When the next step is due without its descriptor; max(): none.
  TimePoint NextStepAt() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(kPoolLock);
  // See Pool::Descriptors.
  int Descriptors(std::span<DescriptorWait> out) const;

 private:
  // True if `action` needs a server's answer and this thread must not wait: Tick continues it.
  bool RunsInSteps(const core::Action& action, const ActionContext& context) const;
  absl::Status ExecuteOne(Lane& lane, const core::Action& action, const ActionContext& context,
                          core::ActionResult& result);
  core::Action Complete(Lane& lane, const core::Action& action, const absl::Status& status,
                        core::ActionResult& result, ActionContext& context);
  void TellNextTry(Lane& lane, const absl::Status& status, TimePoint now);
  void EmitBefore(Lane& lane, const core::Action& action, const absl::Status& status,
                  TimePoint began_at, TimePoint now);
  Deadline FullDeadline(const core::Action& action, TimePoint began_at) const;
  absl::StatusOr<Step> BeginSteps(Lane& lane, const core::Action& action, Deadline deadline,
                                  TimePoint now, FaultScope& fault_scope);
  absl::Status WaitForSteps(Lane& lane, uint8_t slot, absl::StatusOr<Step> step, Deadline deadline,
                            const ActionContext& context);
  core::Action StartStepped(Lane& lane, const core::Action& action, ActionContext& context);
  core::Action RecordStep(int slot, absl::StatusOr<Step> step, ActionContext& context,
                          FaultScope fault_scope = FaultScope::kStatement);
  core::Action EndStepped(Lane& lane, const SteppedAction& stepped, absl::Status status,
                          ActionContext& context, FaultScope fault_scope = FaultScope::kStatement);
  bool TakeStep(int slot, TimePoint now);
  static absl::Status AsOpenError(absl::Status status);
  FaultScope CloseFailedOpen(Lane& lane, uint8_t slot);
  void CloseConnection(Lane& lane, uint8_t slot, CloseReason reason, TimePoint now);
  SteppedAction& At(int slot) { return stepped_[static_cast<size_t>(slot)]; }

  const PoolConfig& config_;
  const Refusals& refusals_;
  Recorder& recorder_;
  Lanes& lanes_;
  ConnectionWrapper* wrapper_ = nullptr;         // null: none. Constant once the pool is made
  const std::span<SteppedAction> stepped_;       // the entries are guarded by the pool's lock
  int stepping_ ABSL_GUARDED_BY(kPoolLock) = 0;  // entries that are in use
};

}  // namespace roost::internal

#endif  // ROOST_POOL_EXECUTOR_H_
