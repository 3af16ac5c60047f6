// include/roost/internal/storage.h - the storage that PoolFor adds to Pool. No logic.
//
// The sizes below are upper bounds for what src/pool and the backends place here; each is asserted
// where the real type is known.
#ifndef ROOST_INTERNAL_STORAGE_H_
#define ROOST_INTERNAL_STORAGE_H_

#include <cstddef>

#include "roost/types.h"

#pragma GCC visibility push(default)
namespace roost::internal {

class ConnectionWrapper;
class PoolState;
struct PoolParts;

inline constexpr size_t kPoolStateBytes = 3328;
// A slot and its stepped action. A slot is two cache lines and begins at one.
inline constexpr size_t kSlotBytes = 176;
inline constexpr size_t kSlotAlignment = 128;
// What a pool keeps for each connection of a backend: B::kConnectionSize.
struct ConnectionSize {
  size_t connection;  // bytes without the statement cache
  size_t statement;   // bytes of one entry of that cache
  constexpr size_t For(int statements) const {
    return connection + statement * static_cast<size_t>(statements);
  }
};

// A pool that is not told its backend: there is room for SQLite and PostgreSQL.
struct AnyBackend {
  static constexpr ConnectionSize kConnectionSize{.connection = 512, .statement = 160};
};

// Whether a pool of these sizes keeps one connection to read with. Of a backend that does not name
// its lanes nothing is known.
template <class B>
constexpr bool KeepsAReader(int pool_size, int max_overflow) {
  if constexpr (requires { B::kLanes; }) {
    return B::kLanes != LanePlan::kWriterAndReaders || pool_size > 1 || max_overflow == 0;
  }
  return true;
}

// Where a pool keeps what it needs to watch statements: the watch, and a record for each slot.
inline constexpr size_t kWatchBytes = 64;
inline constexpr size_t kWatchedSlotBytes = 160;
inline constexpr size_t kWatchedStatementBytes = 80;

struct WatchStorageView {
  std::byte* data = nullptr;
  // Makes the watch in `data`. Null: statements are not watched. Only a pool that watches names the
  // function, so that no other program has its code.
  ConnectionWrapper* (*make)(PoolParts& pool, const WatchStorageView& storage) = nullptr;
};
ConnectionWrapper* MakeStatementWatch(PoolParts& pool, const WatchStorageView& storage);

template <bool kWatches, int kCapacity, int kStatements>
class WatchStorage {
 protected:
  WatchStorageView View() { return {data_, &MakeStatementWatch}; }

 private:
  static constexpr size_t kCount = kCapacity > 0 ? static_cast<size_t>(kCapacity) : 1;
  static constexpr size_t kEach = kStatements > 0 ? static_cast<size_t>(kStatements) : 1;
  static constexpr size_t kSlot = kWatchedSlotBytes + kWatchedStatementBytes * kEach;
  alignas(std::max_align_t) std::byte data_[kWatchBytes + kCount * kSlot];
};
template <int kCapacity, int kStatements>
class WatchStorage<false, kCapacity, kStatements> {
 protected:
  static WatchStorageView View() { return {}; }
};

struct PoolStorageView {
  std::byte* state;
  std::byte* slots;        // capacity * kSlotBytes
  std::byte* connections;  // capacity * connection_bytes
  size_t connection_bytes;
  int capacity;
  WatchStorageView watch{};
};

template <int kCapacity, int kStatements, ConnectionSize kSize>
class PoolStorage {
 protected:
  PoolStorageView View(const WatchStorageView& watch) {
    return {state_, slots_, connections_, kSize.For(kStatements), kCapacity, watch};
  }

 private:
  static constexpr size_t kCount = kCapacity > 0 ? static_cast<size_t>(kCapacity) : 1;
  static constexpr size_t kConnection = kSize.For(kStatements > 0 ? kStatements : 1);
  alignas(kSlotAlignment) std::byte state_[kPoolStateBytes];
  alignas(kSlotAlignment) std::byte slots_[kCount * kSlotBytes];
  alignas(std::max_align_t) std::byte connections_[kCount * kConnection];
};

}  // namespace roost::internal
#pragma GCC visibility pop

#endif  // ROOST_INTERNAL_STORAGE_H_
