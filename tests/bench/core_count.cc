// tests/bench/core_count.cc - N cycles of the core alone, for counting instructions where nothing
// else can be measured: deploy/bench.sh builds it for aarch64 and counts what QEMU executes.
//
// Usage: core_count floor|core N
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "tests/bench/core_cycle.h"

namespace {

using roost::bench::CoreCycle;

// What benchmark::DoNotOptimize does; that header is not there for a board.
void Use(uint8_t& slot) { asm volatile("" : "+r"(slot)); }

class Floor {
 public:
  uint8_t Take() {
    Replace(1, std::memory_order_acquire);
    return 0;
  }
  void Give(uint8_t) { Replace(-1, std::memory_order_release); }

 private:
  void Replace(int64_t by, std::memory_order order) {
    int64_t value = value_.load(std::memory_order_relaxed);
    while (!value_.compare_exchange_weak(value, value + by, order, std::memory_order_relaxed)) {
    }
  }
  alignas(64) std::atomic<int64_t> value_{3};
};

template <class Core>
int Run(int64_t cycles) {
  static Core core;
  for (int64_t i = 0; i < cycles; ++i) {
    uint8_t slot = core.Take();
    Use(slot);
    core.Give(slot);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const int64_t cycles = std::atoll(argv[2]);
  if (std::strcmp(argv[1], "floor") == 0) return Run<Floor>(cycles);
  if (std::strcmp(argv[1], "core") == 0) return Run<CoreCycle<2>>(cycles);
  return 2;
}
