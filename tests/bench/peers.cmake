# Other libraries that are measured beside ours, where their Debian packages are here.
include(CheckIncludeFileCXX)

# roost_find_peer(RESULT NAME HEADER INCLUDES LIBRARIES...): the files of LIBRARIES; nothing where one of
# them is not here. The header is compiled, as SOCI's needs Boost's, which its package does not depend on.
function(roost_find_peer result name header includes)
  set(${result} PARENT_SCOPE)
  set(CMAKE_REQUIRED_INCLUDES ${includes})
  check_include_file_cxx(${header} ROOST_PEER_${name}_COMPILES)
  set(libraries)
  foreach(library ${ARGN})
    find_library(ROOST_PEER_${name}_${library} ${library})
    list(APPEND libraries ${ROOST_PEER_${name}_${library}})
  endforeach()
  if(NOT ROOST_PEER_${name}_COMPILES OR libraries MATCHES NOTFOUND)
    message(STATUS "${name} is not installed: it is left out of the benchmarks")
    return()
  endif()
  set(${result} ${libraries} PARENT_SCOPE)
endfunction()
