// A ring of rows that drops the oldest when it is full.
#include "outbox/buffer.h"

#include <gtest/gtest.h>

namespace roost::outbox {
namespace {

TEST(BufferTest, NumbersStayWithTheirRows) {
  Buffer<int> buffer(3);
  EXPECT_TRUE(buffer.empty());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(buffer.Push(10 + i), 0u);
  EXPECT_TRUE(buffer.full());
  EXPECT_EQ(buffer.Push(13), 1u) << "the oldest makes room";
  EXPECT_EQ(buffer.begin(), 1u);
  EXPECT_EQ(buffer.end(), 4u);
  EXPECT_EQ(buffer.at(1), 11);
  EXPECT_EQ(buffer.at(3), 13);
}

TEST(BufferTest, ForgettingCountsOnlyWhatIsStillThere) {
  Buffer<int> buffer(2);
  for (int i = 0; i < 4; ++i) buffer.Push(i);
  EXPECT_EQ(buffer.ForgetBefore(2), 0u) << "dropped already";
  EXPECT_EQ(buffer.ForgetBefore(3), 1u);
  EXPECT_EQ(buffer.ForgetBefore(99), 1u);
  EXPECT_EQ(buffer.ForgetBefore(99), 0u);
  EXPECT_EQ(buffer.Push(4), 0u);
  EXPECT_EQ(buffer.at(4), 4) << "numbers go on";
}

}  // namespace
}  // namespace roost::outbox
