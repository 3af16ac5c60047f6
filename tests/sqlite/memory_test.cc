// ":memory:" is one database, shared by the connections of one backend.
#include <memory>

#include "tests/sqlite/sqlite_test_support.h"
#include "tests/support/connection_access.h"
#include "tests/support/in_child.h"

namespace roost::sqlite {
namespace {

class MemoryTest : public SqliteTest {
 protected:
  static SqliteOptions InMemory() { return {.path = ":memory:", .schema = kSchema}; }
};

TEST_F(MemoryTest, TwoConnectionsSeeTheSameData) {
  SqliteBackend backend(InMemory());
  HeldConnection writer(backend, platform_, Role::kWriter);
  HeldConnection reader(backend, platform_, Role::kReader);
  ASSERT_TRUE(writer.ok() && reader.ok()) << writer.status() << reader.status();
  ASSERT_OK(writer->Run(kInsert, 1, 1));
  EXPECT_EQ(AskInt(*reader, kCount), 1);
  EXPECT_EQ(reader->Run(kInsert, 2, 2).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(MemoryTest, TheDataOutlivesItsConnectionsButNotItsBackend) {
  auto backend = std::make_unique<SqliteBackend>(InMemory());
  { ASSERT_OK(HeldConnection(*backend, platform_, Role::kWriter)->Run(kInsert, 1, 1)); }
  EXPECT_EQ(AskInt(*HeldConnection(*backend, platform_, Role::kReader), kCount), 1);
  backend = std::make_unique<SqliteBackend>(InMemory());
  EXPECT_EQ(AskInt(*HeldConnection(*backend, platform_, Role::kReader), kCount), 0);
}

// The lock that a thread of the parent has stays taken in the child.
TEST_F(MemoryTest, TheChildOfAForkIsToldSo) {
  for (const bool in_memory : {true, false}) {
    SqliteBackend backend(in_memory ? InMemory() : Options());
    HeldConnection writer(backend, platform_, Role::kWriter);
    absl::StatusOr<Transaction> transaction = writer->Begin();
    ASSERT_OK(writer->Run(kInsert, 1, 1));
    EXPECT_TRUE(support::InChild([&] {
      platform_.Fork();
      const HeldConnection own(backend, platform_, Role::kWriter, 8, In(20ms));
      const absl::Status status = own.status();
      return absl::IsFailedPrecondition(status) &&
             std::string(status.message()).find("before fork()") != std::string::npos;
    })) << in_memory;
    ASSERT_OK(transaction->Commit());
    EXPECT_EQ(AskInt(*HeldConnection(backend, platform_, Role::kReader), kCount), 1);
  }
}

TEST_F(MemoryTest, TwoBackendsDoNotShare) {
  SqliteBackend one(InMemory());
  SqliteBackend other(InMemory());
  ASSERT_OK(HeldConnection(one, platform_, Role::kWriter)->Run(kInsert, 1, 1));
  EXPECT_EQ(AskInt(*HeldConnection(other, platform_, Role::kReader), kCount), 0);
}

TEST_F(MemoryTest, AReaderWaitsForAWriterUntilItsDeadline) {
  SqliteBackend backend(InMemory());
  HeldConnection writer(backend, platform_, Role::kWriter);
  HeldConnection reader(backend, platform_, Role::kReader);
  absl::StatusOr<Transaction> transaction = writer->Begin();
  ASSERT_OK(writer->Run(kInsert, 1, 1));
  reader->set_deadline(In(20ms));
  EXPECT_EQ(reader->Run(kCount).code(), absl::StatusCode::kDeadlineExceeded);
  reader->set_deadline(In(20ms));
  platform_.WhileWaiting([&] { EXPECT_OK(transaction->Commit()); });
  EXPECT_EQ(AskInt(*reader, kCount), 1);
}

TEST_F(MemoryTest, ACommitThatAReaderHoldsUpIsRolledBackAtItsDeadline) {
  SqliteBackend backend(InMemory());
  HeldConnection writer(backend, platform_, Role::kWriter);
  HeldConnection reader(backend, platform_, Role::kReader);
  ASSERT_OK(writer->RunScript("INSERT INTO t VALUES (1, 1), (2, 2)"));
  {
    Rows rows = (*reader->Prepare(Sql("SELECT a FROM t")))->Query();
    ASSERT_TRUE(rows.Next());
    writer->set_deadline(In(20ms));
    absl::StatusOr<Transaction> transaction = writer->Begin();
    ASSERT_OK(transaction.status());
    const absl::Status inserted = writer->Run(kInsert, 3, 3);
    const absl::Status committed = transaction->Commit();
    EXPECT_FALSE(inserted.ok() && committed.ok());
    EXPECT_EQ((inserted.ok() ? committed : inserted).code(), absl::StatusCode::kDeadlineExceeded)
        << inserted << committed;
  }
  EXPECT_EQ(ConnectionAccess::Inspect(*writer), SessionState::kClean);
  EXPECT_EQ(AskInt(*reader, kCount), 2);
}

TEST_F(MemoryTest, SealUpkeepProbeAndPingHaveNothingToDo) {
  SqliteBackend backend(InMemory());
  HeldConnection writer(backend, platform_, Role::kWriter);
  ASSERT_OK(writer->Run(kInsert, 1, 1));
  EXPECT_OK(writer->Seal());
  EXPECT_OK(ConnectionAccess::Maintain(*writer, Deadline::Never()));
  EXPECT_EQ(ConnectionAccess::Probe(*writer), Liveness::kAlive);
  EXPECT_OK(ConnectionAccess::Ping(*writer, Deadline::Never()));
  EXPECT_EQ(AskInt(*writer, kCount), 1);
}

TEST_F(MemoryTest, ItsBoundIsKept) {
  SqliteOptions options = InMemory();
  options.max_kib = 64;
  SqliteBackend backend(options);
  HeldConnection writer(backend, platform_, Role::kWriter);
  const std::string kilobyte(1024, 'x');
  absl::Status status;
  for (int i = 0; status.ok() && i < 1000; ++i) {
    status = writer->Run(kInsert, i, std::string_view(kilobyte));
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace roost::sqlite
