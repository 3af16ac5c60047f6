// tests/bench/node_hour.cc - an hour of roost-node on the Raspberry Pi's profile, in seconds: how
// often the heap is called after the start, and how full SQLite's block gets.
//
// The first minute is the start: every kind of work has been done once. Then an hour is counted,
// with seals, checkpoints, a connection that is recycled, reads, status files, metrics files, operators who
// ask the status socket, messages and the watchdog. The clock is turned by hand; the database, the files and the socket are real.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <array>
#include <cstdio>

#include "tests/support/counting_allocator.h"
#include "tests/tools/roost_node_simulated.h"

namespace roost::testing {
namespace {

using namespace std::chrono_literals;
using support::AllocationCount;
using tools::Options;
using Profile = profiles::RaspberryPi;

constexpr Duration kStart = 60s;
constexpr Duration kEnd = kStart + 1h;
constexpr Sql kLatest{"SELECT count(*), avg(value) FROM reading WHERE seq > $1"};

// Standard error goes nowhere meanwhile: an hour's messages are many.
class Silence {
 public:
  Silence() : real_(dup(STDERR_FILENO)) {
    const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    dup2(nowhere, STDERR_FILENO);
    close(nowhere);
  }
  ~Silence() {
    dup2(real_, STDERR_FILENO);
    close(real_);
  }
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;

 private:
  const int real_;
};

// An operator who asks the node each minute, by turns for both answers, and allocates nothing.
class Operator {
 public:
  explicit Operator(std::string_view path) {
    address_.sun_family = AF_UNIX;
    path.copy(address_.sun_path, sizeof address_.sun_path - 1);
  }
  ~Operator() { Close(); }
  Operator(const Operator&) = delete;
  Operator& operator=(const Operator&) = delete;

  void Ask() {
    fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const std::string_view request = asked_++ % 2 == 0 ? "status\n" : "metrics\n";
    if (connect(fd_, reinterpret_cast<const sockaddr*>(&address_), sizeof address_) == 0) {
      EXPECT_EQ(send(fd_, request.data(), request.size(), 0), static_cast<ssize_t>(request.size()));
    }
  }
  // What the node has answered since.
  void Take() {
    if (fd_ < 0) return;
    ssize_t got = 0;
    size_t size = 0;
    while ((got = recv(fd_, bytes_.data(), bytes_.size(), 0)) > 0) size += static_cast<size_t>(got);
    if (got < 0) return;
    if (size > 2000) ++answers_;
    Close();
  }
  uint64_t answers() const { return answers_; }

 private:
  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

  sockaddr_un address_{};
  std::array<char, 65536> bytes_{};
  int fd_ = -1;
  uint64_t asked_ = 0;
  uint64_t answers_ = 0;
};

// What one hour took.
struct Hour {
  uint64_t start_calls = 0;
  uint64_t allocations = 0;
  uint64_t frees = 0;
  uint64_t reads = 0;
  uint64_t answers = 0;
  off_t metrics_bytes = 0;
  SqliteMemoryStats memory{};
};

absl::Status ReadLatest(Pool& pool) {
  absl::StatusOr<Lease> lease = pool.Acquire(kRead, pool.In(1s));
  if (!lease.ok()) return lease.status();
  absl::StatusOr<Statement*> latest = lease->Prepare(kLatest);
  if (!latest.ok()) return latest.status();
  Rows rows = (*latest)->Query(int64_t{100});
  while (rows.Next()) {
  }
  return rows.status();
}

class NodeHourTest : public ::testing::Test {
 protected:
  // `meanwhile` is called at each sleep of the loop, some once a second.
  Hour Run(SimulatedNode<Profile>& node, const std::function<void()>& meanwhile) {
    Hour hour;
    Duration next_read = 30s;
    std::optional<AllocationCount> counting;
    const AllocationCount from_the_start;
    const Silence silence;
    Operator curious(node.status_socket());
    const char* const metrics = node.options().metrics_file.c_str();
    node.Run([&](Duration ran) {
      meanwhile();
      curious.Take();
      if (ran >= next_read) {
        EXPECT_TRUE(ReadLatest(node.pool()).ok());
        ++hour.reads;
        next_read += 60s;
        curious.Ask();
      }
      if (ran >= kStart && !counting.has_value()) {
        hour.start_calls = from_the_start.total();
        counting.emplace();
      } else if (ran >= kEnd && hour.memory.pages == 0) {
        hour.allocations = counting->total();
        hour.frees = counting->frees();
        hour.memory = memory_.stats();
        struct stat file {};
        if (stat(metrics, &file) == 0) hour.metrics_bytes = file.st_size;
      }
    });
    hour.answers = curious.answers();
    EXPECT_NE(access(metrics, F_OK), 0) << "a node that has ended has figures";
    return hour;
  }

  static void Print(const char* what, SimulatedNode<Profile>& node, const Hour& hour) {
    const tools::Counts& counts = node.counts();
    const Stats stats = node.pool().stats();
    const auto whole = [](uint64_t count) { return static_cast<unsigned long long>(count); };
    std::printf("an hour of %s, on raspberry_pi\n", what);
    std::printf("  rows           %llu in %llu sealed batches, %llu lines refused\n",
                whole(counts.stored), whole(counts.batches), whole(counts.bad_lines));
    std::printf("  besides        %llu reads, %llu upkeeps, %llu recycled\n", whole(hour.reads),
                whole(stats.upkeeps), whole(stats.recycles));
    std::printf("  asked          %llu answers by the status socket, metrics file of %lld bytes\n",
                whole(hour.answers), static_cast<long long>(hour.metrics_bytes));
    std::printf("  heap calls     %llu allocations, %llu frees in the hour; %llu at the start\n",
                whole(hour.allocations), whole(hour.frees), whole(hour.start_calls));
    std::printf("  arena          %zu of %zu bytes at most, %zu at the end, %llu refused\n",
                hour.memory.arena_peak, hour.memory.arena_bytes, hour.memory.arena_used,
                whole(hour.memory.arena_failures));
    std::printf("  page slab      %d of %d pages at most, %zu bytes beyond them; whole block %zu\n",
                hour.memory.pages_peak, hour.memory.pages, hour.memory.page_overflow_peak,
                sizeof(SqliteMemoryFor<Profile>));
  }

  void Check(SimulatedNode<Profile>& node, const Hour& hour) {
    ASSERT_TRUE(memory_.status().ok()) << memory_.status();
    EXPECT_EQ(hour.allocations, 0u) << "after the start the node took from the heap";
    EXPECT_EQ(hour.frees, 0u);
    EXPECT_EQ(hour.memory.arena_failures, 0u);
    EXPECT_EQ(node.counts().stored, node.counts().taken);
    EXPECT_EQ(node.counts().refused, 0u);
    EXPECT_EQ(hour.reads, 61u);
    EXPECT_GE(hour.answers, 59u);
    EXPECT_GT(hour.metrics_bytes, 10000);
    EXPECT_GE(node.pool().stats().recycles, 1u) << "an hour is a connection's age";
    EXPECT_TRUE(node.read_back().ok()) << node.read_back();
  }

  static Options OneHour() {
    Options options;
    options.run_for = kEnd + 2s;
    options.metrics_file = "node.prom";
    return options;
  }

  const SqliteMemoryFor<Profile> memory_;
};

TEST_F(NodeHourTest, OfTheBoardsSensorsTakesNothingFromTheHeap) {
  SimulatedNode<Profile> node(&memory_, OneHour());
  const Hour hour = Run(node, [] {});
  Print("the board's sensors", node, hour);
  Check(node, hour);
  EXPECT_GE(node.counts().stored, 6u * 3600);
}

TEST_F(NodeHourTest, OfLinesTakesNothingFromTheHeap) {
  Options options = OneHour();
  options.from_stdin = true;
  const PipedInput input;
  SimulatedNode<Profile> node(&memory_, options);
  int second = 0;
  const Hour hour = Run(node, [&] {
    char lines[256];
    const int size = std::snprintf(
        lines, sizeof lines, "temperature %d.5 C\nhumidity %d %%\nwind 3.%d m/s\n# a comment\n%s",
        15 + second % 10, 40 + second % 20, second % 10, second % 60 == 0 ? "wind calm m/s\n" : "");
    input.Write({lines, static_cast<size_t>(size)});
    ++second;
  });
  Print("lines", node, hour);
  Check(node, hour);
  EXPECT_GE(node.counts().stored, 3u * 3600);
  EXPECT_GE(node.counts().bad_lines, 60u);
}

}  // namespace
}  // namespace roost::testing
