#include "tools/roostctl/watch/terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

// Behind the standard library: its macros are common names.
#include <ncurses.h>
#include <term.h>

namespace roost::tools::watch {
namespace {

constexpr std::array kEnding{SIGINT, SIGTERM, SIGHUP, SIGQUIT};
constexpr std::array kCrashes{SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

// What handlers of signals use: they know no objects.
volatile sig_atomic_t ended_by = 0;
volatile sig_atomic_t resized = 0;
// Gives the terminal back, as far as a handler can.
struct Rescue {
  std::array<char, 256> bytes{};
  size_t size = 0;
  termios modes{};
  bool has_modes = false;
} rescue;

void OnEnding(int number) { ended_by = number; }
void OnResize(int) { resized = 1; }
void OnCrash(int number) {
  // Nobody can be told that this fails.
  if (write(STDOUT_FILENO, rescue.bytes.data(), rescue.size) < 0) rescue.size = 0;
  if (rescue.has_modes) tcsetattr(STDOUT_FILENO, TCSANOW, &rescue.modes);
  signal(number, SIG_DFL);
  raise(number);
}

// A terminfo string without its delays.
void AddToRescue(const char* capability) {
  const char* text = tigetstr(const_cast<char*>(capability));
  if (text == nullptr || text == reinterpret_cast<const char*>(-1)) return;
  for (bool in_delay = false; *text != '\0' && rescue.size < rescue.bytes.size(); ++text) {
    if (text[0] == '$' && text[1] == '<') in_delay = true;
    if (!in_delay) rescue.bytes[rescue.size++] = *text;
    if (*text == '>') in_delay = false;
  }
}

void Handle(int number, void (*handler)(int), struct sigaction* before) {
  struct sigaction action {};
  action.sa_handler = handler;
  sigemptyset(&action.sa_mask);
  sigaction(number, nullptr, before);
  // One that is ignored (nohup) stays so.
  if (before->sa_handler != SIG_IGN) sigaction(number, &action, nullptr);
}

bool WantsColours(Colour colour) {
  if (colour != Colour::kAuto) return colour == Colour::kAlways;
  const char* const no = std::getenv("NO_COLOR");
  return no == nullptr || *no == '\0';
}

attr_t AttributesOf(Style style, bool colours) {
  switch (style) {
    case Style::kPlain:
      return A_NORMAL;
    case Style::kBold:
      return A_BOLD;
    case Style::kDim:
      return A_DIM;
    case Style::kTitle:
      return A_REVERSE;
    case Style::kGood:
      return colours ? static_cast<attr_t>(COLOR_PAIR(1)) : A_NORMAL;
    case Style::kWarn:
      return colours ? static_cast<attr_t>(COLOR_PAIR(2)) : A_BOLD;
    case Style::kBad:
      return colours ? static_cast<attr_t>(COLOR_PAIR(3)) | A_BOLD : A_BOLD | A_REVERSE;
  }
  return A_NORMAL;
}

}  // namespace

struct Terminal::State {
  SCREEN* screen = nullptr;
  bool open = false;
  bool colours = false;
  bool keyboard = false;
  sigset_t mask_before{};
  std::array<struct sigaction, kEnding.size() + kCrashes.size() + 1> actions{};
};

std::unique_ptr<Terminal> Terminal::Open(Colour colour) {
  const char* const term = std::getenv("TERM");
  if (isatty(STDOUT_FILENO) != 1 || term == nullptr || std::string_view(term) == "dumb") {
    return nullptr;
  }
  int known = 0;
  if (setupterm(const_cast<char*>(term), STDOUT_FILENO, &known) != OK || known != 1) return nullptr;
  const bool can_move = tigetstr(const_cast<char*>("cup")) != nullptr;
  del_curterm(cur_term);
  if (!can_move) return nullptr;
  auto state = std::make_unique<State>();
  state->keyboard = isatty(STDIN_FILENO) == 1;
  rescue = Rescue();
  rescue.has_modes = tcgetattr(STDOUT_FILENO, &rescue.modes) == 0;
  // Before ncurses, which handles what nobody does by calls that a handler may not make. All but crashes come
  // in during Wait alone, also ncurses' own SIGTSTP.
  sigset_t during_wait;
  sigemptyset(&during_wait);
  auto* before = state->actions.data();
  for (const int number : kEnding) {
    Handle(number, OnEnding, before++);
    sigaddset(&during_wait, number);
  }
  Handle(SIGWINCH, OnResize, before++);
  sigaddset(&during_wait, SIGWINCH);
  sigaddset(&during_wait, SIGTSTP);
  ended_by = 0;
  sigprocmask(SIG_BLOCK, &during_wait, &state->mask_before);
  state->screen = newterm(nullptr, stdout, stdin);
  state->open = state->screen != nullptr;
  if (state->open) {
    for (const char* capability : {"sgr0", "cnorm", "rmkx", "rmcup"}) AddToRescue(capability);
    for (const int number : kCrashes) Handle(number, OnCrash, before++);
  }
  std::unique_ptr<Terminal> terminal(new Terminal(std::move(state)));
  if (!terminal->state_->open) return nullptr;
  terminal->StartColours(colour);
  return terminal;
}

Terminal::Terminal(std::unique_ptr<State> state) : state_(std::move(state)) {}

Terminal::~Terminal() {
  Close();
  if (state_->screen != nullptr) delscreen(state_->screen);
  const struct sigaction* before = state_->actions.data();
  for (const int number : kEnding) sigaction(number, before++, nullptr);
  sigaction(SIGWINCH, before++, nullptr);
  if (state_->screen != nullptr) {
    for (const int number : kCrashes) sigaction(number, before++, nullptr);
  }
  sigprocmask(SIG_SETMASK, &state_->mask_before, nullptr);
}

void Terminal::StartColours(Colour colour) {
  cbreak();
  noecho();
  nonl();
  curs_set(0);
  nodelay(stdscr, TRUE);
  keypad(stdscr, TRUE);
  set_escdelay(25);
  state_->colours = WantsColours(colour) && has_colors();
  if (!state_->colours) return;
  start_color();
  use_default_colors();
  init_pair(1, COLOR_GREEN, -1);
  init_pair(2, COLOR_YELLOW, -1);
  init_pair(3, COLOR_RED, -1);
}

int Terminal::width() const { return getmaxx(stdscr); }
int Terminal::height() const { return getmaxy(stdscr); }

void Terminal::Show(const std::vector<Row>& rows) {
  erase();
  for (size_t y = 0; y < rows.size(); ++y) {
    // What is wider than its characters, such as Chinese, runs over into the next row, which is cleared then.
    move(static_cast<int>(y), 0);
    clrtoeol();
    for (const Span& span : rows[y]) {
      attrset(static_cast<int>(AttributesOf(span.style, state_->colours)));
      addstr(span.text.c_str());
    }
  }
  attrset(A_NORMAL);
  refresh();
}

Terminal::Event Terminal::Wait(Duration span) {
  Event event;
  std::array<pollfd, 2> waits{
      {{.fd = state_->keyboard ? STDIN_FILENO : -1, .events = POLLIN, .revents = 0},
       {.fd = STDOUT_FILENO, .events = 0, .revents = 0}}};
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(span);
  const timespec limit{
      .tv_sec = static_cast<time_t>(seconds.count()),
      .tv_nsec = static_cast<decltype(timespec::tv_nsec)>((span - seconds).count())};
  const int ready = ppoll(waits.data(), waits.size(), &limit, &state_->mask_before);
  event.signal = ended_by;
  if (std::exchange(resized, 0) != 0) {
    winsize size{};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0) {
      resizeterm(size.ws_row, size.ws_col);
    }
  }
  if (ready <= 0) return event;
  // A terminal that hangs up is readable for ever.
  event.gone = ((waits[0].revents | waits[1].revents) & (POLLHUP | POLLERR | POLLNVAL)) != 0;
  if ((waits[0].revents & POLLIN) == 0) return event;
  const int key = getch();
  if (key == ERR) event.gone = true;
  if (key > 0 && key < 256) event.key = key;
  return event;
}

void Terminal::Close() {
  if (!std::exchange(state_->open, false)) return;
  endwin();
}

}  // namespace roost::tools::watch
