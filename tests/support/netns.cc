#include "tests/support/netns.h"

#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace roost::support {
namespace {

constexpr const char* kDevice = "link0";

[[noreturn]] void FailNoNamespace() { Fail("no network namespace for this user; run it as root"); }

// Of a user that is not root: what root may do, but only to namespaces made from now on. Programs
// that are started inherit it.
void BecomeRootOfOwnNamespaces() {
  const uid_t user = getuid();
  const gid_t group = getgid();
  if (unshare(CLONE_NEWUSER) != 0) FailNoNamespace();
  std::ofstream("/proc/self/setgroups") << "deny";
  std::ofstream("/proc/self/uid_map") << user << " " << user << " 1";
  std::ofstream("/proc/self/gid_map") << group << " " << group << " 1";
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct sets[2] = {};
  if (syscall(SYS_capget, &header, sets) != 0) FailNoNamespace();
  for (__user_cap_data_struct& set : sets) set.inheritable = set.permitted;
  if (syscall(SYS_capset, &header, sets) != 0) FailNoNamespace();
  for (const unsigned long capability : {CAP_NET_ADMIN, CAP_SYS_ADMIN}) {
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0);
  }
}

void Ip(const std::string& network, std::vector<std::string> words) {
  words.insert(words.begin(), "ip");
  RunOrFail({.words = std::move(words), .network = network});
}

void Bind(const std::string& from, const char* to) {
  if (mount(from.c_str(), to, nullptr, MS_BIND, nullptr) != 0) {
    Fail("cannot replace " + std::string(to) + " for this program");
  }
}

std::string NetworkOf(pid_t pid) { return "/proc/" + std::to_string(pid) + "/ns/net"; }

}  // namespace

void EnterOwnNetwork() {
  // Servers write their sockets and logs as another user: /sbin is where ip and nft are.
  setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
  if (geteuid() != 0) BecomeRootOfOwnNamespaces();
  if (unshare(CLONE_NEWNET | CLONE_NEWNS) != 0) FailNoNamespace();
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) FailNoNamespace();
  Ip("", {"link", "set", "lo", "up"});
}

OtherHost::OtherHost() : keeper_({.words = {"unshare", "--net", "sleep", "infinity"}}) {
  const std::filesystem::path mine = std::filesystem::read_symlink("/proc/self/ns/net");
  const bool apart = WaitUntil([&] {
    std::error_code error;
    const auto theirs = std::filesystem::read_symlink(network(), error);
    return !error && theirs != mine;
  });
  if (!apart) Fail("the other host does not come up");
  Ip("", {"link", "add", kDevice, "type", "veth", "peer", "name", kDevice, "netns",
          std::to_string(keeper_.pid())});
  Ip(network(), {"address", "add", "198.18.0.2/24", "dev", kDevice});
  Ip(network(), {"link", "set", "lo", "up"});
  Ip(network(), {"link", "set", kDevice, "up"});
  Ip("", {"address", "add", ours_ + "/24", "dev", kDevice});
  Ip("", {"link", "set", kDevice, "up"});
}

OtherHost::~OtherHost() {
  Heal();
  Ip("", {"link", "delete", kDevice});
}

std::string OtherHost::network() const { return NetworkOf(keeper_.pid()); }

void OtherHost::Filter(std::string_view rules) {
  const TempDir dir;
  // Made before it is deleted, because what is not there cannot be.
  WriteFile(dir.File("rules"),
            "table inet fault {}\ndelete table inet fault\n" + std::string(rules));
  RunOrFail({.words = {"nft", "-f", dir.File("rules")}});
}

void OtherHost::Drop() {
  Filter(
      "table inet fault {\n"
      "  chain in { type filter hook input priority 0; iifname link0 drop; }\n"
      "  chain out { type filter hook output priority 0; oifname link0 drop; }\n"
      "}\n");
}

void OtherHost::Reject() {
  Filter(
      "table inet fault {\n"
      "  chain out { type filter hook output priority 0;\n"
      "    oifname link0 meta l4proto tcp reject with tcp reset; }\n"
      "}\n");
}

void OtherHost::DropNames() {
  Filter(
      "table inet fault {\n"
      "  chain out { type filter hook output priority 0;\n"
      "    oifname link0 udp dport 53 drop; }\n"
      "}\n");
}

void OtherHost::Heal() { Filter(""); }

void OtherHost::LinkDown() { Ip("", {"link", "set", kDevice, "down"}); }
void OtherHost::LinkUp() { Ip("", {"link", "set", kDevice, "up"}); }

void OtherHost::MoveTo(std::string_view ours) {
  Ip("", {"address", "delete", ours_ + "/24", "dev", kDevice});
  ours_ = ours;
  Ip("", {"address", "add", ours_ + "/24", "dev", kDevice});
}

NameService::NameService(std::string_view server) {
  std::filesystem::permissions(dir_.path(), std::filesystem::perms(0755));
  WriteFile(dir_.File("resolv.conf"),
            "nameserver " + std::string(server) + "\noptions timeout:2 attempts:1\n");
  SetHosts("");
  Bind(dir_.File("resolv.conf"), "/etc/resolv.conf");
  Bind(dir_.File("hosts"), "/etc/hosts");
}

NameService::~NameService() {
  umount2("/etc/resolv.conf", MNT_DETACH);
  umount2("/etc/hosts", MNT_DETACH);
}

void NameService::SetHosts(std::string_view lines) { WriteFile(dir_.File("hosts"), lines); }

}  // namespace roost::support
