#include "backends/postgres/pgpass.h"

#include <sys/stat.h>

#include "backends/common/password.h"
#include "statements/text.h"

namespace roost::postgres {

using internal::Concat;

std::string WhyPassedOver(const std::string& path) {
  struct stat seen {};
  if (path.empty() || stat(path.c_str(), &seen) != 0) return "";
  if (!S_ISREG(seen.st_mode)) {
    return Concat({path, " is passed over because it is not a file; write the password into one"});
  }
  if ((seen.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return Concat({path, " is passed over because others may use it; run: chmod 600 ", path});
  }
  return "";
}

std::string PasswordAdvice(std::string_view file, std::string_view passed_over) {
  if (!passed_over.empty()) return backends::PasswordAdvice(file, passed_over);
  return backends::PasswordAdvice(
      file, "give the right password in ~/.pgpass, in passfile=FILE or in PGPASSWORD");
}

}  // namespace roost::postgres
