# Installs the headers, the libraries, the tools, and the CMake package roostpool.
include(CMakePackageConfigHelpers)
set(ROOST_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/roostpool)

install(TARGETS roost_headers EXPORT roostpool
        FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT dev)
install(EXPORT roostpool NAMESPACE roost:: FILE roostpoolTargets.cmake
        DESTINATION ${ROOST_CMAKE_DIR} COMPONENT dev)
foreach(tool roost-node roostctl)
  if(TARGET ${tool})
    install(TARGETS ${tool} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT node)
  endif()
endforeach()

# A struct of this firmware means nothing to the next one: the package then falls back to the rule in
# profile.cmake.
set(ROOST_PACKAGE_PROFILE "")
if(NOT ROOST_PROFILE_HEADER)
  set(ROOST_PACKAGE_PROFILE ${ROOST_PROFILE})
endif()
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/roostpoolConfig.cmake.in
                              ${PROJECT_BINARY_DIR}/roostpoolConfig.cmake
                              INSTALL_DESTINATION ${ROOST_CMAKE_DIR})
# Before 1.0 a minor version may change the interface.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/roostpoolConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/roostpoolConfig.cmake
              ${PROJECT_BINARY_DIR}/roostpoolConfigVersion.cmake
              ${CMAKE_CURRENT_LIST_DIR}/profile.cmake
              ${CMAKE_CURRENT_LIST_DIR}/static_absl.cmake
        DESTINATION ${ROOST_CMAKE_DIR} COMPONENT dev)
# Beside the other documents of the Debian package, wherever this is installed.
install(DIRECTORY ${PROJECT_SOURCE_DIR}/tests/examples
        DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/doc/libroostpool-dev COMPONENT dev)
