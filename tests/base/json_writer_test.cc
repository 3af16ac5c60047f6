// JSON without a heap: the form, the escapes, the bound.
#include "base/json_writer.h"

#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <string>

namespace roost::internal {
namespace {

using namespace std::chrono_literals;

// What `write` writes.
template <class Write>
std::string Written(Write write) {
  std::array<char, 512> buffer;
  JsonWriter json(buffer);
  write(json);
  return std::string(buffer.data(), json.size());
}

TEST(JsonWriterTest, ObjectsAndArraysAreIndentedByTwo) {
  const std::string text = Written([](JsonWriter& json) {
    json.BeginObject();
    json.Member("name", "node7");
    json.Name("closes");
    json.BeginObject();
    json.Member("idle", 3);
    json.EndObject();
    json.Name("turns");
    json.BeginArray();
    json.Value(1);
    json.BeginObject();
    json.Member("last", true);
    json.EndObject();
    json.EndArray();
    json.Name("nothing");
    json.BeginObject();
    json.EndObject();
    json.EndObject();
  });
  EXPECT_EQ(text,
            "{\n"
            "  \"name\": \"node7\",\n"
            "  \"closes\": {\n"
            "    \"idle\": 3\n"
            "  },\n"
            "  \"turns\": [\n"
            "    1,\n"
            "    {\n"
            "      \"last\": true\n"
            "    }\n"
            "  ],\n"
            "  \"nothing\": {}\n"
            "}");
}

TEST(JsonWriterTest, ValuesHaveTheirShortestExactForm) {
  const auto value = [](auto v) { return Written([v](JsonWriter& json) { json.Value(v); }); };
  EXPECT_EQ(value(true), "true");
  EXPECT_EQ(value(false), "false");
  EXPECT_EQ(value(std::numeric_limits<int64_t>::min()), "-9223372036854775808");
  EXPECT_EQ(value(std::numeric_limits<uint64_t>::max()), "18446744073709551615");
  EXPECT_EQ(value(0.1), "0.1");
  EXPECT_EQ(value(10.0), "10");
  EXPECT_EQ(value(Duration(1500us)), "0.0015");
  EXPECT_EQ(value(std::numeric_limits<double>::infinity()), "null");
  EXPECT_EQ(value(std::numeric_limits<double>::quiet_NaN()), "null");
}

TEST(JsonWriterTest, TextsAreEscaped) {
  const auto text = [](std::string_view v) {
    return Written([v](JsonWriter& json) { json.Value(v); });
  };
  EXPECT_EQ(text("a \"b\" \\ c"), R"("a \"b\" \\ c")");
  EXPECT_EQ(text("line\nend\x1f"), R"("line\u000aend\u001f")");
  EXPECT_EQ(text("\xe2\x82\xac"), "\"\xe2\x82\xac\"");
  EXPECT_EQ(text("\x7f \xc2\x9b \xe2\x80\xae \xe2\x80\xa8"), R"("\u007f \u009b \u202e \u2028")");
  EXPECT_EQ(text("\xff"
                 "a"),
            "\"\xef\xbf\xbd"
            "a\"");
}

TEST(JsonWriterTest, SaysHowLongItIsWhenItDoesNotFit) {
  std::array<char, 8> buffer;
  buffer.fill('#');
  JsonWriter json(std::span<char>(buffer).first(4));
  json.Value("0123456789");
  EXPECT_EQ(json.size(), 12u);
  EXPECT_EQ(buffer[3], '2');
  EXPECT_EQ(buffer[4], '#');
}

}  // namespace
}  // namespace roost::internal
