# What node_memory.py starts besides the node. Both programs are linked in one way: SQLite and the C and
# C++ libraries are shared, all else comes from archives, Abseil, too, as on a board.
add_library(node_stages MODULE node_stages.c)
target_compile_options(node_stages PRIVATE -Wall -Wextra -Werror)

function(node_over name raw)
  add_executable(${name} node_over_raw.cc)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_compile_definitions(${name} PRIVATE ROOST_RAW=${raw})
  target_compile_options(${name} PRIVATE ${ROOST_WARNINGS})
  target_link_options(${name} PRIVATE LINKER:--as-needed,--gc-sections)
endfunction()

node_over(node_over_raw 1)
target_link_libraries(node_over_raw PRIVATE SQLite::SQLite3)

# Debian's package names Abseil's shared objects; its archives lie beside them.
get_target_property(configurations absl::status IMPORTED_CONFIGURATIONS)
list(GET configurations 0 configuration)
get_target_property(abseil absl::status IMPORTED_LOCATION_${configuration})
get_filename_component(abseil ${abseil} DIRECTORY)
file(GLOB abseil ${abseil}/libabsl_*.a)
node_over(node_over_pool 0)
target_link_libraries(node_over_pool PRIVATE
  -Wl,--start-group $<TARGET_FILE:roost_roost> $<TARGET_FILE:roost_sqlite>
  $<TARGET_FILE:roost_core> $<TARGET_FILE:roost_statements> $<TARGET_FILE:roost_platform> ${abseil}
  -Wl,--end-group roost::roost roost::sqlite roost::platform SQLite::SQLite3)
