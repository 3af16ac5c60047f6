#include "tests/faults/sqlite_scenario.h"

#include <sqlite3.h>

#include <string_view>

#include "tests/support/connection_access.h"

namespace roost::faults {
namespace {

using namespace std::chrono_literals;
using support::HeldConnection;

constexpr Sql kStore{"INSERT INTO reading VALUES ($1, $2, $3)"};
constexpr Sql kSelect{"SELECT id, name, body FROM reading WHERE id > $1 ORDER BY name"};

}  // namespace

SqliteScenario::SqliteScenario(support::PowerCutVfs& card)
    : card_(card),
      backend_({.path = "/node.db",
                .schema = "CREATE TABLE IF NOT EXISTS reading(id INTEGER PRIMARY KEY, name TEXT,"
                          " body BLOB);"
                          "CREATE INDEX IF NOT EXISTS by_name ON reading(name)",
                .checkpoint_pages = 4,
                .vfs = card.name()}) {}

Deadline SqliteScenario::Soon() const { return Deadline::After(NativePlatform().Now(), 1s); }

bool SqliteScenario::Check(const char* step, const absl::Status& status) {
  if (!status.ok()) failures_.push_back({step, status});
  return status.ok();
}

SqliteScenario::Held SqliteScenario::Open(Role role) {
  const char* const step = role == Role::kWriter ? "open writer" : "open reader";
  for (int i = 0; i < 2; ++i) {
    auto held = std::make_unique<HeldConnection>(backend_, NativePlatform(), role, 4, Soon());
    if (Check(step, held->status())) {
      (*held)->set_deadline(Soon());
      return held;
    }
  }
  return nullptr;
}

void SqliteScenario::GiveBack(Held& held, Role role) {
  if (held == nullptr) {
    held = Open(role);
    return;
  }
  Connection& connection = **held;
  if (!ConnectionAccess::IsPristine(connection)) {
    const SessionState session_state = ConnectionAccess::Inspect(connection);
    const bool keep = session_state == SessionState::kClean ||
                      (session_state == SessionState::kDirty &&
                       Check("reset", ConnectionAccess::Reset(connection, Soon())));
    if (!keep) {
      held.reset();
      held = Open(role);
      return;
    }
  }
  connection.set_deadline(Soon());
}

void SqliteScenario::Note(const std::set<int64_t>& ids, const absl::Status& outcome) {
  if (absl::IsUnknown(outcome)) return;  // may be there or not
  (outcome.ok() ? stored_ : refused_).insert(ids.begin(), ids.end());
}

void SqliteScenario::StoreBatch(const char* step, int64_t first, int64_t last,
                                Durability durability) {
  if (writer_ == nullptr) return;
  std::set<int64_t> ids;
  for (int64_t id = first; id <= last; ++id) ids.insert(id);
  absl::Status status;
  {
    absl::StatusOr<Transaction> batch = (*writer_)->Begin(durability);
    status = batch.status();
    for (auto id = ids.begin(); status.ok() && id != ids.end(); ++id) {
      status = (*writer_)->Run(kStore, *id, "batch", nullptr);
    }
    if (status.ok()) status = batch->Commit();
  }
  Check(step, status);
  Note(ids, status);
  GiveBack(writer_, Role::kWriter);
}

void SqliteScenario::StoreOne(int64_t id) {
  if (writer_ == nullptr) return;
  // Long enough to need more than one page.
  const std::string body(6000, 'b');
  const absl::Status status = (*writer_)->Run(kStore, id, "one", std::as_bytes(std::span(body)));
  Check("store one", status);
  Note({id}, status);
  GiveBack(writer_, Role::kWriter);
}

void SqliteScenario::TakeBack(int64_t id) {
  if (writer_ == nullptr) return;
  {
    absl::StatusOr<Transaction> batch = (*writer_)->Begin();
    if (Check("begin", batch.status())) {
      Check("insert", (*writer_)->Run(kStore, id, "taken back", nullptr));
      Check("rollback", batch->Rollback());
    }
  }
  refused_.insert(id);
  GiveBack(writer_, Role::kWriter);
}

void SqliteScenario::StoreTwice(int64_t id) {
  if (writer_ == nullptr || !stored_.contains(id)) return;
  const absl::Status status = (*writer_)->Run(kStore, id, "twice", nullptr);
  if (status.ok()) failures_.push_back({"twice", absl::InternalError("was accepted")});
  if (!absl::IsAlreadyExists(status)) Check("twice", status);
  GiveBack(writer_, Role::kWriter);
}

void SqliteScenario::Read() {
  if (reader_ == nullptr) return;
  absl::StatusOr<Statement*> select = (*reader_)->Prepare(kSelect);
  if (Check("prepare select", select.status())) {
    Rows rows = (*select)->Query(0);
    std::set<int64_t> seen;
    while (rows.Next()) seen.insert(rows.Get<int64_t>(0));
    if (Check("select", rows.status()) &&
        !std::includes(seen.begin(), seen.end(), stored_.begin(), stored_.end())) {
      failures_.push_back({"select", absl::InternalError("did not show what was stored")});
    }
  }
  GiveBack(reader_, Role::kReader);
}

void SqliteScenario::Live() {
  writer_ = Open(Role::kWriter);
  reader_ = Open(Role::kReader);
  StoreBatch("batch", 1, 5, Durability::kDefault);
  StoreOne(6);
  Read();
  StoreBatch("sealed batch", 7, 9, Durability::kSealed);
  if (writer_ != nullptr) Check("seal", (*writer_)->Seal());
  GiveBack(writer_, Role::kWriter);
  TakeBack(10);
  StoreTwice(1);
  if (writer_ != nullptr && !Check("maintenance", ConnectionAccess::Maintain(**writer_, Soon())))
    writer_.reset();
  GiveBack(writer_, Role::kWriter);
  StoreBatch("second batch", 11, 12, Durability::kDefault);
  if (reader_ != nullptr && !Check("ping", ConnectionAccess::Ping(**reader_, Soon())))
    reader_.reset();
  Read();
  reader_.reset();
  writer_.reset();
}

std::string SqliteScenario::Examine() {
  if (card_.open_files() != 0) return "files were left open";
  const HeldConnection held(backend_, NativePlatform(), Role::kWriter, 4, Soon());
  if (!held.ok()) return "does not open any more: " + held.status().ToString();
  std::set<int64_t> there;
  {
    Rows rows = (*held->Prepare(kSelect))->Query(0);
    while (rows.Next()) there.insert(rows.Get<int64_t>(0));
    if (!rows.status().ok()) return "does not read: " + rows.status().ToString();
  }
  for (const int64_t id : stored_) {
    if (!there.contains(id)) return "row " + std::to_string(id) + " was acknowledged and is lost";
  }
  for (const int64_t id : refused_) {
    if (there.contains(id)) return "row " + std::to_string(id) + " was refused and is there";
  }
  Rows intact = (*held->Prepare(Sql("PRAGMA integrity_check")))->Query();
  if (!intact.Next()) return "integrity_check: " + intact.status().ToString();
  if (intact.Get<std::string_view>(0) != "ok") return std::string(intact.Get<std::string_view>(0));
  return "";
}

}  // namespace roost::faults
