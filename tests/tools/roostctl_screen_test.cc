// tests/tools/roostctl_screen_test.cc - the rows of the watch screen: none is wider or lower than the terminal,
// whatever a program answers. tests/tools/watch looks at the whole screens.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tools/roostctl/live_lines.h"
#include "tools/roostctl/watch/screen.h"

namespace roost::tools::watch {
namespace {

Look LookOf(const char* answer, int programs = 1) {
  Look look;
  for (int i = 0; i < programs; ++i) {
    Seen seen;
    seen.live.name = "node" + std::to_string(i);
    seen.live.answer = Json::parse(answer);
    seen.live.state = Judge(seen.live.answer, seen.live.reason);
    look.programs.push_back(seen);
  }
  return look;
}

constexpr char kTwoPools[] = R"({"pools": [
  {"name": "local", "stats": {"capacity": 3, "in_use": 2, "idle": 1, "waiting": 1},
   "lanes": [{"role": "writer", "oldest_wait_s": 1.5}], "window": {"span_s": 100, "checkouts": 250, "timeouts": 1},
   "slots": [{"slot": 0, "state": "leased", "held_s": 3, "file": "seal.cc", "line": 8}]},
  {"name": "remote", "stats": {"capacity": 2, "busy": 1}, "lanes": [{"away": true}]}],
  "events": [{"kind": "timeout", "pool": "local", "ago_s": 3}]})";

std::string TextOf(const std::vector<Row>& rows) {
  std::string text;
  for (const Row& row : rows) {
    for (const Span& span : row) text += span.text;
    text += '\n';
  }
  return text;
}

TEST(WatchScreenTest, NothingIsWiderOrLowerThanTheTerminal) {
  const char* const odd =
      R"({"pools": [1, {}, {"lanes": [7, null], "slots": {}, "stats": [], "window": 1e300,
      "name": 3}, {"name": "\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4", "stats":
      {"capacity": 18446744073709551615, "in_use": 18446744073709551615, "idle": 18446744073709551615,
       "waiting": 18446744073709551615}}], "events": [null, {}]})";
  for (const char* answer : {kTwoPools, odd}) {
    for (const int programs : {0, 1, 9}) {
      const Look look = LookOf(answer, programs);
      for (View view; view.width > 0; view.width -= 7) {
        for (view.height = 1; view.height <= 50; ++view.height) {
          view.help = view.height % 5 == 0;
          view.ascii = view.height % 2 == 0;
          view.pool = view.height % 9 + 1;
          const std::vector<Row> rows = Compose(look, view);
          EXPECT_LE(rows.size(), static_cast<size_t>(view.height));
          for (const Row& row : rows) {
            size_t width = 0;
            for (const Span& span : row) width += WidthOf(span.text);
            ASSERT_LE(width, static_cast<size_t>(view.width)) << TextOf({row}) << view.width;
          }
        }
      }
    }
  }
}

TEST(WatchScreenTest, StatesStandInLettersBesideTheirColour) {
  const std::vector<Row> rows = Compose(LookOf(kTwoPools), View());
  const std::string text = TextOf(rows);
  EXPECT_NE(text.find("AWAY"), std::string::npos) << text;
  EXPECT_NE(text.find("waits"), std::string::npos) << text;
  for (const Row& row : rows) {
    for (const Span& span : row) {
      const bool coloured =
          span.style == Style::kGood || span.style == Style::kWarn || span.style == Style::kBad;
      const bool says = span.text.find_first_not_of(" ") != std::string::npos;
      EXPECT_TRUE(!coloured || says) << "a colour alone";
    }
  }
}

TEST(WatchScreenTest, ThePoolOfADigitHasItsDetails) {
  View view;
  EXPECT_NE(TextOf(Compose(LookOf(kTwoPools), view)).find("seal.cc:8"), std::string::npos);
  EXPECT_TRUE(OnKey('2', view));
  EXPECT_EQ(TextOf(Compose(LookOf(kTwoPools), view)).find("seal.cc:8"), std::string::npos);
  EXPECT_TRUE(OnKey('9', view)) << "there are two: the last";
  EXPECT_NE(TextOf(Compose(LookOf(kTwoPools), view)).find("2> remote"), std::string::npos);
}

TEST(WatchScreenTest, KeysKeepTheIntervalInItsBounds) {
  View view;
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(OnKey('+', view));
  EXPECT_EQ(view.interval, View::kLongest);
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(OnKey('-', view));
  EXPECT_EQ(view.interval, View::kShortest);
  EXPECT_TRUE(OnKey('x', view));
  EXPECT_FALSE(OnKey('q', view));
}

TEST(WatchScreenTest, SortsByWhatHurts) {
  View view;
  view.sort = SortBy::kInUse;
  const std::string text = TextOf(Compose(LookOf(kTwoPools, 2), view));
  EXPECT_LT(text.find("node1/local"), text.find("node0/remote")) << text;
}

}  // namespace
}  // namespace roost::tools::watch
