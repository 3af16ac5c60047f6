#include "backends/sqlite/timed_reads.h"

namespace roost::sqlite {

TimedReads::TimedReads(sqlite3* db, DeadlineHandler& handler) : db_(db), handler_(handler) {
  sqlite3_file* file = nullptr;
  const int code = sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
  if (code != SQLITE_OK || file == nullptr || file->pMethods == nullptr) return;
  file_ = file;
  before_ = file->pMethods;
  static_cast<sqlite3_io_methods&>(methods_) = *before_;
  methods_.xRead = &Read;
  methods_.self = this;
  file_->pMethods = &methods_;
}

TimedReads::~TimedReads() {
  if (file_ != nullptr) file_->pMethods = before_;
}

int TimedReads::Read(sqlite3_file* file, void* data, int size, sqlite3_int64 at) {
  TimedReads& self = *static_cast<const Methods*>(file->pMethods)->self;
  if (self.handler_.HasPassed()) {
    self.interrupted_ = true;
    sqlite3_interrupt(self.db_);
  }
  return self.before_->xRead(file, data, size, at);
}

}  // namespace roost::sqlite
