// Names and addresses, with a name service that does as it is told.
#include <netdb.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>

#include "backends/common/address_book.h"
#include "backends/common/address_queue.h"
#include "backends/common/resolver.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/fake_platform.h"
#include "tests/support/temp_dir.h"

namespace roost::backends {
namespace {

using fakes::FakePlatform;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using support::TempDir;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A name service that answers when it is told to. Shared with lookups that outlive the test's
// objects, as a real one does.
class NameService {
 public:
  LookUpFunction function() const {
    return [state = state_](const std::string&) {
      std::unique_lock lock(state->mu);
      ++state->asked;
      state->changed.notify_all();
      state->changed.wait(lock, [&] { return state->open; });
      ++state->answered;
      state->changed.notify_all();
      return state->answer;
    };
  }
  // From now on every question is answered so at once, also those that are waiting.
  void Answer(Addresses answer) {
    std::unique_lock lock(state_->mu);
    state_->answer = std::move(answer);
    state_->open = true;
    state_->changed.notify_all();
  }
  void FallSilent() {
    std::unique_lock lock(state_->mu);
    state_->open = false;
  }
  void WaitUntilAsked(int times) {
    WaitFor([times](const State& s) { return s.asked >= times; });
  }
  void WaitUntilAnswered(int times) {
    WaitFor([times](const State& s) { return s.answered >= times; });
  }
  int asked() const {
    std::unique_lock lock(state_->mu);
    return state_->asked;
  }

 private:
  struct State {
    std::mutex mu;
    std::condition_variable changed;
    bool open = false;
    Addresses answer;
    int asked = 0;
    int answered = 0;
  };
  template <class Condition>
  void WaitFor(Condition condition) {
    std::unique_lock lock(state_->mu);
    state_->changed.wait(lock, [&] { return condition(*state_); });
  }
  const std::shared_ptr<State> state_ = std::make_shared<State>();
};

class AddressTest : public ::testing::Test {
 protected:
  // A lookup that hangs until the test's end must end some time.
  ~AddressTest() override { names_.Answer({}); }

  AddressQueue Queue(const HostAddress& host, Duration limit = 20s) {
    return AddressQueue(host, resolver_, book_, platform_, Deadline::After(platform_.Now(), limit));
  }
  // The next address; "pending" or "none".
  std::string Next(AddressQueue& queue) {
    std::string address;
    switch (queue.Next(platform_.Now(), address)) {
      case AddressQueue::State::kReady:
        return address;
      case AddressQueue::State::kPending:
        return "pending";
      case AddressQueue::State::kNone:
        break;
    }
    return "none";
  }
  // When the answer has come: waits for the event as a housekeeper would.
  std::string NextAfterAnswer(AddressQueue& queue) {
    std::string next = Next(queue);
    while (next == "pending") {
      NativePlatform().WaitForDescriptor(-1, {}, Deadline::After(NativePlatform().Now(), 1ms));
      next = Next(queue);
    }
    return next;
  }

  const HostAddress name_{.name = "db.example.test"};
  FakePlatform platform_;
  NameService names_;
  Resolver resolver_{names_.function()};
  AddressBook book_{""};
};

// ---- The queue ----

TEST_F(AddressTest, AnAddressAndASocketNeedNoLookup) {
  const HostAddress address{.name = "10.0.0.5", .address = "10.0.0.5"};
  AddressQueue one = Queue(address);
  EXPECT_EQ(Next(one), "10.0.0.5");
  EXPECT_FALSE(one.HasMore());
  EXPECT_EQ(Next(one), "none");
  const HostAddress socket{.name = "/run/postgresql", .socket = true};
  AddressQueue two = Queue(socket);
  EXPECT_EQ(Next(two), "");
  EXPECT_EQ(names_.asked(), 0);
}

TEST_F(AddressTest, TheAddressesOfANameComeInTheirOrder) {
  AddressQueue queue = Queue(name_);
  EXPECT_EQ(Next(queue), "pending");
  EXPECT_GE(queue.wait().fd, 0);
  EXPECT_TRUE(queue.wait_deadline().IsNever());
  names_.Answer({.list = {"10.0.0.1", "10.0.0.2"}});
  EXPECT_EQ(NextAfterAnswer(queue), "10.0.0.1");
  EXPECT_TRUE(queue.HasMore());
  EXPECT_EQ(queue.ShareOf(10s), 5s);
  EXPECT_EQ(Next(queue), "10.0.0.2");
  EXPECT_EQ(queue.ShareOf(5s), 5s);
  EXPECT_EQ(Next(queue), "none");
  EXPECT_EQ(queue.error(), 0);
}

TEST_F(AddressTest, TheLastGoodOneComesFirst) {
  book_.Remember(std::string(name_.name), "10.0.0.2");
  AddressQueue queue = Queue(name_);
  names_.Answer({.list = {"10.0.0.1", "10.0.0.2"}});
  EXPECT_EQ(NextAfterAnswer(queue), "10.0.0.2");
  EXPECT_EQ(Next(queue), "10.0.0.1");
}

TEST_F(AddressTest, AFailedLookupSaysWhyWhereNoAddressIsKnown) {
  AddressQueue queue = Queue(name_);
  names_.Answer({.error = EAI_AGAIN, .message = "not now"});
  EXPECT_EQ(NextAfterAnswer(queue), "none");
  EXPECT_EQ(queue.error(), EAI_AGAIN);
  EXPECT_EQ(queue.message(), "not now");
}

TEST_F(AddressTest, AFailedLookupLeavesTheLastGoodOne) {
  book_.Remember(std::string(name_.name), "10.0.0.9");
  AddressQueue queue = Queue(name_);
  names_.Answer({.error = EAI_AGAIN, .message = "not now"});
  EXPECT_EQ(NextAfterAnswer(queue), "10.0.0.9");
  EXPECT_EQ(Next(queue), "none");
}

TEST_F(AddressTest, ASlowLookupIsOvertakenByTheLastGoodOne) {
  book_.Remember(std::string(name_.name), "10.0.0.9");
  AddressQueue queue = Queue(name_);
  EXPECT_EQ(Next(queue), "pending");
  EXPECT_EQ(queue.wait_deadline(), Deadline::At(platform_.Now() + 1s));
  platform_.Advance(1s);
  EXPECT_EQ(Next(queue), "10.0.0.9");
  EXPECT_TRUE(queue.HasMore());
  // It was no good: the answer counts again, but for the one that was tried.
  EXPECT_EQ(Next(queue), "pending");
  EXPECT_TRUE(queue.wait_deadline().IsNever());
  names_.Answer({.list = {"10.0.0.9", "10.0.0.1"}});
  EXPECT_EQ(NextAfterAnswer(queue), "10.0.0.1");
  EXPECT_EQ(Next(queue), "none");
}

TEST_F(AddressTest, OfAShortDeadlineTheLookupGetsAQuarter) {
  book_.Remember(std::string(name_.name), "10.0.0.9");
  AddressQueue queue = Queue(name_, 2s);
  EXPECT_EQ(Next(queue), "pending");
  EXPECT_EQ(queue.wait_deadline(), Deadline::At(platform_.Now() + 500ms));
}

// ---- Lookups ----

TEST_F(AddressTest, TheBellRingsWhenTheAnswerComes) {
  const std::unique_ptr<Lookup> lookup = resolver_.Start("a", NativePlatform());
  EXPECT_EQ(lookup->answer(), nullptr);
  names_.Answer({.list = {"10.0.0.1"}});
  const Deadline generous = Deadline::After(NativePlatform().Now(), 60s);
  EXPECT_TRUE(
      NativePlatform().WaitForDescriptor(lookup->event(), {.readable = true}, generous).any());
  ASSERT_NE(lookup->answer(), nullptr);
  EXPECT_THAT(lookup->answer()->list, ElementsAre("10.0.0.1"));
}

TEST_F(AddressTest, WhoAsksForANameThatIsBeingLookedUpJoinsIn) {
  const std::unique_ptr<Lookup> first = resolver_.Start("a", NativePlatform());
  const std::unique_ptr<Lookup> second = resolver_.Start("a", NativePlatform());
  const std::unique_ptr<Lookup> other = resolver_.Start("b", NativePlatform());
  names_.WaitUntilAsked(2);
  names_.Answer({.list = {"10.0.0.1"}});
  for (const Lookup* const lookup : {first.get(), second.get(), other.get()}) {
    const Deadline generous = Deadline::After(NativePlatform().Now(), 60s);
    NativePlatform().WaitForDescriptor(lookup->event(), {.readable = true}, generous);
    EXPECT_NE(lookup->answer(), nullptr);
  }
  EXPECT_EQ(names_.asked(), 2);
}

TEST_F(AddressTest, ALookupThatHangsHoldsNobodyUp) {
  {
    Resolver resolver(names_.function());
    const std::unique_ptr<Lookup> lookup = resolver.Start("a", platform_);
    names_.WaitUntilAsked(1);
    EXPECT_EQ(platform_.open_bells(), 1);
  }
  EXPECT_EQ(platform_.open_bells(), 0);
  names_.Answer({.list = {"10.0.0.1"}});
  names_.WaitUntilAnswered(1);
}

TEST_F(AddressTest, AddressesAreToldFromNames) {
  for (const char* const address : {"10.0.0.5", "::1", "fe80::1%eth0", "2001:db8::5"}) {
    EXPECT_TRUE(IsAddress(address)) << address;
  }
  for (const char* const name : {"db", "10.0.0", "10.0.0.5.example", "", "::g"}) {
    EXPECT_FALSE(IsAddress(name)) << name;
  }
  EXPECT_TRUE(IsLoopback("127.0.0.1") && IsLoopback("127.9.9.9") && IsLoopback("::1"));
  EXPECT_FALSE(IsLoopback("10.0.0.1") || IsLoopback("::2") || IsLoopback("localhost"));
}

TEST_F(AddressTest, TheSystemAnswersForAnAddressWithoutAsking) {
  EXPECT_THAT(SystemLookUp("127.0.0.1").list, ElementsAre("127.0.0.1"));
  const Addresses wrong = SystemLookUp("");
  EXPECT_NE(wrong.error, 0);
  EXPECT_FALSE(wrong.message.empty());
}

// ---- The file ----

class AddressFileTest : public ::testing::Test {
 protected:
  std::string Text() const {
    std::ostringstream text;
    text << std::ifstream(path_).rdbuf();
    return text.str();
  }
  const TempDir dir_{};
  const std::string path_ = dir_.File("addresses");
};

TEST_F(AddressFileTest, AnAddressOutlivesTheProcess) {
  {
    AddressBook book(path_);
    book.Load();
    book.Remember("db.example.test", "10.0.0.5");
    book.Remember("other.example.test", "::2");
  }
  AddressBook book(path_);
  EXPECT_THAT(book.Find("db.example.test"), IsEmpty());
  book.Load();
  EXPECT_EQ(book.Find("db.example.test"), "10.0.0.5");
  EXPECT_EQ(book.Find("other.example.test"), "::2");
}

TEST_F(AddressFileTest, ItIsWrittenOnlyWhenSomethingChanges) {
  AddressBook book(path_);
  book.Remember("db", "10.0.0.5");
  EXPECT_EQ(Text(), "db 10.0.0.5\n");
  std::filesystem::remove(path_);
  book.Remember("db", "10.0.0.5");
  EXPECT_FALSE(std::filesystem::exists(path_));
  book.Remember("db", "10.0.0.6");
  EXPECT_EQ(Text(), "db 10.0.0.6\n");
}

TEST_F(AddressFileTest, ItIsReplacedWhole) {
  std::ofstream(path_) << "db 10.0.0.5\n";
  const int old_links = static_cast<int>(std::filesystem::hard_link_count(path_));
  std::filesystem::create_hard_link(path_, dir_.File("old"));
  AddressBook book(path_);
  book.Load();
  book.Remember("db", "10.0.0.6");
  EXPECT_EQ(Text(), "db 10.0.0.6\n");
  EXPECT_EQ(static_cast<int>(std::filesystem::hard_link_count(path_)), old_links);
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(dir_.path())) {
    static_cast<void>(entry);
    ++files;
  }
  EXPECT_EQ(files, 2);  // it and the other name of the old one
}

TEST_F(AddressFileTest, WhatDoesNotBelongThereIsPassedOver) {
  std::ofstream(path_) << "db not-an-address\nother 10.0.0.5\nodd";
  AddressBook book(path_);
  book.Load();
  EXPECT_THAT(book.Find("db"), IsEmpty());
  EXPECT_EQ(book.Find("other"), "10.0.0.5");
}

TEST_F(AddressFileTest, AFileThatCannotBeReadOrWrittenIsNoError) {
  AddressBook book(dir_.File("no/such/folder"));
  book.Load();
  book.Remember("db", "10.0.0.5");
  EXPECT_EQ(book.Find("db"), "10.0.0.5");
}

}  // namespace
}  // namespace roost::backends
