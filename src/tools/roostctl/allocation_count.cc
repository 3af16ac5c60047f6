#include "tools/roostctl/allocation_count.h"

#include <stdlib.h>

#include <algorithm>
#include <cstddef>
#include <new>

namespace {

thread_local uint64_t allocations = 0;

void* Take(size_t bytes, size_t alignment) noexcept {
  ++allocations;
  const size_t least = std::max<size_t>(bytes, 1);
  if (alignment <= alignof(std::max_align_t)) return malloc(least);
  // aligned_alloc wants a multiple of the alignment.
  return aligned_alloc(alignment, (least + alignment - 1) / alignment * alignment);
}

void* TakeOrThrow(size_t bytes, size_t alignment = 1) {
  void* memory = Take(bytes, alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

size_t Number(std::align_val_t alignment) { return static_cast<size_t>(alignment); }

}  // namespace

namespace roost::tools {

uint64_t AllocationsOfThisThread() { return allocations; }

}  // namespace roost::tools

// Every form of it: under a sanitizer, whose own forms do not call each other, all or none may be
// replaced.
void* operator new(size_t bytes) { return TakeOrThrow(bytes); }
void* operator new[](size_t bytes) { return TakeOrThrow(bytes); }
void* operator new(size_t bytes, const std::nothrow_t&) noexcept { return Take(bytes, 1); }
void* operator new[](size_t bytes, const std::nothrow_t&) noexcept { return Take(bytes, 1); }
void* operator new(size_t bytes, std::align_val_t a) { return TakeOrThrow(bytes, Number(a)); }
void* operator new[](size_t bytes, std::align_val_t a) { return TakeOrThrow(bytes, Number(a)); }
void* operator new(size_t bytes, std::align_val_t a, const std::nothrow_t&) noexcept {
  return Take(bytes, Number(a));
}
void* operator new[](size_t bytes, std::align_val_t a, const std::nothrow_t&) noexcept {
  return Take(bytes, Number(a));
}
void operator delete(void* memory) noexcept { free(memory); }
void operator delete[](void* memory) noexcept { free(memory); }
void operator delete(void* memory, size_t) noexcept { free(memory); }
void operator delete[](void* memory, size_t) noexcept { free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { free(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { free(memory); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept { free(memory); }
void operator delete[](void* memory, size_t, std::align_val_t) noexcept { free(memory); }
void operator delete(void* memory, std::align_val_t, const std::nothrow_t&) noexcept {
  free(memory);
}
void operator delete[](void* memory, std::align_val_t, const std::nothrow_t&) noexcept {
  free(memory);
}
