// include/roost/types.h - the plain enumerations that several headers share.
//
// Threads:  values
// Blocks:   never
// Memory:   one byte each
// Errors:   none
#ifndef ROOST_TYPES_H_
#define ROOST_TYPES_H_

#include <cstdint>
#include <string_view>

namespace roost {

// What a caller is going to do. Declared at acquire; chooses the lane.
enum class Intent : uint8_t { kRead, kWrite };
inline constexpr Intent kRead = Intent::kRead;
inline constexpr Intent kWrite = Intent::kWrite;

// What a slot's connection is for.
enum class Role : uint8_t {
  kAny,     // reads and writes
  kWriter,  // the only connection that writes, where readers are apart
  kReader,  // cannot write
};

// How a pool over a backend divides its slots into lanes.
enum class LanePlan : uint8_t {
  kOne,               // every connection is like the other
  kWriterAndReaders,  // slot 0 writes, the others read (one slot alone does both)
};

// Why the pool closed a connection.
enum class CloseReason : uint8_t {
  kNone,
  kOverflow,      // above pool_size, and nobody waits
  kLingered,      // overflow whose linger time is over
  kRecycled,      // older than pool_recycle
  kIdle,          // idle for longer than the idle limit
  kInvalidated,   // Pool::InvalidateAll
  kDiscarded,     // Lease::Discard
  kBroken,        // an error in use showed that the connection is dead
  kPingFailed,    // the ping failed
  kResetFailed,   // the reset failed
  kUpkeepFailed,  // the maintenance failed
  kSuspect,       // a connection of the same age or younger was found dead
  kPoolClosed,    // the pool is closing
};
inline constexpr int kCloseReasons = 13;

// "overflow", "recycled", ...
std::string_view Name(CloseReason reason);

// What is known about a connection without asking the server.
enum class Liveness : uint8_t {
  kAlive,
  kDead,
  kUnknown,  // only a round trip tells
};

// Which connections an error concerns.
enum class FaultScope : uint8_t {
  kStatement,               // none: the error is about the statement
  kConnection,              // this connection must not be used again
  kConnectionSuspectOlder,  // this one; every connection opened before now must answer a ping
  kAllOlder,                // this one, and every connection opened before now
};

// What the last user left behind on a connection.
enum class SessionState : uint8_t {
  kClean,   // nothing: the connection can be lent again
  kDirty,   // something that a reset can undo
  kBroken,  // something that only closing ends
};

}  // namespace roost

#endif  // ROOST_TYPES_H_
