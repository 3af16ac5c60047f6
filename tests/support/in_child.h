// tests/support/in_child.h - runs a part of a test in a child of fork().
#ifndef ROOST_TESTS_SUPPORT_IN_CHILD_H_
#define ROOST_TESTS_SUPPORT_IN_CHILD_H_

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace roost::support {

// Runs `body` in a child of fork(); true when it returned true there within 20 s.
template <class Body>
bool InChild(Body body) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);
    _exit(body() ? 0 : 1);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace roost::support

#endif  // ROOST_TESTS_SUPPORT_IN_CHILD_H_
