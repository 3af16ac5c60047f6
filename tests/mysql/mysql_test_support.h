// tests/mysql/mysql_test_support.h - one server for all cases of a program, and sessions on it.
#ifndef ROOST_TESTS_MYSQL_MYSQL_TEST_SUPPORT_H_
#define ROOST_TESTS_MYSQL_MYSQL_TEST_SUPPORT_H_

#include <mysql.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "backends/mysql/backend_state.h"
#include "backends/mysql/connection.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "roost/mysql.h"
#include "roost/query.h"
#include "tests/support/connection_access.h"
#include "tests/support/held_connection.h"
#include "tests/support/mariadb_server.h"
#include "tests/support/status_macros.h"
#include "tests/support/tcp_proxy.h"

namespace roost::mysql {

using absl::StatusCode;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using support::HeldConnection;
using support::MariadbServer;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

inline MariadbServer& Server() {
  static MariadbServer server;
  return server;
}

inline Deadline In(Duration span) { return Deadline::After(NativePlatform().Now(), span); }

// A MysqlBackend whose names are looked up by the test.
class LookedUpBackend : public Backend {
 public:
  LookedUpBackend(MysqlOptions options, backends::LookUpFunction look_up)
      : options_(std::move(options)), state_(options_, std::move(look_up)) {}
  std::string_view kind() const override { return "mysql"; }
  std::string_view target() const override { return "test"; }
  LanePlan lanes() const override { return LanePlan::kOne; }
  size_t ConnectionBytes(int statements) const override {
    return MysqlConnection::BytesFor(statements);
  }
  absl::StatusOr<Connection*> Open(const OpenRequest& request) override {
    auto* const connection = new (request.memory.data) MysqlConnection(state_, request);
    absl::Status status = connection->Start();
    if (status.ok()) return connection;
    std::destroy_at(connection);
    return status;
  }

 private:
  const MysqlOptions options_;
  BackendState state_;
};

// An open session, with time for everything.
class Session {
 public:
  explicit Session(MysqlOptions options)
      : Session(std::make_unique<MysqlBackend>(std::move(options))) {}
  Session() : Session(MysqlOptions{.uri = Server().Uri()}) {}
  explicit Session(std::unique_ptr<Backend> backend, Duration time = 20s)
      : backend_(std::move(backend)), held_(*backend_, NativePlatform(), Role::kAny, 8, In(time)) {
    if (held_.ok()) held_->set_deadline(In(20s));
  }
  bool ok() const { return held_.ok(); }
  const absl::Status& status() const { return held_.status(); }
  std::string message() const { return std::string(status().message()); }
  Connection* operator->() const { return held_.get(); }
  Connection& operator*() const { return *held_; }
  Backend& backend() { return *backend_; }
  HeldConnection& held() { return held_; }
  MYSQL* handle() const { return static_cast<MysqlConnection&>(*held_).wire().handle(); }
  unsigned long id() const { return handle()->thread_id; }
  std::string Ask(std::string_view sql) const {
    absl::StatusOr<std::string> answer = QueryOne<std::string>(*held_, Sql(sql));
    return answer.ok() ? *answer : std::string(answer.status().message());
  }
  int64_t Count(std::string_view sql) const {
    absl::StatusOr<int64_t> answer = QueryOne<int64_t>(*held_, Sql(sql));
    return answer.ok() ? *answer : -1;
  }

 private:
  std::unique_ptr<Backend> backend_;
  HeldConnection held_;
};

}  // namespace roost::mysql

#endif  // ROOST_TESTS_MYSQL_MYSQL_TEST_SUPPORT_H_
