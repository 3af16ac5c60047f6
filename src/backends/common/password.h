// backends/common/password.h - where the password of a connection comes from, and its address.
//
// A password is never put into a connection string: the driver gets it as an option of its own. Files
// are read by each open, so that a password that was changed counts at the next one.
//
// Threads:  any
// Blocks:   for the read of a small file
// Memory:   the texts
// Errors:   kInvalidArgument with a sentence that says what to do; it never quotes a password
#ifndef ROOST_BACKENDS_COMMON_PASSWORD_H_
#define ROOST_BACKENDS_COMMON_PASSWORD_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace roost::backends {

// The longest password that is taken.
inline constexpr size_t kMostPassword = 1024;

// The first line of a regular file that others must not be able to read.
absl::StatusOr<std::string> ReadPasswordFile(const std::string& path);

// An address without the line break behind it, which comes along where it was read from a file.
std::string_view WithoutLineEnd(std::string_view address);

// What to do when the server wants a password, or another one. `file`: where ReadPasswordFile took it
// from; empty: `otherwise` is the advice.
std::string PasswordAdvice(std::string_view file, std::string_view otherwise);

}  // namespace roost::backends

#endif  // ROOST_BACKENDS_COMMON_PASSWORD_H_
