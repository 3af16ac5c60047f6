// MysqlBackend: what its connections share, and the beginning of each.
#include <memory>
#include <new>
#include <utility>

#include "backends/mysql/backend_state.h"
#include "backends/mysql/connection.h"
#include "backends/mysql/settings.h"
#include "roost/internal/check.h"
#include "roost/mysql.h"

namespace roost {

using mysql::MysqlConnection;

MysqlBackend::MysqlBackend(MysqlOptions options)
    : options_(std::move(options)),
      target_(mysql::DescribeTarget(options_.uri)),
      state_(std::make_unique<mysql::BackendState>(options_)) {}

MysqlBackend::~MysqlBackend() = default;

size_t MysqlBackend::ConnectionBytes(int statements) const {
  return MysqlConnection::BytesFor(statements);
}

absl::StatusOr<Connection*> MysqlBackend::Open(const OpenRequest& request) {
  ROOST_CHECK(request.platform != nullptr, "MysqlBackend::Open was called without a platform");
  ROOST_CHECK(request.memory.bytes >= ConnectionBytes(request.memory.statements),
              "MysqlBackend::Open was given too little memory; see ConnectionBytes");
  auto* const connection = new (request.memory.data) MysqlConnection(*state_, request);
  absl::Status status = connection->Start();
  if (status.ok()) return connection;
  std::destroy_at(connection);
  return status;
}

TimePoint MysqlBackend::Continue(TimePoint now) { return state_->Continue(now); }

void MysqlBackend::AddFigures(TimePoint /*now*/, Figures& out) const {
  state_->statement_counts().AddTo(out);
}

ServerFacts MysqlBackend::server() const { return state_->server_notes().facts(); }

}  // namespace roost
