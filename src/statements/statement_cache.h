// statements/statement_cache.h - the prepared statements of one connection.
//
// It constructs the backend's statements in memory it is given, so that a connection with its cache
// is one block in the pool. Found by the hash of the Sql, then by its text; two Sql that the
// compiler made are not compared by their text, because one address then means one text. The statement
// looked up last is asked first.
//
// S, the backend's statement, offers:
//   std::string_view sql() const   its text; a driver may have cut blanks and comments from its end
//   bool reading() const           true between Start and Finish: must not be evicted
//   ~S()                           frees the driver's statement
//
// Invariants
//   (1) an entry holds a statement exactly when its `used` is not 0;
//   (2) `used` differs between entries that hold one: the smallest is the least recently used;
//   (3) `constant`, where it is not null, is the address of the text of the constant Sql that was
//       last asked for this statement;
//   (4) what `counts` has been told of are all uses up to `told_`, by clock_;
//   (5) `last_` is the entry of the largest `used`, so that finding it again changes nothing; if
//       that one was dropped, its `constant` is null.
#ifndef ROOST_STATEMENTS_STATEMENT_CACHE_H_
#define ROOST_STATEMENTS_STATEMENT_CACHE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "roost/statement.h"
#include "roost/stats.h"

namespace roost {
namespace internal {

// What the caches of all connections of a backend did.
struct StatementCacheCounts {
  // Told in steps of kTellEvery for each connection: those of a statement that is used again right after
  // itself are not counted at all.
  std::atomic<uint64_t> hits{0};
  std::atomic<uint64_t> misses{0};
  std::atomic<uint64_t> evictions{0};

  void AddTo(Figures& out) const;
};

// kResourceExhausted: all `capacity` statements of the cache are being read.
absl::Status NoRoomToPrepare(std::string_view sql, int capacity);
// kInvalidArgument: the text is empty; it holds nothing but blanks and comments.
absl::Status EmptySql();
absl::Status HoldsNoStatement(std::string_view sql);
// kInvalidArgument: a zero byte is in it, where drivers take its end to be.
absl::Status CheckNoZero(std::string_view sql);

}  // namespace internal

template <class S>
class StatementCache {
 public:
  // What one more statement of capacity costs.
  static constexpr size_t EntryBytes() { return sizeof(Entry); }
  static constexpr size_t BytesFor(int capacity) {
    return sizeof(Entry) * static_cast<size_t>(capacity);
  }

  // After so many uses of its statements a cache tells its hits: a power of two.
  static constexpr uint64_t kTellEvery = 64;

  // REQUIRES: `storage` has BytesFor(capacity) bytes, is aligned to std::max_align_t and outlives
  // this, and so does `counts`; capacity >= 1.
  StatementCache(std::byte* storage, int capacity, internal::StatementCacheCounts& counts)
      : entries_(reinterpret_cast<Entry*>(storage)),
        last_(entries_),
        counts_(counts),
        capacity_(capacity) {
    for (int i = 0; i < capacity_; ++i) new (&entries_[i]) Entry;
  }
  ~StatementCache() {
    TellHits();
    Clear();
  }
  StatementCache(const StatementCache&) = delete;
  StatementCache& operator=(const StatementCache&) = delete;

  // Whether last() is the statement for `sql`. False also where only Find can tell.
  bool IsLast(const Sql& sql) const { return IsConstantOf(*last_, sql); }
  // The statement that was found or added last. REQUIRES: IsLast() said true for some Sql.
  S* last() const { return last_->statement(); }

  // The statement for `sql`, which becomes the most recently used; nullptr when it is not here.
  S* Find(const Sql& sql) {
    for (int i = 0; i < capacity_; ++i) {
      Entry& entry = entries_[i];
      if (entry.used == 0 || !Holds(entry, sql)) continue;
      Note(entry, sql);
      if (clock_ % kTellEvery == 0) TellHits();
      return entry.statement();
    }
    return nullptr;
  }

  // The statement for `sql`; if it is not here, what `prepare()` gives: an absl::StatusOr<S*> that
  // it got from Insert, or an error. `prepare` is called when there is room and the text is not
  // empty.
  template <class Prepare>
  absl::StatusOr<S*> FindOrPrepare(const Sql& sql, Prepare prepare) {
    if (S* const found = Find(sql); found != nullptr) return found;
    if (!HasRoom()) return internal::NoRoomToPrepare(sql.text(), capacity_);
    if (sql.text().empty()) return internal::EmptySql();
    return prepare();
  }

  // Makes room, and constructs the statement for `sql` from `args`. REQUIRES: HasRoom(), and
  // Find(sql) says nullptr.
  template <class... Args>
  S* Insert(const Sql& sql, Args&&... args) {
    MakeRoom();
    return Add(sql, std::forward<Args>(args)...);
  }

  // Whether MakeRoom would say true. It is asked before a statement is prepared, and room is made
  // after: SQL that turns out to be wrong displaces no statement.
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
    counts_.evictions.fetch_add(1, std::memory_order_relaxed);
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
      TellHits();
      Note(entry, sql);
      told_ = clock_;
      counts_.misses.fetch_add(1, std::memory_order_relaxed);
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
    const char* constant = nullptr;
    alignas(S) std::byte place[sizeof(S)];
    S* statement() const {
      return std::launder(reinterpret_cast<S*>(const_cast<std::byte*>(place)));
    }
  };

  // The same characters at the same place, which is never changed. The hash only matters where a
  // library was unloaded and another lies there now.
  static bool IsConstantOf(const Entry& entry, const Sql& sql) {
    return entry.constant == sql.text().data() && sql.is_constant() &&
           entry.size == sql.text().size() && entry.hash == sql.hash();
  }
  // Same hash, same length, and the text as far as the driver kept it: what it cut from the end had
  // no meaning.
  static bool Holds(const Entry& entry, const Sql& sql) {
    return entry.hash == sql.hash() && entry.size == sql.text().size() &&
           (IsConstantOf(entry, sql) || sql.text().starts_with(entry.statement()->sql()));
  }
  // It is used now, for `sql`.
  void Note(Entry& entry, const Sql& sql) {
    if (sql.is_constant()) entry.constant = sql.text().data();
    entry.used = ++clock_;
    last_ = &entry;
  }
  // A step for each hit would be a write that all connections share.
  void TellHits() {
    counts_.hits.fetch_add(clock_ - told_, std::memory_order_relaxed);
    told_ = clock_;
  }
  static void Drop(Entry& entry) {
    if (entry.used == 0) return;
    entry.used = 0;
    entry.constant = nullptr;
    entry.statement()->~S();
  }

  Entry* entries_;
  Entry* last_;
  internal::StatementCacheCounts& counts_;
  int capacity_;
  uint64_t clock_ = 0;
  uint64_t told_ = 0;
};

}  // namespace roost

#endif  // ROOST_STATEMENTS_STATEMENT_CACHE_H_
