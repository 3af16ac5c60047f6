# Precompiled headers, for presets that build tests (ROOST_PCH): what nearly every source of a kind
# includes, compiled once a build instead of once a file.
#
# Headers of the standard library and of packages only: an edit of one of ours would compile
# everything anew. A source includes what it uses all the same: the presets release, size and
# thread-safety, and whoever takes the libraries as a subproject, compile it without.
#
# Libraries and programs take them in a Debug build alone: with a precompiled header a compiler may
# inline otherwise, and what goes onto a board is what was measured.
set(ROOST_PRECOMPILES_ALL OFF)
if(ROOST_PCH AND CMAKE_BUILD_TYPE STREQUAL "Debug")
  set(ROOST_PRECOMPILES_ALL ON)
endif()

# roost_precompile(TARGET LIBRARIES... OPTIONS... HEADERS...): compiles HEADERS for the targets that take
# them by roost_reuse_precompiled(). Those need the same OPTIONS: a compiler refuses what was compiled for
# another language or with other code generation.
function(roost_precompile target)
  cmake_parse_arguments(ARG "" "" "LIBRARIES;OPTIONS;HEADERS" ${ARGN})
  set(source ${CMAKE_CURRENT_BINARY_DIR}/${target}.cc)
  file(CONFIGURE OUTPUT ${source} CONTENT "// CMake compiles headers with a source only.\n")
  add_library(${target} OBJECT ${source})
  target_link_libraries(${target} PRIVATE ${ARG_LIBRARIES})
  target_compile_options(${target} PRIVATE ${ARG_OPTIONS})
  target_precompile_headers(${target} PRIVATE ${ARG_HEADERS})
  roost_reuse_precompiled(${target} ${target})
endfunction()

# roost_reuse_precompiled(TARGET FROM): the sources of TARGET begin with the headers of FROM, if it is there.
function(roost_reuse_precompiled target from)
  if(NOT TARGET ${from})
    return()
  endif()
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    # Else clang keeps the time of each header, and ccache takes that for a change.
    target_compile_options(${target} PRIVATE "SHELL:-Xclang -fno-pch-timestamp")
  endif()
  if(NOT target STREQUAL from)
    target_precompile_headers(${target} REUSE_FROM ${from})
  endif()
endfunction()
