# For programs linked with -static (in CMAKE_EXE_LINKER_FLAGS): Abseil and SQLite from their archives. Used by
# the build of roostpool and by every project that finds the package. Include after find_package(SQLite3), and
# before static_absl.cmake. Sets ROOST_LINKS_STATIC.
set(ROOST_LINKS_STATIC OFF)
if(NOT " ${CMAKE_EXE_LINKER_FLAGS} " MATCHES " (-static|--static|-static-pie) ")
  return()
endif()
set(ROOST_LINKS_STATIC ON)
set(ROOST_STATIC_ABSL ON)

get_target_property(roost_sqlite_file SQLite::SQLite3 IMPORTED_LOCATION)
string(REGEX REPLACE "\\.so[.0-9]*$" ".a" roost_sqlite_file "${roost_sqlite_file}")
if(NOT EXISTS "${roost_sqlite_file}")
  message(FATAL_ERROR "roostpool: a program linked with -static needs SQLite's archive; there is no "
          "${roost_sqlite_file} (Debian: libsqlite3-dev)")
endif()
set_target_properties(SQLite::SQLite3 PROPERTIES IMPORTED_LOCATION ${roost_sqlite_file})
set_property(TARGET SQLite::SQLite3 APPEND PROPERTY INTERFACE_LINK_LIBRARIES m ${CMAKE_DL_LIBS})

# What roost::postgres and roost::mysql link then. There is no such target: CMake stops at whoever links it, and
# names it.
set(ROOST_NO_STATIC_POSTGRES "roost::postgres loads libpq with dlopen, which a program linked with -static \
cannot do: link it without -static, or leave roost::postgres out")
set(ROOST_NO_STATIC_MYSQL "roost::mysql loads libmariadb with dlopen, which a program linked with -static \
cannot do: link it without -static, or leave roost::mysql out")
