// Every allocation of SQLite fails in turn: a clean status, nothing lost, nothing leaked.
//
// ROOST_MALLOC_FAILS=123 runs the sweep for that allocation alone.
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

#include "tests/faults/sqlite_scenario.h"

namespace roost::faults {
namespace {

// SQLite's allocator with a fault in it. SQLite calls it under a lock of its own.
struct FaultyMemory {
  sqlite3_mem_methods real{};
  int64_t calls = 0;
  int64_t fail_at = 0;  // 0: never
  bool from_then_on = false;
  int64_t failed = 0;
  int64_t blocks = 0;  // that live

  bool Fails() {
    ++calls;
    if (fail_at == 0) return false;
    const bool fails = from_then_on ? calls >= fail_at : calls == fail_at;
    failed += fails;
    return fails;
  }
  void Arm(int64_t at, bool sticky) {
    calls = failed = 0;
    fail_at = at;
    from_then_on = sticky;
  }
};

FaultyMemory memory;  // sqlite3_mem_methods has no place for a pointer to it

void* Allocate(int bytes) {
  if (memory.Fails()) return nullptr;
  void* const block = memory.real.xMalloc(bytes);
  memory.blocks += block != nullptr;
  return block;
}
void* Reallocate(void* block, int bytes) {
  return memory.Fails() ? nullptr : memory.real.xRealloc(block, bytes);
}
void Free(void* block) {
  memory.blocks -= block != nullptr;
  memory.real.xFree(block);
}

class SqliteMalloc : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    ASSERT_EQ(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &memory.real), SQLITE_OK);
    sqlite3_mem_methods faulty = memory.real;
    faulty.xMalloc = Allocate;
    faulty.xRealloc = Reallocate;
    faulty.xFree = Free;
    ASSERT_EQ(sqlite3_config(SQLITE_CONFIG_MALLOC, &faulty), SQLITE_OK);
    Run(0, false);  // what SQLite keeps for ever is allocated once
  }

  struct Result {
    int64_t allocations = 0;
    int64_t failed = 0;
    int64_t leaked = 0;
    std::vector<SqliteScenario::Failure> failures;
    std::string wrong;
  };
  static Result Run(int64_t fail_at, bool sticky) {
    Result result;
    const int64_t before = memory.blocks;
    {
      support::PowerCutVfs card;
      SqliteScenario scenario(card);
      memory.Arm(fail_at, sticky);
      scenario.Live();
      result.allocations = memory.calls;
      result.failed = memory.failed;
      memory.Arm(0, false);
      result.wrong = scenario.Examine();
      result.failures = scenario.failures();
    }
    result.leaked = memory.blocks - before;
    return result;
  }

  static void Sweep(bool sticky) {
    const char* const alone = std::getenv("ROOST_MALLOC_FAILS");
    const int64_t allocations = Run(0, false).allocations;
    int64_t points = 0;
    int64_t leaked = 0;
    int64_t wrong = 0;
    std::map<std::string, int> codes;
    for (int64_t k = alone ? std::strtoll(alone, nullptr, 10) : 1; k <= allocations; ++k) {
      SCOPED_TRACE("this allocation alone: ROOST_MALLOC_FAILS=" + std::to_string(k));
      const Result result = Run(k, sticky);
      EXPECT_GT(result.failed, 0) << "the sweep went past the last allocation";
      EXPECT_EQ(result.wrong, "");
      EXPECT_EQ(result.leaked, 0) << "blocks";
      for (const SqliteScenario::Failure& failure : result.failures) {
        EXPECT_EQ(failure.status.code(), absl::StatusCode::kResourceExhausted)
            << failure.step << ": " << failure.status;
        ++codes[absl::StatusCodeToString(failure.status.code())];
      }
      ++points;
      leaked += result.leaked;
      wrong += !result.wrong.empty();
      if (HasFailure() || alone != nullptr) break;
    }
    std::printf("%lld allocations failed in turn, %s:", static_cast<long long>(points),
                sticky ? "and all after" : "one at a time");
    for (const auto& [code, count] : codes) std::printf(" %d x %s", count, code.c_str());
    std::printf(", %lld blocks leaked, %lld times something wrong with the rows\n",
                static_cast<long long>(leaked), static_cast<long long>(wrong));
  }
};

TEST_F(SqliteMalloc, WithoutAFaultTheScenarioGoesThrough) {
  const Result result = Run(0, false);
  EXPECT_GT(result.allocations, 200);
  EXPECT_TRUE(result.failures.empty()) << result.failures.front().status;
  EXPECT_EQ(result.wrong, "");
  EXPECT_EQ(result.leaked, 0);
}

TEST_F(SqliteMalloc, EachFailsOnce) { Sweep(false); }

TEST_F(SqliteMalloc, EachFailsAndAllAfterIt) { Sweep(true); }

}  // namespace
}  // namespace roost::faults
