// What libpq reads through a Valve, with a libpq and a server that are sockets of the test.
#include "backends/postgres/valve.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <functional>
#include <string>

#include "gtest/gtest.h"

namespace roost::postgres {
namespace {

// In the place of a PGconn: a descriptor, and what PQconsumeInput does with it.
struct FakeConnection {
  int fd = -1;
  std::function<bool(FakeConnection&)> consume{};
  int calls = 0;
  std::string read{};
};

FakeConnection& Of(const PGconn* handle) {
  return *const_cast<FakeConnection*>(reinterpret_cast<const FakeConnection*>(handle));
}

int Socket(const PGconn* handle) { return Of(handle).fd; }

int Consume(PGconn* handle) {
  FakeConnection& connection = Of(handle);
  ++connection.calls;
  return connection.consume(connection) ? 1 : 0;
}

// As libpq: one read of 8 KB.
bool ReadOnce(FakeConnection& connection) {
  std::array<char, 8192> room;
  const ssize_t size = recv(connection.fd, room.data(), room.size(), MSG_DONTWAIT);
  if (size > 0) connection.read.append(room.data(), static_cast<size_t>(size));
  return size != 0;
}

// As libpq behind a long message: for as long as there is something.
bool ReadOn(FakeConnection& connection) {
  const size_t before = connection.read.size();
  while (ReadOnce(connection) && errno != EAGAIN) errno = 0;
  errno = 0;
  return connection.read.size() > before;
}

int64_t OpenDescriptors() {
  const std::filesystem::directory_iterator folder("/proc/self/fd");
  return std::distance(begin(folder), end(folder));
}

class ValveTest : public ::testing::Test {
 protected:
  ValveTest() {
    std::array<int, 2> pair{};
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair.data()), 0);
    connection_.fd = pair[0];
    server_ = pair[1];
    connection_.consume = ReadOnce;
    pq_.PQsocket = &Socket;
    pq_.PQconsumeInput = &roost::postgres::Consume;
  }
  ~ValveTest() override {
    close(connection_.fd);
    if (server_ >= 0) close(server_);
  }

  bool Consume(Valve& valve) { return valve.Consume(pq_, handle(), bytes_); }
  PGconn* handle() { return reinterpret_cast<PGconn*>(&connection_); }
  void Say(const std::string& text) {
    ASSERT_EQ(send(server_, text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  }
  std::string Heard() const {
    std::array<char, 64> room;
    const ssize_t size = recv(server_, room.data(), room.size(), MSG_DONTWAIT);
    return {room.data(), static_cast<size_t>(std::max<ssize_t>(size, 0))};
  }

  FakeConnection connection_;
  Libpq pq_;
  int server_ = -1;
  size_t bytes_ = 0;
};

TEST_F(ValveTest, LetsSoMuchThroughAndNoMore) {
  Valve valve(Valve::Writes::kKept);
  connection_.consume = ReadOn;
  const std::string all = std::string(Valve::kMost, 'a') + std::string(Valve::kMost, 'b') + "c";
  Say(all);
  EXPECT_TRUE(Consume(valve));
  EXPECT_EQ(connection_.read.size(), Valve::kMost);
  EXPECT_EQ(bytes_, Valve::kMost);
  EXPECT_TRUE(Consume(valve));
  EXPECT_TRUE(Consume(valve));
  EXPECT_EQ(connection_.read, all);
  EXPECT_EQ(bytes_, all.size());
}

TEST_F(ValveTest, AsksUntilNothingIsLeftInIt) {
  Valve valve(Valve::Writes::kKept);
  Say(std::string(Valve::kMost, 'a'));
  EXPECT_TRUE(Consume(valve));
  EXPECT_EQ(connection_.read.size(), Valve::kMost);
  EXPECT_EQ(connection_.calls, 2);
}

TEST_F(ValveTest, CallsForNothingOnlyAtTheEnd) {
  Valve valve(Valve::Writes::kKept);
  EXPECT_TRUE(Consume(valve));
  EXPECT_EQ(connection_.calls, 0);
  close(std::exchange(server_, -1));
  EXPECT_FALSE(Consume(valve));
  EXPECT_EQ(connection_.calls, 1);
}

TEST_F(ValveTest, GivesTheSocketAndTheDescriptorsBack) {
  const int64_t before = OpenDescriptors();
  {
    Valve valve(Valve::Writes::kKept);
    Say("hello");
    EXPECT_TRUE(Consume(valve));
    EXPECT_EQ(send(connection_.fd, "answer", 6, 0), 6);
    EXPECT_EQ(Heard(), "answer");
  }
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST_F(ValveTest, NothingThatIsWrittenMeanwhileIsLost) {
  Valve valve(Valve::Writes::kKept);
  connection_.consume = [](FakeConnection& connection) {
    EXPECT_LT(send(connection.fd, "lost", 4, MSG_DONTWAIT), 0);
    EXPECT_EQ(errno, EAGAIN);
    return ReadOnce(connection);
  };
  Say("hello");
  EXPECT_TRUE(Consume(valve));
  EXPECT_EQ(connection_.calls, 1);
}

TEST_F(ValveTest, WhatIsWrittenMeanwhileIsSentOn) {
  Valve valve(Valve::Writes::kSentOn);
  connection_.consume = [](FakeConnection& connection) {
    EXPECT_EQ(send(connection.fd, "password", 8, MSG_DONTWAIT), 8);
    return ReadOnce(connection);
  };
  Say("hello");
  EXPECT_TRUE(Consume(valve));
  EXPECT_EQ(Heard(), "password");
}

TEST_F(ValveTest, ASocketThatWasOpenedInItsPlaceIsLeftAlone) {
  std::array<int, 2> other{};
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, other.data()), 0);
  Valve valve(Valve::Writes::kSentOn);
  connection_.consume = [&other](FakeConnection& connection) {
    ReadOnce(connection);
    EXPECT_EQ(dup2(other[0], connection.fd), connection.fd);
    return true;
  };
  Say("go away");
  EXPECT_TRUE(Consume(valve));
  EXPECT_EQ(send(connection_.fd, "anew", 4, 0), 4);
  std::array<char, 8> room;
  EXPECT_EQ(recv(other[1], room.data(), room.size(), MSG_DONTWAIT), 4);
  for (const int fd : other) close(fd);
}

}  // namespace
}  // namespace roost::postgres
