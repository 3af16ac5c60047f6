// tests/mysql/hostile_server.h - a server of MySQL's protocol that does what it should not.
//
// It listens on a free port of 127.0.0.1 and serves one client after the other in a thread of its own. A
// test says what it does with each packet of a client; it speaks five packets, and keeps what it was sent.
//
// Threads:  the test's, and one of its own
// Blocks:   the destructor, until that thread has ended
// Memory:   the heap
// Errors:   Fail
#ifndef ROOST_TESTS_MYSQL_HOSTILE_SERVER_H_
#define ROOST_TESTS_MYSQL_HOSTILE_SERVER_H_

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "tests/support/loopback_port.h"

namespace roost::mysql {

// A packet with its length and its number in front.
std::string Packet(std::string_view payload, int number);
// The first packet of a server. `plugin`: how it wants its clients to sign in. `tls`: it offers that.
// `more`: the capabilities of MariaDB alone; 4: bulk.
std::string Greeting(std::string_view plugin = "mysql_native_password", bool tls = false,
                     char more = 0);
std::string Ok(int number);
std::string Error(int code, std::string_view sqlstate, std::string_view message, int number);

class HostileServer {
 public:
  // One client of it.
  class Client {
   public:
    explicit Client(int fd) : fd_(fd) {}
    // False: the client has gone.
    bool Send(std::string_view bytes) const;
    // Sends that over and over again until the client goes.
    void Flood(std::string_view bytes) const;
    // The payload of the next packet; "" when the client has gone.
    std::string Receive();
    // Reads until the client goes.
    void Wait();
    // Greets, takes what it is sent, and lets the client in. False: it has gone.
    bool SignIn(char more = 0);
    // From a greeting to the good-bye what a server should do that has statements without values and rows.
    void Behave();
    const std::string& received() const { return received_; }
    int fd() const { return fd_; }

   private:
    const int fd_;
    std::string received_;
  };

  explicit HostileServer(std::function<void(Client&)> serve);
  ~HostileServer();
  HostileServer(const HostileServer&) = delete;
  HostileServer& operator=(const HostileServer&) = delete;

  std::string Uri(std::string_view parameters = "") const;
  // Every byte of every client so far.
  std::string received();
  int clients() const { return clients_; }

 private:
  void Serve();

  const std::function<void(Client&)> serve_;
  const support::LoopbackPort port_{};
  int listener_ = -1;
  std::atomic<int> current_ = -1;
  std::atomic<int> clients_ = 0;
  std::atomic<bool> ends_ = false;
  std::mutex mu_;
  std::string received_;
  std::thread thread_;
};

}  // namespace roost::mysql

#endif  // ROOST_TESTS_MYSQL_HOSTILE_SERVER_H_
