// platform/boards/rpi_3.h - Raspberry Pi 3 Model A+, B and B+, with a 64-bit or a 32-bit (ARMv7)
// system.
#ifndef PLATFORM_BOARDS_RPI_3_H_
#define PLATFORM_BOARDS_RPI_3_H_

#include "platform/boards/board.h"

namespace roost::boards::rpi_3 {

inline constexpr Board kBoard{
    .name = "rpi_3",
    .model = "Raspberry Pi 3",
    .cpu = "cortex-a53",
    .cores = 4,
    .memory_mib = 512,
    .compile_flag = "-mcpu=cortex-a53",
    .page_bytes = 4096,
    .watchdog_limit = std::chrono::seconds(15),
};

}  // namespace roost::boards::rpi_3

#endif  // PLATFORM_BOARDS_RPI_3_H_
