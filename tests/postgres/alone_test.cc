// A statement that is prepared and has nothing in front of it: it goes alone, one row is taken at once,
// and a socket that has answered a moment ago is not looked at.
#include <array>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "backends/postgres/pq_connection.h"
#include "backends/postgres/statement_name.h"
#include "roost/query.h"
#include "tests/postgres/postgres_test_support.h"
#include "tests/support/connection_access.h"

namespace roost::postgres {
namespace {

constexpr int kLeastResult = 64 << 10;

class AloneTest : public SessionTest {
 protected:
  AloneTest() { Prime(); }
  // From here on they are prepared. No time passes but by Forward.
  void Prime() {
    EXPECT_OK(session->Run(kAdd, -1));
    EXPECT_OK(session->Prepare(kCount).status());
    session.platform().StopCoarse();
    EXPECT_OK(session->Run(kCount));
  }
  int Looks() {
    const int now = session.platform().looks();
    return now - std::exchange(looks_, now);
  }
  void EndSession() {
    Server().Sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'node'");
    ASSERT_TRUE(Server().WaitForSessions(0));
  }

  Session session;

 private:
  int looks_ = 0;
};

// ---- looks at the socket ----

TEST_F(AloneTest, AReadBehindAnAnswerTakesNoLook) {
  Looks();
  EXPECT_OK(session->Run(kCount));
  EXPECT_EQ(*QueryOne<int>(*session, kCount), 1);
  EXPECT_EQ(ConnectionAccess::Probe(*session), Liveness::kAlive);
  EXPECT_EQ(Looks(), 0);
}

TEST_F(AloneTest, AReadAfterARestTakesOne) {
  session.platform().Forward(kRest);
  Looks();
  EXPECT_EQ(ConnectionAccess::Probe(*session), Liveness::kAlive);
  EXPECT_EQ(Looks(), 1);
  EXPECT_OK(session->Run(kCount));
  EXPECT_EQ(Looks(), 1);
  EXPECT_OK(session->Run(kCount));
  EXPECT_EQ(Looks(), 0);
}

// What was not sent to a dead connection has certainly not happened.
TEST_F(AloneTest, AWriteAlwaysTakesOne) {
  Looks();
  EXPECT_OK(session->Run(kAdd, 1));
  EXPECT_OK(session->Run(kAdd, 2));
  EXPECT_EQ(Looks(), 2);
}

TEST_F(AloneTest, AWriteToASessionThatHasJustEndedHasNotHappened) {
  EndSession();
  EXPECT_EQ(session->Run(kAdd, 1).code(), StatusCode::kUnavailable);
  EXPECT_EQ(ConnectionAccess::Probe(*session), Liveness::kDead);
}

TEST_F(AloneTest, AReadOfASessionThatHasJustEndedIsToBeTriedAgain) {
  EndSession();
  const absl::Status status = session->Run(kCount);
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_EQ(PostgresSqlState(status), "57P01");
  EXPECT_EQ(ConnectionAccess::Probe(*session), Liveness::kDead);
}

// ---- one row ----

TEST_F(AloneTest, OneRowIsReadAsAnyOther) {
  const Sql kKinds("SELECT $1::int, 'text', '\\x00ff'::bytea, NULL::int, ''");
  for (int i = 0; i < 3; ++i) {
    const auto row =
        QueryOne<int, std::string, std::vector<std::byte>, std::optional<int>, std::string>(
            *session, kKinds, i);
    ASSERT_OK(row.status());
    EXPECT_EQ(std::get<0>(*row), i);
    EXPECT_EQ(std::get<1>(*row), "text");
    EXPECT_EQ(std::get<2>(*row), (std::vector<std::byte>{std::byte{0}, std::byte{0xff}}));
    EXPECT_EQ(std::get<3>(*row), std::nullopt);
    EXPECT_EQ(std::get<4>(*row), "");
  }
}

TEST_F(AloneTest, NoneAndTwoAreErrorsAndTheConnectionGoesOn) {
  const Sql kSome("SELECT '\\x01'::bytea, n FROM generate_series(1, $1) n");
  for (int i = 0; i < 3; ++i) {
    using Bytes = std::vector<std::byte>;
    EXPECT_EQ((QueryOne<Bytes, int>(*session, kSome, 0).status().code()), StatusCode::kNotFound);
    EXPECT_OK((QueryOne<Bytes, int>(*session, kSome, 1).status()));
    EXPECT_EQ((QueryOne<Bytes, int>(*session, kSome, 2).status().code()),
              StatusCode::kInvalidArgument);
    EXPECT_TRUE(ConnectionAccess::IsPristine(*session));
  }
}

// It is not told before it is committed.
TEST_F(AloneTest, ARowWhoseCommitFailsIsNone) {
  Server().Sql(
      "ALTER TABLE t DROP CONSTRAINT t_pkey, ADD UNIQUE (a) DEFERRABLE INITIALLY DEFERRED");
  const Sql kReturning("INSERT INTO t VALUES ($1) RETURNING a");
  EXPECT_EQ(*QueryOne<int>(*session, kReturning, 1), 1);
  const absl::Status status = QueryOne<int>(*session, kReturning, 1).status();
  EXPECT_EQ(status.code(), StatusCode::kAlreadyExists) << status;
  EXPECT_EQ(Server().Sql("SELECT count(*) FROM t WHERE a = 1"), "1");
}

TEST_F(AloneTest, OneRowIsWhatMaxResultBytesAllows) {
  Session small(PostgresOptions{.uri = Server().Uri(), .max_result_bytes = kLeastResult});
  const Sql kLong("SELECT repeat('x', $1)");
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(QueryOne<std::string>(*small, kLong, 60'000)->size(), 60'000u);
  }
  EXPECT_EQ(QueryOne<std::string>(*small, kLong, 200'000).status().code(),
            StatusCode::kResourceExhausted);
}

// Rows that nobody wants are not gathered without a bound.
TEST_F(AloneTest, ManyRowsInPlaceOfOneAreBoundedAndByQueryAsManyAsThereAre) {
  Session small(PostgresOptions{.uri = Server().Uri(), .max_result_bytes = kLeastResult});
  const Sql kMany("SELECT repeat('x', 1000) FROM generate_series(1, 5000)");
  for (int i = 0; i < 3; ++i) {
    Rows rows = (*small->Prepare(kMany))->Query();
    int count = 0;
    while (rows.Next()) ++count;
    EXPECT_OK(rows.status());
    EXPECT_EQ(count, 5000);
  }
  EXPECT_EQ(QueryOne<std::string>(*small, kMany).status().code(), StatusCode::kResourceExhausted);
}

// ---- what is called how ----

TEST(StatementNameTest, HasEveryDigitOfTheHash) {
  std::array<char, StatementName::kSize> name;
  StatementName{.hash = 0x0123'4567'89ab'cdef, .serial = 0xffff'ffff}.Write(name);
  EXPECT_STREQ(name.data(), "roost_0123456789abcdef_ffffffff");
  StatementName{.hash = 0x9a, .serial = 1}.Write(name);
  EXPECT_STREQ(name.data(), "roost_000000000000009a_1");
}

}  // namespace
}  // namespace roost::postgres
