# Read by cpack: what the cross-built programs depend on.
execute_process(COMMAND ${CPACK_ROOST_SHLIBDEPS} OUTPUT_VARIABLE depends
                OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
set(CPACK_DEBIAN_NODE_PACKAGE_DEPENDS "${depends}, ${CPACK_ROOST_DEPENDS}")
