// backends/common/loaded_library.h - the functions of a driver's library that is loaded at the first open.
//
// Threads:  any
// Blocks:   Load, while the library is read from the disk
// Memory:   one Table on the heap, from the first Load on
#ifndef ROOST_BACKENDS_COMMON_LOADED_LIBRARY_H_
#define ROOST_BACKENDS_COMMON_LOADED_LIBRARY_H_

#include <atomic>
#include <memory>

#include "absl/status/status.h"

namespace roost::backends {

template <class Table>
class LoadedLibrary {
 public:
  LoadedLibrary() = default;
  ~LoadedLibrary() { delete table_.load(); }
  LoadedLibrary(const LoadedLibrary&) = delete;
  LoadedLibrary& operator=(const LoadedLibrary&) = delete;

  bool loaded() const { return table_.load() != nullptr; }
  // REQUIRES: loaded().
  const Table& operator*() const { return *table_.load(); }
  // Fills the table with `load`, unless that was done. Without a lock, because it reads files: who comes
  // second throws its own table away.
  absl::Status Load(absl::Status (*load)(Table&)) {
    if (loaded()) return absl::OkStatus();
    auto table = std::make_unique<Table>();
    absl::Status status = load(*table);
    const Table* none = nullptr;
    if (status.ok() && table_.compare_exchange_strong(none, table.get())) {
      static_cast<void>(table.release());
    }
    return status;
  }

 private:
  std::atomic<const Table*> table_ = nullptr;
};

}  // namespace roost::backends

#endif  // ROOST_BACKENDS_COMMON_LOADED_LIBRARY_H_
