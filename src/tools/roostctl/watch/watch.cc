#include "tools/roostctl/watch/watch.h"

#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>

namespace roost::tools::watch {

Watcher::Watcher(Platform& platform, std::string name, std::function<std::string()> instead)
    : platform_(platform), name_(std::move(name)), instead_(std::move(instead)) {}

Seen Watcher::See(const std::string& path) {
  Seen seen;
  seen.live = LookAt(platform_, path, kWithin);
  const TimePoint now = platform_.Now();
  if (seen.live.answer.is_object()) {
    known_[path] = {seen.live, now};
    return seen;
  }
  const auto known = known_.find(path);
  if (known == known_.end()) return seen;
  seen.old = true;
  seen.silent = now - known->second.at;
  seen.live.answer = known->second.live.answer;
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) seen.live.reason = "it has ended";
  return seen;
}

Look Watcher::Once() {
  Look look;
  const std::vector<std::string> found = FindSockets(StatusFolders(), name_);
  std::set<std::string> paths(found.begin(), found.end());
  for (const auto& [path, known] : known_) paths.insert(path);
  for (const std::string& path : paths) look.programs.push_back(See(path));
  if (look.programs.empty()) look.text = instead_();
  return look;
}

int Run(Platform& platform, Terminal& terminal, Watcher& watcher, View view) {
  Look look;
  TimePoint next = TimePoint::min();
  for (;;) {
    const TimePoint now = platform.Now();
    if (!view.paused && now >= next) {
      look = watcher.Once();
      next = Deadline::After(platform.Now(), view.interval).time();
    }
    view.width = terminal.width();
    view.height = terminal.height();
    terminal.Show(Compose(look, view));
    const Duration span = view.paused ? View::kLongest : next - platform.Now();
    const Terminal::Event event = terminal.Wait(std::max(span, Duration::zero()));
    if (event.signal != 0) {
      terminal.Close();
      signal(event.signal, SIG_DFL);
      sigset_t mask;
      sigemptyset(&mask);
      sigaddset(&mask, event.signal);
      raise(event.signal);
      sigprocmask(SIG_UNBLOCK, &mask, nullptr);
      return 128 + event.signal;
    }
    if (event.gone) return 0;
    if (event.key == 0) continue;
    const Duration before = view.interval;
    if (!OnKey(event.key, view)) return 0;
    if (view.interval != before) next = Deadline::After(platform.Now(), view.interval).time();
  }
}

}  // namespace roost::tools::watch
