// tests/bench/nothing_backend.h - a database that does nothing, at once: what is left of a cycle is
// the pool's.
#ifndef ROOST_TESTS_BENCH_NOTHING_BACKEND_H_
#define ROOST_TESTS_BENCH_NOTHING_BACKEND_H_

#include <atomic>
#include <cstdint>
#include <new>
#include <string_view>

#include "roost/backend.h"

namespace roost::bench {

class NothingConnection final : public Connection {
 public:
  absl::StatusOr<Statement*> Prepare(const Sql&) override { return NoSql(); }
  absl::Status RunScript(std::string_view) override { return NoSql(); }
  absl::Status Seal() override { return absl::OkStatus(); }
  SessionState Inspect() override { return SessionState::kClean; }
  absl::Status Reset(Deadline) override { return absl::OkStatus(); }
  Liveness Probe() override { return Liveness::kAlive; }
  absl::Status Ping(Deadline) override { return absl::OkStatus(); }
  absl::Status Maintain(Deadline) override { return absl::OkStatus(); }
  void Close() override {}
  void Abandon() override {}
  NativeHandle Detach() override { return {}; }

 private:
  static absl::Status NoSql() { return absl::InvalidArgumentError("this database knows no SQL"); }
  absl::Status BeginTransaction(Durability) override { return absl::OkStatus(); }
  absl::Status CommitTransaction() override { return absl::OkStatus(); }
  absl::Status RollbackTransaction() override { return absl::OkStatus(); }
  void* RawHandle() override { return nullptr; }
};

class NothingBackend final : public Backend {
 public:
  std::string_view kind() const override { return "nothing"; }
  std::string_view target() const override { return "nothing"; }
  LanePlan lanes() const override { return LanePlan::kOne; }
  size_t ConnectionBytes(int) const override { return sizeof(NothingConnection); }
  absl::StatusOr<Connection*> Open(const OpenRequest& request) override {
    opens_.fetch_add(1, std::memory_order_relaxed);
    return new (request.memory.data) NothingConnection;
  }
  // Connections opened so far.
  uint64_t opens() const { return opens_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> opens_{0};
};

}  // namespace roost::bench

#endif  // ROOST_TESTS_BENCH_NOTHING_BACKEND_H_
