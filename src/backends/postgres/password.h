// backends/postgres/password.h - where the password of a connection comes from.
//
// A password is never put into a connection string: libpq gets it as an option of its own. Files
// are read by each open, so that a password that was changed counts at the next one.
//
// Threads:  any
// Blocks:   for the read of a small file
// Memory:   the texts
// Errors:   kInvalidArgument with a sentence that says what to do; it never quotes a password
#ifndef ROOST_BACKENDS_POSTGRES_PASSWORD_H_
#define ROOST_BACKENDS_POSTGRES_PASSWORD_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace roost::postgres {

// The longest password, which is what libpq takes from its own file and from a prompt, rounded up.
inline constexpr size_t kMostPassword = 1024;

// The first line of a regular file that others must not be able to read.
absl::StatusOr<std::string> ReadPasswordFile(const std::string& path);

// Why libpq passes over its password file at `path`; empty: it does not, or there is none.
std::string WhyPassedOver(const std::string& path);

// What to do when the server wants a password, or another one. `file`: that of
// PostgresOptions::password_file; `passed_over`: what WhyPassedOver() says of libpq's.
std::string PasswordAdvice(std::string_view file, std::string_view passed_over);

}  // namespace roost::postgres

#endif  // ROOST_BACKENDS_POSTGRES_PASSWORD_H_
