// platform/boards/host.h - any Linux machine: a PC, a container, a board without a header of its
// own.
#ifndef PLATFORM_BOARDS_HOST_H_
#define PLATFORM_BOARDS_HOST_H_

#include "platform/boards/board.h"

namespace roost::boards::host {

inline constexpr Board kBoard{
    .name = "host",
    .model = "",
    .cpu = "",
    .cores = 0,
    .memory_mib = 0,
    .compile_flag = "",
    .page_bytes = 0,
    .watchdog_limit = std::chrono::seconds(15),
};

}  // namespace roost::boards::host

#endif  // PLATFORM_BOARDS_HOST_H_
