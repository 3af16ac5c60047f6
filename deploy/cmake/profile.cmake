# Chooses roost::SelectedProfile. Used by the build of roostpool and, installed beside its package
# configuration, by every project that finds the package.
#
#   -DROOST_PROFILE=raspberry_pi                              one of the names below
#   -DROOST_PROFILE_HEADER=node.h -DROOST_PROFILE=my::Node    a struct of your own
#
# Default: raspberry_pi when cross-compiling for an ARM board, development on a PC.

set(ROOST_PROFILES default development testing staging production vps_lite raspberry_pi
    raspberry_pi_remote high_traffic_web background_jobs microservice)

if(NOT DEFINED ROOST_DEFAULT_PROFILE)
  if(CMAKE_CROSSCOMPILING AND CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm)")
    set(ROOST_DEFAULT_PROFILE raspberry_pi)
  else()
    set(ROOST_DEFAULT_PROFILE development)
  endif()
endif()
set(ROOST_PROFILE ${ROOST_DEFAULT_PROFILE} CACHE STRING
    "Profile behind roost::SelectedProfile: ${ROOST_PROFILES}; or a struct in ROOST_PROFILE_HEADER")
set_property(CACHE ROOST_PROFILE PROPERTY STRINGS ${ROOST_PROFILES})
set(ROOST_PROFILE_HEADER "" CACHE FILEPATH "Header that defines the struct ROOST_PROFILE; empty: none")

# raspberry_pi -> RaspberryPi
function(roost_profile_struct name result)
  string(REPLACE "_" ";" words ${name})
  set(struct "")
  foreach(word ${words})
    string(SUBSTRING ${word} 0 1 first)
    string(SUBSTRING ${word} 1 -1 rest)
    string(TOUPPER ${first} first)
    string(APPEND struct ${first}${rest})
  endforeach()
  set(${result} ::roost::profiles::${struct} PARENT_SCOPE)
endfunction()

# roost_select_profile(TARGET): defines ROOST_PROFILE_STRUCT, and ROOST_PROFILE_HEADER when there is
# one, for whoever links TARGET in this build. Neither is exported: a project that uses the installed
# package chooses anew.
function(roost_select_profile target)
  list(JOIN ROOST_PROFILES ", " names)
  if(ROOST_PROFILE_HEADER)
    if(NOT EXISTS "${ROOST_PROFILE_HEADER}" OR IS_DIRECTORY "${ROOST_PROFILE_HEADER}")
      message(FATAL_ERROR "ROOST_PROFILE_HEADER=${ROOST_PROFILE_HEADER} is not a file. Give the header "
              "that defines your profile, as an absolute path or relative to the working directory "
              "of cmake.")
    endif()
    if(ROOST_PROFILE IN_LIST ROOST_PROFILES
       OR NOT ROOST_PROFILE MATCHES "^(::)?[A-Za-z_][A-Za-z0-9_]*(::[A-Za-z_][A-Za-z0-9_]*)*$")
      message(FATAL_ERROR "ROOST_PROFILE_HEADER is given, so ROOST_PROFILE has to name the struct in it, "
              "such as my::Node; it is \"${ROOST_PROFILE}\".")
    endif()
    string(REGEX REPLACE "^::" "" struct ${ROOST_PROFILE})
    set(definitions "ROOST_PROFILE_HEADER=\"${ROOST_PROFILE_HEADER}\"" ROOST_PROFILE_STRUCT=::${struct})
  elseif(ROOST_PROFILE IN_LIST ROOST_PROFILES)
    roost_profile_struct(${ROOST_PROFILE} struct)
    set(definitions ROOST_PROFILE_STRUCT=${struct})
  else()
    message(FATAL_ERROR "ROOST_PROFILE=${ROOST_PROFILE} is not a profile. The profiles are: ${names}. "
            "For a profile of your own give its header, too: "
            "-DROOST_PROFILE_HEADER=/path/to/node.h -DROOST_PROFILE=my::Node")
  endif()
  foreach(definition ${definitions})
    target_compile_definitions(${target} INTERFACE $<BUILD_INTERFACE:${definition}>)
  endforeach()
endfunction()
