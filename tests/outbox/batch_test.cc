// The memory of a batch: rows, names, and the reasons of numbers without a row.
#include "outbox/batch.h"

#include <gtest/gtest.h>

#include <string>

namespace roost::outbox {
namespace {

std::string GapsOf(Batch& batch) {
  std::string text;
  for (const OutboxGap& gap : batch.Finish().gaps) {
    text += std::to_string(static_cast<int>(gap.why)) + ":" + std::to_string(gap.lo) + "-" +
            std::to_string(gap.hi) + "=" + std::to_string(gap.numbers) + " ";
  }
  return text;
}
Batch::Added Add(Batch& batch, int64_t seq) {
  return batch.Add(seq, Micros{seq * 1000}, 1.5, "level", "mm");
}

TEST(BatchTest, AccountsForEachNumberOnce) {
  Batch batch(10);
  batch.Begin({.epoch = 1, .lo = 1}, 100);
  for (const int64_t seq : {103, 104, 108}) EXPECT_EQ(Add(batch, seq), Batch::Added::kYes);
  batch.Omit(109);
  batch.EndAt(120);
  EXPECT_EQ(batch.Missing(), 16);
  batch.AddGap(OutboxWhy::kFull, 90, 102);  // 101, 102
  batch.AddGap(OutboxWhy::kThin, 105, 105);
  batch.AddGap(OutboxWhy::kThin, 107, 112);  // 107, 110, 111, 112
  batch.AddGap(OutboxWhy::kAge, 119, 500);   // 119, 120
  batch.AddGap(OutboxWhy::kAge, 500, 600);
  EXPECT_EQ(batch.Missing(), 7);
  batch.AddRest(OutboxWhy::kUnused);
  EXPECT_EQ(batch.Missing(), 0);
  EXPECT_EQ(GapsOf(batch), "0:101-120=7 1:101-102=2 2:119-120=2 3:105-112=5 5:109-109=1 ");
  EXPECT_EQ(batch.batch().first, 101);
  EXPECT_EQ(batch.batch().last, 120);
}

TEST(BatchTest, RecordsThatOverlapAreCountedOnce) {
  Batch batch(10);
  batch.Begin({.epoch = 1, .lo = 1}, 0);
  EXPECT_EQ(Add(batch, 5), Batch::Added::kYes);
  batch.AddGap(OutboxWhy::kFull, 1, 3);
  batch.AddGap(OutboxWhy::kAge, 2, 4);
  batch.AddRest(OutboxWhy::kUnused);
  int64_t sum = 0;
  for (const OutboxGap& gap : batch.Finish().gaps) sum += gap.numbers;
  EXPECT_EQ(sum, 4);
}

TEST(BatchTest, NamesAreThereOnce) {
  Batch batch(300);
  batch.Begin({.epoch = 1, .lo = 1}, 0);
  for (int64_t seq = 1; seq <= 9; ++seq) {
    const std::string name = "sensor " + std::to_string(seq % 3);
    EXPECT_EQ(batch.Add(seq, Micros{-1}, 1, name, seq == 9 ? "" : "mm"), Batch::Added::kYes);
  }
  const OutboxBatch& sent = batch.Finish();
  EXPECT_EQ(sent.names.size(), 4u);
  EXPECT_EQ(sent.names[sent.rows[0].place].name, "sensor 1");
  EXPECT_EQ(sent.names[sent.rows[8].place].name, "sensor 0");
  EXPECT_EQ(sent.names[sent.rows[8].place].unit, "");
  EXPECT_EQ(sent.rows[0].ms, -1);  // rounded down, also before 1970
}

TEST(BatchTest, EndsWhereItsRoomEnds) {
  Batch batch(600);
  batch.Begin({.epoch = 1, .lo = 1}, 0);
  int64_t seq = 1;
  while (batch.Add(seq, Micros{}, 1, "n" + std::to_string(seq), "") == Batch::Added::kYes) ++seq;
  EXPECT_EQ(seq - 1, 255);
  batch.Begin({.epoch = 1, .lo = 1}, 0);
  const std::string half(2000, 'x');
  EXPECT_EQ(batch.Add(1, Micros{}, 1, half + "1", ""), Batch::Added::kYes);
  EXPECT_EQ(batch.Add(2, Micros{}, 1, half + "2", ""), Batch::Added::kYes);
  EXPECT_EQ(batch.Add(3, Micros{}, 1, half + "3", ""), Batch::Added::kNoRoom);
  EXPECT_EQ(batch.Add(3, Micros{}, 1, std::string(5000, 'x'), ""), Batch::Added::kNever);
  EXPECT_EQ(batch.rows(), 2u);
}

}  // namespace
}  // namespace roost::outbox
