// The checks of the self-test over made-up machines, and the runner with checks that hang.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>

#include "roost/platform.h"
#include "telemetry/status_file.h"
#include "tests/support/temp_dir.h"
#include "tools/common/remote_uri.h"
#include "tools/roostctl/selftest/checks.h"
#include "tools/roostctl/selftest/config.h"
#include "tools/roostctl/selftest/remote.h"
#include "tools/roostctl/selftest/report.h"
#include "tools/roostctl/selftest/run.h"
#include "tools/roostctl/selftest/scratch.h"

namespace roost::tools::selftest {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr char kPi[] = "Raspberry Pi 4 Model B Rev 1.4";

class SelftestRunTest : public testing::Test {
 protected:
  SelftestRunTest() {
    fs::create_directories(data);
    fs::create_directories(setup.root);
  }
  void Put(const std::string& path, std::string_view text) {
    const fs::path file = setup.root + path;
    fs::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << text;
  }
  void PutMount(const std::string& type, const std::string& options) {
    Put("/proc/self/mountinfo", "22 1 179:2 / / " + options + " - " + type + " /dev/root rw\n");
  }
  void PutCard() {
    Put("/sys/devices/mmc/block/mmcblk0/mmcblk0p2/partition", "2\n");
    Put("/sys/devices/mmc/block/mmcblk0/ro", "0\n");
    fs::create_directories(setup.root + "/sys/dev/block");
    fs::create_directory_symlink("../../devices/mmc/block/mmcblk0/mmcblk0p2",
                                 setup.root + "/sys/dev/block/179:2");
  }
  Result Ask(Result (*check)(Context&)) {
    Scratch scratch(setup.folder);
    RemoteDatabase remote(setup.remote, NativePlatform());
    Context context{.setup = setup,
                    .platform = NativePlatform(),
                    .scratch = scratch,
                    .remote = remote,
                    .deadline = Deadline::After(NativePlatform().Now(), 60s)};
    return check(context);
  }
  void Expect(Result (*check)(Context&), Verdict verdict) {
    const Result result = Ask(check);
    EXPECT_STREQ(Name(result.verdict), Name(verdict)) << result.measured;
    EXPECT_FALSE(result.measured.empty());
  }
  size_t FilesInData() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(data), {}));
  }

  support::TempDir folder;
  const std::string data = folder.File("data");
  selftest::Setup setup{.root = folder.File("root"),
                        .db = data + "/node.db",
                        .folder = data,
                        .status_file = folder.File("root/run/roost/status.json"),
                        .unit = "roost-node.service"};
};

TEST_F(SelftestRunTest, AnEmptyMachineFailsNoCheckOfTheBoard) {
  for (const auto check :
       {CheckClockSource, CheckHardwareGenerator, CheckCardFileSystem, CheckCardOptions,
        CheckCardWritable, CheckMemoryAvailable, CheckMemoryGroup, CheckMemoryOom,
        CheckBoardVoltage, CheckBoardThrottling, CheckBoardTemperature, CheckBoardGovernor,
        CheckBoardWatchdog, CheckServiceUnit, CheckServiceNode, CheckCardIntegrity,
        CheckRemoteReach, CheckRemoteServer, CheckRemoteLatency}) {
    Expect(check, Verdict::kSkip);
  }
}

TEST_F(SelftestRunTest, ClockSourcesAreCountersOfTheCpuOrSlow) {
  const std::string path = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
  Put(path, "arch_sys_counter\n");
  Expect(CheckClockSource, Verdict::kPass);
  Put(path, "hpet\n");
  Expect(CheckClockSource, Verdict::kWarn);
}

TEST_F(SelftestRunTest, EveryPiHasAGenerator) {
  Put("/proc/device-tree/model", kPi);
  Expect(CheckHardwareGenerator, Verdict::kWarn);
  Put("/sys/class/misc/hw_random/rng_current", "iproc-rng200\n");
  Expect(CheckHardwareGenerator, Verdict::kPass);
}

TEST_F(SelftestRunTest, DataInMemoryIsAFailureUnlessMeant) {
  for (const auto& [type, verdict] : {std::pair{"ext4", Verdict::kPass},
                                      {"f2fs", Verdict::kPass},
                                      {"tmpfs", Verdict::kFail},
                                      {"overlay", Verdict::kFail},
                                      {"nfs4", Verdict::kFail},
                                      {"vfat", Verdict::kWarn}}) {
    PutMount(type, "rw");
    Expect(CheckCardFileSystem, verdict);
  }
  PutMount("tmpfs", "rw");
  setup.allow_volatile = true;
  Expect(CheckCardFileSystem, Verdict::kPass);
}

TEST_F(SelftestRunTest, MountOptionsThatLoseOrWearAreNamed) {
  for (const auto& [options, verdict] : {std::pair{"rw,noatime", Verdict::kPass},
                                         {"rw,nobarrier", Verdict::kFail},
                                         {"rw,barrier=0", Verdict::kFail},
                                         {"rw,strictatime", Verdict::kWarn},
                                         {"rw,data=writeback", Verdict::kWarn}}) {
    PutMount("ext4", options);
    Expect(CheckCardOptions, verdict);
  }
}

TEST_F(SelftestRunTest, ACardThatTakesNoWritesFails) {
  PutCard();
  PutMount("ext4", "rw");
  Expect(CheckCardWritable, Verdict::kPass);
  Put("/sys/fs/ext4/mmcblk0p2/errors_count", "2\n");
  Expect(CheckCardWritable, Verdict::kFail);
  Put("/sys/fs/ext4/mmcblk0p2/errors_count", "0\n");
  PutMount("ext4", "ro,noatime");
  Expect(CheckCardWritable, Verdict::kFail);
  PutMount("ext4", "rw");
  Put("/sys/devices/mmc/block/mmcblk0/ro", "1\n");
  Expect(CheckCardWritable, Verdict::kFail);
}

TEST_F(SelftestRunTest, WearComesFromTheCardOfTheData) {
  PutMount("ext4", "rw");
  Expect(CheckCardWear, Verdict::kSkip);
  PutCard();
  Put("/sys/devices/mmc/block/mmcblk0/device/pre_eol_info", "0x03\n");
  Expect(CheckCardWear, Verdict::kFail);
}

TEST_F(SelftestRunTest, MemoryIsWhatIsAvailable) {
  Put("/proc/meminfo", "MemTotal: 948304 kB\nMemAvailable: 524288 kB\n");
  Expect(CheckMemoryAvailable, Verdict::kPass);
  Put("/proc/meminfo", "MemTotal: 948304 kB\nMemAvailable: 60000 kB\n");
  Expect(CheckMemoryAvailable, Verdict::kWarn);
  Put("/proc/meminfo", "MemTotal: 948304 kB\nMemAvailable: 10000 kB\n");
  Expect(CheckMemoryAvailable, Verdict::kFail);
}

TEST_F(SelftestRunTest, TheLimitIsThatOfTheService) {
  const std::string group = "/sys/fs/cgroup/system.slice/roost-node.service/";
  Put(group + "memory.max", "67108864\n");
  Put(group + "memory.events", "oom 0\noom_kill 0\n");
  Expect(CheckMemoryGroup, Verdict::kPass);
  Put(group + "memory.events", "oom 1\noom_kill 1\n");
  Expect(CheckMemoryGroup, Verdict::kWarn);
  Put(group + "memory.events", "oom 0\noom_kill 0\n");
  Put(group + "memory.max", "1048576\n");
  Expect(CheckMemoryGroup, Verdict::kWarn);
}

TEST_F(SelftestRunTest, StrictAccountingOfMemoryIsAWarning) {
  Put("/proc/sys/vm/overcommit_memory", "0\n");
  Expect(CheckMemoryOom, Verdict::kPass);
  Put("/proc/sys/vm/overcommit_memory", "2\n");
  Expect(CheckMemoryOom, Verdict::kWarn);
}

TEST_F(SelftestRunTest, PowerAndHeatAreToldNowAndSinceBoot) {
  const std::string bits = "/sys/devices/platform/soc/soc:firmware/get_throttled";
  const struct {
    const char* bits;
    Verdict voltage, throttling;
  } cases[] = {
      {"0", Verdict::kPass, Verdict::kPass},     {"1", Verdict::kFail, Verdict::kPass},
      {"10000", Verdict::kWarn, Verdict::kPass}, {"4", Verdict::kPass, Verdict::kWarn},
      {"80000", Verdict::kPass, Verdict::kWarn}, {"50005", Verdict::kFail, Verdict::kWarn}};
  for (const auto& one : cases) {
    SCOPED_TRACE(one.bits);
    Put(bits, one.bits);
    Expect(CheckBoardVoltage, one.voltage);
    Expect(CheckBoardThrottling, one.throttling);
  }
}

TEST_F(SelftestRunTest, TemperatureHasTwoBounds) {
  Put("/sys/class/thermal/thermal_zone0/type", "cpu-thermal\n");
  for (const auto& [milli, verdict] : {std::pair{"79900\n", Verdict::kPass},
                                       {"80000\n", Verdict::kWarn},
                                       {"85000\n", Verdict::kFail}}) {
    Put("/sys/class/thermal/thermal_zone0/temp", milli);
    Expect(CheckBoardTemperature, verdict);
  }
}

TEST_F(SelftestRunTest, GovernorsThatNeverRiseAreAWarning) {
  const std::string path = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor";
  Put(path, "ondemand\n");
  Expect(CheckBoardGovernor, Verdict::kPass);
  Put(path, "powersave\n");
  Expect(CheckBoardGovernor, Verdict::kWarn);
}

TEST_F(SelftestRunTest, AWatchdogIsArmedOrNot) {
  Put("/proc/device-tree/model", kPi);
  Expect(CheckBoardWatchdog, Verdict::kWarn);
  const std::string device = "/sys/class/watchdog/watchdog0/";
  Put(device + "identity", "Broadcom BCM2835 Watchdog timer\n");
  Expect(CheckBoardWatchdog, Verdict::kSkip);
  Put(device + "timeout", "10\n");
  Put(device + "state", "inactive\n");
  Expect(CheckBoardWatchdog, Verdict::kWarn);
  Put(device + "state", "active\n");
  Expect(CheckBoardWatchdog, Verdict::kPass);
  Put(device + "timeout", "1\n");
  Expect(CheckBoardWatchdog, Verdict::kWarn);
}

TEST_F(SelftestRunTest, ANodeThatRunsTellsOfItself) {
  telemetry::NodeStatus status;
  status.written_boot_us = BootMicros();
  status.every = 10s;
  status.state = "running";
  status.ready = true;
  status.last_seal = telemetry::SealStatus{};
  status.readings.sealed = 1;
  fs::create_directories(fs::path(setup.status_file).parent_path());
  ASSERT_TRUE(telemetry::WriteStatusFile(setup.status_file, status).ok());
  Expect(CheckServiceNode, Verdict::kPass);
  Put("/run/roost/status.json", "not json");
  Expect(CheckServiceNode, Verdict::kSkip);
}

TEST_F(SelftestRunTest, MeasuresOnThisMachineLeaveTheFolderClean) {
  for (const auto check : {CheckCardSync, CheckCardLog, CheckPoolNested, CheckPoolReset,
                           CheckStatements, CheckMemoryAllocations}) {
    const Result result = Ask(check);
    EXPECT_NE(result.verdict, Verdict::kFail) << result.measured;
    EXPECT_NE(result.verdict, Verdict::kSkip) << result.measured;
  }
  EXPECT_EQ(FilesInData(), 0u);
}

TEST_F(SelftestRunTest, AFolderOfAKilledRunIsRemovedAndThatOfALivingOneIsNot) {
  fs::create_directories(data + "/.roostctl-selftest-killed/sub");
  Scratch living(data);
  ASSERT_TRUE(living.File("x").ok());
  EXPECT_EQ(FilesInData(), 1u);
  Scratch second(data);
  ASSERT_TRUE(second.File("x").ok());
  EXPECT_EQ(FilesInData(), 2u);
  living.Remove();
  second.Remove();
  EXPECT_EQ(FilesInData(), 0u);
}

TEST_F(SelftestRunTest, WithoutTheFolderOfTheDataTheCardIsSkipped) {
  setup.folder.clear();
  for (const auto check : {CheckCardFileSystem, CheckCardSpace, CheckCardSync, CheckCardLog}) {
    Expect(check, Verdict::kSkip);
  }
}

// ---- The configuration --------------------------------------------------------------------------

TEST_F(SelftestRunTest, TheNodesConfigurationNamesDatabaseAndRemote) {
  const std::string path = folder.File("roost-node.conf");
  const std::string remote = "postgresql://node@h/d";
  std::ofstream(path) << "every = 5s\ndb = " << setup.db << "\nremote = " << remote << "\n";
  NodeConfig config = ReadNodeConfig(path).value();
  EXPECT_EQ(config.db, setup.db);
  EXPECT_EQ(config.remote, remote);
  EXPECT_FALSE(config.password_hidden);
  // The service's password lies beside it.
  const std::string password = folder.File("remote-password");
  std::ofstream(password) << "s3cret\n";
  ASSERT_EQ(chmod(password.c_str(), 0600), 0);
  EXPECT_EQ(ReadNodeConfig(path)->remote, remote);
  EXPECT_EQ(ReadNodeConfig(path)->password_file, password);
  ASSERT_EQ(chmod(password.c_str(), 0644), 0);
  const absl::Status refused = ReadNodeConfig(path).status();
  EXPECT_FALSE(refused.ok());
  EXPECT_EQ(refused.message().find("s3cret"), std::string::npos);
  EXPECT_TRUE(absl::IsNotFound(ReadNodeConfig(folder.File("none")).status()));
}

// ---- The runner ---------------------------------------------------------------------------------

Result Passes(Context&) { return Pass("fine"); }
Result Warns(Context&) { return Warn("so so", "fine", "do this"); }
Result Fails(Context&) { return Fail("bad", "fine", "do that"); }

// Released at the end of the test, so that the thread left behind ends before the program does.
std::atomic<uint32_t> hanging{0};
Result Hangs(Context& context) {
  while (hanging == 0) context.platform.Wait(hanging, 0, Deadline::Never());
  hanging = 2;
  context.platform.Wake(&hanging);
  return Pass("too late");
}

constexpr Check kFine{"a.fine", "", 1s, false, Passes};
constexpr Check kSlow{"a.slow", "", 1s, true, Passes};
constexpr Check kWarning{"b.warns", "", 1s, false, Warns};
constexpr Check kFailure{"b.fails", "", 1s, false, Fails};
constexpr Check kHangs{"b.hangs", "", 1ms, false, Hangs};

Run RunThese(std::vector<const Check*> checks, const Setup& setup, bool quick = false) {
  return RunChecks(checks, setup, NativePlatform(), quick, [](const Finding&) {});
}

TEST_F(SelftestRunTest, ExitCodesFollowTheVerdicts) {
  EXPECT_EQ(ExitCode(RunThese({&kFine}, setup), true), 0);
  EXPECT_EQ(ExitCode(RunThese({&kFine, &kWarning}, setup), false), 0);
  EXPECT_EQ(ExitCode(RunThese({&kFine, &kWarning}, setup), true), 1);
  EXPECT_EQ(ExitCode(RunThese({&kFailure, &kFine}, setup), false), 1);
}

TEST_F(SelftestRunTest, QuickLeavesTheSlowOnesOut) {
  const selftest::Run run = RunThese({&kFine, &kSlow}, setup, true);
  EXPECT_EQ(run.Count(Verdict::kPass), 1);
  EXPECT_EQ(run.Count(Verdict::kSkip), 1);
}

TEST_F(SelftestRunTest, ACheckThatHangsIsLeftBehindAndTheOthersGoOn) {
  const selftest::Run run = RunThese({&kHangs, &kFine}, setup);
  ASSERT_EQ(run.findings.size(), 2u);
  EXPECT_EQ(run.findings[0].result.verdict, Verdict::kFail);
  EXPECT_EQ(run.findings[1].result.verdict, Verdict::kPass);
  EXPECT_TRUE(run.left_behind);
  EXPECT_LT(run.findings[0].took, 30s);
  hanging = 1;
  NativePlatform().Wake(&hanging);
  while (hanging == 1) NativePlatform().Wait(hanging, 1, Deadline::Never());
}

TEST(SelftestTableTest, NamesAreOneGroupAndOneWordAndEndWithinAMinute) {
  std::vector<std::string> names;
  for (const Check& check : AllChecks()) {
    const std::string name = check.name;
    EXPECT_EQ(std::count(name.begin(), name.end(), '.'), 1) << name;
    EXPECT_EQ(std::count(names.begin(), names.end(), name), 0) << name;
    EXPECT_GT(std::string(check.what).size(), 5u) << name;
    EXPECT_LE(check.limit, 15s) << name;
    names.push_back(name);
  }
  EXPECT_STREQ(AllChecks().back().name, "clock.jumps");
  EXPECT_LT(kRunLimit + kGrace + 3s, 60s);
}

}  // namespace
}  // namespace roost::tools::selftest
