// tests/support/tcp_proxy.h - a TCP link that a test can slow down, cut and count.
//
// It listens on a free port of 127.0.0.1 and forwards every connection to the target, in a thread
// of its own. What it cannot imitate: a cut here stops forwarding, but the kernel still
// acknowledges what either side sends, so that TCP's own timers see a healthy link. For a cut that
// those have to notice see netns.h.
//
// Threads:  every function may be called from every thread
// Blocks:   a change until the proxy's thread has made it
// Memory:   the heap
// Errors:   Fail
// Example:
//   support::TcpProxy proxy(server.port());
//   proxy.Delay(20ms);
//   PostgresBackend backend({.uri = server.UriThrough(proxy.port())});
//   ... EXPECT_EQ(proxy.counts().round_trips, 1);
#ifndef ROOST_TESTS_SUPPORT_TCP_PROXY_H_
#define ROOST_TESTS_SUPPORT_TCP_PROXY_H_

#include <chrono>
#include <cstdint>
#include <memory>

namespace roost::support {

class TcpProxy {
 public:
  struct Counts {
    int attempts = 0;         // connections that were accepted, whatever became of them
    int open = 0;             // of these, how many there are now; a client that has left is none
    int most_open = 0;        // and how many there ever were at once
    int64_t up = 0;           // bytes from clients
    int64_t down = 0;         // bytes to clients
    int cancel_requests = 0;  // of the attempts: PostgreSQL's, which open no session
    int round_trips = 0;  // on all connections: a client sent something after it had been answered,
                          // or for the first time. The TCP handshake is not among them.
  };

  // Forwards to 127.0.0.1:`target`.
  explicit TcpProxy(int target);
  ~TcpProxy();
  TcpProxy(const TcpProxy&) = delete;
  TcpProxy& operator=(const TcpProxy&) = delete;

  int port() const;

  // Every byte arrives so much later, in each direction. Half of a round trip. Exact counts of
  // round trips need some: what was sent without waiting for an answer then comes before it.
  void Delay(std::chrono::milliseconds each_way);
  // Nothing passes any more, in neither direction, and nobody is told; new connections are
  // accepted, and then there is silence.
  void Cut();
  // Ends every connection with RST, and each new one at once.
  void Reset();
  // Ends every connection with RST and does not listen: connection refused, not counted.
  void Refuse();
  // Everything passes again; what a Cut has held back goes on.
  void Heal();

  Counts counts() const;
  // Starts all counts but `open` again at 0.
  void ClearCounts();

 private:
  class Relay;
  const std::unique_ptr<Relay> relay_;
};

}  // namespace roost::support

#endif  // ROOST_TESTS_SUPPORT_TCP_PROXY_H_
