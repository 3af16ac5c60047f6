// pool/recorder.cc - which action counts as what, and the events' fields.

#include "pool/recorder.h"

namespace roost::internal {

Recorder::Recorder(const char* pool, const PoolSettings& settings, Observer* observer)
    : name_(pool),
      echo_(observer),
      observer_(settings.echo_pool ? &echo_ : observer),
      watches_leases_(observer_ != nullptr && observer_->wants_leases()),
      hold_times_(settings.hold_times) {
  const auto take_shape = [this, &settings]()
                              ABSL_NO_THREAD_SAFETY_ANALYSIS { TakeShape(settings); };
  take_shape();  // no other thread knows it yet
}

void Recorder::TakeShape(const PoolSettings& settings) {
  stats_.pool_size = settings.pool_size;
  stats_.max_overflow = settings.max_overflow;
  stats_.capacity = settings.capacity();
}

void Recorder::CountCheckout(Duration wait, bool waited, bool handed_off) {
  ++stats_.checkouts;
  if (waited) ++stats_.waited;
  if (handed_off) ++stats_.handed_off;
  stats_.wait.Add(wait);
}

void Recorder::CountAction(const core::Action& action, bool ok) {
  switch (action.kind) {
    case core::ActionKind::kNone:
      break;
    case core::ActionKind::kOpen:
      ++(ok ? stats_.opens : stats_.open_failures);
      break;
    case core::ActionKind::kPing:
      ++stats_.pings;
      if (!ok) ++stats_.ping_failures;
      if (!ok) ++stats_.invalidations;
      break;
    case core::ActionKind::kMaintain:
      ++stats_.upkeeps;
      if (!ok) ++stats_.invalidations;
      break;
    case core::ActionKind::kReset:
      ++stats_.resets;
      if (!ok) ++stats_.reset_failures;
      if (!ok) ++stats_.invalidations;
      break;
    case core::ActionKind::kClose:
      ++stats_.closes[static_cast<size_t>(action.reason)];
      if (action.reason == CloseReason::kRecycled) ++stats_.recycles;
      break;
  }
}

void Recorder::EmitCheckout(const EventSubject& subject, Duration waited, SourceLine where,
                            TimePoint at) {
  if (!watches_leases_) return;
  Event event = Make(EventKind::kCheckout, subject, at);
  event.span = waited;
  event.where = where;
  Tell(event);
}

void Recorder::EmitCheckin(const EventSubject& subject, const LeaseInfo& lease, TimePoint at) {
  if (!watches_leases_) return;
  Event event = Make(EventKind::kCheckin, subject, at);
  event.span = lease.held;
  event.where = lease.where;
  Tell(event);
  if (!lease.leak_reported) return;
  event.kind = EventKind::kLeakReturned;
  Tell(event);
}

void Recorder::EmitRefusal(EventKind kind, const absl::Status& refusal, Duration waited,
                           SourceLine where, TimePoint at) {
  Event event = Make(kind, {}, at);
  event.span = waited;
  event.where = where;
  event.status = &refusal;
  Tell(event);
}

void Recorder::EmitWithReason(EventKind kind, const EventSubject& subject, CloseReason reason,
                              TimePoint at, const absl::Status* status) {
  Event event = Make(kind, subject, at);
  event.reason = reason;
  event.status = status;
  Tell(event);
}

void Recorder::EmitConnectFailed(const EventSubject& subject, const absl::Status& error,
                                 Duration next_try, TimePoint at) {
  Event event = Make(EventKind::kConnectFailed, subject, at);
  event.status = &error;
  event.span = next_try;
  Tell(event);
}

void Recorder::EmitConnected(const EventSubject& subject, TimePoint at) {
  if (!watched()) return;
  if (!connected_before_.exchange(true, std::memory_order_relaxed)) {
    Emit(EventKind::kFirstConnect, subject, at);
  }
  Emit(EventKind::kConnect, subject, at);
}

void Recorder::EmitLeak(const EventSubject& subject, Duration held, SourceLine where,
                        TimePoint at) {
  Event event = Make(EventKind::kLeak, subject, at);
  event.span = held;
  event.where = where;
  Tell(event);
}

void Recorder::EmitLateTick(Duration late, TimePoint at) {
  Event event = Make(EventKind::kLateTick, {}, at);
  event.span = late;
  Tell(event);
}

}  // namespace roost::internal
