#include "tests/support/power_cut_vfs.h"

#include <sqlite3.h>

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cstring>
#include <mutex>
#include <new>
#include <optional>
#include <vector>

#include "tests/support/power_cut_disk.h"

namespace roost::support {
namespace {

constexpr int kShmLocks = SQLITE_SHM_NLOCK;

struct Handle;

// A file with the locks and the shared memory that SQLite keeps beside a database.
struct Node : PowerCutFile {
  using PowerCutFile::PowerCutFile;

  int shared = 0;
  Handle* reserved = nullptr;
  Handle* pending = nullptr;  // also while exclusive
  int shm_users = 0;
  std::vector<std::unique_ptr<char[]>> shm;
  std::array<int, kShmLocks> shm_locks{};  // > 0: shared by so many, -1: exclusive
};

using Disk = PowerCutDisk<Node>;

struct Handle {
  sqlite3_file base{};  // first: SQLite sees only this
  PowerCutVfs* vfs = nullptr;
  std::shared_ptr<Node> node;
  FileKind kind = FileKind::kOther;
  int64_t boot = 0;  // of which start of the machine
  bool sync_names =
      false;  // the first sync of a new log or journal syncs the directory, as on unix
  bool read_only = false;
  std::string delete_on_close;
  int lock = SQLITE_LOCK_NONE;
  bool has_shm = false;
  unsigned shm_shared = 0;
  unsigned shm_exclusive = 0;
};

Handle& Of(sqlite3_file* file) { return *reinterpret_cast<Handle*>(file); }

FileKind KindOf(int flags) {
  if (flags & SQLITE_OPEN_MAIN_DB) return FileKind::kDatabase;
  if (flags & SQLITE_OPEN_WAL) return FileKind::kWal;
  if (flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL)) return FileKind::kJournal;
  return FileKind::kOther;
}

int NaturalCode(IoCall call) {
  switch (call) {
    case IoCall::kAny:
      break;
    case IoCall::kOpen:
      return SQLITE_CANTOPEN;
    case IoCall::kRead:
      return SQLITE_IOERR_READ;
    case IoCall::kWrite:
      return SQLITE_IOERR_WRITE;
    case IoCall::kTruncate:
      return SQLITE_IOERR_TRUNCATE;
    case IoCall::kSync:
      return SQLITE_IOERR_FSYNC;
    case IoCall::kDelete:
      return SQLITE_IOERR_DELETE;
    case IoCall::kSize:
      return SQLITE_IOERR_FSTAT;
    case IoCall::kAccess:
      return SQLITE_IOERR_ACCESS;
    case IoCall::kLock:
      return SQLITE_IOERR_LOCK;
    case IoCall::kShmMap:
      return SQLITE_IOERR_SHMMAP;
    case IoCall::kShmLock:
      return SQLITE_IOERR_SHMLOCK;
  }
  return SQLITE_IOERR;
}

std::atomic<int> next_name{0};

}  // namespace

const char* Name(IoCall call) {
  static constexpr const char* kNames[] = {"any",      "open", "read",    "write",
                                           "truncate", "sync", "delete",  "size",
                                           "access",   "lock", "shm map", "shm lock"};
  return kNames[static_cast<size_t>(call)];
}

IoCounts& IoCounts::operator+=(const IoCounts& other) {
  writes += other.writes;
  bytes += other.bytes;
  truncates += other.truncates;
  syncs += other.syncs;
  return *this;
}

IoCounts IoCounts::operator-(const IoCounts& other) const {
  return {writes - other.writes, bytes - other.bytes, truncates - other.truncates,
          syncs - other.syncs};
}

struct PowerCutVfs::Machine {
  mutable std::mutex mu;
  std::string name = "power-cut-" + std::to_string(next_name++);
  sqlite3_vfs vfs{};

  Disk disk;
  int64_t boot = 1;
  bool cut = false;
  int64_t changes = 0;
  int64_t cut_at_change = 0;  // 0: never
  uint64_t cut_seed = 0;

  std::optional<IoFault> fault;
  int64_t matched = 0;
  int64_t failed = 0;
  bool read_only = false;
  uint64_t capacity = 0;

  std::array<IoCounts, 5> counts{};
  int open_files = 0;

  IoCounts& CountsOf(FileKind kind) { return counts[static_cast<size_t>(kind)]; }

  // The code that this call has to fail with; SQLITE_OK: none.
  int FailureOf(IoCall call, FileKind kind) {
    if (cut) return NaturalCode(call);
    if (!fault) return SQLITE_OK;
    if (fault->call != IoCall::kAny && fault->call != call) return SQLITE_OK;
    if (fault->file != FileKind::kAny && fault->file != kind) return SQLITE_OK;
    ++matched;
    const bool hit = fault->from_then_on ? matched >= fault->nth : matched == fault->nth;
    if (!hit) return SQLITE_OK;
    ++failed;
    return fault->code != 0 ? fault->code : NaturalCode(call);
  }
  int FailureOf(IoCall call, const Handle& handle) {
    if (handle.boot != boot) return NaturalCode(call);
    return FailureOf(call, handle.kind);
  }

  void Cut(uint64_t seed) {
    Chance chance(seed);
    disk = disk.AfterCut(chance);
    ++boot;
    cut = true;
    cut_at_change = 0;
  }
  // Counts a change that is under way; true when the power goes in its middle.
  bool CountChange() {
    ++changes;
    if (changes != cut_at_change) return false;
    Cut(cut_seed);
    return true;
  }
};

// What SQLite calls. Each holds the machine's lock for its whole length.
struct PowerCutVfsCalls {
  using Machine = PowerCutVfs::Machine;
  using Lock = std::lock_guard<std::mutex>;

  static Machine& MachineOf(sqlite3_vfs* vfs) {
    return *static_cast<PowerCutVfs*>(vfs->pAppData)->machine_;
  }
  static Machine& MachineOf(Handle& handle) { return *handle.vfs->machine_; }

  // ---- the directory ----

  static int Open(sqlite3_vfs* vfs, sqlite3_filename path, sqlite3_file* file, int flags,
                  int* out_flags) {
    file->pMethods = nullptr;
    Machine& machine = MachineOf(vfs);
    const Lock lock(machine.mu);
    const FileKind kind = KindOf(flags);
    if (const int rc = machine.FailureOf(IoCall::kOpen, kind)) return rc;

    const std::string name = path == nullptr ? "" : path;
    std::shared_ptr<Node> node =
        path == nullptr ? std::make_shared<Node>() : machine.disk.Find(name);
    bool created = false;
    if (node == nullptr) {
      if ((flags & SQLITE_OPEN_CREATE) == 0 || machine.read_only) return SQLITE_CANTOPEN;
      node = machine.disk.Create(name);
      created = true;
      if (machine.CountChange()) return SQLITE_CANTOPEN;
    } else if (path != nullptr && (flags & SQLITE_OPEN_EXCLUSIVE)) {
      return SQLITE_CANTOPEN;
    }
    if (machine.read_only && (flags & SQLITE_OPEN_READWRITE)) {
      flags = (flags & ~(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)) | SQLITE_OPEN_READONLY;
    }
    Handle* handle = new (file) Handle;
    handle->base.pMethods = &kMethods;
    handle->vfs = static_cast<PowerCutVfs*>(vfs->pAppData);
    handle->node = std::move(node);
    handle->kind = kind;
    handle->boot = machine.boot;
    handle->sync_names = created && (kind == FileKind::kWal || kind == FileKind::kJournal);
    handle->read_only = (flags & SQLITE_OPEN_READONLY) != 0;
    if (flags & SQLITE_OPEN_DELETEONCLOSE) handle->delete_on_close = name;
    if (out_flags != nullptr) *out_flags = flags;
    ++machine.open_files;
    return SQLITE_OK;
  }

  static int Delete(sqlite3_vfs* vfs, const char* path, int sync_directory) {
    Machine& machine = MachineOf(vfs);
    const Lock lock(machine.mu);
    if (const int rc = machine.FailureOf(IoCall::kDelete, FileKind::kOther)) return rc;
    if (machine.disk.Find(path) == nullptr) return SQLITE_IOERR_DELETE_NOENT;
    if (machine.read_only) return SQLITE_IOERR_DELETE;
    machine.disk.Delete(path);
    if (machine.CountChange()) return SQLITE_IOERR_DELETE;
    if (sync_directory) machine.disk.SyncNames();
    return SQLITE_OK;
  }

  static int Access(sqlite3_vfs* vfs, const char* path, int flags, int* result) {
    Machine& machine = MachineOf(vfs);
    const Lock lock(machine.mu);
    *result = 0;
    if (const int rc = machine.FailureOf(IoCall::kAccess, FileKind::kOther)) return rc;
    const std::shared_ptr<Node> node = machine.disk.Find(path);
    if (node == nullptr) return SQLITE_OK;
    // unix: an empty file does not exist for SQLITE_ACCESS_EXISTS.
    *result = flags == SQLITE_ACCESS_EXISTS ? node->size() > 0 : !machine.read_only;
    return SQLITE_OK;
  }

  static int FullPathname(sqlite3_vfs*, const char* path, int bytes, char* out) {
    sqlite3_snprintf(bytes, out, "%s", path);
    return SQLITE_OK;
  }

  // ---- reading and writing ----

  static int Close(sqlite3_file* file) {
    Handle& handle = Of(file);
    Machine& machine = MachineOf(handle);
    const Lock lock(machine.mu);
    ReleaseLock(handle, SQLITE_LOCK_NONE);
    if (!handle.delete_on_close.empty() && handle.boot == machine.boot && !machine.cut) {
      machine.disk.Delete(handle.delete_on_close);
    }
    --machine.open_files;
    handle.~Handle();
    return SQLITE_OK;
  }

  static int Read(sqlite3_file* file, void* out, int bytes, sqlite3_int64 offset) {
    Handle& handle = Of(file);
    Machine& machine = MachineOf(handle);
    const Lock lock(machine.mu);
    if (const int rc = machine.FailureOf(IoCall::kRead, handle)) return rc;
    const auto wanted = static_cast<size_t>(bytes);
    const size_t got = handle.node->Read(static_cast<size_t>(offset), out, wanted);
    if (got == wanted) return SQLITE_OK;
    std::memset(static_cast<char*>(out) + got, 0, wanted - got);
    return SQLITE_IOERR_SHORT_READ;
  }

  static int Write(sqlite3_file* file, const void* data, int bytes, sqlite3_int64 offset) {
    Handle& handle = Of(file);
    Machine& machine = MachineOf(handle);
    const Lock lock(machine.mu);
    const std::string_view all(static_cast<const char*>(data), static_cast<size_t>(bytes));
    const auto at = static_cast<size_t>(offset);
    if (handle.boot != machine.boot || machine.cut) return SQLITE_IOERR_WRITE;
    if (const int rc = machine.FailureOf(IoCall::kWrite, handle)) {
      handle.node->Write(at, all.substr(0, all.size() / 2));
      return rc;
    }
    if (machine.read_only || handle.read_only) return SQLITE_IOERR_WRITE;
    const size_t grows = std::max(at + all.size(), handle.node->size()) - handle.node->size();
    if (machine.capacity != 0 && grows > 0 && machine.disk.bytes() + grows > machine.capacity) {
      return SQLITE_FULL;
    }
    handle.node->Write(at, all);
    IoCounts& counts = machine.CountsOf(handle.kind);
    ++counts.writes;
    counts.bytes += all.size();
    return machine.CountChange() ? SQLITE_IOERR_WRITE : SQLITE_OK;
  }

  static int Truncate(sqlite3_file* file, sqlite3_int64 size) {
    Handle& handle = Of(file);
    Machine& machine = MachineOf(handle);
    const Lock lock(machine.mu);
    if (const int rc = machine.FailureOf(IoCall::kTruncate, handle)) return rc;
    if (machine.read_only || handle.read_only) return SQLITE_IOERR_TRUNCATE;
    handle.node->Truncate(static_cast<size_t>(size));
    ++machine.CountsOf(handle.kind).truncates;
    return machine.CountChange() ? SQLITE_IOERR_TRUNCATE : SQLITE_OK;
  }

  static int Sync(sqlite3_file* file, int) {
    Handle& handle = Of(file);
    Machine& machine = MachineOf(handle);
    const Lock lock(machine.mu);
    if (handle.boot != machine.boot || machine.cut) return SQLITE_IOERR_FSYNC;
    if (const int rc = machine.FailureOf(IoCall::kSync, handle)) {
      handle.node->FailSync();
      return rc;
    }
    if (machine.read_only) return SQLITE_IOERR_FSYNC;
    ++machine.CountsOf(handle.kind).syncs;
    if (machine.CountChange()) return SQLITE_IOERR_FSYNC;
    handle.node->Sync();
    machine.disk.SyncNameOf(*handle.node);
    if (handle.sync_names) machine.disk.SyncNames();
    handle.sync_names = false;
    return SQLITE_OK;
  }

  static int FileSize(sqlite3_file* file, sqlite3_int64* size) {
    Handle& handle = Of(file);
    Machine& machine = MachineOf(handle);
    const Lock lock(machine.mu);
    if (const int rc = machine.FailureOf(IoCall::kSize, handle)) return rc;
    *size = static_cast<sqlite3_int64>(handle.node->size());
    return SQLITE_OK;
  }

  // ---- locks of a rollback journal, and the one that WAL holds ----

  static int TakeLock(sqlite3_file* file, int wanted) {
    Handle& handle = Of(file);
    Machine& machine = MachineOf(handle);
    const Lock lock(machine.mu);
    if (const int rc = machine.FailureOf(IoCall::kLock, handle)) return rc;
    if (handle.lock >= wanted) return SQLITE_OK;
    Node& node = *handle.node;
    if (wanted == SQLITE_LOCK_SHARED) {
      if (node.pending != nullptr) return SQLITE_BUSY;
      ++node.shared;
      handle.lock = SQLITE_LOCK_SHARED;
      return SQLITE_OK;
    }
    if (node.reserved != nullptr && node.reserved != &handle) return SQLITE_BUSY;
    if (node.pending != nullptr && node.pending != &handle) return SQLITE_BUSY;
    if (wanted == SQLITE_LOCK_RESERVED) {
      node.reserved = &handle;
      handle.lock = SQLITE_LOCK_RESERVED;
      return SQLITE_OK;
    }
    node.pending = &handle;
    handle.lock = SQLITE_LOCK_PENDING;
    if (node.shared > 1) return SQLITE_BUSY;
    handle.lock = SQLITE_LOCK_EXCLUSIVE;
    return SQLITE_OK;
  }

  static int Unlock(sqlite3_file* file, int level) {
    Handle& handle = Of(file);
    const Lock lock(MachineOf(handle).mu);
    ReleaseLock(handle, level);
    return SQLITE_OK;
  }

  static void ReleaseLock(Handle& handle, int level) {
    if (handle.lock <= level) return;
    Node& node = *handle.node;
    if (node.reserved == &handle) node.reserved = nullptr;
    if (node.pending == &handle) node.pending = nullptr;
    if (level == SQLITE_LOCK_NONE) --node.shared;
    handle.lock = level;
  }

  static int CheckReservedLock(sqlite3_file* file, int* result) {
    Handle& handle = Of(file);
    const Lock lock(MachineOf(handle).mu);
    *result = handle.node->reserved != nullptr || handle.node->pending != nullptr;
    return SQLITE_OK;
  }

  // ---- the WAL's shared memory ----

  static int ShmMap(sqlite3_file* file, int region, int bytes, int extend, volatile void** out) {
    Handle& handle = Of(file);
    Machine& machine = MachineOf(handle);
    const Lock lock(machine.mu);
    *out = nullptr;
    if (const int rc = machine.FailureOf(IoCall::kShmMap, handle)) return rc;
    Node& node = *handle.node;
    if (!handle.has_shm) {
      // On a read-only card the file of the shared memory cannot be made.
      if (machine.read_only && node.shm_users == 0) return SQLITE_READONLY_CANTINIT;
      handle.has_shm = true;
      ++node.shm_users;
    }
    const auto index = static_cast<size_t>(region);
    if (index >= node.shm.size() && !extend) return SQLITE_OK;
    while (index >= node.shm.size()) {
      node.shm.push_back(std::make_unique<char[]>(static_cast<size_t>(bytes)));
    }
    *out = node.shm[index].get();
    return SQLITE_OK;
  }

  static int ShmLock(sqlite3_file* file, int offset, int count, int flags) {
    Handle& handle = Of(file);
    Machine& machine = MachineOf(handle);
    const Lock lock(machine.mu);
    const unsigned mask = ((1u << count) - 1u) << offset;
    if (flags & SQLITE_SHM_UNLOCK) {
      ReleaseShmLocks(handle, mask);
      return SQLITE_OK;
    }
    if (const int rc = machine.FailureOf(IoCall::kShmLock, handle)) return rc;
    Node& node = *handle.node;
    const bool exclusive = (flags & SQLITE_SHM_EXCLUSIVE) != 0;
    for (int i = offset; i < offset + count; ++i) {
      const int held = node.shm_locks[static_cast<size_t>(i)];
      const bool mine = (handle.shm_shared | handle.shm_exclusive) & (1u << i);
      if (!mine && (held < 0 || (exclusive && held > 0))) return SQLITE_BUSY;
    }
    for (int i = offset; i < offset + count; ++i) {
      if ((handle.shm_shared | handle.shm_exclusive) & (1u << i)) continue;
      int& held = node.shm_locks[static_cast<size_t>(i)];
      held = exclusive ? -1 : held + 1;
    }
    const unsigned fresh = mask & ~(handle.shm_shared | handle.shm_exclusive);
    (exclusive ? handle.shm_exclusive : handle.shm_shared) |= fresh;
    return SQLITE_OK;
  }

  static void ReleaseShmLocks(Handle& handle, unsigned mask) {
    for (int i = 0; i < kShmLocks; ++i) {
      const unsigned bit = 1u << i;
      if ((mask & bit) == 0) continue;
      int& held = handle.node->shm_locks[static_cast<size_t>(i)];
      if (handle.shm_exclusive & bit) held = 0;
      if (handle.shm_shared & bit) --held;
    }
    handle.shm_exclusive &= ~mask;
    handle.shm_shared &= ~mask;
  }

  static void ShmBarrier(sqlite3_file* file) { const Lock lock(MachineOf(Of(file)).mu); }

  static int ShmUnmap(sqlite3_file* file, int) {
    Handle& handle = Of(file);
    const Lock lock(MachineOf(handle).mu);
    if (!handle.has_shm) return SQLITE_OK;
    ReleaseShmLocks(handle, ~0u);
    handle.has_shm = false;
    // The next first user finds it empty and recovers from the log, as on unix.
    if (--handle.node->shm_users == 0) handle.node->shm.clear();
    return SQLITE_OK;
  }

  // ---- the rest ----

  static int FileControl(sqlite3_file* file, int op, void* arg) {
    Handle& handle = Of(file);
    Machine& machine = MachineOf(handle);
    const Lock lock(machine.mu);
    switch (op) {
      case SQLITE_FCNTL_HAS_MOVED:
        *static_cast<int*>(arg) = handle.boot != machine.boot;
        return SQLITE_OK;
      case SQLITE_FCNTL_VFSNAME:
        *static_cast<char**>(arg) = sqlite3_mprintf("%s", machine.name.c_str());
        return SQLITE_OK;
      default:
        return SQLITE_NOTFOUND;
    }
  }
  static int SectorSize(sqlite3_file*) { return 4096; }
  static int DeviceCharacteristics(sqlite3_file*) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; }

  static sqlite3_vfs* Native() { return sqlite3_vfs_find(nullptr); }
  static int Randomness(sqlite3_vfs*, int bytes, char* out) {
    return Native()->xRandomness(Native(), bytes, out);
  }
  static int Sleep(sqlite3_vfs*, int us) { return Native()->xSleep(Native(), us); }
  static int CurrentTime(sqlite3_vfs*, double* out) {
    return Native()->xCurrentTime(Native(), out);
  }
  static int CurrentTime64(sqlite3_vfs*, sqlite3_int64* out) {
    return Native()->xCurrentTimeInt64(Native(), out);
  }
  static int LastError(sqlite3_vfs*, int, char*) { return 0; }

  static const sqlite3_io_methods kMethods;
};

const sqlite3_io_methods PowerCutVfsCalls::kMethods = {
    2,
    Close,
    Read,
    Write,
    Truncate,
    Sync,
    FileSize,
    TakeLock,
    Unlock,
    CheckReservedLock,
    FileControl,
    SectorSize,
    DeviceCharacteristics,
    ShmMap,
    ShmLock,
    ShmBarrier,
    ShmUnmap,
    nullptr,
    nullptr,
};

PowerCutVfs::PowerCutVfs() : machine_(std::make_unique<Machine>()) {
  sqlite3_initialize();
  using Calls = PowerCutVfsCalls;
  sqlite3_vfs& vfs = machine_->vfs;
  vfs.iVersion = 2;
  vfs.szOsFile = sizeof(Handle);
  vfs.mxPathname = 512;
  vfs.zName = machine_->name.c_str();
  vfs.pAppData = this;
  vfs.xOpen = Calls::Open;
  vfs.xDelete = Calls::Delete;
  vfs.xAccess = Calls::Access;
  vfs.xFullPathname = Calls::FullPathname;
  vfs.xRandomness = Calls::Randomness;
  vfs.xSleep = Calls::Sleep;
  vfs.xCurrentTime = Calls::CurrentTime;
  vfs.xGetLastError = Calls::LastError;
  vfs.xCurrentTimeInt64 = Calls::CurrentTime64;
  sqlite3_vfs_register(&vfs, 0);
}

PowerCutVfs::~PowerCutVfs() {
  assert(open_files() == 0);
  sqlite3_vfs_unregister(&machine_->vfs);
}

const std::string& PowerCutVfs::name() const { return machine_->name; }

void PowerCutVfs::CutPower(uint64_t seed) {
  const std::lock_guard lock(machine_->mu);
  machine_->Cut(seed);
}

void PowerCutVfs::CutPowerAtChange(int64_t nth, uint64_t seed) {
  const std::lock_guard lock(machine_->mu);
  machine_->cut_at_change = machine_->changes + nth;
  machine_->cut_seed = seed;
}

bool PowerCutVfs::power_is_cut() const {
  const std::lock_guard lock(machine_->mu);
  return machine_->cut;
}

void PowerCutVfs::Restart() {
  const std::lock_guard lock(machine_->mu);
  machine_->cut = false;
  machine_->cut_at_change = 0;
}

int64_t PowerCutVfs::changes() const {
  const std::lock_guard lock(machine_->mu);
  return machine_->changes;
}

void PowerCutVfs::Inject(const IoFault& fault) {
  const std::lock_guard lock(machine_->mu);
  machine_->fault = fault;
  machine_->matched = 0;
  machine_->failed = 0;
}

void PowerCutVfs::ClearFaults() {
  const std::lock_guard lock(machine_->mu);
  machine_->fault.reset();
}

int64_t PowerCutVfs::failed_calls() const {
  const std::lock_guard lock(machine_->mu);
  return machine_->failed;
}

int64_t PowerCutVfs::matched_calls() const {
  const std::lock_guard lock(machine_->mu);
  return machine_->matched;
}

void PowerCutVfs::set_read_only(bool read_only) {
  const std::lock_guard lock(machine_->mu);
  machine_->read_only = read_only;
}

void PowerCutVfs::set_capacity(uint64_t bytes) {
  const std::lock_guard lock(machine_->mu);
  machine_->capacity = bytes;
}

uint64_t PowerCutVfs::used_bytes() const {
  const std::lock_guard lock(machine_->mu);
  return machine_->disk.bytes();
}

IoCounts PowerCutVfs::counts(FileKind kind) const {
  const std::lock_guard lock(machine_->mu);
  if (kind != FileKind::kAny) return machine_->CountsOf(kind);
  IoCounts sum;
  for (const IoCounts& counts : machine_->counts) sum += counts;
  return sum;
}

int PowerCutVfs::open_files() const {
  const std::lock_guard lock(machine_->mu);
  return machine_->open_files;
}

bool PowerCutVfs::Exists(const std::string& path) const {
  const std::lock_guard lock(machine_->mu);
  return machine_->disk.Find(path) != nullptr;
}

uint64_t PowerCutVfs::SizeOf(const std::string& path) const {
  const std::lock_guard lock(machine_->mu);
  const std::shared_ptr<Node> node = machine_->disk.Find(path);
  return node == nullptr ? 0 : node->size();
}

}  // namespace roost::support
