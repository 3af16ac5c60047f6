// tests/support/held_connection.h - one connection of a backend without a pool around it.
#ifndef ROOST_TESTS_SUPPORT_HELD_CONNECTION_H_
#define ROOST_TESTS_SUPPORT_HELD_CONNECTION_H_

#include <cstddef>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "roost/backend.h"
#include "roost/platform.h"
#include "tests/support/connection_access.h"

namespace roost::support {

// Opens at once and closes at its end, in memory of exactly the size that the backend asked for.
class HeldConnection {
 public:
  HeldConnection(Backend& backend, Platform& platform, Role role = Role::kAny, int statements = 8,
                 Deadline deadline = Deadline::Never())
      : memory_((backend.ConnectionBytes(statements) + sizeof(Unit) - 1) / sizeof(Unit)) {
    absl::StatusOr<Connection*> opened =
        backend.Open({.role = role,
                      .memory = {reinterpret_cast<std::byte*>(memory_.data()),
                                 backend.ConnectionBytes(statements), statements},
                      .platform = &platform,
                      .deadline = deadline});
    status_ = opened.status();
    if (!opened.ok()) return;
    connection_ = *opened;
    while (connection_ != nullptr && GoOn(platform)) {
    }
  }
  ~HeldConnection() { Close(); }
  HeldConnection(const HeldConnection&) = delete;
  HeldConnection& operator=(const HeldConnection&) = delete;

  const absl::Status& status() const { return status_; }
  bool ok() const { return status_.ok(); }
  Connection* get() const { return connection_; }
  Connection* operator->() const { return connection_; }
  Connection& operator*() const { return *connection_; }

  void Close() {
    if (connection_ != nullptr) ConnectionAccess::CloseAndDestroy(connection_);
  }
  void Abandon() { ConnectionAccess::AbandonAndDestroy(connection_); }
  NativeHandle Detach() { return ConnectionAccess::DetachAndDestroy(connection_); }

 private:
  struct alignas(std::max_align_t) Unit {
    std::byte bytes[alignof(std::max_align_t)];
  };

  // One step of an open that goes on in steps, and the wait for the next. False: open, or failed.
  bool GoOn(Platform& platform) {
    absl::StatusOr<Step> step = ConnectionAccess::Advance(*connection_, platform.Now());
    status_ = step.status();
    if (!step.ok()) Close();
    if (!step.ok() || step->done) return false;
    platform.WaitForDescriptors({&step->wait, 1}, step->at);
    return true;
  }
  std::vector<Unit> memory_;
  absl::Status status_;
  Connection* connection_ = nullptr;
};

}  // namespace roost::support

#endif  // ROOST_TESTS_SUPPORT_HELD_CONNECTION_H_
