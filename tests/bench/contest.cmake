# The contest: our pool beside others, on Google Benchmark and a harness of ours. bench.py runs it.
if(NOT ROOST_BUILD_BENCH OR ROOST_SANITIZE OR CMAKE_CROSSCOMPILING)
  return()
endif()
find_package(benchmark QUIET)
if(NOT benchmark_FOUND)
  message(STATUS "No Google Benchmark (Debian: libbenchmark-dev): the contest of pools is left out")
  return()
endif()
add_custom_target(bench_programs DEPENDS writer_gate)

add_library(roost_contest STATIC contest.cc contest.h contention.cc contention.h)
target_link_libraries(roost_contest PUBLIC benchmark::benchmark Threads::Threads)
target_include_directories(roost_contest PUBLIC ${PROJECT_SOURCE_DIR})
target_compile_options(roost_contest PRIVATE ${ROOST_WARNINGS})

# roost_contest_program(NAME SOURCE LIBS...): loops start where a fetch starts, so that a change
# elsewhere does not move a row by a tenth.
function(roost_contest_program name source)
  add_executable(bench_${name} ${source})
  target_link_libraries(bench_${name} PRIVATE roost_contest ${ARGN})
  target_compile_options(bench_${name} PRIVATE ${ROOST_WARNINGS} -falign-functions=64
                         $<$<CXX_COMPILER_ID:GNU>:-falign-loops=32>)
  add_dependencies(bench_programs bench_${name})
endfunction()

roost_contest_program(pools pools.cc roost::roost)
roost_contest_program(sqlite sqlite.cc roost::roost roost::sqlite SQLite::SQLite3)
if(TARGET roost_servers AND TARGET roost_postgres)
  roost_contest_program(postgres postgres.cc roost::roost roost::postgres roost::platform roost_servers)
  roost_find_peer(pqxx_libraries pqxx pqxx/pqxx "${ROOST_TEST_LIBPQ_INCLUDE}" pqxx pq)
  if(pqxx_libraries)
    roost_contest_program(pqxx peers/pqxx_postgres.cc ${pqxx_libraries})
  endif()
endif()

add_dependencies(bench_programs node_over_raw node_over_pool)

# Counts heap calls of the programs above from outside, so that counting costs the others no time.
add_library(bench_allocations SHARED allocation_preload.cc
            ${PROJECT_SOURCE_DIR}/tests/support/counting_allocator.cc)
target_include_directories(bench_allocations PRIVATE ${PROJECT_SOURCE_DIR})
target_compile_options(bench_allocations PRIVATE ${ROOST_WARNINGS})
add_dependencies(bench_programs bench_allocations)

# The peers: those whose Debian packages are here. The report says which were not.
# roost_peer(NAME HEADER LIBRARIES...)
function(roost_peer name header)
  find_path(ROOST_PEER_${name}_INCLUDE ${header} PATH_SUFFIXES zdb)
  roost_find_peer(libraries ${name} ${header} "${ROOST_PEER_${name}_INCLUDE}" ${ARGN})
  if(libraries)
    roost_contest_program(${name} peers/${name}.cc ${libraries})
    target_include_directories(bench_${name} SYSTEM PRIVATE ${ROOST_PEER_${name}_INCLUDE})
  endif()
endfunction()

roost_peer(libzdb zdb.h zdb)
roost_peer(soci soci/sqlite3/soci-sqlite3.h soci_core soci_sqlite3)
roost_peer(poco Poco/Data/SQLite/Connector.h PocoData PocoDataSQLite PocoFoundation)
roost_peer(cppdb cppdb/frontend.h cppdb)

# In CTest counts only, which no load of the machine can change, and that everything runs.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
add_test(NAME bench_counts
         COMMAND Python3::Interpreter -B ${CMAKE_CURRENT_SOURCE_DIR}/counts.py --check
                 $<TARGET_FILE_DIR:bench_pools> $<$<CONFIG:Release>:--optimised>
         COMMAND_EXPAND_LISTS)
add_test(NAME bench_quick
         COMMAND Python3::Interpreter -B ${CMAKE_CURRENT_SOURCE_DIR}/bench.py
                 $<TARGET_FILE_DIR:bench_pools> ${CMAKE_CURRENT_BINARY_DIR}/quick --quick)
set_tests_properties(bench_counts bench_quick PROPERTIES LABELS "exec;bench" RUN_SERIAL ON
                     TIMEOUT ${ROOST_HANGS_AFTER})
