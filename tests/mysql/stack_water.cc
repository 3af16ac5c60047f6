// Prints how much of its stack libmariadb uses for one connection to URI, which is one with TLS: sign-in,
// script, statements, an error, a reset, the good-bye. stack_water.py runs it for a board.
#include <cstdio>
#include <string>

#include "backends/mysql/link.h"
#include "roost/mysql.h"
#include "roost/query.h"
#include "tests/mysql/painted_stack.h"
#include "tests/support/held_connection.h"

namespace roost::mysql {
namespace {

using std::chrono_literals::operator""s;

absl::Status Work(Connection& connection) {
  absl::Status status = connection.RunScript(
      "DROP TABLE IF EXISTS water; CREATE TABLE water(a int PRIMARY KEY, b longtext)");
  const std::string text(100'000, 'x');
  for (int i = 0; i < 3 && status.ok(); ++i) {
    status = connection.Run(Sql("INSERT INTO water VALUES ($1, $2)"), i, text);
  }
  if (!status.ok()) return status;
  if (connection.Run(Sql("INSERT INTO water VALUES (0, '')")).ok()) {
    return absl::InternalError("a key that is taken was taken again");
  }
  const absl::StatusOr<std::string> read =
      QueryOne<std::string>(connection, Sql("SELECT b FROM water WHERE a = 1"));
  if (!read.ok()) return read.status();
  return *read == text ? absl::OkStatus() : absl::DataLossError("another text");
}

absl::Status CheckTls(Connection& connection) {
  const absl::StatusOr<int64_t> encrypted = QueryOne<int64_t>(
      connection, Sql("SELECT VARIABLE_VALUE <> '' FROM information_schema.SESSION_STATUS WHERE "
                      "VARIABLE_NAME = 'Ssl_cipher'"));
  if (!encrypted.ok()) return encrypted.status();
  return *encrypted != 0 ? absl::OkStatus() : absl::FailedPreconditionError("without TLS");
}

int Main(const std::string& uri) {
  MysqlBackend backend({.uri = uri});
  const auto deadline = [] { return Deadline::After(NativePlatform().Now(), 120s); };
  support::HeldConnection held(backend, NativePlatform(), Role::kAny, 8, deadline());
  absl::Status status = held.status();
  const unsigned char* const stack = LatestStack();
  if (status.ok()) {
    held->set_deadline(deadline());
    status = CheckTls(*held);
  }
  if (status.ok()) status = Work(*held);
  if (status.ok()) status = ConnectionAccess::Reset(*held, deadline());
  if (status.ok()) status = Work(*held);
  held.Close();
  if (!status.ok() || stack == nullptr) {
    std::fprintf(stderr, "%s\n", status.ToString().c_str());
    return 1;
  }
  std::printf("used %zu of %zu bytes, %s\n", UsedBytesOf(stack), Link::kStackBytes,
              IsGuarded(stack) ? "guarded" : "not guarded");
  return 0;
}

}  // namespace
}  // namespace roost::mysql

int main(int count, char** arguments) {
  if (count == 2) return roost::mysql::Main(arguments[1]);
  std::fprintf(stderr, "Usage: %s URI\n", arguments[0]);
  return 2;
}
