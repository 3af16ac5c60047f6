// The inputs that are kept: what once was wrong, and what a parser has to be led to.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/fuzz/targets.h"

namespace roost::fuzz {
namespace {

class CorpusTest : public ::testing::TestWithParam<Target> {};

TEST_P(CorpusTest, IsTakenAsItShouldBe) {
  const Target& target = GetParam();
  const std::filesystem::path folder = std::filesystem::path(ROOST_FUZZ_CORPUS) / target.name;
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)),
                            std::istreambuf_iterator<char>());
    EXPECT_EQ(target.check(bytes), "") << entry.path();
    ++count;
  }
  EXPECT_GT(count, 0) << folder;
}

// Whatever a parser is given, it is also given the beginnings of.
TEST_P(CorpusTest, MayEndAnywhere) {
  const Target& target = GetParam();
  const std::filesystem::path folder = std::filesystem::path(ROOST_FUZZ_CORPUS) / target.name;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)),
                            std::istreambuf_iterator<char>());
    for (size_t size = 0; size < std::min<size_t>(bytes.size(), 128); ++size) {
      EXPECT_EQ(target.check(bytes.substr(0, size)), "")
          << entry.path() << ", " << size << " bytes";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, CorpusTest,
                         ::testing::ValuesIn(Targets().begin(), Targets().end()),
                         [](const auto& target) { return std::string(target.param.name); });

}  // namespace
}  // namespace roost::fuzz
