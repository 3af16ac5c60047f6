// The model itself: it keeps what was synced, and it has teeth.
#include "tests/support/power_cut_disk.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace roost::support {
namespace {

using Disk = PowerCutDisk<PowerCutFile>;

// All the contents that many cuts leave.
std::set<std::string> ContentsAfterCuts(const PowerCutFile& file) {
  std::set<std::string> contents;
  for (uint64_t seed = 0; seed < 500; ++seed) {
    Chance chance(seed);
    contents.insert(file.AfterCut(chance));
  }
  return contents;
}

TEST(PowerCutFile, WhatWasSyncedStays) {
  PowerCutFile file;
  file.Write(0, "synced");
  file.Sync();
  EXPECT_EQ(ContentsAfterCuts(file), std::set<std::string>{"synced"});
}

TEST(PowerCutFile, WhatWasNotSyncedMayBeAnyOfItsVersions) {
  PowerCutFile file;
  file.Write(0, "old");
  file.Sync();
  file.Write(0, "new");
  file.Write(0, "NEW");
  EXPECT_EQ(ContentsAfterCuts(file), (std::set<std::string>{"old", "new", "NEW"}));
}

TEST(PowerCutFile, SectorsSurviveApartFromEachOther) {
  const std::string a(PowerCutFile::kSector, 'a');
  const std::string b(PowerCutFile::kSector, 'b');
  PowerCutFile file(a + a);
  file.Write(0, b + b);
  EXPECT_EQ(ContentsAfterCuts(file), (std::set<std::string>{a + a, a + b, b + a, b + b}));
}

TEST(PowerCutFile, AGrownFileMayKeepItsSizeAndLoseItsBytes) {
  PowerCutFile file;
  file.Write(0, "x");
  EXPECT_EQ(ContentsAfterCuts(file), (std::set<std::string>{"", "x", std::string(1, '\0')}));
}

TEST(PowerCutFile, WhatWasCutOffReadsAsZerosWhenItGrowsAgain) {
  PowerCutFile file("abcdef");
  file.Truncate(2);
  file.Truncate(4);
  char now[4];
  EXPECT_EQ(file.Read(0, now, sizeof(now)), 4u);
  EXPECT_EQ(std::string(now, 4), std::string("ab\0\0", 4));
  file.Sync();
  EXPECT_EQ(ContentsAfterCuts(file), (std::set<std::string>{std::string("ab\0\0", 4)}));
}

TEST(PowerCutFile, ASyncAfterAFailedOneDoesNotWriteWhatWasLost) {
  PowerCutFile file("old");
  file.Write(0, "new");
  file.FailSync();
  file.Sync();
  char now[3];
  EXPECT_EQ(file.Read(0, now, sizeof(now)), 3u);
  EXPECT_EQ(std::string(now, 3), "new") << "readers see it until the power goes";
  EXPECT_EQ(ContentsAfterCuts(file), std::set<std::string>{"old"});
}

TEST(PowerCutDisk, NamesAreAsDurableAsTheDirectory) {
  Disk disk;
  disk.Create("kept")->Sync();
  disk.Create("deleted")->Sync();
  disk.SyncNames();
  disk.Create("created")->Sync();
  disk.Delete("deleted");
  int created = 0;
  int deleted = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Chance chance(seed);
    const Disk left = disk.AfterCut(chance);
    EXPECT_NE(left.Find("kept"), nullptr);
    created += left.Find("created") != nullptr;
    deleted += left.Find("deleted") == nullptr;
  }
  EXPECT_GT(created, 0);
  EXPECT_LT(created, 200);
  EXPECT_GT(deleted, 0);
  EXPECT_LT(deleted, 200);
}

}  // namespace
}  // namespace roost::support
