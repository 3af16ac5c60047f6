# Read by cpack before it packs.
if(CPACK_ROOST_UNKNOWN)
  message(FATAL_ERROR "${CPACK_ROOST_UNKNOWN}")
endif()
set(ENV{SOURCE_DATE_EPOCH} ${CPACK_ROOST_EPOCH})  # the times of what is in the packages

# What cross-built programs depend on.
if(CPACK_ROOST_SHLIBDEPS)
  execute_process(COMMAND ${CPACK_ROOST_SHLIBDEPS} OUTPUT_VARIABLE depends
                  OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  set(CPACK_DEBIAN_NODE_PACKAGE_DEPENDS "${depends}, ${CPACK_ROOST_DEPENDS}")
endif()
