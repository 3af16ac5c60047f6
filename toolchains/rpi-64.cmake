# 64-bit Raspberry Pi: Zero 2 W, 3, 4, 5 under a Debian 12 or Raspberry Pi OS of 64 bits.
# Debian's cross compiler (g++-aarch64-linux-gnu) and a sysroot from deploy/sysroot.sh.
set(ROOST_ARCHITECTURE aarch64)
set(ROOST_DEBIAN_ARCHITECTURE arm64)
set(ROOST_TRIPLET aarch64-linux-gnu)
# What all four have; a program for cortex-a76 would end with SIGILL on the first three.
set(ROOST_DEFAULT_CPU cortex-a53)
include(${CMAKE_CURRENT_LIST_DIR}/common.cmake)
