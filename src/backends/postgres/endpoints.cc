#include "backends/postgres/endpoints.h"

#include <utility>

namespace roost::postgres {

using internal::MutexLock;

Endpoints::Endpoints(const PostgresOptions& options, LookUpFunction look_up)
    : options_(options), resolver_(std::move(look_up)), addresses_(options.address_file) {}

Endpoints::~Endpoints() { delete libpq_.load(); }

// Without a lock, because it reads files: who comes second throws its own table away.
absl::Status Endpoints::Load() {
  if (libpq_.load() != nullptr) return absl::OkStatus();
  auto table = std::make_unique<Libpq>();
  absl::Status status = LoadLibpq(*table);
  if (!status.ok()) return status;
  const Libpq* none = nullptr;
  if (libpq_.compare_exchange_strong(none, table.get())) static_cast<void>(table.release());
  addresses_.Load();
  return status;
}

absl::StatusOr<std::shared_ptr<const Settings>> Endpoints::Read() {
  absl::Status status = Load();
  if (!status.ok()) return status;
  absl::StatusOr<Settings> settings = ReadSettings(pq(), options_);
  if (!settings.ok()) return settings.status();
  transaction_pooler_ = settings->transaction_pooler;
  const int count = static_cast<int>(settings->endpoints.size());
  MutexLock lock(mu_);
  count_ = count;
  first_ %= count;
  return std::make_shared<const Settings>(*std::move(settings));
}

int Endpoints::Choose() {
  MutexLock lock(mu_);
  return first_;
}

void Endpoints::Leave(int endpoint) {
  if (first_ == endpoint) first_ = (first_ + 1) % count_;
}

void Endpoints::Failed(int endpoint) {
  MutexLock lock(mu_);
  ++failures_;
  Leave(endpoint);
}

void Endpoints::Succeeded(int endpoint, bool second_best) {
  MutexLock lock(mu_);
  if (!second_best) failures_ = 0;
  first_ = endpoint;
}

void Endpoints::LostRole(int endpoint) {
  MutexLock lock(mu_);
  Leave(endpoint);
}

bool Endpoints::TakesSecondBest() {
  MutexLock lock(mu_);
  return failures_ >= count_ - 1;
}

}  // namespace roost::postgres
