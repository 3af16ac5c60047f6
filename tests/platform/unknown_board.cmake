# Configures with a board that does not exist; CMake has to stop and list the names.
# Usage: cmake -DSOURCE=DIR -DBINARY=DIR -P unknown_board.cmake
file(REMOVE_RECURSE ${BINARY})
execute_process(
  COMMAND ${CMAKE_COMMAND} -S ${SOURCE} -B ${BINARY} -DROOST_BOARD=rpi_6 -DROOST_BUILD_TESTS=OFF
          -DROOST_BUILD_TOOLS=OFF
  RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(result EQUAL 0)
  message(FATAL_ERROR "ROOST_BOARD=rpi_6 was accepted")
endif()
string(REGEX REPLACE "[ \n]+" " " output "${output}")
foreach(expected "there is no board \"rpi_6\"" "host, rpi_zero_2w, rpi_3, rpi_4, rpi_5")
  string(FIND "${output}" "${expected}" at)
  if(at EQUAL -1)
    message(FATAL_ERROR "the message lacks '${expected}':\n${output}")
  endif()
endforeach()
