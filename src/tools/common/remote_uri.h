// tools/common/remote_uri.h - the address of the remote database, and its password.
//
// A password on a command line can be read by every user of the machine, so it is taken from a file
// only: one named by --remote-password-file, systemd's credential, or libpq's own ways (~/.pgpass,
// passfile= in the address). Here the text is looked at without libpq, which a node loads only when
// it opens a connection.
//
// Threads:  one
// Blocks:   for the read of a small file
// Memory:   the texts
// Errors:   kInvalidArgument with a sentence that says what to do; it never quotes a password
#ifndef ROOST_TOOLS_COMMON_REMOTE_URI_H_
#define ROOST_TOOLS_COMMON_REMOTE_URI_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace roost::tools {

// The name of the credential, in $CREDENTIALS_DIRECTORY, and of its file beside the configuration.
inline constexpr char kPasswordCredential[] = "remote-password";

// OK when `uri` is "postgresql://..." or "host=... dbname=...".
absl::Status CheckRemoteUri(std::string_view uri);

// Whether there is a password in it, of the user or of the TLS key.
bool HasPassword(std::string_view uri);

// The same address with `password` in it, which libpq reads back exactly.
std::string WithPassword(const std::string& uri, std::string_view password);

// The first line of the file at `path`, which others must not be able to read.
absl::StatusOr<std::string> ReadPassword(const std::string& path);

}  // namespace roost::tools

#endif  // ROOST_TOOLS_COMMON_REMOTE_URI_H_
