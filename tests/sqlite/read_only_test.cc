// A card that takes no writes is a state, not the end: reads go on, writes are refused with a
// sentence, and the writer comes back by itself when the card does.
#include <string>

#include "tests/sqlite/sqlite_test_support.h"
#include "tests/support/connection_access.h"
#include "tests/support/spy_vfs.h"

namespace roost::sqlite {
namespace {

class ReadOnlyTest : public SqliteTest {
 protected:
  SqliteOptions Spied() {
    SqliteOptions options = Options();
    options.vfs = spy_.name();
    return options;
  }

  SpyVfs spy_;
};

TEST_F(ReadOnlyTest, ByOptionNobodyWritesAndNothingIsMade) {
  SqliteBackend missing({.path = path(), .read_only = true});
  const absl::Status refused = HeldConnection(missing, platform_, Role::kWriter).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("a backend with read_only makes none"));
  SqliteBackend backend(Options());
  HeldConnection writer(backend, platform_, Role::kWriter);
  ASSERT_OK(writer->Run(kInsert, 1, 1));

  SqliteBackend read_only({.path = path(), .read_only = true});
  for (const Role role : {Role::kWriter, Role::kAny, Role::kReader}) {
    HeldConnection connection(read_only, platform_, role);
    ASSERT_TRUE(connection.ok()) << connection.status();
    EXPECT_EQ(AskInt(*connection, kCount), 1);
    EXPECT_EQ(connection->Run(kInsert, 2, 2).code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(ConnectionAccess::fault_scope(*connection), FaultScope::kStatement);
    EXPECT_OK(ConnectionAccess::Maintain(*connection, Deadline::Never()));
    absl::StatusOr<Transaction> snapshot = connection->Begin();
    EXPECT_TRUE(snapshot.ok()) << snapshot.status();
  }
}

TEST_F(ReadOnlyTest, ADatabaseThatWasClosedCleanlyIsRead) {
  {
    SqliteBackend backend(Options());
    ASSERT_OK(HeldConnection(backend, platform_, Role::kWriter)->Run(kInsert, 1, 1));
  }
  SqliteBackend read_only({.path = path(), .read_only = true});
  HeldConnection reader(read_only, platform_, Role::kReader);
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_EQ(AskInt(*reader, kCount), 1);
}

TEST_F(ReadOnlyTest, AWriterIsNotOpenedOnACardThatRefusesWrites) {
  SqliteBackend backend(Spied());
  HeldConnection keeps_the_log(backend, platform_, Role::kReader);
  spy_.refuse_writers = true;
  const HeldConnection writer(backend, platform_, Role::kWriter);
  EXPECT_EQ(writer.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(SqliteCode(writer.status()), SQLITE_READONLY);
  EXPECT_THAT(std::string(writer.status().message()), HasSubstr("remount it writable"));
}

TEST_F(ReadOnlyTest, ReadersAndTheConnectionThatDoesBothStillOpen) {
  {
    SqliteBackend backend(Spied());
    ASSERT_OK(HeldConnection(backend, platform_, Role::kWriter)->Run(kInsert, 1, 1));
  }
  spy_.refuse_writers = true;
  SqliteBackend backend(Spied());
  HeldConnection reader(backend, platform_, Role::kReader);
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_EQ(AskInt(*reader, kCount), 1);
  HeldConnection both(backend, platform_, Role::kAny);
  ASSERT_TRUE(both.ok()) << both.status();
  EXPECT_EQ(AskInt(*both, kCount), 1);
  EXPECT_EQ(both->Run(kInsert, 2, 2).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ConnectionAccess::fault_scope(*both), FaultScope::kConnection)
      << "opened again, it finds out whether it may write";

  both.Close();
  spy_.refuse_writers = false;
  HeldConnection again(backend, platform_, Role::kAny);
  EXPECT_OK(again->Run(kInsert, 2, 2));
}

TEST_F(ReadOnlyTest, AWriteErrorCondemnsTheWriterAlone) {
  SqliteBackend backend(Spied());
  HeldConnection writer(backend, platform_, Role::kWriter);
  HeldConnection reader(backend, platform_, Role::kReader);
  ASSERT_OK(writer->Run(kInsert, 1, 1));
  spy_.fail_write = SQLITE_IOERR_WRITE;
  const absl::Status status = writer->Run(kInsert, 2, 2);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_EQ(SqliteCode(status), SQLITE_IOERR_WRITE);
  EXPECT_EQ(ConnectionAccess::fault_scope(*writer), FaultScope::kConnection);
  EXPECT_EQ(ConnectionAccess::Inspect(*writer), SessionState::kBroken);
  EXPECT_FALSE(ConnectionAccess::IsPristine(*writer));
  EXPECT_EQ(AskInt(*reader, kCount), 1);
  EXPECT_TRUE(ConnectionAccess::IsPristine(*reader));
  spy_.fail_write = 0;
}

TEST_F(ReadOnlyTest, AReadErrorIsUnavailableAndTheConnectionDead) {
  SqliteBackend backend(Spied());
  HeldConnection writer(backend, platform_, Role::kWriter);
  for (int i = 0; i < 200; ++i) ASSERT_OK(writer->Run(kInsert, i, std::string_view(path())));
  HeldConnection reader(backend, platform_, Role::kReader);
  spy_.fail_read = SQLITE_IOERR_READ;
  const absl::Status status = reader->Run(Sql("SELECT sum(length(b)) FROM t"));
  spy_.fail_read = 0;
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_EQ(ConnectionAccess::fault_scope(*reader), FaultScope::kConnection);
}

}  // namespace
}  // namespace roost::sqlite
