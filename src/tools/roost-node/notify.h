// tools/roost-node/notify.h - what a service tells systemd (sd_notify(3)): ready, alive, how it
// is, ending.
//
// Each is one datagram to the socket that systemd names in the environment. libsystemd would do the
// same and bring 0.8 MB of itself and its libraries into the process, which a node does without.
// Started by hand there is no socket, and nothing is sent.
//
// Threads:  one
// Blocks:   never: what does not fit into the socket's queue is not sent, and that is returned
// Memory:   one descriptor; what is sent is cut after some 500 bytes
// Errors:   false where something was to be sent and was not
#ifndef ROOST_TOOLS_ROOST_NODE_NOTIFY_H_
#define ROOST_TOOLS_ROOST_NODE_NOTIFY_H_

#include <string>
#include <string_view>

#include "roost/deadline.h"

namespace roost::tools {

class Notify {
 public:
  struct Settings {
    std::string socket{};        // a path; a leading @ is an abstract name; empty: there is none
    Duration watchdog_period{};  // zero: there is no watchdog
  };
  // What NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID say to this process.
  static Settings FromEnvironment();

  explicit Notify(const Settings& settings);
  ~Notify();
  Notify(const Notify&) = delete;
  Notify& operator=(const Notify&) = delete;

  // There is a socket. When there is none, every call below returns true and does nothing.
  bool on() const { return fd_ >= 0; }
  // How long the service may stay silent before it is killed. Zero: for ever.
  Duration watchdog_period() const { return watchdog_period_; }

  bool Ready(std::string_view status) const;
  bool Status(std::string_view status) const;
  bool Stopping(std::string_view status) const;
  bool Feed() const;  // the watchdog

 private:
  bool Send(std::string_view text) const;

  const Settings settings_;
  int fd_ = -1;
  Duration watchdog_period_{};
};

// Whether standard error is the journal: JOURNAL_STREAM names what descriptor 2 is. Only then may a
// message begin with its priority, such as "<4>".
bool ErrorsGoToJournal();

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOST_NODE_NOTIFY_H_
