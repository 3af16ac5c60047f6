// "mysql://...": what it says, what is refused, and that no piece of a password is shown.
#include "backends/mysql/settings.h"

#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/temp_dir.h"

namespace roost::mysql {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(UriTest, SaysWhereAndWho) {
  const absl::StatusOr<Settings> settings =
      ParseUri("mysql://node%207:p%40ss@db.example.org:3307/my%20farm");
  ASSERT_TRUE(settings.ok()) << settings.status();
  ASSERT_EQ(settings->endpoints.size(), 1u);
  const Endpoint& endpoint = settings->endpoints[0];
  EXPECT_EQ(endpoint.host, "db.example.org");
  EXPECT_EQ(endpoint.address, "");
  EXPECT_EQ(endpoint.port, 3307);
  EXPECT_EQ(endpoint.where, "db.example.org:3307/my farm");
  EXPECT_EQ(settings->user, "node 7");
  EXPECT_EQ(settings->password, "p@ss");
  EXPECT_EQ(settings->database, "my farm");
}

TEST(UriTest, SeveralHostsAddressesAndDefaults) {
  const absl::StatusOr<Settings> settings = ParseUri("mariadb://a,10.0.0.5:33,[::1]:34");
  ASSERT_TRUE(settings.ok()) << settings.status();
  ASSERT_EQ(settings->endpoints.size(), 3u);
  EXPECT_EQ(settings->endpoints[0].where, "a:3306");
  EXPECT_EQ(settings->endpoints[1].address, "10.0.0.5");
  EXPECT_EQ(settings->endpoints[2].where, "[::1]:34");
  EXPECT_EQ(settings->user, "");
  EXPECT_EQ(settings->database, "");
}

// Of reports about Connector/C: it connects in plain text and tells nobody.
TEST(UriTest, AwayFromThisMachineTheCertificateIsVerified) {
  const auto encryption = [](std::string_view uri) {
    return ParseUri(uri)->endpoints[0].encryption;
  };
  EXPECT_EQ(encryption("mysql://db.example.org"), Encryption::kHost);
  EXPECT_EQ(encryption("mysql://10.0.0.5"), Encryption::kHost);
  for (const char* const here :
       {"mysql://localhost", "mysql://127.0.0.1", "mysql://[::1]", "mysql:///a?socket=/s"}) {
    EXPECT_EQ(encryption(here), Encryption::kNone) << here;
  }
  EXPECT_EQ(encryption("mysql://localhost?sslmode=verify-full"), Encryption::kHost);
  EXPECT_EQ(encryption("mysql://a?sslmode=verify-ca"), Encryption::kAuthority);
  EXPECT_EQ(encryption("mysql://a?sslmode=require"), Encryption::kAny);
  EXPECT_EQ(encryption("mysql://a?sslmode=disable"), Encryption::kNone);
}

TEST(UriTest, Parameters) {
  const absl::StatusOr<Settings> settings =
      ParseUri("mysql://a/b?ssl-ca=%2Fca&ssl-cert=/cert&ssl-key=/key");
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->authorities, "/ca");
  EXPECT_EQ(settings->certificate, "/cert");
  EXPECT_EQ(settings->key, "/key");
  const absl::StatusOr<Settings> socket = ParseUri("mysql://node@localhost/b?socket=/run/s.sock");
  ASSERT_TRUE(socket.ok()) << socket.status();
  EXPECT_EQ(socket->endpoints[0].socket, "/run/s.sock");
  EXPECT_EQ(socket->endpoints[0].where, "/run/s.sock/b");
}

TEST(UriTest, WhatIsWrongIsSaidWithoutThePassword) {
  for (const char* const uri :
       {"mysql://u:hunter@2@host/db", "mysql://u:hunter/2@host/db", "mysql://u:hunter#2@host/db",
        "mysql://u:hunter?2@host/db", "mysql://hunter", "mysql://u:hunter:2/db",
        "mysql://u:hunter@host:70000/db", "mysql://u:hunter@host:x/db",
        "mysql://u:hunter@host/db?hunter=1", "mysql://u:hunter%4@host/db",
        "mysql://u:hunter@host/db?sslmode=hunter", "mysql://u:hunter@/db", "mysql:hunter",
        "mysql://u:hunter@[hunter]/db", "mysql://u:hunter%00@host/db", "postgresql://hunter/db",
        "mysql://u:hunter@host/a/b"}) {
    const absl::StatusOr<Settings> settings = ParseUri(uri);
    if (std::string_view(uri) == "mysql://hunter") continue;  // is a host
    EXPECT_EQ(settings.status().code(), absl::StatusCode::kInvalidArgument) << uri;
    EXPECT_THAT(std::string(settings.status().message()), Not(HasSubstr("hunter"))) << uri;
    EXPECT_THAT(DescribeTarget(uri), Not(HasSubstr("hunter"))) << uri;
  }
}

TEST(UriTest, TheTargetHasNoUserAndNoPassword) {
  EXPECT_EQ(DescribeTarget("mysql://u:secret@a:1,b/db"), "a:1/db,b:3306/db");
  EXPECT_TRUE(HasPassword("mysql://u:secret@a/db"));
  EXPECT_FALSE(HasPassword("mysql://u@a/db"));
  EXPECT_TRUE(HasPassword("mysql://u:a/b@c")) << "of what cannot be taken apart nothing is known";
}

class PasswordTest : public ::testing::Test {
 protected:
  PasswordTest() { unsetenv("MYSQL_PWD"); }
  ~PasswordTest() override { unsetenv("MYSQL_PWD"); }
  std::string Write(const char* name, const char* text, mode_t mode = 0600) {
    const std::string path = dir_.File(name);
    std::ofstream(path) << text;
    chmod(path.c_str(), mode);
    return path;
  }
  support::TempDir dir_{};
};

TEST_F(PasswordTest, ComesFromFourPlaces) {
  setenv("MYSQL_PWD", "of the environment", 1);
  const std::string passfile = Write("passfile", "of the passfile\n");
  const std::string file = Write("file", "of the file\n");
  EXPECT_EQ(ReadSettings({.uri = "mysql://localhost"})->password, "of the environment");
  EXPECT_EQ(ReadSettings({.uri = "mysql://localhost?passfile=" + passfile})->password,
            "of the passfile");
  EXPECT_EQ(
      ReadSettings({.uri = "mysql://u:of%20the%20uri@localhost?passfile=" + passfile})->password,
      "of the uri");
  EXPECT_EQ(ReadSettings({.uri = "mysql://u:uri@localhost", .password_file = file})->password,
            "of the file");
}

TEST_F(PasswordTest, AFileThatOthersCanReadIsRefused) {
  const std::string file = Write("file", "secret\n", 0644);
  const absl::Status status =
      ReadSettings({.uri = "mysql://localhost", .password_file = file}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnauthenticated) << status;
  EXPECT_THAT(std::string(status.message()), Not(HasSubstr("secret")));
}

TEST_F(PasswordTest, ACertificateThatIsNotThereIsNamed) {
  const absl::Status status =
      ReadSettings({.uri = "mysql://db.example.org?ssl-ca=/no/such/file"}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("/no/such/file"));
}

TEST(SettingsTest, WhatTheServerAndWhatStandsBeforeItAre) {
  const absl::StatusOr<Settings> plain = ParseUri("mysql://h/d");
  ASSERT_TRUE(plain.ok()) << plain.status();
  EXPECT_FALSE(plain->writable);
  EXPECT_FALSE(plain->transaction_pooler);
  const absl::StatusOr<Settings> both =
      ParseUri("mysql://h/d?target_session_attrs=read-write&pooler=transaction");
  ASSERT_TRUE(both.ok()) << both.status();
  EXPECT_TRUE(both->writable);
  EXPECT_TRUE(both->transaction_pooler);
  const absl::StatusOr<Settings> neither =
      ParseUri("mysql://h/d?target_session_attrs=any&pooler=session");
  ASSERT_TRUE(neither.ok()) << neither.status();
  EXPECT_FALSE(neither->writable || neither->transaction_pooler);
  EXPECT_FALSE(ParseUri("mysql://h/d?target_session_attrs=primary").ok());
  EXPECT_FALSE(ParseUri("mysql://h/d?pooler=statement").ok());
}

}  // namespace
}  // namespace roost::mysql
