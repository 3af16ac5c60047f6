// What only a database that knows SQL can be asked.
#include <string>

#include "roost/next_step.h"
#include "roost/pool.h"
#include "roost/transaction.h"
#include "tests/contract/fixture.h"
#include "tests/support/connection_access.h"
#include "tests/support/in_child.h"

namespace roost::contract {
namespace {

using namespace std::chrono_literals;
using support::InChild;

ROOST_CONTRACT_SUITE(SqlContract, kSql);
ROOST_CONTRACT_SUITE(SnapshotContract, kSql | kSnapshots);
ROOST_CONTRACT_SUITE(ReaderContract, kSql | kReadersCannotWrite);

bool Mentions(const absl::Status& status, std::string_view text) {
  return status.ToString().find(text) != std::string::npos;
}

bool IsRefused(const absl::Status& status) {
  return status.code() == absl::StatusCode::kFailedPrecondition && Mentions(status, "fork()");
}

TEST_P(SqlContract, SqlBeginsOrEndsNoTransactionWhileATransactionLives) {
  const auto is_refused = [](const absl::Status& status) {
    return status.code() == absl::StatusCode::kFailedPrecondition &&
           Mentions(status, "roost::Transaction");
  };
  // In the cache from before.
  ASSERT_TRUE(writer().RunScript("BEGIN").ok());
  ASSERT_TRUE(writer().Run(Sql("COMMIT")).ok());
  absl::StatusOr<Transaction> transaction = writer().Begin();
  ASSERT_TRUE(transaction.ok() && Insert(writer(), 1).ok());
  for (const char* sql : {"COMMIT", "END", "ROLLBACK", "BEGIN", "/* why */ commit;"}) {
    EXPECT_TRUE(is_refused(writer().Run(Sql(sql)))) << sql;
    EXPECT_TRUE(is_refused(writer().RunScript(sql))) << sql;
  }
  EXPECT_TRUE(is_refused(writer().RunScript("DELETE FROM kinds; COMMIT")) && CountRows() <= 1);
  ASSERT_TRUE(transaction->Rollback().ok());
  EXPECT_EQ(CountRows(), 0);
  EXPECT_TRUE(writer().RunScript("BEGIN; DELETE FROM kinds; COMMIT").ok());
}

TEST_P(SqlContract, SavepointsLieInsideOfATransaction) {
  absl::StatusOr<Transaction> transaction = writer().Begin();
  ASSERT_TRUE(transaction.ok() && Insert(writer(), 1).ok());
  ASSERT_TRUE(writer().RunScript("SAVEPOINT a").ok());
  ASSERT_TRUE(Insert(writer(), 2).ok());
  EXPECT_TRUE(writer().Run(Sql("ROLLBACK TO a")).ok());
  EXPECT_TRUE(writer().Run(Sql(dialect().roll_back_to_a)).ok());
  EXPECT_TRUE(writer().Run(Sql(dialect().release_a)).ok());
  EXPECT_TRUE(transaction->Commit().ok());
  EXPECT_EQ(CountRows(), 1);
}

// It may have been a commit.
TEST_P(SqlContract, ATransactionThatTheRawHandleEndedIsUnknown) {
  for (const char* sql : {"COMMIT", "ROLLBACK"}) {
    ASSERT_TRUE(writer().RunScript("DELETE FROM kinds").ok());
    absl::StatusOr<Transaction> transaction = writer().Begin();
    ASSERT_TRUE(transaction.ok() && Insert(writer(), 1).ok());
    subject().RunNative(writer().Raw(), sql);
    EXPECT_EQ(Insert(writer(), 2).code(), absl::StatusCode::kUnknown) << sql;
    EXPECT_EQ(transaction->Commit().code(), absl::StatusCode::kUnknown) << sql;
    EXPECT_EQ(CountRows(), *sql == 'C' ? 1 : 0) << sql;
  }
}

// As Microsoft.Data.Sqlite's issue 532 and filesql's pull request 876: the flag of the driver says that a
// transaction is open, and it is another one.
TEST_P(SqlContract, ATransactionThatTheRawHandlePutInItsPlaceIsNotTakenForIt) {
  for (const char* sql : {"COMMIT", "ROLLBACK"}) {
    for (const bool has_raw : {false, true}) {
      ASSERT_TRUE(writer().RunScript("DELETE FROM kinds").ok());
      void* raw = has_raw ? writer().Raw() : nullptr;
      absl::StatusOr<Transaction> transaction = writer().Begin();
      ASSERT_TRUE(transaction.ok() && Insert(writer(), 1).ok());
      if (!has_raw) raw = writer().Raw();
      subject().RunNative(raw, sql);
      subject().RunNative(raw, std::string(dialect().begin));
      ASSERT_TRUE(Insert(writer(), 2).ok());
      const absl::Status told = transaction->Commit();
      EXPECT_EQ(told.code(), absl::StatusCode::kFailedPrecondition) << sql << ": " << told;
      EXPECT_TRUE(Mentions(told, "another one was begun in its place")) << told;
      EXPECT_EQ(CountRows(), *sql == 'C' ? 1 : 0) << sql;
      EXPECT_TRUE(Insert(writer(), 3).ok());
      ASSERT_TRUE(ConnectionAccess::Inspect(writer()) != SessionState::kBroken);
    }
  }
}

TEST_P(SqlContract, WhatElseTheRawHandleDoesInATransactionBelongsToIt) {
  void* const raw = writer().Raw();
  for (const char* sql : {"SAVEPOINT a", "INSERT INTO kinds(id) VALUES (1)", "SAVEPOINT a"}) {
    absl::StatusOr<Transaction> transaction = writer().Begin();
    ASSERT_TRUE(transaction.ok() && Insert(writer(), 100).ok());
    subject().RunNative(raw, "SAVEPOINT a");
    subject().RunNative(raw, sql);
    subject().RunNative(raw, std::string(dialect().roll_back_to_a));
    subject().RunNative(raw, std::string(dialect().release_a));
    const absl::Status committed = transaction->Commit();
    EXPECT_TRUE(committed.ok()) << committed;
    EXPECT_EQ(CountRows(), 1);
    ASSERT_TRUE(writer().RunScript("DELETE FROM kinds").ok());
  }
}

// As pgjdbc's pull request 1729 and wavelength's 1053: the cause is named, and what is no race is not run
// again until the deadline.
TEST_P(SqlContract, AnErrorThatAFunctionKeepsToItselfIsToldAndNotRunAgain) {
  PoolFor<profiles::RaspberryPi> pool(backend());
  ASSERT_TRUE(Insert(writer(), 1).ok());
  for (const bool tells_the_next : {false, true}) {
    int runs = 0;
    const absl::Status status =
        RunInTransaction(pool, kWrite, pool.In(500ms), [&](Connection& connection) -> absl::Status {
          ++runs;
          EXPECT_TRUE(Insert(connection, 2).ok());
          EXPECT_EQ(connection.Run(dialect().ruinous_insert).code(),
                    absl::StatusCode::kAlreadyExists);
          const absl::Status next = Insert(connection, 3);
          return tells_the_next ? next : absl::OkStatus();
        });
    EXPECT_EQ(runs, 1) << status;
    if (status.ok()) {
      // An error of a statement leaves the transaction as it was.
      EXPECT_EQ(CountRows(), 3);
      ASSERT_TRUE(writer().RunScript("DELETE FROM kinds WHERE id > 1").ok());
      continue;
    }
    EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists) << status;
    EXPECT_EQ(NextStep(status), Advice::kStop) << "row 2 is not stored";
    EXPECT_TRUE(Mentions(status, "nothing of the transaction is stored")) << status;
    EXPECT_TRUE(Mentions(status, "INTO kinds(id) VALUES (1)")) << status;
    EXPECT_EQ(CountRows(), 1);
  }
}

TEST_P(SqlContract, ARollbackOfWhatTheRawHandleCommittedIsUnknown) {
  absl::StatusOr<Transaction> transaction = writer().Begin();
  ASSERT_TRUE(transaction.ok() && Insert(writer(), 1).ok());
  subject().RunNative(writer().Raw(), "COMMIT");
  EXPECT_EQ(transaction->Rollback().code(), absl::StatusCode::kUnknown);
  EXPECT_EQ(CountRows(), 1);
}

TEST_P(SqlContract, ACommitAfterTheDeadlineIsRefusedAndRolledBack) {
  for (const bool writes : {true, false}) {
    absl::StatusOr<Transaction> transaction = writer().Begin(Durability::kSealed);
    ASSERT_TRUE(transaction.ok());
    if (writes) {
      ASSERT_TRUE(Insert(writer(), 1).ok());
    }
    writer().set_deadline(Deadline::Past());
    EXPECT_EQ(transaction->Commit().code(), absl::StatusCode::kDeadlineExceeded);
    EXPECT_EQ(writer().Seal().code(), absl::StatusCode::kDeadlineExceeded);
    writer().set_deadline(InTime());
    EXPECT_EQ(ConnectionAccess::Inspect(writer()), SessionState::kClean);
    EXPECT_EQ(CountRows(), 0);
  }
  EXPECT_TRUE(writer().Seal().ok());
}

TEST_P(SqlContract, ARollbackAfterTheDeadlineIsDone) {
  absl::StatusOr<Transaction> transaction = writer().Begin();
  ASSERT_TRUE(transaction.ok() && Insert(writer(), 1).ok());
  writer().set_deadline(Deadline::Past());
  EXPECT_TRUE(transaction->Rollback().ok());
  writer().set_deadline(InTime());
  EXPECT_EQ(CountRows(), 0);
}

TEST_P(SqlContract, TheChildOfAForkEndsNoTransactionOfTheParent) {
  ConnectionAccess::WatchForks(writer(), platform().Forks());
  absl::StatusOr<Transaction> transaction = writer().Begin();
  ASSERT_TRUE(transaction.ok() && Insert(writer(), 1).ok());
  EXPECT_TRUE(InChild([&] {
    const bool refused = IsRefused(Insert(writer(), 2)) &&
                         IsRefused(writer().Prepare(kDelete).status()) &&
                         IsRefused(writer().RunScript("DELETE FROM kinds")) &&
                         IsRefused(writer().Begin().status()) && IsRefused(writer().Seal());
    { const Transaction gone = *std::move(transaction); }
    return refused;
  }));
  EXPECT_TRUE(Insert(writer(), 3).ok());
  EXPECT_TRUE(transaction->Commit().ok());
  EXPECT_EQ(CountRows(), 2);
}

TEST_P(SqlContract, TheChildOfAForkCommitsNothingOfTheParent) {
  ConnectionAccess::WatchForks(writer(), platform().Forks());
  absl::StatusOr<Transaction> transaction = writer().Begin();
  ASSERT_TRUE(transaction.ok() && Insert(writer(), 1).ok());
  EXPECT_TRUE(InChild([&] { return IsRefused(transaction->Commit()); }));
  EXPECT_TRUE(InChild([&] { return IsRefused(transaction->Rollback()); }));
  EXPECT_TRUE(transaction->Rollback().ok());
  EXPECT_EQ(CountRows(), 0);
}

TEST_P(SqlContract, TheChildOfAForkReadsNothingOfTheParents) {
  for (int id = 1; id <= 3; ++id) ASSERT_TRUE(Insert(writer(), id).ok());
  ConnectionAccess::WatchForks(writer(), platform().Forks());
  Rows rows = (*writer().Prepare(kSelect))->Query();
  ASSERT_TRUE(rows.Next());
  EXPECT_TRUE(InChild([&] {
    const bool ended = !rows.Next() && IsRefused(rows.status());
    { const Rows gone = std::move(rows); }
    return ended;
  }));
  EXPECT_TRUE(rows.Next());
  EXPECT_TRUE(rows.Next());
  EXPECT_FALSE(rows.Next());
  EXPECT_TRUE(rows.status().ok()) << rows.status();
}

TEST_P(SqlContract, ColumnsAreFoundByName) {
  ASSERT_TRUE(writer().Run(kInsert, 1, 2, 3.5, "four", nullptr).ok());
  Rows rows = (*writer().Prepare(kSelect))->Query();
  ASSERT_TRUE(rows.Next());
  EXPECT_EQ(rows.Get<std::string_view>("words"), "four");
  EXPECT_EQ(rows.Get<double>("level"), 3.5);
  EXPECT_EQ(rows.Get<std::optional<int>>("bytes"), std::nullopt);
  Statement* const select = *writer().Prepare(kSelect);
  EXPECT_EQ(select->column_name(0), "id");
  EXPECT_EQ(select->column_name(4), "bytes");
}

TEST_P(SqlContract, AnUnknownColumnIsNamed) {
  ASSERT_TRUE(Insert(writer(), 1).ok());
  Rows rows = (*writer().Prepare(kSelect))->Query();
  ASSERT_TRUE(rows.Next());
  EXPECT_EQ(rows.Get<int>("colour"), 0);
  EXPECT_EQ(rows.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(Mentions(rows.status(), "colour")) << rows.status();
  EXPECT_TRUE(Mentions(rows.status(), "FROM kinds")) << rows.status();
}

TEST_P(SqlContract, WrongSqlIsNamedInTheMessage) {
  EXPECT_TRUE(Mentions(writer().Prepare(dialect().nonsense).status(), "SELEC 1"));
  const absl::Status missing = writer().Run(Sql("SELECT 1 FROM nowhere"));
  EXPECT_EQ(missing.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(Mentions(missing, "nowhere")) << missing;
}

TEST_P(SqlContract, TwoStatementsInOneSqlAreRefused) {
  const Sql two("DELETE FROM kinds; DELETE FROM kinds");
  EXPECT_EQ(writer().Prepare(two).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_P(SqlContract, PlaceholdersBindByTheirNumber) {
  ASSERT_TRUE(Insert(writer(), 1).ok());
  Statement* const update = *writer().Prepare(dialect().update);
  EXPECT_EQ(update->parameters(), 3);
  ASSERT_TRUE(update->Run(1, 20, "three").ok());
  EXPECT_EQ(update->changes(), 1);
  Rows rows = (*writer().Prepare(kSelect))->Query();
  ASSERT_TRUE(rows.Next());
  EXPECT_EQ(rows.Get<int>(1), 20);
  EXPECT_EQ(rows.Get<double>(2), 20.0);
  EXPECT_EQ(rows.Get<std::string_view>(3), "three");
}

TEST_P(SqlContract, PlaceholdersOutOfOrderBindByTheirNumber) {
  Statement* const insert = *writer().Prepare(
      Sql("INSERT INTO kinds(words, amount, id, level, bytes) VALUES ($3, $2, $1, NULL, NULL)"));
  EXPECT_EQ(insert->parameters(), 3);
  ASSERT_TRUE(insert->Run(5, 6, "seven").ok());
  Rows rows = (*writer().Prepare(kSelect))->Query();
  ASSERT_TRUE(rows.Next());
  EXPECT_EQ(rows.Get<int>(0), 5);
  EXPECT_EQ(rows.Get<int>(1), 6);
  EXPECT_EQ(rows.Get<std::string_view>(3), "seven");
}

TEST_P(SqlContract, AConstraintSaysAlreadyExistsAndTheConnectionGoesOn) {
  const char* const secret = "correct horse battery staple";
  ASSERT_TRUE(Insert(writer(), 1).ok());
  const absl::Status refused = writer().Run(kInsert, 1, nullptr, nullptr, secret, nullptr);
  EXPECT_EQ(refused.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(NextStep(refused), Advice::kOk) << "an earlier try has stored the row";
  EXPECT_FALSE(Mentions(refused, secret)) << "what was bound does not belong in a log: " << refused;
  EXPECT_EQ(ConnectionAccess::fault_scope(writer()), FaultScope::kStatement);
  EXPECT_EQ(ConnectionAccess::Inspect(writer()), SessionState::kClean);
  EXPECT_TRUE(Insert(writer(), 2).ok());
  EXPECT_EQ(CountRows(), 2);
}

TEST_P(SqlContract, ATransactionWithAnErrorCanBeTakenBack) {
  ASSERT_TRUE(Insert(writer(), 1).ok());
  absl::StatusOr<Transaction> transaction = writer().Begin();
  ASSERT_TRUE(transaction.ok());
  ASSERT_TRUE(Insert(writer(), 2).ok());
  const absl::Status taken = Insert(writer(), 1);
  EXPECT_EQ(taken.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(NextStep(taken), Advice::kStop) << "row 2 is not stored";
  EXPECT_TRUE(transaction->Rollback().ok());
  EXPECT_EQ(CountRows(), 1);
}

TEST_P(SqlContract, AScriptRunsAllItsStatements) {
  ASSERT_TRUE(writer()
                  .RunScript("INSERT INTO kinds(id) VALUES (1); -- a comment; with a semicolon\n"
                             "INSERT INTO kinds(id, words) VALUES (2, 'a;b');;\n")
                  .ok());
  EXPECT_EQ(CountRows(), 2);
  EXPECT_TRUE(writer().RunScript("").ok());
  EXPECT_TRUE(writer().RunScript("  -- nothing\n").ok());
  const absl::Status taken = writer().RunScript("INSERT INTO kinds(id) VALUES (1)");
  EXPECT_EQ(taken.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(NextStep(taken), Advice::kStop) << "nor is what stands behind it";
}

// As node-db-migrate's issue 609 and goose's 3: which statement of a long script was it?
TEST_P(SqlContract, TheErrorOfAScriptNamesTheLineAndTheStatement) {
  const absl::Status taken = writer().RunScript(
      "INSERT INTO kinds(id) VALUES (1);;\n"
      "-- a comment; with a semicolon\n"
      "\n"
      "INSERT INTO kinds(id, words) VALUES (2, 'a;\nb');\n"
      "  /* and\n one */ INSERT INTO kinds(id) VALUES (1) /* \x1b[2J */;\n"
      "INSERT INTO kinds(id) VALUES (4)");
  EXPECT_EQ(taken.code(), absl::StatusCode::kAlreadyExists) << taken;
  EXPECT_TRUE(Mentions(taken, "line 7 of the script: \"INSERT INTO kinds(id) VALUES (1)")) << taken;
  EXPECT_EQ(taken.message().find('\x1b'), std::string_view::npos);
  EXPECT_EQ(NextStep(taken), Advice::kStop);
  const absl::Status wrong =
      writer().RunScript("SELECT 'ä', 'ö';\n\nSELECT 'ü', nothing\n;SELECT 1");
  EXPECT_EQ(wrong.code(), absl::StatusCode::kInvalidArgument) << wrong;
  EXPECT_TRUE(Mentions(wrong, "line 3 of the script: \"SELECT 'ü', nothing")) << wrong;
  const absl::Status nonsense =
      writer().RunScript("SELECT 1;\n" + std::string(dialect().nonsense.text()) + ";\nSELECT 2");
  EXPECT_EQ(nonsense.code(), absl::StatusCode::kInvalidArgument) << nonsense;
  EXPECT_TRUE(Mentions(nonsense, "line 2 of the script: \"SELEC")) << nonsense;
}

TEST_P(SqlContract, ATransactionBegunByAScriptIsSeenAndTakenBack) {
  ASSERT_TRUE(writer().RunScript(dialect().begin).ok());
  ASSERT_TRUE(Insert(writer(), 1).ok());
  EXPECT_FALSE(ConnectionAccess::IsPristine(writer()));
  EXPECT_EQ(ConnectionAccess::Inspect(writer()), SessionState::kDirty);
  ASSERT_TRUE(ConnectionAccess::Reset(writer(), InTime()).ok());
  EXPECT_EQ(ConnectionAccess::Inspect(writer()), SessionState::kClean);
  EXPECT_EQ(CountRows(), 0);
}

TEST_P(SqlContract, ATransactionBegunByAStatementIsSeenAndTakenBack) {
  ASSERT_TRUE(writer().Run(Sql(dialect().begin)).ok());
  ASSERT_TRUE(Insert(writer(), 1).ok());
  EXPECT_FALSE(ConnectionAccess::IsPristine(writer()));
  EXPECT_EQ(ConnectionAccess::Inspect(writer()), SessionState::kDirty);
  ASSERT_TRUE(ConnectionAccess::Reset(writer(), InTime()).ok());
  EXPECT_EQ(CountRows(), 0);
}

TEST_P(SqlContract, ATransactionBegunThroughTheRawHandleIsSeenAndTakenBack) {
  subject().RunNative(writer().Raw(), std::string(dialect().begin));
  subject().RunNative(writer().Raw(), "INSERT INTO kinds(id) VALUES (1)");
  EXPECT_EQ(ConnectionAccess::Inspect(writer()), SessionState::kDirty);
  // A backend that cannot know what else was done lets the pool close the connection.
  if (ConnectionAccess::Reset(writer(), InTime()).ok()) {
    EXPECT_EQ(ConnectionAccess::Inspect(writer()), SessionState::kClean);
  }
  EXPECT_EQ(CountRows(), 0);
}

TEST_P(SqlContract, BeginAfterARawBeginIsRefused) {
  ASSERT_TRUE(writer().RunScript(dialect().begin).ok());
  EXPECT_EQ(writer().Begin().status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(ConnectionAccess::Reset(writer(), InTime()).ok());
}

TEST_P(SqlContract, WhatOneCommitsTheOtherSees) {
  const auto reader = OpenAnother(Role::kReader);
  EXPECT_EQ(CountRows(**reader), 0);
  absl::StatusOr<Transaction> transaction = writer().Begin();
  ASSERT_TRUE(transaction.ok());
  ASSERT_TRUE(Insert(writer(), 1).ok());
  ASSERT_TRUE(transaction->Commit().ok());
  EXPECT_EQ(CountRows(**reader), 1);
  ASSERT_TRUE(writer().Run(kDelete).ok());
  EXPECT_EQ(CountRows(**reader), 0);
}

TEST_P(SqlContract, AStatementOutlivesAChangeOfTheSchemaByAnother) {
  const auto reader = OpenAnother(Role::kReader);
  ASSERT_TRUE(Insert(writer(), 1).ok());
  EXPECT_EQ(CountRows(**reader), 1);
  ASSERT_TRUE(writer().RunScript("ALTER TABLE kinds ADD COLUMN more INTEGER").ok());
  EXPECT_EQ(CountRows(**reader), 1);
}

TEST_P(SqlContract, ABigBlobComesBack) {
  std::string big(40'000, '\0');
  for (size_t i = 0; i < big.size(); ++i) big[i] = static_cast<char>(i * 7);
  ASSERT_TRUE(
      writer().Run(kInsert, 1, nullptr, nullptr, nullptr, std::as_bytes(std::span(big))).ok());
  Rows rows = (*writer().Prepare(kSelect))->Query();
  ASSERT_TRUE(rows.Next());
  const Blob blob = rows.Get<Blob>(4);
  EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(blob.data()), blob.size()), big);
}

TEST_P(SqlContract, AfterAStatementRanIntoItsDeadlineTheConnectionIsCleanOrCondemned) {
  ASSERT_TRUE(Insert(writer(), 1).ok());
  writer().set_deadline(Deadline::After(platform().Now(), 20ms));
  EXPECT_EQ(writer().Run(dialect().endless).code(), absl::StatusCode::kDeadlineExceeded);
  writer().set_deadline(InTime());
  if (ConnectionAccess::fault_scope(writer()) != FaultScope::kStatement) {
    EXPECT_EQ(ConnectionAccess::Inspect(writer()), SessionState::kBroken);
    return;
  }
  EXPECT_EQ(ConnectionAccess::Inspect(writer()), SessionState::kClean);
  EXPECT_EQ(CountRows(), 1);
}

TEST_P(SqlContract, AQueryRunsIntoItsDeadlineWhileItIsRead) {
  const absl::StatusOr<Statement*> endless = writer().Prepare(dialect().endless);
  ASSERT_TRUE(endless.ok()) << endless.status();
  writer().set_deadline(Deadline::After(platform().Now(), 20ms));
  Rows rows = (*endless)->Query();
  EXPECT_FALSE(rows.Next());
  EXPECT_EQ(rows.status().code(), absl::StatusCode::kDeadlineExceeded) << rows.status();
}

// Rows that are there already meet the deadline, too, read or not.
TEST_P(SqlContract, RowsThatKeepComingEndAtTheDeadline) {
  for (const bool reads : {true, false}) {
    const auto connection = OpenAnother(Role::kWriter);
    absl::StatusOr<Statement*> statement = (*connection)->Prepare(dialect().endless_rows);
    ASSERT_TRUE(statement.ok()) << statement.status();
    const TimePoint start = platform().Now();
    (*connection)->set_deadline(Deadline::After(start, 50ms));
    absl::Status status;
    if (reads) {
      Rows rows = (*statement)->Query();
      while (rows.Next()) {
      }
      status = rows.status();
    } else {
      status = (*statement)->Run();
    }
    EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
    EXPECT_LT(platform().Now() - start, 60s);  // all the rows would take hours
  }
}

TEST_P(SnapshotContract, WhatIsNotCommittedNobodyElseSees) {
  const auto reader = OpenAnother(Role::kReader);
  absl::StatusOr<Transaction> transaction = writer().Begin();
  ASSERT_TRUE(transaction.ok());
  ASSERT_TRUE(Insert(writer(), 1).ok());
  EXPECT_EQ(CountRows(), 1);
  EXPECT_EQ(CountRows(**reader), 0);
  ASSERT_TRUE(transaction->Commit().ok());
  EXPECT_EQ(CountRows(**reader), 1);
}

TEST_P(SnapshotContract, ATransactionThatReadsKeepsItsSnapshot) {
  const auto reader = OpenAnother(Role::kReader);
  ASSERT_TRUE(Insert(writer(), 1).ok());
  absl::StatusOr<Transaction> snapshot = (*reader)->Begin();
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_EQ(CountRows(**reader), 1);
  ASSERT_TRUE(Insert(writer(), 2).ok());
  EXPECT_EQ(CountRows(**reader), 1);
  EXPECT_TRUE(snapshot->Commit().ok());
  EXPECT_EQ(CountRows(**reader), 2);
}

TEST_P(SnapshotContract, RowsDroppedEarlyReleaseTheSnapshot) {
  const auto reader = OpenAnother(Role::kReader);
  ASSERT_TRUE(Insert(writer(), 1).ok());
  {
    Rows rows = (*(*reader)->Prepare(kSelect))->Query();
    ASSERT_TRUE(rows.Next());
    ASSERT_TRUE(Insert(writer(), 2).ok());
  }
  EXPECT_EQ(CountRows(**reader), 2);
}

TEST_P(SnapshotContract, ReadingGoesOnWhileTheWriterWorks) {
  const auto reader = OpenAnother(Role::kReader);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(Insert(writer(), i).ok());
  Rows rows = (*(*reader)->Prepare(kSelect))->Query();
  int count = 0;
  while (rows.Next()) {
    ++count;
    ASSERT_TRUE(Insert(writer(), 1000 + count).ok());
  }
  EXPECT_TRUE(rows.status().ok()) << rows.status();
  EXPECT_EQ(count, 100);
}

TEST_P(ReaderContract, AReaderCannotWrite) {
  const auto reader = OpenAnother(Role::kReader);
  EXPECT_FALSE(Insert(**reader, 1).ok());
  EXPECT_FALSE((*reader)->RunScript("DROP TABLE kinds").ok());
  EXPECT_EQ(ConnectionAccess::fault_scope(**reader), FaultScope::kStatement);
  EXPECT_EQ(CountRows(**reader), 0);
  EXPECT_TRUE(Insert(writer(), 1).ok());
}

}  // namespace
}  // namespace roost::contract
