// pool/backend.cc - names of what a backend tells.

#include "roost/backend.h"

namespace roost {

std::string_view Name(ServerRole role) {
  switch (role) {
    case ServerRole::kUnknown:
      return "unknown";
    case ServerRole::kPrimary:
      return "primary";
    case ServerRole::kReadOnly:
      return "read-only";
    case ServerRole::kStandby:
      return "standby";
  }
  return "";
}

}  // namespace roost
