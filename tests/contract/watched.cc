#include "tests/contract/watched.h"

#include <chrono>
#include <cstdlib>
#include <utility>

#include "roost/internal/connection_access.h"
#include "roost/pool.h"
#include "tests/support/pool_test_peer.h"

namespace roost::contract {
namespace {

struct WatchProfile : profiles::Default {
  static constexpr const char* kName = "watch";
  static constexpr int kPoolSize = 32;
  static constexpr int kMaxOverflow = 0;
  static constexpr int kStatements = 64;
  static constexpr bool kWatchStatements = true;
  static constexpr Duration kSlowStatement = std::chrono::milliseconds(1);
};

// Looks at everything that it is told.
class Reader : public StatementObserver {
 public:
  void OnStatement(const StatementEvent& event) override {
    if (event.sql.size() > StatementEvent::kMostSql || event.status == nullptr ||
        event.took < Duration::zero() || event.rows < 0) {
      std::abort();
    }
  }
};

// A pool that opens nothing has the watch.
class WatchedBackend : public Backend {
 public:
  WatchedBackend(Backend& inner, Platform& platform)
      : inner_(inner),
        pool_(inner, {.name = "watch", .statement_observer = &reader_, .platform = &platform}) {}
  std::string_view kind() const override { return inner_.kind(); }
  std::string_view target() const override { return inner_.target(); }
  LanePlan lanes() const override { return inner_.lanes(); }
  size_t ConnectionBytes(int statements) const override {
    return inner_.ConnectionBytes(statements);
  }
  absl::StatusOr<Connection*> Open(const OpenRequest& request) override {
    absl::StatusOr<Connection*> opened = inner_.Open(request);
    if (!opened.ok()) return opened;
    internal::ConnectionAccess::WatchForks(**opened, request.platform->Forks());
    return PoolTestPeer::Wrapper(pool_).Wrap(next_++ % WatchProfile::kPoolSize, **opened);
  }
  TimePoint Continue(TimePoint now) override { return inner_.Continue(now); }
  absl::Status Hindrance(const void* pool) const override { return inner_.Hindrance(pool); }

 private:
  Backend& inner_;
  Reader reader_;
  PoolFor<WatchProfile> pool_;
  int next_ = 0;
};

class WatchedSubject : public Subject {
 public:
  explicit WatchedSubject(std::unique_ptr<Subject> inner) : inner_(std::move(inner)) {}
  Backend& backend() override { return backend_; }
  Platform& platform() override { return inner_->platform(); }
  const Dialect& dialect() const override { return inner_->dialect(); }
  Role writer() const override { return inner_->writer(); }
  Backend& Unreachable() override { return inner_->Unreachable(); }
  void CloseNative(NativeHandle handle) override { inner_->CloseNative(handle); }
  void RunNative(void* raw, const std::string& sql) override { inner_->RunNative(raw, sql); }
  void ExpectEndless() override { inner_->ExpectEndless(); }

 private:
  const std::unique_ptr<Subject> inner_;
  WatchedBackend backend_{inner_->backend(), inner_->platform()};
};

}  // namespace

SubjectKind Watched(const SubjectKind& kind) {
  return {"watched_" + kind.name, kind.abilities, [make = kind.make]() -> std::unique_ptr<Subject> {
            return std::make_unique<WatchedSubject>(make());
          }};
}

}  // namespace roost::contract
