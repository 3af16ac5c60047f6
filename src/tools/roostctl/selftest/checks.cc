// tools/roostctl/selftest/checks.cc - the table of checks. A new one is a row here, a function
// in the file of its topic, and a test.
#include "tools/roostctl/selftest/checks.h"

namespace roost::tools::selftest {
namespace {

using namespace std::chrono_literals;

// Each limit is many times what the check takes on a slow board; altogether a run ends within
// kRunLimit of run.h, whatever hangs.
constexpr Check kChecks[] = {
    {"clock.source", "what the monotonic clock counts with", 1s, false, CheckClockSource},
    {"clock.resolution", "the smallest step of the clocks", 1s, false, CheckClockResolution},
    {"clock.cost", "what reading the clocks costs", 2s, false, CheckClockCost},
    {"clock.set", "whether a time service has set the wall clock", 1s, false, CheckClockSet},
    {"clock.date", "whether the wall clock can be right", 1s, false, CheckClockDate},
    {"entropy.ready", "whether random numbers are to be had at once", 1s, false, CheckEntropy},
    {"entropy.hardware", "the hardware generator of random numbers", 1s, false,
     CheckHardwareGenerator},
    {"card.filesystem", "the file system of the data", 1s, false, CheckCardFileSystem},
    {"card.options", "how it is mounted", 1s, false, CheckCardOptions},
    {"card.writable", "whether the card takes writes and has seen no errors", 1s, false,
     CheckCardWritable},
    {"card.space", "room for the data", 2s, false, CheckCardSpace},
    {"card.wear", "how worn the card is and how much is written", 1s, false, CheckCardWear},
    {"card.sync", "what a sync costs; writes up to 400 KiB", 8s, true, CheckCardSync},
    {"card.log", "whether the write-ahead log and the power-safe settings took effect", 6s, true,
     CheckCardLog},
    {"card.integrity", "whether the node's database is whole; reads only", 10s, true,
     CheckCardIntegrity},
    {"memory.pool", "size of this build's pool", 1s, false, CheckMemoryPool},
    {"memory.allocations", "allocations of ours between first acquire and close", 5s, false,
     CheckMemoryAllocations},
    {"memory.heap", "heap that open connections keep", 5s, false, CheckMemoryHeap},
    {"memory.available", "memory that is left on the machine", 1s, false, CheckMemoryAvailable},
    {"memory.limit", "the limit of the service's control group", 1s, false, CheckMemoryGroup},
    {"memory.oom", "what the kernel does when memory runs out", 1s, false, CheckMemoryOom},
    {"pool.handoff", "how soon a waiting thread has the connection", 5s, false, CheckPoolHandOff},
    {"pool.timeout", "whether a wait of 50 ms takes 50 ms", 5s, false, CheckPoolTimeout},
    {"pool.contention", "whether more threads than slots are served alike", 6s, false,
     CheckPoolContention},
    {"pool.nested", "whether a wait that could only deadlock is refused", 4s, false,
     CheckPoolNested},
    {"pool.reset", "whether a dirty connection comes back clean", 4s, false, CheckPoolReset},
    {"pool.statement", "round trip of a prepared statement", 4s, false, CheckStatements},
    {"board.model", "whether this build is for this board", 1s, false, CheckBoardModel},
    {"board.voltage", "under-voltage now and since boot", 1s, false, CheckBoardVoltage},
    {"board.throttling", "slowed down now and since boot", 1s, false, CheckBoardThrottling},
    {"board.temperature", "temperature of the CPU", 1s, false, CheckBoardTemperature},
    {"board.governor", "how the CPU's frequency is chosen", 1s, false, CheckBoardGovernor},
    {"board.watchdog", "the hardware watchdog", 1s, false, CheckBoardWatchdog},
    {"service.unit", "what systemd says of the node's service", 3s, false, CheckServiceUnit},
    {"service.node", "what the running node says of itself", 1s, false, CheckServiceNode},
    {"remote.reach", "whether a session at the remote database is opened", 12s, false,
     CheckRemoteReach},
    {"remote.server", "version and role of it", 4s, false, CheckRemoteServer},
    {"remote.latency", "what a round trip takes", 8s, false, CheckRemoteLatency},
    {"remote.tls", "whether the link is encrypted", 4s, false, CheckRemoteTls},
    {"remote.sessions", "room for a node's sessions", 4s, false, CheckRemoteSessions},
    // Last of all, so that it has watched the others.
    {"clock.jumps", "steps of the wall clock during this run", 2s, false, CheckClockJumps},
};

}  // namespace

std::span<const Check> AllChecks() { return kChecks; }

}  // namespace roost::tools::selftest
