// Runs cases in processes of their own, several at a time, and ends those that hang.
#ifndef ROOST_TESTS_HOSTILE_CROWD_H_
#define ROOST_TESTS_HOSTILE_CROWD_H_

#include <map>
#include <string>
#include <vector>

#include "tests/hostile/victim.h"

namespace roost::hostile {

// What a process of the crowd is started with, behind the name of its program.
inline constexpr char kWorker[] = "--worker";

// The other side of RunCrowd: takes names of cases from standard input, one a line, and tells on
// standard output each step and the outcome. Returns the exit code.
int Work();

// Goes through `cases` in `processes` processes of this program; one that takes no step for
// `patience` is killed, and hung_in says where. By the name of the case.
std::map<std::string, Outcome> RunCrowd(const std::vector<Case>& cases, int processes,
                                        Duration patience);

}  // namespace roost::hostile

#endif  // ROOST_TESTS_HOSTILE_CROWD_H_
