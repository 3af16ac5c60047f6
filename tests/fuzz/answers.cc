// What answers on a status socket, as roostctl reads it: whoever owns the folder chooses what that is. It is
// shown in lines that a terminal may get, none of them longer than the terminal, and as one object.
#include <string>

#include "tests/fuzz/input.h"
#include "tests/fuzz/targets.h"
#include "tests/support/clean_text.h"
#include "tools/roostctl/live.h"

namespace roost::fuzz {
namespace {

// A character has up to four bytes.
constexpr size_t kBytesOfACharacter = 4;

std::string JudgeLines(std::string_view text, size_t longest) {
  Input input(text);
  while (!input.empty()) {
    const std::string wrong = support::WhatIsUnclean(input.TakeLine(), longest);
    if (!wrong.empty()) return "a line with " + wrong;
  }
  return "";
}

std::string JudgeObject(const tools::Live& live) {
  const std::string text =
      tools::ToJson(live).dump(-1, ' ', false, tools::Json::error_handler_t::replace);
  const tools::Json object = tools::Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return "no object for scripts";
  if (object["state"] != std::string(Name(live.state))) return "another state for scripts";
  if (object["exit_code"] != ExitCodeOf(live.state)) return "another exit code for scripts";
  return "";
}

}  // namespace

std::string CheckAnswers(std::string_view bytes) {
  const tools::Live live = tools::Understand("/run/roost/node7.sock", bytes);
  for (const int width : {20, 80}) {
    for (const bool ascii : {false, true}) {
      const size_t longest = static_cast<size_t>(width) * (ascii ? 1 : kBytesOfACharacter);
      const std::string wrong = JudgeLines(tools::LiveText(live, width, ascii), longest);
      if (!wrong.empty()) return wrong;
    }
  }
  return JudgeObject(live);
}

}  // namespace roost::fuzz
