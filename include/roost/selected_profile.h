// include/roost/selected_profile.h - roost::SelectedProfile: the profile that the build chose.
//
// CMake chooses: -DROOST_PROFILE=raspberry_pi for a profile of profile.h, or
// -DROOST_PROFILE_HEADER=/path/to/node.h -DROOST_PROFILE=my::Node for a struct of the firmware's
// own. One source then serves every kind of node. This header is apart from profile.h, so that
// node.h may derive from the profiles there, whichever of the two a program includes first.
//
// Threads:  constants
// Blocks:   never
// Memory:   none
// Errors:   static_assert when the numbers cannot work; #error when no profile was chosen
// Example:
//   roost::PoolFor<roost::SelectedProfile> pool(backend);
#ifndef ROOST_SELECTED_PROFILE_H_
#define ROOST_SELECTED_PROFILE_H_

#include "roost/profile.h"

#ifndef ROOST_PROFILE_STRUCT
#error "roost: no profile is chosen; link roost::roost with CMake, or define ROOST_PROFILE_STRUCT"
#endif
#ifdef ROOST_PROFILE_HEADER
#include ROOST_PROFILE_HEADER
#endif

namespace roost {

// The profile of this build. Numbers that cannot work stop the build here, with a sentence.
using SelectedProfile = ROOST_PROFILE_STRUCT;
static_assert(CheckProfile<SelectedProfile>());

}  // namespace roost

#endif  // ROOST_SELECTED_PROFILE_H_
