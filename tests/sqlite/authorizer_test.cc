#include "backends/sqlite/authorizer.h"

#include <sqlite3.h>

#include "gtest/gtest.h"

namespace roost::sqlite {
namespace {

TEST(AuthorizerTest, APragmaThatOnlyAsksIsAllowed) {
  for (const char* name : {"journal_mode", "synchronous", "anything_new", "cache_size"}) {
    const Permit permit = Authorize(SQLITE_PRAGMA, name, nullptr, false);
    EXPECT_TRUE(permit.allowed) << name;
    EXPECT_EQ(permit.trace, Trace::kNothing) << name;
  }
  for (const char* name : {"table_info", "index_list", "quick_check", "foreign_key_check"}) {
    const Permit permit = Authorize(SQLITE_PRAGMA, name, "t", false);
    EXPECT_TRUE(permit.allowed) << name;
    EXPECT_EQ(permit.trace, Trace::kNothing) << name;
  }
}

TEST(AuthorizerTest, APragmaThatWouldBreakThePoolIsRefusedWithAReason) {
  for (const char* name : {"busy_timeout", "journal_mode", "locking_mode", "synchronous",
                           "query_only", "cache_size", "wal_autocheckpoint", "journal_size_limit",
                           "mmap_size", "max_page_count", "temp_store", "hard_heap_limit"}) {
    const Permit permit = Authorize(SQLITE_PRAGMA, name, "1", false);
    EXPECT_FALSE(permit.allowed) << name;
    EXPECT_NE(permit.reason, nullptr) << name;
  }
  EXPECT_FALSE(Authorize(SQLITE_PRAGMA, "Busy_Timeout", "1", false).allowed);
}

TEST(AuthorizerTest, AnyOtherPragmaWithAValueTaintsTheSession) {
  for (const char* name :
       {"foreign_keys", "case_sensitive_like", "recursive_triggers", "anything_new"}) {
    const Permit permit = Authorize(SQLITE_PRAGMA, name, "1", false);
    EXPECT_TRUE(permit.allowed) << name;
    EXPECT_EQ(permit.trace, Trace::kSession) << name;
  }
}

TEST(AuthorizerTest, WhatLivesInTheFileLeavesNothingInTheSession) {
  EXPECT_EQ(Authorize(SQLITE_PRAGMA, "user_version", "3", false).trace, Trace::kNothing);
  EXPECT_EQ(Authorize(SQLITE_CREATE_TABLE, "t", nullptr, false).trace, Trace::kNothing);
  EXPECT_EQ(Authorize(SQLITE_TRANSACTION, "BEGIN", nullptr, false).trace, Trace::kNothing);
}

TEST(AuthorizerTest, TheMarksOfAFileThatIsMarkedAreRead) {
  for (const char* name : {"application_id", "USER_VERSION"}) {
    EXPECT_TRUE(Authorize(SQLITE_PRAGMA, name, nullptr, true).allowed) << name;
    const Permit permit = Authorize(SQLITE_PRAGMA, name, "3", true);
    EXPECT_FALSE(permit.allowed) << name;
    EXPECT_NE(permit.reason, nullptr) << name;
    EXPECT_TRUE(Authorize(SQLITE_PRAGMA, name, "3", false).allowed) << name;
  }
}

TEST(AuthorizerTest, TemporaryThingsAreRemembered) {
  for (const int action : {SQLITE_CREATE_TEMP_TABLE, SQLITE_CREATE_TEMP_VIEW,
                           SQLITE_CREATE_TEMP_TRIGGER, SQLITE_CREATE_TEMP_INDEX}) {
    EXPECT_EQ(Authorize(action, "t", nullptr, false).trace, Trace::kTemporary);
  }
}

TEST(AuthorizerTest, OtherDatabasesAreRefused) {
  EXPECT_FALSE(Authorize(SQLITE_ATTACH, "x.db", nullptr, false).allowed);
  EXPECT_FALSE(Authorize(SQLITE_DETACH, "x", nullptr, false).allowed);
}

}  // namespace
}  // namespace roost::sqlite
