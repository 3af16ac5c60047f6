#include "backends/postgres/backend_state.h"

#include <utility>

namespace roost::postgres {

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
  endpoints_.SetCount(static_cast<int>(settings->endpoints.size()));
  return std::make_shared<const Settings>(*std::move(settings));
}

}  // namespace roost::postgres
