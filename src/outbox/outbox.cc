#include "roost/outbox.h"

#include "outbox/sender.h"

namespace roost {

std::string_view Name(OutboxState state) {
  switch (state) {
    case OutboxState::kIdle:
      return "idle";
    case OutboxState::kSending:
      return "sending";
    case OutboxState::kWaiting:
      return "waiting";
    case OutboxState::kHeld:
      return "held";
    case OutboxState::kBudget:
      return "budget";
    case OutboxState::kNoSchema:
      return "no schema";
  }
  return "?";
}

Outbox::Outbox(Pool& local, OutboxServer& server, const OutboxSource& source,
               const OutboxOptions& options, Platform& platform)
    : sender_(std::make_unique<outbox::Sender>(local, server, source, options, platform)) {}
Outbox::~Outbox() = default;

absl::Status Outbox::Start(Deadline deadline) { return sender_->Start(deadline); }
TimePoint Outbox::Turn(TimePoint now) { return sender_->Turn(now); }
size_t Outbox::Descriptors(std::span<DescriptorWait> out) const {
  return sender_->Descriptors(out);
}
void Outbox::RowsSealed() { sender_->RowsSealed(); }
void Outbox::Retry() { sender_->Retry(); }
absl::Status Outbox::Drain(Deadline deadline) { return sender_->Drain(deadline); }
OutboxStats Outbox::stats(TimePoint now) const { return sender_->stats(now); }
size_t Outbox::memory() const { return sizeof(*this) + sender_->memory(); }

}  // namespace roost
