// Servers that do what they should not while a connection opens: nobody waits longer than the deadline, and no
// password leaves.
#include <poll.h>

#include <functional>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "tests/fakes/forwarding_platform.h"
#include "tests/mysql/hostile_cases.h"

namespace roost::mysql {
namespace {

using namespace std::string_view_literals;

// What an open comes to that has so much time.
absl::Status Open(const std::function<void(Client&)>& serve, std::string_view parameters = "",
                  Duration time = 20s, std::string* received = nullptr) {
  HostileServer server(serve);
  absl::Status status;
  {
    Session session(std::make_unique<MysqlBackend>(MysqlOptions{.uri = server.Uri(parameters)}),
                    time);
    status = session.status();
  }
  if (received != nullptr) *received = server.received();
  return status;
}

TEST(HostileTest, SilenceAtEachStageOfAnOpenCostsTheDeadline) {
  const std::string greeting = Greeting();
  const std::vector<std::function<void(Client&)>> stages = {
      [](Client& client) { client.Wait(); },
      [&](Client& client) {
        client.Send(greeting.substr(0, 3));
        client.Wait();
      },
      [&](Client& client) {
        client.Send(greeting.substr(0, 30));
        client.Wait();
      },
      [&](Client& client) {
        client.Send(greeting);
        client.Wait();
      },
      [&](Client& client) {
        client.Send(greeting);
        client.Receive();
        client.Send(Ok(2).substr(0, 5));
        client.Wait();
      },
      [&](Client& client) {
        client.Send(greeting);
        client.Receive();
        client.Send(Ok(2));
        client.Wait();
      },
  };
  EXPECT_FALSE(Open([](Client&) {}).ok());  // loads the library
  for (size_t i = 0; i < stages.size(); ++i) {
    const absl::Status status = Open(stages[i], "", kShort);
    EXPECT_EQ(status.code(), StatusCode::kDeadlineExceeded) << i << " " << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("signing in")) << i;
  }
}

// Counts the waits that were to last.
class CountingPlatform : public fakes::ForwardingPlatform {
 public:
  void WaitForDescriptors(std::span<DescriptorWait> waits, Deadline deadline) override {
    if (!deadline.HasPassed(Now())) ++lasting;
    fakes::ForwardingPlatform::WaitForDescriptors(waits, Deadline::Past());
  }
  int lasting = 0;
};

TEST(HostileTest, NoStepOfAnOpenWaits) {
  HostileServer server([](Client& client) { client.SignIn(), client.Wait(); });
  CountingPlatform platform;
  MysqlBackend backend({.uri = server.Uri()});
  std::vector<std::max_align_t> memory(backend.ConnectionBytes(2) / sizeof(std::max_align_t) + 1);
  absl::StatusOr<Connection*> opened = backend.Open(
      {.memory = {reinterpret_cast<std::byte*>(memory.data()), backend.ConnectionBytes(2), 2},
       .platform = &platform,
       .deadline = In(20s)});
  ASSERT_TRUE(opened.ok()) << opened.status();
  absl::StatusOr<Step> step = Step{};
  while (step.ok() && !step->done) {
    step = ConnectionAccess::Advance(**opened, platform.Now());
    if (step.ok() && !step->done) NativePlatform().WaitForDescriptors({&step->wait, 1}, step->at);
  }
  EXPECT_OK(step.status());
  EXPECT_EQ(platform.lasting, 0);
  ConnectionAccess::CloseAndDestroy(*opened);
}

TEST(HostileTest, TheEndAtEachStageOfAnOpenIsUnavailable) {
  const std::string greeting = Greeting();
  for (const size_t sent : {size_t{0}, size_t{3}, size_t{30}, greeting.size()}) {
    const absl::Status status =
        Open([&](Client& client) { client.Send(greeting.substr(0, sent)); });
    EXPECT_EQ(status.code(), StatusCode::kUnavailable) << sent << " " << status;
  }
}

TEST(HostileTest, WhatIsNoGreetingIsRefused) {
  const std::pair<const char*, std::string> greetings[] = {
      {"another protocol", "SSH-2.0-OpenSSH_9.2\r\n"},
      {"an old version", Packet("\x09"
                                "3.23\0"sv,
                                0)},
      {"an empty packet", Packet("", 0)},
      {"a short one", Packet("\x0a"
                             "5\0\0"sv,
                             0)},
      {"a wrong number", Packet(Greeting().substr(4), 7)},
      {"a long one", std::string("\xff\xff\xff\0", 4) + std::string(100'000, 'x')},
      {"without an end of the version", Packet("\x0a" + std::string(200, 'v'), 0)},
  };
  for (const auto& each : greetings) {
    const auto& name = each.first;
    const std::string& bytes = each.second;
    const absl::Status status = Open(
        [&](Client& client) {
          client.Send(bytes);
          client.Wait();
        },
        "", kShort);
    EXPECT_FALSE(status.ok()) << name;
    EXPECT_NE(status.code(), StatusCode::kOk) << name;
  }
}

TEST(HostileTest, ErrorsInPlaceOfAGreetingAreClassified) {
  for (const auto& each : {std::tuple{1040, "08004", StatusCode::kResourceExhausted},
                           {1130, "HY000", StatusCode::kPermissionDenied},
                           {1129, "HY000", StatusCode::kUnavailable},
                           {1053, "08S01", StatusCode::kUnavailable}}) {
    const absl::Status status = Open(
        [&](Client& client) { client.Send(Error(std::get<0>(each), std::get<1>(each), "no", 0)); });
    EXPECT_EQ(status.code(), std::get<2>(each)) << status;
  }
}

// A server in the middle asks for the password as it is. The plugin for that is not allowed.
TEST(HostileTest, APasswordAsItIsIsNeverSent) {
  for (const char* const plugin : {"mysql_clear_password", "dialog", "mysql_old_password"}) {
    std::string received;
    const absl::Status status = Open(
        [&](Client& client) {
          client.Send(Greeting());
          client.Receive();
          client.Send(Packet("\xfe" + std::string(plugin) + std::string("\0salt", 5), 2));
          client.Wait();
        },
        "", 1s, &received);
    EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition) << plugin << status;
    EXPECT_THAT(received, Not(HasSubstr("open sesame"))) << plugin;
  }
  std::string received;
  Open(
      [&](Client& client) {
        client.Send(Greeting("mysql_clear_password"));
        client.Wait();
      },
      "", kShort, &received)
      .IgnoreError();
  EXPECT_THAT(received, Not(HasSubstr("open sesame")));
}

// Without TLS at the server nothing at all is answered to it, not even a user's name.
TEST(HostileTest, WhereTlsIsWantedNothingIsSentWithoutIt) {
  for (const char* const mode : {"sslmode=require", "sslmode=verify-full", "sslmode=verify-ca"}) {
    std::string received;
    const absl::Status status = Open(
        [&](Client& client) {
          client.Send(Greeting());
          client.Wait();
        },
        mode, 1s, &received);
    EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition) << mode << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("the server offers no TLS")) << mode;
    EXPECT_THAT(received, Not(HasSubstr("node"))) << mode;
  }
}

// 0.0.0.0 leads to this machine, and is not one of its names for itself.
std::string Elsewhere(const HostileServer& server, std::string_view host,
                      std::string_view parameters = "") {
  std::string uri = server.Uri(parameters);
  return uri.replace(uri.find("127.0.0.1"), 9, host);
}

// Of many reports (AllowPublicKeyRetrieval): the password went out under a key of whoever had answered.
TEST(HostileTest, WithoutTlsNoPasswordGoesToAnotherMachineUnderItsOwnKey) {
  for (const char* const plugin : {"caching_sha2_password", "sha256_password"}) {
    std::atomic<int> answers = 0;
    HostileServer server([&](Client& client) {
      client.Send(Greeting());
      client.Receive();
      client.Send(
          Packet("\xfe" + std::string(plugin) + std::string("\0abcdefghijklmnopqrst\0", 22), 2));
      while (!client.Receive().empty()) ++answers;
    });
    Session session(std::make_unique<MysqlBackend>(
                        MysqlOptions{.uri = Elsewhere(server, "0.0.0.0", "sslmode=disable")}),
                    1s);
    EXPECT_EQ(session.status().code(), StatusCode::kFailedPrecondition) << session.status();
    EXPECT_THAT(session.message(), HasSubstr("verify-full")) << plugin;
    EXPECT_EQ(answers, 0) << plugin;
  }
}

// A line in /etc/hosts is enough for localhost to be another machine.
TEST(HostileTest, LocalhostElsewhereIsAnotherMachine) {
  HostileServer server([](Client& client) {
    client.Send(Greeting());
    client.Wait();
  });
  Session session(std::make_unique<LookedUpBackend>(
                      MysqlOptions{.uri = Elsewhere(server, "localhost")},
                      [](const std::string&) { return backends::Addresses{.list = {"0.0.0.0"}}; }),
                  1s);
  EXPECT_EQ(session.status().code(), StatusCode::kFailedPrecondition) << session.status();
  session.held().Close();
  EXPECT_THAT(server.received(), Not(HasSubstr("node")));
}

// The library asks for the version of a server that has not said any, and dies of that.
TEST(HostileTest, AReportOfProgressIsNoGreeting) {
  for (const std::string_view payload :
       {"\xff\xff\xff\x01\x01"sv, "\xff\xff\xff\x01\x01\x03\0\0\0"sv}) {
    const std::string packet = Packet(payload, 0);
    for (const size_t first : {packet.size(), size_t{1}, size_t{5}, size_t{6}}) {
      const absl::Status status = Open([&](Client& client) {
        client.Send(packet.substr(0, first));
        poll(nullptr, 0, 1);  // so that it comes in two pieces, mostly
        client.Send(packet.substr(first));
        client.Wait();
      });
      EXPECT_EQ(status.code(), StatusCode::kUnavailable) << first << status;
      EXPECT_THAT(std::string(status.message()), HasSubstr("in place of a greeting"));
    }
  }
}

// Nothing is sent to a server that speaks out of its turn, be it to sign in or for TLS.
TEST(HostileTest, BytesBehindTheGreetingEndTheOpen) {
  for (const char* const mode : {"", "sslmode=require"}) {
    std::string received;
    const absl::Status status = Open(
        [&](Client& client) {
          client.Send(Greeting("mysql_native_password", true) + Ok(3) + Ok(1));
          client.Wait();
        },
        mode, 20s, &received);
    EXPECT_EQ(status.code(), StatusCode::kUnavailable) << mode << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("behind the greeting")) << mode;
    EXPECT_EQ(received, "") << mode;
  }
}

// The library would wait for each of them in poll(2), within one step and without end.
TEST(HostileTest, SilenceInTheTlsHandshakeCostsTheDeadline) {
  for (const std::string_view said : {""sv, "\x16\x03\x03"sv, "\x16\x03\x03\0\x7a\x02\0\0"sv}) {
    const absl::Status status = Open(
        [&](Client& client) {
          client.Send(Greeting("mysql_native_password", true));
          client.Receive();
          client.Send(said);
          client.Wait();
        },
        "sslmode=require", kShort);
    EXPECT_EQ(status.code(), StatusCode::kDeadlineExceeded) << said.size() << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("signing in"));
  }
}

// Opens so often, and gives each up after up to four steps.
void GiveUpOpens(MysqlBackend& backend, int times) {
  std::vector<std::max_align_t> memory(backend.ConnectionBytes(2) / sizeof(std::max_align_t) + 1);
  for (int i = 0; i < times; ++i) {
    absl::StatusOr<Connection*> opened = backend.Open(
        {.memory = {reinterpret_cast<std::byte*>(memory.data()), backend.ConnectionBytes(2), 2},
         .platform = &NativePlatform(),
         .deadline = In(20s)});
    ASSERT_TRUE(opened.ok()) << opened.status();
    for (int step = 0; step < i % 5; ++step) {
      absl::StatusOr<Step> next = ConnectionAccess::Advance(**opened, NativePlatform().Now());
      if (!next.ok()) break;
      // Of the server nothing more comes: so it goes on.
      NativePlatform().WaitForDescriptors({&next->wait, 1}, In(1ms));
    }
    ConnectionAccess::CloseAndDestroy(*opened);
  }
}

// One that is given up in the handshake ends, too, and another one after it is not hurt.
TEST(HostileTest, AHandshakeThatIsGivenUpEndsAtOnce) {
  HostileServer server([](Client& client) {
    client.Send(Greeting("mysql_native_password", true));
    client.Wait();
  });
  MysqlBackend backend({.uri = server.Uri("sslmode=require")});
  GiveUpOpens(backend, 20);
  EXPECT_GT(server.clients(), 1);
}

TEST(HostileTest, AFloodWhileSigningInEndsTheOpen) {
  const std::pair<const char*, std::function<void(Client&)>> floods[] = {
      {"in place of a greeting", [](Client& client) { client.Flood(Packet(kProgress, 0)); }},
      {"before it lets the client in",
       [](Client& client) {
         client.Send(Greeting());
         client.Receive();
         client.Flood(Packet(kProgress, 2));
       }},
      {"in the set-up",
       [](Client& client) {
         client.Send(Greeting());
         client.Receive();
         client.Send(Ok(2));
         client.Receive();
         client.Flood(Packet("\0\0\0\x0a\0\0\0"sv, 1));
       }},
      {"a long text behind the set-up",
       [](Client& client) {
         client.Send(Greeting());
         client.Receive();
         client.Send(Ok(2));
         client.Receive();
         client.Send(Packet(std::string("\0\0\0\x02\0\0\0", 7) + std::string(900'000, 'x'), 1));
         client.Wait();
       }},
  };
  for (const auto& each : floods) {
    const absl::Status status = Open(each.second);
    EXPECT_EQ(status.code(), StatusCode::kUnavailable) << each.first << status;
  }
}

// The session that is to be ended may be the one that fills the server.
TEST(HostileTest, TheEndOfASessionIsTriedAgainWhereTheServerIsFull) {
  HostileServer server([&](Client& client) {
    if (server.clients() == 1) {
      client.Send(Error(1226, "42000", "max_user_connections", 0));
    } else if (client.SignIn()) {
      client.Receive();
      client.Send(Ok(1));
      client.Wait();
    }
  });
  const MysqlOptions options{.uri = server.Uri()};
  BackendState state(options);
  ASSERT_OK(state.Read().status());
  // The server calls each session 42.
  state.EndSession({.platform = &NativePlatform(), .given_up = {.id = 7, .local_port = 9}});
  EXPECT_TRUE(support::WaitUntil(
      [&] { return state.Continue(NativePlatform().Now()), server.clients() == 2; }));
}

TEST_F(HostileCases, SignInsThatDoNotEnd) {
  const auto greet = [](std::string plugin, std::function<std::string(int)> answer) {
    return [plugin = std::move(plugin), answer = std::move(answer)](Client& client) {
      client.Send(Greeting(plugin));
      for (int number = 2; !client.Receive().empty(); number += 2) client.Send(answer(number));
    };
  };
  const auto switch_to = [](std::string_view plugin) {
    return "\xfe" + std::string(plugin) + std::string("\0abcdefghijklmnopqrst\0", 22);
  };
  const std::string native = "mysql_native_password";
  ExpectRefused({
      {"another way to sign in again and again",
       greet(native, [=](int number) { return Packet(switch_to(native), number); })},
      {"a way without a name",
       greet(native, [](int number) { return Packet("\xfe\0"sv, number); })},
      {"a way that nobody knows",
       greet(native, [=](int number) { return Packet(switch_to("../../tmp/evil"), number); })},
      {"a switch of one byte", greet(native, [](int number) { return Packet("\xfe"sv, number); })},
      {"a name without an end",
       greet(native, [](int number) { return Packet("\xfe" + std::string(5000, 'p'), number); })},
      {"a salt that is too short",
       greet(native,
             [=](int number) { return Packet("\xfe" + native + std::string("\0ab", 3), number); })},
      {"more of a sign-in that has no more",
       greet(native, [](int number) { return Packet("\x01\x03"sv, number); })},
      {"a file in place of an answer",
       greet(native, [](int number) { return Packet("\xfb/etc/passwd"sv, number); })},
      {"rows in place of an answer",
       greet(native, [](int number) { return OneColumn(MYSQL_TYPE_LONG, number); })},
      {"an empty answer", greet(native, [](int number) { return Packet("", number); })},
      {"an OK of one byte, and silence",
       greet(native, [](int number) { return number == 2 ? Packet("\0"sv, number) : ""; })},
      {"caching_sha2 that says yes and then nothing",
       greet("caching_sha2_password",
             [](int number) { return number == 2 ? Packet("\x01\x03"sv, number) : ""; })},
      {"caching_sha2 with an unknown word",
       greet("caching_sha2_password", [](int number) { return Packet("\x01\x09"sv, number); })},
  });
}

constexpr char kServersKey[] =
    "-----BEGIN PUBLIC KEY-----\n"
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDCPsXYY9hsnlmiElkcr3uUcIVx\n"
    "2abxfswbG064rhOAJ+Ll6/AJezB8nwC3d7HrI/T9Nz0UGHTRlCLb4a7yGZ4tobAc\n"
    "pSPuUxXiMdX5xYLXQZM84SyhzkfS6AIiJZYTuXiy+q3JV4zEyFcgFfdu6rVMnGCf\n"
    "S5M7QdihO7y62aHw7QIDAQAB\n"
    "-----END PUBLIC KEY-----\n";

// Of reports about mysql-connector-python and MySqlConnector: a server in the middle sends a key of its own.
TEST_F(HostileCases, NoPasswordLeavesForAKeyThatTheServerSends) {
  for (const std::string plugin : {"caching_sha2_password", "sha256_password"}) {
    const std::string key = "\x01" + std::string(kServersKey);
    std::vector<std::string> sent;
    std::optional<HostileServer> server([&](Client& client) {
      client.Send(Greeting(plugin));
      client.Receive();
      client.Send(plugin == "sha256_password" ? Packet(key, 2) : Packet("\x01\x04"sv, 2));
      for (int number = 4; number < 12; number += 2) {
        const std::string packet = client.Receive();
        if (packet.empty()) return;
        sent.push_back(packet);
        client.Send(Packet(key, number));
      }
    });
    {
      MysqlBackend backend({.uri = server->Uri("sslmode=disable")});
      const HeldConnection held(backend, NativePlatform(), Role::kAny, 8, In(5s));
      EXPECT_EQ(held.status().code(), StatusCode::kFailedPrecondition) << plugin << held.status();
    }
    server.reset();  // its thread has ended, and `sent` is whole
    for (const std::string& packet : sent) {
      EXPECT_LE(packet.size(), 1u) << plugin << ": more than the wish for a key";
    }
  }
}

// What says that it speaks TLS, and does not.
TEST_F(HostileCases, TlsThatIsNone) {
  std::string greeting = Greeting();
  greeting[4 + 1 + 23 + 4 + 9 + 1] =
      static_cast<char>(0xFF);  // the second byte of the capabilities
  const auto answer_with = [greeting](std::string bytes) {
    return [greeting, bytes = std::move(bytes)](Client& client) {
      client.Send(greeting);
      client.Receive();
      client.Send(bytes);
      client.Wait();
    };
  };
  const std::vector<Case> cases = {
      {"the text of another protocol", answer_with("HTTP/1.1 400 Bad Request\r\n\r\n")},
      {"an OK in plain text", answer_with(Ok(2))},
      {"an alert", answer_with(std::string("\x15\x03\x03\0\x02\x02\x28", 7))},
      {"a record without an end", answer_with(std::string("\x16\x03\x03\x40\0\x02", 6))},
  };
  ExpectRefused(cases, "sslmode=require");
  ExpectRefused(cases, "sslmode=verify-full");
}

// Of reports about Connector/C: a connect that was given up leaked, or freed twice.
TEST(HostileTest, OpensThatAreGivenUpLeakNothing) {
  HostileServer server([](Client& client) {
    client.Send(Greeting());
    client.Receive();
    client.Send(Ok(2).substr(0, 5));
    client.Wait();
  });
  MysqlBackend backend({.uri = server.Uri()});
  GiveUpOpens(backend, 1000);
  EXPECT_GT(server.clients(), 100);
}

}  // namespace
}  // namespace roost::mysql
