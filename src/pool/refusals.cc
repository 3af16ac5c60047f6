// pool/refusals.cc - the text of the refusals.

#include "pool/refusals.h"

#include <array>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#include "base/duration.h"
#include "base/text.h"

namespace roost::internal {
namespace {

absl::Status Refusal(absl::StatusCode code, std::initializer_list<std::string_view> pieces) {
  std::string text;
  for (const std::string_view piece : pieces) text.append(piece);
  return {code, text};
}

}  // namespace

LimitRefusals::LimitRefusals(const PoolSettings& settings) {
  std::array<char, 96> limit_buffer;
  Text limit(limit_buffer);
  limit.Add("QueuePool limit of size ", settings.pool_size, " overflow ", settings.max_overflow,
            " reached");
  std::array<char, 32> timeout_buffer;
  Text timeout(timeout_buffer);
  timeout.Add(Seconds{settings.pool_timeout});
  const auto told = [&timeout](std::string_view what, std::string_view advice) -> TimeOut {
    constexpr auto kCode = absl::StatusCode::kDeadlineExceeded;
    const std::string_view see = advice.empty() ? "" : kSeeExplain;
    return {Refusal(kCode, {what, ", connection timed out, timeout ", timeout.view(), see, advice}),
            Refusal(kCode, {what, ", connection timed out at the caller's deadline", see, advice})};
  };
  all = told(limit.view(), "");
  writer = told("the one writer is lent",
                "hold it for less, or wait longer (a larger pool has no second writer; what only "
                "reads takes kRead)");
  readers = told("every reader is lent", "hold them for less, or raise pool_size");
}

Refusals::Refusals(const char* pool, const PoolSettings& settings)
    : limits(std::make_unique<const LimitRefusals>(settings)) {
  using enum absl::StatusCode;
  std::array<char, 16> waiters_buffer;
  Text waiters(waiters_buffer);
  waiters.Add(settings.max_waiters);
  const auto named = [pool](absl::StatusCode code, std::string_view number, std::string_view text) {
    return Refusal(code, {"pool '", pool, "': ", number, text});
  };
  timeout_paused =
      named(kDeadlineExceeded, "", "is paused: nobody is lent a connection until Resume");
  timeout_opening =
      named(kDeadlineExceeded, "",
            "no connection could be opened, checked or closed in time: the database is "
            "slow to answer; allow more time");
  nothing_free = named(kDeadlineExceeded, "",
                       "no connection is free, and TryAcquire neither waits nor opens one");
  full = named(kResourceExhausted, waiters.view(),
               " callers stand in line already (kMaxWaiters); shed load");
  dying = named(kUnavailable, "",
                "connection after connection was dead when it was looked at; retry later");
  closed = named(kFailedPrecondition, "", "is closed");
  forked = named(kFailedPrecondition, "",
                 "was made before fork() and cannot be used in the child; let the child exec, or "
                 "fork before the pool is made");
  nested = named(kFailedPrecondition, "",
                 "this thread holds a lease, and every connection is held by threads that wait: "
                 "while they do, one more wait could only deadlock; return the lease first, or "
                 "take a larger pool_size");
  cancelled = named(kCancelled, "", "the caller cancelled");
  still_out = named(kDeadlineExceeded, "",
                    "leases are still out at the deadline of Close; they are closed when they "
                    "return");
  still_busy = named(kDeadlineExceeded, "",
                     "a connection is still being opened or closed at the deadline of Close; it is "
                     "closed when that ends");
  paused = named(kFailedPrecondition, "", "is paused: Fill opens nothing until Resume");
}

}  // namespace roost::internal
