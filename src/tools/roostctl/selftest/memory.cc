// tools/roostctl/selftest/memory.cc - whether the bounds on memory hold here, and whether the
// machine has it.
#include <malloc.h>
#include <unistd.h>

#include <algorithm>

#include "platform/rpi/kernel_files.h"
#include "roost/selected_profile.h"
#include "tools/roostctl/allocation_count.h"
#include "tools/roostctl/selftest/checks.h"
#include "tools/roostctl/selftest/scratch.h"

namespace roost::tools::selftest {
namespace {

constexpr double kMib = 1024.0 * 1024.0;

// The pool shares the machine with the application it serves.
constexpr double kPoolShare = 0.01;
// Three connections with their caches full took 719 KB from the C library's heap (measured with
// Debian's SQLite): the cache of 256 KiB each, and 64 KiB for schema, statements and a transaction.
constexpr int64_t kHeapOfConnection = (256 + 64) * 1024;
// The package's unit allows a node 64 MiB; with libpq it takes some 14.
constexpr double kEnoughMib = 64;
constexpr double kLeastMib = 16;
constexpr int kCycles = 1000;

std::string FormatMib(double mib) { return FormatBytes(static_cast<uint64_t>(mib * kMib)); }

uint64_t MemoryTotal(const Context& context) {
  const kernel::SmallFile file(context.Path("/proc/meminfo"));
  return kernel::Field(file.text(), "MemTotal").value_or(0) * 1024;
}

// What a node does again and again: lend, insert, read, seal, return, maintain.
absl::Status Cycle(Pool& pool, Context& context, int i) {
  absl::StatusOr<Lease> lease = pool.Acquire(kWrite, context.deadline);
  if (!lease.ok()) return lease.status();
  absl::Status status = lease->Run(kScratchInsert, "selftest", double{1} * i);
  if (status.ok()) status = lease->Seal();
  lease->Return();
  if (!status.ok()) return status;
  absl::StatusOr<Lease> reader = pool.Acquire(kRead, context.deadline);
  if (!reader.ok()) return reader.status();
  const absl::StatusOr<int64_t> count = QueryNumber(*reader, kScratchCount);
  reader->Return();
  pool.Tick(context.Now());
  return count.status();
}

absl::Status Cycles(Pool& pool, Context& context, int cycles) {
  for (int i = 0; i < cycles; ++i) {
    if (const absl::Status status = Cycle(pool, context, i); !status.ok()) return status;
  }
  return absl::OkStatus();
}

// A service of the package, else the group this program is in.
MemoryGroup GroupOf(const Context& context) {
  const std::string& root = context.setup.root;
  MemoryGroup service = MemoryGroupOf(root, "/system.slice/" + context.setup.unit);
  return service.path.empty() ? MemoryGroupOf(root, OwnGroup(root)) : service;
}

}  // namespace

Result JudgeMemoryPool(size_t bytes, int capacity, const char* profile, uint64_t machine_bytes) {
  const std::string measured =
      FormatBytes(bytes) + Format(" for %d connections (%s)", capacity, profile);
  const double most = static_cast<double>(machine_bytes) * kPoolShare;
  const std::string bound = machine_bytes == 0 ? ""
                                               : FormatBytes(static_cast<uint64_t>(most)) +
                                                     " (1 % of this machine's memory)";
  Result result = machine_bytes == 0 || static_cast<double>(bytes) <= most
                      ? Pass(measured, bound)
                      : Warn(measured, bound,
                             "this build's profile is for a larger machine: choose another with "
                             "-DROOST_PROFILE (roostctl profiles)");
  return std::move(result).With("bytes", bytes).With("capacity", capacity).With("profile", profile);
}

Result CheckMemoryPool(Context& context) {
  const PoolSettings settings = SettingsOf<SelectedProfile>();
  return JudgeMemoryPool(sizeof(PoolFor<SelectedProfile>), settings.capacity(), settings.profile,
                         MemoryTotal(context));
}

Result JudgeMemoryAllocations(uint64_t allocations, int cycles) {
  const std::string measured =
      Format("%llu in %d cycles", static_cast<unsigned long long>(allocations), cycles);
  Result result = allocations == 0 ? Pass(measured, "0 from first acquire to close")
                                   : Fail(measured, "0 from first acquire to close",
                                          "the pool promises none: report it with this line");
  return std::move(result).With("allocations", allocations).With("cycles", cycles);
}

Result CheckMemoryAllocations(Context& context) {
  SqliteBackend backend(ScratchOptions(":memory:"));
  PoolFor<ScratchProfile> pool(backend, {.platform = &context.platform});
  // The first cycle opens the connections, which is SQLite's and the backend's business.
  absl::Status status = Cycles(pool, context, 1);
  const uint64_t before = AllocationsOfThisThread();
  if (status.ok()) status = Cycles(pool, context, kCycles);
  const uint64_t allocations = AllocationsOfThisThread() - before;
  if (!status.ok()) return Broken("a cycle", status);
  return JudgeMemoryAllocations(allocations, kCycles);
}

Result JudgeMemoryHeap(int64_t bytes, int connections) {
  const int64_t most = kHeapOfConnection * connections;
  const std::string measured = FormatBytes(static_cast<uint64_t>(std::max<int64_t>(bytes, 0))) +
                               Format(" for %d connections", connections);
  const std::string bound = FormatBytes(static_cast<uint64_t>(most));
  Result result = bytes <= most ? Pass(measured, bound)
                                : Warn(measured, bound,
                                       "this SQLite takes more than Debian's: give the node's unit "
                                       "a larger MemoryMax= or the profile fewer connections");
  return std::move(result).With("bytes", bytes).With("connections", connections);
}

// What stays taken while the pool is open, SQLite's part and the rows in memory included.
Result CheckMemoryHeap(Context& context) {
  const auto in_use = [] {
    const struct mallinfo2 heap = mallinfo2();
    return static_cast<int64_t>(heap.uordblks + heap.hblkhd);
  };
  const int64_t before = in_use();
  SqliteBackend backend(ScratchOptions(":memory:"));
  PoolFor<ScratchProfile> pool(backend, {.platform = &context.platform});
  const absl::Status status = Cycles(pool, context, kCycles);
  const int64_t after = in_use();
  if (!status.ok()) return Broken("a cycle", status);
  return JudgeMemoryHeap(after - before, pool.stats().open);
}

Result CheckMemoryAvailable(Context& context) {
  const BoardHealth board({.root = context.setup.root});
  const std::optional<double> mib = board.Read().memory_available_mib;
  if (!mib.has_value())
    return Skip("/proc/meminfo is hidden here (ProcSubset=pid) or not readable");
  const std::string measured = FormatMib(*mib);
  const std::string bound = FormatMib(kEnoughMib);
  Result result = Pass(measured, bound);
  if (*mib < kLeastMib) {
    result = Fail(measured, FormatMib(kLeastMib) + " at the least",
                  "a node would be killed: stop other services (ps aux --sort -rss)");
  } else if (*mib < kEnoughMib) {
    result = Warn(measured, bound, "little is left: see what takes it with ps aux --sort -rss");
  }
  return std::move(result).With("available_bytes", *mib * kMib);
}

Result CheckMemoryGroup(Context& context) {
  const MemoryGroup group = GroupOf(context);
  if (group.path.empty()) {
    return Skip(
        "no memory controller, so MemoryMax= has no effect; Raspberry Pi OS: add "
        "cgroup_enable=memory to /boot/firmware/cmdline.txt");
  }
  const std::string limit = group.limit ? "limit " + FormatBytes(*group.limit) : "no limit";
  const uint64_t kills = group.oom_kills.value_or(0);
  const std::string measured =
      group.path + ": " + limit + Format(", %llu killed", static_cast<unsigned long long>(kills));
  const std::string bound = FormatMib(kLeastMib) + " or more, none killed";
  Result result = Pass(measured, bound);
  if (kills > 0) {
    result = Warn(measured, bound,
                  "a process ran into the limit and was killed: raise MemoryMax= of the unit, or "
                  "find what grows (roostctl status shows the node's memory)");
  } else if (group.limit && static_cast<double>(*group.limit) < kLeastMib * kMib) {
    result = Warn(measured, bound, "a node does not fit: raise MemoryMax= of the unit");
  }
  if (group.limit) result.figures["limit_bytes"] = *group.limit;
  if (group.current) result.figures["current_bytes"] = *group.current;
  return std::move(result).With("oom_kills", kills);
}

Result CheckMemoryOom(Context& context) {
  const auto overcommit = kernel::Number<int>(context.Path("/proc/sys/vm/overcommit_memory"));
  const auto panic = kernel::Number<int>(context.Path("/proc/sys/vm/panic_on_oom"));
  if (!overcommit.has_value()) return Skip("/proc/sys/vm is hidden here or not readable");
  const std::string measured =
      Format("overcommit_memory %d, panic_on_oom %d", *overcommit, panic.value_or(0));
  const char* bound = "overcommit_memory 0 or 1";
  // 2: an allocation may be refused although memory is free; SQLite and libpq then fail one by one.
  Result result = *overcommit == 2 ? Warn(measured, bound,
                                          "with strict accounting an allocation is refused while "
                                          "memory is free: sysctl vm.overcommit_memory=0")
                                   : Pass(measured, bound);
  return std::move(result).With("overcommit_memory", *overcommit);
}

}  // namespace roost::tools::selftest
