// tests/support/temp_dir.h - a folder of its own for each test, gone at its end.
#ifndef ROOST_TESTS_SUPPORT_TEMP_DIR_H_
#define ROOST_TESTS_SUPPORT_TEMP_DIR_H_

#include <stdlib.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

namespace roost::support {

class TempDir {
 public:
  TempDir() {
    // Symbolic links in the way to the folder would be refused by the SQLite backend.
    std::string pattern =
        (std::filesystem::canonical(std::filesystem::temp_directory_path()) / "roost-XXXXXX")
            .string();
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    path_ = pattern;
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  std::string File(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  std::string path_;
};

}  // namespace roost::support

#endif  // ROOST_TESTS_SUPPORT_TEMP_DIR_H_
