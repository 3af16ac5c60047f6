# libroostpool: all layers that are installed, as one archive and, with BUILD_SHARED_LIBS, as one shared
# library of the same objects. Nothing is compiled for the one or the other.
get_property(layers GLOBAL PROPERTY ROOST_LAYERS)
set(objects "")
foreach(layer ${layers})
  list(APPEND objects $<TARGET_OBJECTS:${layer}>)
endforeach()
set(ROOST_ABI ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})

if(ROOST_INSTALL)
  add_library(roostpool STATIC ${objects})
  set_target_properties(roostpool PROPERTIES LINKER_LANGUAGE CXX)
  install(TARGETS roostpool ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT dev)
endif()
if(NOT BUILD_SHARED_LIBS)
  return()
endif()
if(ROOST_SANITIZE OR ROOST_LINKS_STATIC)
  message(FATAL_ERROR "BUILD_SHARED_LIBS=ON: libroostpool.so is neither for a sanitizer nor for -static")
endif()

# roost_shared_abseil(RESULT): absl::status and absl::statusor as shared objects, whatever static_absl.cmake
# has made of the targets.
function(roost_shared_abseil result)
  set(libraries "")
  set(targets absl::status absl::statusor)
  set(seen "")
  while(targets)
    list(POP_FRONT targets target)
    if(NOT target IN_LIST seen AND TARGET ${target})
      list(APPEND seen ${target})
      get_target_property(object ${target} ROOST_SHARED_OBJECT)
      if(object)
        list(APPEND libraries ${object})
      endif()
      get_target_property(more ${target} INTERFACE_LINK_LIBRARIES)
      list(APPEND targets ${more})
    endif()
  endwhile()
  if(NOT libraries)
    set(libraries absl::status absl::statusor)
  endif()
  set(${result} ${libraries} PARENT_SCOPE)
endfunction()

configure_file(${CMAKE_CURRENT_LIST_DIR}/libroostpool.map.in ${PROJECT_BINARY_DIR}/libroostpool.map @ONLY)
add_library(roostpool_shared SHARED ${objects})
set_target_properties(roostpool_shared PROPERTIES
  LINKER_LANGUAGE CXX OUTPUT_NAME roostpool VERSION ${PROJECT_VERSION} SOVERSION ${ROOST_ABI}
  LINK_DEPENDS ${PROJECT_BINARY_DIR}/libroostpool.map)
target_link_options(roostpool_shared PRIVATE
  -Wl,--version-script=${PROJECT_BINARY_DIR}/libroostpool.map -Wl,--no-undefined -Wl,--as-needed
  -Wl,--gc-sections -Wl,-Bsymbolic-functions)
# Abseil's shared objects, also where the programs take its archives: the Status that a caller gets was made
# in here, and has to be of the same Abseil as the caller's.
roost_shared_abseil(abseil)
target_link_libraries(roostpool_shared PRIVATE ${abseil} SQLite::SQLite3 Threads::Threads ${CMAKE_DL_LIBS}
                      INTERFACE roost_headers)
if(ROOST_INSTALL)
  install(TARGETS roostpool_shared LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT lib
          NAMELINK_COMPONENT dev)
endif()

if(ROOST_IS_SHARED)
  set(sqlite_needs SQLite::SQLite3)
  foreach(name roost sqlite statements platform postgres mysql outbox)
    if(TARGET roost_${name})
      add_library(roost_shared_${name} INTERFACE)
      target_link_libraries(roost_shared_${name} INTERFACE roostpool_shared Threads::Threads ${${name}_needs})
      add_library(roost::${name} ALIAS roost_shared_${name})
    endif()
  endforeach()
endif()
