#include "tools/common/completion.h"

#include <algorithm>
#include <functional>
#include <vector>

#include "tools/common/grammar.h"

namespace roost::tools {
namespace {

void ForEachApp(const CLI::App& app, const std::function<void(const CLI::App&)>& visit) {
  visit(app);
  for (const CLI::App* command : CommandsOf(app)) ForEachApp(*command, visit);
}

// In single quotes.
std::string Quoted(const std::string& text, const char* quote) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? quote : std::string(1, c);
  return quoted + "'";
}
std::string Quoted(const std::string& text) { return Quoted(text, "'\\''"); }

std::string Joined(const std::vector<std::string>& choices, const char* between) {
  std::string all;
  for (const std::string& token : choices) all += (all.empty() ? "" : between) + token;
  return all;
}

// A function's name in every shell: "roost-node" is roost_node.
std::string Identifier(std::string name) {
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

std::string Head(const CLI::App& app, const char* shell) {
  return "# Completion of " + app.get_name() + " for " + shell + ", made of its parser's tree.\n";
}

// "'roostctl status' | 'roostctl size'": a pattern of the paths below `app`.
std::string Paths(const CLI::App& app, const char* between) {
  std::vector<std::string> paths;
  ForEachApp(app, [&](const CLI::App& one) {
    if (&one != &app) paths.push_back(Quoted(PathOf(one)));
  });
  return Joined(paths, between);
}

bool IsFile(const Argument& argument) {
  return argument.value == "PATH" || argument.value == "FILE";
}
bool IsFolder(const Argument& argument) { return argument.value == "DIR"; }
bool IsNode(const Argument& argument) { return argument.value == "NODE"; }

// "'roostctl size --query' | 'roostctl size -q'"
std::string Places(const CLI::App& app, const Argument& argument, const char* between) {
  std::vector<std::string> places;
  for (const std::string& name : argument.names) {
    places.push_back(Quoted(PathOf(app) + " " + name));
  }
  return Joined(places, between);
}

std::vector<std::string> CommandNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : CommandsOf(app)) names.push_back(command->get_name());
  return names;
}

// What `help` and the like take besides the choices of the argument.
std::vector<std::string> ChoicesFor(const CLI::App& app, const Argument& argument) {
  const bool commands = argument.value == "COMMAND" && app.get_parent() != nullptr;
  return commands ? CommandNames(*app.get_parent()) : argument.choices;
}

// ---- bash ------------------------------------------------------------------------------------------

std::string BashKind(const CLI::App& app, const Argument& argument) {
  if (IsFile(argument)) return "kind='file'";
  if (IsFolder(argument)) return "kind='folder'";
  if (IsNode(argument)) return "kind='node'";
  return "kind='choices' choices=" + Quoted(Joined(ChoicesFor(app, argument), " "));
}

std::string Bash(const CLI::App& app) {
  const std::string function = "_" + Identifier(app.get_name());
  std::string out = Head(app, "bash");
  out += function + "() {\n" +
         "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
         "  local at=" +
         app.get_name() +
         " kind='' choices='' behind='' i\n"
         "  # bash takes --color=never apart at the =.\n"
         "  if [ \"$cur\" = = ]; then cur=''\n"
         "  elif [ \"$prev\" = = ]; then prev=${COMP_WORDS[COMP_CWORD - 2]}\n"
         "  fi\n";
  if (!CommandsOf(app).empty()) {
    out +=
        "  for ((i = 1; i < COMP_CWORD; ++i)); do\n"
        "    case \"$at ${COMP_WORDS[i]}\" in\n      " +
        Paths(app, " | ") + ") at+=\" ${COMP_WORDS[i]}\" ;;\n    esac\n  done\n";
  }
  std::string values;
  std::string heads;
  ForEachApp(app, [&](const CLI::App& one) {
    std::vector<std::string> options;
    std::vector<std::string> plain = CommandNames(one);
    std::string kind;
    for (const Argument& argument : ArgumentsOf(one)) {
      if (argument.names.empty()) {
        kind = BashKind(one, argument);
      } else {
        options.insert(options.end(), argument.names.begin(), argument.names.end());
        if (!argument.value.empty()) {
          values +=
              "    " + Places(one, argument, " | ") + ") " + BashKind(one, argument) + " ;;\n";
        }
      }
    }
    if (kind.empty()) kind = "kind='choices' choices=" + Quoted(Joined(plain, " "));
    heads += "      " + Quoted(PathOf(one)) + ") " + kind +
             "\n        behind=" + Quoted(Joined(options, " ")) + " ;;\n";
  });
  out += "  case \"$at $prev\" in\n" + values + "  esac\n";
  out += "  if [ -z \"$kind\" ]; then\n    case $at in\n" + heads +
         "    esac\n    case $cur in -*) kind='choices' choices=$behind ;; esac\n  fi\n";
  out += R"(  case $kind in
    file) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    folder) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
    node)
      choices=$(for i in /run/roost/*.sock "${XDG_RUNTIME_DIR:-/nowhere}"/roost/*.sock; do
        [ -S "$i" ] && basename "$i" .sock; done)
      mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$cur") ;;
    choices)
      # A list goes on behind its last comma.
      behind=''
      case $cur in *,*) behind=${cur%,*}, ;; esac
      mapfile -t COMPREPLY < <(compgen -P "$behind" -W "$choices" -- "${cur#"$behind"}") ;;
  esac
}
)";
  return out + "complete -F " + function + " " + app.get_name() + "\n";
}

// ---- zsh -------------------------------------------------------------------------------------------

// "--json:Print one JSON object", for _describe.
std::string ZshItem(const std::string& name, const std::string& what) {
  std::string item;
  for (const char c : name) item += c == ':' ? "\\:" : std::string(1, c);
  return Quoted(item + ":" + what);
}

std::string ZshValue(const CLI::App& app, const Argument& argument) {
  if (IsFile(argument)) return "_files";
  if (IsFolder(argument)) return "_files -/";
  if (IsNode(argument)) {
    return "compadd -- /run/roost/*.sock(N=:t:r) ${XDG_RUNTIME_DIR:-/nowhere}/roost/*.sock(N=:t:r)";
  }
  const std::vector<std::string> choices = ChoicesFor(app, argument);
  if (choices.empty()) return "_message " + Quoted(argument.value);
  return "compset -P '*,'; compadd -- " + Joined(choices, " ");
}

std::string Zsh(const CLI::App& app) {
  std::string out = "#compdef " + app.get_name() + "\n" + Head(app, "zsh");
  const std::string function = "_" + Identifier(app.get_name());
  out += function + "() {\n  local at=" + app.get_name() + " i\n  local -a options commands\n";
  if (!CommandsOf(app).empty()) {
    out += "  for ((i = 2; i < CURRENT; ++i)); do\n    case \"$at $words[i]\" in\n      (" +
           Paths(app, "|") + ") at+=\" $words[i]\" ;;\n    esac\n  done\n";
  }
  std::string values;
  std::string heads;
  ForEachApp(app, [&](const CLI::App& one) {
    std::string options;
    std::string plain;
    for (const CLI::App* command : CommandsOf(one)) {
      plain += " " + ZshItem(command->get_name(), command->get_description());
    }
    plain = plain.empty() ? "" : "commands=(" + plain + " )\n        _describe command commands";
    for (const Argument& argument : ArgumentsOf(one)) {
      if (argument.names.empty()) {
        plain = ZshValue(one, argument);
        continue;
      }
      for (const std::string& name : argument.names) options += " " + ZshItem(name, argument.what);
      if (argument.value.empty()) continue;
      values +=
          "    (" + Places(one, argument, "|") + ") " + ZshValue(one, argument) + "; return ;;\n";
    }
    heads +=
        "    (" + Quoted(PathOf(one)) + ")\n      options=(" + options +
        " )\n      if [[ $words[CURRENT] == -* ]]; then\n        _describe -o option options\n" +
        "      else\n        " + (plain.empty() ? "_describe -o option options" : plain) +
        "\n      fi ;;\n";
  });
  out += "  case \"$at $words[CURRENT-1]\" in\n" + values + "  esac\n";
  out += "  case $at in\n" + heads + "  esac\n}\n";
  return out + function + " \"$@\"\n";
}

// ---- fish ------------------------------------------------------------------------------------------

std::string FishQuoted(const std::string& text) {
  std::string escaped;
  for (const char c : text) escaped += c == '\\' ? "\\\\" : std::string(1, c);
  return Quoted(escaped, "\\'");
}

std::string FishValue(const CLI::App& app, const Argument& argument) {
  if (IsFile(argument)) return " -r -F";
  if (IsFolder(argument)) return " -x -a '(__fish_complete_directories)'";
  if (IsNode(argument)) return " -x -a '(__roost_nodes)'";
  const std::vector<std::string> choices = ChoicesFor(app, argument);
  return choices.empty() ? " -x" : " -x -a " + FishQuoted(Joined(choices, " "));
}

std::string Fish(const CLI::App& app) {
  const std::string at = "__" + Identifier(app.get_name()) + "_at";
  std::string out = Head(app, "fish");
  out += R"(function __roost_nodes
    for socket in /run/roost/*.sock $XDG_RUNTIME_DIR/roost/*.sock
        string replace -r '.*/(.*)\.sock$' '$1' $socket
    end
end
function )" +
         at + "\n    set -l at " + app.get_name() + "\n";
  if (!CommandsOf(app).empty()) {
    out +=
        "    for token in (commandline -opc)[2..-1]\n        switch \"$at $token\"\n            "
        "case " +
        Paths(app, " ") + "\n                set at \"$at $token\"\n        end\n    end\n";
  }
  out += "    test \"$at\" = \"$argv\"\nend\n";
  const std::string complete = "complete -c " + app.get_name();
  out += complete + " -f\n";
  ForEachApp(app, [&](const CLI::App& one) {
    const std::string here = complete + " -n " + FishQuoted(at + " " + PathOf(one));
    for (const CLI::App* command : CommandsOf(one)) {
      out += here + " -a " + command->get_name() + " -d " + FishQuoted(command->get_description()) +
             "\n";
    }
    for (const Argument& argument : ArgumentsOf(one)) {
      const std::string value = argument.value.empty() ? "" : FishValue(one, argument);
      // What has no name is offered by itself: without the -r or -x of what follows an option.
      const std::string offered = value.substr(std::min(value.size(), size_t{3}));
      if (argument.names.empty() && offered.empty()) continue;
      out += here;
      for (const std::string& name : argument.names) {
        out += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      }
      out += argument.names.empty() ? offered : value;
      out += " -d " + FishQuoted(argument.what) + "\n";
    }
  });
  return out;
}

}  // namespace

std::string CompletionOf(const CLI::App& app, Shell shell) {
  switch (shell) {
    case Shell::kBash:
      return Bash(app);
    case Shell::kZsh:
      return Zsh(app);
    case Shell::kFish:
      return Fish(app);
  }
  return "";
}

}  // namespace roost::tools
