#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <concepts>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

#include "telemetry/status_file.h"
#include "telemetry/status_json.h"
#include "telemetry/status_members.h"

namespace roost::telemetry {
namespace {

using Json = nlohmann::ordered_json;

// More is no span: 31 years. Sums of a few of them fit into a Duration.
constexpr double kMostSeconds = 1e9;

// False: `json` is of another type than the member.
bool Take(const Json& json, bool& value) {
  if (!json.is_boolean()) return false;
  value = json.get<bool>();
  return true;
}
bool Take(const Json& json, std::integral auto& value) {
  using Number = std::remove_cvref_t<decltype(value)>;
  if (!json.is_number_integer()) return false;
  const bool fits = json.is_number_unsigned() ? std::in_range<Number>(json.get<uint64_t>())
                                              : std::in_range<Number>(json.get<int64_t>());
  if (fits) json.get_to(value);
  return fits;
}
bool Take(const Json& json, std::string& value) {
  if (!json.is_string()) return false;
  json.get_to(value);
  return true;
}
bool Take(const Json& json, Duration& value) {
  if (!json.is_number() || std::abs(json.get<double>()) > kMostSeconds) return false;
  value = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(json.get<double>()));
  return true;
}

// Takes the members of a struct from `json`, an object. A member that is missing keeps its default.
class Reader {
 public:
  // `wrong` becomes the name of a member that is of another type than it should be.
  Reader(const Json& json, std::string& wrong) : json_(json), wrong_(wrong) {}

  template <class T>
  void operator()(std::string_view name, T& value) {
    const auto found = json_.find(std::string(name));
    if (found == json_.end()) return;
    bool taken = true;
    if constexpr (IsSpan<T> || IsScalar<T>) {
      taken = Take(*found, value);
    } else if (taken = found->is_object(); taken) {
      Reader inner(*found, wrong_);
      Visit(inner, value);
    }
    if (!taken) wrong_ = name;
  }
  template <class T>
  void operator()(std::string_view name, std::optional<T>& value) {
    if (json_.contains(std::string(name))) (*this)(name, value.emplace());
  }

 private:
  const Json& json_;
  std::string& wrong_;
};

}  // namespace

absl::StatusOr<NodeStatus> ReadJson(std::string_view text) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return absl::InvalidArgumentError("it is not a JSON object");
  if (!json.contains("format") || !json.contains("readings")) {
    return absl::InvalidArgumentError("it is not the status of a roost-node");
  }
  NodeStatus status;
  std::string wrong;
  Reader reader(json, wrong);
  Visit(reader, status);
  if (!wrong.empty()) {
    return absl::InvalidArgumentError("the member " + wrong +
                                      " is of another type than it has to be");
  }
  if (status.format > kStatusFormat) {
    return absl::InvalidArgumentError("it was written by a newer roost-node; use its roostctl");
  }
  return status;
}

namespace {

// Reads until the end, or until `text` is full. Returns how much; -1: errno says why not.
ssize_t ReadUpTo(int fd, std::span<char> text) {
  size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = read(fd, text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -1;
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  return static_cast<ssize_t>(size);
}

absl::Status CannotRead(const std::string& path) {
  const std::string message = "cannot read " + path + ": " + std::strerror(errno);
  return errno == ENOENT ? absl::NotFoundError(message) : absl::UnavailableError(message);
}

// The text of a file. Whoever owns the folder chooses what is there: a fifo holds nobody up, and what
// has no end is not read to it.
absl::StatusOr<std::string> ReadText(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return CannotRead(path);
  struct stat file {};
  std::string text(4 * StatusFile::kMostBytes, '\0');
  const bool is_file = fstat(fd, &file) == 0 && S_ISREG(file.st_mode);
  const ssize_t size = is_file ? ReadUpTo(fd, text) : 0;
  const absl::Status failed = size < 0 ? CannotRead(path) : absl::OkStatus();
  close(fd);
  if (!failed.ok()) return failed;
  if (!is_file) return absl::InvalidArgumentError(path + ": it is not a file");
  if (static_cast<size_t>(size) == text.size()) {
    return absl::InvalidArgumentError(path + ": it is too long for a status file");
  }
  text.resize(static_cast<size_t>(size));
  return text;
}

}  // namespace

absl::StatusOr<NodeStatus> ReadStatusFile(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadText(path);
  if (!text.ok()) return text.status();
  absl::StatusOr<NodeStatus> status = ReadJson(*text);
  if (status.ok()) return status;
  return absl::InvalidArgumentError(path + ": " +
                                    static_cast<std::string>(status.status().message()));
}

}  // namespace roost::telemetry
