// The public headers stand alone: see CMakeLists.txt here. That this program links is half of the
// test.
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include "gtest/gtest.h"
#include "roost/async.h"
#include "roost/next_step.h"

namespace {

std::set<std::string> Listed() {
  std::set<std::string> names;
  std::istringstream words(ROOST_HEADER_NAMES);
  for (std::string name; words >> name;) names.insert(name);
  return names;
}

std::set<std::string> Present() {
  std::set<std::string> names;
  const std::filesystem::path root(ROOST_INCLUDE_DIR);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    if (entry.is_regular_file()) names.insert(entry.path().lexically_relative(root).string());
  }
  return names;
}

std::string TextOf(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// ---- NextStep: what an application does about a status ----

using roost::Advice;

struct CodeAdvice {
  absl::StatusCode code;
  const char* code_name;
  Advice advice;
  const char* advice_name;
};

// Every code of absl but the two that roostpool never returns.
constexpr CodeAdvice kAdvices[] = {
    {absl::StatusCode::kOk, "kOk", Advice::kOk, "kOk"},
    {absl::StatusCode::kCancelled, "kCancelled", Advice::kStop, "kStop"},
    {absl::StatusCode::kUnknown, "kUnknown", Advice::kKeep, "kKeep"},
    {absl::StatusCode::kInvalidArgument, "kInvalidArgument", Advice::kStop, "kStop"},
    {absl::StatusCode::kDeadlineExceeded, "kDeadlineExceeded", Advice::kKeep, "kKeep"},
    {absl::StatusCode::kNotFound, "kNotFound", Advice::kAlarm, "kAlarm"},
    {absl::StatusCode::kAlreadyExists, "kAlreadyExists", Advice::kOk, "kOk"},
    {absl::StatusCode::kPermissionDenied, "kPermissionDenied", Advice::kAlarm, "kAlarm"},
    {absl::StatusCode::kResourceExhausted, "kResourceExhausted", Advice::kShed, "kShed"},
    {absl::StatusCode::kFailedPrecondition, "kFailedPrecondition", Advice::kStop, "kStop"},
    {absl::StatusCode::kAborted, "kAborted", Advice::kRunAgain, "kRunAgain"},
    {absl::StatusCode::kInternal, "kInternal", Advice::kAlarm, "kAlarm"},
    {absl::StatusCode::kUnavailable, "kUnavailable", Advice::kRetryLater, "kRetryLater"},
    {absl::StatusCode::kDataLoss, "kDataLoss", Advice::kAlarm, "kAlarm"},
    {absl::StatusCode::kUnauthenticated, "kUnauthenticated", Advice::kAlarm, "kAlarm"},
};

TEST(NextStep, HasAnAdviceForEveryCode) {
  for (const CodeAdvice& row : kAdvices) {
    EXPECT_EQ(roost::NextStep(absl::Status(row.code, "")), row.advice) << row.code_name;
  }
  EXPECT_EQ(roost::NextStep(absl::OutOfRangeError("")), Advice::kAlarm);
  EXPECT_EQ(roost::NextStep(absl::UnimplementedError("")), Advice::kAlarm);
}

TEST(NextStep, SaysWhatTheTableInLeaseSays) {
  std::map<std::string, std::string> table;
  const std::string text = TextOf(std::filesystem::path(ROOST_INCLUDE_DIR) / "lease.h");
  const std::regex row("//   (k[A-Z][A-Za-z]+) .* (k[A-Z][A-Za-z]+)\n");
  for (std::sregex_iterator it(text.begin(), text.end(), row), end; it != end; ++it) {
    table[(*it)[1]] = (*it)[2];
  }
  std::map<std::string, std::string> expected;
  for (const CodeAdvice& code : kAdvices) expected[code.code_name] = code.advice_name;
  EXPECT_EQ(table, expected);
}

TEST(NextStep, NoOtherCodeIsReturnedAnywhere) {
  const std::regex other("kOutOfRange|kUnimplemented|OutOfRangeError|UnimplementedError");
  int files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(ROOST_LIBRARY_DIR)) {
    if (!entry.is_regular_file()) continue;
    ++files;
    // A switch that names every code returns none of them.
    const std::string text =
        std::regex_replace(TextOf(entry.path()), std::regex("case absl::StatusCode::k\\w+:"), "");
    EXPECT_FALSE(std::regex_search(text, other)) << entry.path();
  }
  EXPECT_GT(files, 100);
}

// ---- What the headers say of bytes ----

TEST(Bytes, OfLeasesAndOfWhatIsPendingAreWhatTheirHeadersSay) {
  EXPECT_LE(sizeof(roost::PendingAcquire), 400u);
  EXPECT_LE(sizeof(roost::PendingQuery), 512u);
  EXPECT_LE(sizeof(roost::Lease), 24u * sizeof(void*) / 8);
}

struct Small : roost::profiles::Default {
  static constexpr int kPoolSize = 2;
  static constexpr int kMaxOverflow = 0;
};
struct FatBackend {
  static constexpr roost::internal::ConnectionSize kConnectionSize{.connection = 4096,
                                                                   .statement = 1024};
};

TEST(Bytes, ABackendWithLargeConnectionsEnlargesItsOwnPoolsAlone) {
  constexpr size_t kFat = FatBackend::kConnectionSize.For(Small::kStatements);
  EXPECT_GE(sizeof(roost::PoolFor<Small, FatBackend>), 2 * kFat);
  EXPECT_LT(sizeof(roost::PoolFor<Small>), 2 * kFat);
}

TEST(Headers, TheListInCMakeIsTheFolder) { EXPECT_EQ(Listed(), Present()); }

}  // namespace
