#include "tests/support/certificates.h"

#include <sys/stat.h>

#include "tests/support/process.h"

namespace roost::support {
namespace {

constexpr const char* kCurve = "ec_paramgen_curve:prime256v1";

}  // namespace

Certificates::Certificates() {
  chmod(dir_.path().c_str(), 0755);  // servers run as another user
  RunOrFail({.words = {"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", kCurve, "-nodes",
                       "-keyout", dir_.File("root.key"), "-out", root(), "-days", "2", "-subj",
                       "/CN=roost test authority"}});
}

Certificates::Issued Certificates::Issue(std::string_view host, bool expired) {
  const std::string name = dir_.File("server" + std::to_string(++issued_));
  const Issued issued{.certificate = name + ".crt", .key = name + ".key"};
  const std::string subject = "/CN=" + std::string(host);
  RunOrFail({.words = {"openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", kCurve, "-nodes",
                       "-keyout", issued.key, "-out", name + ".csr", "-subj", subject, "-addext",
                       "subjectAltName=DNS:" + std::string(host)}});
  RunOrFail({.words = {"openssl", "x509", "-req", "-in", name + ".csr", "-CA", root(), "-CAkey",
                       dir_.File("root.key"), "-CAcreateserial", "-copy_extensions", "copy",
                       "-days", expired ? "-1" : "2", "-out", issued.certificate}});
  GiveToServerUser(issued.key);  // the server refuses a key that others could have written
  return issued;
}

std::vector<std::string> Certificates::Issued::Settings() const {
  return {"ssl = on", "ssl_cert_file = '" + certificate + "'", "ssl_key_file = '" + key + "'"};
}

}  // namespace roost::support
