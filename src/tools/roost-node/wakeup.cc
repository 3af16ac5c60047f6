#include "tools/roost-node/wakeup.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <system_error>

namespace roost::tools {
namespace {

int Checked(int result, const char* what) {
  if (result < 0) throw std::system_error(errno, std::generic_category(), what);
  return result;
}

bool IsIgnored(int number) {
  struct sigaction now {};
  return sigaction(number, nullptr, &now) == 0 && now.sa_handler == SIG_IGN;
}

}  // namespace

Wakeup::Wakeup(Platform& platform, int input) : platform_(platform), input_(input) {
  sigset_t mask;
  sigemptyset(&mask);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGPWR, SIGUSR1}) {
    // A signal that is blocked reaches a signalfd though it is ignored.
    if (!IsIgnored(number)) sigaddset(&mask, number);
  }
  sigprocmask(SIG_BLOCK, &mask, nullptr);
  // A reader of our output that goes away, and a file that may not grow further, are errors of a
  // write and no reason to lose readings.
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
  signals_ = Checked(signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC), "signalfd");
}

Wakeup::~Wakeup() { close(signals_); }

Wakeup::Seen Wakeup::Wait(Deadline deadline, bool want_input,
                          std::span<const DescriptorWait> others) {
  std::array<DescriptorWait, 2 + kMostOthers> waits;
  waits[0] = {.fd = signals_, .wanted = {.readable = true}};
  // A regular file is always ready; a descriptor of -1 is passed over.
  waits[1] = {.fd = want_input ? input_ : -1, .wanted = {.readable = true}};
  std::copy(others.begin(), others.end(), waits.begin() + 2);
  platform_.WaitForDescriptors({waits.data(), 2 + others.size()}, deadline);
  Seen seen;
  seen.input = waits[1].seen.any();
  signalfd_siginfo info{};
  if (waits[0].seen.any() && read(signals_, &info, sizeof info) == ssize_t{sizeof info}) {
    seen.signal = static_cast<int>(info.ssi_signo);
  }
  return seen;
}

}  // namespace roost::tools
