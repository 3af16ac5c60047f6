#include "tools/roostctl/watch/screen.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <utility>

#include "tools/common/text.h"
#include "tools/roostctl/live_json.h"
#include "tools/roostctl/live_lines.h"

namespace roost::tools::watch {
namespace {

constexpr uint64_t kEnoughForP99 = 100;  // of fewer the percentile is the maximum
constexpr size_t kBar = 10;              // cells
constexpr int kLeastForTitle = 5;        // lines of the terminal
constexpr int kMostEvents = 8;

// A pool of the table.
struct Entry {
  const Seen* program = nullptr;
  const Json* pool = nullptr;
};

Style StyleOf(LiveState state) {
  switch (state) {
    case LiveState::kHealthy:
      return Style::kGood;
    case LiveState::kDegraded:
    case LiveState::kStarting:
    case LiveState::kEnding:
      return Style::kWarn;
    case LiveState::kNotHealthy:
    case LiveState::kNotRunning:
    case LiveState::kUnknown:
      break;
  }
  return Style::kBad;
}

bool IsAway(const Json& pool) {
  const Json& lanes = ListIn(pool, "lanes");
  return std::any_of(lanes.begin(), lanes.end(),
                     [](const Json& lane) { return FlagIn(lane, "away"); });
}

Duration OldestWait(const Json& pool) {
  Duration oldest{};
  for (const Json& lane : ListIn(pool, "lanes")) {
    oldest = std::max(oldest, SpanIn(lane, "oldest_wait_s"));
  }
  return oldest;
}

uint64_t StatOf(const Entry& entry, const char* key) {
  return CountIn(MemberOf(*entry.pool, "stats"), key);
}
uint64_t WindowOf(const Entry& entry, const char* key) {
  return CountIn(MemberOf(*entry.pool, "window"), key);
}

Span StateOf(const Entry& entry) {
  if (entry.program->old) {
    const bool gone = entry.program->live.state == LiveState::kNotRunning;
    return {gone ? "gone" : "hangs", Style::kBad};
  }
  if (IsAway(*entry.pool)) return {"AWAY", Style::kBad};
  if (StatOf(entry, "waiting") > 0) return {"waits", Style::kWarn};
  const uint64_t capacity = StatOf(entry, "capacity");
  if (capacity > 0 && StatOf(entry, "in_use") >= capacity) return {"full", Style::kWarn};
  return {"ok", Style::kGood};
}

// In use, busy (opening, pinging, resetting), idle, and what is not open.
std::string Bar(const Entry& entry, bool ascii) {
  static constexpr std::array<const char*, 4> kAscii{"#", "=", "-", "."};
  static constexpr std::array<const char*, 4> kBlocks{"\u2588", "\u2593", "\u2592", "\u2591"};
  const uint64_t capacity = std::max<uint64_t>(StatOf(entry, "capacity"), 1);
  const std::array<uint64_t, 3> parts{StatOf(entry, "in_use"), StatOf(entry, "busy"),
                                      StatOf(entry, "idle")};
  std::string bar;
  uint64_t sum = 0;
  size_t cells = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    sum = std::min(sum + std::min(parts[i], capacity), capacity);
    const size_t until = static_cast<size_t>(sum * kBar / capacity);
    for (; cells < until; ++cells) bar += (ascii ? kAscii : kBlocks)[i];
  }
  for (; cells < kBar; ++cells) bar += (ascii ? kAscii : kBlocks)[3];
  return bar;
}

std::string PerSecond(const Entry& entry) {
  const double span = std::max(InSeconds(SpanIn(MemberOf(*entry.pool, "window"), "span_s")), 1.0);
  const double rate = static_cast<double>(WindowOf(entry, "checkouts")) / span;
  std::array<char, 32> text;
  std::snprintf(text.data(), text.size(), rate < 10 ? "%.1f" : "%.0f", rate);
  return text.data();
}

std::string WaitOf(const Entry& entry, bool ascii) {
  const Json& wait = MemberOf(MemberOf(*entry.pool, "window"), "wait");
  const uint64_t count = CountIn(wait, "count");
  if (count == 0) return ascii ? "-" : "\u2013";
  return FormatDuration(SpanIn(wait, count >= kEnoughForP99 ? "p99_s" : "max_s"));
}

// ---- The table ----

struct Column {
  const char* head;
  size_t width;
  bool right;
  int rank;  // the highest is left out first
  Span (*cell)(const Entry&, bool ascii);
};

constexpr size_t kNameAtLeast = 8;
constexpr std::array<Column, 11> kColumns{{
    {"state", 5, false, 1, [](const Entry& e, bool) { return StateOf(e); }},
    {"in use", kBar, false, 6, [](const Entry& e, bool ascii) { return Span{Bar(e, ascii)}; }},
    {"of", 7, true, 0,
     [](const Entry& e, bool) {
       return Span{std::to_string(StatOf(e, "in_use")) + "/" +
                   std::to_string(StatOf(e, "capacity"))};
     }},
    {"wait", 4, true, 0,
     [](const Entry& e, bool) {
       const uint64_t waiting = StatOf(e, "waiting");
       return Span{std::to_string(waiting), waiting > 0 ? Style::kWarn : Style::kPlain};
     }},
    {"oldest", 7, true, 3,
     [](const Entry& e, bool ascii) {
       const Duration oldest = OldestWait(*e.pool);
       return Span{oldest > Duration::zero() ? FormatDuration(oldest) : ascii ? "-" : "\u2013"};
     }},
    {"per s", 6, true, 5, [](const Entry& e, bool) { return Span{PerSecond(e)}; }},
    {"p99 wait", 8, true, 2, [](const Entry& e, bool ascii) { return Span{WaitOf(e, ascii)}; }},
    {"timed out", 9, true, 4,
     [](const Entry& e, bool) {
       const uint64_t count = WindowOf(e, "timeouts");
       return Span{std::to_string(count), count > 0 ? Style::kWarn : Style::kPlain};
     }},
    {"refused", 7, true, 7,
     [](const Entry& e, bool) { return Span{std::to_string(WindowOf(e, "refused"))}; }},
    {"opened", 6, true, 8,
     [](const Entry& e, bool) { return Span{std::to_string(WindowOf(e, "opens"))}; }},
    {"failed", 6, true, 9,
     [](const Entry& e, bool) { return Span{std::to_string(WindowOf(e, "open_failures"))}; }},
}};

// The columns that there is room for beside names of `name` columns, which is cut where even those are too wide.
std::vector<const Column*> ColumnsFor(int width, size_t& name) {
  std::vector<const Column*> columns;
  for (const Column& column : kColumns) columns.push_back(&column);
  const auto room = static_cast<size_t>(std::max(width, 0));
  const auto taken = [&columns] {
    size_t sum = 3;  // the number and two blanks
    for (const Column* column : columns) sum += column->width + 1;
    return sum;
  };
  name = std::min(name, std::max(room / 3, kNameAtLeast));
  while (!columns.empty() && taken() + name > room) {
    columns.erase(std::max_element(columns.begin(), columns.end(),
                                   [](auto* a, auto* b) { return a->rank < b->rank; }));
  }
  name = room > taken() ? std::min(room - taken(), name) : 0;
  return columns;
}

std::string Aligned(std::string text, const Column& column, bool ascii) {
  text = Fit(text, static_cast<int>(column.width), ascii);
  const size_t blanks = column.width - std::min(column.width, WidthOf(text));
  return column.right ? std::string(blanks, ' ') + text : text + std::string(blanks, ' ');
}

// "node7/local"; of one program alone the name of the pool says enough.
std::string NameOf(const Entry& entry, bool several) {
  const std::string pool = PlainText(TextIn(*entry.pool, "name"));
  return several ? PlainText(entry.program->live.name) + "/" + pool : pool;
}

Row TableRow(size_t number, const Entry& entry, const View& view, bool several, size_t name) {
  const std::vector<const Column*> columns = ColumnsFor(view.width, name);
  const bool chosen = number == static_cast<size_t>(view.pool);
  const Style plain = entry.program->old ? Style::kDim : chosen ? Style::kBold : Style::kPlain;
  std::string begin = number < 10 ? std::to_string(number) : " ";
  begin += chosen ? "> " : "  ";
  std::string label = begin;
  if (name > 0) {
    label += Padded(Fit(NameOf(entry, several), static_cast<int>(name), view.ascii), name);
  }
  Row row{{Fit(label, view.width, view.ascii), plain}};
  for (const Column* column : columns) {
    Span span = column->cell(entry, view.ascii);
    span.text = " " + Aligned(span.text, *column, view.ascii);
    if (span.style == Style::kPlain) span.style = plain;
    row.push_back(std::move(span));
  }
  return row;
}

Row TableHead(const View& view, size_t name) {
  const std::vector<const Column*> columns = ColumnsFor(view.width, name);
  std::string text = "   ";
  if (name > 0) text += Padded(Fit("pool", static_cast<int>(name), view.ascii), name);
  for (const Column* column : columns) text += " " + Aligned(column->head, *column, view.ascii);
  return {{Fit(text, view.width, view.ascii), Style::kDim}};
}

std::vector<Entry> EntriesOf(const Look& look, SortBy sort) {
  std::vector<Entry> entries;
  for (const Seen& program : look.programs) {
    for (const Json& pool : ListIn(program.live.answer, "pools")) {
      if (pool.is_object()) entries.push_back({&program, &pool});
    }
  }
  const auto key = [sort](const Entry& entry) -> uint64_t {
    switch (sort) {
      case SortBy::kProgram:
        break;
      case SortBy::kWaiting:
        return StatOf(entry, "waiting");
      case SortBy::kInUse:
        return StatOf(entry, "in_use");
      case SortBy::kTimeouts:
        return WindowOf(entry, "timeouts");
    }
    return 0;
  };
  std::stable_sort(entries.begin(), entries.end(),
                   [&key](const Entry& a, const Entry& b) { return key(a) > key(b); });
  return entries;
}

// ---- The rest of the screen ----

const char* NameOf(SortBy sort) {
  switch (sort) {
    case SortBy::kProgram:
      return "program";
    case SortBy::kWaiting:
      return "waiting";
    case SortBy::kInUse:
      return "in use";
    case SortBy::kTimeouts:
      return "timed out";
  }
  return "?";
}

// What can be left out stands at the end of the left side.
Row TitleRow(const View& view) {
  std::string left = view.paused ? " roostctl: PAUSED" : " roostctl: every ";
  if (!view.paused) left += FormatDuration(view.interval);
  left += std::string(", sorted by ") + NameOf(view.sort);
  const std::string right = "q quit  ? help ";
  const auto width = static_cast<size_t>(view.width);
  if (WidthOf(left) + right.size() + 1 <= width) left = Padded(left, width - right.size()) + right;
  return {{Padded(Fit(left, view.width, view.ascii), width), Style::kTitle}};
}

// "node7: DEGRADED: ..." with the state in its colour.
Row HeadRow(const Seen& program, const View& view) {
  const std::string name = PlainText(program.live.name) + ": ";
  const std::string state(Name(program.live.state));
  std::string whole = PlainText(HeadLine(program.live));
  if (program.old) {
    whole = name + state + ", silent for " + FormatDuration(program.silent) + ": " +
            PlainText(program.live.reason);
  }
  const std::string line = Fit(whole, view.width, view.ascii);
  if (!line.starts_with(name + state)) return {{line, Style::kBold}};
  std::string shown = state;
  const Style style = StyleOf(program.live.state);
  if (style == Style::kBad) {  // it stands out without colours, too
    for (char& c : shown) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  }
  return {{name, Style::kBold}, {shown, style}, {line.substr(name.size() + state.size())}};
}

void Append(const Screen& lines, size_t most, Style style, std::vector<Row>& rows) {
  for (const std::string& line :
       std::span(lines.lines()).first(std::min(most, lines.lines().size()))) {
    rows.push_back({{line, style}});
  }
}

// Details of the chosen pool, and below them the events of its program.
void AppendDetails(const Entry& entry, const View& view, std::vector<Row>& rows) {
  const auto height = static_cast<size_t>(view.height);
  if (rows.size() + 1 >= height) return;
  const size_t room = height - rows.size() - 1;
  const Style style = entry.program->old ? Style::kDim : Style::kPlain;
  Screen events(view.width, view.ascii);
  Events(events, entry.program->live.answer,
         static_cast<size_t>(std::clamp(view.height / 5, 1, kMostEvents)));
  Screen details(view.width, view.ascii);
  Lanes(details, *entry.pool);
  SlotsAndWaiters(details, *entry.pool);
  if (const std::string server = ServerLine(*entry.pool); !server.empty()) {
    details.Line("  " + server);
  }
  DatabaseFile(details, *entry.pool);
  OtherProcesses(details, entry.program->live.answer, *entry.pool);
  PoolFigures(details, *entry.pool);
  // A small screen keeps who holds and who waits.
  const size_t for_events = room >= 8 ? std::min(events.lines().size(), room / 2) : 0;
  const size_t for_details = room - for_events;
  Screen title(view.width, view.ascii);
  title.Line(PoolTitle(*entry.pool));
  Append(title, 1, entry.program->old ? Style::kDim : Style::kBold, rows);
  const size_t all = details.lines().size();
  const bool cut = all > for_details && for_details > 1;
  Append(details, cut ? for_details - 1 : for_details, style, rows);
  if (cut) {
    Screen more(view.width, view.ascii);
    more.Line("  " + std::to_string(all - for_details + 1) + " more lines: roostctl status");
    Append(more, 1, Style::kDim, rows);
  }
  Append(events, for_events, style, rows);
}

std::vector<Row> HelpRows(const View& view) {
  Screen lines(view.width, view.ascii);
  for (const char* const line :
       {"q        leave", "p, space stop and go on",
        "s        sort by program, waiting, in use, timed out",
        "1 to 9   the pool whose details are shown", "+ -      look less often, more often",
        "?        this page, and back", "",
        "state    AWAY: its database; waits: callers do; full: every connection is lent",
        "in use   lent, busy (opening, pinging, resetting), idle, not open",
        "wait     callers that wait, and how long the first of them does",
        "per s, p99 wait, timed out   of the last one to two minutes"}) {
    lines.Line(line);
  }
  std::vector<Row> rows;
  Append(lines, lines.lines().size(), Style::kPlain, rows);
  return rows;
}

void AppendTable(const Look& look, const View& view, std::vector<Row>& rows) {
  std::vector<Entry> entries = EntriesOf(look, view.sort);
  if (entries.empty()) return;
  View shown = view;
  shown.pool = std::clamp(view.pool, 1, static_cast<int>(entries.size()));
  const bool several = look.programs.size() > 1;
  size_t name = kNameAtLeast;
  for (const Entry& entry : entries) name = std::max(name, WidthOf(NameOf(entry, several)));
  if (view.height >= kLeastForTitle) rows.push_back(TableHead(view, name));
  // The chosen pool's row is among those that there is room for.
  const size_t room = std::max<size_t>(static_cast<size_t>(view.height) / 3, 1);
  const auto chosen = static_cast<size_t>(shown.pool) - 1;
  const size_t first = chosen >= room ? chosen - room + 1 : 0;
  for (size_t i = first; i < std::min(entries.size(), first + room); ++i) {
    rows.push_back(TableRow(i + 1, entries[i], shown, several, name));
  }
  AppendDetails(entries[chosen], view, rows);
}

}  // namespace

bool OnKey(int key, View& view) {
  switch (key) {
    case 'q':
    case 'Q':
      return false;
    case 'p':
    case ' ':
      view.paused = !view.paused;
      break;
    case 's':
      view.sort = static_cast<SortBy>((static_cast<int>(view.sort) + 1) % 4);
      break;
    case '?':
    case 'h':
      view.help = !view.help;
      break;
    case '+':
      view.interval = std::min(view.interval * 2, View::kLongest);
      break;
    case '-':
      view.interval = std::max(view.interval / 2, View::kShortest);
      break;
    default:
      if (key >= '1' && key <= '9') view.pool = key - '0';
      break;
  }
  return true;
}

std::vector<Row> Compose(const Look& look, const View& view) {
  std::vector<Row> rows;
  if (view.width < 1 || view.height < 1) return rows;
  if (view.height >= kLeastForTitle) rows.push_back(TitleRow(view));
  if (view.help) {
    for (Row& row : HelpRows(view)) rows.push_back(std::move(row));
  } else {
    const size_t most = std::max<size_t>(static_cast<size_t>(view.height) / 4, 1);
    for (const Seen& program :
         std::span(look.programs).first(std::min(most, look.programs.size()))) {
      rows.push_back(HeadRow(program, view));
    }
    Screen text(view.width, view.ascii);
    size_t begin = 0;
    for (size_t end = look.text.find('\n'); end != std::string::npos;
         begin = end + 1, end = look.text.find('\n', begin)) {
      text.Line(look.text.substr(begin, end - begin));
    }
    if (begin < look.text.size()) text.Line(look.text.substr(begin));
    Append(text, text.lines().size(), Style::kPlain, rows);
    AppendTable(look, view, rows);
  }
  if (rows.size() > static_cast<size_t>(view.height)) rows.resize(static_cast<size_t>(view.height));
  return rows;
}

}  // namespace roost::tools::watch
