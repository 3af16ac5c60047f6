#include "backends/postgres/backend_state.h"

#include <utility>

namespace roost::postgres {

using internal::MutexLock;

namespace {

// Of PostgresOptions::max_result_bytes.
constexpr int kLeastResult = 64 * 1024;
constexpr int kMostResult = 1 << 30;

}  // namespace

BackendState::BackendState(const PostgresOptions& options, LookUpFunction look_up)
    : options_(options), resolver_(std::move(look_up)), addresses_(options.address_file) {}

BackendState::~BackendState() {
  sessions_.Clear();  // which calls libpq
}

absl::Status BackendState::Load() {
  if (libpq_.loaded()) return absl::OkStatus();
  absl::Status status = libpq_.Load(&LoadLibpq);
  if (!status.ok()) return status;
  addresses_.Load();
  return status;
}

absl::StatusOr<std::shared_ptr<const Settings>> BackendState::Read() {
  absl::Status status = Load();
  if (!status.ok()) return status;
  if (options_.max_result_bytes < kLeastResult || options_.max_result_bytes > kMostResult) {
    return absl::InvalidArgumentError("max_result_bytes may be 65536 to 1073741824");
  }
  absl::StatusOr<Settings> settings = ReadSettings(pq(), options_);
  if (!settings.ok()) return settings.status();
  transaction_pooler_ = settings->transaction_pooler;
  const int count = static_cast<int>(settings->endpoints.size());
  MutexLock lock(mu_);
  count_ = count;
  first_ %= count;
  return std::make_shared<const Settings>(*std::move(settings));
}

int BackendState::Choose() {
  MutexLock lock(mu_);
  return first_;
}

void BackendState::Leave(int endpoint) {
  if (first_ == endpoint) first_ = (first_ + 1) % count_;
}

void BackendState::Failed(int endpoint) {
  MutexLock lock(mu_);
  ++failures_;
  Leave(endpoint);
}

void BackendState::Succeeded(int endpoint, bool second_best) {
  MutexLock lock(mu_);
  if (!second_best) failures_ = 0;
  first_ = endpoint;
}

void BackendState::LostRole(int endpoint) {
  MutexLock lock(mu_);
  Leave(endpoint);
}

bool BackendState::TakesSecondBest() {
  MutexLock lock(mu_);
  return failures_ >= count_ - 1;
}

}  // namespace roost::postgres
