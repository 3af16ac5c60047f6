// What roost-node prints at its end, with texts that others chose.
#include "tools/roost-node/summary.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "base/utf8.h"

namespace roost::tools {
namespace {

std::string Printed(void (*print)(const Summary&), const Summary& summary) {
  ::testing::internal::CaptureStdout();
  print(summary);
  return ::testing::internal::GetCapturedStdout();
}

// Standard output of a service is the journal, where <0> at the beginning of a line is an emergency.
TEST(SummaryTest, WhatOthersWroteForgesNoLineAndCommandsNoTerminal) {
  const std::string hostile =
      "x\n<0>sshd: Accepted\r\x1b[2J\xc2\x9b"
      "2J\xe2\x80\xae";
  Summary summary{.db = hostile, .model = hostile, .remote_text = hostile};
  summary.sqlite_memory.heap_because = hostile;
  summary.remote.emplace().pool.target = hostile;
  summary.sensors->push_back({.name = hostile, .unit = hostile, .count = 1});
  std::string text = Printed(PrintText, summary);
  summary.sensors = absl::AbortedError(hostile);
  text += Printed(PrintText, summary) + Printed(PrintJson, summary);
  EXPECT_EQ(text.find("\n<0>"), std::string::npos) << text;
  text.erase(std::remove(text.begin(), text.end(), '\n'), text.end());
  EXPECT_TRUE(internal::IsPlainText(text, internal::kPlainUtf8)) << text;
}

}  // namespace
}  // namespace roost::tools
