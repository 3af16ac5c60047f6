// tests/postgres/session.h - one server for all cases of a program, and sessions on it.
#ifndef ROOST_TESTS_POSTGRES_SESSION_H_
#define ROOST_TESTS_POSTGRES_SESSION_H_

#include <libpq-fe.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "roost/postgres.h"
#include "tests/support/held_connection.h"
#include "tests/support/postgres_server.h"
#include "tests/support/tcp_proxy.h"

namespace roost::postgres {

using absl::StatusCode;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using support::HeldConnection;
using ::testing::HasSubstr;
using ::testing::Not;

inline constexpr Sql kAdd{"INSERT INTO t(a) VALUES ($1)"};
inline constexpr Sql kCount{"SELECT count(*) FROM t"};
inline constexpr Sql kSleep{"SELECT pg_sleep(600)"};

// A session that was left in a sleep ends soon after its client; commits are not flushed by chance.
inline support::PostgresServer& Server() {
  static support::PostgresServer server(
      {.settings = {"client_connection_check_interval = 100ms", "wal_writer_delay = 10s"},
       .script = "GRANT ALL ON SCHEMA public TO node"});
  return server;
}

// The machine, with a clock that can be set forward.
class LaterPlatform : public Platform {
 public:
  void Forward(Duration span) { ahead_ += span; }
  TimePoint Now() override { return native_.Now() + ahead_; }
  TimePoint CoarseNow() override { return native_.CoarseNow() + ahead_; }
  int64_t UnixMicros() override { return native_.UnixMicros(); }
  bool Wait(const std::atomic<uint32_t>& word, uint32_t value, Deadline deadline) override {
    return native_.Wait(word, value, deadline);
  }
  void Wake(const std::atomic<uint32_t>* word) override { native_.Wake(word); }
  void WaitForDescriptors(std::span<DescriptorWait> waits, Deadline deadline) override {
    const bool far = deadline.IsNever() || deadline == Deadline::Past();
    native_.WaitForDescriptors(waits, far ? deadline : Deadline::At(deadline.time() - ahead_));
  }
  int OpenEvent() override { return native_.OpenEvent(); }
  void SignalEvent(int event) override { native_.SignalEvent(event); }
  void ClearEvent(int event) override { native_.ClearEvent(event); }
  void CloseEvent(int event) override { native_.CloseEvent(event); }
  uint32_t Random() override { return native_.Random(); }
  const std::atomic<uint32_t>& Forks() override { return native_.Forks(); }

 private:
  Platform& native_ = NativePlatform();
  Duration ahead_{};
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

#define ASSERT_OK(expression)                    \
  do {                                           \
    const absl::Status assert_ok = (expression); \
    ASSERT_TRUE(assert_ok.ok()) << assert_ok;    \
  } while (false)
#define EXPECT_OK(expression)                    \
  do {                                           \
    const absl::Status expect_ok = (expression); \
    EXPECT_TRUE(expect_ok.ok()) << expect_ok;    \
  } while (false)

}  // namespace roost::postgres

#endif  // ROOST_TESTS_POSTGRES_SESSION_H_
