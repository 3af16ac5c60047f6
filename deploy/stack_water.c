// Preloaded into a program (LD_PRELOAD), tells how deep its stacks were: the high-water mark of the
// main thread, from the first constructor to the end, and of the deepest other thread that ended; and
// how many threads there were at once. Written to the file that STACK_WATER names: "main BYTES",
// "thread BYTES" and "threads COUNT".
//
// It paints what lies below the first frame of a stack and looks, at the end, how far the paint is
// gone. A mark, not a bound: it holds for what this run did.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { kPaint = 0xA5, kDepth = 192 * 1024, kMargin = 512 };

typedef void* (*Start)(void*);
typedef int (*Create)(pthread_t*, const pthread_attr_t*, Start, void*);

struct Call {
  Start start;
  void* argument;
};

struct Stack {
  uintptr_t top;  // the first frame is above
  uintptr_t low;  // painted from here
};

static struct Stack main_stack;
static size_t deepest_thread;
static size_t threads = 1;
static size_t most_threads = 1;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

// Paints [low, top - kMargin), in which no frame lies yet but this one's few bytes.
__attribute__((noinline)) static void Paint(struct Stack stack) {
  for (uintptr_t at = stack.top - kMargin; at > stack.low; --at) *(volatile uint8_t*)(at - 1) = kPaint;
}

__attribute__((noinline)) static size_t Depth(struct Stack stack) {
  uintptr_t at = stack.low;
  while (at < stack.top - kMargin && *(volatile uint8_t*)at == kPaint) ++at;
  return (size_t)(stack.top - at);
}

// A thread's stack may be smaller than kDepth.
static struct Stack StackBelow(uintptr_t top) {
  struct Stack stack = {top, top - kDepth};
  pthread_attr_t attributes;
  void* lowest = NULL;
  size_t size = 0;
  if (pthread_getattr_np(pthread_self(), &attributes) != 0) abort();
  pthread_attr_getstack(&attributes, &lowest, &size);
  pthread_attr_destroy(&attributes);
  if (stack.low < (uintptr_t)lowest) stack.low = (uintptr_t)lowest;
  return stack;
}

static void* Run(void* argument) {
  const struct Call call = *(struct Call*)argument;
  const struct Stack stack = StackBelow((uintptr_t)__builtin_frame_address(0));
  free(argument);
  Paint(stack);
  pthread_mutex_lock(&mutex);
  if (++threads > most_threads) most_threads = threads;
  pthread_mutex_unlock(&mutex);
  void* const result = call.start(call.argument);
  const size_t depth = Depth(stack);
  pthread_mutex_lock(&mutex);
  --threads;
  if (depth > deepest_thread) deepest_thread = depth;
  pthread_mutex_unlock(&mutex);
  return result;
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, Start start, void* argument) {
  Create create = NULL;
  *(void**)&create = dlsym(RTLD_NEXT, "pthread_create");
  struct Call* const call = malloc(sizeof *call);
  if (call == NULL) abort();
  *call = (struct Call){start, argument};
  return create(thread, attributes, Run, call);
}

__attribute__((constructor)) static void Begin(void) {
  const uintptr_t top = (uintptr_t)__builtin_frame_address(0);
  main_stack = (struct Stack){top, top - kDepth};
  Paint(main_stack);
}

__attribute__((destructor)) static void End(void) {
  const size_t depth = Depth(main_stack);
  const char* const name = getenv("STACK_WATER");
  FILE* const out = name == NULL ? NULL : fopen(name, "w");
  if (out == NULL) return;
  fprintf(out, "main %zu\nthread %zu\nthreads %zu\n", depth, deepest_thread, most_threads);
  fclose(out);
}
