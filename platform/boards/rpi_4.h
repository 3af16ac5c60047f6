// platform/boards/rpi_4.h - Raspberry Pi 4 Model B.
#ifndef PLATFORM_BOARDS_RPI_4_H_
#define PLATFORM_BOARDS_RPI_4_H_

#include "platform/boards/board.h"

namespace roost::boards::rpi_4 {

inline constexpr Board kBoard{
    .name = "rpi_4",
    .model = "Raspberry Pi 4",
    .cpu = "cortex-a72",
    .cores = 4,
    .memory_mib = 1024,
    .compile_flag = "-mcpu=cortex-a72",
    .page_bytes = 4096,
    .watchdog_limit = std::chrono::seconds(15),
};

}  // namespace roost::boards::rpi_4

#endif  // PLATFORM_BOARDS_RPI_4_H_
