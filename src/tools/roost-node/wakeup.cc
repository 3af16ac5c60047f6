#include "tools/roost-node/wakeup.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
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
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGPWR}) {
    // A signal that is blocked reaches a signalfd though it is ignored.
    if (!IsIgnored(number)) sigaddset(&mask, number);
  }
  sigprocmask(SIG_BLOCK, &mask, nullptr);
  // A reader of our output that goes away, and a file that may not grow further, are errors of a
  // write and no reason to lose readings.
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
  signals_ = Checked(signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC), "signalfd");
  either_ = Checked(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
  epoll_event event{};
  event.events = EPOLLIN;
  Checked(epoll_ctl(either_, EPOLL_CTL_ADD, signals_, &event), "epoll_ctl");
}

Wakeup::~Wakeup() {
  close(either_);
  close(signals_);
}

void Wakeup::WatchInput(bool want) {
  if (want == watching_ || input_ < 0 || always_ready_) return;
  epoll_event event{};
  event.events = EPOLLIN;
  const int result = epoll_ctl(either_, want ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, input_, &event);
  if (result == 0) {
    watching_ = want;
  } else {
    always_ready_ =
        true;  // EPERM: a file, which a read never waits for; else read() tells the error
  }
}

Wakeup::Seen Wakeup::Wait(Deadline deadline, bool want_input,
                          std::span<const DescriptorWait> others) {
  WatchInput(want_input);
  const bool ready = want_input && always_ready_;
  std::array<DescriptorWait, 1 + kMostOthers> waits;
  waits[0] = {.fd = either_, .wanted = {.readable = true}};
  std::copy(others.begin(), others.end(), waits.begin() + 1);
  platform_.WaitForDescriptors({waits.data(), 1 + others.size()},
                               ready ? Deadline::Past() : deadline);
  Seen seen;
  signalfd_siginfo info{};
  if (read(signals_, &info, sizeof info) == ssize_t{sizeof info}) {
    seen.signal = static_cast<int>(info.ssi_signo);
  }
  seen.input =
      ready || (want_input && watching_ &&
                platform_.WaitForDescriptor(input_, {.readable = true}, Deadline::Past()).any());
  return seen;
}

}  // namespace roost::tools
