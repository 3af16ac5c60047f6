// backends/common/server_notes.h - what the server said of itself to the latest connection: Backend::server.
//
// Threads:  any
// Blocks:   for a lock held for a copy
// Memory:   its own size
// Errors:   none: what is not known is empty
#ifndef ROOST_BACKENDS_COMMON_SERVER_NOTES_H_
#define ROOST_BACKENDS_COMMON_SERVER_NOTES_H_

#include <string_view>

#include "absl/base/thread_annotations.h"
#include "roost/backend.h"
#include "roost/internal/mutex.h"

namespace roost::backends {

class ServerNotes {
 public:
  // A connection is open. Texts of a server: what a terminal would obey is made plain, what is long is cut.
  void Opened(std::string_view version, std::string_view user, std::string_view tls,
              ServerRole role);
  // The kernel's estimate of `fd`, of what went over it anyway; nothing where it is no TCP link.
  void Measure(int fd);
  ServerFacts facts() const;

 private:
  mutable internal::Mutex mu_;
  ServerFacts facts_ ABSL_GUARDED_BY(mu_){};
};

}  // namespace roost::backends

#endif  // ROOST_BACKENDS_COMMON_SERVER_NOTES_H_
