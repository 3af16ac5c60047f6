// PostgresBackend: what its connections share, and the beginning of each.
#include <cstdlib>
#include <memory>
#include <new>
#include <utility>

#include "backends/postgres/backend_state.h"
#include "backends/postgres/connection.h"
#include "backends/postgres/conninfo.h"
#include "roost/internal/check.h"
#include "roost/postgres.h"

namespace roost {

using postgres::PostgresConnection;

PostgresBackend::PostgresBackend(PostgresOptions options)
    : options_(std::move(options)),
      target_(postgres::DescribeTarget(options_.uri, std::getenv)),
      state_(std::make_unique<postgres::BackendState>(options_)) {}

PostgresBackend::~PostgresBackend() = default;

size_t PostgresBackend::ConnectionBytes(int statements) const {
  return PostgresConnection::BytesFor(statements);
}

absl::StatusOr<Connection*> PostgresBackend::Open(const OpenRequest& request) {
  ROOST_CHECK(request.platform != nullptr, "PostgresBackend::Open was called without a platform");
  ROOST_CHECK(request.memory.bytes >= ConnectionBytes(request.memory.statements),
              "PostgresBackend::Open was given too little memory; see ConnectionBytes");
  auto* const connection = new (request.memory.data) PostgresConnection(*state_, request);
  absl::Status status = connection->Start();
  if (status.ok()) return connection;
  std::destroy_at(connection);
  return status;
}

TimePoint PostgresBackend::Continue(TimePoint now) { return state_->sessions().Continue(now); }

absl::Status PostgresBackend::Hindrance(const void* pool) const {
  return state_->sessions().Hindrance(pool);
}

void PostgresBackend::AddFigures(TimePoint /*now*/, Figures& out) const {
  state_->statement_counts().AddTo(out);
}

ServerFacts PostgresBackend::server() const { return state_->server_notes().facts(); }

}  // namespace roost
