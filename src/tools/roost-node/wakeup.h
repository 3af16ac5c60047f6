// tools/roost-node/wakeup.h - the one place where roost-node sleeps: until a signal, input, or
// a deadline.
//
// Threads:  one; made before any other thread starts, so that they inherit the blocked signals
// Blocks:   Wait, up to its deadline
#ifndef ROOST_TOOLS_ROOST_NODE_WAKEUP_H_
#define ROOST_TOOLS_ROOST_NODE_WAKEUP_H_

#include <cstddef>
#include <span>

#include "roost/platform.h"

namespace roost::tools {

class Wakeup {
 public:
  // Blocks SIGTERM, SIGINT, SIGHUP, SIGPWR and SIGUSR1, to be seen by Wait, but those that were ignored: they
  // stay ignored, as nohup and a shell's & ask for. Ignores SIGPIPE and SIGXFSZ.
  // `input`: a descriptor to watch, or -1.
  Wakeup(Platform& platform, int input);
  ~Wakeup();
  Wakeup(const Wakeup&) = delete;
  Wakeup& operator=(const Wakeup&) = delete;

  struct Seen {
    int signal = 0;      // 0: none
    bool input = false;  // there is something to read, or the end
  };
  // Sleeps until a signal, or input if that is wanted, or one of `others` is ready, or the
  // deadline.
  // REQUIRES: at most kMostOthers of them.
  static constexpr size_t kMostOthers = 12;
  Seen Wait(Deadline deadline, bool want_input, std::span<const DescriptorWait> others = {});

 private:
  Platform& platform_;
  const int input_;
  int signals_ = -1;
};

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOST_NODE_WAKEUP_H_
