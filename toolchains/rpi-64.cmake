# 64-bit Raspberry Pi: Zero 2 W, 3, 4, 5 under a Debian 12 or Raspberry Pi OS of 64 bits.
# Debian's cross compiler (g++-aarch64-linux-gnu) and a sysroot from deploy/sysroot.sh.
set(ROOST_ARCHITECTURE aarch64)
set(ROOST_DEBIAN_ARCHITECTURE arm64)
set(ROOST_TRIPLET aarch64-linux-gnu)
set(ROOST_QEMU aarch64)
# What all four have; a program for cortex-a76 would end with SIGILL on the first three. Atomic
# operations use a Pi 5's faster instructions all the same: g++ picks them at run time.
set(ROOST_DEFAULT_CPU cortex-a53)
set(ROOST_MACHINE_FLAGS -mcpu=)
include(${CMAKE_CURRENT_LIST_DIR}/common.cmake)
