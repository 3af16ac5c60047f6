// tests/support/loopback_port.h - a TCP port of 127.0.0.1 that no other test takes.
#ifndef ROOST_TESTS_SUPPORT_LOOPBACK_PORT_H_
#define ROOST_TESTS_SUPPORT_LOOPBACK_PORT_H_

namespace roost::support {

// Claims a free port for as long as it lives, also while nothing listens on it, so that a server
// can be stopped and started again. The claim is an abstract unix socket: it counts among the test
// programs of this machine and is gone with its process. The port is below those that the kernel
// gives to outgoing connections.
class LoopbackPort {
 public:
  LoopbackPort();
  ~LoopbackPort();
  LoopbackPort(const LoopbackPort&) = delete;
  LoopbackPort& operator=(const LoopbackPort&) = delete;

  int number() const { return number_; }

 private:
  int number_ = 0;
  int claim_ = -1;
};

}  // namespace roost::support

#endif  // ROOST_TESTS_SUPPORT_LOOPBACK_PORT_H_
