# What the toolchain files share: cross compiler, sysroot, emulator. A toolchain file sets
# ROOST_ARCHITECTURE, ROOST_DEBIAN_ARCHITECTURE, ROOST_TRIPLET and ROOST_DEFAULT_CPU, then includes this.
#
#   ROOST_SYSROOT   headers and libraries of the board; default build/sysroot-arm64 (deploy/sysroot.sh)
#   ROOST_CPU       for -mcpu

set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR ${ROOST_ARCHITECTURE})
# CMake reads this file again for each of its trial compilations; these survive the trip.
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES ROOST_SYSROOT ROOST_CPU)

get_filename_component(default_sysroot
    ${CMAKE_CURRENT_LIST_DIR}/../build/sysroot-${ROOST_DEBIAN_ARCHITECTURE} ABSOLUTE)
set(ROOST_SYSROOT ${default_sysroot} CACHE PATH "Headers and libraries of the board")
set(ROOST_CPU ${ROOST_DEFAULT_CPU} CACHE STRING "The board's CPU, for -mcpu")
if(NOT IS_DIRECTORY ${ROOST_SYSROOT}/usr/include)
  message(FATAL_ERROR "There is no sysroot in ${ROOST_SYSROOT}. Make one with "
          "deploy/sysroot.sh --arch ${ROOST_DEBIAN_ARCHITECTURE}, or give its folder: "
          "-DROOST_SYSROOT=DIR")
endif()
set(CMAKE_SYSROOT ${ROOST_SYSROOT})

set(CMAKE_C_COMPILER ${ROOST_TRIPLET}-gcc)
set(CMAKE_CXX_COMPILER ${ROOST_TRIPLET}-g++)
set(CMAKE_C_FLAGS_INIT -mcpu=${ROOST_CPU})
set(CMAKE_CXX_FLAGS_INIT -mcpu=${ROOST_CPU})

# Libraries, headers and packages come from the sysroot only, programs from this machine only.
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)

# CTest runs the tests through the emulator (package qemu-user-static) where there is one.
find_program(ROOST_EMULATOR NAMES qemu-${ROOST_ARCHITECTURE} qemu-${ROOST_ARCHITECTURE}-static)
if(ROOST_EMULATOR)
  set(CMAKE_CROSSCOMPILING_EMULATOR ${ROOST_EMULATOR} -cpu ${ROOST_CPU} -L ${ROOST_SYSROOT})
endif()
