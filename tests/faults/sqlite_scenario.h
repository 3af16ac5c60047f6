// tests/faults/sqlite_scenario.h - a short life of two connections that goes on after every error.
//
// Open, schema, batch, query, seal, maintenance, close. What fails is noted; a connection that was
// left dirty is reset, a broken one is closed and opened anew, as a pool would. So a test can make any
// call or any allocation fail and then ask whether what was acknowledged is there, and nothing
// else.
#ifndef ROOST_TESTS_FAULTS_SQLITE_SCENARIO_H_
#define ROOST_TESTS_FAULTS_SQLITE_SCENARIO_H_

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "roost/platform.h"
#include "roost/sqlite.h"
#include "tests/support/held_connection.h"
#include "tests/support/power_cut_vfs.h"

namespace roost::faults {

class SqliteScenario {
 public:
  explicit SqliteScenario(support::PowerCutVfs& card);

  // Lives once, from open to close.
  void Live();

  // What failed, in order, with the step in front.
  struct Failure {
    std::string step;
    absl::Status status;
  };
  const std::vector<Failure>& failures() const { return failures_; }

  // To be asked when the fault is over: opens anew, and says what is wrong. Empty: nothing.
  std::string Examine();

 private:
  using Held = std::unique_ptr<support::HeldConnection>;

  Deadline Soon() const;
  // Notes a failure. True when there was none.
  bool Check(const char* step, const absl::Status& status);
  Held Open(Role role);
  // What a pool does when a lease comes back.
  void GiveBack(Held& held, Role role);
  void StoreBatch(const char* step, int64_t first, int64_t last, Durability durability);
  void StoreOne(int64_t id);
  void TakeBack(int64_t id);
  void StoreTwice(int64_t id);
  void Read();
  void Note(const std::set<int64_t>& ids, const absl::Status& outcome);

  support::PowerCutVfs& card_;
  SqliteBackend backend_;
  Held writer_;
  Held reader_;
  std::vector<Failure> failures_;
  std::set<int64_t> stored_;   // acknowledged
  std::set<int64_t> refused_;  // must not be there
};

}  // namespace roost::faults

#endif  // ROOST_TESTS_FAULTS_SQLITE_SCENARIO_H_
