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

TEST(ParseLineTest, TakesATimeOfItsOwn) {
  const struct {
    const char* line;
    const char* unit;
    int64_t unix_us;
  } cases[] = {
      {"t 21.5 C @1700000000", "C", 1700000000'000000},
      {"t 21.5 @1700000000.25", "", 1700000000'250000},
      {"t 21.5 C\t@1700000000.000001 ", "C", 1700000000'000001},
      {"t 21.5 @946684800", "", 946684800'000000},
      {"t 21.5 @00946684800.123456", "", 946684800'123456},
      {"t 21.5 m@s @1700000000", "m@s", 1700000000'000000},
      {"@t 21.5 @1700000000", "", 1700000000'000000},
  };
  for (const auto& [line, unit, unix_us] : cases) {
    const ParsedLine parsed = ParseLine(line);
    ASSERT_EQ(parsed.kind, Kind::kReading) << line << " " << std::string(parsed.wrong);
    EXPECT_EQ(parsed.reading.unit.view(), unit) << line;
    EXPECT_EQ(parsed.reading.wall_us, unix_us) << line;
    EXPECT_EQ(parsed.reading.source, TimeSource::kLine) << line;
  }
  EXPECT_NE(ParseLine("t 21.5 C").reading.source, TimeSource::kLine);
}

TEST(ParseLineTest, ATimeThatIsNoneSaysSo) {
  const struct {
    const char* line;
    const char* says;
  } cases[] = {
      {"t 1 C @", "the time \"@\" is not @ and seconds"},
      {"t 1 @C", "a unit does not begin with @"},
      {"t 1 C @-1", "is not @ and seconds"},
      {"t 1 C @+1700000000", "is not @ and seconds"},
      {"t 1 C @1700000000.", "is not @ and seconds"},
      {"t 1 C @.5", "is not @ and seconds"},
      {"t 1 C @1700000000.1234567", "up to 6 decimals"},
      {"t 1 C @1700000000,5", "is not @ and seconds"},
      {"t 1 C @1.7e9", "is not @ and seconds"},
      {"t 1 C @1700000000000", "is not @ and seconds"},
      {"t 1 C @0x6553f100", "is not @ and seconds"},
      {"t 1 C @2023-11-14T22:13:20Z", "is not @ and seconds"},
      {"t 1 C @1700000000.5.5", "is not @ and seconds"},
      {"t 1 C @946684799.999999", "is before 2000"},
      {"t 1 C @0", "is before 2000"},
      {"t 1 C @1700000000 more", "\"more\" is one field too many"},
      {"t 1 @1700000000 C", "\"C\" is one field too many"},
      {"t 1 @1700000000 @1700000000", "is one field too many"},
      {"t @1700000000", "is not a number"},
  };
  for (const auto& [line, says] : cases) {
    const ParsedLine parsed = ParseLine(line);
    EXPECT_EQ(parsed.kind, Kind::kBad) << line;
    EXPECT_NE(std::string(parsed.wrong).find(says), std::string::npos)
        << line << " -> " << std::string(parsed.wrong);
  }
}

TEST(ParseLineTest, ATimeMoreThanADayAheadIsBad) {
  constexpr int64_t kNow = 1700000000'000000;
  const auto kind = [](const char* line) {
    ParsedLine parsed = ParseLine(line);
    RefuseFuture(parsed, kNow);
    EXPECT_EQ(parsed.kind == Kind::kBad,
              std::string(parsed.wrong).find("a day ahead") != std::string::npos);
    return parsed.kind;
  };
  EXPECT_EQ(kind("t 1 @1700086400"), Kind::kReading);
  EXPECT_EQ(kind("t 1 @1700086400.000001"), Kind::kBad);
  EXPECT_EQ(kind("t 1 @99999999999"), Kind::kBad);
  EXPECT_EQ(kind("t 1"), Kind::kReading);
  EXPECT_EQ(kind("# t 1"), Kind::kNothing);
}

// A double has 53 bits: what does not fit is told, and not stored as something else.
TEST(ParseLineTest, NumbersThatDoNotFitAreToldAndNotChanged) {
  const struct {
    const char* line;
    double value;
  } fits[] = {
      {"n 9007199254740992", 9007199254740992.0},
      {"n -9007199254740992.000", -9007199254740992.0},
      {"n 9007199254740994", 9007199254740994.0},
      {"n +0018446744073709551616", 18446744073709551616.0},
      {"n 1e300", 1e300},
      {"n 9007199254740993e0", 9007199254740992.0},  // measured, by its form
      {"n 0.1", 0.1},
      {"n 4.9e-324", 4.9406564584124654e-324},
      {"n 0e-999", 0},
  };
  for (const auto& [line, value] : fits) {
    const ParsedLine parsed = ParseLine(line);
    ASSERT_EQ(parsed.kind, Kind::kReading) << line << " " << std::string(parsed.wrong);
    EXPECT_EQ(parsed.reading.value, value) << line;
  }
  const std::string long_one(309, '9');
  const struct {
    std::string line;
    const char* says;
  } cases[] = {
      {"n 9007199254740993", "\"9007199254740993\" has more digits than a reading keeps"},
      {"n -9007199254740993", "has more digits"},
      {"n 18446744073709551615", "has more digits"},
      {"n 9007199254740993.0", "has more digits"},
      {"n 9007199254740992.5", "has more digits"},
      {"n 1e-400", "is nearer to 0 than a reading can be (4.9e-324); write 0"},
      {"n -1e-400", "is nearer to 0"},
      {"n 0." + std::string(330, '0') + "1", "is nearer to 0"},
      {"n 1e400", "is not a number below 1.8e308"},
      {"n " + long_one, "is not a number below 1.8e308"},
  };
  for (const auto& [line, says] : cases) {
    const ParsedLine parsed = ParseLine(line);
    EXPECT_EQ(parsed.kind, Kind::kBad) << line;
    EXPECT_NE(std::string(parsed.wrong).find(says), std::string::npos)
        << line << " -> " << std::string(parsed.wrong);
  }
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

// How long a line may have waited: since the input was seen empty, or since what is read now found
// room in the pipe.
TEST_F(LineReaderTest, KnowsBeforeWhichMomentALineWasNotThere) {
  using std::chrono_literals::operator""s;
  const auto send = [this](const std::string& bytes) {
    ASSERT_EQ(write(ends[1], bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  };
  const auto at = [](int seconds) { return TimePoint(std::chrono::seconds(seconds)); };
  reader.SeenEmpty(at(10));
  send("a\n");
  reader.ReadMore(at(20));
  EXPECT_EQ(reader.not_before(), at(10));
  Lines();
  // That read has emptied the pipe.
  send("b\n");
  reader.ReadMore(at(21));
  EXPECT_EQ(reader.not_before(), at(20));
  Lines();
  // A pipe that is never seen empty: what comes out has gone in since its size came out.
  std::string full;
  while (full.size() < LineReader::kBufferBytes) full += "123456789abcdef\n";
  const int reads = 3 * (fcntl(ends[0], F_GETPIPE_SZ) / static_cast<int>(full.size()));
  send(full);
  for (int i = 0; i < reads; ++i) {
    send(full);
    reader.ReadMore(at(100 + i));
    Lines();
  }
  EXPECT_GT(reader.not_before(), at(100));
  EXPECT_LT(reader.not_before(), at(100 + reads - 4));
}

}  // namespace
}  // namespace roost::tools
