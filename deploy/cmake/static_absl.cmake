# Makes the programs of this build take Abseil from its archives. Debian's CMake package names the
# shared objects only; the archives lie beside them in libabsl-dev. A program then needs nothing of
# Abseil on the board, and no upgrade of Abseil there can break it. Include after find_package(absl).
get_property(roost_imported DIRECTORY PROPERTY IMPORTED_TARGETS)
foreach(target ${roost_imported})
  if(target MATCHES "^absl::")
    get_target_property(configurations ${target} IMPORTED_CONFIGURATIONS)
    foreach(configuration ${configurations})
      get_target_property(location ${target} IMPORTED_LOCATION_${configuration})
      string(REGEX REPLACE "\\.so[.0-9]*$" ".a" archive "${location}")
      if(EXISTS "${archive}")
        set_target_properties(${target} PROPERTIES IMPORTED_LOCATION_${configuration} ${archive}
                                                   ROOST_SHARED_OBJECT ${location})
      endif()
    endforeach()
  endif()
endforeach()
