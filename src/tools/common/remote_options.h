// tools/common/remote_options.h - the arguments that say which server's database is asked, and with which
// password.
//
// A password in the address is refused, with what to do: every user of the machine can read a command line.
#ifndef ROOST_TOOLS_COMMON_REMOTE_OPTIONS_H_
#define ROOST_TOOLS_COMMON_REMOTE_OPTIONS_H_

#include <CLI/CLI.hpp>
#include <string>

#include "roost/next_step.h"
#include "tools/common/remote_uri.h"

namespace roost::tools {

// An argument `name` ("--server", or "uri" for one without a name, which mistakes call `shown`) that takes an
// address into `uri`.
inline CLI::Option* AddServerUri(CLI::App& command, const std::string& name,
                                 const std::string& shown, std::string& uri,
                                 const std::string& what) {
  const auto parse = [&uri, shown](const std::string& text) {
    if (HasPassword(text)) {
      throw CLI::ValidationError(shown,
                                 "every user of this machine can read a password on a command "
                                 "line; put it into a file for "
                                 "--password-file");
    }
    const absl::Status right = CheckRemoteUri(text);
    if (!right.ok()) {
      throw CLI::ValidationError(shown, std::string(internal::MessageOf(right)));
    }
    uri = text;
  };
  return command.add_option_function<std::string>(name, parse, what)->type_name("URI");
}

// --password-file, into `path`.
inline CLI::Option* AddPasswordFile(CLI::App& command, std::string& path, const std::string& what) {
  const auto parse = [&path](const std::string& text) {
    const absl::Status right = CheckPasswordFile(text);
    if (!right.ok()) {
      throw CLI::ValidationError("--password-file", std::string(internal::MessageOf(right)));
    }
    path = text;
  };
  return command.add_option_function<std::string>("--password-file", parse, what)
      ->type_name("PATH");
}

}  // namespace roost::tools

#endif  // ROOST_TOOLS_COMMON_REMOTE_OPTIONS_H_
