#include "roost/version.h"

namespace roost {

const char* LibraryVersion() { return ROOST_VERSION_STRING; }

void internal::ROOST_INTERNAL_JOIN(ROOST_VERSION_MAJOR, ROOST_VERSION_MINOR)() {}

}  // namespace roost
