// platform/rpi/kernel_files.h - the kernel's text files of /proc and /sys: small, read as a whole.
//
// A file that is not there, not readable or not understood gives nothing; that is never an error.
#ifndef PLATFORM_RPI_KERNEL_FILES_H_
#define PLATFORM_RPI_KERNEL_FILES_H_

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace roost::kernel {

// `text` without the white space around it. The device tree ends its strings with NUL.
std::string_view Trim(std::string_view text);

// The beginning of a small file, trimmed. Empty when it cannot be read. Allocates nothing.
class SmallFile {
 public:
  explicit SmallFile(const std::string& path);
  std::string_view text() const { return Trim({bytes_.data(), size_}); }

 private:
  std::array<char, 4096> bytes_;
  size_t size_ = 0;
};

// A file of up to 1 MiB as it is. Nothing when it cannot be read.
std::optional<std::string> Content(const std::string& path);

// The number at the beginning of `text`. `base`: as for std::from_chars.
template <class T, class... Base>
std::optional<T> Parse(std::string_view text, Base... base) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base...);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  return value;
}

// The number that the file begins with.
template <class T, class... Base>
std::optional<T> Number(const std::string& path, Base... base) {
  return Parse<T>(SmallFile(path).text(), base...);
}

// The number after "Name:" or "name " at the beginning of a line.
std::optional<uint64_t> Field(std::string_view text, std::string_view name);

// `path` where it can be read, else empty.
std::string IfReadable(std::string path);

// Names in a folder that begin with `prefix`, in order.
std::vector<std::string> Names(const std::string& folder, std::string_view prefix);

}  // namespace roost::kernel

#endif  // PLATFORM_RPI_KERNEL_FILES_H_
