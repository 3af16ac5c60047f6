// tools/roost-node/card.h - what the file system of the database says of itself.
#ifndef ROOST_TOOLS_ROOST_NODE_CARD_H_
#define ROOST_TOOLS_ROOST_NODE_CARD_H_

#include <string>

#include "absl/status/status.h"

namespace roost::tools {

// The folder of the database `db`; empty for ":memory:" and for the working folder.
std::string FolderOf(const std::string& db);

// kUnavailable with a sentence while the file system of `db` is mounted read-only, as at boot after
// errors=remount-ro; else OK. Asked before an open, because a pool waits long after one that
// a person has to help.
absl::Status CheckCard(const std::string& db);

// A file at `path` lies in memory (tmpfs, ramfs): writing it costs no card.
bool IsInMemory(const std::string& path);

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOST_NODE_CARD_H_
