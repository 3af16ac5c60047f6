# 32-bit Raspberry Pi: 2, Zero 2 W, 3, 4 under a Debian 12 or Raspberry Pi OS of 32 bits (armhf).
# Debian's cross compiler (g++-arm-linux-gnueabihf) and a sysroot from deploy/sysroot.sh --arch armhf.
# Not for the ARMv6 of the first Pi and Zero. A board only changes the order of instructions: one
# binary runs on all.
set(ROOST_ARCHITECTURE armv7l)
set(ROOST_DEBIAN_ARCHITECTURE armhf)
set(ROOST_TRIPLET arm-linux-gnueabihf)
set(ROOST_QEMU arm)
set(ROOST_DEFAULT_CPU cortex-a53)
set(ROOST_EMULATED_CPU cortex-a7)
# File sizes of 64 bits. time_t stays at 32: the libraries of the sysroot were built so. No notes about
# calls that g++ before 7 compiled in another way.
set(ROOST_MACHINE_FLAGS "-march=armv7-a+fp -D_FILE_OFFSET_BITS=64 -Wno-psabi -mtune=")
include(${CMAKE_CURRENT_LIST_DIR}/common.cmake)
