#include "tests/mysql/painted_stack.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>

#include "backends/mysql/link.h"

namespace {

using roost::mysql::Link;

constexpr unsigned char kPaint = 0xA5;
// A multiple of each board's page.
constexpr size_t kGuard = size_t{64} << 10;

// A connection of a test asks for one; some other text of that size may, too.
void* stacks[256];
size_t count = 0;

bool IsStack(void* memory) {
  return std::find(std::begin(stacks), std::begin(stacks) + count, memory) !=
         std::begin(stacks) + count;
}

void* MakeStack(size_t size) {
  void* const mapped =
      mmap(nullptr, kGuard + size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  void* const stack = static_cast<char*>(mapped) + kGuard;
  if (mprotect(stack, size, PROT_READ | PROT_WRITE) != 0) return nullptr;
  std::memset(stack, kPaint, size);
  stacks[count++] = stack;
  return stack;
}

}  // namespace

extern "C" {
void* __libc_malloc(size_t size);
void* __libc_realloc(void* memory, size_t size);
void __libc_free(void* memory);

void* malloc(size_t size) {
  if (size != Link::kStackBytes || count == std::size(stacks)) return __libc_malloc(size);
  return MakeStack(size);
}
void free(void* memory) {
  if (!IsStack(memory)) __libc_free(memory);
}
void* realloc(void* memory, size_t size) {
  if (!IsStack(memory)) return __libc_realloc(memory, size);
  void* const moved = malloc(size);
  if (moved != nullptr) std::memcpy(moved, memory, std::min(size, Link::kStackBytes));
  return moved;
}
}

namespace roost::mysql {

unsigned char* LatestStack() {
  return count == 0 ? nullptr : static_cast<unsigned char*>(stacks[count - 1]);
}

size_t UsedBytesOf(const unsigned char* stack) {
  const unsigned char* const end = stack + Link::kStackBytes;
  const unsigned char* const deepest =
      std::find_if(stack, end, [](unsigned char byte) { return byte != kPaint; });
  return static_cast<size_t>(end - deepest);
}

// A pipe takes only what may be read.
bool IsGuarded(const unsigned char* stack) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return false;
  const bool refused = write(ends[1], stack - 1, 1) < 0 && errno == EFAULT;
  close(ends[0]);
  close(ends[1]);
  return refused;
}

}  // namespace roost::mysql
