// tests/mysql/painted_stack.h - the stack that libmariadb runs a connection's calls on, painted.
//
// A program with painted_stack.cc in it has another malloc: what asks for exactly Link::kStackBytes, as the
// library does for each connection, gets paint to see how deep it was used, and below it pages that nobody
// may touch, so that a call that goes deeper ends the program there and then.
//
// Threads:  one
// Memory:   a stack stays mapped when it is freed
#ifndef ROOST_TESTS_MYSQL_PAINTED_STACK_H_
#define ROOST_TESTS_MYSQL_PAINTED_STACK_H_

#include <cstddef>

namespace roost::mysql {

// The lowest byte of the latest stack; null: none was made.
unsigned char* LatestStack();
// How many of its bytes were written to, counted from the deepest one.
size_t UsedBytesOf(const unsigned char* stack);
// Whether the kernel refuses the byte below it.
bool IsGuarded(const unsigned char* stack);

}  // namespace roost::mysql

#endif  // ROOST_TESTS_MYSQL_PAINTED_STACK_H_
