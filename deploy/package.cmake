# Debian packages, by cpack:
#   libroostpool-dev   headers, static libraries, the CMake package
#   roostpool-node     roost-node, roostctl, the service with its user and configuration
#
# There is no package of a shared library. A node has one program that links the pool, and roostctl;
# PoolFor<Profile> is compiled into its user, so before 1.0 each version would be another ABI.
#
# The version is that of build_version.cmake: another one for each commit, so that apt sees an upgrade.
#
#   ROOST_PACKAGE_RELEASE      Debian's part of the version (default: 1)
#   ROOST_PACKAGE_MAINTAINER   who answers for the packages

set(ROOST_PACKAGE_RELEASE 1 CACHE STRING "Debian's part of the packages' version")
set(ROOST_PACKAGE_MAINTAINER "roostpool authors <root@localhost>" CACHE STRING
    "Who answers for the packages: NAME <ADDRESS>")
set(package_release ${ROOST_PACKAGE_RELEASE})
set(package_boards "This build runs on every board of its architecture.")
if(NOT ROOST_BOARD STREQUAL host)
  string(REPLACE "_" "" board ${ROOST_BOARD})
  string(APPEND package_release +${board})
  set(package_boards "This build is for the board ${ROOST_BOARD} alone.")
endif()
set(ROOST_PACKAGE_VERSION ${ROOST_BUILD_VERSION}-${package_release})

# ---- What Debian wants in every package -----------------------------------------------------------
file(STRINGS ${PROJECT_SOURCE_DIR}/LICENSE lines)
list(SUBLIST lines 2 -1 lines)  # without title and copyright
set(ROOST_LICENSE "")
foreach(line ${lines})
  string(APPEND ROOST_LICENSE " ${line}\n")
endforeach()
string(REGEX REPLACE "\n (Permission|The above|THE SOFTWARE IS)" "\n .\n \\1" ROOST_LICENSE
       "\n${ROOST_LICENSE}")
string(REGEX REPLACE "^\n \\.\n|\n$" "" ROOST_LICENSE "${ROOST_LICENSE}")
# The same time for the same commit (SOURCE_DATE_EPOCH), so that a package can be built again byte by byte.
string(TIMESTAMP ROOST_PACKAGE_DATE "%a, %d %b %Y %H:%M:%S +0000" UTC)
set(package_files ${PROJECT_BINARY_DIR}/package)
configure_file(${CMAKE_CURRENT_LIST_DIR}/debian/copyright.in ${package_files}/copyright @ONLY)
configure_file(${CMAKE_CURRENT_LIST_DIR}/debian/changelog.in ${package_files}/changelog.Debian @ONLY)
configure_file(${PROJECT_SOURCE_DIR}/CHANGELOG.md ${package_files}/changelog COPYONLY)
find_program(ROOST_GZIP gzip REQUIRED)
execute_process(COMMAND ${ROOST_GZIP} -9nf changelog changelog.Debian
                WORKING_DIRECTORY ${package_files} COMMAND_ERROR_IS_FATAL ANY)

# Absolute paths, so only for a package: `cmake --install --prefix` must not write to /etc.
foreach(component dev node)
  set(package roostpool-node)
  if(component STREQUAL dev)
    set(package libroostpool-dev)
  endif()
  install(FILES ${package_files}/copyright ${package_files}/changelog.gz
                ${package_files}/changelog.Debian.gz
          DESTINATION /usr/share/doc/${package} COMPONENT ${component} EXCLUDE_FROM_ALL)
endforeach()
# What is compiled into the programs, under terms that want their notice to go along.
foreach(library libabsl-dev libcli11-dev nlohmann-json3-dev)
  install(FILES /usr/share/doc/${library}/copyright RENAME copyright.${library}
          DESTINATION /usr/share/doc/roostpool-node COMPONENT node EXCLUDE_FROM_ALL OPTIONAL)
endforeach()
install(FILES ${CMAKE_CURRENT_LIST_DIR}/systemd/roost-node.service
        DESTINATION /lib/systemd/system COMPONENT node EXCLUDE_FROM_ALL)
install(FILES ${CMAKE_CURRENT_LIST_DIR}/systemd/roost.sysusers RENAME roost.conf
        DESTINATION /usr/lib/sysusers.d COMPONENT node EXCLUDE_FROM_ALL)
install(FILES ${CMAKE_CURRENT_LIST_DIR}/systemd/roost-node.conf
        DESTINATION /etc/roost COMPONENT node EXCLUDE_FROM_ALL)

# ---- The packages ---------------------------------------------------------------------------------
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME roostpool)
set(CPACK_PACKAGE_VERSION ${ROOST_BUILD_VERSION})
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "")  # or it stands above the description of each package
set(CPACK_PACKAGE_CONTACT ${ROOST_PACKAGE_MAINTAINER})
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ
    GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL dev node)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE ${package_release})
set(CPACK_DEBIAN_PACKAGE_SOURCE roostpool)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(CPACK_DEBIAN_DEV_PACKAGE_NAME libroostpool-dev)
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
# The archives refer to the Abseil that they were compiled with: each of its versions has a namespace
# of its own.
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS
    "libabsl-dev (>= ${absl_VERSION}), libabsl-dev (<< ${absl_VERSION}.99), libsqlite3-dev")
set(CPACK_DEBIAN_DEV_DESCRIPTION "connection pools for sensor nodes - development files
roostpool is a connection-pool runtime for a Raspberry Pi class board: SQLite
and PostgreSQL pools with memory, time and capacity fixed when the firmware is
compiled.

This package has the headers, the static libraries and the CMake package
roostpool.")

set(CPACK_DEBIAN_NODE_PACKAGE_NAME roostpool-node)
set(CPACK_DEBIAN_NODE_PACKAGE_SECTION misc)
# libpq is loaded when a remote database is configured.
set(CPACK_DEBIAN_NODE_PACKAGE_RECOMMENDS "libpq5 (>= 14)")
set(CPACK_DEBIAN_NODE_PACKAGE_SUGGESTS "sqlite3")
set(CPACK_DEBIAN_NODE_DESCRIPTION "sensor node on bounded connection pools
roost-node reads the sensors of its board, or lines on its standard input, and
keeps the readings in a local SQLite database that survives power cuts. It
runs as a hardened, watched systemd service. roostctl answers an operator's
questions about it.

${package_boards}")
set(debian ${CMAKE_CURRENT_LIST_DIR}/debian)
set(CPACK_DEBIAN_NODE_PACKAGE_CONTROL_EXTRA
    ${debian}/conffiles ${debian}/preinst ${debian}/postinst ${debian}/prerm ${debian}/postrm)

# systemd 247 is the first with LoadCredential=; postinst needs its systemd-sysusers.
set(CPACK_ROOST_DEPENDS "systemd (>= 247)")
set(CPACK_PROJECT_CONFIG_FILE ${CMAKE_CURRENT_LIST_DIR}/cmake/pack.cmake)
set(CPACK_ROOST_EPOCH "${ROOST_BUILD_EPOCH}")
set(CPACK_ROOST_UNKNOWN "${ROOST_BUILD_UNKNOWN}")
if(CMAKE_CROSSCOMPILING)
  # dpkg-shlibdeps would look at this machine; see deploy/shlibdeps.sh.
  set(CPACK_ROOST_SHLIBDEPS ${CMAKE_CURRENT_LIST_DIR}/shlibdeps.sh ${CMAKE_SYSROOT}
      ${PROJECT_BINARY_DIR}/src/tools/roost-node/roost-node
      ${PROJECT_BINARY_DIR}/src/tools/roostctl/roostctl)
else()
  set(CPACK_DEBIAN_NODE_PACKAGE_SHLIBDEPS ON)
  set(CPACK_DEBIAN_NODE_PACKAGE_DEPENDS ${CPACK_ROOST_DEPENDS})
endif()
include(CPack)
