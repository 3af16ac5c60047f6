// tests/support/netns.h - a network of a test's own, with another host in it.
//
//   this program                     the other host
//   198.18.0.1 --------------------- 198.18.0.2
//
// Both ends are network namespaces that nobody else sees; they are gone with the program. Here a
// cut is a cut: packets vanish, nobody acknowledges anything, TCP's own timers have to notice. As
// root, or as any user where the kernel lets users make namespaces.
//
// Threads:  EnterOwnNetwork before the first thread; the rest by one thread
// Blocks:   while ip(8) and nft(8) run, some 5 ms a change
// Memory:   the heap
// Errors:   Fail
// Example:
//   support::EnterOwnNetwork();  // in main
//   support::OtherHost host;
//   support::PostgresServer server({.address = host.address(), .network = host.network()});
//   host.Drop(); ... host.Heal();
#ifndef ROOST_TESTS_SUPPORT_NETNS_H_
#define ROOST_TESTS_SUPPORT_NETNS_H_

#include <string>
#include <string_view>

#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace roost::support {

// Moves this program into a network namespace with a loopback device alone, and into a mount
// namespace. REQUIRES: it has one thread.
void EnterOwnNetwork();

// REQUIRES: EnterOwnNetwork was called; one at a time.
class OtherHost {
 public:
  OtherHost();
  ~OtherHost();
  OtherHost(const OtherHost&) = delete;
  OtherHost& operator=(const OtherHost&) = delete;

  std::string address() const { return "198.18.0.2"; }
  // The file of its namespace: what runs there, see Command::network.
  std::string network() const;

  // Every packet between us vanishes.
  void Drop();
  // Whatever we send over TCP is answered with RST by a firewall, which tells the other host
  // nothing.
  void Reject();
  // Questions to a name server there vanish.
  void DropNames();
  // Takes back Drop, Reject and DropNames: each replaces what there was.
  void Heal();
  // The device is switched off; and on again.
  void LinkDown();
  void LinkUp();
  // Our address becomes `ours`, such as 198.18.0.9; connections from the old one get no answer any
  // more.
  void MoveTo(std::string_view ours);

 private:
  void Filter(std::string_view rules);

  Process keeper_{};  // keeps the other namespace
  std::string ours_ = "198.18.0.1";
};

// What names mean in this program: /etc/hosts and /etc/resolv.conf replaced, for it alone.
// REQUIRES: EnterOwnNetwork was called.
class NameService {
 public:
  // Asks the name server at `server`, which may not be there; for 2 s.
  explicit NameService(std::string_view server);
  ~NameService();
  NameService(const NameService&) = delete;
  NameService& operator=(const NameService&) = delete;

  // The whole of /etc/hosts, such as "198.18.0.2 db.test\n". Empty: every name is asked for.
  void SetHosts(std::string_view lines);

 private:
  TempDir dir_{};
};

}  // namespace roost::support

#endif  // ROOST_TESTS_SUPPORT_NETNS_H_
