#include "tests/postgres_faults/node.h"

#include <filesystem>
#include <iterator>

namespace roost::faults {

int Descriptors() {
  const std::filesystem::directory_iterator folder("/proc/self/fd");
  // One of them is the folder itself.
  return static_cast<int>(std::distance(begin(folder), end(folder))) - 1;
}

}  // namespace roost::faults
