// Which modes are tried where, and by which way.
#include <algorithm>
#include <array>

#include "tests/hostile/victim.h"

namespace roost::hostile {
namespace {

using namespace std::chrono_literals;
using support::HostileMode;
using support::Place;

constexpr Duration kDeadline = 300ms;
// Where a mode was met before, at another place.
constexpr Duration kShortDeadline = 100ms;

// The main place of what makes sense anywhere.
constexpr Place kMain = Place::kExecute;
// Where each of those is tried, too.
constexpr std::array kAlways = {Place::kStartup, Place::kSignedIn, Place::kSimple, Place::kIdle};
// Where each is tried in turn.
constexpr std::array kInTurn = {Place::kRole,     Place::kOnConnect, Place::kParse,
                                Place::kDescribe, Place::kBind,      Place::kSync,
                                Place::kBegin,    Place::kCommit,    Place::kRollback,
                                Place::kDiscard,  Place::kPing};

std::string_view Name(Way way) {
  switch (way) {
    case Way::kCaller:
      return "caller";
    case Way::kWaiter:
      return "waiter";
    case Way::kHousekeeper:
      return "housekeeper";
  }
  return "";
}

Place MainPlace(const HostileMode& mode) {
  return mode.place == Place::kAnywhere ? kMain : mode.place;
}

class List {
 public:
  void Add(const HostileMode& mode, Place place, Duration deadline, Way way = Way::kCaller) {
    cases_.push_back({.mode = &mode, .place = place, .way = way, .deadline = deadline});
  }
  std::vector<Case> Take() { return std::move(cases_); }

 private:
  std::vector<Case> cases_;
};

void AddElsewhere(List& list, const HostileMode& mode, size_t number, bool everywhere) {
  for (const Place place : kAlways) list.Add(mode, place, kShortDeadline);
  for (size_t i = 0; i < kInTurn.size(); ++i) {
    if (everywhere || i == number % kInTurn.size()) list.Add(mode, kInTurn[i], kShortDeadline);
  }
}

}  // namespace

std::vector<Case> AllCases(bool everywhere) {
  List list;
  for (const HostileMode& mode : support::HostileModes()) {
    list.Add(mode, MainPlace(mode), kDeadline);
  }
  for (const HostileMode& mode : support::HostileModes()) {
    const bool anywhere = mode.place == Place::kAnywhere;
    if (!IsStartup(mode.place) && !(anywhere && everywhere)) continue;
    for (const Way way : {Way::kWaiter, Way::kHousekeeper}) {
      list.Add(mode, anywhere ? Place::kSignedIn : mode.place, kShortDeadline, way);
    }
  }
  for (const HostileMode& mode : support::HostileModes()) {
    if (MainPlace(mode) != kMain) continue;
    list.Add(mode, Place::kRowAgain, kShortDeadline);
    list.Add(mode, Place::kOneAgain, kShortDeadline);
  }
  size_t number = 0;
  for (const HostileMode& mode : support::HostileModes()) {
    if (mode.place == Place::kAnywhere) AddElsewhere(list, mode, number++, everywhere);
  }
  return list.Take();
}

std::string NameOf(const Case& which) {
  std::string name(which.mode->name);
  if (which.place != MainPlace(*which.mode)) name.append("_at_").append(support::Name(which.place));
  if (which.way != Way::kCaller) name.append("_by_").append(Name(which.way));
  return name;
}

std::ostream& operator<<(std::ostream& out, const Case& which) {
  return out << NameOf(which) << ": " << which.mode->does;
}

std::optional<Case> FindCase(std::string_view name) {
  for (const Case& which : AllCases(/*everywhere=*/true)) {
    if (NameOf(which) == name) return which;
  }
  return std::nullopt;
}

bool IsStartup(Place place) { return place <= Place::kOnConnect; }

Duration SlackFor(Duration deadline) {
  return std::max<Duration>(deadline * 3 / 100, kSanitized ? 500ms : 50ms);
}

}  // namespace roost::hostile
