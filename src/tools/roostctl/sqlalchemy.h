// tools/roostctl/sqlalchemy.h - what the settings of an SQLAlchemy engine are here.
#ifndef ROOST_TOOLS_ROOSTCTL_SQLALCHEMY_H_
#define ROOST_TOOLS_ROOSTCTL_SQLALCHEMY_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace roost::tools {

// A header with a profile that behaves as an engine with `settings`, and a comment for each of them
// that has no counterpart. Settings are written as arguments of create_engine
// (`pool_size=30, max_overflow=15`), as a Python dict, or as lines of an .ini file
// (`sqlalchemy.pool_size = 30`). One that is left out has SQLAlchemy's default, not roostpool's.
// Times are seconds. kInvalidArgument, with a sentence: what is written wrong, and what a pool of
// fixed capacity cannot do.
absl::StatusOr<std::string> ProfileFromSqlAlchemy(std::string_view settings);

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOSTCTL_SQLALCHEMY_H_
