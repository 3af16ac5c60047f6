// tools/roostctl/selftest/remote.h - the self-test's own connection to the remote database. One
// for all checks of it: opening takes seven round trips with TLS.
//
// Threads:  one check at a time; one that was left behind keeps the connection, and the next checks
//           find it taken
// Blocks:   up to the deadlines given
#ifndef ROOST_TOOLS_ROOSTCTL_SELFTEST_REMOTE_H_
#define ROOST_TOOLS_ROOSTCTL_SELFTEST_REMOTE_H_

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "roost/pool.h"

namespace roost::tools::selftest {

// One connection, opened by the check that asks for it.
struct RemoteProfile : profiles::RaspberryPiRemote {
  static constexpr const char* kName = "selftest_remote";
  static constexpr int kPoolSize = 1;
  static constexpr int kMaxOverflow = 0;
  static constexpr OpenBy kOpenBy = OpenBy::kCaller;
};

class RemoteDatabase {
 public:
  // An empty `uri`: none is configured. REQUIRES: `platform` outlives this.
  RemoteDatabase(const std::string& uri, Platform& platform, const std::string& password_file = {});
  RemoteDatabase(const RemoteDatabase&) = delete;
  RemoteDatabase& operator=(const RemoteDatabase&) = delete;
  ~RemoteDatabase();

  bool configured() const { return pool_ != nullptr; }
  // MySQL or MariaDB. REQUIRES: configured().
  bool IsMysql() const;
  // host:port/database; never a password.
  std::string target() const;
  // The connection; the first caller opens it. After an open that failed the later callers are told
  // at once what the first was told. REQUIRES: configured().
  absl::StatusOr<Lease> Connect(Deadline deadline);
  // How long the open took. Nothing before.
  std::optional<Duration> opened_in() const { return opened_in_; }
  void Close();

 private:
  Platform& platform_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<PoolFor<RemoteProfile>> pool_;
  std::mutex mutex_;
  absl::Status failure_;
  std::optional<Duration> opened_in_;
};

}  // namespace roost::tools::selftest

#endif  // ROOST_TOOLS_ROOSTCTL_SELFTEST_REMOTE_H_
