// include/roost/types.h - the plain enumerations that several headers share.
//
// Threads:  values; any thread
// Blocks:   never
// Memory:   one byte each
// Errors:   none
#ifndef ROOST_TYPES_H_
#define ROOST_TYPES_H_

#include <cstdint>
#include <string_view>

#include "roost/version.h"

#pragma GCC visibility push(default)
namespace roost {

// What a caller is going to do with a connection. Declared at the acquire; chooses the lane. Where
// readers have connections of their own, a connection for kRead cannot write.
enum class Intent : uint8_t { kRead, kWrite };
inline constexpr Intent kRead = Intent::kRead;
inline constexpr Intent kWrite = Intent::kWrite;

// What a slot's connection is for.
enum class Role : uint8_t {
  // Reads and writes.
  kAny,
  // The only connection that writes, where readers have connections of their own.
  kWriter,
  // Cannot write.
  kReader,
};

// How a pool over a backend divides its slots into lanes.
enum class LanePlan : uint8_t {
  // One lane: every connection is like the others.
  kOne,
  // Two lanes: slot 0 writes, the others read. A pool of one slot has one lane, which does both.
  kWriterAndReaders,
};

// Why the pool closed a connection.
enum class CloseReason : uint8_t {
  // Not closed.
  kNone,
  // The connection was above pool_size, and no caller waited; or it lingered while the server had
  // no room for another one. Or it was surplus after Pool::Tune.
  kOverflow,
  // An overflow connection whose linger time was over.
  kLingered,
  // Older than pool_recycle.
  kRecycled,
  // Idle for longer than the idle limit.
  kIdle,
  // Pool::InvalidateAll was called.
  kInvalidated,
  // Lease::Discard was called.
  kDiscarded,
  // An error in use, or the session's state at the return, showed that the connection is dead.
  kBroken,
  // The ping, or the check before lending, failed.
  kPingFailed,
  // The reset failed.
  kResetFailed,
  // The maintenance failed.
  kUpkeepFailed,
  // A connection of the same age or younger was found dead.
  kSuspect,
  // The pool is closing.
  kPoolClosed,
};
inline constexpr int kCloseReasons = 13;

// The name of the reason for logs: "overflow", "recycled", ... A literal.
std::string_view Name(CloseReason reason);

// What is known about a connection without asking the server.
enum class Liveness : uint8_t {
  kAlive,
  kDead,
  // Only a round trip can tell.
  kUnknown,
};

// Which connections an error concerns. Ordered: the later one concerns more.
enum class FaultScope : uint8_t {
  // None: the error is about the statement.
  kStatement,
  // This connection, which must not be used again.
  kConnection,
  // This connection, and every one opened before now must answer a ping before it is lent.
  kConnectionSuspectOlder,
  // This connection and every one opened before now: none of them is lent again. Idle ones are closed
  // at once, lent ones at their return.
  kAllOlder,
};

// What the last user left behind on a connection.
enum class SessionState : uint8_t {
  // Nothing: the connection can be lent again.
  kClean,
  // Something that a reset undoes.
  kDirty,
  // Something that only closing the connection ends.
  kBroken,
};

}  // namespace roost
#pragma GCC visibility pop

#endif  // ROOST_TYPES_H_
