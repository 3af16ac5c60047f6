# Manual pages, and completion for bash, zsh and fish. roostctl writes its own when it is built, and
# roost-node-documents those of roost-node, which stays small; in a cross-build an emulator runs them.
# Without one there are none: the programs have --help and `roostctl completion`.
if(NOT TARGET roostctl OR NOT TARGET roost-node)
  return()
endif()
if(CMAKE_CROSSCOMPILING AND NOT CMAKE_CROSSCOMPILING_EMULATOR)
  message(STATUS "No emulator runs what is built: no manual pages and completions (Debian: qemu-user-static)")
  return()
endif()
find_program(ROOST_GZIP gzip REQUIRED)
set(documents ${PROJECT_BINARY_DIR}/documents)
set(prose ${PROJECT_SOURCE_DIR}/deploy/man)
file(GLOB includes CONFIGURE_DEPENDS ${prose}/*.inc)
string(TIMESTAMP ROOST_DOCUMENTS_DATE "%Y-%m-%d" UTC)  # SOURCE_DATE_EPOCH counts
configure_file(${prose}/roostpool.7.in ${PROJECT_BINARY_DIR}/roostpool.7 @ONLY)
add_custom_command(
  OUTPUT ${PROJECT_BINARY_DIR}/documents.made
  COMMAND ${CMAKE_COMMAND} -E rm -rf ${documents}
  COMMAND roostctl --write-documents ${documents} ${ROOST_DOCUMENTS_DATE} ${prose}
  COMMAND roost-node-documents --write-documents ${documents} ${ROOST_DOCUMENTS_DATE} ${prose}
  COMMAND ${CMAKE_COMMAND} -E make_directory ${documents}/man/man7
  COMMAND ${CMAKE_COMMAND} -E copy ${PROJECT_BINARY_DIR}/roostpool.7 ${documents}/man/man7
  COMMAND find ${documents}/man -type f -exec ${ROOST_GZIP} -9n "{}" +
  COMMAND ${CMAKE_COMMAND} -E touch ${PROJECT_BINARY_DIR}/documents.made
  DEPENDS roostctl roost-node-documents ${includes} ${PROJECT_BINARY_DIR}/roostpool.7
  COMMENT "Manual pages and completions" VERBATIM)
add_custom_target(documents ALL DEPENDS ${PROJECT_BINARY_DIR}/documents.made)

# OPTIONAL: who builds the programs alone installs them without.
foreach(section man1 man5)
  install(DIRECTORY ${documents}/man/${section} DESTINATION ${CMAKE_INSTALL_MANDIR} COMPONENT node OPTIONAL)
endforeach()
install(DIRECTORY ${documents}/man/man7 DESTINATION ${CMAKE_INSTALL_MANDIR} COMPONENT dev OPTIONAL)
install(DIRECTORY ${documents}/bash/ DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
        COMPONENT node OPTIONAL)
install(DIRECTORY ${documents}/zsh/ DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions
        COMPONENT node OPTIONAL)
install(DIRECTORY ${documents}/fish/ DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d
        COMPONENT node OPTIONAL)
