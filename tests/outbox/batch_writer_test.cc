// Batches under consecutive keys, each row once. Commits whose answer is lost: tests/tools/store_test.cc.
#include "outbox/batch_writer.h"

#include <gtest/gtest.h>

#include <string>

#include "roost/pool.h"
#include "roost/sqlite.h"

namespace roost::outbox {
namespace {

// A commit fails as long as a row names a parent that is not there.
constexpr char kSchema[] = R"sql(
CREATE TABLE IF NOT EXISTS parent(id INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS row(
  seq INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, value INTEGER NOT NULL,
  parent INTEGER REFERENCES parent(id) DEFERRABLE INITIALLY DEFERRED);
)sql";
constexpr Sql kNextSeq{"SELECT coalesce(max(seq), 0) + 1 FROM row"};
constexpr Sql kFind{"SELECT 1 FROM row WHERE seq = $1 AND epoch = $2"};
constexpr Sql kInsert{"INSERT INTO row(seq, epoch, value, parent) VALUES ($1, $2, $3, $4)"};

class BatchWriterTest : public ::testing::Test {
 protected:
  absl::StatusOr<size_t> Seal(size_t most) {
    absl::StatusOr<Lease> lease = pool_.Acquire(kWrite, pool_.In(std::chrono::seconds(10)));
    if (!lease.ok()) return lease.status();
    return writer_.Seal(**lease, buffer_, most, [&](const Key& key, int value) {
      if (value == refused_) return absl::InvalidArgumentError("refused");
      return (*lease)->Run(kInsert, key.seq, key.epoch, value, parent_);
    });
  }
  std::string Text(std::string_view sql) {
    absl::StatusOr<Lease> lease = pool_.Acquire(kRead, pool_.In(std::chrono::seconds(10)));
    EXPECT_TRUE(lease.ok()) << lease.status();
    const absl::StatusOr<Statement*> statement = lease->Prepare(Sql(sql));
    EXPECT_TRUE(statement.ok()) << statement.status();
    Rows rows = (*statement)->Query();
    return rows.Next() ? std::string(rows.Get<std::string_view>(0)) : "";
  }
  std::string All() {
    return Text(
        "SELECT coalesce(group_concat(epoch || ':' || seq || '=' || value, ' '), '') FROM row");
  }
  void Push(int count) {
    for (int i = 0; i < count; ++i) buffer_.Push(pushed_++);
  }

  SqliteBackend backend_{{.path = ":memory:", .schema = kSchema}};
  PoolFor<profiles::Testing> pool_{backend_};
  BatchWriter writer_{{.next_seq = kNextSeq, .find = kFind}, 7};
  Buffer<int> buffer_{10};
  int refused_ = -1;
  std::optional<int> parent_;
  int pushed_ = 0;
};

TEST_F(BatchWriterTest, RowsHaveConsecutiveKeysInTheirOrder) {
  EXPECT_EQ(writer_.first().seq, 0);
  Push(3);
  EXPECT_EQ(Seal(2).value(), 2u);
  EXPECT_EQ(Seal(2).value(), 1u);
  EXPECT_TRUE(buffer_.empty());
  EXPECT_EQ(All(), "7:1=0 7:2=1 7:3=2");
  EXPECT_EQ(writer_.first().epoch, 7);
  EXPECT_EQ(writer_.first().seq, 1);
}

TEST_F(BatchWriterTest, ARowThatIsRefusedTakesTheWholeBatchBack) {
  Push(3);
  refused_ = 1;
  EXPECT_TRUE(absl::IsInvalidArgument(Seal(3).status()));
  EXPECT_EQ(All(), "");
  EXPECT_EQ(buffer_.size(), 3u);
  refused_ = -1;
  EXPECT_EQ(Seal(3).value(), 3u);
  EXPECT_EQ(All(), "7:1=0 7:2=1 7:3=2");
}

TEST_F(BatchWriterTest, ACommitThatFailedIsLookedForAndTriedAgain) {
  Push(2);
  parent_ = 1;
  EXPECT_FALSE(Seal(2).ok());
  EXPECT_EQ(buffer_.size(), 2u);
  EXPECT_EQ(writer_.first().seq, 0);
  parent_.reset();
  EXPECT_EQ(Seal(2).value(), 2u);
  EXPECT_EQ(All(), "7:1=0 7:2=1");
  EXPECT_EQ(writer_.first().seq, 1);
}

}  // namespace
}  // namespace roost::outbox
