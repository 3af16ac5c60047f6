// Lines of text as readings, and a stream of bytes as lines.
#include "tools/roost-node/lines.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <string>
#include <vector>

namespace roost::tools {
namespace {

using Kind = ParsedLine::Kind;

TEST(ParseLineTest, TakesNameValueAndUnit) {
  const ParsedLine parsed = ParseLine("temperature 21.5 C");
  ASSERT_EQ(parsed.kind, Kind::kReading);
  EXPECT_EQ(parsed.reading.name.view(), "temperature");
  EXPECT_EQ(parsed.reading.value, 21.5);
  EXPECT_EQ(parsed.reading.unit.view(), "C");
}

TEST(ParseLineTest, TakesAnyBlanksAndWindowsLineEnds) {
  const ParsedLine parsed = ParseLine("\t level  -3e-2\t dB \r");
  ASSERT_EQ(parsed.kind, Kind::kReading);
  EXPECT_EQ(parsed.reading.name.view(), "level");
  EXPECT_EQ(parsed.reading.value, -0.03);
  EXPECT_EQ(parsed.reading.unit.view(), "dB");
}

TEST(ParseLineTest, TakesNamesInAnyScriptAndAByteOrderMark) {
  const ParsedLine parsed = ParseLine(
      "\xef\xbb\xbf"
      "temp\xc3\xa9rature +21 \xc2\xb0"
      "C");
  ASSERT_EQ(parsed.kind, Kind::kReading);
  EXPECT_EQ(parsed.reading.name.view(), "temp\xc3\xa9rature");
  EXPECT_EQ(parsed.reading.value, 21);
  EXPECT_EQ(parsed.reading.unit.view(),
            "\xc2\xb0"
            "C");
}

TEST(ParseLineTest, NothingIsNotBad) {
  for (const char* line : {"", "   ", "\r", "# a comment 1 2 3", "  #x"}) {
    EXPECT_EQ(ParseLine(line).kind, Kind::kNothing) << line;
  }
}

TEST(ParseLineTest, SaysWhatIsWrongAndWhatWouldBeRight) {
  const std::string name48(48, 'n');
  const struct {
    std::string line;
    std::string says;
  } cases[] = {
      {"temperature", "the value is missing after \"temperature\""},
      {"temperature warm", "the value \"warm\" is not a number; write NAME VALUE [UNIT]"},
      {"temperature 21,5", "has a comma; write 21.5"},
      {"21.5 temperature", "the value comes before the name; write temperature 21.5"},
      {"temperature 21.5C", "the value \"21.5C\" is not a number"},
      {"temperature nan", "is not a finite number"},
      {"temperature inf", "is not a finite number"},
      {"temperature 1e999", "is not a number"},
      {"temperature 0x10", "is not a number"},
      {"temperature +-1", "is not a number"},
      {"living room 21 C", "is not a number"},
      {"temperature 21 deg C", "\"C\" is one field too many"},
      {name48 + " 1", "the name has 48 bytes; at most 47"},
      {"n 1 " + std::string(16, 'u'), "the unit has 16 bytes; at most 15"},
      {"n\x01 1", "control characters"},
      {"n\xff 1", "UTF-8"},
      {"n\xc3 1", "UTF-8"},
      {std::string("n\0 1", 4), "control characters"},
      {"half\xed\xa0\x80 1", "UTF-8"},
      {"overlong\xe0\x80\xaf 1", "UTF-8"},
      {"beyond\xf4\x90\x80\x80 1", "UTF-8"},
      {"csi\xc2\x9b 1", "control characters"},
      {"n 1 unit\xe2\x80\xae", "control characters"},
      {"n \xc2\x9b"
       "1",
       "control characters"},
  };
  for (const auto& [line, says] : cases) {
    const ParsedLine parsed = ParseLine(line);
    EXPECT_EQ(parsed.kind, Kind::kBad) << line;
    const std::string wrong(parsed.wrong);
    EXPECT_NE(wrong.find(says), std::string::npos) << line << " -> " << wrong;
  }
}

// Lines out of bytes that come in pieces.
class LineReaderTest : public ::testing::Test {
 protected:
  ~LineReaderTest() override {
    close(ends[0]);
    End();
  }
  static std::array<int, 2> MakePipe() {
    std::array<int, 2> ends{};
    EXPECT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
    return ends;
  }
  void Send(std::string_view bytes) {
    ASSERT_EQ(write(ends[1], bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    reader.ReadMore();
  }
  void End() {
    if (ends[1] < 0) return;
    close(ends[1]);
    ends[1] = -1;
  }
  std::vector<std::string> Lines() {
    std::vector<std::string> lines;
    while (const auto line = reader.Next()) lines.emplace_back(*line);
    return lines;
  }
  using Strings = std::vector<std::string>;

  std::array<int, 2> ends = MakePipe();
  LineReader reader{ends[0]};
};

TEST_F(LineReaderTest, CutsLinesHoweverTheyCome) {
  Send("one\ntw");
  EXPECT_EQ(Lines(), Strings({"one"}));
  EXPECT_TRUE(reader.HasPartial());
  Send("o\n\nthree\n");
  EXPECT_EQ(Lines(), Strings({"two", "", "three"}));
  EXPECT_EQ(reader.number(), 4u);
  EXPECT_FALSE(reader.HasPartial());
  EXPECT_FALSE(reader.AtEnd());
}

TEST_F(LineReaderTest, TheLastLineMayLackItsEnd) {
  Send("one\ntwo");
  End();
  EXPECT_EQ(Lines(), Strings({"one"}));
  reader.ReadMore();
  EXPECT_FALSE(reader.AtEnd());
  EXPECT_EQ(Lines(), Strings({"two"}));
  EXPECT_TRUE(reader.AtEnd());
  EXPECT_EQ(reader.error(), 0);
}

TEST_F(LineReaderTest, ALineOfTheGreatestLengthIsWhole) {
  const std::string line(LineReader::kMostBytes, 'x');
  Send(line + "\n");
  EXPECT_EQ(reader.Next().value(), line);
  EXPECT_FALSE(reader.too_long());
}

TEST_F(LineReaderTest, ALineThatIsTooLongComesOnceCutAndTheNextIsFine) {
  const std::string line(LineReader::kMostBytes + 1, 'x');
  Send(line + "\nnext\n");
  EXPECT_EQ(reader.Next().value().size(), LineReader::kMostBytes);
  EXPECT_TRUE(reader.too_long());
  EXPECT_EQ(reader.Next().value(), "next");
  EXPECT_FALSE(reader.too_long());
  EXPECT_EQ(reader.number(), 2u);
}

TEST_F(LineReaderTest, ALineLongerThanTheBufferComesOnce) {
  const std::string piece(10000, 'x');
  Send(piece);
  EXPECT_EQ(reader.Next().value().size(), LineReader::kMostBytes);
  EXPECT_TRUE(reader.too_long());
  for (int i = 0; i < 5; ++i) {
    Send(piece);
    EXPECT_EQ(Lines(), Strings()) << i;
  }
  Send("x\nnext\n");
  EXPECT_EQ(Lines(), Strings({"next"}));
  EXPECT_EQ(reader.number(), 2u);
}

TEST_F(LineReaderTest, AnErrorEndsIt) {
  LineReader folder(open("/", O_RDONLY | O_CLOEXEC));
  folder.ReadMore();
  EXPECT_TRUE(folder.AtEnd());
  EXPECT_EQ(folder.error(), EISDIR);
}

TEST(ReadingBufferTest, KeepsOrderAndDropsTheOldest) {
  ReadingBuffer buffer(3);
  Reading reading;
  size_t dropped = 0;
  for (int i = 0; i < 5; ++i) {
    reading.value = i;
    dropped += buffer.Push(reading);
  }
  EXPECT_EQ(dropped, 2u);
  EXPECT_TRUE(buffer.full());
  EXPECT_EQ(buffer.begin(), 2u);
  EXPECT_EQ(buffer.end(), 5u);
  for (uint64_t number = buffer.begin(); number < buffer.end(); ++number) {
    EXPECT_EQ(buffer.at(number).value, static_cast<double>(number));
  }
}

TEST(ReadingBufferTest, ForgetsUpToANumberHoweverMuchWasDropped) {
  ReadingBuffer buffer(3);
  for (int i = 0; i < 5; ++i) buffer.Push({});
  EXPECT_EQ(buffer.ForgetBefore(1), 0u);
  EXPECT_EQ(buffer.ForgetBefore(4), 2u);
  EXPECT_EQ(buffer.size(), 1u);
  EXPECT_EQ(buffer.ForgetBefore(100), 1u);
  EXPECT_TRUE(buffer.empty());
}

}  // namespace
}  // namespace roost::tools
