# Writes and installs the files for pkg-config. Runs at the time of installation, when the prefix is known: a
# package is made with another than the build was configured with, and so is `cmake --install --prefix`.
#
# The paths are absolute, and those of the board: pkg-config puts PKG_CONFIG_SYSROOT_DIR before them. What a
# program needs besides the library is private where libroostpool.so knows it itself, and public where there
# is the archive alone. Abseil is public in each case: the inline code of the headers calls it. SQLite stands
# in roostpool.pc, although roostpool-sqlite is whose it is: a linker that meets an archive of SQLite before
# ours takes nothing of it, and only what one file requires comes surely behind its own library.
#
# The files are written into a folder of this installation's own, because several may run at once.
#
# install.cmake sets ROOST_PC_NAMES, _TEMPLATES, _OUT, _VERSION, _ABSL, _SHARED, _LIBDIR and _INCLUDEDIR.
set(libs " -pthread -ldl")
if(ROOST_PC_SHARED)
  set(ROOST_PC_PRIVATE_LIBS "${libs}")
  set(ROOST_PC_PRIVATE_REQUIRES "sqlite3")
else()
  set(ROOST_PC_PUBLIC_LIBS "${libs}")
  set(ROOST_PC_PUBLIC_REQUIRES ", sqlite3")
endif()
set(ROOST_PC_PREFIX "${CMAKE_INSTALL_PREFIX}")
set(destination "${ROOST_PC_LIBDIR}/pkgconfig")
foreach(folder LIBDIR INCLUDEDIR)
  if(NOT IS_ABSOLUTE "${ROOST_PC_${folder}}")
    set(ROOST_PC_${folder} "\${prefix}/${ROOST_PC_${folder}}")
  endif()
endforeach()
if(NOT IS_ABSOLUTE "${destination}")
  set(destination "${CMAKE_INSTALL_PREFIX}/${destination}")
endif()
string(RANDOM LENGTH 16 own)
foreach(name ${ROOST_PC_NAMES})
  configure_file(${ROOST_PC_TEMPLATES}/${name}.pc.in ${ROOST_PC_OUT}/${own}/${name}.pc @ONLY)
  file(INSTALL ${ROOST_PC_OUT}/${own}/${name}.pc DESTINATION "${destination}")  # below DESTDIR
endforeach()
file(REMOVE_RECURSE ${ROOST_PC_OUT}/${own})
