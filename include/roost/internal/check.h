// include/roost/internal/check.h - misuse stops at once, with a sentence.
#ifndef ROOST_INTERNAL_CHECK_H_
#define ROOST_INTERNAL_CHECK_H_

#include <cstdio>
#include <cstdlib>

#include "roost/version.h"

#pragma GCC visibility push(default)
namespace roost::internal {

// Prints "roost: " and the sentence to standard error and aborts.
[[noreturn, gnu::cold, gnu::noinline]] inline void Misuse(const char* sentence) {
  std::fprintf(stderr, "roost: %s\n", sentence);
  std::abort();
}

}  // namespace roost::internal
#pragma GCC visibility pop

// A precondition that the caller broke, or a branch that cannot be reached. Always on: it costs a
// predictable branch, and a node that goes on after it would lose data later and elsewhere.
#define ROOST_CHECK(condition, sentence) \
  ((condition) ? static_cast<void>(0) : ::roost::internal::Misuse(sentence))

#endif  // ROOST_INTERNAL_CHECK_H_
