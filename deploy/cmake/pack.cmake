# Read by cpack before it packs.
if(CPACK_ROOST_UNKNOWN)
  message(FATAL_ERROR "${CPACK_ROOST_UNKNOWN}")
endif()
set(ENV{SOURCE_DATE_EPOCH} ${CPACK_ROOST_EPOCH})  # the times of what is in the packages

# What cross-built programs, and the library, depend on.
if(CPACK_ROOST_SHLIBDEPS)
  execute_process(COMMAND ${CPACK_ROOST_SHLIBDEPS} ${CPACK_ROOST_PROGRAMS} OUTPUT_VARIABLE depends
                  OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  set(CPACK_DEBIAN_NODE_PACKAGE_DEPENDS "${depends}, ${CPACK_ROOST_DEPENDS}")
  if(CPACK_ROOST_LIBRARY)
    execute_process(COMMAND ${CPACK_ROOST_SHLIBDEPS} ${CPACK_ROOST_LIBRARY} OUTPUT_VARIABLE depends
                    OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
    set(CPACK_DEBIAN_LIB_PACKAGE_DEPENDS "${depends}")
  endif()
endif()

# The library's symbols, for what depends on it.
if(CPACK_ROOST_LIBRARY)
  if(CPACK_DEBIAN_PACKAGE_ARCHITECTURE)
    set(ENV{DEB_HOST_ARCH} ${CPACK_DEBIAN_PACKAGE_ARCHITECTURE})
  endif()
  execute_process(COMMAND dpkg-gensymbols -c4 -q -p${CPACK_ROOST_LIBRARY_PACKAGE} -v${CPACK_ROOST_LIBRARY_FIRST}
                          -e${CPACK_ROOST_LIBRARY} -I${CPACK_ROOST_LIBRARY_CONTROL}/symbols.in
                          -O${CPACK_ROOST_LIBRARY_CONTROL}/symbols
                  COMMAND_ERROR_IS_FATAL ANY)
endif()
