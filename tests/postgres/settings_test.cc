// What libpq makes of options, and what is made of that for each host.
#include "backends/postgres/settings.h"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "backends/postgres/backend_state.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/temp_dir.h"

namespace roost::postgres {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using support::TempDir;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr TcpTimers kTimers{
    .user_timeout = 15s, .keepalive_idle = 10s, .keepalive_interval = 1500ms, .keepalive_count = 3};

class SettingsTest : public ::testing::Test {
 protected:
  SettingsTest() {
    EXPECT_TRUE(LoadLibpq(pq_).ok());
    // Whoever runs this may have options of their own.
    PQconninfoOption* const defaults = pq_.PQconndefaults();
    for (const PQconninfoOption* option = defaults; option->keyword != nullptr; ++option) {
      if (option->envvar != nullptr) unsetenv(option->envvar);
    }
    pq_.PQconninfoFree(defaults);
    setenv("HOME", home_.path().c_str(), 1);
  }

  Settings Read(const std::string& uri) {
    absl::StatusOr<Settings> settings = ReadSettings(pq_, {.uri = uri});
    EXPECT_TRUE(settings.ok()) << settings.status();
    return settings.ok() ? *std::move(settings) : Settings{.endpoints = {Endpoint{}}};
  }
  std::string Refusal(const std::string& uri) {
    const absl::Status status = ReadSettings(pq_, {.uri = uri}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << uri << status;
    return std::string(status.message());
  }
  // What libpq is told about `key` for the first host; "-": nothing.
  std::string Told(const std::string& uri, std::string_view key, std::string_view address = "") {
    const Settings settings = Read(uri);
    std::string value = "-";
    for (const Option& option :
         ParametersFor(settings, settings.endpoints.front(), address, kTimers)) {
      if (option.key == key) value = option.value;
    }
    return value;
  }

  const TempDir home_{};
  Libpq pq_;
};

// ---- Hosts ----

TEST_F(SettingsTest, EachHostIsAnEndpointOfItsOwn) {
  const Settings settings = Read("postgresql://db.example.org:6000,10.0.0.5,[::1]:7000/farm");
  ASSERT_EQ(settings.endpoints.size(), 3u);
  EXPECT_EQ(settings.endpoints[0].where, "db.example.org:6000/farm");
  EXPECT_EQ(settings.endpoints[0].address, "");
  EXPECT_EQ(settings.endpoints[1].where, "10.0.0.5:5432/farm");
  EXPECT_EQ(settings.endpoints[1].address, "10.0.0.5");
  EXPECT_EQ(settings.endpoints[2].where, "[::1]:7000/farm");
  EXPECT_TRUE(settings.endpoints[2].local);
}

TEST_F(SettingsTest, AHostaddrGoesWithItsHost) {
  const Settings settings = Read("host=a,b hostaddr=10.0.0.1,10.0.0.2 port=6000");
  ASSERT_EQ(settings.endpoints.size(), 2u);
  EXPECT_EQ(settings.endpoints[1].host, "b");
  EXPECT_EQ(settings.endpoints[1].address, "10.0.0.2");
  EXPECT_EQ(settings.endpoints[1].port, "6000");
  const Settings alone = Read("hostaddr=10.0.0.1");
  EXPECT_EQ(alone.endpoints[0].host, "10.0.0.1");  // for the certificate, and ~/.pgpass
}

TEST_F(SettingsTest, WithoutAHostItIsTheServersSocket) {
  const Settings settings = Read("dbname=farm");
  EXPECT_TRUE(settings.endpoints[0].socket);
  EXPECT_THAT(settings.endpoints[0].host, HasSubstr("/"));
  const Settings list = Read("host=10.0.0.5,");
  ASSERT_EQ(list.endpoints.size(), 2u);
  EXPECT_TRUE(list.endpoints[1].socket);
}

TEST_F(SettingsTest, ListsThatDoNotGoTogetherAreRefusedWithTheirNumbers) {
  EXPECT_THAT(Refusal("host=a,b hostaddr=10.0.0.1"), HasSubstr("2 hosts and 1 hostaddr"));
  EXPECT_THAT(Refusal("host=a,b port=1,2,3"), HasSubstr("2 hosts and 3 ports"));
  // It may be a part of a password in a string that libpq reads otherwise than its writer.
  EXPECT_THAT(Refusal("host=a port=70000"),
              AllOf(HasSubstr("no number from 1 to 65535"), Not(HasSubstr("70000"))));
}

// ---- Passwords ----

TEST_F(SettingsTest, AZeroByteIsNotTakenForTheEnd) {
  const std::string zero("host=a\0", 7);
  for (const PostgresOptions& options :
       {PostgresOptions{.uri = zero}, PostgresOptions{.uri = "host=a", .on_connect = zero}}) {
    const absl::Status status = ReadSettings(pq_, options).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(status.message(), HasSubstr("zero byte"));
  }
}

TEST_F(SettingsTest, ThePasswordOfTheFileIsAnOptionOfItsOwnAndReadAtEachOpen) {
  const std::string file = home_.File("pw");
  const auto write = [&file](const std::string& text) {
    std::ofstream(file) << text;
    std::filesystem::permissions(file, std::filesystem::perms(0600));
  };
  const auto password = [this, &file](const std::string& uri) {
    const absl::StatusOr<Settings> settings =
        ReadSettings(pq_, {.uri = uri, .password_file = file});
    EXPECT_TRUE(settings.ok()) << settings.status();
    std::vector<std::string> seen;
    if (!settings.ok()) return seen;
    for (const Option& o : ParametersFor(*settings, settings->endpoints.front(), "", kTimers)) {
      if (o.key == "password") {
        seen.push_back(o.value);
      } else {
        EXPECT_THAT(o.value, Not(HasSubstr("hunter2"))) << o.key;
      }
    }
    return seen;
  };
  const std::string first = "hunter2 ' \\ & ? @ %41";
  for (const char* uri : {"postgresql://u@h/d?", "postgresql://u@h/d", "host=h user=u dbname=d"}) {
    write(first + "\n");
    EXPECT_THAT(password(uri), ::testing::ElementsAre(first)) << uri;
    write("another hunter2\r\n");
    EXPECT_THAT(password(uri), ::testing::ElementsAre("another hunter2")) << uri;
  }
  std::filesystem::remove(file);
  const absl::Status gone = ReadSettings(pq_, {.uri = "host=h", .password_file = file}).status();
  EXPECT_EQ(gone.code(), absl::StatusCode::kUnauthenticated) << gone;
  EXPECT_THAT(std::string(gone.message()), HasSubstr(file));
}

TEST_F(SettingsTest, APasswordFileIsAFileThatOthersCannotReadWithAFirstLineOfAKib) {
  const std::string file = home_.File("pw");
  const auto refusal = [this, &file] {
    return std::string(
        ReadSettings(pq_, {.uri = "host=h", .password_file = file}).status().message());
  };
  std::ofstream(file) << std::string(1024, 'x') << "\n" << std::string(100'000, 'y');
  std::filesystem::permissions(file, std::filesystem::perms(0640));
  EXPECT_EQ(refusal(), "");
  std::ofstream(file) << std::string(1025, 'x');
  EXPECT_THAT(refusal(), HasSubstr("at most 1024 bytes"));
  std::ofstream(file) << "hunter2\n";
  std::filesystem::permissions(file, std::filesystem::perms(0644));
  EXPECT_THAT(refusal(), HasSubstr("can be read by every user"));
  std::filesystem::remove(file);
  ASSERT_EQ(mkfifo(file.c_str(), 0600), 0);
  EXPECT_THAT(refusal(), HasSubstr("is not a file"));
}

TEST_F(SettingsTest, LibpqsFileThatOthersMayReadIsPassedOverWithASentence) {
  const std::string file = home_.File(".pgpass");
  std::ofstream(file) << "*:*:*:*:hunter2\n";
  std::filesystem::permissions(file, std::filesystem::perms(0600));
  EXPECT_EQ(Read("host=h").passed_over, "");
  EXPECT_EQ(Told("host=h", "passfile"), "-");
  std::filesystem::permissions(file, std::filesystem::perms(0640));
  EXPECT_EQ(Read("host=h").passed_over,
            file + " is passed over because others may use it; run: chmod 600 " + file);
  // So that libpq does not warn on standard error at each open.
  EXPECT_EQ(Told("host=h", "passfile"), "/dev/null/none");
  EXPECT_EQ(Read("host=h password=x").passed_over, "");
  EXPECT_EQ(Read("host=h passfile=" + home_.File("none")).passed_over, "");
  EXPECT_THAT(Read("host=h passfile=" + home_.path()).passed_over, HasSubstr("is not a file"));
}

TEST_F(SettingsTest, WhatMayBeAPartOfAPasswordIsNoHost) {
  for (const char* uri : {"postgresql://u:pa@hunter2@127.0.0.1/db",
                          "host= password='hunter2' user=u", "host='password=hunter2'"}) {
    EXPECT_THAT(Refusal(uri), Not(HasSubstr("hunter2"))) << uri;
  }
  EXPECT_THAT(Refusal("postgresql://u:pa@hunter2@127.0.0.1/db"), HasSubstr("%40"));
  setenv("PGHOST", "pa@hunter2", 1);
  EXPECT_THAT(Refusal("dbname=d"), AllOf(HasSubstr("%40"), Not(HasSubstr("hunter2"))));
  unsetenv("PGHOST");
  EXPECT_TRUE(Read("host=@abstract").endpoints[0].socket);
}

// ---- Refusals ----

TEST_F(SettingsTest, AWrongStringIsExplainedWithoutItsPassword) {
  EXPECT_THAT(Refusal("postgresql://u:hunter2@h/d?sslmod=require"), HasSubstr("\"sslmod\""));
  EXPECT_THAT(Refusal("postgresql://u:hunter2@[::1"), Not(HasSubstr("hunter2")));
  EXPECT_THAT(Refusal("postgresql://u:hunt%zz@h/d"), Not(HasSubstr("hunt%")));
  EXPECT_THAT(Refusal("host=h password=my hunter2"), Not(HasSubstr("hunter2")));
  EXPECT_THAT(Refusal("host=h hots=x"), HasSubstr("hots"));
}

TEST_F(SettingsTest, AWrongValueIsRefusedBeforeAnythingIsTried) {
  EXPECT_THAT(Refusal("host=h target_session_attrs=writer"), HasSubstr("may be any, read-write"));
  EXPECT_THAT(Refusal("host=h tcp_user_timeout=soon"), HasSubstr("tcp_user_timeout=soon"));
  EXPECT_THAT(Refusal("host=h keepalives_idle=-1"), HasSubstr("keepalives_idle=-1"));
}

TEST_F(SettingsTest, AnAddressThatIsNoneAndASocketThatCannotBeAreRefused) {
  EXPECT_THAT(Refusal("host=a hostaddr=10.0.0.999"), HasSubstr("hostaddr that is no address"));
  EXPECT_THAT(Refusal("host=/" + std::string(120, 'x')), HasSubstr("too long a name"));
  EXPECT_EQ(Read("host=a hostaddr=127.1").endpoints[0].address, "127.1");
  // The interface may come later.
  EXPECT_EQ(Read("host=a hostaddr=fe80::1%none").endpoints[0].address, "fe80::1%none");
}

// libpq names only the address where it has both, so a host in its sentence tells nothing.
TEST_F(SettingsTest, OnlyParametersThatLibpqRefusesAreRefused) {
  const auto refused = [this](const std::string& uri) {
    const Settings settings = Read(uri);
    return AreRefused(pq_,
                      ParametersFor(settings, settings.endpoints.front(), "127.0.0.1", kTimers));
  };
  EXPECT_FALSE(refused("postgresql://u@farm.test/farm"));
  EXPECT_FALSE(refused("postgresql://u@farm.test/farm?hostaddr=255.255.255.255"));
  EXPECT_TRUE(refused("host=farm.test sslmode=sometimes"));
  EXPECT_TRUE(refused("host=farm.test channel_binding=sometimes"));
  EXPECT_TRUE(refused("host=farm.test ssl_min_protocol_version=TLSv0"));
}

// ---- Encryption ----

TEST_F(SettingsTest, ToAnotherMachineTheCertificateIsChecked) {
  EXPECT_EQ(Told("postgresql://db.example.org/farm", "sslmode"), "verify-full");
  EXPECT_EQ(Told("hostaddr=10.0.0.5", "sslmode"), "verify-full");
  EXPECT_EQ(Told("host=localhost hostaddr=10.0.0.5", "sslmode"), "verify-full");
}

TEST_F(SettingsTest, OnThisMachineItIsLibpqsChoice) {
  for (const char* const uri : {"host=localhost", "host=127.0.0.1", "host=::1", "host=/tmp",
                                "host=db.example.org hostaddr=127.0.0.1", "host=LocalHost",
                                "host=::ffff:127.0.0.1", "postgresql://localhost/farm\r\n", ""}) {
    EXPECT_EQ(Told(uri, "sslmode"), "-") << uri;
  }
}

TEST_F(SettingsTest, TheLineBreakOfAFileIsNotPartOfTheAddress) {
  EXPECT_EQ(Read("postgresql://db.example.org/farm\n").endpoints[0].where,
            "db.example.org:5432/farm");
  EXPECT_EQ(Read("host=db.example.org dbname=farm\r\n").endpoints[0].where,
            "db.example.org:5432/farm");
}

TEST_F(SettingsTest, WhatTheUserSaysIsDone) {
  EXPECT_EQ(Told("postgresql://db.example.org/farm?sslmode=prefer", "sslmode"), "prefer");
  setenv("PGSSLMODE", "prefer", 1);
  EXPECT_EQ(Told("postgresql://db.example.org/farm", "sslmode"), "-");
  unsetenv("PGSSLMODE");
  std::ofstream(home_.File("services")) << "[farm]\nhost=db.example.org\nsslmode=require\n";
  setenv("PGSERVICEFILE", home_.File("services").c_str(), 1);
  EXPECT_EQ(Told("service=farm", "sslmode"), "-");
  EXPECT_EQ(Read("service=farm").endpoints[0].host, "db.example.org");
  unsetenv("PGSERVICEFILE");
}

TEST_F(SettingsTest, RootCertificatesAreTheUsersElseTheSystems) {
  const std::string uri = "postgresql://db.example.org/farm";
  const bool has_system = std::ifstream("/etc/ssl/certs/ca-certificates.crt").good();
  const std::string system = has_system ? "/etc/ssl/certs/ca-certificates.crt" : "-";
  EXPECT_EQ(Told(uri, "sslrootcert"), system);
  EXPECT_EQ(Told(uri + "?sslmode=verify-full", "sslrootcert"), system);
  EXPECT_EQ(Told(uri + "?sslmode=verify-ca", "sslrootcert"), "-");
  EXPECT_EQ(Told(uri + "?sslmode=require", "sslrootcert"), "-");
  EXPECT_EQ(Told(uri + "?sslrootcert=/my.crt", "sslrootcert"), "/my.crt");
  std::filesystem::create_directory(home_.File(".postgresql"));
  std::ofstream(home_.File(".postgresql/root.crt")) << "x";
  EXPECT_EQ(Told(uri, "sslrootcert"), "-");  // libpq finds it
}

// ---- The rest ----

TEST_F(SettingsTest, OneHostAtATimeAndOurOwnDeadline) {
  const std::string uri =
      "postgresql://a,b/farm?target_session_attrs=read-write&connect_timeout=3&client_encoding=x";
  EXPECT_EQ(Told(uri, "host", "10.0.0.7"), "a");
  EXPECT_EQ(Told(uri, "hostaddr", "10.0.0.7"), "10.0.0.7");
  EXPECT_EQ(Told(uri, "port", "10.0.0.7"), "5432");
  EXPECT_EQ(Told(uri, "target_session_attrs"), "any");
  EXPECT_EQ(Told(uri, "connect_timeout"), "0");
  EXPECT_EQ(Told(uri, "client_encoding"), "UTF8");
  EXPECT_EQ(Told(uri, "dbname"), "farm");
  EXPECT_EQ(Read(uri).role, WantedRole::kReadWrite);
}

TEST_F(SettingsTest, TimersAreTheProfilesUnlessTheUriHasItsOwn) {
  EXPECT_EQ(Told("host=10.0.0.5", "tcp_user_timeout"), "15000");
  EXPECT_EQ(Told("host=10.0.0.5", "keepalives_idle"), "10");
  EXPECT_EQ(Told("host=10.0.0.5", "keepalives_interval"), "2");  // whole seconds, rounded up
  EXPECT_EQ(Told("host=10.0.0.5", "keepalives_count"), "3");
  EXPECT_EQ(Told("host=10.0.0.5 keepalives=0", "keepalives_idle"), "-");
  EXPECT_EQ(Told("host=10.0.0.5 keepalives_count=9", "keepalives_count"), "9");
  EXPECT_EQ(Told("host=10.0.0.5 tcp_user_timeout=7", "tcp_user_timeout"), "7");
  EXPECT_EQ(Told("host=/tmp", "tcp_user_timeout"), "-");
}

TEST_F(SettingsTest, KerberosIsAskedOnlyWhereTheUserSaysSo) {
  EXPECT_EQ(Told("host=10.0.0.5", "gssencmode"), "disable");
  EXPECT_EQ(Told("host=10.0.0.5 gssencmode=require", "gssencmode"), "require");
}

TEST_F(SettingsTest, ThePoolerIsOursAndNeverReachesLibpq) {
  EXPECT_TRUE(Read("host=10.0.0.5 pooler=transaction").transaction_pooler);
  EXPECT_EQ(Told("host=10.0.0.5 pooler=transaction", "pooler"), "-");
  EXPECT_FALSE(Read("host=10.0.0.5").transaction_pooler);
}

TEST_F(SettingsTest, AServiceThatDoesNotExistIsNamed) {
  setenv("PGSERVICEFILE", home_.File("none").c_str(), 1);
  EXPECT_THAT(Refusal("service=barn"), HasSubstr(home_.File("none")));
  unsetenv("PGSERVICEFILE");
}

// ---- Which host next ----

class RotationTest : public ::testing::Test {
 protected:
  void Read(const std::string& uri) {
    options_.uri = uri;
    backend_.emplace(options_);
    ASSERT_TRUE(backend_->Read().ok());
  }
  PostgresOptions options_;
  std::optional<BackendState> backend_;
};

TEST_F(RotationTest, TheFirstIsFirstAndEachFailureMovesOn) {
  Read("host=10.0.0.1,10.0.0.2,10.0.0.3");
  for (const int expected : {0, 1, 2, 0, 1}) {
    EXPECT_EQ(backend_->endpoints().Choose(), expected);
    backend_->endpoints().Failed(expected);
  }
}

TEST_F(RotationTest, TheLastGoodOneStaysFirst) {
  Read("host=10.0.0.1,10.0.0.2");
  backend_->endpoints().Failed(0);
  backend_->endpoints().Succeeded(1, false);
  EXPECT_EQ(backend_->endpoints().Choose(), 1);
  backend_->endpoints().Failed(0);  // an attempt that began earlier
  EXPECT_EQ(backend_->endpoints().Choose(), 1);
  backend_->endpoints().Leave(1);
  EXPECT_EQ(backend_->endpoints().Choose(), 0);
}

TEST_F(RotationTest, ASecondBestWillDoWhenAllHaveBeenTried) {
  Read("host=10.0.0.1,10.0.0.2");
  EXPECT_FALSE(backend_->endpoints().TakesSecondBest());
  backend_->endpoints().Failed(0);
  EXPECT_TRUE(backend_->endpoints().TakesSecondBest());
  backend_->endpoints().Succeeded(1, true);
  EXPECT_TRUE(backend_->endpoints().TakesSecondBest());
  backend_->endpoints().Succeeded(0, false);
  EXPECT_FALSE(backend_->endpoints().TakesSecondBest());
  Read("host=10.0.0.1");
  EXPECT_TRUE(backend_->endpoints().TakesSecondBest());
}

TEST_F(RotationTest, AListThatGotShorterIsNoTrouble) {
  const TempDir dir;
  setenv("PGSERVICEFILE", dir.File("services").c_str(), 1);
  std::ofstream(dir.File("services")) << "[farm]\nhost=10.0.0.1,10.0.0.2\n";
  Read("service=farm");
  backend_->endpoints().Failed(0);
  std::ofstream(dir.File("services")) << "[farm]\nhost=10.0.0.7\n";
  const auto settings = backend_->Read();
  ASSERT_TRUE(settings.ok());
  EXPECT_EQ((*settings)->endpoints.size(), 1u);
  EXPECT_EQ(backend_->endpoints().Choose(), 0);
  unsetenv("PGSERVICEFILE");
}

}  // namespace
}  // namespace roost::postgres
