// tools/common/remote_uri.h - the address of the remote database, and its password.
//
// A password on a command line can be read by every user of the machine, so it is taken from a file
// only: one named by --remote-password-file, systemd's credential, or the driver's own ways
// (passfile= in the address, for PostgreSQL also ~/.pgpass). Here the text is looked at without
// libpq and libmariadb, which a node loads only when it opens a connection.
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

namespace roost::tools {

// The name of the credential, in $CREDENTIALS_DIRECTORY, and of its file beside the configuration.
inline constexpr char kPasswordCredential[] = "remote-password";

// OK when `uri` is "postgresql://...", "host=... dbname=..." or, in a program that HasMysql(),
// "mysql://..." or "mariadb://...", and nothing in it can be a part of a password that stands where
// a host or a database should.
absl::Status CheckRemoteUri(std::string_view uri);

// Whether there is a password in it, of the user or of the TLS key.
bool HasPassword(std::string_view uri);

// OK when the file at `path` is one that a connection can take its password from; the password
// itself is read by each open: PostgresOptions::password_file.
absl::Status CheckPasswordFile(const std::string& path);

}  // namespace roost::tools

#endif  // ROOST_TOOLS_COMMON_REMOTE_URI_H_
