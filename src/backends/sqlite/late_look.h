// backends/sqlite/late_look.h - tells a statement that is done from one that was cut at its deadline, and a
// transaction that goes on from one that was ended behind its owner's back.
//
// SQLite asks for the deadline once more behind the last operation of a statement, and then says of one that
// is done, and committed, that it was interrupted.
//
// Threads:  the connection's
// Blocks:   never
// Memory:   none
#ifndef ROOST_BACKENDS_SQLITE_LATE_LOOK_H_
#define ROOST_BACKENDS_SQLITE_LATE_LOOK_H_

#include <sqlite3.h>

#include <cstdint>

namespace roost::sqlite {

class LateLook {
 public:
  // By the commit hook: a commit is begun. Nothing interrupts it.
  void CountCommit() { ++commits_; }
  uint32_t commits() const { return commits_; }
  // The rollback hook; `self` is a LateLook.
  static void OnRollback(void* self) { ++static_cast<LateLook*>(self)->rollbacks_; }
  // A transaction has begun.
  void NoteBegin() { ends_before_ = commits_ + rollbacks_; }
  // It was ended since, if it writes or was rolled back, whatever has been begun in its place.
  bool HasEnded() const { return commits_ + rollbacks_ != ends_before_; }

  // Whether `code` says of a `statement` that is done that it was interrupted. What was so before it ran:
  // `in_transaction`, and commits().
  bool WasDone(int code, sqlite3_stmt* statement, bool in_transaction, uint32_t commits) const {
    if ((code & 0xFF) != SQLITE_INTERRUPT) return false;
    if (commits_ != commits) return true;
    if (sqlite3_get_autocommit(sqlite3_db_handle(statement)) != 0) return false;
    // What is cut before its end takes its transaction with it, unless it only reads.
    return !in_transaction || sqlite3_stmt_readonly(statement) == 0;
  }

 private:
  uint32_t commits_ = 0;
  uint32_t rollbacks_ = 0;
  uint32_t ends_before_ = 0;
};

}  // namespace roost::sqlite

#endif  // ROOST_BACKENDS_SQLITE_LATE_LOOK_H_
