// Whatever a server says, or does not say: every call ends by its deadline, memory stays bounded, no
// word of it reaches a log as it is, and the next caller is served by a server that behaves.
//
// Each case runs in a process of its own, so that one that hangs fails alone. Time that a thread was
// ready and had no processor does not count, and what was late in the crowd is tried again alone: a
// busy machine makes nobody fail.
//
//   hostile_server_test                                        every mode, and each at some places
//   hostile_server_test --everywhere                           each at every place
//   hostile_server_test --gtest_filter='*/rows_endless'        one case
//   hostile_server_test --case rows_endless                    the same in this process, with its steps
//   hostile_server_test --table                                prints all outcomes, not just failures

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <set>
#include <thread>

#include "tests/hostile/crowd.h"
#include "tests/hostile/victim.h"

namespace roost::hostile {
namespace {

using namespace std::chrono_literals;

// No step takes a tenth of it on a machine that is free.
constexpr Duration kPatience = kSanitized ? 60s : 8s;
// How often what was late is tried again, alone.
constexpr int kTries = 3;

bool everywhere = false;
bool prints_all = false;

std::string Milliseconds(Duration span) {
  return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(span).count()) +
         " ms";
}

std::string DeadlineColumn(const Outcome& outcome) {
  if (!outcome.hung_in.empty()) return "HANGS in " + outcome.hung_in;
  if (outcome.late == Duration{}) return "held";
  return "LATE by " + Milliseconds(outcome.late) + " in " + outcome.late_in;
}

std::string NextColumn(const Outcome& outcome) {
  if (!outcome.hung_in.empty()) return "-";
  return outcome.next.empty() ? "works" : "FAILS: " + outcome.next;
}

// What libpq 15 takes, however little has come, and no caller of it can prevent.
struct Allowance {
  std::string_view mode;
  int64_t kib;
  std::string_view why;
};
constexpr Allowance kAllowances[] = {
    {"columns_negative", 3 * 1024,
     "32 bytes for each of 65,535 columns, before the length is seen"},
    {"copy_columns", 3 * 1024, "32 bytes for each of 65,535 columns, before the length is seen"},
    {"parameters_flood", 16 * 1024,
     "each ParameterDescription of 7 bytes takes a result of 400, and the earlier one is lost: 60 "
     "times max_result_bytes"},
};

int64_t MostKib(const Case& which) {
  for (const Allowance& allowance : kAllowances) {
    if (which.mode->name == allowance.mode) return allowance.kib;
  }
  return kMostKib;
}

std::string MemoryColumn(const Case& which, const Outcome& outcome) {
  if (!outcome.hung_in.empty() || outcome.memory_kib < 0) return "-";
  const bool much = outcome.memory_kib > MostKib(which);
  return (much ? "MUCH: " : "") + std::to_string(outcome.memory_kib) + " KiB";
}

bool IsGood(const Case& which, const Outcome& outcome) {
  return outcome.hung_in.empty() && outcome.late == Duration{} &&
         outcome.memory_kib <= MostKib(which) && outcome.next.empty() && outcome.unclean.empty();
}

// The outcomes of all cases that this run was asked for.
class Outcomes : public ::testing::Environment {
 public:
  static const Outcome& Of(const std::string& name) { return all_.at(name); }

  void SetUp() override {
    const std::vector<Case> cases = Chosen();
    const int cores = static_cast<int>(std::thread::hardware_concurrency());
    all_ = RunCrowd(cases, std::clamp(3 * cores, 4, 16), kPatience);
    for (int i = 0; i < kTries; ++i) TryAgain(cases);
  }
  void TearDown() override {
    int good = 0;
    for (const auto& [name, outcome] : all_) {
      const Case which = *FindCase(name);
      good += IsGood(which, outcome) ? 1 : 0;
      if (IsGood(which, outcome) && !prints_all) continue;
      std::cout << "| " << name << " | " << DeadlineColumn(outcome) << " | "
                << MemoryColumn(which, outcome) << " | " << NextColumn(outcome) << " | "
                << outcome.unclean << " | " << outcome.first_said << " |\n";
    }
    std::cout << good << " of " << all_.size() << " cases are as they should be, of "
              << support::HostileModes().size() << " modes\n";
  }

 private:
  // What --gtest_filter leaves.
  static std::vector<Case> Chosen() {
    std::vector<Case> chosen;
    const auto& test = *::testing::UnitTest::GetInstance();
    for (int i = 0; i < test.total_test_suite_count(); ++i) {
      const auto& suite = *test.GetTestSuite(i);
      for (int j = 0; j < suite.total_test_count(); ++j) {
        const std::string name = suite.GetTestInfo(j)->name();
        const size_t slash = name.rfind('/');
        if (!suite.GetTestInfo(j)->should_run() || slash == std::string::npos) continue;
        if (const auto which = FindCase(name.substr(slash + 1))) chosen.push_back(*which);
      }
    }
    return chosen;
  }
  static void TryAgain(const std::vector<Case>& cases) {
    std::vector<Case> late;
    for (const Case& which : cases) {
      const Outcome& outcome = all_[NameOf(which)];
      const bool busy = outcome.late > Duration{} || !outcome.next.empty();
      if (outcome.hung_in.empty() && busy) late.push_back(which);
    }
    for (auto& [name, outcome] : RunCrowd(late, 1, kPatience)) {
      if (outcome.late < all_[name].late || outcome.next.empty()) all_[name] = outcome;
    }
  }

  static std::map<std::string, Outcome> all_;
};
std::map<std::string, Outcome> Outcomes::all_;

class HostileServerTest : public ::testing::TestWithParam<Case> {};

TEST_P(HostileServerTest, IsSurvived) {
  const Outcome& outcome = Outcomes::Of(NameOf(GetParam()));
  ASSERT_EQ(outcome.hung_in, "") << "never ended";
  EXPECT_EQ(outcome.late, Duration{}) << DeadlineColumn(outcome);
  EXPECT_LE(outcome.memory_kib, MostKib(GetParam())) << "more memory than without a fault";
  EXPECT_EQ(outcome.next, "") << "the next acquire";
  EXPECT_EQ(outcome.unclean, "") << outcome.first_said;
}

INSTANTIATE_TEST_SUITE_P(Modes, HostileServerTest, ::testing::ValuesIn(AllCases(everywhere)),
                         [](const auto& which) { return NameOf(which.param); });

TEST(HostileModesTest, AreManyAndEachHasANameOfItsOwn) {
  EXPECT_GE(support::HostileModes().size(), 51u);
  std::set<std::string> names;
  for (const Case& which : AllCases(/*everywhere=*/true)) {
    EXPECT_TRUE(names.insert(NameOf(which)).second) << which;
  }
}

int Show(const char* name) {
  const std::optional<Case> which = FindCase(name);
  if (!which.has_value()) {
    std::cerr << "there is no case " << name << "\n";
    return 2;
  }
  const Outcome outcome =
      GoThrough(*which, [](std::string_view step) { std::cout << step << std::endl; });
  std::cout << DeadlineColumn(outcome) << "; " << MemoryColumn(*which, outcome) << "; the next "
            << NextColumn(outcome) << "; " << outcome.unclean << "\n"
            << outcome.first_said << "\n";
  return IsGood(*which, outcome) ? 0 : 1;
}

}  // namespace
}  // namespace roost::hostile

int main(int argc, char** argv) {
  using namespace roost::hostile;
  if (argc == 2 && std::strcmp(argv[1], kWorker) == 0) return Work();
  if (argc == 3 && std::strcmp(argv[1], "--case") == 0) return Show(argv[2]);
  for (int i = 1; i < argc; ++i) {
    everywhere = everywhere || std::strcmp(argv[i], "--everywhere") == 0;
    prints_all = prints_all || std::strcmp(argv[i], "--table") == 0;
  }
  ::testing::AddGlobalTestEnvironment(new Outcomes);
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
