// StatementCache: the prepared statements of one connection, least recently used out first.
//
// It constructs the backend's statements in memory it is given, so that a connection with its cache
// is one block in the pool. Found by the hash of the Sql, then by its text.
//
// S, the backend's statement, offers:
//   std::string_view sql() const   its text; a driver may have cut blanks and comments from its end
//   bool reading() const           true between Start and Finish: must not be evicted
//   ~S()                           frees the driver's statement
//
// Invariants
//   (1) an entry holds a statement exactly when its `used` is not 0;
//   (2) `used` differs between entries that hold one: the smallest is the least recently used.
#ifndef ROOST_STATEMENTS_STATEMENT_CACHE_H_
#define ROOST_STATEMENTS_STATEMENT_CACHE_H_

#include <cstddef>
#include <cstdint>
#include <new>
#include <string_view>
#include <utility>

#include "roost/statement.h"

namespace roost {

template <class S>
class StatementCache {
 public:
  // What one more statement of capacity costs.
  static constexpr size_t EntryBytes() { return sizeof(Entry); }
  static constexpr size_t BytesFor(int capacity) {
    return sizeof(Entry) * static_cast<size_t>(capacity);
  }

  // REQUIRES: `storage` has BytesFor(capacity) bytes, is aligned to std::max_align_t and outlives
  // this; capacity >= 1.
  StatementCache(std::byte* storage, int capacity)
      : entries_(reinterpret_cast<Entry*>(storage)), capacity_(capacity) {
    for (int i = 0; i < capacity_; ++i) new (&entries_[i]) Entry;
  }
  ~StatementCache() { Clear(); }
  StatementCache(const StatementCache&) = delete;
  StatementCache& operator=(const StatementCache&) = delete;

  // The statement for `sql`, which becomes the most recently used; nullptr when it is not here.
  S* Find(const Sql& sql) {
    for (int i = 0; i < capacity_; ++i) {
      Entry& entry = entries_[i];
      if (entry.used == 0 || !Holds(entry, sql)) continue;
      entry.used = ++clock_;
      return entry.statement();
    }
    return nullptr;
  }

  // Whether MakeRoom would say true. Ask before preparing, make room after: SQL that turns out to
  // be wrong costs nobody his place.
  bool HasRoom() const {
    for (int i = 0; i < capacity_; ++i) {
      if (entries_[i].used == 0 || !entries_[i].statement()->reading()) return true;
    }
    return false;
  }

  // Makes room for one more, destroying the least recently used statement that is not being read.
  // False: all are being read.
  bool MakeRoom() {
    Entry* oldest = nullptr;
    for (int i = 0; i < capacity_; ++i) {
      Entry& entry = entries_[i];
      if (entry.used == 0) return true;
      if (entry.statement()->reading()) continue;
      if (oldest == nullptr || entry.used < oldest->used) oldest = &entry;
    }
    if (oldest == nullptr) return false;
    Drop(*oldest);
    return true;
  }

  // Constructs the statement for `sql` from `args`. REQUIRES: MakeRoom() said true since the last
  // Add; Find(sql) says nullptr.
  template <class... Args>
  S* Add(const Sql& sql, Args&&... args) {
    for (int i = 0; i < capacity_; ++i) {
      Entry& entry = entries_[i];
      if (entry.used != 0) continue;
      entry.hash = sql.hash();
      entry.size = sql.text().size();
      entry.used = ++clock_;
      return new (entry.place) S(std::forward<Args>(args)...);
    }
    return nullptr;
  }

  // Destroys all statements, also those being read.
  void Clear() {
    for (int i = 0; i < capacity_; ++i) Drop(entries_[i]);
  }

  // Calls `visit(S&)` for each statement, in no order.
  template <class Visit>
  void ForEach(Visit visit) {
    for (int i = 0; i < capacity_; ++i) {
      if (entries_[i].used != 0) visit(*entries_[i].statement());
    }
  }

  int size() const {
    int count = 0;
    for (int i = 0; i < capacity_; ++i) count += entries_[i].used != 0 ? 1 : 0;
    return count;
  }
  int capacity() const { return capacity_; }

 private:
  struct Entry {
    uint64_t hash = 0;
    size_t size = 0;    // of the Sql's text
    uint64_t used = 0;  // when, by clock_; 0: free
    alignas(S) std::byte place[sizeof(S)];
    S* statement() const {
      return std::launder(reinterpret_cast<S*>(const_cast<std::byte*>(place)));
    }
  };

  // Same hash, same length, and the text as far as the driver kept it: what it cut from the end had
  // no meaning.
  static bool Holds(Entry& entry, const Sql& sql) {
    return entry.hash == sql.hash() && entry.size == sql.text().size() &&
           sql.text().starts_with(entry.statement()->sql());
  }
  static void Drop(Entry& entry) {
    if (entry.used == 0) return;
    entry.used = 0;
    entry.statement()->~S();
  }

  Entry* entries_;
  int capacity_;
  uint64_t clock_ = 0;
};

}  // namespace roost

#endif  // ROOST_STATEMENTS_STATEMENT_CACHE_H_
