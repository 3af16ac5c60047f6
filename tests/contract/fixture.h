// tests/contract/fixture.h - one subject with an empty table and a connection that writes.
#ifndef ROOST_TESTS_CONTRACT_FIXTURE_H_
#define ROOST_TESTS_CONTRACT_FIXTURE_H_

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "tests/contract/subject.h"
#include "tests/support/forgotten.h"
#include "tests/support/held_connection.h"

namespace roost::contract {

using support::Forgotten;
using support::HeldConnection;

inline constexpr Sql kInsert{"INSERT INTO kinds VALUES ($1, $2, $3, $4, $5)"};
inline constexpr Sql kSelect{"SELECT id, amount, level, words, bytes FROM kinds ORDER BY id"};
inline constexpr Sql kDelete{"DELETE FROM kinds"};

class ContractTest : public ::testing::TestWithParam<SubjectKind> {
 protected:
  ContractTest()
      : subject_(GetParam().make()),
        writer_(std::make_unique<HeldConnection>(subject_->backend(), subject_->platform(),
                                                 subject_->writer())) {}
  void SetUp() override {
    ASSERT_TRUE(writer_->ok()) << writer_->status();
    writer().set_deadline(InTime());
    ASSERT_TRUE(writer().RunScript(dialect().schema).ok());
  }

  Subject& subject() { return *subject_; }
  const Dialect& dialect() { return subject_->dialect(); }
  Backend& backend() { return subject_->backend(); }
  Platform& platform() { return subject_->platform(); }
  Connection& writer() { return **writer_; }
  HeldConnection& held() { return *writer_; }
  std::unique_ptr<HeldConnection> OpenAnother(Role role, int statements = 8) {
    auto held = std::make_unique<HeldConnection>(subject_->backend(), platform(), role, statements);
    EXPECT_TRUE(held->ok()) << held->status();
    if (held->ok()) (*held)->set_deadline(InTime());
    return held;
  }

  // Far away, so that nothing runs into it, and not never, so that nothing hangs.
  Deadline InTime() { return Deadline::After(platform().Now(), std::chrono::seconds(20)); }

  // Inserts a row of this id, with NULLs.
  absl::Status Insert(Connection& connection, int64_t id) {
    return connection.Run(kInsert, id, nullptr, nullptr, nullptr, nullptr);
  }
  int CountRows(Connection& connection) {
    absl::StatusOr<Statement*> select = connection.Prepare(kSelect);
    EXPECT_TRUE(select.ok()) << select.status();
    if (!select.ok()) return -1;
    Rows rows = (*select)->Query();
    int count = 0;
    while (rows.Next()) ++count;
    EXPECT_TRUE(rows.status().ok()) << rows.status();
    return count;
  }
  int CountRows() { return CountRows(writer()); }

 private:
  std::unique_ptr<Subject> subject_;
  std::unique_ptr<HeldConnection> writer_;
};

inline std::string NameOf(const ::testing::TestParamInfo<SubjectKind>& info) {
  return info.param.name;
}

// Declares a suite of this name and runs it for the subjects that have these abilities.
#define ROOST_CONTRACT_SUITE(Suite, abilities)                                              \
  class Suite : public ::roost::contract::ContractTest {};                                  \
  GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Suite);                                     \
  INSTANTIATE_TEST_SUITE_P(Backend, Suite,                                                  \
                           ::testing::ValuesIn(::roost::contract::SubjectsThat(abilities)), \
                           ::roost::contract::NameOf)

}  // namespace roost::contract

#endif  // ROOST_TESTS_CONTRACT_FIXTURE_H_
