# Debian packages, by cpack:
#   libroostpool-dev   headers, the archive, the CMake package, the files for pkg-config
#   libroostpool0.1    the shared library, with BUILD_SHARED_LIBS=ON; of each MAJOR.MINOR one of its own
#   roostpool-node     roost-node, roostctl, the service with its user and configuration
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
set(components dev node)
set(dev_package libroostpool-dev)
set(node_package roostpool-node)
if(TARGET roostpool_shared)
  list(APPEND components lib)
  set(lib_package libroostpool${ROOST_ABI})
endif()
foreach(component ${components})
  set(package ${${component}_package})
  install(FILES ${package_files}/copyright ${package_files}/changelog.gz
                ${package_files}/changelog.Debian.gz
          DESTINATION /usr/share/doc/${package} COMPONENT ${component} EXCLUDE_FROM_ALL)
endforeach()
# What is compiled into the programs and the library, under terms that want their notice to go along.
if(TARGET roostpool_shared)
  install(FILES /usr/share/doc/libabsl-dev/copyright RENAME copyright.libabsl-dev
          DESTINATION /usr/share/doc/${lib_package} COMPONENT lib EXCLUDE_FROM_ALL OPTIONAL)
endif()
foreach(library libabsl-dev libcli11-dev nlohmann-json3-dev libncurses-dev)
  install(FILES /usr/share/doc/${library}/copyright RENAME copyright.${library}
          DESTINATION /usr/share/doc/roostpool-node COMPONENT node EXCLUDE_FROM_ALL OPTIONAL)
endforeach()
install(FILES ${CMAKE_CURRENT_LIST_DIR}/systemd/roost-node.service
        DESTINATION /lib/systemd/system COMPONENT node EXCLUDE_FROM_ALL)
install(FILES ${CMAKE_CURRENT_LIST_DIR}/systemd/roost.sysusers RENAME roost.conf
        DESTINATION /usr/lib/sysusers.d COMPONENT node EXCLUDE_FROM_ALL)
install(FILES ${CMAKE_CURRENT_LIST_DIR}/systemd/roostpool.catalog
        DESTINATION /usr/lib/systemd/catalog COMPONENT node EXCLUDE_FROM_ALL)
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
set(CPACK_COMPONENTS_ALL ${components})
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
set(package_libraries "the archive libroostpool.a")
if(TARGET roostpool_shared)
  string(PREPEND CPACK_DEBIAN_DEV_PACKAGE_DEPENDS "${lib_package} (= ${ROOST_PACKAGE_VERSION}), ")
  string(APPEND package_libraries " and the\nlink to the shared library")
endif()
# pkg-config --static names what Debian's sqlite3.pc does.
set(CPACK_DEBIAN_DEV_PACKAGE_SUGGESTS "pkgconf, zlib1g-dev")
set(CPACK_DEBIAN_DEV_DESCRIPTION "connection pools for sensor nodes - development files
roostpool is a connection-pool runtime for a Raspberry Pi class board: SQLite,
PostgreSQL and MariaDB pools with memory, time and capacity fixed when the
firmware is compiled.

This package has the headers, ${package_libraries}, the CMake package roostpool, and the
files roostpool*.pc for pkg-config.")

if(TARGET roostpool_shared)
  set(CPACK_DEBIAN_LIB_PACKAGE_NAME ${lib_package})
  set(CPACK_DEBIAN_LIB_PACKAGE_SECTION libs)
  set(CPACK_DEBIAN_LIB_DESCRIPTION "connection pools for sensor nodes - shared library
roostpool is a connection-pool runtime for a Raspberry Pi class board: SQLite,
PostgreSQL and MariaDB pools with memory, time and capacity fixed when the
firmware is compiled.

This package has the shared library, for plug-ins and for several programs of
one machine. A firmware that is alone on its board links the archive.")
  # Of one ABI all symbols are there since its first version: the whole node of libroostpool.map is.
  set(lib_control ${package_files}/lib)
  set(first_of_abi ${ROOST_ABI}.0)
  file(WRITE ${lib_control}/symbols.in
       "libroostpool.so.${ROOST_ABI} ${lib_package} #MINVER#\n (symver)ROOSTPOOL_${ROOST_ABI} ${first_of_abi}\n")
  file(WRITE ${lib_control}/shlibs "libroostpool ${ROOST_ABI} ${lib_package} (>= ${first_of_abi})\n")
  file(WRITE ${lib_control}/triggers "activate-noawait ldconfig\n")
  set(CPACK_DEBIAN_LIB_PACKAGE_CONTROL_EXTRA
      ${lib_control}/symbols ${lib_control}/shlibs ${lib_control}/triggers)  # symbols: see pack.cmake
  set(CPACK_ROOST_LIBRARY ${PROJECT_BINARY_DIR}/libroostpool.so.${PROJECT_VERSION})
  set(CPACK_ROOST_LIBRARY_PACKAGE ${lib_package})
  set(CPACK_ROOST_LIBRARY_FIRST ${first_of_abi})
  set(CPACK_ROOST_LIBRARY_CONTROL ${lib_control})
endif()

set(CPACK_DEBIAN_NODE_PACKAGE_NAME roostpool-node)
set(CPACK_DEBIAN_NODE_PACKAGE_SECTION misc)
# The driver of a remote database is loaded when one is configured.
set(CPACK_DEBIAN_NODE_PACKAGE_RECOMMENDS "libpq5 (>= 14)")
if(ROOST_HAS_MYSQL)
  string(APPEND CPACK_DEBIAN_NODE_PACKAGE_RECOMMENDS ", libmariadb3 (>= 1:10.6)")
endif()
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
  set(CPACK_ROOST_SHLIBDEPS ${CMAKE_CURRENT_LIST_DIR}/shlibdeps.sh ${CMAKE_SYSROOT})
  set(CPACK_ROOST_PROGRAMS ${PROJECT_BINARY_DIR}/src/tools/roost-node/roost-node
      ${PROJECT_BINARY_DIR}/src/tools/roostctl/roostctl)
else()
  set(CPACK_DEBIAN_LIB_PACKAGE_SHLIBDEPS ON)
  set(CPACK_DEBIAN_NODE_PACKAGE_SHLIBDEPS ON)
  set(CPACK_DEBIAN_NODE_PACKAGE_DEPENDS ${CPACK_ROOST_DEPENDS})
endif()
include(CPack)
