# Which build this is, and the time and paths that do not depend on when and where it is built. For the
# top project; deploy/version.sh knows. Sets ROOST_BUILD_VERSION, ROOST_BUILD_COMMIT, ROOST_BUILD_EPOCH
# and, for what CMake itself asks the time, SOURCE_DATE_EPOCH; or ROOST_BUILD_UNKNOWN, a sentence.
execute_process(COMMAND ${PROJECT_SOURCE_DIR}/deploy/version.sh
                OUTPUT_VARIABLE said ERROR_VARIABLE ROOST_BUILD_UNKNOWN RESULT_VARIABLE failed
                OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_STRIP_TRAILING_WHITESPACE)
if(failed)
  message(STATUS "${ROOST_BUILD_UNKNOWN}; no packages can be made")
else()
  set(ROOST_BUILD_UNKNOWN "")
  string(REGEX REPLACE "^version ([^\n]*).*" "\\1" ROOST_BUILD_VERSION "${said}")
  string(REGEX REPLACE ".*\ncommit ([0-9a-f]*)\n.*" "\\1" ROOST_BUILD_COMMIT "${said}")
  string(REGEX REPLACE ".*\nepoch ([0-9]+)$" "\\1" ROOST_BUILD_EPOCH "${said}")
  set(ENV{SOURCE_DATE_EPOCH} ${ROOST_BUILD_EPOCH})
  # The day, as each new value compiles a file anew; not that of the first configuration.
  math(EXPR day "${ROOST_BUILD_EPOCH} / 86400 * 86400")
  set(ROOST_BUILT_UNIX_SECONDS ${day} CACHE INTERNAL "")
endif()

# No path of this machine in what is released: __FILE__ and the like begin in this folder, or in the
# sysroot's. A ccache with a base_dir gives the compiler the same paths relative to the build folder, so
# these are mapped alike. A debugger wants to find the files, so builds with symbols keep them.
if(CMAKE_BUILD_TYPE MATCHES "^(Release|MinSizeRel)$")
  foreach(folder PROJECT_SOURCE_DIR CMAKE_SYSROOT)
    if(${folder})
      set(becomes "")
      if(folder STREQUAL CMAKE_SYSROOT)
        set(becomes /)
      endif()
      file(RELATIVE_PATH relative ${PROJECT_BINARY_DIR} ${${folder}})
      string(REGEX REPLACE "/$" "" relative "${relative}")
      # Of those that fit the compiler takes the last: the sysroot's, where it lies below this folder.
      add_compile_options(-ffile-prefix-map=${${folder}}/=${becomes}
                          -ffile-prefix-map=${relative}/=${becomes})
    endif()
  endforeach()
  add_compile_options(-ffile-prefix-map=${PROJECT_BINARY_DIR}/=)
endif()
