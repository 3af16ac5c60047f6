// telemetry/status_server.cc - what a StatusServer passes on.

#include <new>

#include "roost/status.h"
#include "telemetry/status_state.h"

namespace roost {

std::string_view Name(Health health) {
  switch (health) {
    case Health::kStarting:
      return "starting";
    case Health::kHealthy:
      return "healthy";
    case Health::kDegraded:
      return "degraded";
    case Health::kNotHealthy:
      return "not healthy";
    case Health::kEnding:
      return "ending";
  }
  return "?";
}

StatusServer::StatusServer(const StatusOptions& options)
    : state_(new (memory_) telemetry::StatusState(options)) {
  static_assert(
      sizeof(telemetry::StatusState) <= kStateBytes && alignof(telemetry::StatusState) <= 64,
      "kStateBytes in status.h is too small for StatusState");
}

StatusServer::~StatusServer() { state_->~StatusState(); }

const absl::Status& StatusServer::status() const { return state_->status(); }
absl::Status StatusServer::box_status() const { return state_->BoxStatus(); }
std::string_view StatusServer::path() const { return state_->path(); }
void StatusServer::Add(const Pool& pool) { state_->Add(pool); }
void StatusServer::Add(const StatusSource& source) { state_->Add(source); }
absl::Status StatusServer::WriteMetrics(std::string_view path) {
  return state_->WriteMetrics(path);
}
void StatusServer::Say(Health health, std::string_view text) { state_->Say(health, text); }
TimePoint StatusServer::Serve(TimePoint now) { return state_->Serve(now); }
int StatusServer::Descriptors(std::span<DescriptorWait> out) const {
  return state_->Descriptors(out);
}
void StatusServer::OnEvent(const Event& event) { state_->OnEvent(event); }

}  // namespace roost
