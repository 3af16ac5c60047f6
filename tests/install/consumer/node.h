// A firmware's own profile, for -DROOST_PROFILE_HEADER.
#ifndef NODE_H_
#define NODE_H_

#include "roost/profile.h"

namespace my {

struct Node : roost::profiles::RaspberryPi {
  static constexpr const char* kName = "my node";
  static constexpr int kMaxOverflow = 2;
};

}  // namespace my

#endif  // NODE_H_
