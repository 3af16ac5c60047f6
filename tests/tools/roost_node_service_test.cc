// The parts of roost-node that face systemd: notifications, the watchdog's rule, the reporter.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <optional>
#include <string>

#include "platform/rpi/board_health.h"
#include "roost/pool.h"
#include "telemetry/status_file.h"
#include "tests/fakes/fake_platform.h"
#include "tests/fakes/scripted_backend.h"
#include "tests/support/temp_dir.h"
#include "tests/tools/made_up_board.h"
#include "tests/tools/notify_socket.h"
#include "tools/roost-node/card.h"
#include "tools/roost-node/messages.h"
#include "tools/roost-node/notify.h"
#include "tools/roost-node/reporter.h"
#include "tools/roost-node/watchdog.h"

namespace roost::tools {
namespace {

using namespace std::chrono_literals;
using roost::testing::NotifySocket;

// A variable of the environment during a test.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    setenv(name, value.c_str(), 1);
  }
  ~Variable() { unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* const name_;
};

TEST(NotifyTest, TellsASocketThatIsAPath) {
  support::TempDir folder;
  NotifySocket systemd(folder.File("notify"));
  const Notify notify({.socket = systemd.name()});
  EXPECT_TRUE(notify.on());
  EXPECT_TRUE(notify.Ready("fine"));
  EXPECT_EQ(systemd.Next(), "READY=1\nSTATUS=fine");
  EXPECT_TRUE(notify.Feed());
  EXPECT_EQ(systemd.Next(), "WATCHDOG=1");
  EXPECT_TRUE(notify.Stopping("sealing"));
  EXPECT_EQ(systemd.Next(), "STOPPING=1\nSTATUS=sealing");
}

TEST(NotifyTest, TellsAnAbstractSocket) {
  NotifySocket systemd("@roost-notify-test-" + std::to_string(getpid()));
  EXPECT_TRUE(Notify({.socket = systemd.name()}).Status("here"));
  EXPECT_EQ(systemd.Next(), "STATUS=here");
}

TEST(NotifyTest, AStatusIsOneLine) {
  support::TempDir folder;
  NotifySocket systemd(folder.File("notify"));
  EXPECT_TRUE(Notify({.socket = systemd.name()}).Status("bad\nREADY=1"));
  EXPECT_EQ(systemd.Next(), "STATUS=bad READY=1");
}

TEST(NotifyTest, WithoutASocketNothingHappensAndAllIsWell) {
  const Notify notify({.watchdog_period = 30s});
  EXPECT_FALSE(notify.on());
  EXPECT_TRUE(notify.Ready("") && notify.Status("") && notify.Feed() && notify.Stopping(""));
  EXPECT_EQ(notify.watchdog_period(), Duration::zero());
}

TEST(NotifyTest, ANameThatIsNoUnixSocketIsNotTaken) {
  for (const std::string& name :
       {std::string("vsock:2:1234"), std::string("@"), std::string("x"), std::string(200, '/')}) {
    EXPECT_FALSE(Notify({.socket = name}).on()) << name;
  }
}

TEST(NotifyTest, ASocketThatIsGoneOrFullIsAnAnswer) {
  support::TempDir folder;
  {
    NotifySocket systemd(folder.File("notify"));
    const Notify notify({.socket = systemd.name()});
    bool sent = true;
    for (int i = 0; i < 100000 && sent; ++i) sent = notify.Feed();
    EXPECT_FALSE(sent) << "a full queue must not block";
  }
  EXPECT_FALSE(Notify({.socket = folder.File("notify")}).Feed());
}

TEST(NotifyTest, TheEnvironmentSaysWhereAndHowOften) {
  EXPECT_EQ(Notify::FromEnvironment().socket, "");
  const Variable socket("NOTIFY_SOCKET", "/run/systemd/notify");
  {
    const Variable period("WATCHDOG_USEC", "30000000");
    EXPECT_EQ(Notify::FromEnvironment().socket, "/run/systemd/notify");
    EXPECT_EQ(Notify::FromEnvironment().watchdog_period, 30s);
    const Variable ours("WATCHDOG_PID", std::to_string(getpid()));
    EXPECT_EQ(Notify::FromEnvironment().watchdog_period, 30s);
    const Variable others("WATCHDOG_PID", std::to_string(getppid()));
    EXPECT_EQ(Notify::FromEnvironment().watchdog_period, 0s) << "somebody else is watched";
  }
  for (const char* wrong : {"", "0", "-5", "30s", "99999999999999999999"}) {
    const Variable period("WATCHDOG_USEC", wrong);
    EXPECT_EQ(Notify::FromEnvironment().watchdog_period, 0s) << wrong;
  }
}

TEST(JournalTest, IsTheJournalOnlyWhenStandardErrorIs) {
  struct stat seen {};
  ASSERT_EQ(fstat(STDERR_FILENO, &seen), 0);
  EXPECT_FALSE(ErrorsGoToJournal());
  {
    const Variable stream("JOURNAL_STREAM",
                          std::to_string(seen.st_dev) + ":" + std::to_string(seen.st_ino));
    EXPECT_TRUE(ErrorsGoToJournal());
  }
  // Inherited by a program whose standard error was sent elsewhere.
  const Variable stream("JOURNAL_STREAM", "8:1");
  EXPECT_FALSE(ErrorsGoToJournal());
}

TEST(JournalTest, MessagesBeginWithTheirGravityThereAndNowhereElse) {
  fakes::FakePlatform platform;
  for (const bool journal : {true, false}) {
    ::testing::internal::CaptureStderr();
    Messages messages(platform, false, journal);
    messages.Say("one\ntwo");
    messages.Warn("careful");
    messages.Fail("lost");
    EXPECT_EQ(::testing::internal::GetCapturedStderr(),
              journal ? "<6>one two\n<4>careful\n<3>lost\n"
                      : "roost-node: one two\nroost-node: careful\nroost-node: lost\n");
  }
}

TEST(JournalTest, WhatAServerWroteIsOneLineOfPlainText) {
  fakes::FakePlatform platform;
  ::testing::internal::CaptureStderr();
  Messages messages(platform, false, true);
  messages.Warn("%s",
                "\x1b[31mOWNED\x1b]0;t\x07\r\n<0>sshd\xc2\x9b"
                "2J\xe2\x80\xae");
  messages.Refused(absl::AbortedError("x\x1b[2J"), 1, 2);
  messages.BadLine(1, "\"a\xc2\x9d\"");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(),
            "<4>?[31mOWNED?]0;t?  <0>sshd?2J?\n"
            "<4>not stored, will be tried again: x?[2J; 1 of at most 2 readings are kept in "
            "memory\n"
            "<4>line 1: \"a?\"\n");
}

constexpr TimePoint kStart{1000s};
constexpr Duration kPeriod = 30s;
constexpr Duration kBound = Watchdog::kSealBound;

TEST(WatchdogTest, IsFedByATurnThatComesAnywayAndAtHalfThePeriod) {
  Watchdog watchdog(kPeriod);
  TimePoint now = kStart;
  EXPECT_TRUE(watchdog.ShouldFeed(now, {}));
  watchdog.Fed(now);
  EXPECT_EQ(watchdog.next(), kStart + kPeriod / 2) << "the loop has to wake for it";
  EXPECT_FALSE(watchdog.ShouldFeed(now + kPeriod / 4 - 1ns, {}));
  EXPECT_TRUE(watchdog.ShouldFeed(now + kPeriod / 4, {}));
  EXPECT_EQ(watchdog.feeds(), 1u);
}

TEST(WatchdogTest, NobodyWatchesNothingIsEverDue) {
  Watchdog watchdog(Duration::zero());
  EXPECT_FALSE(watchdog.ShouldFeed(kStart, {}));
  EXPECT_EQ(watchdog.next(), TimePoint::max());
}

TEST(WatchdogTest, ALoopThatHasNothingToSealIsAlive) {
  EXPECT_FALSE(Watchdog::IsStalled(kStart + 1000h, {}));
}

TEST(WatchdogTest, ReadingsThatAreDueHaveToBeTriedWithinTheBound) {
  const SealProgress due{.due = kStart};
  EXPECT_FALSE(Watchdog::IsStalled(kStart + kBound, due));
  EXPECT_TRUE(Watchdog::IsStalled(kStart + kBound + 1ns, due));
  Watchdog watchdog(kPeriod);
  EXPECT_FALSE(watchdog.ShouldFeed(kStart + kBound + 1ns, due));
}

TEST(WatchdogTest, ReadingsThatMayWaitForHoursAreNotOverdue) {
  // --seal-every 6h
  EXPECT_FALSE(Watchdog::IsStalled(kStart + 5h, {.due = kStart + 6h, .answered = kStart}));
}

TEST(WatchdogTest, ADatabaseThatRefusesIsAnAnswerAsLongAsItIsAsked) {
  const SealProgress refused{.due = kStart, .answered = kStart + 1000s};
  EXPECT_FALSE(Watchdog::IsStalled(kStart + 1000s + kBound, refused));
  EXPECT_TRUE(Watchdog::IsStalled(kStart + 1001s + kBound, refused));
}

TEST(WatchdogTest, AFeedThatWasWithheldIsLookedAtAgainSoonAndDoesNotSpin) {
  Watchdog watchdog(kPeriod);
  const TimePoint now = kStart + kBound + 1s;
  EXPECT_FALSE(watchdog.ShouldFeed(now, {.due = kStart}));
  EXPECT_GT(watchdog.next(), now);
  EXPECT_LE(watchdog.next(), now + 1s);
  EXPECT_TRUE(watchdog.ShouldFeed(now + 1s, {}));
}

// A node of made-up facts whose clock is turned by hand, with systemd listening.
class ReporterTest : public ::testing::Test {
 protected:
  ReporterTest() { options_.status_file = folder_.File("status.json"); }

  void Start() { reporter_.emplace(Listening(notify_)); }
  Reporter::Parts Listening(const Notify& notify) {
    return {.options = options_,
            .board = board_,
            .local = pool_,
            .notify = notify,
            .messages = messages_};
  }
  void Turn() { reporter_->Turn(platform_.Now(), facts_); }
  absl::StatusOr<telemetry::NodeStatus> File() const {
    return telemetry::ReadStatusFile(options_.status_file);
  }

  support::TempDir folder_;
  NotifySocket systemd_{folder_.File("notify")};
  fakes::FakePlatform platform_;
  fakes::ScriptedBackend backend_{&platform_};
  PoolFor<profiles::Testing> pool_{backend_, {.name = "local", .platform = &platform_}};
  Options options_;
  BoardHealth board_{{.root = folder_.path()}};
  Notify notify_{{.socket = systemd_.name(), .watchdog_period = kPeriod}};
  Messages messages_{platform_, true, false};
  NodeFacts facts_{.buffer = 100, .ready = true};
  std::optional<Reporter> reporter_;
};

TEST_F(ReporterTest, SaysReadyOnceAndOnlyWhenTheDatabaseIsUsable) {
  facts_.ready = false;
  facts_.refused = "it is locked";
  facts_.waiting = 7;
  Start();
  Turn();
  systemd_.Drain();
  EXPECT_EQ(systemd_.all().find("READY"), std::string::npos) << systemd_.all();
  EXPECT_NE(systemd_.all().find("waiting for the database: it is locked; 7 of at most 100"),
            std::string::npos)
      << systemd_.all();
  EXPECT_EQ(File()->state, "starting");

  facts_.ready = true;
  facts_.refused = {};
  Turn();
  EXPECT_TRUE(systemd_.WaitFor("READY=1").starts_with("READY=1\nSTATUS=no reading sealed yet"));
  EXPECT_EQ(File()->state, "running") << "a change is told at once";
  platform_.Advance(60s);
  Turn();
  systemd_.Drain();
  EXPECT_EQ(systemd_.all().find("READY"), systemd_.all().rfind("READY"));
}

TEST_F(ReporterTest, ADatabaseThatRefusesFromTheStartIsNoReasonToBeKilled) {
  facts_.ready = false;
  facts_.refused = "it is locked";
  Start();
  for (int i = 0; i < 59; ++i) {
    facts_.progress = {.due = kStart, .answered = platform_.Now()};
    Turn();
    systemd_.Drain();
    ASSERT_EQ(systemd_.all().find("READY"), std::string::npos) << "after " << i << " s";
    platform_.Advance(1s);
  }
  platform_.Advance(1s);
  facts_.progress = {.due = kStart, .answered = platform_.Now()};
  Turn();
  EXPECT_NE(systemd_.WaitFor("READY=1").find("it is locked"), std::string::npos);
  EXPECT_EQ(File()->state, "starting") << "for the file it is not";
}

TEST_F(ReporterTest, FeedsTheWatchdogWhileTheDatabaseRefusesAndShowsThat) {
  Start();
  facts_.refused = "the disk is full";
  for (int i = 0; i < 100; ++i) {  // 500 s
    facts_.progress = {.due = kStart, .answered = platform_.Now()};
    Turn();
    systemd_.Drain();
    platform_.Advance(5s);
  }
  EXPECT_NE(systemd_.all().find("STATUS=the database refuses: the disk is full"),
            std::string::npos);
  EXPECT_GE(File()->watchdog.feeds, 30u);
  EXPECT_EQ(File()->refused, "the disk is full");
  EXPECT_NE(telemetry::Trouble(*File(), BootMicros()).find("the disk is full"), std::string::npos);
}

TEST_F(ReporterTest, StopsFeedingWhenWhatIsDueIsNotTriedAndGoesOnWhenItIs) {
  Start();
  Turn();
  facts_.waiting = 3;
  facts_.progress = {.due = platform_.Now()};
  platform_.Advance(kBound + 1s);
  systemd_.Drain();
  ::testing::internal::CaptureStderr();
  for (int i = 0; i < 30; ++i) {
    Turn();
    platform_.Advance(1s);
    EXPECT_GE(reporter_->next(), platform_.Now()) << "the loop must not spin";
  }
  EXPECT_EQ(::testing::internal::GetCapturedStderr(),
            "roost-node: 3 readings are overdue and the database has not been heard of for 16 s; "
            "the watchdog is not fed\n");
  for (std::string told = systemd_.Next(); !told.empty(); told = systemd_.Next()) {
    EXPECT_EQ(told.find("WATCHDOG=1"), std::string::npos);
  }
  facts_.progress.answered = platform_.Now();
  Turn();
  EXPECT_EQ(systemd_.WaitFor("WATCHDOG"), "WATCHDOG=1");
}

TEST_F(ReporterTest, WritesTheFileAsOftenAsAskedAndAtOnceAfterTheFirstSeal) {
  options_.status_every = 10s;
  Start();
  Turn();
  const int64_t first = File()->written_boot_us;
  platform_.Advance(9s);
  Turn();
  EXPECT_EQ(File()->written_boot_us, first);
  facts_.counts.stored = 5;
  facts_.last_seal = telemetry::SealStatus{.boot_us = 1, .unix_us = 40'805'000'000, .count = 5};
  Turn();
  EXPECT_EQ(File()->readings.sealed, 5u);
  EXPECT_EQ(File()->text, "5 readings sealed, the last 5 at 11:20:05Z");
  facts_.counts.stored = 6;
  platform_.Advance(10s);
  Turn();
  EXPECT_EQ(File()->readings.sealed, 6u);
  reporter_.reset();
  EXPECT_TRUE(absl::IsNotFound(File().status())) << "a clean end takes it away";
}

TEST_F(ReporterTest, AFileThatCannotBeWrittenIsSaidOnceAndDoesNotStopTheNode) {
  options_.status_file = folder_.File("gone/status.json");
  Start();
  ::testing::internal::CaptureStderr();
  for (int i = 0; i < 5; ++i) {
    Turn();
    platform_.Advance(10s);
  }
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(said.find("the status file"), said.rfind("the status file"));
  EXPECT_NE(said.find("the status file: cannot open"), std::string::npos) << said;
}

TEST_F(ReporterTest, WhileThePowerFailsItTellsThatAndWritesNoFileToTheCard) {
  Start();
  Turn();
  const int64_t first = File()->written_boot_us;
  facts_.power = {.state = Power::State::kDark,
                  .cause = Power::Cause::kSignal,
                  .since = platform_.Now(),
                  .failures = 1};
  facts_.refused = "the power fails (SIGPWR), and nothing is written until it is good again";
  facts_.waiting = 7;
  Turn();
  EXPECT_NE(
      systemd_.WaitFor("the power fails")
          .find("STATUS=the power fails (SIGPWR), and nothing is written until it is good again; "
                "7 of at most 100 readings are kept in memory"),
      std::string::npos)
      << systemd_.all();
  // A service's lies in /run, which is in memory.
  EXPECT_EQ(File()->written_boot_us != first, IsInMemory(options_.status_file));
  facts_.power.state = Power::State::kGood;
  facts_.refused = {};
  Turn();
  EXPECT_NE(File()->written_boot_us, first);
  EXPECT_EQ(File()->refused, "");
}

TEST_F(ReporterTest, ThePowerIsAMemberOfItsOwnAndAMetric) {
  const auto figures = [this] {
    Figures all;
    reporter_->AddFigures(platform_.Now(), all);
    std::map<std::string, int64_t> told;
    for (const Figure& figure : all.all()) {
      told[std::string(figure.metric.name) + " " + std::string(figure.part)] = figure.value;
    }
    return told;
  };
  roost::testing::MakeUpBoard(folder_.path());
  board_.LookAgain();
  Start();
  Turn();
  EXPECT_EQ(File()->power.state, "good");
  EXPECT_EQ(File()->power.cause, "none");
  EXPECT_EQ(File()->power.failed_boot_us, 0);
  EXPECT_EQ(figures()["power good"], 1);
  EXPECT_EQ(figures()["power_cause none"], 1);
  EXPECT_EQ(figures()["cpu_temperature_celsius "], 81);
  EXPECT_EQ(figures()["cpu_throttled "], 1);
  facts_.power = {.state = Power::State::kSealing,
                  .cause = Power::Cause::kVoltage,
                  .since = platform_.Now(),
                  .failures = 3};
  platform_.Advance(1s);
  Turn();
  auto told = figures();
  EXPECT_EQ(told["power good"], 0);
  EXPECT_EQ(told["power sealing"], 1);
  EXPECT_EQ(told["power dark"], 0);
  EXPECT_EQ(told["power_cause none"], 0);
  EXPECT_EQ(told["power_cause under_voltage"], 1);
  EXPECT_EQ(told["power_fails "], Duration(1s).count());
  EXPECT_EQ(told["power_failures "], 3);
  facts_.power.state = Power::State::kGood;
  Turn();
  EXPECT_EQ(File()->power.state, "good") << "a change is told at once";
  EXPECT_EQ(File()->power.cause, "under_voltage") << "of the latest failure";
  EXPECT_EQ(File()->power.failures, 3u);
  EXPECT_GT(File()->power.failed_boot_us, 0);
  EXPECT_EQ(figures()["power_fails "], 0);
}

TEST_F(ReporterTest, AllFiguresOfANodeFitIntoTheList) {
  roost::testing::MakeUpBoard(folder_.path());
  board_.LookAgain();
  Start();
  Turn();
  Figures all;
  reporter_->AddFigures(platform_.Now(), all);
  constexpr size_t kOfBoundedMemory = 6;
  constexpr size_t kOfWrittenBytes = 1;
  EXPECT_LE(all.all().size() + kOfBoundedMemory + kOfWrittenBytes, Figures::kMost);
}

TEST(CardTest, WhatIsInMemoryIsKnown) {
  EXPECT_FALSE(IsInMemory("/proc/self/status"));
  EXPECT_FALSE(IsInMemory("/no/such/folder/file"));
  struct statfs seen {};
  if (statfs("/dev/shm", &seen) == 0 && seen.f_type == 0x01021994) {
    EXPECT_TRUE(IsInMemory("/dev/shm/status.json"));
  }
}

TEST_F(ReporterTest, TellsThatItStops) {
  Start();
  Turn();
  reporter_->Stopping(platform_.Now(), facts_);
  EXPECT_NE(systemd_.WaitFor("STOPPING=1").find("STATUS="), std::string::npos);
  EXPECT_EQ(File()->state, "ending");
}

TEST_F(ReporterTest, WithNobodyListeningItAsksForNoTurns) {
  options_.status_file = "";
  const Notify nobody({});
  Reporter reporter(Listening(nobody));
  reporter.Turn(platform_.Now(), facts_);
  EXPECT_EQ(reporter.next(), TimePoint::max());
}

}  // namespace
}  // namespace roost::tools
