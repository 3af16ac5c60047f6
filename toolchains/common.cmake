# What the toolchain files share: cross compiler, sysroot, emulator. A toolchain file sets
# ROOST_ARCHITECTURE, ROOST_DEBIAN_ARCHITECTURE, ROOST_TRIPLET, ROOST_QEMU, ROOST_DEFAULT_CPU,
# ROOST_MACHINE_FLAGS (which end in the flag that takes the CPU) and, where programs run on less than
# the CPU they are tuned for, ROOST_EMULATED_CPU; then it includes this.
#
#   ROOST_BOARD     a board of platform/boards: built for it alone; default: one binary for all of them
#   ROOST_COMPILER  gnu (the default) or clang
#   ROOST_CPU       the CPU to build for; default: the board's
#   ROOST_SYSROOT   headers and libraries of the board; default build/sysroot-ARCH (deploy/sysroot.sh)

set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR ${ROOST_ARCHITECTURE})
# CMake reads this file again for each of its trial compilations; these survive the trip.
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES ROOST_BOARD ROOST_COMPILER ROOST_CPU ROOST_SYSROOT)

# ---- The CPU --------------------------------------------------------------------------------------
if(ROOST_BOARD MATCHES "^rpi_(1|zero|zero_w)$" OR ROOST_CPU MATCHES "^arm11|^armv6")
  message(FATAL_ERROR "The CPU of the first Raspberry Pi, Zero and Zero W is an ARMv6. Debian's armhf "
          "is made of ARMv7 code: whatever the flags, its programs end with SIGILL there. Use a Zero "
          "2 W or a Pi 2 or later.")
endif()
set(board_cpu ${ROOST_DEFAULT_CPU})
if(ROOST_BOARD AND NOT ROOST_BOARD STREQUAL host)
  # The board's header is the one place that knows. A board without one: platform/CMakeLists.txt tells.
  set(board_header ${CMAKE_CURRENT_LIST_DIR}/../platform/boards/${ROOST_BOARD}.h)
  if(EXISTS ${board_header})
    file(STRINGS ${board_header} board_cpu REGEX "\\.cpu = ")
    string(REGEX REPLACE ".*\"(.*)\".*" "\\1" board_cpu "${board_cpu}")
  endif()
endif()
set(ROOST_CPU ${board_cpu} CACHE STRING "The CPU to build for")
# Compiler flags are fixed when a build folder is made; another board would be ignored in silence.
if(DEFINED CACHE{ROOST_FOLDER_CPU} AND NOT ROOST_FOLDER_CPU STREQUAL board_cpu)
  message(FATAL_ERROR "This build folder was made for the CPU ${ROOST_FOLDER_CPU}, and the board is now "
          "${ROOST_BOARD} with ${board_cpu}. Use another folder, or cmake --fresh.")
endif()
set(ROOST_FOLDER_CPU ${board_cpu} CACHE INTERNAL "The board's CPU when this folder was made")
string(APPEND ROOST_MACHINE_FLAGS ${ROOST_CPU})
# These have no atomic instructions of one step: asking each time whether they are there, as is done in
# a binary for all boards, costs an acquire and a return some ten instructions.
if(ROOST_ARCHITECTURE STREQUAL aarch64 AND ROOST_BOARD AND NOT ROOST_BOARD STREQUAL host AND board_cpu MATCHES "^cortex-a(53|72)$")
  string(APPEND ROOST_MACHINE_FLAGS " -mno-outline-atomics")
endif()
if(NOT ROOST_EMULATED_CPU)
  set(ROOST_EMULATED_CPU ${ROOST_CPU})
endif()

# ---- Sysroot and compiler -------------------------------------------------------------------------
get_filename_component(default_sysroot
    ${CMAKE_CURRENT_LIST_DIR}/../build/sysroot-${ROOST_DEBIAN_ARCHITECTURE} ABSOLUTE)
set(ROOST_SYSROOT ${default_sysroot} CACHE PATH "Headers and libraries of the board")
if(NOT IS_DIRECTORY ${ROOST_SYSROOT}/usr/include)
  message(FATAL_ERROR "There is no sysroot in ${ROOST_SYSROOT}. Make one with "
          "deploy/sysroot.sh --arch ${ROOST_DEBIAN_ARCHITECTURE}, or give its folder: "
          "-DROOST_SYSROOT=DIR")
endif()
set(CMAKE_SYSROOT ${ROOST_SYSROOT})

set(ROOST_COMPILER gnu CACHE STRING "gnu or clang")
set_property(CACHE ROOST_COMPILER PROPERTY STRINGS gnu clang)
if(ROOST_COMPILER STREQUAL clang)
  set(CMAKE_C_COMPILER clang)
  set(CMAKE_CXX_COMPILER clang++)
  set(CMAKE_C_COMPILER_TARGET ${ROOST_TRIPLET})
  set(CMAKE_CXX_COMPILER_TARGET ${ROOST_TRIPLET})
elseif(ROOST_COMPILER STREQUAL gnu)
  set(CMAKE_C_COMPILER ${ROOST_TRIPLET}-gcc)
  set(CMAKE_CXX_COMPILER ${ROOST_TRIPLET}-g++)
else()
  message(FATAL_ERROR "ROOST_COMPILER=${ROOST_COMPILER}: it is gnu or clang")
endif()
set(CMAKE_C_FLAGS_INIT "${ROOST_MACHINE_FLAGS}")
set(CMAKE_CXX_FLAGS_INIT "${ROOST_MACHINE_FLAGS}")

# Libraries, headers and packages come from the sysroot only, programs from this machine only.
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)

# Where Debian's packages go; cpack would ask this machine.
set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE ${ROOST_DEBIAN_ARCHITECTURE})

# CTest runs the tests through the emulator (package qemu-user-static) where there is one.
find_program(ROOST_EMULATOR NAMES qemu-${ROOST_QEMU} qemu-${ROOST_QEMU}-static)
if(ROOST_EMULATOR)
  set(CMAKE_CROSSCOMPILING_EMULATOR ${ROOST_EMULATOR} -cpu ${ROOST_EMULATED_CPU} -L ${ROOST_SYSROOT})
endif()
