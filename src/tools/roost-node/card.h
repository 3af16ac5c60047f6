// tools/roost-node/card.h - what the file system of the database says of itself.
#ifndef ROOST_TOOLS_ROOST_NODE_CARD_H_
#define ROOST_TOOLS_ROOST_NODE_CARD_H_

#include <cstdint>
#include <optional>
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

// Bytes that the file system of the database `db` has for this process. Nothing: it is in memory, or
// the system does not tell.
std::optional<uint64_t> FreeBytes(const std::string& db);

// Bytes of the file `path`; 0: it is not there.
uint64_t FileBytes(const std::string& path);

// A file of `bytes` whose only use is to be removed when the card is full. Writes nothing of its content
// where the file system can set room aside.
absl::Status MakeReserve(const std::string& path, uint64_t bytes);

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOST_NODE_CARD_H_
