// platform/boards/rpi_5.h - Raspberry Pi 5. Its default kernel has 16 KiB pages; a binary built
// with its flag stops at the first atomic operation on older boards.
#ifndef PLATFORM_BOARDS_RPI_5_H_
#define PLATFORM_BOARDS_RPI_5_H_

#include "platform/boards/board.h"

namespace roost::boards::rpi_5 {

inline constexpr Board kBoard{
    .name = "rpi_5",
    .model = "Raspberry Pi 5",
    .cpu = "cortex-a76",
    .cores = 4,
    .memory_mib = 1024,
    .compile_flag = "-mcpu=cortex-a76",
    .page_bytes = 16384,
    .watchdog_limit = std::chrono::seconds(15),
};

}  // namespace roost::boards::rpi_5

#endif  // PLATFORM_BOARDS_RPI_5_H_
