// tools/common/grammar.h - what a command takes, as its help, its manual page and its completion tell it:
// one reading of the parser's tree, without the parser's own names for it.
//
// Threads:  one
// Blocks:   never
// Memory:   the strings that are returned
// Errors:   none
#ifndef ROOST_TOOLS_COMMON_GRAMMAR_H_
#define ROOST_TOOLS_COMMON_GRAMMAR_H_

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace roost::tools {

// An option, a switch, or an argument without a name of its own.
struct Argument {
  std::vector<std::string> names;  // "-h", "--help"; empty: it has none
  std::string value;               // what it takes: "TIME"; empty: a switch
  bool required = false;
  bool repeats = false;
  std::string what;                  // a sentence, with its range and what it goes with
  std::string range;                 // "1 to 100000"; empty: none is known
  std::vector<std::string> choices;  // it takes one of these; empty: anything
  std::string group;

  // "--every TIME", "-h, --help", "NODE".
  std::string Written() const;
};

// The arguments of `app`, hidden ones left out: first those without a name.
std::vector<Argument> ArgumentsOf(const CLI::App& app);
// The argument of that name; null: there is none. A positional one has the name that its value has.
const Argument* Find(const std::vector<Argument>& arguments, std::string_view name);

// The commands right below `app` that are to be seen.
std::vector<const CLI::App*> CommandsOf(const CLI::App& app);
// The command of that name below `app`; null: there is none.
const CLI::App* CommandOf(const CLI::App& app, std::string_view name);
// "roostctl server sessions"
std::string PathOf(const CLI::App& app);
// "[OPTION]... [NODE]": what stands behind the path.
std::string UsageOf(const CLI::App& app);

// A piece of prose: a paragraph to be filled, or lines to be kept as they are.
struct Block {
  enum class Kind { kText, kLiteral, kGap };
  Kind kind = Kind::kText;
  std::string text;
};
// The blocks of a description or a footer. A line goes on with the next unless it ends a sentence and the
// next begins one; a line that begins with a blank is kept; an empty one is a gap.
std::vector<Block> BlocksOf(const std::string& text);

// Fills lines of at most `width` columns and puts `indent` before each but the first. Breaks at blanks
// alone: an option is never cut at its hyphen.
std::string Fill(std::string_view text, size_t width, const std::string& indent);

}  // namespace roost::tools

#endif  // ROOST_TOOLS_COMMON_GRAMMAR_H_
