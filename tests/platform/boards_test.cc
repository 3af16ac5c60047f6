// The boards' constants, together and each by itself; and that CMake chose one of them.
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <string_view>

#include "platform/boards/host.h"
#include "platform/boards/rpi_3.h"
#include "platform/boards/rpi_4.h"
#include "platform/boards/rpi_5.h"
#include "platform/boards/rpi_zero_2w.h"
#include "platform/boards/selected.h"

namespace roost::boards {
namespace {

constexpr const Board* kAll[] = {&host::kBoard, &rpi_zero_2w::kBoard, &rpi_3::kBoard,
                                 &rpi_4::kBoard, &rpi_5::kBoard};

TEST(BoardsTest, HaveNamesAndModelsOfTheirOwn) {
  std::set<std::string_view> names;
  std::set<std::string_view> models;
  for (const Board* board : kAll) {
    EXPECT_TRUE(names.insert(board->name).second) << board->name;
    EXPECT_TRUE(models.insert(board->model).second) << board->name;
  }
}

TEST(BoardsTest, OfRaspberryPiAreComplete) {
  for (const Board* board : kAll) {
    if (board == &host::kBoard) continue;
    SCOPED_TRACE(board->name);
    EXPECT_TRUE(std::string_view(board->model).starts_with("Raspberry Pi "));
    EXPECT_EQ(board->compile_flag, std::string("-mcpu=") + board->cpu);
    EXPECT_EQ(board->cores, 4);
    EXPECT_GE(board->memory_mib, 512);
    EXPECT_EQ(board->page_bytes & (board->page_bytes - 1), 0);
    EXPECT_EQ(board->watchdog_limit, std::chrono::seconds(15));
  }
}

TEST(BoardsTest, TheSelectedOneIsAmongThem) {
  int found = 0;
  for (const Board* board : kAll) found += std::string_view(board->name) == Selected().name ? 1 : 0;
  EXPECT_EQ(found, 1);
}

}  // namespace
}  // namespace roost::boards
