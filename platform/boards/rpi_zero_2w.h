// platform/boards/rpi_zero_2w.h - Raspberry Pi Zero 2 W.
#ifndef PLATFORM_BOARDS_RPI_ZERO_2W_H_
#define PLATFORM_BOARDS_RPI_ZERO_2W_H_

#include "platform/boards/board.h"

namespace roost::boards::rpi_zero_2w {

inline constexpr Board kBoard{
    .name = "rpi_zero_2w",
    .model = "Raspberry Pi Zero 2 W",
    .cpu = "cortex-a53",
    .cores = 4,
    .memory_mib = 512,
    .compile_flag = "-mcpu=cortex-a53",
    .page_bytes = 4096,
    .watchdog_limit = std::chrono::seconds(15),
};

}  // namespace roost::boards::rpi_zero_2w

#endif  // PLATFORM_BOARDS_RPI_ZERO_2W_H_
