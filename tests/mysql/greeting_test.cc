// The first packet of a server, byte by byte and at once.
#include "backends/mysql/greeting.h"

#include <string>
#include <string_view>

#include "gtest/gtest.h"

namespace roost::mysql {
namespace {

using namespace std::string_literals;
using Verdict = GreetingReader::Verdict;

std::string WithLength(const std::string& payload) {
  return std::string{static_cast<char>(payload.size() & 0xFF),
                     static_cast<char>(payload.size() >> 8 & 0xFF),
                     static_cast<char>(payload.size() >> 16), '\0'} +
         payload;
}

Verdict AtOnce(const std::string& bytes) { return GreetingReader().Take(bytes); }

Verdict ByteByByte(const std::string& bytes) {
  GreetingReader reader;
  for (const char byte : bytes) reader.Take({&byte, 1});
  return reader.verdict();
}

TEST(GreetingTest, OnePacketIsGood) {
  for (const std::string& payload :
       {""s, "\x0a"s, "\x0a"s + std::string(90, 'v'), "\xff\x10\x04#08004too many"s, "\xff\xff"s,
        "\xff\xff\xfe"s, std::string(GreetingReader::kMost, 'v')}) {
    EXPECT_EQ(AtOnce(WithLength(payload)), Verdict::kGood) << payload.size();
    EXPECT_EQ(ByteByByte(WithLength(payload)), Verdict::kGood) << payload.size();
  }
}

TEST(GreetingTest, AByteBehindItIsSeen) {
  for (const std::string& payload : {""s, "\x0a"s, std::string(90, 'v')}) {
    EXPECT_EQ(AtOnce(WithLength(payload) + "x"), Verdict::kMore) << payload.size();
    EXPECT_EQ(ByteByByte(WithLength(payload) + "xy"), Verdict::kMore) << payload.size();
  }
}

TEST(GreetingTest, AReportOfProgressIsSeen) {
  EXPECT_EQ(AtOnce(WithLength("\xff\xff\xff"s)), Verdict::kProgress);
  EXPECT_EQ(ByteByByte(WithLength("\xff\xff\xff\1\1"s)), Verdict::kProgress);
}

TEST(GreetingTest, ALongOneIsSeenByItsLength) {
  EXPECT_EQ(AtOnce("\x01\x10\0\0"s), Verdict::kTooLong);
  EXPECT_EQ(ByteByByte("\xff\xff\xff\0"s), Verdict::kTooLong);
}

TEST(GreetingTest, TheFirstVerdictStays) {
  GreetingReader reader;
  EXPECT_EQ(reader.Take("\xff\xff\xff\0"s), Verdict::kTooLong);
  EXPECT_EQ(reader.Take(std::string(100, 'x')), Verdict::kTooLong);
}

}  // namespace
}  // namespace roost::mysql
