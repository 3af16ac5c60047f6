#include "statements/statement_cache.h"

#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace roost {
namespace {

// Keeps no blanks at its end, like a driver; is counted while it lives.
class FakeStatement {
 public:
  FakeStatement(std::string_view sql, std::multiset<std::string>& living)
      : sql_(sql.substr(0, sql.find_last_not_of(" ;") + 1)), living_(living) {
    living_.insert(sql_);
  }
  ~FakeStatement() { living_.erase(living_.find(sql_)); }
  std::string_view sql() const { return sql_; }
  bool reading() const { return reading_; }
  void set_reading(bool reading) { reading_ = reading; }

 private:
  std::string sql_;
  std::multiset<std::string>& living_;
  bool reading_ = false;
};

using Cache = StatementCache<FakeStatement>;

class StatementCacheTest : public ::testing::Test {
 protected:
  static constexpr int kCapacity = 3;

  FakeStatement* Use(Cache& cache, const Sql& sql) {
    if (FakeStatement* found = cache.Find(sql)) return found;
    return cache.MakeRoom() ? cache.Add(sql, sql.text(), living_) : nullptr;
  }
  using Living = std::multiset<std::string>;

  // What a backend does first.
  FakeStatement* Last(Cache& cache, const Sql& sql) {
    return cache.IsLast(sql) ? cache.last() : nullptr;
  }

  alignas(std::max_align_t) std::byte storage_[Cache::BytesFor(kCapacity)];
  internal::StatementCacheCounts counts_;  // outlives the caches
  Living living_;
  const Sql a_{"A"}, b_{"B"}, c_{"C"}, d_{"D"};
};

TEST_F(StatementCacheTest, FindsWhatWasAdded) {
  Cache cache(storage_, kCapacity, counts_);
  EXPECT_EQ(cache.Find(a_), nullptr);
  FakeStatement* a = Use(cache, a_);
  ASSERT_NE(a, nullptr);
  EXPECT_EQ(cache.Find(a_), a);
  EXPECT_EQ(cache.Find(b_), nullptr);
  EXPECT_EQ(cache.size(), 1);
}

constexpr Sql kA{"A"};
constexpr Sql kB{"B"};
constexpr char kLong[] = "SELECT 12";
constexpr Sql kWhole{kLong};
constexpr Sql kBegin{std::string_view(kLong, 8)};
static_assert(kA.is_constant() && kBegin.is_constant());
static_assert(!Sql("").is_constant(), "it has no address of its own");

TEST_F(StatementCacheTest, KnowsTheLastOneOfAConstantByItsAddress) {
  Cache cache(storage_, kCapacity, counts_);
  EXPECT_FALSE(cache.IsLast(kA)) << "nothing is here";
  FakeStatement* a = Use(cache, kA);
  EXPECT_EQ(Last(cache, kA), a);
  EXPECT_FALSE(cache.IsLast(kB));
  FakeStatement* b = Use(cache, kB);
  EXPECT_EQ(Last(cache, kB), b);
  EXPECT_FALSE(cache.IsLast(kA)) << "it is here, and not the last";
  EXPECT_EQ(cache.Find(kA), a);
  EXPECT_EQ(Last(cache, kA), a);
}

TEST_F(StatementCacheTest, OneAddressAndAnotherLengthIsAnotherStatement) {
  Cache cache(storage_, kCapacity, counts_);
  FakeStatement* whole = Use(cache, kWhole);
  EXPECT_FALSE(cache.IsLast(kBegin));
  EXPECT_EQ(cache.Find(kBegin), nullptr);
  FakeStatement* begin = Use(cache, kBegin);
  EXPECT_EQ(begin->sql(), "SELECT 1");
  EXPECT_FALSE(cache.IsLast(kWhole));
  EXPECT_EQ(cache.Find(kWhole), whole);
}

TEST_F(StatementCacheTest, TextMadeAtRunTimeIsComparedAsItMayHaveChanged) {
  Cache cache(storage_, kCapacity, counts_);
  std::string text = "A";
  FakeStatement* a = Use(cache, Sql(text));
  EXPECT_FALSE(cache.IsLast(Sql(text)));
  EXPECT_EQ(cache.Find(Sql(text)), a);
  text[0] = 'B';  // at the same address
  EXPECT_EQ(cache.Find(Sql(text)), nullptr);
  EXPECT_EQ(Use(cache, Sql(text))->sql(), "B");
}

TEST_F(StatementCacheTest, AConstantAndATextMadeAtRunTimeShareAStatement) {
  Cache cache(storage_, kCapacity, counts_);
  FakeStatement* a = Use(cache, a_);
  EXPECT_FALSE(cache.IsLast(kA)) << "only its text tells";
  EXPECT_EQ(cache.Find(kA), a);
  EXPECT_EQ(Last(cache, kA), a) << "now it is known";
  EXPECT_FALSE(cache.IsLast(a_));
  EXPECT_EQ(cache.Find(a_), a);
  EXPECT_EQ(Last(cache, kA), a) << "the same statement, found by the other";
}

TEST_F(StatementCacheTest, TheLastOneMayBeTheOneThatIsEvicted) {
  Cache cache(storage_, 1, counts_);
  Use(cache, kA);
  EXPECT_TRUE(cache.MakeRoom());
  EXPECT_FALSE(cache.IsLast(kA));
  EXPECT_EQ(cache.Find(kA), nullptr);
  FakeStatement* b = Use(cache, kB);
  EXPECT_EQ(Last(cache, kB), b);
  cache.Clear();
  EXPECT_FALSE(cache.IsLast(kB));
}

TEST_F(StatementCacheTest, UsingTheLastOneAgainKeepsTheOrder) {
  Cache cache(storage_, kCapacity, counts_);
  for (const Sql* sql : {&kA, &b_, &c_, &kA}) Use(cache, *sql);
  EXPECT_NE(Last(cache, kA), nullptr);
  ASSERT_NE(Use(cache, d_), nullptr);
  EXPECT_EQ(living_, (Living{"A", "C", "D"}));
}

TEST_F(StatementCacheTest, FindsTheSameTextAtAnotherAddress) {
  Cache cache(storage_, kCapacity, counts_);
  FakeStatement* a = Use(cache, a_);
  const std::string copy = "A";
  EXPECT_EQ(cache.Find(Sql(copy)), a);
}

TEST_F(StatementCacheTest, FindsAStatementOfWhichTheDriverCutTheEnd) {
  Cache cache(storage_, kCapacity, counts_);
  const Sql with_end("SELECT 1 ; ");
  FakeStatement* found = Use(cache, with_end);
  EXPECT_EQ(found->sql(), "SELECT 1");
  EXPECT_EQ(cache.Find(with_end), found);
  EXPECT_EQ(cache.Find(Sql("SELECT 1")), nullptr);
}

TEST_F(StatementCacheTest, EvictsTheLeastRecentlyUsed) {
  Cache cache(storage_, kCapacity, counts_);
  for (const Sql* sql : {&a_, &b_, &c_, &a_}) Use(cache, *sql);
  ASSERT_NE(Use(cache, d_), nullptr);
  EXPECT_EQ(living_, (Living{"A", "C", "D"}));
  Use(cache, b_);
  EXPECT_EQ(living_, (Living{"A", "B", "D"}));
}

TEST_F(StatementCacheTest, DoesNotMoveTheOthersWhenOneIsEvicted) {
  Cache cache(storage_, kCapacity, counts_);
  Use(cache, a_);
  FakeStatement* b = Use(cache, b_);
  FakeStatement* c = Use(cache, c_);
  Use(cache, d_);
  EXPECT_EQ(cache.Find(b_), b);
  EXPECT_EQ(cache.Find(c_), c);
}

TEST_F(StatementCacheTest, SparesWhatIsBeingRead) {
  Cache cache(storage_, kCapacity, counts_);
  Use(cache, a_)->set_reading(true);
  Use(cache, b_);
  Use(cache, c_);
  Use(cache, d_);
  EXPECT_EQ(living_, (Living{"A", "C", "D"}));
}

TEST_F(StatementCacheTest, MakesNoRoomWhileAllAreBeingRead) {
  Cache cache(storage_, kCapacity, counts_);
  for (const Sql* sql : {&a_, &b_, &c_}) Use(cache, *sql)->set_reading(true);
  EXPECT_FALSE(cache.HasRoom());
  EXPECT_FALSE(cache.MakeRoom());
  EXPECT_EQ(Use(cache, d_), nullptr);
  cache.Find(b_)->set_reading(false);
  EXPECT_TRUE(cache.HasRoom());
  EXPECT_EQ(living_, (Living{"A", "B", "C"})) << "asking takes nothing";
  EXPECT_TRUE(cache.MakeRoom());
  EXPECT_EQ(living_, (Living{"A", "C"}));
}

TEST_F(StatementCacheTest, MakingRoomTwiceEvictsOnce) {
  Cache cache(storage_, kCapacity, counts_);
  for (const Sql* sql : {&a_, &b_, &c_}) Use(cache, *sql);
  EXPECT_TRUE(cache.MakeRoom());
  EXPECT_TRUE(cache.MakeRoom());
  EXPECT_EQ(cache.size(), kCapacity - 1);
}

TEST_F(StatementCacheTest, ClearDestroysAllAndTheCacheGoesOn) {
  Cache cache(storage_, kCapacity, counts_);
  for (const Sql* sql : {&a_, &b_, &c_}) Use(cache, *sql)->set_reading(true);
  cache.Clear();
  EXPECT_TRUE(living_.empty());
  EXPECT_EQ(cache.size(), 0);
  EXPECT_NE(Use(cache, a_), nullptr);
}

TEST_F(StatementCacheTest, ItsEndDestroysAll) {
  {
    Cache cache(storage_, kCapacity, counts_);
    Use(cache, a_);
    Use(cache, b_);
  }
  EXPECT_TRUE(living_.empty());
}

TEST_F(StatementCacheTest, PreparesOnlyWhatIsNotHere) {
  Cache cache(storage_, kCapacity, counts_);
  int prepared = 0;
  const auto prepare = [&]() -> absl::StatusOr<FakeStatement*> {
    ++prepared;
    return cache.Insert(a_, a_.text(), living_);
  };
  const absl::StatusOr<FakeStatement*> first = cache.FindOrPrepare(a_, prepare);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(*cache.FindOrPrepare(a_, prepare), *first);
  EXPECT_EQ(prepared, 1);
}

TEST_F(StatementCacheTest, SqlThatCannotBePreparedDisplacesNothing) {
  Cache cache(storage_, kCapacity, counts_);
  for (const Sql* sql : {&a_, &b_, &c_}) Use(cache, *sql);
  const auto refuse = []() -> absl::StatusOr<FakeStatement*> {
    return absl::InvalidArgumentError("wrong");
  };
  EXPECT_EQ(cache.FindOrPrepare(d_, refuse).status().message(), "wrong");
  EXPECT_EQ(cache.FindOrPrepare(Sql(""), refuse).status().message(), "the SQL is empty");
  EXPECT_EQ(cache.size(), 3);
}

TEST_F(StatementCacheTest, NothingIsPreparedWhileAllAreBeingRead) {
  Cache cache(storage_, kCapacity, counts_);
  for (const Sql* sql : {&a_, &b_, &c_}) Use(cache, *sql)->set_reading(true);
  const absl::Status status =
      cache.FindOrPrepare(d_, [] { return absl::StatusOr<FakeStatement*>(nullptr); }).status();
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_EQ(status.message(),
            "\"D\" cannot be prepared: all 3 statements of this connection's cache are being read; "
            "end some Rows first");
}

TEST_F(StatementCacheTest, ACapacityOfOneServesOneAfterTheOther) {
  Cache cache(storage_, 1, counts_);
  for (const Sql* sql : {&a_, &b_, &a_}) {
    ASSERT_NE(Use(cache, *sql), nullptr);
    EXPECT_EQ(living_, Living{std::string(sql->text())});
  }
}

TEST_F(StatementCacheTest, EachIsVisitedOnce) {
  Cache cache(storage_, kCapacity, counts_);
  Use(cache, a_);
  Use(cache, b_);
  Living seen;
  cache.ForEach([&](FakeStatement& statement) { seen.emplace(statement.sql()); });
  EXPECT_EQ(seen, living_);
}

TEST_F(StatementCacheTest, CountsWhatItFindsWhatItLacksAndWhatItDrops) {
  {
    Cache cache(storage_, kCapacity, counts_);
    for (const Sql* sql : {&a_, &b_, &c_, &a_, &b_, &d_}) Use(cache, *sql);
    EXPECT_EQ(counts_.misses, 4u);
    EXPECT_EQ(counts_.evictions, 1u);
    EXPECT_EQ(counts_.hits, 2u) << "told with a miss";
    Use(cache, a_);
    EXPECT_EQ(counts_.hits, 2u) << "not yet told";
    for (uint64_t i = 0; i < Cache::kTellEvery; ++i) Use(cache, i % 2 == 0 ? a_ : b_);
    EXPECT_GE(counts_.hits, 2u + Cache::kTellEvery / 2);
  }
  EXPECT_EQ(counts_.hits, 3u + Cache::kTellEvery) << "the rest is told at the end";
}

}  // namespace
}  // namespace roost
