#include "tests/support/counting_allocator.h"

#include <atomic>
#include <cerrno>
#include <cstddef>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define ROOST_UNDER_SANITIZER 1
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ROOST_UNDER_SANITIZER 1
#endif

namespace {

std::atomic<uint64_t> total{0};
std::atomic<uint64_t> frees{0};
thread_local uint64_t of_thread = 0;

void Count() {
  total.fetch_add(1, std::memory_order_relaxed);
  ++of_thread;
}

void CountFree(const volatile void* block) {
  if (block != nullptr) frees.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

#ifdef ROOST_UNDER_SANITIZER

extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*malloc_hook)(const volatile void*,
                                                                             size_t),
                                                         void (*free_hook)(const volatile void*));

namespace {

// The sanitizers own malloc; they offer a hook.
[[maybe_unused]] const int installed = __sanitizer_install_malloc_and_free_hooks(
    [](const volatile void*, size_t) { Count(); }, CountFree);

}  // namespace

#else

// glibc's own functions, under the names it keeps for replacements like these.
extern "C" {
void* __libc_malloc(size_t bytes);
void* __libc_calloc(size_t count, size_t bytes);
void* __libc_realloc(void* old, size_t bytes);
void* __libc_memalign(size_t alignment, size_t bytes);
void __libc_free(void* block);

void* malloc(size_t bytes) {
  Count();
  return __libc_malloc(bytes);
}
void* calloc(size_t count, size_t bytes) {
  Count();
  return __libc_calloc(count, bytes);
}
void* realloc(void* old, size_t bytes) {
  Count();
  return __libc_realloc(old, bytes);
}
void free(void* block) {
  CountFree(block);
  __libc_free(block);
}
void* memalign(size_t alignment, size_t bytes) {
  Count();
  return __libc_memalign(alignment, bytes);
}
void* aligned_alloc(size_t alignment, size_t bytes) {
  Count();
  return __libc_memalign(alignment, bytes);
}
int posix_memalign(void** out, size_t alignment, size_t bytes) {
  Count();
  *out = __libc_memalign(alignment, bytes);
  return *out == nullptr ? ENOMEM : 0;
}
}

#endif

namespace roost::support {

AllocationCount::AllocationCount()
    : total_at_start_(::total.load(std::memory_order_relaxed)),
      frees_at_start_(::frees.load(std::memory_order_relaxed)),
      thread_at_start_(of_thread) {}

uint64_t AllocationCount::total() const {
  return ::total.load(std::memory_order_relaxed) - total_at_start_;
}

uint64_t AllocationCount::frees() const {
  return ::frees.load(std::memory_order_relaxed) - frees_at_start_;
}

uint64_t AllocationCount::this_thread() const { return of_thread - thread_at_start_; }

}  // namespace roost::support
