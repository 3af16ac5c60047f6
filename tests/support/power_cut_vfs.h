// tests/support/power_cut_vfs.h - a SQLite VFS in memory whose power can be cut and whose calls can
// fail.
//
// Each instance registers itself under a name of its own and is a machine with one card: files,
// locks and shared memory (so WAL works) are shared by the connections that name it, and by nobody
// else. What a cut leaves is power_cut_disk.h's business.
//
// Threads:  any; one lock around every call
// Example:
//   PowerCutVfs card;
//   SqliteBackend backend({.path = "/node.db", .vfs = card.name()});
//   ...
//   card.CutPower(seed);  // every call fails from now on
//   ...close the connections...
//   card.Restart();       // a machine with what the card kept
#ifndef ROOST_TESTS_SUPPORT_POWER_CUT_VFS_H_
#define ROOST_TESTS_SUPPORT_POWER_CUT_VFS_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>

namespace roost::support {

enum class FileKind : uint8_t { kAny, kDatabase, kWal, kJournal, kOther };

// The calls that can fail. kAny stands for every one.
enum class IoCall : uint8_t {
  kAny,
  kOpen,
  kRead,
  kWrite,
  kTruncate,
  kSync,
  kDelete,
  kSize,
  kAccess,
  kLock,
  kShmMap,
  kShmLock,
};
const char* Name(IoCall call);

// Fails the nth call of a kind (1 is the next), once or from then on. A write that fails has
// written its first half, as a real one may have.
struct IoFault {
  IoCall call = IoCall::kAny;
  FileKind file = FileKind::kAny;
  int64_t nth = 1;
  bool from_then_on = false;
  int code = 0;  // SQLite's extended result code; 0: the one that belongs to the call
};

struct IoCounts {
  uint64_t writes = 0;
  uint64_t bytes = 0;  // written
  uint64_t truncates = 0;
  uint64_t syncs = 0;
  IoCounts& operator+=(const IoCounts& other);
  IoCounts operator-(const IoCounts& other) const;
};

class PowerCutVfs {
 public:
  PowerCutVfs();
  // REQUIRES: no connection is open.
  ~PowerCutVfs();
  PowerCutVfs(const PowerCutVfs&) = delete;
  PowerCutVfs& operator=(const PowerCutVfs&) = delete;

  const std::string& name() const;

  // ---- Power ----

  // Cuts the power now. `seed` decides what is left. Every call fails until Restart, and calls on
  // files that were open fail for ever.
  void CutPower(uint64_t seed);
  // Cuts it in the middle of the nth change from now: a write, truncate, sync, create or delete.
  void CutPowerAtChange(int64_t nth, uint64_t seed);
  bool power_is_cut() const;
  void Restart();
  // Changes made so far: what CutPowerAtChange counts.
  int64_t changes() const;

  // ---- Faults ----

  void Inject(const IoFault& fault);
  void ClearFaults();
  // How many calls were made to fail, and how many matched the fault, since Inject.
  int64_t failed_calls() const;
  int64_t matched_calls() const;
  // An I/O error made the kernel remount the card read-only: open files stay, nothing can be
  // changed.
  void set_read_only(bool read_only);
  // Bytes that fit on the card. 0: no bound.
  void set_capacity(uint64_t bytes);
  uint64_t used_bytes() const;

  // ---- Looking ----

  IoCounts counts(FileKind kind = FileKind::kAny) const;
  int open_files() const;
  bool Exists(const std::string& path) const;
  uint64_t SizeOf(const std::string& path) const;

 private:
  friend struct PowerCutVfsCalls;
  struct Machine;
  const std::unique_ptr<Machine> machine_;
};

}  // namespace roost::support

#endif  // ROOST_TESTS_SUPPORT_POWER_CUT_VFS_H_
