// tests/telemetry/status_server_test.cc - what a StatusServer answers, and what it bears.
#include <grp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "roost/status.h"
#include "telemetry/event_ring.h"
#include "tests/pool/pool_test_support.h"
#include "tests/support/in_child.h"
#include "tests/support/status_macros.h"
#include "tests/support/temp_dir.h"
#include "tests/telemetry/status_client.h"

namespace roost {
namespace {

using Json = nlohmann::ordered_json;
using support::InChild;
using telemetry::BoxHead;
using telemetry::EventRecord;
using telemetry::EventRing;
using telemetry::OpenDescriptors;
using telemetry::StatusClient;

class StatusServerTest : public PoolTest {
 protected:
  StatusOptions Named(const char* name) {
    return {.name = name, .folder = dir.path().c_str(), .platform = &platform};
  }
  std::string Path(const std::string& name) const { return dir.File(name); }
  TimePoint Serve(StatusServer& server) { return server.Serve(platform.Now()); }
  // What a well-behaved client gets.
  std::string Ask(StatusServer& server, std::string_view verb) {
    StatusClient client((std::string(server.path())));
    client.Send(std::string(verb) + "\n");
    Serve(server);
    Serve(server);
    std::string answer = client.Read();
    EXPECT_TRUE(client.closed()) << verb;
    platform.Advance(200ms);  // past the period in which few are taken
    return answer;
  }
  Json AskStatus(StatusServer& server) {
    const std::string answer = Ask(server, "status");
    const Json json = Json::parse(answer, nullptr, false);
    EXPECT_TRUE(json.is_object()) << answer;
    return json;
  }

  support::TempDir dir;
};

// ---- What it answers ----

TEST_F(StatusServerTest, TellsWhoHoldsWhoWaitsAndSinceWhen) {
  StatusServer server(Named("node7"));
  ASSERT_TRUE(server.status().ok()) << server.status();
  EXPECT_EQ(server.path(), Path("node7.sock"));
  PoolFor<Plain<1>> pool(backend, {.name = "local", .observer = &server, .platform = &platform});
  server.Add(pool);
  const int line = __LINE__ + 1;
  Lease held = Must(pool.Acquire(kWrite, pool.In(1s)));
  platform.Advance(3s);
  Caller waiter(platform, pool, pool.In(9s));
  platform.Advance(2s);
  const Json status = AskStatus(server);
  EXPECT_EQ(status["format"], 1);
  EXPECT_EQ(status["name"], "node7");
  EXPECT_EQ(status["pid"], getpid());
  EXPECT_EQ(status["running_s"], 5);
  const Json& local = status["pools"][0];
  EXPECT_EQ(local["name"], "local");
  EXPECT_EQ(local["profile"], "plain");
  EXPECT_EQ(local["stats"]["in_use"], 1);
  EXPECT_EQ(local["stats"]["longest_hold_s"], 5);
  EXPECT_EQ(local["lanes"][0]["waiting"], 1);
  EXPECT_EQ(local["lanes"][0]["oldest_wait_s"], 2);
  EXPECT_EQ(local["slots"][0]["state"], "leased");
  EXPECT_EQ(local["slots"][0]["held_s"], 5);
  EXPECT_EQ(local["slots"][0]["file"], "status_server_test.cc");
  EXPECT_EQ(local["slots"][0]["line"], line);
  EXPECT_EQ(local["waiters"][0]["since_s"], 2);
  held.Return();
  platform.Run();
  waiter.Return();
}

// A backend with figures, and a program with some.
class CountingBackend : public fakes::ScriptedBackend {
 public:
  void AddFigures(TimePoint now, Figures& out) const override {
    const auto add = [&out](MetricKind kind, std::string_view name, std::string_view unit,
                            int64_t value) {
      out.Add({.metric = {kind, name, unit, "H"}, .group = "sqlite", .value = value});
    };
    add(MetricKind::kCounter, "busy", "s", 1'500'000'000);
    add(MetricKind::kGauge, "age", "s", (now - fakes::FakePlatform::kStart).count());
    out.Add({.metric = {MetricKind::kCounter, "hits", "statements", "H"},
             .group = "statement_cache",
             .value = 7});
  }
};
class CountingProgram final : public StatusSource {
 public:
  CountingProgram() { seals_.Add(3ms); }
  void AddFigures(TimePoint, Figures& out) const override {
    for (const char* part : {"sealed", "lost"}) {
      out.Add({.metric = {MetricKind::kCounter, "readings", "readings", "Taken"},
               .group = "node",
               .label = "outcome",
               .part = part,
               .value = 4});
    }
    out.Add(
        {.metric = {MetricKind::kHistogram, "seal", "s", "H"}, .group = "node", .spans = &seals_});
    for (const char* part : {"good", "dark"}) {
      out.Add({.metric = {MetricKind::kGauge, "power", "state", "Which"},
               .group = "node",
               .label = "state",
               .part = part,
               .value = *part == 'd' ? 1 : 0});
    }
    // Another group in between, whose members are not the first group's second.
    out.Add({.metric = {MetricKind::kGauge, "rows", "rows", "H"}, .group = "store", .value = 9});
    out.Add({.metric = {MetricKind::kGauge, "heat", "celsius", "H"}, .group = "node", .value = -7});
  }

 private:
  Histogram seals_;
};

TEST_F(StatusServerTest, TellsWhatTheServerOfAPoolSaid) {
  StatusServer server(Named("node7"));
  PoolFor<Plain<1>> pool(backend, {.name = "remote", .platform = &platform});
  server.Add(pool);
  EXPECT_FALSE(AskStatus(server)["pools"][0].contains("server")) << "it has none, or was not asked";
  backend.server_facts = {.version = {"15.20 (Debian)"},
                          .user = {"node"},
                          .tls = {"TLSv1.3"},
                          .role = ServerRole::kStandby,
                          .round_trip = 12ms};
  const Json told = AskStatus(server)["pools"][0]["server"];
  EXPECT_EQ(told["version"], "15.20 (Debian)");
  EXPECT_EQ(told["role"], "standby");
  EXPECT_EQ(told["user"], "node");
  EXPECT_EQ(told["tls"], "TLSv1.3");
  EXPECT_EQ(told["round_trip_s"], 0.012);
}

TEST_F(StatusServerTest, TellsTheFiguresOfBackendsAndOfTheProgram) {
  StatusServer server(Named("node7"));
  CountingBackend counting;
  PoolFor<Plain<1>> pool(counting, {.name = "local", .platform = &platform});
  PoolFor<Plain<1>> plain(backend, {.name = "other", .platform = &platform});
  PoolFor<Plain<1>> third(counting, {.name = "third", .platform = &platform});
  for (const Pool* one :
       {static_cast<Pool*>(&plain), static_cast<Pool*>(&pool), static_cast<Pool*>(&third)}) {
    server.Add(*one);
  }
  const CountingProgram program;
  server.Add(program);
  Take(pool).Return();
  Take(pool).Return();
  platform.Advance(2s);
  const Json status = AskStatus(server);
  EXPECT_TRUE(status["pools"][0]["figures"].empty());
  EXPECT_EQ(status["pools"][1]["figures"]["sqlite"]["busy_s"], 1.5);
  EXPECT_EQ(status["pools"][1]["figures"]["sqlite"]["age_s"], 2);
  EXPECT_EQ(status["pools"][1]["figures"]["statement_cache"]["hits"], 7);
  EXPECT_EQ(status["pools"][1]["slots"][0]["uses"], 2);
  EXPECT_EQ(status["figures"]["node"]["readings_lost"], 4);
  EXPECT_EQ(status["figures"]["node"]["seal"]["count"], 1);
  EXPECT_EQ(status["figures"]["node"]["power"], "dark");
  EXPECT_EQ(status["figures"]["node"]["heat"], -7);
  EXPECT_EQ(status["figures"]["store"]["rows"], 9);
  std::string metrics = Ask(server, "metrics");
  const auto labels = [](const char* name) {
    return std::string("{roost_node=\"node7\",db_client_connection_pool_name=\"") + name + "\"} ";
  };
  metrics.erase(0, metrics.find("# HELP roost_sqlite_"));  // what a failure shows is long enough
  EXPECT_THAT(metrics, ::testing::HasSubstr("# TYPE roost_sqlite_busy_seconds_total counter\n"
                                            "roost_sqlite_busy_seconds_total" +
                                            labels("local") +
                                            "1.5\n"
                                            "roost_sqlite_busy_seconds_total" +
                                            labels("third") + "1.5\n"));
  EXPECT_THAT(metrics,
              ::testing::HasSubstr("\nroost_statement_cache_hits_total" + labels("local") + "7\n"));
  EXPECT_THAT(
      metrics,
      ::testing::HasSubstr(
          "# HELP roost_node_readings_total Taken.\n# TYPE roost_node_readings_total counter\n"
          "roost_node_readings_total{roost_node=\"node7\",outcome=\"sealed\"} 4\n"
          "roost_node_readings_total{roost_node=\"node7\",outcome=\"lost\"} 4\n"));
  EXPECT_THAT(metrics,
              ::testing::HasSubstr("roost_node_seal_seconds_count{roost_node=\"node7\"} 1\n"));
  EXPECT_THAT(metrics,
              ::testing::HasSubstr("roost_node_power{roost_node=\"node7\",state=\"good\"} 0\n"
                                   "roost_node_power{roost_node=\"node7\",state=\"dark\"} 1\n"));
  EXPECT_THAT(metrics, ::testing::HasSubstr("roost_node_heat{roost_node=\"node7\"} -7\n"));
}

// ---- The file of metrics ----

std::string Contents(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

TEST_F(StatusServerTest, WritesTheMetricsIntoAFileThatOthersMayRead) {
  StatusServer server(Named("node7"));
  PoolFor<Plain<1>> pool(backend, {.name = "local", .platform = &platform});
  server.Add(pool);
  const std::string file = dir.File("node.prom");
  const mode_t before = umask(0077);
  ASSERT_OK(server.WriteMetrics(file));
  umask(before);
  struct stat found {};
  ASSERT_EQ(stat(file.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0644u);
  EXPECT_EQ(Contents(file), Ask(server, "metrics"));
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(dir.path())) {
    files += entry.path().string().starts_with(file) ? 1 : 0;
  }
  EXPECT_EQ(files, 1) << "nothing is left beside it";
}

TEST_F(StatusServerTest, AFileOfMetricsThatCannotBeWrittenLeavesTheOneBefore) {
  StatusServer server(Named("node7"));
  EXPECT_EQ(server.WriteMetrics(dir.File("gone/node.prom")).code(), absl::StatusCode::kNotFound);
  const std::string folder = dir.File("x.prom");
  std::filesystem::create_directory(folder);
  const absl::Status refused = server.WriteMetrics(folder);
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(refused.message()), ::testing::HasSubstr(folder));
  for (const auto& entry : std::filesystem::directory_iterator(dir.path())) {
    EXPECT_FALSE(entry.path().string().ends_with(".new")) << entry.path();
  }
  EXPECT_FALSE(server.WriteMetrics(std::string(600, 'p')).ok());
  EXPECT_FALSE(server.WriteMetrics("").ok());
}

// A limit of the file's size in place of a disk that is full: both refuse a write in the middle.
TEST_F(StatusServerTest, AFullDiskLeavesTheFileOfBefore) {
  StatusServer server(Named("node7"));
  const std::string file = dir.File("node.prom");
  ASSERT_OK(server.WriteMetrics(file));
  const std::string before = Contents(file);
  struct rlimit limit {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &limit), 0);
  const rlimit least{100, limit.rlim_max};
  const auto old = signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &least), 0);
  const absl::Status full = server.WriteMetrics(file);
  setrlimit(RLIMIT_FSIZE, &limit);
  signal(SIGXFSZ, old);
  EXPECT_EQ(full.code(), absl::StatusCode::kUnavailable) << full;
  EXPECT_EQ(Contents(file), before);
  ASSERT_OK(server.WriteMetrics(file));
}

TEST_F(StatusServerTest, TellsWhatTheProgramSaidAndSinceWhen) {
  StatusServer server(Named("node7"));
  EXPECT_FALSE(AskStatus(server).contains("state")) << "it has said nothing";
  server.Say(Health::kStarting);
  platform.Advance(1s);
  server.Say(Health::kNotHealthy, "the database refuses");
  platform.Advance(7s);
  server.Say(Health::kNotHealthy, "the database refuses, try 2");
  const Json status = AskStatus(server);
  EXPECT_EQ(status["state"], "not healthy");
  EXPECT_EQ(status["state_s"], 7) << "since the state, not since the text";
  EXPECT_EQ(status["text"], "the database refuses, try 2");
}

TEST_F(StatusServerTest, KeepsTheLatestEventsWithoutLeases) {
  StatusServer server(Named("node7"));
  PoolFor<Plain<1>> pool(backend, {.name = "local", .observer = &server, .platform = &platform});
  backend.FailNext(Call::kOpen, Gone());
  (void)pool.Acquire(kWrite, pool.In(1ms));
  platform.Advance(10s);
  Take(pool).Return();
  const Json told = AskStatus(server)["events"];
  ASSERT_GE(told.size(), 2u);
  EXPECT_EQ(told[0]["kind"], "connect_failed");
  EXPECT_EQ(told[0]["code"], "unavailable");
  EXPECT_EQ(told[0]["text"], "connection refused");
  EXPECT_GE(told[0]["ago_s"], 10.0);
  EXPECT_EQ(told.back()["kind"], "connect");
  for (const Json& event : told) EXPECT_NE(event["kind"], "checkout");
  for (int i = 0; i < 100; ++i) pool.InvalidateAll();
  const Json status = AskStatus(server);
  EXPECT_EQ(status["events"].size(), 64u);
  EXPECT_GT(status["events_total"], 100);
  EXPECT_EQ(status["events"].back()["kind"], "soft_invalidate");
}

struct Asked : Plain<1> {
  static constexpr PrePing kPrePing = PrePing::kAlways;
  static constexpr Duration kKeepAlive = 20s;
};

TEST_F(StatusServerTest, TellsForHowLongADeadConnectionHadRestedAndTheSettingsBehindIt) {
  StatusServer server(Named("node7"));
  PoolFor<Asked> pool(backend, {.name = "local", .observer = &server, .platform = &platform});
  server.Add(pool);
  Take(pool).Return();
  platform.Advance(7s);
  backend.FailNext(Call::kPing, Gone());
  Take(pool).Return();
  const Json status = AskStatus(server);
  std::string rests;
  for (const Json& event : status["events"]) {
    if (event["kind"] == "invalidate") rests += event["span_s"].dump() + " ";
  }
  EXPECT_EQ(rests, "7 ");
  const Json& told = status["pools"][0];
  EXPECT_EQ(told["pre_ping"], "always");
  EXPECT_EQ(told["keep_alive_s"], 20);
  for (const char* name : {"pool_recycle_s", "linger_s", "leak_after_s"}) {
    EXPECT_TRUE(told[name].is_number()) << name;
  }
}

TEST_F(StatusServerTest, TellsOfEachSlotHowItFailedLast) {
  StatusServer server(Named("node7"));
  PoolFor<Plain<2>> pool(backend, {.name = "local", .observer = &server, .platform = &platform});
  PoolFor<Plain<2>> other(backend, {.name = "other", .observer = &server, .platform = &platform});
  server.Add(pool);
  server.Add(other);
  backend.FailNext(Call::kOpen, Gone());
  (void)pool.Acquire(kWrite, pool.In(1ms));
  platform.Advance(10s);
  Take(other).Return();
  {
    const Json local = AskStatus(server)["pools"][0]["slots"];
    EXPECT_EQ(local[0]["error_code"], "unavailable");
    EXPECT_EQ(local[0]["error_ago_s"], 10);
    EXPECT_FALSE(local[0].contains("error_reason")) << "nothing was closed";
    EXPECT_FALSE(local[1].contains("error_ago_s"));
  }
  // A later failure takes its place; a slot that works again keeps it, with its age.
  Lease lease = Take(pool);
  lease.Discard();
  lease.Return();
  platform.Advance(3s);
  Take(pool).Return();
  const Json status = AskStatus(server);
  const Json& slot = status["pools"][0]["slots"][0];
  EXPECT_EQ(slot["state"], "idle");
  EXPECT_EQ(slot["error_reason"], "discarded");
  EXPECT_FALSE(slot.contains("error_code")) << "its user said so, and no driver";
  EXPECT_EQ(slot["error_ago_s"], 3);
  for (const Json& one : status["pools"][1]["slots"]) EXPECT_FALSE(one.contains("error_ago_s"));
  for (int i = 0; i < 64; ++i) pool.InvalidateAll();
  EXPECT_FALSE(AskStatus(server)["pools"][0]["slots"][0].contains("error_ago_s"))
      << "the ring has it no more";
}

struct Echoed : Plain<1> {
  static constexpr bool kEchoPool = true;
};

// The echo hears of leases and passes them on.
TEST_F(StatusServerTest, LeasesPushNothingOutOfTheRingBehindAnEcho) {
  StatusServer server(Named("node7"));
  PoolFor<Echoed> pool(backend, {.name = "local", .observer = &server, .platform = &platform});
  ::testing::internal::CaptureStderr();
  for (int i = 0; i < 100; ++i) Take(pool).Return();
  ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(AskStatus(server)["events_total"], 2) << "first_connect and connect";
}

TEST_F(StatusServerTest, AWindowForgetsWhatIsLongAgo) {
  StatusServer server(Named("node7"));
  PoolFor<Plain<1>> pool(backend, {.name = "local", .observer = &server, .platform = &platform});
  server.Add(pool);
  backend.Takes(Call::kOpen, 800ms);
  Take(pool).Return();
  EXPECT_EQ(AskStatus(server)["pools"][0]["window"]["wait"]["p99_s"], 0.8);
  for (int minute = 0; minute < 2; ++minute) {
    platform.Advance(60s);
    Serve(server);
  }
  Take(pool).Return();
  Take(pool).Return();
  const Json local = AskStatus(server)["pools"][0];
  EXPECT_EQ(local["window"]["checkouts"], 2);
  EXPECT_EQ(local["window"]["opens"], 0);
  EXPECT_LT(local["window"]["wait"]["p99_s"], 0.1);
  EXPECT_LE(local["window"]["span_s"], 121);
  EXPECT_EQ(local["stats"]["checkouts"], 3) << "since the start";
  EXPECT_EQ(local["stats"]["wait"]["max_s"], 0.8);
}

TEST_F(StatusServerTest, AnUnknownRequestIsToldTheKnownOnes) {
  StatusServer server(Named("node7"));
  EXPECT_THAT(Ask(server, "pause"), HasSubstr("the requests are: status, metrics"));
  EXPECT_THAT(Ask(server, ""), IsEmpty());
}

// An alert on changes of it would fire at each scrape, were it worked out anew.
TEST_F(StatusServerTest, TheTimeOfTheStartStaysAsItWas) {
  StatusServer server(Named("node7"));
  const std::string line = "roost_node_start_time_seconds{roost_node=\"node7\"} 1700000000\n";
  EXPECT_THAT(Ask(server, "metrics"), HasSubstr(line));
  platform.Advance(100s);
  platform.set_unix_micros(1'800'000'000'000'000);
  EXPECT_THAT(Ask(server, "metrics"), HasSubstr(line));
}

TEST_F(StatusServerTest, NoAnswerAsksTheDatabase) {
  StatusServer server(Named("node7"));
  PoolFor<Plain<2>> pool(backend, {.name = "local", .observer = &server, .platform = &platform});
  server.Add(pool);
  Take(pool).Return();
  backend.ClearLog();
  AskStatus(server);
  Ask(server, "metrics");
  EXPECT_TRUE(backend.log().empty());
}

// ---- What it bears ----

TEST_F(StatusServerTest, AClientThatSendsNothingIsClosedAfterASecond) {
  StatusServer server(Named("node7"));
  StatusClient silent(Path("node7.sock")), half(Path("node7.sock"));
  half.Send("stat");
  const TimePoint next = Serve(server);
  EXPECT_EQ(next, platform.Now() + 1s);
  platform.Advance(999ms);
  Serve(server);
  silent.Read();
  EXPECT_FALSE(silent.closed());
  platform.Advance(1ms);
  EXPECT_EQ(Serve(server), TimePoint::max());
  silent.Read();
  half.Read();
  EXPECT_TRUE(silent.closed() && half.closed());
}

TEST_F(StatusServerTest, ALineInPiecesIsOneRequest) {
  StatusServer server(Named("node7"));
  StatusClient client(Path("node7.sock"));
  for (const char c : std::string_view("status")) {
    client.Send({&c, 1});
    Serve(server);
  }
  client.Send("\n");
  Serve(server);
  EXPECT_TRUE(Json::parse(client.Read(), nullptr, false).is_object());
}

TEST_F(StatusServerTest, AMegabyteIsRefusedAtItsSixtyFifthByte) {
  StatusServer server(Named("node7"));
  StatusClient client(Path("node7.sock"));
  EXPECT_GT(client.Send(std::string(100'000, 'x')), 64);
  Serve(server);
  EXPECT_THAT(client.Read(), HasSubstr("at most 64 bytes"));
  std::array<DescriptorWait, 8> waits;
  EXPECT_EQ(server.Descriptors(waits), 1) << "the client is gone";
  StatusClient longest(Path("node7.sock"));
  longest.Send(std::string(64, 'y') + "\n");
  Serve(server);
  EXPECT_THAT(longest.Read(), HasSubstr("the requests are"));
}

TEST_F(StatusServerTest, AFifthClientIsToldThatOthersAreServed) {
  StatusServer server(Named("node7"));
  std::vector<StatusClient> silent;
  for (int i = 0; i < 4; ++i) silent.emplace_back(Path("node7.sock"));
  StatusClient fifth(Path("node7.sock"));
  Serve(server);
  EXPECT_THAT(fifth.Read(), HasSubstr("busy"));
  std::array<DescriptorWait, 8> waits;
  EXPECT_EQ(server.Descriptors(waits), 5);
}

TEST_F(StatusServerTest, AClientThatNeverReadsCostsNothing) {
  StatusServer server(Named("node7"));
  StatusClient client(Path("node7.sock"));
  client.Send("status\n");
  EXPECT_EQ(Serve(server), TimePoint::max());
  std::array<DescriptorWait, 8> waits;
  EXPECT_EQ(server.Descriptors(waits), 1);
}

// However many come, a turn takes 8, and the next ones 100 ms later.
TEST_F(StatusServerTest, AThousandClientsAreTakenByAndBy) {
  StatusServer server(Named("node7"));
  const int before = OpenDescriptors();
  std::vector<StatusClient> crowd;
  int turned_away = 0;
  for (int i = 0; i < 1000; ++i) {
    StatusClient client(Path("node7.sock"));
    if (client.connected()) {
      crowd.push_back(std::move(client));
    } else {
      ++turned_away;
    }
    Serve(server);
  }
  EXPECT_GT(turned_away, 900) << "the kernel's queue is short";
  std::array<DescriptorWait, 8> waits;
  EXPECT_LE(server.Descriptors(waits), 4) << "it does not listen until the period is over";
  EXPECT_EQ(Serve(server), platform.Now() + 100ms);
  EXPECT_LE(OpenDescriptors() - before - static_cast<int>(crowd.size()), 4);
  for (int i = 0; i < 100; ++i) {
    platform.Advance(100ms);
    Serve(server);
  }
  crowd.clear();
  platform.Advance(2s);
  Serve(server);
  EXPECT_EQ(OpenDescriptors(), before);
  EXPECT_TRUE(AskStatus(server).is_object()) << "an operator is served after that";
}

// ---- Its name ----

TEST_F(StatusServerTest, ASecondProgramOfThatNameIsRefusedWithTheFirstOnesProcess) {
  StatusServer server(Named("node7"));
  EXPECT_TRUE(InChild([&] {
    StatusServer second(Named("node7"));
    const std::string said = second.status().ToString();
    return absl::IsAlreadyExists(second.status()) && second.path().empty() &&
           said.find(std::to_string(getppid())) != std::string::npos;
  }));
  EXPECT_TRUE(AskStatus(server).is_object()) << "the first one is there as before";
}

TEST_F(StatusServerTest, ASecondServerOfThatNameInThisProgramIsRefused) {
  StatusServer server(Named("node7"));
  {
    StatusServer second(Named("node7"));
    EXPECT_TRUE(absl::IsAlreadyExists(second.status())) << second.status();
  }
  EXPECT_TRUE(AskStatus(server).is_object());
  EXPECT_TRUE(InChild([&] {
    StatusServer third(Named("node7"));
    return absl::IsAlreadyExists(third.status());
  })) << "the lock is still held";
}

TEST_F(StatusServerTest, TheSocketOfADeadProcessIsReplaced) {
  const pid_t child = fork();
  if (child == 0) {
    StatusServer server(Named("node7"));
    raise(SIGKILL);
  }
  waitpid(child, nullptr, 0);
  ASSERT_TRUE(std::filesystem::exists(Path("node7.sock")));
  StatusServer server(Named("node7"));
  ASSERT_TRUE(server.status().ok()) << server.status();
  EXPECT_TRUE(AskStatus(server).is_object());
}

// A child that was forked keeps copies of the descriptors, and outlives its parent.
TEST_F(StatusServerTest, AChildOfTheDeadProcessDoesNotKeepItsName) {
  std::array<int, 2> pipe_ends{};
  ASSERT_EQ(pipe(pipe_ends.data()), 0);
  const pid_t parent = fork();
  if (parent == 0) {
    StatusServer server(Named("node7"));
    if (fork() == 0) {
      close(pipe_ends[1]);
      char byte = 0;
      _exit(read(pipe_ends[0], &byte, 1) < 0 ? 1 : 0);  // until the test lets go
    }
    raise(SIGKILL);
  }
  close(pipe_ends[0]);
  waitpid(parent, nullptr, 0);
  StatusServer server(Named("node7"));
  EXPECT_TRUE(server.status().ok()) << server.status();
  EXPECT_TRUE(AskStatus(server).is_object());
  close(pipe_ends[1]);
}

TEST_F(StatusServerTest, InAForkedChildItIsSilentAndRemovesNothing) {
  StatusServer server(Named("node7"));
  EXPECT_TRUE(InChild([&] {
    platform.Fork();
    const int before = OpenDescriptors();
    server.Say(Health::kEnding, "said by the child");
    Serve(server);
    std::array<DescriptorWait, 8> waits;
    const bool silent = server.Descriptors(waits) == 0 && OpenDescriptors() == before - 3;
    server.~StatusServer();
    return silent;
  }));
  EXPECT_TRUE(std::filesystem::exists(Path("node7.sock")));
  EXPECT_FALSE(AskStatus(server).contains("state"));
}

TEST_F(StatusServerTest, AFileThatIsNoSocketIsLeftAlone) {
  std::ofstream(Path("node7.sock")) << "somebody's";
  {
    StatusServer server(Named("node7"));
    EXPECT_TRUE(absl::IsAlreadyExists(server.status()));
    EXPECT_THAT(std::string(server.status().message()), HasSubstr("is no socket"));
  }
  EXPECT_EQ(std::filesystem::file_size(Path("node7.sock")), 10u);
}

TEST_F(StatusServerTest, ItsEndRemovesItsOwnSocketAndNoOther) {
  { StatusServer server(Named("node7")); }
  EXPECT_FALSE(std::filesystem::exists(Path("node7.sock")));
  {
    StatusServer server(Named("node7"));
    std::filesystem::remove(Path("node7.sock"));
    std::ofstream(Path("node7.sock")) << "somebody's";
  }
  EXPECT_TRUE(std::filesystem::exists(Path("node7.sock")));
}

TEST_F(StatusServerTest, NamesFoldersAndModesThatCannotBeAreRefusedWithASentence) {
  for (const char* name : {"", ".", "..", "../x", "a/b", "a b", "\n", "n\xc3\xa4h",
                           "a-name-that-is-longer-than-the-fifty-two-letters-of-it"}) {
    StatusServer server(Named(name));
    EXPECT_TRUE(absl::IsInvalidArgument(server.status())) << name;
    EXPECT_EQ(Serve(server), TimePoint::max()) << "and the program goes on";
  }
  StatusServer coloured(Named("\x1b[31mred"));
  EXPECT_EQ(coloured.status().message().find('\x1b'), std::string::npos);
  const std::string missing = Path("missing");
  StatusServer nowhere({.name = "n", .folder = missing.c_str(), .platform = &platform});
  EXPECT_TRUE(absl::IsNotFound(nowhere.status())) << nowhere.status();
  const std::string deep = Path(std::string(100, 'd'));
  StatusServer too_long({.name = "n", .folder = deep.c_str(), .platform = &platform});
  EXPECT_THAT(std::string(too_long.status().message()), HasSubstr("107 bytes"));
  StatusServer open({.name = "n", .folder = dir.path().c_str(), .mode = 0777});
  EXPECT_TRUE(absl::IsInvalidArgument(open.status()));
}

// ---- Who may read ----

TEST_F(StatusServerTest, ItsModeIsAsAskedWhateverTheUmask) {
  const mode_t before = umask(0077);
  StatusServer server(Named("node7"));
  umask(before);
  struct stat found {};
  ASSERT_EQ(stat(Path("node7.sock").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0660u);
  ASSERT_EQ(stat(Path("node7.box").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0640u);
}

// Runs `body` in a child that is the user 65534 of `group` and of the further group `more`.
template <class Body>
bool AsStranger(gid_t group, gid_t more, Body body) {
  return InChild([&] {
    return setgroups(1, &more) == 0 && setresgid(group, group, group) == 0 &&
           setresuid(65534, 65534, 65534) == 0 && body();
  });
}

// What the user 65534 is answered by `server`, which this process serves meanwhile.
std::string AnswerToStranger(StatusServer& server, gid_t group, gid_t more) {
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) return "no pipe";
  const std::string path(server.path());
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);
    if (setgroups(1, &more) != 0 || setresgid(group, group, group) != 0 ||
        setresuid(65534, 65534, 65534) != 0) {
      _exit(1);
    }
    StatusClient client(path);
    client.Send("status\n");
    std::string answer;
    while (client.connected() && !client.closed()) answer += client.Read();
    const std::string head = answer.substr(0, 200);
    _exit(write(ends[1], head.data(), head.size()) < 0 ? 1 : 0);
  }
  close(ends[1]);
  TimePoint now = NativePlatform().Now();
  while (waitpid(child, nullptr, WNOHANG) == 0) {
    std::array<DescriptorWait, 8> waits;
    const auto count = static_cast<size_t>(server.Descriptors(waits));
    NativePlatform().WaitForDescriptors(std::span(waits).first(count),
                                        Deadline::After(NativePlatform().Now(), 10ms));
    server.Serve(now += 100ms);
  }
  std::array<char, 256> head{};
  const ssize_t got = read(ends[0], head.data(), head.size());
  close(ends[0]);
  return std::string(head.data(), got > 0 ? static_cast<size_t>(got) : 0);
}

// The mode of the socket keeps strangers out; the check of who asks does where the mode was changed.
TEST_F(StatusServerTest, AStrangerIsToldSoAndAMemberOfTheGroupIsServed) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can be another user";
  StatusOptions options = Named("node7");
  options.group = 4711;
  StatusServer server(options);
  ASSERT_TRUE(server.status().ok()) << server.status();
  std::filesystem::permissions(dir.path(), std::filesystem::perms::all);
  const auto connects = [&] { return StatusClient(Path("node7.sock")).connected(); };
  EXPECT_FALSE(AsStranger(65534, 65534, connects)) << "the kernel refuses";
  EXPECT_TRUE(AsStranger(4711, 65534, connects));
  std::filesystem::permissions(Path("node7.sock"), std::filesystem::perms(0666));
  platform.Advance(1s);
  EXPECT_THAT(AnswerToStranger(server, 65534, 65534), HasSubstr("only root"));
  EXPECT_THAT(AnswerToStranger(server, 4711, 65534), HasSubstr("\"format\""));
  EXPECT_THAT(AnswerToStranger(server, 65534, 4711), HasSubstr("\"format\""))
      << "a group counts that is not the first one, too";
}

// ---- The box ----

struct Box {
  BoxHead head;
  std::array<EventRecord, EventRing::kEvents> events;
};

std::optional<Box> ReadBox(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  Box box;
  file.read(reinterpret_cast<char*>(&box.head), sizeof box.head);
  file.seekg(EventRing::kFirstRecord);
  file.read(reinterpret_cast<char*>(&box.events), sizeof box.events);
  return file ? std::optional(box) : std::nullopt;
}

TEST_F(StatusServerTest, TheBoxTellsWhatHappenedBeforeAKill) {
  const pid_t child = fork();
  if (child == 0) {
    StatusServer server(Named("node7"));
    PoolFor<Plain<1>> pool(backend, {.name = "local", .observer = &server, .platform = &platform});
    server.Say(Health::kDegraded, "the remote is away");
    backend.FailNext(Call::kOpen, Gone());
    (void)pool.Acquire(kWrite, pool.In(1ms));
    raise(SIGKILL);
  }
  waitpid(child, nullptr, 0);
  const std::optional<Box> box = ReadBox(Path("node7.box"));
  ASSERT_TRUE(box.has_value());
  EXPECT_EQ(box->head.magic, BoxHead::kMagic);
  EXPECT_EQ(box->head.pid, child);
  EXPECT_GT(box->head.start_ticks, 0u);
  EXPECT_EQ(telemetry::TextOf(box->head.name), "node7");
  EXPECT_EQ(telemetry::TextOf(box->head.health), "degraded");
  EXPECT_EQ(telemetry::TextOf(box->head.text), "the remote is away");
  EXPECT_EQ(box->events[0].number, 1u);
  EXPECT_EQ(box->events[0].kind, static_cast<uint8_t>(EventKind::kConnectFailed));
  EXPECT_EQ(telemetry::TextOf(box->events[0].text), "connection refused");
  StatusServer next(Named("node7"));
  EXPECT_EQ(ReadBox(Path("node7.last"))->head.pid, child) << "a service is started again at once";
  EXPECT_EQ(ReadBox(Path("node7.box"))->head.pid, getpid());
}

// With a mapping this would be SIGBUS.
TEST_F(StatusServerTest, ABoxThatIsCutOrCannotGrowKillsNobody) {
  StatusServer server(Named("node7"));
  PoolFor<Plain<1>> pool(backend, {.name = "local", .observer = &server, .platform = &platform});
  EXPECT_TRUE(server.box_status().ok()) << server.box_status();
  EXPECT_FALSE(AskStatus(server).contains("box_error"));
  std::filesystem::resize_file(Path("node7.box"), 0);
  EXPECT_TRUE(absl::IsUnavailable(server.box_status())) << server.box_status();
  EXPECT_THAT(AskStatus(server)["box_error"].get<std::string>(), HasSubstr("the box was cut"));
  pool.InvalidateAll();
  std::filesystem::remove(Path("node7.box"));
  EXPECT_TRUE(absl::IsUnavailable(server.box_status())) << server.box_status();
  pool.InvalidateAll();
  server.Say(Health::kHealthy);
  EXPECT_EQ(AskStatus(server)["events_total"], 2);
}

TEST_F(StatusServerTest, ABoxThatCannotBeMadeIsToldApartFromTheSocket) {
  std::filesystem::create_directory(Path("node7.last"));
  std::ofstream(Path("node7.box")) << "of somebody else";
  const StatusServer server(Named("node7"));
  EXPECT_TRUE(server.status().ok()) << server.status();
  EXPECT_TRUE(absl::IsUnavailable(server.box_status())) << server.box_status();
  EXPECT_THAT(std::string(server.box_status().message()), HasSubstr("node7.box"));
}

// ---- With a Housekeeper ----

TEST(StatusServerHousekeeperTest, TheHousekeepersThreadAnswers) {
  support::TempDir dir;
  ScriptedBackend backend;
  StatusServer server({.name = "keeper", .folder = dir.path().c_str()});
  PoolFor<Plain<1>> pool(backend, {.name = "local", .observer = &server});
  server.Add(pool);
  Housekeeper keeper;
  keeper.Add(pool);
  keeper.Add(server);
  keeper.Start();
  StatusClient client(dir.File("keeper.sock"));
  client.Send("status\n");
  std::string answer;
  while (!client.closed()) answer += client.Read();
  EXPECT_EQ(Json::parse(answer, nullptr, false)["name"], "keeper");
  keeper.Stop();
}

}  // namespace
}  // namespace roost
