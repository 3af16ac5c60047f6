// The public headers stand alone: see CMakeLists.txt here. That this program links is half of the
// test.
#include <filesystem>
#include <set>
#include <sstream>
#include <string>

#include "gtest/gtest.h"

namespace {

std::set<std::string> Listed() {
  std::set<std::string> names;
  std::istringstream words(ROOST_HEADER_NAMES);
  for (std::string name; words >> name;) names.insert(name);
  return names;
}

std::set<std::string> Present() {
  std::set<std::string> names;
  const std::filesystem::path root(ROOST_INCLUDE_DIR);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    if (entry.is_regular_file()) names.insert(entry.path().lexically_relative(root).string());
  }
  return names;
}

TEST(Headers, TheListInCMakeIsTheFolder) { EXPECT_EQ(Listed(), Present()); }

}  // namespace
