// telemetry/process.h - which process wrote a file: its number, and when it began. The number alone may be another
// process's by now.
//
// Threads:  any
// Blocks:   never; a small file of /proc
// Memory:   none
// Errors:   none: what the kernel does not tell is not known
#ifndef ROOST_TELEMETRY_PROCESS_H_
#define ROOST_TELEMETRY_PROCESS_H_

#include <cstdint>

namespace roost::telemetry {

// When the process `pid` began, in the kernel's ticks since the boot. 0: not known.
uint64_t StartTicks(int64_t pid);
// False: there is no process of this number that began then; one that has ended and was not waited for is none.
// `start_ticks`: 0: not known, and the number decides.
bool IsRunning(int64_t pid, uint64_t start_ticks);

}  // namespace roost::telemetry

#endif  // ROOST_TELEMETRY_PROCESS_H_
