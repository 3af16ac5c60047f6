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

# What is read beside the programs: the form of `roostctl status --json`, alert rules, a dashboard.
if(TARGET roostctl)
  install(FILES ${PROJECT_SOURCE_DIR}/src/tools/roostctl/status.schema.json RENAME roostctl-status.schema.json
          DESTINATION ${CMAKE_INSTALL_DATADIR}/roostpool COMPONENT node)
  install(FILES ${PROJECT_SOURCE_DIR}/deploy/grafana/alerts.yml ${PROJECT_SOURCE_DIR}/deploy/grafana/roostpool.json
          DESTINATION ${CMAKE_INSTALL_DATADIR}/roostpool/grafana COMPONENT node)
endif()

# A struct of this firmware means nothing to the next one: the package then falls back to the rule in
# profile.cmake.
set(ROOST_PACKAGE_PROFILE "")
if(NOT ROOST_PROFILE_HEADER)
  set(ROOST_PACKAGE_PROFILE ${ROOST_PROFILE})
endif()
set(ROOST_COMPONENTS roost sqlite)
if(ROOST_POSTGRES)
  list(APPEND ROOST_COMPONENTS postgres)
endif()
if(ROOST_HAS_MYSQL)
  list(APPEND ROOST_COMPONENTS mysql)
endif()
list(APPEND ROOST_COMPONENTS statements platform status outbox)
# Whether, and not where: the path of the machine that builds this says nothing on another one.
set(ROOST_NAMES_NONSHARED)
if(ROOST_LIBC_NONSHARED)
  set(ROOST_NAMES_NONSHARED ON)
endif()
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/roostpoolConfig.cmake.in
                              ${PROJECT_BINARY_DIR}/roostpoolConfig.cmake
                              INSTALL_DESTINATION ${ROOST_CMAKE_DIR} PATH_VARS CMAKE_INSTALL_LIBDIR)
# Before 1.0 a minor version may change the interface.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/roostpoolConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/roostpoolConfig.cmake
              ${PROJECT_BINARY_DIR}/roostpoolConfigVersion.cmake
              ${CMAKE_CURRENT_LIST_DIR}/libraries.cmake
              ${CMAKE_CURRENT_LIST_DIR}/profile.cmake
              ${CMAKE_CURRENT_LIST_DIR}/static_absl.cmake
              ${CMAKE_CURRENT_LIST_DIR}/static_program.cmake
        DESTINATION ${ROOST_CMAKE_DIR} COMPONENT dev)

set(names roostpool roostpool-sqlite)
if(ROOST_POSTGRES)
  list(APPEND names roostpool-postgres)
endif()
if(ROOST_HAS_MYSQL)
  list(APPEND names roostpool-mysql)
endif()
install(CODE "set(ROOST_PC_NAMES \"${names}\")
set(ROOST_PC_TEMPLATES \"${PROJECT_SOURCE_DIR}/deploy/pkgconfig\")
set(ROOST_PC_OUT \"${PROJECT_BINARY_DIR}/pkgconfig\")
set(ROOST_PC_VERSION \"${PROJECT_VERSION}\")
set(ROOST_PC_ABSL \"${absl_VERSION}\")
set(ROOST_PC_SHARED \"${BUILD_SHARED_LIBS}\")
set(ROOST_PC_LIBDIR \"${CMAKE_INSTALL_LIBDIR}\")
set(ROOST_PC_INCLUDEDIR \"${CMAKE_INSTALL_INCLUDEDIR}\")" COMPONENT dev)
install(SCRIPT ${CMAKE_CURRENT_LIST_DIR}/pkgconfig.cmake COMPONENT dev)
# Beside the other documents of the Debian package, wherever this is installed.
set(documents ${CMAKE_INSTALL_DATAROOTDIR}/doc/libroostpool-dev)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/tests/examples DESTINATION ${documents} COMPONENT dev)
# Each where it is in the source, so that their links lead from one to the other, and to the headers.
foreach(document README.md deploy/README.md deploy/MIGRATION.md deploy/docs/CHOOSE.md deploy/recipes/README.md
                 deploy/systemd/README.md platform/README.md src/README.md src/backends/postgres/README.md
                 src/backends/sqlite/README.md src/backends/mysql/README.md src/telemetry/README.md src/outbox/README.md src/tools/roostctl/status.schema.json deploy/grafana/alerts.yml
                 src/tools/roost-node/README.md src/tools/roostctl/README.md
                 tests/README.md tests/board/README.md tests/model/README.md)
  cmake_path(GET document PARENT_PATH folder)
  install(FILES ${PROJECT_SOURCE_DIR}/${document} DESTINATION ${documents}/${folder} COMPONENT dev)
endforeach()
install(CODE "set(documents \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${documents}\")
file(RELATIVE_PATH to_headers \"/${documents}\" \"/${CMAKE_INSTALL_INCLUDEDIR}\")
file(CREATE_LINK \"\${to_headers}\" \"\${documents}/include\" SYMBOLIC)
file(CREATE_LINK ../examples \"\${documents}/tests/examples\" SYMBOLIC)" COMPONENT dev)
