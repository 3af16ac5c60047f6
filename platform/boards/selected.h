// platform/boards/selected.h - the board this build is for. Both macros come from CMake
// (roost::board).
#ifndef PLATFORM_BOARDS_SELECTED_H_
#define PLATFORM_BOARDS_SELECTED_H_

#include ROOST_BOARD_HEADER

namespace roost::boards {

constexpr const Board& Selected() { return ROOST_BOARD_NAME::kBoard; }

}  // namespace roost::boards

#endif  // PLATFORM_BOARDS_SELECTED_H_
