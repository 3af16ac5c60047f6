// tests/telemetry/journal_test.cc - what the journal gets of a pool's events: a datagram socket plays it.
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include "telemetry/journal_observer.h"
#include "tests/support/temp_dir.h"
#include "tests/tools/notify_socket.h"

namespace roost::telemetry {
namespace {

using namespace std::chrono_literals;
using Fields = std::map<std::string, std::string>;

// By systemd's description of the protocol.
Fields Parse(const std::string& bytes) {
  Fields fields;
  for (size_t at = 0; at < bytes.size();) {
    const size_t end = bytes.find('\n', at);
    EXPECT_NE(end, std::string::npos) << "a field without an end";
    if (end == std::string::npos) break;
    const std::string line = bytes.substr(at, end - at);
    at = end + 1;
    if (const size_t equals = line.find('='); equals != std::string::npos) {
      fields[line.substr(0, equals)] = line.substr(equals + 1);
      continue;
    }
    uint64_t size = 0;
    for (size_t i = 0; i < 8; ++i) {
      size |= uint64_t{static_cast<unsigned char>(bytes[at + i])} << (8 * i);
    }
    fields[line] = bytes.substr(at + 8, size);
    EXPECT_EQ(bytes[at + 8 + size], '\n') << line;
    at += 8 + size + 1;
  }
  return fields;
}

class JournalTest : public ::testing::Test {
 protected:
  Fields Next() { return Parse(journal_.Next()); }
  void Happens(EventKind kind, const absl::Status* status = nullptr,
               CloseReason reason = CloseReason::kNone) {
    Event event{.kind = kind, .reason = reason, .pool = "remote", .at = now_, .status = status};
    if (kind == EventKind::kTimeout) {
      event.span = 250ms;
      event.where = SourceLine{"/src/valve.cc", 51};
    }
    observer_.OnEvent(event);
  }

  const support::TempDir dir_;
  testing::NotifySocket journal_{dir_.File("journal")};
  JournalSocket socket_{journal_.name()};
  JournalObserver observer_{socket_, "greenhouse"};
  TimePoint now_ = TimePoint() + 1h;
  const absl::Status refused_ =
      absl::UnavailableError("connection refused\nIs the server running?");
  const absl::Status limit_ =
      absl::DeadlineExceededError("QueuePool limit of size 2 overflow 1 reached");
};

TEST_F(JournalTest, AnEventHasItsFields) {
  Happens(EventKind::kTimeout, &limit_);
  const Fields fields = Next();
  EXPECT_EQ(
      fields.at("MESSAGE"),
      "pool remote: a caller timed out, valve.cc:51: QueuePool limit of size 2 overflow 1 reached");
  EXPECT_EQ(fields.at("PRIORITY"), "4");
  EXPECT_EQ(fields.at("SYSLOG_IDENTIFIER"), "greenhouse");
  EXPECT_EQ(fields.at("MESSAGE_ID"), "162942d87a3246759c1c623af19a6109");
  EXPECT_EQ(fields.at("ROOST_POOL"), "remote");
  EXPECT_EQ(fields.at("ROOST_EVENT"), "timeout");
  EXPECT_EQ(fields.at("ROOST_SPAN_US"), "250000");
  EXPECT_EQ(fields.at("ROOST_CODE"), Name(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(fields.at("CODE_FILE"), "/src/valve.cc");
  EXPECT_EQ(fields.at("CODE_LINE"), "51");
  EXPECT_EQ(fields.count("ROOST_SLOT"), 0u);
  EXPECT_EQ(fields.count("ROOST_MORE"), 0u);
}

TEST_F(JournalTest, AValueForgesNoField) {
  const absl::Status forged = absl::UnavailableError("gone\nPRIORITY=0\nROOST_POOL=other\n");
  Happens(EventKind::kRefused, &forged);
  const Fields fields = Next();
  EXPECT_EQ(fields.at("PRIORITY"), "4");
  EXPECT_EQ(fields.at("ROOST_POOL"), "remote");
  EXPECT_EQ(fields.at("ROOST_STATUS"), "gone\nPRIORITY=0\nROOST_POOL=other\n");
  EXPECT_EQ(fields.at("MESSAGE"), "pool remote: a caller was refused: gone");
}

TEST(JournalEntryTest, WhatIsTooLongIsCutAndTheRestIsWhole) {
  JournalEntry entry;
  entry.Add("A", std::string(1900, 'x'));
  entry.Add("B", "line\n" + std::string(1900, 'y'));
  entry.Add("C", "left out");
  const Fields fields = Parse(std::string(entry.bytes()));
  EXPECT_EQ(fields.at("A").size(), 1900u);
  EXPECT_TRUE(fields.at("B").starts_with("line\nyyy"));
  EXPECT_EQ(fields.count("C"), 0u);
  EXPECT_LE(entry.bytes().size(), JournalEntry::kBytes);
}

TEST_F(JournalTest, WhatIsRoutineIsNotTold) {
  for (const EventKind kind :
       {EventKind::kConnect, EventKind::kCheckout, EventKind::kCheckin, EventKind::kReset,
        EventKind::kRecycle, EventKind::kClose, EventKind::kTuned}) {
    Happens(kind, nullptr, CloseReason::kRecycled);
  }
  EXPECT_EQ(journal_.Next(), "");
  EXPECT_FALSE(observer_.wants_leases()) << "leases stay free of locks and clocks";
}

TEST_F(JournalTest, AnOutageIsTwoEntries) {
  for (int i = 0; i < 50; ++i) {
    Happens(EventKind::kConnectFailed, &refused_);
    now_ += 10s;
    observer_.Flush(now_);
  }
  Happens(EventKind::kConnect);
  const Fields away = Next();
  EXPECT_EQ(away.at("ROOST_EVENT"), "connect_failed");
  EXPECT_EQ(away.at("MESSAGE"), "pool remote: its database is away: connection refused");
  const Fields back = Next();
  EXPECT_EQ(back.at("ROOST_EVENT"), "back");
  EXPECT_EQ(back.at("ROOST_TRIES"), "50");
  EXPECT_EQ(back.at("ROOST_SPAN_US"), "500000000");
  EXPECT_EQ(back.at("PRIORITY"), "5");
  EXPECT_EQ(journal_.Next(), "");
}

TEST_F(JournalTest, AnotherErrorIsAnotherChange) {
  const absl::Status password = absl::UnauthenticatedError("password authentication failed");
  Happens(EventKind::kConnectFailed, &refused_);
  Happens(EventKind::kConnectFailed, &password);
  Happens(EventKind::kConnectFailed, &password);
  Next();
  EXPECT_EQ(Next()["MESSAGE"], "pool remote: its database is away: password authentication failed");
  EXPECT_EQ(journal_.Next(), "");
}

TEST_F(JournalTest, RepeatsAreCounted) {
  for (int i = 0; i < 313; ++i) Happens(EventKind::kTimeout, &limit_);
  EXPECT_EQ(Next().count("ROOST_MORE"), 0u);
  EXPECT_EQ(journal_.Next(), "");
  now_ += 59s;
  observer_.Flush(now_);
  EXPECT_EQ(journal_.Next(), "") << "not yet";
  now_ += 1s;
  Happens(EventKind::kTimeout, &limit_);
  const Fields more = Next();
  EXPECT_EQ(more.at("ROOST_MORE"), "312");
  EXPECT_NE(more.at("MESSAGE").find("(and 312 more in 60 s)"), std::string::npos)
      << more.at("MESSAGE");
}

TEST_F(JournalTest, WhatIsCountedIsToldThoughNothingFollows) {
  for (int i = 0; i < 4; ++i) Happens(EventKind::kTimeout, &limit_);
  Next();
  now_ += 60s;
  observer_.Flush(now_);
  const Fields more = Next();
  EXPECT_EQ(more.at("ROOST_MORE"), "3");
  EXPECT_EQ(more.at("MESSAGE"), "pool remote: a caller timed out, 3 more times in 60 s");
  EXPECT_EQ(more.at("MESSAGE_ID"), JournalKinds().back().id) << "what is said of one has no fields";
  EXPECT_EQ(more.at("ROOST_EVENT"), "timeout");
  EXPECT_EQ(more.at("ROOST_SPAN_US"), "60000000");
  now_ += 60s;
  observer_.Flush(now_);
  EXPECT_EQ(journal_.Next(), "");
}

// A server that is away for a day, and a caller that times out each minute.
TEST_F(JournalTest, WhatGoesOnIsToldLessAndLessOften) {
  std::vector<std::string> entries;
  uint64_t told = 0;
  for (int minute = 0; minute < 24 * 60; ++minute) {
    Happens(EventKind::kTimeout, &limit_);
    now_ += 60s;
    observer_.Flush(now_);
    for (std::string entry = journal_.Next(); !entry.empty(); entry = journal_.Next()) {
      Fields fields = Parse(entry);
      told += fields["ROOST_MORE"].empty() ? 1 : std::stoull(fields["ROOST_MORE"]);
      entries.push_back(fields["MESSAGE"]);
    }
  }
  EXPECT_LT(entries.size(), 32u) << "six that are ever rarer, then one an hour";
  ASSERT_GT(entries.size(), 24u);
  EXPECT_GT(told, 23u * 60) << "each is counted";
  EXPECT_EQ(entries[2], "pool remote: a caller timed out, 1 more time in 2 min");
  EXPECT_EQ(entries.back(), "pool remote: a caller timed out, 60 more times in 60 min");
  now_ += 2h;  // it has ended, and is told at once when it comes again
  Happens(EventKind::kTimeout, &limit_);
  EXPECT_FALSE(journal_.Next().empty());
  now_ += 60s;
  Happens(EventKind::kTimeout, &limit_);
  EXPECT_FALSE(journal_.Next().empty());
}

TEST_F(JournalTest, TheRateIsBounded) {
  int entries = 0;
  for (int i = 0; i < 100; ++i) {  // a database that flaps
    Happens(EventKind::kConnectFailed, &refused_);
    Happens(EventKind::kConnect);
    while (!journal_.Next().empty()) ++entries;
  }
  EXPECT_EQ(entries, JournalObserver::kBurst);
  now_ += 1s;
  Happens(EventKind::kConnectFailed, &refused_);
  EXPECT_EQ(Next()["ROOST_LEFT_OUT"], "180");
  Happens(EventKind::kConnect);
  EXPECT_EQ(journal_.Next(), "") << "one a second";
}

TEST_F(JournalTest, AFullJournalHoldsNobodyUp) {
  while (socket_.dropped() == 0) {
    now_ += 1h;
    Happens(EventKind::kTimeout, &limit_);
  }
  journal_.Drain();
  now_ += 1h;
  Happens(EventKind::kTimeout, &limit_);
  EXPECT_EQ(Next()["ROOST_DROPPED"], "1");
}

TEST_F(JournalTest, WithoutAJournalNothingHappens) {
  JournalSocket nobody(dir_.File("none"));
  EXPECT_FALSE(nobody.Send(JournalEntry()));
  EXPECT_EQ(nobody.dropped(), 1u);
}

TEST_F(JournalTest, AStateIsToldWhenItChanges) {
  observer_.Say(Health::kHealthy, "12 readings sealed");
  observer_.Say(Health::kHealthy, "24 readings sealed");
  observer_.Say(Health::kNotHealthy, "the card is full");
  EXPECT_EQ(Next()["ROOST_STATE"], "healthy");
  const Fields bad = Next();
  EXPECT_EQ(bad.at("MESSAGE"), "not healthy: the card is full");
  EXPECT_EQ(bad.at("PRIORITY"), "4");
  EXPECT_EQ(journal_.Next(), "");
}

TEST_F(JournalTest, TheNextObserverHearsAll) {
  struct Counter : Observer {
    void OnEvent(const Event&) override { ++events; }
    int events = 0;
  } counter;
  JournalObserver first(socket_, "greenhouse", &counter);
  for (int i = 0; i < 3; ++i)
    first.OnEvent({.kind = EventKind::kTimeout, .pool = "local", .at = now_});
  EXPECT_EQ(counter.events, 3);
  EXPECT_TRUE(first.wants_leases()) << "as the next one does";
}

// The catalogue explains every entry, and by fields that there are.
TEST(JournalCatalogueTest, IsAboutTheEntriesThatAreSent) {
  std::ifstream file(ROOST_CATALOGUE);
  std::stringstream text;
  text << file.rdbuf();
  const std::string catalogue = text.str();
  std::set<std::string> explained;
  const std::regex head("\n-- ([0-9a-f]{32})\nSubject: [^\n]+\nDefined-By: roostpool\n\n");
  for (std::sregex_iterator found(catalogue.begin(), catalogue.end(), head);
       found != std::sregex_iterator(); ++found) {
    EXPECT_TRUE(explained.insert((*found)[1]).second);
  }
  std::set<std::string> sent;
  for (const JournalKind& kind : JournalKinds()) EXPECT_TRUE(sent.insert(kind.id).second);
  EXPECT_EQ(explained, sent);
  const std::set<std::string> fields{"CODE_FILE",     "CODE_LINE",        "ROOST_EVENT",
                                     "ROOST_MORE",    "ROOST_POOL",       "ROOST_REASON",
                                     "ROOST_SPAN_US", "ROOST_STATE",      "ROOST_STATUS",
                                     "ROOST_TRIES",   "SYSLOG_IDENTIFIER"};
  const std::regex field("@([A-Z_]+)@");
  for (std::sregex_iterator found(catalogue.begin(), catalogue.end(), field);
       found != std::sregex_iterator(); ++found) {
    EXPECT_EQ(fields.count((*found)[1]), 1u) << (*found)[1];
  }
}

}  // namespace
}  // namespace roost::telemetry
