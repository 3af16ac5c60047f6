// Servers that do what they should not in a session: nobody waits longer than the deadline, and nobody reads what
// is not there.
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "tests/mysql/hostile_cases.h"

namespace roost::mysql {
namespace {

using namespace std::string_view_literals;

// The status of `sql`, to which the server answers `answer`.
absl::Status Ask(const std::function<void(Client&)>& answer, Duration time = 20s) {
  HostileServer server([&](Client& client) {
    if (!client.SignIn()) return;
    client.Receive();
    answer(client);
    client.Wait();
  });
  Session session(MysqlOptions{.uri = server.Uri()});
  if (!session.ok()) return absl::InternalError("no session: " + session.message());
  session->set_deadline(In(time));
  const absl::Status status = session->Run(Sql("SELECT a"));
  if (ConnectionAccess::Inspect(*session) == SessionState::kBroken) {
    EXPECT_FALSE(session->Run(Sql("SELECT b")).ok());
  }
  return status;
}

TEST(HostileTest, AnswersThatAreNoneCloseTheConnection) {
  const std::pair<const char*, std::string> answers[] = {
      {"an empty packet", Packet("", 1)},
      {"another number", Packet("\0\x01\0\0\0\x01\0\0\0\0\0\0"sv, 9)},
      {"more columns than it sends", Packet("\0\x01\0\0\0\xff\xff\0\0\0\0\0"sv, 1)},
      {"a long packet", std::string("\xff\xff\xff\x01", 4) + std::string(2'000'000, 'x')},
      {"an error without a text", Packet("\xff"sv, 1)},
      {"the end", Packet("\xfe\0\0\x02\0"sv, 1)},
  };
  for (const auto& each : answers) {
    const auto& name = each.first;
    const std::string& bytes = each.second;
    const absl::Status status = Ask([&](Client& client) { client.Send(bytes); }, kShort);
    EXPECT_FALSE(status.ok()) << name;
  }
}

TEST(HostileTest, AFileIsNotSent) {
  std::string received;
  HostileServer server([&](Client& client) {
    if (!client.SignIn()) return;
    while (!client.Receive().empty()) client.Send(Packet("\xfb/etc/passwd"sv, 1));
  });
  {
    Session session(MysqlOptions{.uri = server.Uri()});
    ASSERT_TRUE(session.ok()) << session.status();
    session->set_deadline(In(1s));
    EXPECT_FALSE(session->RunScript("SELECT 1").ok());
  }
  EXPECT_THAT(server.received(), Not(HasSubstr("root:")));
}

TEST(HostileTest, RowsWithoutEndMeetTheDeadline) {
  const absl::Status status = Ask(
      [](Client& client) {
        client.Send(Prepared());
        client.Receive();  // the execute
        client.Send(OneColumn(MYSQL_TYPE_VAR_STRING, 1));
        std::string rows;
        for (int i = 0; i < 500; ++i) rows += Packet("\0\0\x05words"sv, 4 + i);
        for (int i = 0; i < 200'000 / 500; ++i) client.Send(rows);
      },
      50ms);
  EXPECT_FALSE(status.ok()) << status;
}

// Each flood is ended by its bytes or by the deadline, whichever comes first.
TEST(HostileTest, NoFloodIsReadPastTheDeadline) {
  const std::pair<const char*, std::function<void(Client&)>> floods[] = {
      {"in a prepare", [](Client& client) { client.Flood(Packet(kProgress, 1)); }},
      {"of good answers to a prepare", [](Client& client) { client.Flood(Ok(1)); }},
      {"in an execute",
       [](Client& client) {
         client.Send(Prepared());
         client.Receive();
         client.Flood(Packet(kProgress, 1));
       }},
      {"between rows",
       [](Client& client) {
         client.Send(Prepared());
         client.Receive();
         client.Send(OneColumn(MYSQL_TYPE_VAR_STRING, 1));
         client.Flood(Packet(kProgress, 4));
       }},
      {"of results",
       [](Client& client) {
         client.Send(Packet("\0\x01\0\0\0\0\0\0\0\0\0\0"sv, 1));
         client.Receive();
         client.Flood(Packet("\0\0\0\x0a\0\0\0"sv, 1));
       }},
  };
  for (const auto& each : floods) {
    const absl::Status status = Ask(each.second, kShort);
    EXPECT_TRUE(absl::IsResourceExhausted(status) || absl::IsDeadlineExceeded(status) ||
                absl::IsUnavailable(status) || absl::IsUnknown(status))
        << each.first << status;
  }
}

TEST(HostileTest, AFloodOfResultsOfAScriptMeetsTheDeadline) {
  HostileServer server([&](Client& client) {
    if (!client.SignIn()) return;
    client.Receive();
    client.Send(Packet("\xfe\0\0\x02\0"sv, 1));  // several statements are allowed
    client.Receive();
    client.Flood(Packet("\0\0\0\x0a\0\0\0"sv, 1));
  });
  Session session(MysqlOptions{.uri = server.Uri()});
  ASSERT_TRUE(session.ok()) << session.status();
  session->set_deadline(In(kShort));
  EXPECT_EQ(session->RunScript("INSERT INTO t VALUES (1)").code(), StatusCode::kUnknown);
}

// Descriptions of columns are held until the last has come.
TEST(HostileTest, LongDescriptionsOfColumnsAreRefused) {
  const auto columns = [](Client& client, int count) {
    const std::string name(900'000, 'n');
    for (int i = 0; i < count; ++i) {
      std::string payload(
          "\x03"
          "def\0\0\0"sv);
      payload += "\xfd\xa0\xbb\x0d"sv;  // 900,000, in three bytes
      payload += name + '\0';
      payload += "\x0c\x2d\0\xff\0\0\0\xfd\0\0\0\0\0"sv;
      if (!client.Send(Packet(payload, 2 + i))) return;
    }
    client.Send(Packet("\xfe\0\0\x02\0"sv, 2 + count));
  };
  const absl::Status prepared = Ask([&](Client& client) {
    client.Send(Packet("\0\x01\0\0\0\x90\x01\0\0\0\0\0"sv, 1));  // 400 columns
    columns(client, 400);
  });
  EXPECT_EQ(prepared.code(), StatusCode::kResourceExhausted) << prepared;
  EXPECT_THAT(std::string(prepared.message()), HasSubstr("max_result_bytes"));
  const absl::Status run = Ask([&](Client& client) {
    client.Send(Prepared());
    client.Receive();
    client.Send(Packet("\xfc\x90\x01"sv, 1));
    columns(client, 400);
  });
  EXPECT_EQ(run.code(), StatusCode::kResourceExhausted) << run;
}

TEST(HostileTest, UnknownErrorsAreAboutTheStatement) {
  const absl::Status status =
      Ask([](Client& client) { client.Send(Error(65001, "HY000", "what", 1)); });
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition) << status;
  EXPECT_EQ(MysqlErrno(status), 65001);
}

// Of reports about vertx-jdbc-client and DBProxy: what was done in a transaction that nobody had begun was
// acknowledged, and rolled back later.
TEST(HostileTest, ATransactionThatTheServerOpensByItselfIsNoCommit) {
  HostileServer server([](Client& client) {
    if (!client.SignIn()) return;
    // The answer to each packet: done, and in a transaction.
    while (!client.Receive().empty()) client.Send(Packet("\0\0\0\x03\0\0\0"sv, 1));
  });
  Session session(MysqlOptions{.uri = server.Uri()});
  ASSERT_TRUE(session.ok()) << session.status();
  const absl::Status status = session->RunScript("INSERT INTO t VALUES (1)");
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition) << status;
  EXPECT_EQ(ConnectionAccess::Inspect(*session), SessionState::kBroken);
  EXPECT_EQ(session->RunScript("INSERT INTO t VALUES (2)"), status);
}

TEST(HostileTest, TextOfAServerIsNoMeansOfAttack) {
  const absl::Status status = Ask([](Client& client) {
    client.Send(Error(1064, "42000", "bad\x1b[2J\r\n\xe2\x80\xae" + std::string(5000, 'x'), 1));
  });
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message().find('\x1b'), std::string::npos);
  EXPECT_LT(status.message().size(), 1000u);
}

// ---- each of these, and then a server as it should be --------------------------------------------

// Behind the sign-in the answers to one packet after the other.
Case Answers(const char* name, std::vector<std::string> answers, char more = 0) {
  return {name, [answers = std::move(answers), more](Client& client) {
            if (!client.SignIn(more)) return;
            for (const std::string& answer : answers) {
              if (client.Receive().empty()) return;
              client.Send(answer);
            }
            client.Wait();
          }};
}

std::string Row(std::string_view content, int number) {
  return Packet(std::string("\0\0", 2) + std::string(content), number);
}
constexpr char kBulk = 4;
const std::string kNoColumns = Packet("\0\x01\0\0\0\0\0\0\0\0\0\0"sv, 1);

TEST_F(HostileCases, AnswersThatAreMalformed) {
  const std::string one_column = Prepared();
  const auto rows = [&](std::string_view row, int type = MYSQL_TYPE_VAR_STRING) {
    return std::vector<std::string>{one_column, OneColumn(type, 1) + Row(row, 4)};
  };
  ExpectRefused({
      Answers("an error of two bytes", {Packet("\xff\x10"sv, 1)}),
      Answers("an error without a state", {Packet("\xff\x10\x04what"sv, 1)}),
      Answers("the number 0 as an error", {Error(0, "00000", "nothing", 1)}),
      Answers("an error of the client's numbers", {Error(2013, "HY000", "lost", 1)}),
      Answers("no statement's number", {Packet("\0\x01"sv, 1)}),
      Answers("an OK that is cut", {kNoColumns, Packet("\0\xfe\x01"sv, 1)}),
      Answers("a count of 2^64 columns",
              {one_column, Packet("\xfe\xff\xff\xff\xff\xff\xff\xff\xff"sv, 1)}),
      Answers("a count of 65535 columns", {one_column, Packet("\xfc\xff\xff"sv, 1)}),
      Answers("a count that is NULL", {one_column, Packet("\xfb"sv, 1)}),
      Answers("a file", {one_column, Packet("\xfb/etc/passwd"sv, 1)}),
      Answers("a column of no bytes", {one_column, Packet("\x01", 1) + Packet("", 2)}),
      Answers("a column whose name is longer than its packet",
              {one_column, Packet("\x01", 1) + Packet("\x03"
                                                      "def\0\0\0\xfa"
                                                      "a"sv,
                                                      2)}),
      Answers("rows that do not begin", {one_column, OneColumn(MYSQL_TYPE_LONG, 1)}),
      Answers("another number of columns than at first",
              {kNoColumns, Packet("\x02", 1) + OneColumn(MYSQL_TYPE_LONG, 2).substr(5)}),
      Answers("a text that is longer than its row", rows("\xfa"
                                                         "short")),
      Answers("a text of 2^64 bytes", rows("\xfe\xff\xff\xff\xff\xff\xff\xff\x7f"
                                           "short"sv)),
      Answers("65535 values", {Packet("\0\x01\0\0\0\0\0\xff\xff\0\0\0"sv, 1)}),
      Answers("values that are wanted and were not told",
              {Packet("\0\x01\0\0\0\0\0\x01\0\0\0\0"sv, 1)}),
      Answers("results without end", {kNoColumns, Packet("\0\0\0\x0a\0\0\0"sv, 1)}),
  });
}

// Behind these nothing has to be wrong for the library; nobody reads what is not there.
TEST_F(HostileCases, RowsThatAreShort) {
  for (const int type :
       {MYSQL_TYPE_LONG, MYSQL_TYPE_LONGLONG, MYSQL_TYPE_DOUBLE, MYSQL_TYPE_DATETIME,
        MYSQL_TYPE_TIME, MYSQL_TYPE_BIT, MYSQL_TYPE_NEWDECIMAL}) {
    for (const std::string& content : {std::string(), std::string("\x01"), std::string("\xc8zz")}) {
      const std::string answer =
          OneColumn(type, 1) + Row(content, 4) + Packet("\xfe\0\0\x02\0"sv, 5);
      Survive(Answers("a short row", {Prepared(), answer})).IgnoreError();
    }
  }
}

// A server that takes a statement together with its run, and answers what it likes.
TEST_F(HostileCases, AStatementAndItsRunInOneTrip) {
  const std::string error = Error(1064, "42000", "wrong", 1);
  const auto both = [](const char* name, std::string bytes) {
    return Case{name, [bytes = std::move(bytes)](Client& client) {
                  if (!client.SignIn(kBulk)) return;
                  client.Receive();
                  client.Receive();
                  client.Send(bytes);
                  client.Wait();
                }};
  };
  const std::string more_results = Packet("\0\0\0\x0a\0\0\0"sv, 1);
  ExpectRefused({
      both("nothing", ""),
      both("one answer", kNoColumns),
      both("half of one", kNoColumns.substr(0, 7)),
      both("an error and nothing", error),
      both("an error, and yet it was run", error + Ok(1)),
      both("an error, and rows", error + OneColumn(MYSQL_TYPE_LONG, 1)),
      both("an error, and more results", error + more_results),
      both("values that nobody has", Packet("\0\x01\0\0\0\0\0\x07\0\0\0\0"sv, 1) + Ok(1)),
      both("a file", kNoColumns + Packet("\xfb/etc/passwd"sv, 1)),
      both("an empty packet", Packet("", 1) + Ok(1)),
      both("columns without end", Packet("\0\x01\0\0\0\xff\xff\0\0\0\0\0"sv, 1)),
  });
}

TEST_F(HostileCases, WhatHasNoEnd) {
  const auto flood = [](const char* name, std::string first, std::string again, char more = 0) {
    return Case{name, [first = std::move(first), again = std::move(again), more](Client& client) {
                  if (!client.SignIn(more)) return;
                  client.Receive();
                  client.Send(first);
                  for (int i = 0; i < 3000; ++i) client.Send(again);
                  client.Wait();
                }};
  };
  std::string columns;
  for (int i = 0; i < 50; ++i) columns += OneColumn(MYSQL_TYPE_LONG, 2).substr(5, 30);
  std::string values;
  for (int i = 0; i < 50; ++i) values += Packet(std::string(1000, 'v'), i);
  ExpectRefused({
      flood("columns of a statement", Packet("\0\x01\0\0\0\xff\xff\0\0\0\0\0"sv, 1), values),
      flood("values of a statement", Packet("\0\x01\0\0\0\0\0\xff\xff\0\0\0"sv, 1), values),
      flood("columns of a statement and its run", Packet("\0\x01\0\0\0\xff\xff\0\0\0\0\0"sv, 1),
            values, kBulk),
      flood("columns that are none", Packet("\0\x01\0\0\0\xff\xff\0\0\0\0\0"sv, 1), columns),
      flood("a packet that goes on", "",
            std::string("\xff\xff\xff\x01", 4) + std::string(20000, 'x')),
  });
}

}  // namespace
}  // namespace roost::mysql
