// tests/postgres/opening.h - drives an attempt to connect as a pool's housekeeper does.
#ifndef ROOST_TESTS_POSTGRES_OPENING_H_
#define ROOST_TESTS_POSTGRES_OPENING_H_

#include <algorithm>
#include <chrono>
#include <string>

#include "absl/status/status.h"
#include "backends/postgres/backend_state.h"
#include "backends/postgres/connect_attempt.h"
#include "roost/platform.h"
#include "roost/postgres.h"

namespace roost::postgres {

// One attempt, from Start to its end.
class Opening {
 public:
  static constexpr Duration kGenerous = std::chrono::seconds(20);

  explicit Opening(BackendState& backend, Duration limit = kGenerous, TcpTimers timers = {},
                   Platform& platform = NativePlatform())
      : backend_(backend),
        platform_(platform),
        deadline_(Deadline::After(platform.Now(), limit)),
        attempt_(backend, {.platform = &platform, .deadline = deadline_, .tcp_timers = timers}) {
    status_ = attempt_.Start();
    while (status_.ok() && handle_ == nullptr) GoOn();
  }
  ~Opening() {
    if (handle_ != nullptr) backend_.pq().PQfinish(handle_);
  }
  Opening(const Opening&) = delete;
  Opening& operator=(const Opening&) = delete;

  const absl::Status& status() const { return status_; }
  std::string message() const { return std::string(status_.message()); }
  std::string sqlstate() const { return std::string(PostgresSqlState(status_)); }
  bool ok() const { return status_.ok(); }
  ConnectAttempt& attempt() { return attempt_; }
  PGconn* handle() const { return handle_; }
  // How long after its deadline the attempt ended; negative: before.
  Duration late() const { return ended_ - deadline_.time(); }
  // How long the longest step took: none may wait.
  Duration longest_step() const { return longest_; }

  // The first column of the first row, by the driver itself; "" when it fails.
  std::string Ask(const std::string& sql) {
    StartupQuery query(backend_.pq(), handle_);
    if (!query.Send(sql)) return "";
    while (query.Advance() == StartupQuery::State::kUnderWay) {
      platform_.WaitForDescriptor(backend_.pq().PQsocket(handle_), query.wanted(), deadline_);
    }
    return query.error().empty() ? query.value() : "";
  }

 private:
  void GoOn() {
    const TimePoint before = platform_.Now();
    absl::StatusOr<Step> step = attempt_.Advance(before);
    ended_ = platform_.Now();
    longest_ = std::max(longest_, ended_ - before);
    status_ = step.status();
    if (!step.ok()) return;
    if (step->done) {
      handle_ = attempt_.Release();
    } else {
      platform_.WaitForDescriptors({&step->wait, 1}, step->at);
    }
  }

  BackendState& backend_;
  Platform& platform_;
  const Deadline deadline_;
  ConnectAttempt attempt_;
  absl::Status status_;
  PGconn* handle_ = nullptr;
  TimePoint ended_{};
  Duration longest_{};
};

// The same with a backend's parts of its own.
class Remote {
 public:
  explicit Remote(PostgresOptions options, LookUpFunction look_up = SystemLookUp)
      : options_(std::move(options)), backend_(options_, std::move(look_up)) {}
  explicit Remote(const std::string& uri) : Remote(PostgresOptions{.uri = uri}) {}

  BackendState& operator*() { return backend_; }
  BackendState* operator->() { return &backend_; }

 private:
  const PostgresOptions options_;
  BackendState backend_;
};

}  // namespace roost::postgres

#endif  // ROOST_TESTS_POSTGRES_OPENING_H_
