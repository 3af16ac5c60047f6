# The small node twice, with a pool (node_over_pool) and with raw handles (node_over_raw): node_memory.py
# and bench.py start both. They are linked in one way, as on a board: SQLite and the C and C++ libraries
# are shared, all else comes from archives, Abseil, too, and what nobody calls is left out.
function(node_over name raw)
  add_executable(${name} node_over_raw.cc)
  target_compile_definitions(${name} PRIVATE ROOST_RAW=${raw})
  target_compile_options(${name} PRIVATE ${ROOST_WARNINGS})
  target_link_options(${name} PRIVATE LINKER:--as-needed,--gc-sections)
endfunction()

node_over(node_over_raw 1)
target_link_libraries(node_over_raw PRIVATE SQLite::SQLite3)

node_over(node_over_pool 0)
if(NOT ROOST_STATIC_ABSL)
  # Debian's package names Abseil's shared objects; its archives lie beside them.
  get_target_property(configurations absl::status IMPORTED_CONFIGURATIONS)
  list(GET configurations 0 configuration)
  get_target_property(abseil absl::status IMPORTED_LOCATION_${configuration})
  get_filename_component(abseil ${abseil} DIRECTORY)
  file(GLOB abseil ${abseil}/libabsl_*.a)
  target_link_libraries(node_over_pool PRIVATE
    -Wl,--start-group $<TARGET_FILE:roost_roost> $<TARGET_FILE:roost_sqlite>
    $<TARGET_FILE:roost_core> $<TARGET_FILE:roost_statements> $<TARGET_FILE:roost_platform> ${abseil}
    -Wl,--end-group)
endif()
target_link_libraries(node_over_pool PRIVATE roost::roost roost::sqlite roost::platform SQLite::SQLite3)
