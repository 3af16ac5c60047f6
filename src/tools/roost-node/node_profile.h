// tools/roost-node/node_profile.h - the profile of the node's local pool: the selected one, as a loop uses it.
#ifndef ROOST_TOOLS_ROOST_NODE_NODE_PROFILE_H_
#define ROOST_TOOLS_ROOST_NODE_NODE_PROFILE_H_

#include <algorithm>

#include "roost/profile.h"
#include "roost/selected_profile.h"

namespace roost::tools {

// The loop's thread is the pool's only caller and does its maintenance, so no other thread opens
// connections for it. SQLite has room for the statements that store, delete and send, on two connections:
// tests/tools/forward_test.cc measures. Pages of the block that nobody touches cost nothing.
template <class Selected>
struct NodeProfileOf : Selected {
  static constexpr OpenBy kOpenBy = OpenBy::kCaller;
  static constexpr WhenAway kWhenAway = WhenAway::kRefuse;
  static constexpr int kSqliteArenaKib = std::max(Selected::kSqliteArenaKib, 256);
};
using NodeProfile = NodeProfileOf<SelectedProfile>;

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOST_NODE_NODE_PROFILE_H_
