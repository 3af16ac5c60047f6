#include "tests/support/spy_vfs.h"

#include <atomic>
#include <new>

namespace roost::sqlite {
namespace {

// SQLite gives us szOsFile bytes: this, and behind it the real file.
struct SpyFile {
  sqlite3_file base;
  SpyVfs* spy;
  SpyVfs::Counts* counts;
  bool is_log;
  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

SpyFile* Spy(sqlite3_file* file) {
  auto* spy = reinterpret_cast<SpyFile*>(file);
  ++spy->spy->calls;
  return spy;
}

int Close(sqlite3_file* file) {
  SpyFile* spy = Spy(file);
  ++spy->counts->closes;
  return spy->real()->pMethods->xClose(spy->real());
}
int Read(sqlite3_file* file, void* data, int size, sqlite3_int64 at) {
  SpyFile* spy = Spy(file);
  if (spy->spy->fail_read != 0) return spy->spy->fail_read;
  if (spy->counts == &spy->spy->database && spy->spy->on_read) spy->spy->on_read();
  return spy->real()->pMethods->xRead(spy->real(), data, size, at);
}
int Write(sqlite3_file* file, const void* data, int size, sqlite3_int64 at) {
  SpyFile* spy = Spy(file);
  if (spy->spy->fail_write != 0) return spy->spy->fail_write;
  ++spy->counts->writes;
  spy->counts->bytes += size;
  return spy->real()->pMethods->xWrite(spy->real(), data, size, at);
}
int Truncate(sqlite3_file* file, sqlite3_int64 size) {
  SpyFile* spy = Spy(file);
  return spy->real()->pMethods->xTruncate(spy->real(), size);
}
int Sync(sqlite3_file* file, int flags) {
  SpyFile* spy = Spy(file);
  ++spy->counts->syncs;
  if (spy->spy->on_sync) spy->spy->on_sync();
  if (spy->spy->fail_sync != 0) return spy->spy->fail_sync;
  if (spy->is_log && spy->spy->fail_log_sync != 0) return spy->spy->fail_log_sync;
  if (spy->spy->skip_syncs) return SQLITE_OK;
  return spy->real()->pMethods->xSync(spy->real(), flags);
}
int FileSize(sqlite3_file* file, sqlite3_int64* size) {
  SpyFile* spy = Spy(file);
  return spy->real()->pMethods->xFileSize(spy->real(), size);
}
int Lock(sqlite3_file* file, int level) {
  SpyFile* spy = Spy(file);
  if (spy->spy->fail_lock != 0) return spy->spy->fail_lock;
  return spy->real()->pMethods->xLock(spy->real(), level);
}
int Unlock(sqlite3_file* file, int level) {
  SpyFile* spy = Spy(file);
  return spy->real()->pMethods->xUnlock(spy->real(), level);
}
int CheckReservedLock(sqlite3_file* file, int* held) {
  SpyFile* spy = Spy(file);
  return spy->real()->pMethods->xCheckReservedLock(spy->real(), held);
}
int FileControl(sqlite3_file* file, int request, void* argument) {
  SpyFile* spy = Spy(file);
  return spy->real()->pMethods->xFileControl(spy->real(), request, argument);
}
int SectorSize(sqlite3_file* file) {
  SpyFile* spy = Spy(file);
  return spy->real()->pMethods->xSectorSize(spy->real());
}
int Characteristics(sqlite3_file* file) {
  SpyFile* spy = Spy(file);
  return spy->real()->pMethods->xDeviceCharacteristics(spy->real());
}
int ShmMap(sqlite3_file* file, int region, int size, int extend, void volatile** memory) {
  SpyFile* spy = Spy(file);
  if (spy->spy->fail_map != 0) return spy->spy->fail_map;
  return spy->real()->pMethods->xShmMap(spy->real(), region, size, extend, memory);
}
int ShmLock(sqlite3_file* file, int offset, int count, int flags) {
  SpyFile* spy = Spy(file);
  return spy->real()->pMethods->xShmLock(spy->real(), offset, count, flags);
}
void ShmBarrier(sqlite3_file* file) {
  SpyFile* spy = Spy(file);
  spy->real()->pMethods->xShmBarrier(spy->real());
}
int ShmUnmap(sqlite3_file* file, int remove) {
  SpyFile* spy = Spy(file);
  return spy->real()->pMethods->xShmUnmap(spy->real(), remove);
}

constexpr sqlite3_io_methods kMethods = {2,
                                         Close,
                                         Read,
                                         Write,
                                         Truncate,
                                         Sync,
                                         FileSize,
                                         Lock,
                                         Unlock,
                                         CheckReservedLock,
                                         FileControl,
                                         SectorSize,
                                         Characteristics,
                                         ShmMap,
                                         ShmLock,
                                         ShmBarrier,
                                         ShmUnmap,
                                         nullptr,
                                         nullptr};

sqlite3_vfs* Real() { return sqlite3_vfs_find("unix"); }
SpyVfs& Self(sqlite3_vfs* vfs) { return *static_cast<SpyVfs*>(vfs->pAppData); }

int Open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  SpyVfs& self = Self(vfs);
  auto* spy = new (file) SpyFile{};
  spy->spy = &self;
  spy->counts = &self.Of(flags);
  spy->is_log = (flags & SQLITE_OPEN_WAL) != 0;
  if (self.refuse_writers && (flags & SQLITE_OPEN_MAIN_DB) != 0) {
    flags = (flags & ~(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)) | SQLITE_OPEN_READONLY;
  }
  const int code = Real()->xOpen(Real(), name, spy->real(), flags, out_flags);
  if (code != SQLITE_OK) return code;
  ++spy->counts->opens;
  spy->base.pMethods = &kMethods;
  return code;
}
int Delete(sqlite3_vfs*, const char* name, int sync) { return Real()->xDelete(Real(), name, sync); }
int Access(sqlite3_vfs*, const char* name, int flags, int* out) {
  return Real()->xAccess(Real(), name, flags, out);
}
int FullPathname(sqlite3_vfs*, const char* name, int size, char* out) {
  return Real()->xFullPathname(Real(), name, size, out);
}
int Randomness(sqlite3_vfs*, int size, char* out) { return Real()->xRandomness(Real(), size, out); }
int Sleep(sqlite3_vfs*, int micros) { return Real()->xSleep(Real(), micros); }
int LastError(sqlite3_vfs*, int size, char* out) {
  return Real()->xGetLastError(Real(), size, out);
}
int CurrentTime(sqlite3_vfs*, sqlite3_int64* now) { return Real()->xCurrentTimeInt64(Real(), now); }

std::string NewName() {
  static std::atomic<int> count{0};
  return "roost-spy-" + std::to_string(++count);
}

}  // namespace

SpyVfs::SpyVfs() : name_(NewName()) {
  vfs_.iVersion = 2;
  vfs_.szOsFile = static_cast<int>(sizeof(SpyFile)) + Real()->szOsFile;
  vfs_.mxPathname = Real()->mxPathname;
  vfs_.zName = name_.c_str();
  vfs_.pAppData = this;
  vfs_.xOpen = Open;
  vfs_.xDelete = Delete;
  vfs_.xAccess = Access;
  vfs_.xFullPathname = FullPathname;
  vfs_.xRandomness = Randomness;
  vfs_.xSleep = Sleep;
  vfs_.xGetLastError = LastError;
  vfs_.xCurrentTimeInt64 = CurrentTime;
  sqlite3_vfs_register(&vfs_, 0);
}

SpyVfs::~SpyVfs() { sqlite3_vfs_unregister(&vfs_); }

SpyVfs::Counts& SpyVfs::Of(int open_flags) {
  if ((open_flags & SQLITE_OPEN_MAIN_DB) != 0) return database;
  return (open_flags & SQLITE_OPEN_WAL) != 0 ? log : other;
}

}  // namespace roost::sqlite
