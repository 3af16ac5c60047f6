// tests/postgres/postgres_test_support.h - one server for all cases of a program, what opens
// connections to it, and sessions on it.
#ifndef ROOST_TESTS_POSTGRES_POSTGRES_TEST_SUPPORT_H_
#define ROOST_TESTS_POSTGRES_POSTGRES_TEST_SUPPORT_H_

#include <libpq-fe.h>

#include <algorithm>
#include <chrono>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "backends/postgres/backend_state.h"
#include "backends/postgres/connect_attempt.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "roost/postgres.h"
#include "tests/fakes/forwarding_platform.h"
#include "tests/support/held_connection.h"
#include "tests/support/postgres_server.h"
#include "tests/support/status_macros.h"
#include "tests/support/tcp_proxy.h"

namespace roost::postgres {

using absl::StatusCode;
using backends::Addresses;
using backends::LookUpFunction;
using backends::SystemLookUp;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using support::HeldConnection;
using support::PostgresServer;
using ::testing::HasSubstr;
using ::testing::Not;

inline constexpr Sql kAdd{"INSERT INTO t(a) VALUES ($1)"};
inline constexpr Sql kCount{"SELECT count(*) FROM t"};
inline constexpr Sql kSleep{"SELECT pg_sleep(600)"};

// A verifier of 200,000 iterations, for no password in particular.
inline std::string CostlyPassword() {
  const std::string key = std::string(43, 'A') + "=";
  return "SCRAM-SHA-256$200000:c2FsdHNhbHRzYWx0c2FsdA==$" + key + ":" + key;
}

// A session that was left in a sleep ends soon after its client; commits are not flushed by chance.
inline PostgresServer& Server() {
  static PostgresServer server({
      .settings = {"client_connection_check_interval = 100ms", "wal_writer_delay = 10s"},
      .hba = "host all secretive,costly all scram-sha-256\n"
             "host all banned all reject\n"
             "host all all all trust\n",
      .script = "GRANT ALL ON SCHEMA public TO node;"
                "CREATE ROLE costly LOGIN PASSWORD '" +
                CostlyPassword() +
                "';"
                "CREATE ROLE secretive LOGIN PASSWORD 'open sesame';"
                "CREATE ROLE banned LOGIN; CREATE ROLE lonely LOGIN CONNECTION LIMIT 1",
  });
  return server;
}

inline std::string PortOfServer() { return std::to_string(Server().port()); }

// ---- Opening ----

// One attempt, from Start to its end.
class Opening {
 public:
  static constexpr Duration kGenerous = 20s;

  explicit Opening(BackendState& backend, Duration time = kGenerous, TcpTimers timers = {},
                   Platform& platform = NativePlatform())
      : backend_(backend),
        platform_(platform),
        deadline_(Deadline::After(platform.Now(), time)),
        attempt_(backend, {.platform = &platform, .deadline = deadline_, .tcp_timers = timers}) {
    status_ = attempt_.Start();
    while (status_.ok() && handle_ == nullptr) Advance();
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
    StartupQuery query(backend_.pq(), handle_, 1 << 20);
    if (!query.Send(sql)) return "";
    while (query.Advance() == StartupQuery::State::kUnderWay) {
      platform_.WaitForDescriptor(backend_.pq().PQsocket(handle_), query.wanted(), deadline_);
    }
    return query.error().empty() ? query.value() : "";
  }

 private:
  void Advance() {
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

// No step waited, and the end came at the deadline.
inline void ExpectInTime(const Opening& opening) {
  EXPECT_GE(opening.late(), 0ms);
  EXPECT_LT(opening.late(), 5s);
  EXPECT_LT(opening.longest_step(), 5s);
}

// ---- Sessions ----

// The machine, with a clock that can be set forward, and whose coarse one can be stopped.
class LaterPlatform : public fakes::ForwardingPlatform {
 public:
  void Forward(Duration span) { ahead_ += span; }
  TimePoint Now() override { return ForwardingPlatform::Now() + ahead_; }
  TimePoint CoarseNow() override {
    return (stopped_ == TimePoint{} ? ForwardingPlatform::CoarseNow() : stopped_) + ahead_;
  }
  void StopCoarse() { stopped_ = ForwardingPlatform::CoarseNow(); }
  // Waits that could not wait: looks at a socket.
  int looks() const { return looks_; }
  // Waits that could.
  int waits() const { return waits_; }
  void WaitForDescriptors(std::span<DescriptorWait> waits, Deadline deadline) override {
    ++(deadline == Deadline::Past() ? looks_ : waits_);
    const bool far = deadline.IsNever() || deadline == Deadline::Past();
    ForwardingPlatform::WaitForDescriptors(waits,
                                           far ? deadline : Deadline::At(deadline.time() - ahead_));
  }

 private:
  Duration ahead_{};
  TimePoint stopped_{};
  int looks_ = 0;
  int waits_ = 0;
};

// A backend, and one session of it.
class Session {
 public:
  explicit Session(PostgresOptions options, int statements = 8)
      : backend_(std::move(options)), held_(backend_, platform_, Role::kAny, statements) {
    EXPECT_TRUE(held_.ok()) << held_.status();
    if (held_.ok()) held_->set_deadline(In(20s));
  }
  explicit Session(const std::string& uri = Server().Uri(), int statements = 8)
      : Session(PostgresOptions{.uri = uri}, statements) {}

  Connection* operator->() { return held_.get(); }
  Connection& operator*() { return *held_; }
  HeldConnection& held() { return held_; }
  PostgresBackend& backend() { return backend_; }
  LaterPlatform& platform() { return platform_; }
  Deadline In(Duration span) { return Deadline::After(platform_.Now(), span); }

  // The first column of the first row, through the interface; "NULL", or the error's text.
  std::string Ask(std::string_view sql) {
    absl::StatusOr<Statement*> statement = held_->Prepare(Sql(sql));
    if (!statement.ok()) return statement.status().ToString();
    Rows rows = (*statement)->Query();
    if (!rows.Next()) return rows.status().ToString();
    const Value value = rows.Get<Value>(0);
    switch (value.type()) {
      case Value::Type::kNull:
        return "NULL";
      case Value::Type::kInt64:
        return std::to_string(value.int64());
      case Value::Type::kDouble:
        return std::to_string(value.real());
      default:
        return std::string(value.text());
    }
  }
  int64_t CountRows() { return std::stoll(Ask(kCount.text())); }
  std::string Pid() { return Ask("SELECT pg_backend_pid()"); }

 private:
  LaterPlatform platform_;
  PostgresBackend backend_;
  HeldConnection held_;
};

// An empty table t(a int) for each case.
class SessionTest : public ::testing::Test {
 protected:
  SessionTest() {
    Server().Sql(
        "DROP TABLE IF EXISTS t; CREATE TABLE t(a int PRIMARY KEY); "
        "GRANT ALL ON t TO node");
  }
};

}  // namespace roost::postgres

#endif  // ROOST_TESTS_POSTGRES_POSTGRES_TEST_SUPPORT_H_
