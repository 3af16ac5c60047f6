// roostctl as its users see it: the real program, its output and its exit codes.
#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "roost/pool.h"
#include "roost/settings.h"
#include "tests/support/temp_dir.h"
#include "tests/tools/program.h"

namespace roost::testing {
namespace {

using nlohmann::json;

Outcome Roostctl(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), ROOSTCTL);
  return RunProgram(arguments);
}

bool Has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST(RoostctlProfilesTest, JsonHasTheGuidesNumbers) {
  const Outcome ran = Roostctl({"profiles", "--json"});
  ASSERT_EQ(ran.exit, 0) << ran.errors;
  std::map<std::string, json> by_name;
  for (const json& profile : json::parse(ran.output)) by_name[profile["profile"]] = profile;
  const struct {
    const char* name;
    int size, overflow;
    double timeout, recycle;
    bool ping, echo;
  } guide[] = {
      {"default", 10, 5, 30, 1800, true, false},
      {"development", 5, 0, 30, 3600, false, true},
      {"testing", 1, 0, 30, 3600, false, false},
      {"staging", 15, 10, 30, 1800, true, false},
      {"production", 50, 25, 60, 1800, true, false},
      {"vps_lite", 20, 10, 30, 1800, true, false},
      {"raspberry_pi", 2, 1, 30, 3600, false, false},
      {"high_traffic_web", 100, 50, 10, 1800, true, false},
      {"background_jobs", 20, 0, 300, 3600, true, false},
      {"microservice", 10, 5, 5, 1800, true, false},
  };
  for (const auto& row : guide) {
    SCOPED_TRACE(row.name);
    ASSERT_EQ(by_name.count(row.name), 1u);
    const json& profile = by_name[row.name];
    EXPECT_EQ(profile["pool_size"], row.size);
    EXPECT_EQ(profile["max_overflow"], row.overflow);
    EXPECT_EQ(profile["capacity"], row.size + row.overflow);
    EXPECT_EQ(profile["pool_timeout_s"], row.timeout);
    EXPECT_EQ(profile["pool_recycle_s"], row.recycle);
    EXPECT_EQ(profile["pre_ping"], row.ping ? "always" : "never");
    EXPECT_EQ(profile["echo_pool"], json(row.echo));
  }
  EXPECT_EQ(by_name.size(), std::size(guide) + 1);  // and raspberry_pi_remote
  EXPECT_EQ(by_name["raspberry_pi_remote"]["capacity"], 2);
}

TEST(RoostctlProfilesTest, JsonHasTheseFieldsAndNoOthers) {
  std::set<std::string> expected = {"capacity", "bytes", "sqlite_bytes"};
  ForEachSetting(PoolSettings(), [&expected](const Setting& setting, const auto&) {
    expected.insert(std::string(setting.name) + (setting.unit == "s" ? "_s" : ""));
  });
  const json profiles = json::parse(Roostctl({"profiles", "--json"}).output);
  ASSERT_TRUE(profiles.is_array());
  for (const json& profile : profiles) {
    std::set<std::string> fields;
    for (const auto& field : profile.items()) fields.insert(field.key());
    EXPECT_EQ(fields, expected);
  }
}

TEST(RoostctlProfilesTest, BytesAreTheSizeOfThePool) {
  const json profiles = json::parse(Roostctl({"profiles", "--json"}).output);
  std::map<std::string, size_t> sizes;
  profiles::ForEach([&]<class P>() { sizes[P::kName] = sizeof(PoolFor<P>); });
  for (const json& profile : profiles) {
    EXPECT_EQ(profile["bytes"], sizes[profile["profile"]]) << profile["profile"];
  }
}

// With one blank in place of several, and of the end of a line.
std::string Narrow(std::string_view text) {
  std::string narrow;
  for (const char c : text) {
    const bool blank = c == ' ' || c == '\n';
    if (!blank) narrow += c;
    if (blank && (narrow.empty() || narrow.back() != ' ')) narrow += ' ';
  }
  return narrow;
}

TEST(RoostctlProfilesTest, OneProfileShowsEverySetting) {
  const Outcome ran = Roostctl({"profiles", "raspberry_pi"});
  ASSERT_EQ(ran.exit, 0) << ran.errors;
  std::array<char, kDescriptionBytes> buffer;
  EXPECT_TRUE(
      Narrow(ran.output).starts_with(Narrow(Describe(SettingsOf<profiles::RaspberryPi>(), buffer))))
      << ran.output;
}

TEST(RoostctlProfilesTest, OneProfileShowsWhereTheDefaultDiffers) {
  const std::string pi = Roostctl({"profiles", "raspberry_pi"}).output;
  const size_t defaults =
      pi.find("\nThe profile default has otherwise:\npool_size              10 ");
  ASSERT_NE(defaults, std::string::npos) << pi;
  EXPECT_EQ(pi.find("\nopen_timeout ", defaults), std::string::npos) << "both have 10 s";
  EXPECT_FALSE(Has(Roostctl({"profiles", "default"}).output, "has otherwise"));
}

TEST(RoostctlProfilesTest, AProfileThatThereIsNotIsRefused) {
  const Outcome ran = Roostctl({"profiles", "raspberry_pie"});
  EXPECT_EQ(ran.exit, 2);
  EXPECT_TRUE(Has(ran.errors, "raspberry_pie") && Has(ran.errors, "raspberry_pi_remote"))
      << ran.errors;
}

TEST(RoostctlProfilesTest, TableNamesEveryProfile) {
  const Outcome ran = Roostctl({"profiles"});
  ASSERT_EQ(ran.exit, 0);
  profiles::ForEach([&]<class P>() { EXPECT_TRUE(Has(ran.output, P::kName)) << P::kName; });
}

// ---- --from-sqlalchemy. tests/readme/migration_test.py compiles what it prints. ----

std::string FromSqlAlchemy(const std::string& settings) {
  const Outcome ran = Roostctl({"profiles", "--from-sqlalchemy", settings});
  EXPECT_EQ(ran.exit, 0) << ran.errors;
  EXPECT_EQ(ran.errors, "");
  return ran.output;
}

TEST(RoostctlFromSqlAlchemyTest, EachSettingHasItsConstantAndSecondsAreSpans) {
  const std::string header = FromSqlAlchemy(
      "pool_size=30,max_overflow=15,pool_timeout=0.25,pool_recycle=1800,pool_pre_ping=True,"
      "echo_pool=True");
  for (const char* line :
       {"struct FromSqlAlchemy : roost::profiles::Default {", "int kPoolSize = 30;\n",
        "int kMaxOverflow = 15;\n", "kPoolTimeout = std::chrono::milliseconds(250);  // 250 ms\n",
        "kPoolRecycle = std::chrono::seconds(1800);  // 30 min\n",
        "kPrePing = roost::PrePing::kAlways;\n", "bool kEchoPool = true;\n"}) {
    EXPECT_TRUE(Has(header, line)) << line << "\n" << header;
  }
}

TEST(RoostctlFromSqlAlchemyTest, WhatIsLeftOutHasSqlAlchemysDefaultAndNotOurs) {
  const std::string header = FromSqlAlchemy("echo_pool=no");
  for (const char* line :
       {"kPoolSize = 5;  // SQLAlchemy's default", "kMaxOverflow = 10;  // SQLAlchemy's default",
        "std::chrono::seconds(30);  // 30 s, SQLAlchemy's default",
        "std::chrono::seconds(0);  // never, SQLAlchemy's default",
        "PrePing::kNever;  // SQLAlchemy's default", "kEchoPool = false;\n"}) {
    EXPECT_TRUE(Has(header, line)) << line << "\n" << header;
  }
}

TEST(RoostctlFromSqlAlchemyTest, ADictAndLinesOfAnIniFileAreTheSame) {
  const std::string arguments =
      FromSqlAlchemy("pool_size=2, max_overflow=1, pool_pre_ping=False, pool_recycle=3600");
  EXPECT_EQ(FromSqlAlchemy("{\n  \"pool_size\": 2,  # small\n  'max_overflow': 1,\n"
                           "  \"pool_pre_ping\": False,\n  \"pool_recycle\": 3600,\n}\n"),
            arguments);
  EXPECT_EQ(FromSqlAlchemy("# of the station\nsqlalchemy.pool_size = 2\n"
                           "sqlalchemy.max_overflow = 1\nsqlalchemy.pool_pre_ping = off\n"
                           "sqlalchemy.pool_recycle = 3600\n"),
            arguments);
}

TEST(RoostctlFromSqlAlchemyTest, WhatHasNoConstantIsNamedWithWhatTakesItsPlace) {
  const struct {
    const char* setting;
    const char* says;
  } cases[] = {
      {"poolclass=NullPool", "poolclass=NullPool: no counterpart"},
      {"poolclass=sqlalchemy.pool.StaticPool", "pool_size=1, max_overflow=0 is nearest"},
      {"pool_use_lifo=False", "always last in, first out"},
      {"pool_reset_on_return=None", "always rollback"},
      {"isolation_level='SERIALIZABLE'", "default_transaction_isolation"},
      {"echo=True", "no counterpart"},
      {"echo_pool=\"debug\"", "there is one level"},
  };
  for (const auto& [setting, says] : cases) {
    const std::string header = FromSqlAlchemy(setting);
    EXPECT_TRUE(Has(header, "// What is no setting of a profile:\n")) << setting;
    EXPECT_TRUE(Has(header, says)) << setting << "\n" << header;
  }
  EXPECT_FALSE(Has(FromSqlAlchemy("poolclass=QueuePool"), "no setting of a profile"));
}

TEST(RoostctlFromSqlAlchemyTest, ASecretStaysOut) {
  const std::string header = FromSqlAlchemy(
      "url=postgresql://u:tango@h/d, connect_args={'password': 'tango', 'sslmode': 'require'}");
  EXPECT_FALSE(Has(header, "tango")) << header;
  EXPECT_TRUE(Has(header, "connect_args: connect_timeout is kOpenTimeout")) << header;
}

TEST(RoostctlFromSqlAlchemyTest, NothingOfAValueLeavesItsComment) {
  const std::string header = FromSqlAlchemy("pool_logging_name=a\\");
  EXPECT_TRUE(Has(header, "pool_logging_name=a?: ")) << header;
}

TEST(RoostctlFromSqlAlchemyTest, WhatCannotBeIsASentence) {
  const struct {
    const char* settings;
    const char* says;
  } cases[] = {
      {"", "no setting is given; write them as in create_engine"},
      {" , ", "no setting is given"},
      {"pool_size", "\"pool_size\" has no value; write NAME=VALUE"},
      {"pool_size=1,pool_size=2", "pool_size is given twice"},
      {"pool_sze=3", "no pool setting pool_sze; did you mean pool_size?"},
      {"colour=3", "no pool setting colour; take it out"},
      {"poolclass=CarPool", "poolclass=CarPool is no pool of SQLAlchemy's"},
      {"pool_size=many", "pool_size=many is no whole number"},
      {"pool_size=3.5", "pool_size=3.5 is no whole number"},
      {"pool_size=99999999999", "is no whole number"},
      {"pool_size=0", "pool_size=0 means no limit there"},
      {"pool_size=-1", "pool_size=-1 is negative"},
      {"max_overflow=-1", "max_overflow=-1 means no limit there; here capacity is fixed storage"},
      {"pool_size=200,max_overflow=99", "pool_size + max_overflow is 299, and 254 are the most"},
      {"pool_size=2147483647,max_overflow=2147483647", "is 4294967294, and 254 are the most"},
      {"pool_timeout=30s", "pool_timeout=30s is no number of seconds"},
      {"pool_timeout=None", "waits without an end there"},
      {"pool_timeout=0", "here that is Pool::TryAcquire"},
      {"pool_timeout=1e-9", "is below a microsecond"},
      {"pool_timeout=nan", "is no number of seconds"},
      {"pool_timeout=1e300", "is longer than 30 years"},
      {"pool_recycle=0", "write pool_recycle=-1 for never"},
      {"pool_pre_ping=", "pool_pre_ping= is neither True nor False"},
      {"pool_pre_ping=maybe", "is neither True nor False"},
      {"pool_size='3", "is no whole number"},
  };
  for (const auto& [settings, says] : cases) {
    const Outcome ran = Roostctl({"profiles", "--from-sqlalchemy", settings});
    EXPECT_EQ(ran.exit, 2) << settings;
    EXPECT_EQ(ran.output, "") << settings;
    EXPECT_TRUE(ran.errors.starts_with("roostctl: --from-sqlalchemy: ")) << ran.errors;
    EXPECT_TRUE(Has(ran.errors, says)) << "expected: " << says << "\ngot: " << ran.errors;
  }
}

TEST(RoostctlSizeTest, TheGuidesExampleGivesFifty) {
  const Outcome ran =
      Roostctl({"size", "--requests", "100", "--query", "50ms", "--wait", "100ms", "--json"});
  ASSERT_EQ(ran.exit, 0) << ran.errors;
  const json answer = json::parse(ran.output);
  EXPECT_EQ(answer["pool_size"], 50);
  EXPECT_EQ(answer["max_overflow"], 25);
  EXPECT_EQ(answer["memory_mb"]["min"], 50);
  EXPECT_EQ(answer["memory_mb"]["max"], 250);
  EXPECT_GT(answer["waiting_probability"], 0.0);
  EXPECT_LT(answer["waiting_probability"], 0.01);
  EXPECT_EQ(answer.count("max_connections"), 0u);
}

TEST(RoostctlSizeTest, TextBeginsWithTheAnswer) {
  const Outcome ran = Roostctl({"size", "--requests", "100", "--query", "50ms", "--wait", "100ms"});
  EXPECT_EQ(ran.exit, 0);
  EXPECT_TRUE(ran.output.starts_with("pool_size           50 ")) << ran.output;
  EXPECT_TRUE(Has(ran.output, "Erlang C")) << ran.output;
  EXPECT_FALSE(Has(ran.output, " MB (")) << "of a server that nobody named: " << ran.output;
  EXPECT_TRUE(
      ran.output.ends_with("\n\ntake 36 and an overflow of 18: at most 1 % wait over 100 ms\n"))
      << ran.output;
}

json Size(std::vector<std::string> arguments) {
  const std::vector<std::string> always = {"size",    "--json", "--requests", "100",
                                           "--query", "50ms",   "--wait",     "100ms"};
  arguments.insert(arguments.begin(), always.begin(), always.end());
  const Outcome ran = Roostctl(arguments);
  EXPECT_EQ(ran.exit, 0) << ran.errors;
  return json::parse(ran.output);
}

TEST(RoostctlSizeTest, TheVerdictIsNoMoreThanTheServerHas) {
  const json limited = Size({"--limit", "40", "--limit", "45,60"});
  EXPECT_EQ(limited["limit"], 40);
  EXPECT_EQ(limited["take"], 36);
  EXPECT_EQ(limited["take_overflow"], 4);
  const json few = Size({"--limit", "20"});
  EXPECT_EQ(few["take"], 20);
  EXPECT_EQ(few["take_overflow"], 0);
  EXPECT_EQ(few["verdict"],
            "take 20 and an overflow of 0: the smallest limit is 20; enough would be 36");
  EXPECT_EQ(Size({"--max-connections", "100"})["take"], 30);
  EXPECT_EQ(Size({"--max-connections", "100", "--limit", "25"})["take"], 25);
  EXPECT_EQ(Size({"--max-connections", "1000"})["take"], 36);
}

TEST(RoostctlSizeTest, MoreThanTwiceTheCoresIsAWarning) {
  EXPECT_EQ(Size({"--server-cores", "27"})["above_twice_the_cores"], false);
  EXPECT_EQ(Size({"--server-cores", "26"})["above_twice_the_cores"], true);
  const Outcome ran = Roostctl(
      {"size", "--requests", "100", "--query", "50ms", "--wait", "100ms", "--server-cores", "4"});
  EXPECT_TRUE(Has(ran.output, "above 8 connections")) << ran.output;
  EXPECT_TRUE(Has(ran.output, "54 to 270 MB (1 to 5 MB a connection)")) << ran.output;
}

TEST(RoostctlSizeTest, AnOverloadIsSaidFirst) {
  const Outcome ran = Roostctl(
      {"size", "--requests", "100", "--query", "50ms", "--wait", "100ms", "--rate", "5000"});
  EXPECT_TRUE(ran.output.starts_with(
      "Overload: 5000 a second x 50 ms keep 250 connections busy; 50 cannot keep up.\n"))
      << ran.output;
}

TEST(RoostctlSizeTest, NoMoreConnectionsThanThereAreRequests) {
  const Outcome ran = Roostctl({"size", "--requests", "10", "--query", "10s", "--wait", "1ms"});
  EXPECT_TRUE(Has(ran.output, "\ntake 10 and an overflow of 5: one for each")) << ran.output;
}

TEST(RoostctlSizeTest, TheDatabaseOfANodeIsSizedByItsRows) {
  const Outcome ran = Roostctl({"size", "--outbox", "--rows", "5/s", "--for", "30d", "--json"});
  const json answer = json::parse(ran.output);
  EXPECT_EQ(answer["rows"], 12960000);
  // 48 bytes each, a fifth more, and 8 MiB.
  EXPECT_EQ(answer["db_size_mib"], 720);
  for (const char* rate : {"300/m", "18000/h", "432000/d"}) {
    const Outcome same = Roostctl({"size", "--outbox", "--rows", rate, "--for", "30 d", "--json"});
    EXPECT_EQ(same.output, ran.output) << rate;
  }
  EXPECT_TRUE(Roostctl({"size", "--outbox", "--rows", "5/s", "--for", "30d"})
                  .output.ends_with("\ntake 720M: roost-node --db-size 720M --keep 30d\n"));
  for (const char* wrong : {"5", "/s", "5/x", "-5/s", "0/s", "nan/s"}) {
    const Outcome ran_wrong = Roostctl({"size", "--outbox", "--for", "1d", "--rows", wrong});
    EXPECT_EQ(ran_wrong.exit, 2) << wrong;
    EXPECT_TRUE(Has(ran_wrong.errors, "is no rate; write 5/s, 300/m or 20/h")) << ran_wrong.errors;
  }
}

// What a program said, in a file.
class RoostctlSizeFromTest : public ::testing::Test {
 protected:
  Outcome From(const json& window, uint64_t capacity, std::vector<std::string> arguments = {}) {
    const json answer = {
        {"format", 1},
        {"name", "node7"},
        {"pools",
         {{{"name", "remote"},
           {"profile", "default"},
           {"stats", {{"capacity", capacity}, {"peak_in_use", 3}, {"peak_waiting", 2}}},
           {"window", window}}}}};
    const std::string path = folder.File("snapshot.json");
    std::ofstream(path) << answer;
    arguments.insert(arguments.begin(), {"size", "--from", path});
    return Roostctl(arguments);
  }
  support::TempDir folder;
};

TEST_F(RoostctlSizeFromTest, RateHoldAndPeakAreTheProgramsOwn) {
  const json window = {
      {"span_s", 60},
      {"checkouts", 6000},
      {"hold", {{"count", 6000}, {"p50_s", 0.01}, {"p99_s", 0.1}, {"max_s", 0.1}}}};
  const json answer = json::parse(From(window, 3, {"--json"}).output)[0];
  EXPECT_EQ(answer["pool"], "remote");
  EXPECT_EQ(answer["rate_per_s"], 100);
  EXPECT_EQ(answer["requests"], 5);
  EXPECT_EQ(answer["query_s"], 0.055);  // half of 10 ms, half of 100 ms
  EXPECT_EQ(answer["wait_s"], 0.1);
  EXPECT_EQ(answer["overload"], true);  // 5.5 are busy, and there are 3
  EXPECT_GT(answer["take"], 5);
  const Outcome text = From(window, 3, {"--query", "1ms"});
  EXPECT_TRUE(text.output.starts_with(
      "remote, in the last 60 s: 100 a second, held for 1 ms on average at most;\n"
      "at most 3 of 3 were in use at once, and 2 waited.\n"))
      << text.output;
}

TEST_F(RoostctlSizeFromTest, WhatWasNotMeasuredIsSaid) {
  EXPECT_TRUE(Has(From({{"span_s", 60}, {"checkouts", 0}}, 3).output,
                  "remote: nothing was lent in the last 60 s; ask under load"));
  EXPECT_TRUE(Has(From({{"span_s", 60}, {"checkouts", 5}, {"hold", {{"count", 0}}}}, 3).output,
                  "how long one is held is not measured (profile default); give it with --query"));
  for (const char* file : {"/nowhere/at/all", "nobody"}) {
    const Outcome ran = Roostctl({"size", "--from", file});
    EXPECT_EQ(ran.exit, 2);
    EXPECT_TRUE(Has(ran.errors, "there is no program and no file ")) << ran.errors;
  }
  const std::string path = folder.File("other");
  std::ofstream(path) << "no JSON";
  EXPECT_TRUE(Has(Roostctl({"size", "--from", path}).errors, "is no roostpool program"));
}

TEST(RoostctlSizeTest, AdvisesAgainstTooLargeAShareOfTheServer) {
  const Outcome ran = Roostctl({"size", "--requests", "100", "--query", "50ms", "--wait", "100ms",
                                "--max-connections", "100", "--json"});
  const json advice = json::parse(ran.output)["max_connections"];
  EXPECT_EQ(advice["given"], 100);
  EXPECT_EQ(advice["advised_min"], 20);
  EXPECT_EQ(advice["advised_max"], 30);
  EXPECT_EQ(advice["within_advice"], false);
  EXPECT_EQ(advice["needed"], 167);
}

TEST(RoostctlSizeTest, AnOverloadHasNoMeanWait) {
  const Outcome ran = Roostctl({"size", "--requests", "100", "--query", "50ms", "--wait", "100ms",
                                "--rate", "1000", "--json"});
  const json answer = json::parse(ran.output);
  EXPECT_EQ(answer["waiting_probability"], 1.0);
  EXPECT_TRUE(answer["mean_wait_s"].is_null());
  EXPECT_GT(answer["enough"], 50);
}

TEST(RoostctlTest, BadUseSaysWhatAndWhereAndWhatIsRight) {
  const struct {
    std::vector<std::string> arguments;
    const char* says;
  } cases[] = {
      {{"siez"}, "unknown command siez; did you mean size?"},
      {{"profiles", "--jsn"}, "unknown argument --jsn; did you mean --json?"},
      {{"--json", "profiles"}, "--json is in the wrong place; write it after the command"},
      {{"size", "--query", "1s", "--wait", "1s"}, "--requests is missing; write --requests N"},
      {{"size", "--requests", "0", "--query", "1s", "--wait", "1s"}, "--requests"},
      {{"size", "--requests", "many", "--query", "1s", "--wait", "1s"}, "--requests"},
      {{"size", "--requests", "5", "--query", "50", "--wait", "1s"},
       "--query: \"50\" has no unit; write a number and a unit: 50ms"},
      {{"size", "--requests", "5", "--query", "0s", "--wait", "1s"}, "--query: 0s is too short"},
      {{"size", "--requests", "1000000", "--query", "1h", "--wait", "1us"}, "--wait"},
      {{"size", "--requests", "5", "--query", "1h", "--wait", "1h", "--rate", "1e9"}, "--rate"},
  };
  for (const auto& [arguments, says] : cases) {
    const Outcome ran = Roostctl(arguments);
    EXPECT_EQ(ran.exit, 2) << says;
    EXPECT_TRUE(ran.errors.starts_with("roostctl: ")) << ran.errors;
    EXPECT_TRUE(Has(ran.errors, says)) << "expected: " << says << "\ngot: " << ran.errors;
    EXPECT_TRUE(Has(ran.errors, "--help")) << ran.errors;
    EXPECT_EQ(ran.output, "");
  }
}

TEST(RoostctlTest, HelpOffersWhatExistsAndVersionIsOneLine) {
  const Outcome help = Roostctl({"--help"});
  EXPECT_EQ(help.exit, 0);
  for (const char* command : {"profiles", "size"}) {
    EXPECT_TRUE(Has(help.output, command));
    EXPECT_EQ(Roostctl({command, "--help"}).exit, 0) << command;
  }
  const Outcome version = Roostctl({"--version"});
  EXPECT_EQ(version.exit, 0);
  EXPECT_TRUE(version.output.starts_with("roostctl "));
}

}  // namespace
}  // namespace roost::testing
