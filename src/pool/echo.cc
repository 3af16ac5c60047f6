// pool/echo.cc - echo_pool: events as lines on standard error.

#include <array>
#include <cstdio>

#include "base/duration.h"
#include "base/text.h"
#include "base/utf8.h"
#include "roost/observer.h"
#include "roost/stats.h"

namespace roost {
namespace {

// sd-daemon(3): <4> warning, <6> information, <7> debugging.
int Priority(EventKind kind) {
  switch (kind) {
    case EventKind::kConnectFailed:
    case EventKind::kInvalidate:
    case EventKind::kTimeout:
    case EventKind::kRefused:
    case EventKind::kLeak:
    case EventKind::kLateTick:
      return 4;
    case EventKind::kFirstConnect:
    case EventKind::kConnect:
    case EventKind::kSoftInvalidate:
    case EventKind::kRecycle:
    case EventKind::kDetach:
    case EventKind::kClose:
    case EventKind::kLeakReturned:
    case EventKind::kTuned:
      return 6;
    case EventKind::kCheckout:
    case EventKind::kCheckin:
    case EventKind::kReset:
      return 7;
  }
  return 6;
}

}  // namespace

void EchoObserver::OnEvent(const Event& event) {
  std::array<char, 512> buffer;
  // The last byte is kept for the line's end.
  internal::Text text(std::span<char>(buffer).first(buffer.size() - 1));
  text.Add("<", Priority(event.kind), ">roost: pool=", event.pool, " event=", Name(event.kind));
  if (event.slot >= 0) text.Add(" slot=", event.slot);
  if (event.reason != CloseReason::kNone) text.Add(" reason=", Name(event.reason));
  if (event.span != Duration::zero()) text.Add(" span=", internal::Seconds{event.span, 6});
  if (event.age != Duration::zero()) text.Add(" age=", internal::Seconds{event.age, 3});
  if (event.idle != Duration::zero()) text.Add(" idle=", internal::Seconds{event.idle, 3});
  if (event.where.line != 0) text.Add(" where=", event.where.file, ":", event.where.line);
  if (event.status != nullptr) {
    const std::string_view message(event.status->message().data(), event.status->message().size());
    text.Add(" status=\"", message, "\"");
  }
  // One event is one line, whatever a driver put into its message.
  const size_t length = internal::MakePlain(std::span(buffer).first(text.view().size()));
  buffer[length] = '\n';
  // One call, so that lines of several threads do not mix.
  std::fwrite(buffer.data(), 1, length + 1, stderr);
  if (next_ != nullptr) next_->OnEvent(event);
}

void EchoStatements::OnStatement(const StatementEvent& event) {
  const bool failed = event.status != nullptr && !event.status->ok();
  if (which_ == Which::kTrouble && !failed && !event.slow) return;
  std::array<char, 512> buffer;
  internal::Text text(std::span<char>(buffer).first(buffer.size() - 1));
  text.Add("<", failed || event.slow ? 4 : 7, ">roost: pool=", event.pool,
           " statement=", Name(event.kind), " took=", internal::Seconds{event.took, 6},
           " rows=", event.rows);
  if (event.slow) text.Add(" slow");
  if (failed) text.Add(" code=", Name(event.status->code()));
  if (!event.name.empty()) text.Add(" name=", event.name);
  text.Add(" sql=\"", event.sql, "\"");
  const size_t length = internal::MakePlain(std::span(buffer).first(text.view().size()));
  buffer[length] = '\n';
  std::fwrite(buffer.data(), 1, length + 1, stderr);
}

}  // namespace roost
