# How a test is built and what its labels do. tests/README.md has what each label means; they stand on
# the test's own line.
enable_testing()
find_package(GTest REQUIRED)

# Not run for a board: an emulator of one program starts no others, and time means nothing in it.
set(ROOST_NOT_EMULATED host exec stress bench exhaustive)
# Not run under the address sanitizer: what it sees nothing in, what takes ten times longer, and what
# starts servers, as a backend's contract suite runs the same code.
set(ROOST_NOT_UNDER_ASAN host bench exhaustive server)
# What runs on a 32-bit board; all that runs on a board runs on a 64-bit one.
set(ROOST_ON_32_BITS 32bit package)
# What loads the machine so much that it runs with no other.
set(ROOST_ALONE alone bench stress)

# When a test is taken to hang, in seconds. It tells nothing of speed: a busy machine takes ten times
# the time of a quiet one, and no test fails for that.
set(ROOST_HANGS_AFTER 1800)

add_custom_target(asan_tests)      # builds what runs under the address sanitizer
add_custom_target(threaded_tests)  # builds what has the label threads
add_custom_target(stress_tests)    # builds those of them that are stress_*
if(CMAKE_CROSSCOMPILING)
  add_custom_target(board_tests ALL)  # builds what runs on a board
endif()

# Two hundred links of a build take 0.2 s each with the linker of binutils and 0.1 s with mold (Debian: mold),
# under the sanitizers more. Only for tests: programs are linked here as in their packages.
include(CheckLinkerFlag)
if(NOT CMAKE_CROSSCOMPILING)
  check_linker_flag(CXX -fuse-ld=mold ROOST_LINKS_WITH_MOLD)
endif()

# How sources that include GoogleTest are compiled. For a board the libraries are as released, and the
# tests only optimised enough to be compiled soon.
set(ROOST_TEST_OPTIONS ${ROOST_WARNINGS})
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  list(APPEND ROOST_TEST_OPTIONS -Wno-array-bounds -Wno-stringop-overflow)
endif()
if(CMAKE_CROSSCOMPILING)
  list(APPEND ROOST_TEST_OPTIONS -O1)
endif()
if(ROOST_PCH)
  roost_precompile(roost_test_precompiled
                   LIBRARIES GTest::gtest GTest::gmock absl::status absl::statusor
                   OPTIONS ${ROOST_TEST_OPTIONS}
                   HEADERS <gmock/gmock.h> <gtest/gtest.h> <algorithm> <chrono> <filesystem> <fstream>
                           <functional> <map> <memory> <mutex> <optional> <set> <sstream> <string>
                           <thread> <vector> <absl/status/status.h> <absl/status/statusor.h>)
endif()
function(roost_test_options target)
  target_compile_options(${target} PRIVATE ${ROOST_TEST_OPTIONS})
  roost_reuse_precompiled(${target} roost_test_precompiled)
endfunction()

# roost_has_label(RESULT LIST LABELS...): whether the list named LIST has one of LABELS.
function(roost_has_label result list)
  set(${result} FALSE PARENT_SCOPE)
  foreach(label ${ARGN})
    if(label IN_LIST ${list})
      set(${result} TRUE PARENT_SCOPE)
    endif()
  endforeach()
endfunction()

# roost_runs_here(RESULT LABELS...): whether this build runs a test with LABELS.
function(roost_runs_here result)
  roost_has_label(needs_a_pc ROOST_NOT_EMULATED ${ARGN})
  roost_has_label(on_32_bits ROOST_ON_32_BITS ${ARGN})
  if(CMAKE_CROSSCOMPILING AND (needs_a_pc OR (CMAKE_SIZEOF_VOID_P EQUAL 4 AND NOT on_32_bits)))
    set(${result} FALSE PARENT_SCOPE)
  else()
    set(${result} TRUE PARENT_SCOPE)
  endif()
endfunction()

# roost_add_test(PROGRAM ARGUMENTS... LABELS...): an entry of CTest with the name of the program. What a
# build for a board does not run it does not build.
function(roost_add_test name)
  cmake_parse_arguments(ARG "" "" "ARGUMENTS;LABELS" ${ARGN})
  roost_runs_here(runs ${ARG_LABELS})
  if(NOT runs)
    return()
  endif()
  add_test(NAME ${name} COMMAND ${name} ${ARG_ARGUMENTS})
  if(TARGET board_tests)
    add_dependencies(board_tests ${name})
  endif()
  if("threads" IN_LIST ARG_LABELS)
    add_dependencies(threaded_tests ${name})
    if(name MATCHES "^stress_")
      add_dependencies(stress_tests ${name})
    endif()
  endif()
  roost_has_label(not_under_asan ROOST_NOT_UNDER_ASAN ${ARG_LABELS})
  if(NOT not_under_asan)
    list(APPEND ARG_LABELS asan)
    add_dependencies(asan_tests ${name})
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT ${ROOST_HANGS_AFTER})
  if("long" IN_LIST ARG_LABELS)
    set_tests_properties(${name} PROPERTIES COST 100)  # CTest starts it first
  endif()
  roost_has_label(alone ROOST_ALONE ${ARG_LABELS})
  if(alone)
    set_tests_properties(${name} PROPERTIES RUN_SERIAL ON)
  elseif(NOT "waits" IN_LIST ARG_LABELS)
    set_tests_properties(${name} PROPERTIES RESOURCE_GROUPS cpus:1)  # run_tests of deploy/test.sh counts them
  endif()
endfunction()

# roost_test(NAME SOURCES... LIBS... LABELS...): a GoogleTest program, one entry of CTest.
function(roost_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS;LABELS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LIBS} GTest::gtest GTest::gtest_main)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  if(ROOST_LINKS_WITH_MOLD)
    target_link_options(${name} PRIVATE -fuse-ld=mold)
  endif()
  roost_test_options(${name})
  roost_add_test(${name} LABELS ${ARG_LABELS})
endfunction()
