// tests/support/certificates.h - a certificate authority of a test's own, made with openssl(1).
//
// Threads:  one
// Blocks:   while openssl runs, some 20 ms a certificate
// Memory:   the heap; a temporary folder
// Errors:   Fail
#ifndef ROOST_TESTS_SUPPORT_CERTIFICATES_H_
#define ROOST_TESTS_SUPPORT_CERTIFICATES_H_

#include <string>
#include <string_view>
#include <vector>

#include "tests/support/temp_dir.h"

namespace roost::support {

class Certificates {
 public:
  Certificates();

  // The authority's own certificate: sslrootcert.
  std::string root() const { return dir_.File("root.crt"); }

  struct Issued {
    std::string certificate;
    std::string key;
    // Lines of postgresql.conf for a server with it.
    std::vector<std::string> Settings() const;
  };
  // For a server that is called `host`; ended yesterday, if `expired`.
  Issued Issue(std::string_view host, bool expired = false);

 private:
  TempDir dir_{};
  int issued_ = 0;
};

}  // namespace roost::support

#endif  // ROOST_TESTS_SUPPORT_CERTIFICATES_H_
