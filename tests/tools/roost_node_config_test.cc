// The settings of roost-node: the file of --config, and where a password may come from.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <variant>
#include <vector>

#include "tests/support/temp_dir.h"
#include "tools/common/config_file.h"
#include "tools/common/make_backend.h"
#include "tools/common/remote_uri.h"
#include "tools/roost-node/options.h"

namespace roost::tools {
namespace {

using namespace std::chrono_literals;

TEST(ConfigTest, ReadsKeysAndValues) {
  const auto settings = ParseConfig("f",
                                    "# a comment\n"
                                    "\n"
                                    "every = 5s\r\n"
                                    "  db=\"/a b#c\"  # why\n"
                                    "; another\n"
                                    "name\t=\tnode7 # behind\n"
                                    "remote = 'host=a password=x'\n"
                                    "status-file =\n"
                                    "root = a#b");
  ASSERT_TRUE(settings.ok()) << settings.status();
  std::vector<std::string> seen;
  for (const Setting& s : *settings) {
    seen.push_back(std::to_string(s.line) + " " + s.key + "=" + s.value);
  }
  EXPECT_EQ(seen, (std::vector<std::string>{"3 every=5s", "4 db=/a b#c", "6 name=node7",
                                            "7 remote=host=a password=x",
                                            "8 status-file=", "9 root=a#b"}));
}

TEST(ConfigTest, SaysInWhichLineWhatIsWrong) {
  const struct {
    const char* text;
    const char* says;
  } cases[] = {
      {"every 5s\n", "f:1: not a setting; write KEY = VALUE"},
      {"\n= 5s\n", "f:2: not a setting"},
      {"[remote]\n", "f:1: there are no sections"},
      {"db = \"/a\n", "f:1: db: the quotes"},
      {"db = \"/a\" b\n", "f:1: db: the quotes"},
      {"every=1s\nevery=2s\n", "f:2: every is set in line 1 already"},
  };
  for (const auto& [text, says] : cases) {
    const auto settings = ParseConfig("f", text);
    EXPECT_TRUE(absl::IsInvalidArgument(settings.status())) << text;
    EXPECT_EQ(settings.status().message().substr(0, std::string(says).size()), says) << text;
  }
}

TEST(RemoteUriTest, TakesWhatLibpqTakes) {
  for (const char* good : {"postgresql://u@h/db", "postgres://h", "postgresql:///db?host=/tmp",
                           "host=h dbname=db", "service=farm"}) {
    EXPECT_TRUE(CheckRemoteUri(good).ok()) << good;
  }
  for (const char* bad : {"h/db", "http://h/?a=b", "postgresql", "mysql", "mysql:/h/db", ""}) {
    const absl::Status wrong = CheckRemoteUri(bad);
    EXPECT_TRUE(absl::IsInvalidArgument(wrong)) << bad;
    EXPECT_NE(wrong.message().find("mysql://USER@HOST"), std::string_view::npos) << wrong;
  }
}

TEST(RemoteUriTest, TakesWhatTheMysqlBackendTakes) {
  for (const char* good :
       {"mysql://u@h/db", "mariadb://h", "mysql://u@[::1]:3307,b/db?sslmode=require",
        "mysql://u@localhost/db?socket=/run/mysqld/mysqld.sock"}) {
    EXPECT_EQ(CheckRemoteUri(good).ok(), HasMysql()) << good << CheckRemoteUri(good);
    EXPECT_FALSE(HasPassword(good)) << good;
  }
  for (const char* bad : {"mysql://u:secret@h:x/db", "mysql://u:se/secret@h/db", "mysql://",
                          "mysql://u@h/db?password=secret", "mysql://u@h/db?charset=secret"}) {
    const absl::Status wrong = CheckRemoteUri(bad);
    EXPECT_TRUE(absl::IsInvalidArgument(wrong)) << bad;
    EXPECT_EQ(wrong.message().find("secret"), std::string_view::npos) << wrong;
  }
}

// Known by their beginnings; a text that is not known may be a password and is not shown.
TEST(RemoteUriTest, SaysWhatToWriteInPlaceOfAnAddressForOthers) {
  const struct {
    const char* bad;
    const char* says;
  } cases[] = {
      {"sqlite:///var/node.db", "a file of this machine"},
      {"jdbc:mysql://h/db?user=u&password=secret", "leave out jdbc:"},
      {"jdbc:postgresql://h/db", "leave out jdbc:"},
      {"mysql+pymysql://u:secret@h/db", "the plus sign"},
      {"mariadb+mariadbconnector://u:secret@h/db", "the plus sign"},
      {"postgresql+psycopg2://u:secret@h/db", "the plus sign"},
      {"mysqlx://u:secret@h/db", "X protocol"},
  };
  for (const auto& [bad, says] : cases) {
    const absl::Status wrong = CheckRemoteUri(bad);
    EXPECT_TRUE(absl::IsInvalidArgument(wrong)) << bad;
    EXPECT_NE(wrong.message().find(says), std::string_view::npos) << wrong;
    EXPECT_EQ(wrong.message().find("secret"), std::string_view::npos) << wrong;
  }
}

TEST(AddressTest, SaysWhichKindOfDatabaseItIs) {
  const struct {
    const char* text;
    DatabaseKind bare;
    std::optional<DatabaseKind> kind;
    const char* means;
  } cases[] = {
      {"sqlite:///var/node.db", DatabaseKind::kPostgres, DatabaseKind::kSqlite, "/var/node.db"},
      {"/var/a=b.db", DatabaseKind::kSqlite, DatabaseKind::kSqlite, "/var/a=b.db"},
      {":memory:", DatabaseKind::kSqlite, DatabaseKind::kSqlite, ":memory:"},
      {"postgres://h/db", DatabaseKind::kSqlite, DatabaseKind::kPostgres, "postgres://h/db"},
      {"host=h dbname=db", DatabaseKind::kPostgres, DatabaseKind::kPostgres, "host=h dbname=db"},
      {"mysql://h/db", DatabaseKind::kSqlite, DatabaseKind::kMysql, "mysql://h/db"},
      {"mariadb://h/?a=b", DatabaseKind::kPostgres, DatabaseKind::kMysql, "mariadb://h/?a=b"},
      {"mysqlx://h/db", DatabaseKind::kSqlite, std::nullopt, ""},
      {"http://h/?a=b", DatabaseKind::kPostgres, std::nullopt, ""},
      {"node.db", DatabaseKind::kPostgres, std::nullopt, ""},
  };
  for (const auto& [text, bare, kind, means] : cases) {
    const std::optional<DatabaseAddress> address = ParseAddress(text, bare);
    ASSERT_EQ(address.has_value(), kind.has_value()) << text;
    if (!kind.has_value()) continue;
    EXPECT_EQ(address->kind, *kind) << text;
    EXPECT_EQ(address->text, means);
  }
}

TEST(AddressTest, AServerIsNoLocalDatabase) {
  EXPECT_EQ(LocalPath("sqlite://node.db").value(), "node.db");
  for (const char* server : {"postgresql://u:secret@h/db", "mysql://u:secret@h/db"}) {
    const absl::Status wrong = LocalPath(server).status();
    EXPECT_TRUE(absl::IsInvalidArgument(wrong)) << server;
    EXPECT_EQ(wrong.message().find("secret"), std::string_view::npos);
  }
}

TEST(MakeBackendTest, MakesOneOfTheKindThatTheAddressNames) {
  EXPECT_EQ(MakeBackend({DatabaseKind::kSqlite, "/var/node.db"}, {})->kind(), "sqlite");
  const std::unique_ptr<Backend> server = MakeRemoteBackend("postgresql://u:secret@h:5433/db", {});
  EXPECT_EQ(server->kind(), "postgresql");
  EXPECT_EQ(server->target(), "h:5433/db");
  if (!HasMysql()) return;
  for (const char* uri : {"mysql://u:secret@h:3307/db", "mariadb://u:secret@h:3307/db"}) {
    const std::unique_ptr<Backend> mysql = MakeRemoteBackend(uri, {});
    EXPECT_EQ(mysql->kind(), "mysql");
    EXPECT_EQ(mysql->target(), "h:3307/db");
  }
}

TEST(RemoteUriTest, FindsAPasswordWhereverItMayStand) {
  for (const char* with :
       {"postgresql://u:pw@h/db", "postgres://:pw@h", "postgresql://u:p@w@h",
        "postgresql://u:p/w@h/db", "postgresql://u:p?w@h/db", "postgresql://u@h/db?password=pw",
        "postgresql://h/db?a=b&password=pw&c=d", "postgresql://h?%70assword=pw",
        "postgresql://h/db?sslpassword=pw", "host=h password=pw", "password = 'p w' host=h",
        "host='a b' password=pw", "host=a\\ b password=pw",
        // libpq refuses these; they could be read on a command line all the same.
        "postgresql://h/db?sslmode&password=pw", "postgresql://h/db?sslmode&%70assword=pw",
        "postgresql://u:p/geheim?x@h/d", "postgres://[?1]:/d?%70assword=@scret",
        "postgresql://u:1/2@h/db", "host=h sslmode password=pw", "host='h password=pw",
        "mysql://u:pw@h/db", "mariadb://:pw@h", "mysql://u:p/w@h/db", "mysql://h/db?password=pw",
        "mysql://u:p@w@h", "mysql://h?%70assword=pw"}) {
    EXPECT_TRUE(HasPassword(with)) << with;
  }
  for (const char* without :
       {"", "postgresql://u@h:5432/db", "postgresql://h:5432/db?application_name=a@b",
        "postgresql://u:@h/db", "postgresql://h/db?passfile=/etc/pw",
        "postgresql://h?password=", "host=h passfile=/p", "host='x password=y'", "dbname=password",
        "mysql://u@h:3306/db", "mysql://u:@h/db", "mysql://u@h/db?passfile=/etc/pw"}) {
    EXPECT_FALSE(HasPassword(without)) << without;
  }
}

// What stands where a host should is shown, and asked of the name service.
TEST(RemoteUriTest, RefusesWhatMayPutAPartOfAPasswordElsewhere) {
  for (const char* bad :
       {"postgresql://u:pa@hunter2@127.0.0.1/db", "postgresql://u:@hunter2@h/db",
        "postgresql://u:pa@hunter2/x@h/db", "postgresql://u:1/hunter2@h/db",
        "postgresql://u:pa@hunter2?port=1@h/db", "postgresql://me@corp:hunter2@h/db"}) {
    const absl::Status wrong = CheckRemoteUri(bad);
    EXPECT_TRUE(absl::IsInvalidArgument(wrong)) << bad;
    EXPECT_NE(wrong.message().find("%40"), std::string_view::npos) << bad << ": " << wrong;
    EXPECT_EQ(wrong.message().find("hunter2"), std::string_view::npos) << wrong;
    EXPECT_EQ(MakeRemoteBackend(bad, {})->target().find("hunter2"), std::string_view::npos) << bad;
    EXPECT_TRUE(HasPassword(bad)) << bad;
  }
  for (const char* bad : {"dbname=farm user=u host= password=hunter2",
                          "host=h dbname= password='hunter2' user=u", "host =  user=u"}) {
    const absl::Status wrong = CheckRemoteUri(bad);
    EXPECT_TRUE(absl::IsInvalidArgument(wrong)) << bad;
    EXPECT_NE(wrong.message().find("a value is missing"), std::string_view::npos) << wrong;
    EXPECT_EQ(MakeRemoteBackend(bad, {})->target().find("hunter2"), std::string_view::npos) << bad;
  }
  for (const char* good :
       {"postgresql://me%40corp:p%40w@h/db", "postgresql://u@h/db?application_name=a@b",
        "postgresql://u@%2Frun%2Fpg/db", "host = h password = 'a=b'",
        "host='' user=u dbname=a=b"}) {
    EXPECT_TRUE(CheckRemoteUri(good).ok()) << good;
  }
}

// ParseOptions as the program calls it.
class OptionsTest : public ::testing::Test {
 protected:
  ~OptionsTest() override {
    unsetenv("CREDENTIALS_DIRECTORY");
    unsetenv("RUNTIME_DIRECTORY");
  }
  std::string Put(const std::string& name, const std::string& text, mode_t mode = 0640) {
    const std::string path = folder_.File(name);
    std::ofstream(path) << text;
    EXPECT_EQ(chmod(path.c_str(), mode), 0);
    return path;
  }
  std::variant<Options, int> Parse(std::vector<std::string> words) {
    words.insert(words.begin(), "roost-node");
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    ::testing::internal::CaptureStderr();
    auto parsed = ParseOptions(static_cast<int>(words.size()), argv.data());
    said_ = ::testing::internal::GetCapturedStderr();
    return parsed;
  }
  Options Good(const std::vector<std::string>& words) {
    auto parsed = Parse(words);
    if (const auto* options = std::get_if<Options>(&parsed)) return *options;
    ADD_FAILURE() << said_;
    return {};
  }
  void ExpectWrong(const std::vector<std::string>& words, const std::string& says) {
    EXPECT_EQ(std::get<int>(Parse(words)), 2);
    EXPECT_NE(said_.find(says), std::string::npos) << "expected: " << says << "\ngot: " << said_;
    EXPECT_EQ(said_.find("secret"), std::string::npos) << said_;
  }

  support::TempDir folder_;
  const std::string db_ = folder_.File("node.db");
  std::string said_;
};

TEST_F(OptionsTest, TheFileCountsMoreThanTheDefaultAndLessThanTheCommandLine) {
  const std::string config = Put("conf",
                                 "every = 7s\nbatch = 20\nquiet = true\nname = of-file\n"
                                 "stdin = false\nheartbeat = 5m\n");
  const Options options = Good({"--config", config, "--db", db_, "--batch", "30"});
  EXPECT_EQ(options.every, 7s);
  EXPECT_EQ(options.batch, 30);
  EXPECT_TRUE(options.quiet);
  EXPECT_FALSE(options.from_stdin);
  EXPECT_EQ(options.name, "of-file");
  EXPECT_EQ(options.heartbeat, 5min);
  EXPECT_EQ(options.seal_every, 5s);
  EXPECT_FALSE(Good({"--config", config, "--db", db_, "--quiet=false"}).quiet);
}

TEST_F(OptionsTest, WhatIsKeptIsBoundedByFlags) {
  const Options none = Good({"--db", db_});
  EXPECT_EQ(none.keep, Duration::zero());
  EXPECT_EQ(none.db_size, 0);
  EXPECT_EQ(none.when_full, WhenFull::kDropOldest);
  EXPECT_EQ(none.reserve, 131072);
  const std::string config =
      Put("conf", "keep = 30d\ndb-size = 1.5G\nwhen-full = stop\nreserve = 0\n");
  const Options given = Good({"--config", config, "--db", db_});
  EXPECT_EQ(given.keep, 720h);
  EXPECT_EQ(given.db_size, int64_t{3} << 29);
  EXPECT_EQ(given.when_full, WhenFull::kStop);
  EXPECT_EQ(given.reserve, 0);
  const struct {
    const char* flag;
    const char* says;
  } wrong[] = {
      {"--keep=0s", "0s is too short; at least 60 s"},
      {"--keep=-1h", "negative"},
      {"--keep=30", "has no unit"},
      {"--keep=1000000d", "longer than 292 years"},
      {"--db-size=0", "0 is too little; at least 8"},
      {"--db-size=-1G", "negative"},
      {"--db-size=1M", "1M is too little"},
      {"--db-size=9999999T", "more than 2^62"},
      {"--db-size=1Q", "unknown unit"},
      {"--reserve=1", "or 0 for none"},
      {"--when-full=block", "is neither drop-oldest, thin nor stop"},
  };
  for (const auto& [flag, says] : wrong) ExpectWrong({"--db", db_, flag}, says);
}

TEST_F(OptionsTest, ReadingsAreForwardedWhereTheServerKnowsTheNode) {
  const std::string token = Put("token", "secret-token\n", 0600);
  const std::vector<std::string> remote = {"--db", db_, "--remote", "postgresql://u@h/d"};
  const auto with = [&remote](std::vector<std::string> more) {
    more.insert(more.begin(), remote.begin(), remote.end());
    return more;
  };
  const Options plain = Good(remote);
  EXPECT_FALSE(plain.forwards) << "nobody knows it: heartbeats only";
  EXPECT_EQ(plain.keep, Duration::zero());
  const Options sends = Good(with({"--token-file", token}));
  EXPECT_TRUE(sends.forwards);
  EXPECT_EQ(sends.keep, 720h);
  EXPECT_TRUE(sends.keep_unsent);
  EXPECT_EQ(sends.forward.batch, 500);
  EXPECT_EQ(sends.forward.every, 5s);
  EXPECT_EQ(sends.forward.alarm_age, 1h);
  const Options kept = Good(with({"--token-file", token, "--keep", "7d"}));
  EXPECT_EQ(kept.keep, 168h);
  EXPECT_FALSE(kept.keep_unsent) << "what is asked for is for all";
  EXPECT_FALSE(Good(with({"--token-file", token, "--no-forward"})).forwards);
  const Options table = Good(with({"--remote-table", "farm.readings", "--remote-key", "n,e,s"}));
  EXPECT_TRUE(table.forwards);
  EXPECT_EQ(table.forward.table, "farm.readings");
  EXPECT_EQ(table.forward.key, (std::vector<std::string>{"n", "e", "s"}));
  const std::string config =
      Put("conf",
          "forward-batch = 2000\nforward-every = 1m\norder = oldest-first\nrate = 20k/s\n"
          "budget = 300M/month\nbudget-day = 15\nalarm-age = 2d\nforward = false\n"
          "token-file = " +
              token + "\n");
  const Options given = Good(with({"--config", config}));
  EXPECT_FALSE(given.forwards);
  EXPECT_TRUE(Good(with({"--config", config, "--forward"})).forwards);
  EXPECT_EQ(given.forward.batch, 2000);
  EXPECT_EQ(given.forward.every, 1min);
  EXPECT_EQ(given.forward.order, ForwardOptions::Order::kOldestFirst);
  EXPECT_EQ(given.forward.rate, 20'480);
  EXPECT_EQ(given.forward.budget, int64_t{300} << 20);
  EXPECT_EQ(given.forward.budget_day, 15);
  EXPECT_EQ(given.forward.alarm_age, 48h);
  const struct {
    std::vector<std::string> flags;
    const char* says;
  } wrong[] = {
      {{"--forward"}, "--token-file"},
      {{"--token-file", folder_.File("none")}, "cannot read"},
      {{"--token-file", token, "--order", "newest"}, "neither fresh-first nor oldest-first"},
      {{"--token-file", token, "--forward-batch", "0"}, "--forward-batch"},
      {{"--token-file", token, "--forward-batch", "5001"}, "--forward-batch"},
      {{"--token-file", token, "--forward-every", "5"}, "has no unit"},
      {{"--token-file", token, "--rate", "10"}, "10 is too little; at least 256/s"},
      {{"--token-file", token, "--rate", "20kbit"}, "unknown unit"},
      {{"--token-file", token, "--budget", "1k"}, "at least 1048576/month"},
      {{"--token-file", token, "--budget-day", "29"}, "--budget-day"},
      {{"--token-file", token, "--alarm-age", "0s"}, "too short"},
      {{"--token-file", token, "--remote-table", "t"}, "takes no token"},
      {{"--remote-table", "a b"}, "is no name"},
      {{"--remote-table", "a.b.c"}, "is no name"},
      {{"--remote-table", "t", "--remote-key", "a,b"}, "has 2 columns; write three"},
      {{"--remote-table", "t", "--order", "fresh-first"}, "oldest-first only"},
  };
  for (const auto& [flags, says] : wrong) ExpectWrong(with(flags), says);
  ExpectWrong({"--db", db_, "--forward"}, "there is no --remote");
  EXPECT_FALSE(Good({"--db", db_, "--config", config, "--forward", "--remote", ""}).forwards)
      << "none on purpose, as a new release is tried out";
  ExpectWrong({"--db", db_, "--token-file", token}, "there is no --remote");
  if (HasMysql()) {
    ExpectWrong({"--db", db_, "--remote", "mysql://u@h/d", "--forward"}, "to PostgreSQL only");
    EXPECT_FALSE(Good({"--db", db_, "--remote", "mysql://u@h/d"}).forwards);
  }
}

TEST_F(OptionsTest, TheFileCanSetTheDatabase) {
  const std::string config = Put("conf", "db = sqlite://" + db_ + "\n");
  EXPECT_EQ(Good({"--config", config}).db, db_);
}

TEST_F(OptionsTest, MistakesInTheFileNameTheirLine) {
  const struct {
    const char* text;
    const char* says;
  } cases[] = {
      {"# x\nevry = 5s\n", "conf:2: unknown setting evry; did you mean every?"},
      {"every = 5\n", "conf:1: --every: \"5\" has no unit"},
      {"batch = many\n", "conf:1: --batch"},
      {"\n\nbatch = 0\n", "conf:3: --batch"},
      {"quiet = perhaps\n", "conf:1: "},
      {"config = other\n", "conf:1: unknown setting config"},
      {"help = true\n", "conf:1: unknown setting help"},
      {"input = -\n", "conf:1: unknown setting input"},
  };
  for (const auto& [text, says] : cases) {
    ExpectWrong({"--config", Put("conf", text), "--db", db_}, says);
  }
  ExpectWrong({"--config", folder_.File("missing")}, "missing: No such file");
  ExpectWrong({"--config", folder_.path()}, "is not a file");
  std::filesystem::resize_file(Put("conf", "every = 5s\n"), uintmax_t{1} << 40);  // a sparse one
  ExpectWrong({"--config", folder_.File("conf")}, "more than 64 KiB");
}

TEST_F(OptionsTest, APasswordOnTheCommandLineIsRefusedAndNotRepeated) {
  for (const char* uri : {"postgresql://u:secret@h/db", "postgresql://h/db?password=secret",
                          "host=h password=secret"}) {
    ExpectWrong({"--db", db_, "--remote", uri}, "--remote-password-file");
    ExpectWrong({"--db", db_, std::string("--remote=") + uri}, "--remote-password-file");
  }
}

TEST_F(OptionsTest, APasswordInTheConfigNeedsAFileThatOthersCannotRead) {
  const std::string text = "remote = postgresql://u:secret@h/db\n";
  EXPECT_EQ(Good({"--db", db_, "--config", Put("conf", text, 0640)}).remote,
            "postgresql://u:secret@h/db");
  ExpectWrong({"--db", db_, "--config", Put("conf", text, 0644)},
              "conf:1: remote: every user can read the password in this file; run: chmod o= ");
  Good({"--db", db_, "--config", Put("conf", "remote = postgresql://u@h/db\n", 0644)});
}

TEST_F(OptionsTest, APasswordComesFromAFileOrFromTheCredential) {
  const std::string uri = "postgresql://u@h/db";
  const std::string file = Put("pw", "it is secret\nnot this\n", 0600);
  const Options named = Good({"--db", db_, "--remote", uri, "--remote-password-file", file});
  EXPECT_EQ(named.remote, uri) << "a password is in no text";
  EXPECT_EQ(named.password_file, file);

  setenv("CREDENTIALS_DIRECTORY", folder_.path().c_str(), 1);
  EXPECT_EQ(Good({"--db", db_, "--remote", uri}).password_file, "") << "there is no credential";
  Put("remote-password", "\n", 0400);
  EXPECT_EQ(Good({"--db", db_, "--remote", uri}).password_file, "") << "the default of the unit";
  std::filesystem::remove(folder_.File("remote-password"));
  const std::string credential = Put("remote-password", "of the credential", 0400);
  EXPECT_EQ(Good({"--db", db_, "--remote", uri}).password_file, credential);
  EXPECT_EQ(Good({"--db", db_}).password_file, "") << "a credential alone is no remote";
  EXPECT_EQ(Good({"--db", db_, "--remote", uri, "--remote-password-file", file}).password_file,
            file);
}

TEST_F(OptionsTest, APasswordFileThatIsNoneSaysWhy) {
  const std::string uri = "postgresql://u@h/db";
  const auto expect = [&](const std::string& file, const std::string& says) {
    ExpectWrong({"--db", db_, "--remote", uri, "--remote-password-file", file}, says);
  };
  expect(Put("open", "secret", 0644), "can be read by every user; run: chmod o= ");
  expect(Put("empty", "\nsecret", 0600), "is empty");
  expect(folder_.File("missing"), "No such file");
  expect(folder_.path(), "is not a file");
  ASSERT_EQ(mkfifo(folder_.File("pipe").c_str(), 0600), 0);
  expect(folder_.File("pipe"), "is not a file");
  expect(Put("long", std::string(1025, 'x'), 0600), "a line of at most 1024 bytes");
  expect(Put("zero", std::string("se\0cret", 7), 0600), "without zeros");
  ExpectWrong({"--db", db_, "--remote-password-file", Put("pw", "secret", 0600)},
              "there is no --remote");
  const std::string config = Put("conf", "remote = postgresql://u:secret@h/db\n");
  ExpectWrong({"--db", db_, "--config", config, "--remote-password-file", folder_.File("pw")},
              "keep one of them");
}

TEST_F(OptionsTest, ARemoteThatIsNoneIsRefused) {
  ExpectWrong({"--db", db_, "--remote", "http://u@h/db"}, "postgresql://USER@HOST/DATABASE");
  ExpectWrong({"--db", db_, "--remote", "jdbc:mysql://h/db"}, "leave out jdbc:");
}

TEST_F(OptionsTest, ANameIsFitForADatabaseALogAndAShell) {
  EXPECT_EQ(Good({"--db", db_, "--name", "Farm-7.b_2"}).name, "Farm-7.b_2");
  EXPECT_FALSE(Good({"--db", db_}).name.empty()) << "the host's";
  for (const std::string& bad : {std::string("a b"), std::string("a;b"), std::string(53, 'x')}) {
    ExpectWrong({"--db", db_, "--name", bad}, "--name");
  }
}

TEST_F(OptionsTest, TheStatusFileIsInTheServicesFolderUnlessToldOtherwise) {
  EXPECT_EQ(Good({"--db", db_}).status_file, "");
  setenv("RUNTIME_DIRECTORY", folder_.path().c_str(), 1);
  EXPECT_EQ(Good({"--db", db_}).status_file, folder_.File("status.json"));
  EXPECT_EQ(Good({"--db", db_, "--status-file", folder_.File("s")}).status_file, folder_.File("s"));
  EXPECT_EQ(Good({"--db", db_, "--status-file", ""}).status_file, "");
  ExpectWrong({"--db", db_, "--status-file", folder_.File("no/s")}, "does not exist");
}

}  // namespace
}  // namespace roost::tools
