#include "backends/postgres/conninfo.h"

#include <map>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace roost::postgres {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::string Value(const Conninfo& conninfo, const std::string& key) {
  std::string value = "-";
  for (const ConninfoOption& option : conninfo.options) {
    if (option.key == key) value = option.value;
  }
  return value;
}

char* NoVariables(const char*) { return nullptr; }

std::string Target(std::string_view text) { return DescribeTarget(text, NoVariables); }

// ---- Taking apart ----

TEST(ScanTest, AUriHasItsParts) {
  const Conninfo uri = ScanConninfo(
      "postgresql://node%207:a%3Ab@db.example.org:5433,[2001:db8::1]/farm%2F1?sslmode=require&a=b");
  EXPECT_TRUE(uri.is_uri && uri.readable);
  EXPECT_EQ(Value(uri, "user"), "node 7");
  EXPECT_EQ(Value(uri, "password"), "a:b");
  EXPECT_EQ(Value(uri, "host"), "db.example.org,2001:db8::1");
  EXPECT_EQ(Value(uri, "port"), "5433,");
  EXPECT_EQ(Value(uri, "dbname"), "farm/1");
  EXPECT_EQ(Value(uri, "sslmode"), "require");
  EXPECT_EQ(Value(uri, "a"), "b");
}

TEST(ScanTest, KeywordsMayBeQuotedAndEscaped) {
  const Conninfo pairs = ScanConninfo(" host = db  password='it\\'s a \\\\ secret' dbname=f\\ 1 ");
  EXPECT_TRUE(pairs.readable);
  EXPECT_EQ(Value(pairs, "host"), "db");
  EXPECT_EQ(Value(pairs, "password"), "it's a \\ secret");
  EXPECT_EQ(Value(pairs, "dbname"), "f 1");
}

TEST(ScanTest, WhatLibpqWillRefuseIsUnreadable) {
  EXPECT_FALSE(ScanConninfo("farm").readable);
  EXPECT_FALSE(ScanConninfo("host=a password=my secret").readable);
  EXPECT_FALSE(ScanConninfo("host='a").readable);
  EXPECT_FALSE(ScanConninfo("postgresql://u:pa/ss@host/db").readable);
  EXPECT_FALSE(ScanConninfo("postgresql://u:12/34@host/db").readable);
  EXPECT_FALSE(ScanConninfo("postgresql://host/db?sslmode").readable);
}

TEST(ScanTest, AListKeepsItsEmptyElements) {
  EXPECT_THAT(SplitList("a,,b"), ElementsAre("a", "", "b"));
  EXPECT_THAT(SplitList(""), ElementsAre(""));
}

// ---- Our own option ----

TEST(OwnOptionsTest, ThePoolerIsTakenOutWhereverItStands) {
  const std::pair<const char*, const char*> kCases[] = {
      {"postgresql://h/d?pooler=transaction", "postgresql://h/d"},
      {"postgresql://h/d?pooler=transaction&a=b", "postgresql://h/d?a=b"},
      {"postgresql://h/d?a=b&pooler=transaction", "postgresql://h/d?a=b"},
      {"postgresql://h/d?a=b&pooler=transaction&c=d", "postgresql://h/d?a=b&c=d"},
      {"postgresql://u:p?pooler=x@h/d?pooler=transaction", "postgresql://u:p?pooler=x@h/d"},
      {"pooler=transaction", ""},
      {"host=h pooler='transaction' dbname=d", "host=h  dbname=d"},
      {"host=h pooler = transaction", "host=h "},
  };
  for (const auto& [text, rest] : kCases) {
    const absl::StatusOr<OwnOptions> own = TakeOwnOptions(text);
    ASSERT_TRUE(own.ok()) << text << ": " << own.status();
    EXPECT_TRUE(own->transaction_pooler) << text;
    EXPECT_EQ(own->conninfo, rest) << text;
  }
}

TEST(OwnOptionsTest, ASessionPoolerIsNothingSpecial) {
  const absl::StatusOr<OwnOptions> own = TakeOwnOptions("host=h pooler=session");
  ASSERT_TRUE(own.ok());
  EXPECT_FALSE(own->transaction_pooler);
  EXPECT_EQ(own->conninfo, "host=h ");
}

TEST(OwnOptionsTest, AnotherPoolerIsRefusedWithTheChoice) {
  const absl::Status status = TakeOwnOptions("host=h pooler=statement").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("may be transaction or session"));
}

TEST(OwnOptionsTest, WithoutItTheTextIsUntouched) {
  EXPECT_EQ(TakeOwnOptions("postgresql://h/d?a=%20b")->conninfo, "postgresql://h/d?a=%20b");
  EXPECT_EQ(TakeOwnOptions("not a string at all")->conninfo, "not a string at all");
}

// ---- For a log ----

TEST(TargetTest, ShowsHostsPortsAndDatabaseOnly) {
  EXPECT_EQ(Target("postgresql://node:secret@db.example.org/farm"), "db.example.org:5432/farm");
  EXPECT_EQ(Target("postgresql://a:1,b,[::1]:3/farm"), "a:1,b:5432,[::1]:3/farm");
  EXPECT_EQ(Target("host=a,b port=7 password='x y' dbname=d"), "a:7,b:7/d");
  EXPECT_EQ(Target("hostaddr=10.0.0.5 user=u"), "10.0.0.5:5432");
  EXPECT_EQ(Target("postgresql://%2Frun%2Fpg/d"), "/run/pg:5432/d");
  EXPECT_EQ(Target(""), "local socket:5432");
  for (const char* const text :
       {"postgresql://u:hunter@2@host/db", "postgresql://u:hunter/2@host/db", "password=hunter 2",
        "host=h password='hunter2'", "postgresql://host/db?password=hunter2",
        "postgresql://u:hunter2@host:1,other:2/db"}) {
    EXPECT_THAT(Target(text), AllOf(Not(HasSubstr("hunter")), Not(HasSubstr("2@")))) << text;
  }
}

TEST(TargetTest, TakesTheRestFromTheEnvironment) {
  const auto variables = [](const char* name) -> char* {
    static char host[] = "far.example.org";
    static char database[] = "barn";
    if (std::string_view(name) == "PGHOST") return host;
    return std::string_view(name) == "PGDATABASE" ? database : nullptr;
  };
  EXPECT_EQ(DescribeTarget("", variables), "far.example.org:5432/barn");
  EXPECT_EQ(DescribeTarget("postgresql://near/farm", variables), "near:5432/farm");
}

TEST(TargetTest, NeverShowsAPieceOfAPassword) {
  for (const char* const text :
       {"postgresql://u:hun/ter2@host/db", "postgresql://u:12/hunter@host/db",
        "host=h password=my hunter2", "password='hunter", "hunter2",
        "postgresql://h/d?password=a&hunter"}) {
    EXPECT_THAT(Target(text), Not(HasSubstr("hun"))) << text;
  }
}

// ---- libpq's sentences ----

TEST(WithoutSecretsTest, KeysAndSingleCharactersStay) {
  EXPECT_EQ(WithoutSecrets("invalid connection option \"hots\"\n", "hots=a"),
            "invalid connection option \"hots\"");
  EXPECT_EQ(WithoutSecrets("invalid URI query parameter: \"sslmod\"", "postgresql://h/d?sslmod=x"),
            "invalid URI query parameter: \"sslmod\"");
}

TEST(WithoutSecretsTest, EverythingElseIsLeftOut) {
  EXPECT_EQ(WithoutSecrets("missing \"=\" after \"hunter2\" in connection info string",
                           "password=my hunter2"),
            "missing \"=\" after \"...\" in connection info string");
  EXPECT_EQ(WithoutSecrets("missing \"=\" after \"hun\"ter2\" in connection info string",
                           "password=my hun\"ter2"),
            "missing \"=\" after \"...\" in connection info string");
  EXPECT_EQ(WithoutSecrets("invalid connection option \"hunter2\"", "password=my hunter2=x"),
            "invalid connection option \"...\"");
  EXPECT_EQ(WithoutSecrets("unexpected character \"x\" in position 9 in URI (expected \":\" or "
                           "\"/\"): \"postgresql://u:hunter2@[::1]x/d\"",
                           "postgresql://u:hunter2@[::1]x/d"),
            "unexpected character \"x\" in position 9 in URI (expected \":\" or \"/\"): \"...\"");
}

TEST(WithoutSecretsTest, InAnotherLanguageNothingIsShown) {
  EXPECT_THAT(WithoutSecrets("« = » manquant après « hunter2 »", "password=my hunter2"),
              Not(HasSubstr("hunter2")));
}

}  // namespace
}  // namespace roost::postgres
