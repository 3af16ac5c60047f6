// platform/boards/board.h - what a board's header says. One header of constants a board, chosen by
// the CMake cache variable ROOST_BOARD (host by default); roost::boards::Selected() is the chosen
// one.
#ifndef PLATFORM_BOARDS_BOARD_H_
#define PLATFORM_BOARDS_BOARD_H_

#include "roost/deadline.h"

namespace roost::boards {

struct Board {
  // The value of ROOST_BOARD.
  const char* name;
  // How /proc/device-tree/model begins on it. Empty: any machine.
  const char* model;
  const char* cpu;
  int cores;  // 0: not fixed
  // Memory of the smallest variant sold, in MiB. 0: not fixed.
  int memory_mib;
  // What a build for this board alone passes to the compiler. A binary for all 64-bit boards is
  // built with -mcpu=cortex-a53. Empty: nothing.
  const char* compile_flag;
  // Page size of the kernel that Raspberry Pi OS boots on it. 0: not fixed.
  int page_bytes;
  // The longest time the hardware watchdog can be set to: a loop that feeds it has to come round
  // sooner.
  Duration watchdog_limit;
};

}  // namespace roost::boards

#endif  // PLATFORM_BOARDS_BOARD_H_
